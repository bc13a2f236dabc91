"""Builds the job of a module that is not the same in all targets of the bundle: once for each of them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import texts_in
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import NO_ACTIVE_SOURCE, UNKNOWN_TARGET
from lakeflow_job_meta.jobs.build import Built, build_job
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.presets import differ_by_target
from lakeflow_job_meta.jobs.task_types import INLINE_SQL
from lakeflow_job_meta.parsing.model import Module, Source
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.targets import in_target
from lakeflow_job_meta.parsing.units import RawModule


def build_module(
    raw: RawModule, module: Module, project: Project, output: str, targets: Collection[str] | None
) -> Built:
    """Builds the job of one module for all targets in which it exists.

    Args:
        raw: The module as it was written.
        module: The same, parsed.
        project: The project.
        output: The folder that `jobs/` and `sql/` are in, relative to the project.
        targets: The targets of the bundle; None where they are not known.
    """
    if not module.by_target and not differ_by_target(module, project):
        return build_job(module, project, output)
    if targets is None and not module.targets:
        return Built(None, tuple(_not_known(module)))
    names = module.targets_among(targets or ())
    if not names:
        what = "is left out of every target" if targets else "differs by target, and the bundle has none"
        message = f"the module {quoted(module.module_name)} {what}, so no job is created from it"
        return Built(None, (NO_ACTIVE_SOURCE.at(module.origin.key("targets"), message),))
    variants: dict[str, Job] = {}
    problems: dict[Diagnostic, None] = {}
    # What is written for all targets keeps its name, whichever comes first.
    for_all = build_job(module, project, output).job if any(map(_has_files, module.sources)) else None
    files = {file.place: file.text for file in (for_all.files if for_all is not None else ())}
    for name in names:
        found = parse_module(in_target(raw, name), project.task_keys).module or module
        own = replace(found, targets=module.targets, by_target=module.by_target)
        built = build_job(own, project, output, name, files)
        problems |= dict.fromkeys(built.diagnostics)
        if built.job is not None:
            variants[name] = built.job
            files |= {file.place: file.text for file in built.job.files}
    if len(variants) < len(names):
        return Built(None, tuple(problems))
    return Built(_together(module, variants, is_everywhere=len(names) == len(targets or ())), tuple(problems))


def _has_files(source: Source) -> bool:
    has_sql = any(path[-1:] == (INLINE_SQL,) for path, _ in texts_in(source.transformation_config))
    return has_sql or source.quality is not None or bool(source.expectations)


def _not_known(module: Module) -> list[Diagnostic]:
    """Reports what is written for targets where nobody knows which there are; that of presets is reported once."""
    message = "what is written for a target needs a databricks.yml that can be read, with its 'targets'"
    return [UNKNOWN_TARGET.at(module.origin.key("targets"), message)] if module.by_target else []


def _together(module: Module, variants: dict[str, Job], *, is_everywhere: bool) -> Job:
    """Returns one job for all targets, which is written once where nothing differs between them."""
    first, *others = variants.values()
    is_same = all(each.settings == first.settings for each in others)
    files = dict.fromkeys(file for each in variants.values() for file in each.files)
    return replace(
        first,
        module=module,
        presets=frozenset().union(*(each.presets for each in variants.values())),
        files=tuple(files),
        targets=() if is_same and is_everywhere else tuple(variants),
        by_target=variants,
    )
