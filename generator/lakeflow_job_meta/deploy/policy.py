"""What a deployment may do without a person's word for it.

Pure: takes a parsed plan and what was allowed, and tells or refuses every surprise. It never talks to Databricks and
never changes a plan. The databricks CLI itself deletes a job that left the configuration without asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import count, listing, quoted
from lakeflow_job_meta.errors import PolicyRefused
from lakeflow_job_meta.plan.model import Action, BundlePlan, job_names


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a person has allowed.

    Attributes:
        deletions: How many jobs may go.
        emptying: Whether all jobs may go at once.
        overwriting: Whether edits made by hand in the workspace may be overwritten.
    """

    deletions: int = 0
    emptying: bool = False
    overwriting: bool = False


@dataclass(frozen=True, slots=True)
class PolicyViolation:
    """Something that a plan does and nobody asked for.

    Attributes:
        what: A sentence.
        remedy: Another one; `{run}` in it stands for how to run again.
        resources: The names of the resources that it happens to, such as `resources.jobs.sales`.
    """

    what: str
    remedy: str
    resources: tuple[str, ...]

    def told(self, run: str) -> str:
        """Returns both sentences.

        Args:
            run: How to run again, such as `run again with`.
        """
        return f"{self.what} {self.remedy.replace('{run}', run)}"


def refuse_violations(plan: BundlePlan, allowed: Allowance) -> None:
    """Stops a plan that does what nobody asked for.

    Raises:
        PolicyRefused: With every reason, and what would allow it.
    """
    reasons = [surprise.told("run again with") for surprise in policy_violations(plan, allowed)]
    if reasons:
        raise PolicyRefused(" ".join([*reasons, "Nothing was changed in the workspace."]))


def policy_violations(plan: BundlePlan, allowed: Allowance) -> Iterator[PolicyViolation]:
    """Yields what a plan does without a person's word for it."""
    doomed = plan.jobs(Action.DELETE)
    staying = plan.jobs(Action.SKIP, Action.CREATE, Action.UPDATE, Action.UPDATE_ID, Action.RESIZE, Action.RECREATE)
    if len(doomed) > allowed.deletions:
        yield PolicyViolation(
            f"This deployment would delete {count(len(doomed), 'job')} ({listing(doomed)}); {allowed.deletions} "
            "allowed.",
            f"If that is meant, {{run}} --max-deletes {len(doomed)}.",
            job_names(doomed),
        )
    if doomed and not staying and not allowed.emptying:
        yield PolicyViolation(
            "This deployment would leave no job at all, as if a source of metadata had become empty.",
            "If that is meant, {run} --allow-empty.",
            job_names(doomed),
        )
    others = [
        resource.name
        for resource in plan.resources
        if resource.action is Action.DELETE and resource.job_key is None and ".permissions" not in resource.name
    ]
    if others:
        yield PolicyViolation(
            f"This deployment would delete what is no job ({listing(others)}).",
            "Deploy that by hand with the databricks CLI.",
            tuple(others),
        )
    recreated = plan.jobs(Action.RECREATE)
    if recreated:
        yield PolicyViolation(
            f"This deployment would delete and make again {listing(recreated)}, and their run history would be lost.",
            "Deploy that by hand with the databricks CLI if it is meant.",
            job_names(recreated),
        )
    edits = [] if allowed.overwriting else list(plan.hand_edits())
    if edits:
        shown = "; ".join(f"{owner.shown}: {field.path} is {quoted(field.remote)}" for owner, field in edits[:10])
        more = f" and {len(edits) - 10} more" if len(edits) > 10 else ""
        yield PolicyViolation(
            f"{count(len(edits), 'setting')} changed in the workspace since the last deployment would be overwritten "
            f"({shown}{more}).",
            "Take them into the metadata, or {run} --overwrite-drift.",
            tuple(dict.fromkeys(owner.name for owner, _ in edits)),
        )
