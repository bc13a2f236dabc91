"""What ends a command early: four exceptions, one for each thing a caller may want to handle.

A mistake in somebody's metadata is never one of them: those are `Diagnostic`s, collected and shown together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow_job_meta.diagnostics.model import Diagnostic


class LakeflowJobMetaError(Exception):
    """The root of all: its text is one sentence for the user.

    Attributes:
        exit_code: What a command ends with.
        diagnostics: The mistakes behind it, each at its location, where there is something to point at.
    """

    exit_code = 1

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics

    def _render_traceback_(self) -> list[str]:
        """Returns what IPython shows instead of a traceback: the sentence is for whoever reads the notebook."""
        return [f"{type(self).__name__}: {self}"]


class OperationFailed(LakeflowJobMetaError):
    """Something was tried and did not work: a disk that is full, a table that cannot be reached."""


class InvalidMetadata(OperationFailed):
    """Metadata has mistakes, and what was to be done needs it without any; the text lists them."""

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *map(str, self.diagnostics)])


class ConfigError(LakeflowJobMetaError):
    """The project file, a flag or the machine's set-up is wrong."""

    exit_code = 2


@dataclass(frozen=True, slots=True, eq=False)
class PolicyViolation:
    """A change that nobody has allowed; the gate or the deletion guard refused it, and its jobs stay as they are.

    Attributes:
        sentence: What would happen.
        remedy: What would allow it.
        jobs: The keys of the jobs that it would happen to; for another resource of a bundle its whole name.
    """

    sentence: str
    remedy: str
    jobs: tuple[str, ...]

    @property
    def reason(self) -> str:
        return f"{self.sentence} {self.remedy}".rstrip()

    # The history of a monitor keeps the reason as one text.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyViolation) and (self.reason, self.jobs) == (other.reason, other.jobs)

    def __hash__(self) -> int:
        return hash((self.reason, self.jobs))


class PolicyRefused(LakeflowJobMetaError):
    """A safety rule stopped the command before it changed anything; the text says what would allow it.

    Attributes:
        violations: What was refused; empty where it is not about jobs.
    """

    exit_code = 3

    def __init__(self, message: str, violations: Sequence[PolicyViolation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)
