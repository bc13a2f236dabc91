"""Tells what a deployment would do in the workspace, hand edits apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.plan.model import Action, BundlePlan, FieldChange, ResourceChange

_SIGNS = {Action.CREATE: "+", Action.DELETE: "-", Action.RECREATE: "-/+"}


def workspace_lines(plan: BundlePlan) -> Iterator[str]:
    """Yields what would happen, a line each: jobs and their settings, then what was edited by hand."""
    changing = [resource for resource in plan.resources if resource.action is not Action.SKIP]
    yield f"In the workspace: {_counts(changing)}."
    for resource in changing:
        yield f"{_SIGNS.get(resource.action, '~')} {resource.shown}: {resource.action.value}"
        written = [field for field in resource.fields if field.action is not Action.SKIP]
        yield from (f"    {_field(field)}" for field in written if resource.action not in _SIGNS)
    edits = list(plan.hand_edits())
    if edits:
        yield "Changed in the workspace since the last deployment, and overwritten by the next:"
        yield from (
            f"    {owner.shown}: {field.path} is {quoted(field.remote)}, was {quoted(field.old)}"
            for owner, field in edits
        )


def as_object(plan: BundlePlan) -> dict[str, object]:
    """Returns the same for JSON."""
    return {
        "resources": [
            {"resource": resource.name, "action": resource.action.value}
            for resource in plan.resources
            if resource.action is not Action.SKIP
        ],
        "hand_edits": [
            {"job": owner.shown, "path": field.path, "deployed": field.old, "workspace": field.remote}
            for owner, field in plan.hand_edits()
        ],
    }


def _counts(changing: list[ResourceChange]) -> str:
    if not changing:
        return "nothing would change"
    actions = [resource.action.value for resource in changing]
    return ", ".join(f"{actions.count(action)} to {action}" for action in dict.fromkeys(actions))


def _field(field: FieldChange) -> str:
    return f"{field.path}: {quoted(field.remote)} -> {quoted(field.new)}"
