"""What one check of quality came to. Nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Verdict(str, Enum):
    """What a check came to."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check came to when it was made last.

    Attributes:
        run_id: The run of the job.
        kind: `dqx`, or `expect_no_rows`.
        criticality: `error` or `warn`.
        failed_rows: How many rows failed; all of them where the check could not be evaluated.
        checked_rows: How many rows were looked at; None for a query.
        message: The same in words, without any value of a row.
    """

    module: str
    source: str
    check_name: str
    kind: str
    criticality: str
    failed_rows: int
    checked_rows: int | None
    checked_at: datetime | None
    run_id: str
    table_name: str | None
    message: str
    target: str

    @property
    def verdict(self) -> Verdict:
        """What it came to: passed, warned or failed."""
        if not self.failed_rows:
            return Verdict.PASSED
        return Verdict.FAILED if self.criticality == "error" else Verdict.WARNED
