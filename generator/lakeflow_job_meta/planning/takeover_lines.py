"""Tells which jobs of the workspace a plan takes over, and what changes in each, and where that is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lakeflow_job_meta._internal.text import count, quoted_apart
from lakeflow_job_meta._internal.trees import KeyPath, by_item_number, value_at
from lakeflow_job_meta.jobs.all_jobs import Jobs
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.planning.model import Action, BundlePlan, FieldChange, ResourceChange
from lakeflow_job_meta.planning.setting_paths import steps_of

_OF_PROJECT = ("defaults", "presets")


def takeover_lines(plan: BundlePlan, jobs: Jobs, target: str | None) -> Iterator[str]:
    """Yields what is taken over: how many jobs, then those that change, and those that get another name."""
    taken = [each for each in plan.resources if each.takes_over and each.job_key in jobs.names]
    if taken:
        changing = [each for each in taken if _written(each)]
        same = len(taken) - len(changing)
        end = f": {same} without a change, {len(changing)} with:" if changing else ", without a change."
        yield f"{count(len(taken), 'job')} to adopt{end}"
    for each in plan.resources:
        if each.takes_over and each not in taken:
            yield f"- {each.shown} ({each.job_id}): {each.takes_over}"
        elif each.takes_over and (_written(each) or each.takes_over.startswith("renamed")):
            job = jobs.get(each.shown) if _written(each) else None
            variant = job.in_target(target) if job is not None else None
            changes = [_told(field, variant) for field in _written(each)]
            words = [*([each.takes_over] if each.takes_over.startswith("renamed") else []), *changes]
            yield f"~ {each.shown} ({each.job_id}): {'; '.join(words)}"


def _written(change: ResourceChange) -> list[FieldChange]:
    return [each.shown for each in change.fields if each.action is not Action.SKIP and not each.is_bookkeeping]


def _told(field: FieldChange, job: Job | None) -> str:
    path = by_item_number(job.settings, steps_of(field.path)) if job is not None else ()
    origin = f" (from {_origin(job, path)})" if job is not None and value_at(job.settings, path)[0] else ""
    return f"{_shown(field.path)}: {' -> '.join(quoted_apart(field.remote, field.new))}{origin}"


def _shown(path: str) -> str:
    """Returns the path of a setting as people say it: `max_retries of task load`."""
    found = re.fullmatch(r"tasks\[task_key='(.*?)'\]\.(.+)", path)
    return f"{found[2]} of task {found[1]}" if found is not None else path


def _origin(job: Job, path: KeyPath) -> str:
    ref = job.origin_of(path)
    of_project = ".".join(str(step) for step in ref.path[:2]) if ref.path[:1] and ref.path[0] in _OF_PROJECT else ""
    return f"{of_project}, {ref}" if of_project else str(ref)
