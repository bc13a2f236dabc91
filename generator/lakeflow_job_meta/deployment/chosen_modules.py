"""A deployment of some modules alone: what is compiled of them, and what of a plan is none of theirs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow_job_meta._internal.text import count, listing, quoted
from lakeflow_job_meta._internal.trees import texts_in
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.deployment.backend import DeployOptions, Reporter
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.jobs.references import REFERENCE
from lakeflow_job_meta.planning.model import BundlePlan, belongs_to, job_names
from lakeflow_job_meta.services.module_names import only_modules, why_not_in_target
from lakeflow_job_meta.state.tracking import DeployedJob


def narrowed(compilation: Compilation, options: DeployOptions, reporter: Reporter) -> Compilation:
    """Returns the compilation of the modules that are to be deployed, and tells of errors in others."""
    try:
        chosen = only_modules(compilation, options.modules)
    except InvalidMetadata as error:
        reporter.on_checked(error.diagnostics, len(options.modules))
        raise
    if others := len(compilation.errors) - len(chosen.errors):
        reporter.on_progress(f"Other modules have {count(others, 'error')}, which `ljm validate` lists.")
    return chosen


def refuse_what_cannot_be(chosen: Compilation, recorded: Sequence[DeployedJob], target: str | None) -> None:
    """Raises OperationFailed where a job is not for a target, or refers to another module's that is not there yet.

    A record of no job at all tells nothing of what is there.
    """
    for key, name in chosen.jobs.names.items():
        if reason := why_not_in_target(chosen, key, target):
            raise OperationFailed(f"{quoted(name)} has no job in the target {target!r}, since {reason}")
    known = {job.key for job in recorded}
    lacking = chosen.kept_jobs - known if known else frozenset()
    for job in chosen.jobs if lacking else ():
        texts = (text for _, text in texts_in(job.in_target(target).settings))
        named = {key for text in texts for match in REFERENCE.finditer(text) for key in _job_keys_in(match[1])}
        if missing := sorted(named & lacking):
            raise OperationFailed(
                f"{quoted(job.module.module_name)} refers to the job of {listing(missing)}, which is not deployed yet. "
                "Deploy both together. Nothing was changed in the workspace."
            )


def of_others(plan: BundlePlan, compilation: Compilation) -> set[str]:
    """Returns the resources of a plan that are of none of the modules which are deployed."""
    own = job_names([*compilation.jobs.names, *compilation.jobs.renamed])
    return {each.name for each in plan.resources if not belongs_to(each.name, own)}


def _job_keys_in(reference: str) -> list[str]:
    return reference.split(".")[2:3] if reference.startswith("resources.jobs.") else []
