"""What a deployment may do that nobody has allowed explicitly: nothing.

Pure: takes a parsed plan and what was allowed, and returns or refuses every violation. It never talks to Databricks and
never changes a plan. The databricks CLI itself deletes a job that left the configuration without a question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from lakeflow_job_meta._internal.text import count, listing, quoted
from lakeflow_job_meta.errors import PolicyRefused, PolicyViolation
from lakeflow_job_meta.plan.model import Action, BundlePlan, ResourceChange, job_names


class Audience(str, Enum):
    """Who reads a remedy, and how they can follow it."""

    COMMAND = "run again with"
    MONITOR = "run `ljm deploy` with"
    PYTHON = "call `deploy` with"

    def allowing(self, **options: int | bool) -> str:
        """Returns how to allow something, such as `run again with --max-deletes 1`."""
        if self is Audience.PYTHON:
            return f"{self.value} {', '.join(f'{name}={value}' for name, value in options.items())}"
        flags = (f"--{name.replace('_', '-')}{'' if value is True else f' {value}'}" for name, value in options.items())
        return f"{self.value} {' '.join(flags)}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a person has allowed.

    Attributes:
        deletions: How many jobs may be deleted.
        emptying: Whether all jobs may be deleted at once.
        overwriting: Whether edits made by hand in the workspace may be overwritten.
    """

    deletions: int = 0
    emptying: bool = False
    overwriting: bool = False


def refuse_violations(plan: BundlePlan, allowed: Allowance, audience: Audience = Audience.COMMAND) -> None:
    """Stops a plan that does what nobody has allowed.

    Raises:
        PolicyRefused: With every reason, and what would allow it.
    """
    violations = list(policy_violations(plan, allowed, audience))
    if violations:
        reasons = [violation.reason for violation in violations]
        raise PolicyRefused(" ".join([*reasons, "Nothing was changed in the workspace."]), violations)


def policy_violations(
    plan: BundlePlan, allowed: Allowance, audience: Audience = Audience.COMMAND
) -> Iterator[PolicyViolation]:
    """Yields what a plan does that nobody has allowed.

    Args:
        plan: The plan.
        allowed: What a person has allowed.
        audience: Who reads the remedies.
    """
    yield from _job_deletions(plan, allowed, audience)
    yield from _other_losses(plan)
    edits = [] if allowed.overwriting else list(plan.hand_edits())
    if edits:
        shown = "; ".join(f"{owner.shown}: {field.path} is {quoted(field.remote)}" for owner, field in edits[:10])
        more = f" and {len(edits) - 10} more" if len(edits) > 10 else ""
        yield PolicyViolation(
            f"{count(len(edits), 'setting')} changed in the workspace since the last deployment would be overwritten "
            f"({shown}{more}).",
            f"Take them into the metadata, or {audience.allowing(overwrite_drift=True)}.",
            tuple(dict.fromkeys(owner.shown for owner, _ in edits)),
        )


def _job_deletions(plan: BundlePlan, allowed: Allowance, audience: Audience) -> Iterator[PolicyViolation]:
    doomed = tuple(plan.jobs(Action.DELETE))
    if len(doomed) > allowed.deletions:
        yield PolicyViolation(
            f"This deployment would delete {count(len(doomed), 'job')} ({listing(doomed)}); {allowed.deletions} "
            "allowed.",
            f"If that is meant, {audience.allowing(max_deletes=len(doomed))}.",
            doomed,
        )
    staying = plan.jobs(*(action for action in Action if action is not Action.DELETE))
    if doomed and not staying and not allowed.emptying:
        yield PolicyViolation(
            "This deployment would leave no job at all, as if a source of metadata had become empty.",
            f"If that is meant, {audience.allowing(allow_empty=True)}.",
            doomed,
        )


def _other_losses(plan: BundlePlan) -> Iterator[PolicyViolation]:
    """Yields what no option allows."""
    others = tuple(resource.name for resource in plan.resources if _is_lost_for_good(resource))
    if others:
        yield PolicyViolation(
            f"This deployment would delete resources that are not jobs ({listing(others)}).",
            "Deploy that by hand with the databricks CLI.",
            others,
        )
    recreated = tuple(plan.jobs(Action.RECREATE))
    if recreated:
        yield PolicyViolation(
            f"This deployment would delete and create again {listing(recreated)}, and their run history would be lost.",
            "Deploy that by hand with the databricks CLI if it is meant.",
            recreated,
        )


def _is_lost_for_good(resource: ResourceChange) -> bool:
    return resource.action is Action.DELETE and resource.job_key is None and ".permissions" not in resource.name


def resources_of(violations: Iterable[PolicyViolation]) -> set[str]:
    """Returns the names of the resources that violations are about, as a plan has them."""
    keys = {key for violation in violations for key in violation.jobs}
    return {key for key in keys if "." in key} | {*job_names(key for key in keys if "." not in key)}
