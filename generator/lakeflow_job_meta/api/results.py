"""What the functions return where no other room has a type for it. Nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, errors_among
from lakeflow_job_meta.planning.changes import JobChange, Plan
from lakeflow_job_meta.planning.model import BundlePlan
from lakeflow_job_meta.services.hand_edits import Pulled


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """All problems of a project's metadata, in the order of their locations, and the number of its modules."""

    diagnostics: tuple[Diagnostic, ...]
    modules: int

    @property
    def errors(self) -> list[Diagnostic]:
        """The problems that keep a module from being deployed."""
        return errors_among(self.diagnostics)

    @property
    def warnings(self) -> list[Diagnostic]:
        """The other problems."""
        return [each for each in self.diagnostics if each.severity is Severity.WARNING]

    def __repr__(self) -> str:
        return f"<ValidationResult: {self.modules} modules, {len(self.errors)} errors, {len(self.warnings)} warnings>"

    @property
    def is_valid(self) -> bool:
        """Whether there is no error."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What a project's metadata would change.

    Attributes:
        diagnostics: The problems of the metadata; jobs with errors do not change.
        files: What would change in the generated files, per job.
        live: What a deployment of the files on disk would do in the workspace; None where that was not asked for.
    """

    diagnostics: tuple[Diagnostic, ...]
    files: Plan
    live: BundlePlan | None = None

    @property
    def changes(self) -> tuple[JobChange, ...]:
        """The jobs that would be created, changed or deleted, by key."""
        return self.files.changes

    def render(self, form: Literal["text", "json", "markdown"] = "text") -> str:
        """Returns the plan as `ljm plan` prints it."""
        from lakeflow_job_meta.planning.explain import FORMATS

        return FORMATS[form](self.files, self.live)

    def __str__(self) -> str:
        return self.render()


@dataclass(frozen=True, slots=True)
class PullResult:
    """Edits that were made by hand in the workspace.

    Attributes:
        pulled: Those that were written into the metadata, or would be: each with its `edit` and the place `ref`.
        left: Why others were not, a sentence each.
        files: The paths of the YAML files that change.
    """

    pulled: tuple[Pulled, ...]
    left: tuple[str, ...]
    files: tuple[str, ...] = ()
