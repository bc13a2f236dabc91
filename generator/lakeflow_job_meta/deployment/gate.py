"""What a deployment may do without a person's word for it.

Pure: takes a parsed plan and what was allowed, and refuses with every reason. It never talks to Databricks and never
changes a plan. The databricks CLI itself deletes a job that left the configuration without asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakeflow_job_meta.deployment.bundle_plan import Action, BundlePlan
from lakeflow_job_meta.errors import Refused
from lakeflow_job_meta.values import count, listing, quoted


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


def refuse_surprises(plan: BundlePlan, allowed: Allowance) -> None:
    """Stops a plan that does what nobody asked for.

    Raises:
        Refused: With every reason, and what would allow it.
    """
    reasons = list(_reasons(plan, allowed))
    if reasons:
        raise Refused(" ".join([*reasons, "Nothing was changed in the workspace."]))


def _reasons(plan: BundlePlan, allowed: Allowance) -> Iterator[str]:
    doomed = plan.jobs(Action.DELETE)
    staying = plan.jobs(Action.SKIP, Action.CREATE, Action.UPDATE, Action.UPDATE_ID, Action.RESIZE, Action.RECREATE)
    if len(doomed) > allowed.deletions:
        yield (
            f"This deployment would delete {count(len(doomed), 'job')} ({listing(doomed)}); {allowed.deletions} "
            f"allowed. If that is meant, run again with --max-deletes {len(doomed)}."
        )
    if doomed and not staying and not allowed.emptying:
        yield (
            "This deployment would leave no job at all, as if a source of metadata had become empty. If that is meant, "
            "run again with --allow-empty."
        )
    others = [
        resource.name
        for resource in plan.resources
        if resource.action is Action.DELETE and resource.job_key is None and ".permissions" not in resource.name
    ]
    if others:
        yield (
            f"This deployment would delete what is no job ({listing(others)}). Deploy that by hand with the databricks "
            "CLI."
        )
    recreated = plan.jobs(Action.RECREATE)
    if recreated:
        yield (
            f"This deployment would delete and make again {listing(recreated)}, and their run history would be lost. "
            "Deploy that by hand with the databricks CLI if it is meant."
        )
    edits = [] if allowed.overwriting else list(plan.hand_edits())
    if edits:
        shown = "; ".join(f"{job}: {field.path} is {quoted(field.remote)}" for job, field in edits[:10])
        more = f" and {len(edits) - 10} more" if len(edits) > 10 else ""
        yield (
            f"{count(len(edits), 'setting')} changed in the workspace since the last deployment would be overwritten "
            f"({shown}{more}). Take them into the metadata, or run again with --overwrite-drift."
        )
