"""Sources and what they wait for: names that exist once, and no circle."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.text import circle, did_you_mean, quoted
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics import rules
from lakeflow_job_meta.diagnostics.model import Diagnostic, nearest
from lakeflow_job_meta.jobs.dependencies import find_cycles
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.parsing.keys import SourceSpellings
from lakeflow_job_meta.parsing.model import Source

MOST_DEPENDENCIES = 25_000
"""Of a job. Databricks documents none; these take about a megabyte of YAML."""


def sources_are_unique(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses two sources of one id, or of one task key, active or not."""
    first_by_id: dict[str, Source] = {}
    first_by_key: dict[str, Source] = {}
    checking = [source for source in job.module.sources if source.follows is not None]
    for source in job.module.sources:
        if not source.task_key or source.follows is not None:
            continue
        origin = source.origin.at("source_id")
        if source.source_id in first_by_id:
            first = first_by_id[source.source_id].origin.at("source_id")
            message = f"the source {quoted(source.source_id)} is there already, at {first}"
            yield rules.DUPLICATE_SOURCE.at(origin, message)
        elif source.task_key in first_by_key:
            other = first_by_key[source.task_key]
            yield rules.TASK_KEY_COLLISION.at(
                origin,
                f"{quoted(source.source_id)} and {quoted(other.source_id)} (at {other.origin.at('source_id')}) both "
                f"become the task key {source.task_key!r}",
            )
        first_by_id.setdefault(source.source_id, source)
        first_by_key.setdefault(source.task_key, source)
    for source in checking:
        if (taken := first_by_key.get(source.task_key)) is not None:
            what = f"this makes a task {source.task_key!r}, but so does the source {quoted(taken.source_id)}"
            yield rules.TASK_KEY_COLLISION.at(source.origin, f"{what} (at {taken.origin.at('source_id')}); rename that")


def dependencies_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses a dependency on a source that is not there, or on itself."""
    names = dict.fromkeys(source.source_id for source in job.module.sources)
    spellings: SourceSpellings | None = None
    for source in job.module.sources:
        for dependency in source.depends_on or ():
            if dependency.source_id == source.source_id:
                yield rules.DEPENDENCY_CYCLE.at(dependency.origin, f"{quoted(source.source_id)} waits for itself")
            elif dependency.source_id not in names:
                spellings = spellings or SourceSpellings(names, context.project.task_keys)
                hint = spellings.hint(dependency.source_id, source.source_id)
                hint = hint or did_you_mean(dependency.source_id, names, besides=source.source_id)
                what = f"{quoted(source.source_id)} depends on {quoted(dependency.source_id)}"
                near = nearest(dependency.source_id, names, besides=source.source_id)
                message = f"{what}, which the module does not have{hint}"
                yield rules.UNKNOWN_DEPENDENCY.at(dependency.origin, message, near)


def outcomes_come_from_conditions(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses to wait for the outcome of what has none."""
    by_id = {source.source_id: source for source in job.module.sources}
    for source in job.module.sources:
        for dependency in source.depends_on or ():
            other = by_id.get(dependency.source_id)
            if dependency.outcome is None or other is None:
                continue
            origin = dependency.origin.at("outcome")
            if "condition_task" not in other.transformation_config:
                message = f"{quoted(other.source_id)} is no condition, so it has no outcome to wait for"
                yield rules.OUTCOME_WITHOUT_CONDITION.at(origin, message)
            elif source.is_active and not other.is_active:
                message = f"the condition {quoted(other.source_id)} is inactive, so there is no outcome to wait for"
                yield rules.OUTCOME_WITHOUT_CONDITION.at(origin, message)


def dependencies_have_no_cycle(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses circles, by depends_on alone or together with execution_order; each is named once."""
    written = {source.source_id: number for number, source in reversed([*enumerate(job.module.sources)])}
    for cycle in find_cycles(job.module):
        names = [source.source_id for source in cycle]
        if len(cycle) == 1 and any(names[0] == dependency.source_id for dependency in cycle[0].depends_on or ()):
            continue  # `dependencies_exist` has reported that already
        start = names.index(min(names, key=written.__getitem__))
        shown = circle([*names[start:], *names[:start]])
        yield rules.DEPENDENCY_CYCLE.at(cycle[start].origin.key("depends_on"), f"sources wait for each other: {shown}")


def stages_are_no_net(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses stages of so many tasks, each of which waits for all of the one before, that no file can hold it."""
    number = sum(len(depends_on) for task in job.tasks if isinstance(depends_on := task.get("depends_on"), list))
    if number > MOST_DEPENDENCIES:
        made = f"the stages of this job make {number:,} dependencies between {len(job.tasks):,} tasks"
        remedy = f"{MOST_DEPENDENCIES:,} are the limit; let sources say with 'depends_on' what each waits for"
        message = f"{made}, and {remedy}"
        yield rules.TOO_MUCH.at(job.module.origin.key("sources"), message)


JOB_CHECKS = (
    stages_are_no_net,
    sources_are_unique,
    dependencies_exist,
    outcomes_come_from_conditions,
    dependencies_have_no_cycle,
)
