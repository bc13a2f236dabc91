"""What an approval comes to. Nothing is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakeflow_job_meta.control_table.approvals import Approval
from lakeflow_job_meta.planning.changes import Plan


@dataclass(frozen=True, slots=True)
class ApprovalPlan:
    """What an approval comes to.

    Attributes:
        table: The name of the table of approvals.
        approvals: One for each module; none where all of that is approved already.
        plans: By target, what changes in the jobs of what is approved.
    """

    table: str
    approvals: tuple[Approval, ...]
    plans: Mapping[str, Plan]
