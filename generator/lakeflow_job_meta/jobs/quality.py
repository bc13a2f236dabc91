"""What is checked once a source has run: the tasks for `quality` and `expect_no_rows`, and what they are set to. Pure.

A task that only checks is a source that nobody wrote: it follows the one that was written, and whatever waits for that
one waits for it (`dependencies.py`). DQX runs in a notebook of ours, which is generated once for a bundle; a query runs
on a SQL warehouse, like any inline SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.jobs.expectations_sql import render_expectations_sql
from lakeflow_job_meta.jobs.layers import Layer
from lakeflow_job_meta.jobs.quality_names import DQX_VERSION, NOTEBOOK, PARAMETER
from lakeflow_job_meta.jobs.task_types import CLUSTER_FIELDS, INLINE_SQL, RETRIES
from lakeflow_job_meta.parsing.model import Dependency, Module, Quality, Source, table_of
from lakeflow_job_meta.tables.names import is_location, is_url

DQX = f"databricks-labs-dqx=={DQX_VERSION}"
ENVIRONMENT_KEY = "ljm_quality"

LEFT_OUT_OF_DEFAULTS = (*RETRIES, "libraries")
"""Rows that are wrong are as wrong the second time; and the libraries are those of DQX."""

ENVIRONMENT: Value = {"environment_key": ENVIRONMENT_KEY, "spec": {"environment_version": "4", "dependencies": [DQX]}}


def with_checking_sources(module: Module) -> Module:
    """Returns a module with a source, behind each active one that is checked, for every task that checks it."""
    if not any(source.quality or source.expectations for source in module.sources):
        return module
    return replace(module, sources=tuple(each for source in module.sources for each in (source, *_checking(source))))


def _checking(source: Source) -> Iterator[Source]:
    if not source.is_active or source.run_if is not None:
        return
    written = {"quality": source.quality is not None, "expect_no_rows": bool(source.expectations)}
    for name, suffix in (("quality", "_quality"), ("expect_no_rows", "_expectations")):
        if written[name]:
            origin = source.origin.at(name)
            yield source._replace(
                source_id=f"{source.source_id}{suffix}",
                task_key=f"{source.task_key}{suffix}",
                execution_order=None,
                depends_on=(Dependency(source.source_id, None, origin),),
                source_config={},
                target_config={},
                transformation_config={},
                origin=origin,
                quality=source.quality if name == "quality" else None,
                expectations=source.expectations if name == "expect_no_rows" else (),
                follows=source,
            )


class Checked(NamedTuple):
    """What a task that checks has to know of the one that it follows.

    Attributes:
        module: The name of the module.
        source: The source that is checked.
        task: The settings of its task.
        results_table: The table that gets the results; empty if none does.
        layer: The name of the layer that the source is.
    """

    module: str
    source: Source
    task: dict[str, Value]
    results_table: str
    layer: str

    def parameters(self) -> dict[str, str | None]:
        """Returns what both kinds of tasks are told."""
        return {
            "module": self.module,
            "source": self.source.source_id,
            "table": self.source.table,
            "results_table": self.results_table,
            "run_id": "{{job.run_id}}",
            "target": "${bundle.target}",
        }

    def layer_of(self, value: Value, *path: str, ref: SourceRef) -> Layer:
        return Layer(self.layer, ref, value, path, is_derived=True)


def results_table(control_table: str | None) -> str:
    """Returns the name of the table beside a control table that gets the results of checks.

    It is empty without a control table, and for one by a relative path, which leads nowhere in a workspace.
    """
    if not control_table or (is_location(control_table) and not (is_url(control_table) or control_table[0] == "/")):
        return ""
    return f"{control_table[:-1]}_quality`" if control_table.endswith("`") else f"{control_table}_quality"


def quality_layers(quality: Quality, checked: Checked, folder: str, checks_file: str) -> list[Layer]:
    """Returns what the task that runs DQX is set to.

    `folder` is that of the notebook, relative to the project, and `checks_file` the one of its rules, relative to it.
    """
    own = {
        "checks_file": checks_file,
        "checks_table": quality.checks_table,
        "quarantine": quality.quarantine,
        "on_error": "stop" if quality.is_to_stop else "go_on",
    }
    places = {"checks_file": "checks", **{name: name for name in ("checks_table", "quarantine", "on_error")}}
    cluster = _cluster(checked.task)
    runs_on: dict[str, Value] = {"libraries": [{"pypi": {"package": DQX}}]} if cluster else _SERVERLESS
    block: dict[str, Value] = {"notebook_path": f"{folder}/{NOTEBOOK}", "source": "WORKSPACE"}
    return [
        *(
            checked.layer_of(value, name, ref=quality.origin)
            for name, value in {**cluster, **runs_on, "notebook_task": block}.items()
        ),
        *_parameters(checked, own, places, quality.origin, "notebook_task", "base_parameters"),
    ]


_SERVERLESS: dict[str, Value] = {"environment_key": ENVIRONMENT_KEY, "disable_auto_optimization": True}


def _cluster(task: dict[str, Value]) -> dict[str, Value]:
    """Returns the cluster that a task names, or what a loop repeats; nothing where it names none."""
    loop = value_at(task, ("for_each_task", "task"))[1]
    task = loop if isinstance(loop, dict) else task
    return {name: task[name] for name in CLUSTER_FIELDS if task.get(name) is not None}


def expectation_layers(source: Source, checked: Checked) -> list[Layer]:
    """Returns what the task that runs the queries of a source is set to."""
    # A warehouse knows tables by their names, and not by paths.
    has_results = bool(checked.results_table) and "/" not in checked.results_table
    block: dict[str, Value] = {INLINE_SQL: render_expectations_sql(source.expectations, has_results=has_results)}
    own = value_at(checked.task, ("sql_task", "warehouse_id"))[1]
    if isinstance(own, str):
        block["warehouse_id"] = own
    return [
        *(checked.layer_of(value, "sql_task", name, ref=source.origin) for name, value in block.items()),
        *_parameters(checked, {}, {}, source.origin, "sql_task", "parameters"),
    ]


def _parameters(
    checked: Checked, own: dict[str, str | None], places: dict[str, str], origin: SourceRef, *path: str
) -> Iterator[Layer]:
    """Yields the parameters of a task, each with where it is written; one without a value is an empty text."""
    source = checked.source
    of_target = source.table is not None and source.table == table_of(source.target_config)
    refs = {
        "module": source.origin.at("source_id"),
        "source": source.origin.at("source_id"),
        "table": source.origin.at("target_config") if of_target else source.origin.at("quality", "table"),
        **{name: origin.at(place) for name, place in places.items()},
    }
    for name, value in {**checked.parameters(), **own}.items():
        yield checked.layer_of(value or "", *path, f"{PARAMETER}{name}", ref=refs.get(name, origin))
