"""How fast tasks are checked: our checks, the compiled schema alone, and plain `jsonschema` as the measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema

from bench.estate import SOURCES, rows
from lakeflow_job_meta.checks.all_checks import check_job
from lakeflow_job_meta.checks.context import CheckContext, OtherModules
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Defaults
from lakeflow_job_meta.jobs.build import build_job
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.schema.validator import is_valid_job, load_schema

MODULES = 10_000
SLOW_MODULES = 20
"""Plain jsonschema takes so long that it gets fewer."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result: tasks checked in a second."""

    what: str
    tasks_a_second: float


def run() -> list[Figure]:
    """Measures all three in one run."""
    jobs, context = _jobs()
    validator = jsonschema.Draft202012Validator(load_schema("job"))
    assert all(not check_job(job, context) for job in jobs[:100]), "the benchmark's jobs are meant to be right"
    return [
        _measure("all checks", jobs, lambda job: check_job(job, context)),
        _measure("the schema alone, compiled (jsonschema-rs)", jobs, lambda job: is_valid_job(job.settings)),
        _measure(
            "the schema alone, plain jsonschema", jobs[:SLOW_MODULES], lambda job: validator.is_valid(job.settings)
        ),
    ]


def _jobs() -> tuple[list[Job], CheckContext]:
    project = load_project(Path(__file__).parent)
    project = type(project)(project.folder, project.origin, defaults=Defaults(warehouse_id="0123456789abcdef"))
    modules = [parse_module(raw).module for raw in modules_of_rows("bench", rows(MODULES)).modules]
    jobs = [job for module in modules if module is not None and (job := build_job(module, project, project.output).job)]
    keys = frozenset(job.key for job in jobs)
    return jobs, CheckContext(
        project, project.output, BundleDeclarations(), FileLookups(project.folder), OtherModules(job_keys=keys)
    )


def _measure(what: str, jobs: list[Job], check: Callable[[Job], object]) -> Figure:
    begin = time.perf_counter()
    for job in jobs:
        check(job)
    return Figure(what, len(jobs) * SOURCES / (time.perf_counter() - begin))
