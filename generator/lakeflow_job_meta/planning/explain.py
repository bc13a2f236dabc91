"""Explains a plan: as text for a terminal, as JSON for tools, as Markdown for a comment in a pull request. Pure.

Beside the plan of the metadata there may be that of a deployment, in which edits made by hand stand apart.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from lakeflow_job_meta._internal.text import count, listing, quoted_apart
from lakeflow_job_meta._internal.trees import ABSENT, Difference
from lakeflow_job_meta.config.model import PROJECT_FILE, Removal
from lakeflow_job_meta.output.changes import Change
from lakeflow_job_meta.planning.changes import JobChange, Plan, TaskChange
from lakeflow_job_meta.planning.fold import fold_jobs, fold_resources
from lakeflow_job_meta.planning.model import Action, BundlePlan, FieldChange, KeptSetting, ResourceChange
from lakeflow_job_meta.planning.waiting_lines import waiting_lines, waiting_objects
from lakeflow_job_meta.text.markers import one_line

MARKDOWN_LIMIT = 60_000
"""GitHub takes comments of up to 65,536 characters."""

_MOST_NAMED = 20

_SIGNS = {Change.CREATE: "+", Change.UPDATE: "~", Change.DELETE: "-"}
_WORKSPACE_SIGNS = {Action.CREATE: "+", Action.DELETE: "-", Action.RECREATE: "-/+"}
_VERBS = {Change.CREATE: "created", Change.UPDATE: "changed", Change.DELETE: "deleted"}


def summary(plan: Plan) -> str:
    """Returns `1 job to create, 2 to change, 0 to delete, 7 unchanged`; what is only forgotten too, if there is any."""
    forgotten = sum(map(_is_forgotten, plan.changes))
    kinds = Counter(change.kind for change in plan.changes)
    created, changed, deleted = (kinds[kind] for kind in Change)
    more = f", {forgotten} to forget" if forgotten else ""
    return (
        f"{count(created, 'job')} to create, {changed} to change, {deleted - forgotten} to delete{more}, "
        f"{plan.unchanged} unchanged"
    )


def _is_forgotten(change: JobChange) -> bool:
    return change.kind is Change.DELETE and change.keeps_job


def as_text(plan: Plan, live: BundlePlan | None = None) -> str:
    """Returns the plan in lines, the summary last, and after it what the workspace has."""
    lines = [one_line(line) for group in fold_jobs(plan.changes) for line in _lines(group)]
    lines += (f"- {one_line(each.module_name)}: {_release(each)}" for each in plan.released)
    lines.append(f"{summary(plan)}.")
    if plan.refused:
        advice = f"If that is meant, {PROJECT_FILE} says `deploy: {{removed: [{_names(plan.refused)}]}}`."
        lines.append(f"`ljm deploy` refuses to delete {count(len(plan.refused), 'job')}. {advice}")
    lines += map(one_line, waiting_lines(plan.waiting, plan.target))
    return "\n".join([*lines, *(map(one_line, workspace_lines(live)) if live is not None else ())])


def _release(removal: Removal) -> str:
    """Returns what becomes of the job of a module that was gone before, now that the project file says so."""
    if removal.keep_job:
        return "its module was gone before, and 'deploy.removed' is new: forgotten where its job still is, which stays"
    return "its module was gone before, and 'deploy.removed' is new: deleted where its job still is"


def _names(keys: Sequence[str], separator: str = ", ") -> str:
    shown = [*keys[:_MOST_NAMED], *(["..."] if len(keys) > _MOST_NAMED else [])]
    return separator.join(shown)


def _lines(group: Sequence[JobChange]) -> Iterator[str]:
    """Yields what is told of one job, or once of several that are alike."""
    first = group[0]
    yield f"{_SIGNS[first.kind]} {_subject(group)}: {_happens_to(group)}"
    if len(group) > 1:
        yield f"    {listing(_member(change) for change in group)}"
    if first.kind is Change.UPDATE:
        told = (each for each in first.settings if len(group) == 1 or not first.keeps_job or each.path != ("name",))
        yield from (f"    {difference}" for difference in told)
    # Created ones are together although their tasks may differ: the rows of one job become tasks.
    for task in first.tasks if all(change.tasks == first.tasks for change in group) else ():
        yield from (f"    {line}" for line in _task_lines(task))


def _subject(group: Sequence[JobChange]) -> str:
    source = group[0].source if len(group) > 1 else None
    return f"{'job ' if len(group) == 1 else ''}{_title(group)}{f' of {source}' if source is not None else ''}"


def _title(group: Sequence[JobChange]) -> str:
    """Names what is told together, where Markdown and HTML would mean something: no file and no table is in it."""
    if len(group) == 1:
        return group[0].key
    blueprint = _blueprint_of(group)
    return f"{count(len(group), 'job')}{f' of blueprint {blueprint}' if blueprint is not None else ''}"


def _blueprint_of(group: Sequence[JobChange]) -> str | None:
    """Returns the blueprint that all jobs of a group are made of, if they are of one."""
    names = {change.blueprint for change in group}
    return names.pop() if len(names) == 1 else None


def _member(change: JobChange) -> str:
    return change.key if change.renamed_from is None else f"{change.renamed_from} -> {change.key}"


def _happens_to(group: Sequence[JobChange]) -> str:
    first, is_one = group[0], len(group) == 1
    if _is_forgotten(first):
        stays = "its job stays" if is_one else "their jobs stay"
        return f"no longer in the metadata; {stays} in the workspace, forgotten"
    if first.keeps_job:
        kept = "keeps its id and run history" if is_one else "they keep their ids and run histories"
        return f"renamed{f' from {first.renamed_from}' if is_one else ''}; {kept}"
    if first.kind is Change.UPDATE:
        return "changed" if is_one else "changed alike"
    if first.kind is Change.DELETE:
        return f"deleted; {'its' if is_one else 'their'} run history is lost"
    if first.renamed_from is None:
        return f"created{_from_rows(first) if is_one else ''}"
    if is_one:
        like, those, these = f"it looks like {first.renamed_from!r} under a new name", "that job", "this one"
    else:
        like, those, these = "they look like others under new names", "those jobs", "these"
    return f"created; {like}: Databricks deletes {those} and creates {these}, and the run history is lost"


def _from_rows(change: JobChange) -> str:
    more = f" and {count(len(change.rows) - 1, 'more row')}" if len(change.rows) > 1 else ""
    return f"  ({change.rows[0]}{more})" if change.rows else ""


def _task_lines(task: TaskChange) -> Iterator[str]:
    where = f" in {task.target}" if task.target is not None else ""
    yield f"{_SIGNS[task.kind]} task {task.key}{where}: {_VERBS[task.kind]}"
    if task.waits_also_for:
        yield f"    waits now also for {listing(task.waits_also_for)}"
    if task.waits_no_longer_for:
        yield f"    waits no longer for {listing(task.waits_no_longer_for)}"
    if task.sql_changed:
        yield "    its SQL changed"
    if task.rules_changed:
        yield "    its rules changed"
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
            "blueprint": change.blueprint,
            "rows": [*change.rows],
            "keeps_job": change.keeps_job,
        }
        for change in plan.changes
    ]
    alike = [_alike(group) for group in fold_jobs(plan.changes) if len(group) > 1]
    released = [{"module": each.module_name, "keep_job": each.keep_job} for each in plan.released]
    root: dict[str, object] = {"jobs": jobs, "alike": alike, "refused": [*plan.refused], "released": released}
    root["unchanged"] = plan.unchanged
    if plan.waiting:
        root["waiting_for_approval"] = waiting_objects(plan.waiting, plan.target)
    if live is not None:
        root["live"] = _workspace_object(live)
    return json.dumps(root, indent=2, ensure_ascii=False)


def _alike(group: Sequence[JobChange]) -> dict[str, object]:
    first = group[0]
    return {
        "action": first.kind.value,
        "blueprint": _blueprint_of(group),
        "source": first.source,
        "jobs": [change.key for change in group],
    }


def _task(task: TaskChange) -> dict[str, object]:
    return {
        "task": task.key,
        "target": task.target,
        "action": task.kind.value,
        "waits_also_for": [*task.waits_also_for],
        "waits_no_longer_for": [*task.waits_no_longer_for],
        "sql_changed": task.sql_changed,
        "rules_changed": task.rules_changed,
        "settings": [_difference(difference) for difference in task.differences],
    }


def _difference(difference: Difference) -> dict[str, object]:
    values = dict(zip(("old", "new"), difference.shown, strict=True))
    shown: dict[str, object] = {name: value for name, value in values.items() if value is not ABSENT}
    origin = {"origin": difference.origin} if difference.origin is not None else {}
    return {"path": [*difference.path], **shown, **origin}


def as_markdown(plan: Plan, live: BundlePlan | None = None) -> str:
    """Returns the plan as a comment: the summary first, each job folded, cut where GitHub would refuse it."""
    sections = [f"### Jobs: {summary(plan)}\n"]
    if plan.changes or plan.released:
        sections.append("\n| | job | |\n|---|---|---|\n")
    groups = fold_jobs(plan.changes)
    sections += [f"| {_SIGNS[group[0].kind]} | {_cell(group)} | {_happens_to(group)} |\n" for group in groups]
    sections += [f"| - | `{one_line(each.module_name)}` | {_release(each)} |\n" for each in plan.released]
    if plan.refused:
        sections.append(_refusal(plan.refused))
    if plan.waiting:
        sections.append(_folded("waiting for approval", waiting_lines(plan.waiting, plan.target)))
    if live is not None:
        sections.append(_folded("in the workspace", workspace_lines(live)))
    told = (group for group in groups if len(group) > 1 or group[0].kind is not Change.DELETE)
    sections += [_folded(_title(group), _lines(group)) for group in told]
    return _cut(sections)


def _refusal(keys: Sequence[str]) -> str:
    """Returns what stands in a comment where a deployment would be refused, and the lines that a reviewer may want."""
    removed = _names(keys, "\n    - ")
    return (
        f"\n**`ljm deploy` refuses to delete {count(len(keys), 'job')}.** If that is meant, `{PROJECT_FILE}` says so:\n"
        f"\n```yaml\ndeploy:\n  removed:\n    - {removed}\n```\n"
    )


def _cell(group: Sequence[JobChange]) -> str:
    return f"`{_title(group)}`" if len(group) == 1 else _title(group)


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
    changing = [each for each in plan.resources if each.action is not Action.SKIP or each.takes_over]
    yield f"In the workspace: {_counts(changing)}."
    for group in fold_resources(changing):
        resource, is_one = group[0], len(group) == 1
        noun = "job" if resource.job_key is not None else "resource"
        subject = resource.shown if is_one else count(len(group), noun)
        yield f"{_WORKSPACE_SIGNS.get(resource.action, '~')} {subject}: {resource.takes_over or resource.action.value}"
        if not is_one:
            yield f"    {listing(each.shown for each in group)}"
        written = [each.shown for each in resource.fields if each.action is not Action.SKIP and not each.is_bookkeeping]
        lines = (f"    {field.path}: {' -> '.join(quoted_apart(field.remote, field.new))}" for field in written)
        yield from lines if resource.action not in _WORKSPACE_SIGNS else ()
    edits = _shown_edits(plan)
    if edits:
        yield "Changed in the workspace since the last deployment, and overwritten by the next:"
        for owner, field in edits:
            remote, old = quoted_apart(field.remote, field.old)
            yield f"    {owner.shown}: {field.path} is {remote}, was {old}"
    if plan.kept:
        yield "Kept as they are in the workspace:"
        yield from (f"    {line}" for line in kept_lines(plan))
    if plan.first_paused:
        yield f"Created paused, until `ljm unpause`: {listing(plan.first_paused)}."


def kept_lines(plan: BundlePlan) -> Iterator[str]:
    """Yields a line for each setting that stays as somebody has set it in the workspace."""
    for each in (kept.shown for kept in plan.kept):
        workspace, metadata = quoted_apart(each.workspace, each.metadata)
        yield f"{each.job}: {each.setting} is {workspace}, in the metadata {metadata}"


def _workspace_object(plan: BundlePlan) -> dict[str, object]:
    return {
        "resources": [
            {
                "resource": resource.name,
                "action": resource.action.value,
                **({"takes_over": resource.takes_over} if resource.takes_over else {}),
            }
            for resource in plan.resources
            if resource.action is not Action.SKIP or resource.takes_over
        ],
        "hand_edits": [
            {"job": owner.shown, "path": field.path, "deployed": field.old, "workspace": field.remote}
            for owner, field in _shown_edits(plan)
        ],
        "kept": [kept_object(each) for each in plan.kept],
        "first_paused": [*plan.first_paused],
    }


def kept_object(kept: KeptSetting) -> dict[str, object]:
    """Returns a setting that is kept, for JSON."""
    each = kept.shown
    return {"job": each.job, "setting": each.setting, "workspace": each.workspace, "metadata": each.metadata}


def _shown_edits(plan: BundlePlan) -> list[tuple[ResourceChange, FieldChange]]:
    return [(owner, field.shown) for owner, field in plan.hand_edits()]


def _counts(changing: list[ResourceChange]) -> str:
    actions = Counter("take over" if each.takes_over else each.action.value for each in changing)
    return ", ".join(f"{number} to {action}" for action, number in actions.items()) or "nothing would change"


FORMATS: dict[str, Callable[[Plan, BundlePlan | None], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}
