"""Explains a plan: as text for a terminal, as JSON for tools, as Markdown for a comment in a pull request. Pure.

Beside the plan of the metadata there may be that of a deployment, in which edits made by hand stand apart.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from lakeflow_job_meta._internal.text import count, listing, quoted_apart
from lakeflow_job_meta._internal.trees import ABSENT, Difference
from lakeflow_job_meta.output.writer import Change
from lakeflow_job_meta.planning.compare import JobChange, Plan, TaskChange
from lakeflow_job_meta.planning.model import Action, BundlePlan, FieldChange, ResourceChange
from lakeflow_job_meta.text.markers import one_line

MARKDOWN_LIMIT = 60_000
"""GitHub takes comments of up to 65,536 characters."""

_SIGNS = {Change.CREATE: "+", Change.UPDATE: "~", Change.DELETE: "-"}
_WORKSPACE_SIGNS = {Action.CREATE: "+", Action.DELETE: "-", Action.RECREATE: "-/+"}
_VERBS = {Change.CREATE: "created", Change.UPDATE: "changed", Change.DELETE: "deleted"}


def summary(plan: Plan) -> str:
    """Returns `1 job to create, 2 to change, 0 to delete, 7 unchanged`."""
    kinds = Counter(change.kind for change in plan.changes)
    created, changed, deleted = (kinds[kind] for kind in Change)
    return f"{count(created, 'job')} to create, {changed} to change, {deleted} to delete, {plan.unchanged} unchanged"


def as_text(plan: Plan, live: BundlePlan | None = None) -> str:
    """Returns the plan in lines, the summary last, and after it what the workspace has."""
    lines = [one_line(line) for change in plan.changes for line in _job_lines(change)]
    return "\n".join([*lines, f"{summary(plan)}.", *(map(one_line, workspace_lines(live)) if live is not None else ())])


def _job_lines(change: JobChange) -> Iterator[str]:
    yield f"{_SIGNS[change.kind]} job {change.key}: {_VERBS[change.kind]}{_in_addition(change)}"
    if change.kind is Change.UPDATE:
        yield from (f"    {difference}" for difference in change.settings)
    for task in change.tasks:
        yield from (f"    {line}" for line in _task_lines(task))


def _in_addition(change: JobChange) -> str:
    if change.renamed_from is not None:
        return (
            f"; it looks like {change.renamed_from!r} under a new name: Databricks deletes that job and creates "
            "this one, and the run history is lost"
        )
    return "; its run history is lost" if change.kind is Change.DELETE else ""


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
    root: dict[str, object] = {"jobs": jobs, "unchanged": plan.unchanged}
    if live is not None:
        root["live"] = _workspace_object(live)
    return json.dumps(root, indent=2, ensure_ascii=False)


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
    values = dict(zip(("old", "new"), difference.shown, strict=True))
    return {"path": [*difference.path], **{name: value for name, value in values.items() if value is not ABSENT}}


def as_markdown(plan: Plan, live: BundlePlan | None = None) -> str:
    """Returns the plan as a comment: the summary first, each job folded, cut where GitHub would refuse it."""
    sections = [f"### Jobs: {summary(plan)}\n"]
    if plan.changes:
        sections.append("\n| | job | |\n|---|---|---|\n")
    sections += [f"| {_SIGNS[c.kind]} | `{c.key}` | {_VERBS[c.kind]}{_in_addition(c)} |\n" for c in plan.changes]
    if live is not None:
        sections.append(_folded("in the workspace", workspace_lines(live)))
    sections += [_folded(change.key, _job_lines(change)) for change in plan.changes if change.kind is not Change.DELETE]
    return _cut(sections)


def _folded(title: str, lines: Iterable[str]) -> str:
    # A fence longer than any run of backticks in a value cannot be closed by one.
    text = "\n".join(map(one_line, lines))
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"\n<details><summary><code>{title}</code></summary>\n\n{fence}\n{text}\n{fence}\n\n</details>\n"


def _cut(sections: list[str]) -> str:
    note = "\n**{} more not shown:** the comment would be too long. Run `ljm plan` to see all.\n"
    room = MARKDOWN_LIMIT - len(note) - 10
    shown: list[str] = []
    for number, section in enumerate(sections):
        if sum(map(len, shown)) + len(section) > room:
            return "".join(shown) + note.format(count(len(sections) - number, "section"))
        shown.append(section)
    return "".join(shown)


def workspace_lines(plan: BundlePlan) -> Iterator[str]:
    """Yields what would happen, a line each: jobs and their settings, then what was edited by hand."""
    changing = [resource for resource in plan.resources if resource.action is not Action.SKIP]
    yield f"In the workspace: {_counts(changing)}."
    for resource in changing:
        yield f"{_WORKSPACE_SIGNS.get(resource.action, '~')} {resource.shown}: {resource.action.value}"
        written = [field.shown for field in resource.fields if field.action is not Action.SKIP]
        lines = (f"    {field.path}: {' -> '.join(quoted_apart(field.remote, field.new))}" for field in written)
        yield from lines if resource.action not in _WORKSPACE_SIGNS else ()
    edits = _shown_edits(plan)
    if edits:
        yield "Changed in the workspace since the last deployment, and overwritten by the next:"
        for owner, field in edits:
            remote, old = quoted_apart(field.remote, field.old)
            yield f"    {owner.shown}: {field.path} is {remote}, was {old}"


def _workspace_object(plan: BundlePlan) -> dict[str, object]:
    return {
        "resources": [
            {"resource": resource.name, "action": resource.action.value}
            for resource in plan.resources
            if resource.action is not Action.SKIP
        ],
        "hand_edits": [
            {"job": owner.shown, "path": field.path, "deployed": field.old, "workspace": field.remote}
            for owner, field in _shown_edits(plan)
        ],
    }


def _shown_edits(plan: BundlePlan) -> list[tuple[ResourceChange, FieldChange]]:
    return [(owner, field.shown) for owner, field in plan.hand_edits()]


def _counts(changing: list[ResourceChange]) -> str:
    actions = Counter(resource.action.value for resource in changing)
    return ", ".join(f"{number} to {action}" for action, number in actions.items()) or "nothing would change"


FORMATS: dict[str, Callable[[Plan, BundlePlan | None], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}
