"""Tells a plan: as text for a terminal, as JSON for tools, as Markdown for a comment in a pull request. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta._internal.trees import ABSENT, Difference
from lakeflow_job_meta.plan.compare import JobChange, Kind, Plan, TaskChange
from lakeflow_job_meta.plan.explain_workspace import as_object, workspace_lines
from lakeflow_job_meta.plan.model import BundlePlan
from lakeflow_job_meta.text.markers import one_line

MARKDOWN_LIMIT = 60_000
"""GitHub takes comments of up to 65,536 characters."""

_SIGNS = {Kind.CREATE: "+", Kind.UPDATE: "~", Kind.DELETE: "-"}
_VERBS = {Kind.CREATE: "created", Kind.UPDATE: "changed", Kind.DELETE: "deleted"}


def summary(plan: Plan) -> str:
    """Returns `1 job to create, 2 to change, 0 to delete, 7 unchanged`."""
    created, changed, deleted = (len(plan.of_kind(kind)) for kind in Kind)
    return f"{count(created, 'job')} to create, {changed} to change, {deleted} to delete, {plan.unchanged} unchanged"


def as_text(plan: Plan, live: BundlePlan | None = None) -> str:
    """Returns the plan in lines, the summary last, and after it what the workspace has."""
    lines = [one_line(line) for change in plan.changes for line in _job_lines(change)]
    return "\n".join([*lines, f"{summary(plan)}.", *(workspace_lines(live) if live is not None else ())])


def _job_lines(change: JobChange) -> Iterator[str]:
    yield f"{_SIGNS[change.kind]} job {change.key}: {_VERBS[change.kind]}{_in_addition(change)}"
    if change.kind is Kind.UPDATE:
        yield from (f"    {difference}" for difference in change.settings)
    for task in change.tasks:
        yield from (f"    {line}" for line in _task_lines(task))


def _in_addition(change: JobChange) -> str:
    if change.renamed_from is not None:
        return (
            f"; it looks like {change.renamed_from!r} under a new name: Databricks deletes that job and makes this "
            "one, and the run history is lost"
        )
    return "; its run history is lost" if change.kind is Kind.DELETE else ""


def _task_lines(task: TaskChange) -> Iterator[str]:
    yield f"{_SIGNS[task.kind]} task {task.key}: {_VERBS[task.kind]}"
    if task.waits_also_for:
        yield f"    waits now also for {listing(task.waits_also_for)}"
    if task.waits_no_longer_for:
        yield f"    waits no longer for {listing(task.waits_no_longer_for)}"
    if task.sql_changed:
        yield "    its SQL changed"
    yield from (f"    {difference}" for difference in task.differences)


def as_json(plan: Plan, live: BundlePlan | None = None) -> str:
    """Returns the plan as JSON; docs/command-line.md has its fields."""
    jobs = [
        {
            "job": change.key,
            "action": change.kind.value,
            "renamed_from": change.renamed_from,
            "settings": [_difference(difference) for difference in change.settings],
            "tasks": [_task(task) for task in change.tasks],
        }
        for change in plan.changes
    ]
    told: dict[str, object] = {"jobs": jobs, "unchanged": plan.unchanged}
    if live is not None:
        told["live"] = as_object(live)
    return json.dumps(told, indent=2, ensure_ascii=False)


def _task(task: TaskChange) -> dict[str, object]:
    return {
        "task": task.key,
        "action": task.kind.value,
        "waits_also_for": [*task.waits_also_for],
        "waits_no_longer_for": [*task.waits_no_longer_for],
        "sql_changed": task.sql_changed,
        "settings": [_difference(difference) for difference in task.differences],
    }


def _difference(difference: Difference) -> dict[str, object]:
    values = {"old": difference.before, "new": difference.after}
    return {"path": [*difference.path], **{name: value for name, value in values.items() if value is not ABSENT}}


def as_markdown(plan: Plan, live: BundlePlan | None = None) -> str:
    """Returns the plan as a comment: the summary first, each job folded, cut where GitHub would refuse it."""
    parts = [f"### Jobs: {summary(plan)}\n"]
    if plan.changes:
        parts.append("\n| | job | |\n|---|---|---|\n")
    parts += [f"| {_SIGNS[c.kind]} | `{c.key}` | {_VERBS[c.kind]}{_in_addition(c)} |\n" for c in plan.changes]
    if live is not None:
        parts.append(_folded("in the workspace", workspace_lines(live)))
    parts += [_folded(change.key, _job_lines(change)) for change in plan.changes if change.kind is not Kind.DELETE]
    return _cut(parts)


def _folded(title: str, lines: Iterable[str]) -> str:
    # A fence longer than any run of backticks in a value cannot be closed by one.
    text = "\n".join(map(one_line, lines))
    fence = "`" * max(3, max((len(run) for run in _runs(text)), default=0) + 1)
    return f"\n<details><summary><code>{title}</code></summary>\n\n{fence}\n{text}\n{fence}\n\n</details>\n"


def _runs(text: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]


def _cut(parts: list[str]) -> str:
    note = "\n**{} more not shown:** the comment would be too long. Run `ljm plan` to see all.\n"
    room = MARKDOWN_LIMIT - len(note) - 10
    shown: list[str] = []
    for number, part in enumerate(parts):
        if sum(map(len, shown)) + len(part) > room:
            return "".join(shown) + note.format(count(len(parts) - number, "part"))
        shown.append(part)
    return "".join(shown)


FORMATS: dict[str, Callable[[Plan, BundlePlan | None], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}
