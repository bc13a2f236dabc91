"""What an import finds, and what it comes to. Nothing here reads or writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from lakeflow_job_meta._internal.trees import Difference, KeyPath, Value
    from lakeflow_job_meta.parsing.units import SourceUnit
    from lakeflow_job_meta.sources.interface import SourceSnapshot
    from lakeflow_job_meta.text.yaml_comments import Comments


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job that is to become a module.

    Attributes:
        name: Of the module, and the key of its job.
        where: Where it was read, for people.
        settings: As they were read, without what Databricks sets by itself.
        folder: What its local paths are relative to, from the project folder; empty for that itself.
        former: The key that it has in the bundle's own files, where no module can have that.
        adopt: The id of the live job that it is, by target.
        heading: Comments that go to the top of the module.
        comments: By the path in the settings; likewise how values were written that stand in one line.
    """

    name: str
    where: str
    settings: dict[str, Value]
    folder: str = ""
    former: str = ""
    adopt: Mapping[str, int] = field(default_factory=dict)
    heading: tuple[str, ...] = ()
    comments: Mapping[KeyPath, Comments] = field(default_factory=dict)
    written: Mapping[KeyPath, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its key in the file that it was read from."""
        return self.former or self.name


@dataclass(frozen=True, slots=True)
class NotImported:
    """A job, or a file, that is left as it is, and why; one that is `refused` was meant to be imported."""

    name: str
    where: str
    reason: str
    is_refused: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.name}: {self.reason}" if self.name else f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ImportedModule:
    """A module, and the text of a metadata file with it alone.

    Attributes:
        label: The path of the file in the project, or the table.
        differences: What its job would have other than the job that was read: by tasks' keys, each with its origin.
    """

    job: FoundJob
    label: str
    text: str
    differences: tuple[Difference, ...] = ()

    @property
    def name(self) -> str:
        return self.job.name


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of the bundle that jobs are taken out of, or the project file; `after` is None for one that goes.

    `before` is None for one that is new.
    """

    label: str
    before: bytes | None
    after: bytes | None


class Destination(Protocol):
    """Where modules go."""

    keeps_comments: ClassVar[bool]

    def label_of(self, job: FoundJob) -> str:
        """Returns what generated files and messages call the place of a job's module."""

    def snapshots_of(self, modules: Sequence[ImportedModule]) -> list[SourceSnapshot]:
        """Returns modules as they will be read from there."""

    def replaces(self, unit: SourceUnit, names: Collection[str]) -> bool:
        """Whether what was read of the project is of the same place, from an import of these modules before."""

    def why_not(self, module: ImportedModule) -> str | None:
        """Says what keeps a module from going there; None if nothing does."""

    def write(self, modules: Sequence[ImportedModule]) -> None:
        """Writes modules. Raises OSError or OperationFailed."""


@dataclass(frozen=True, slots=True)
class Import:
    """What an import would write.

    Attributes:
        parts: The modules by where they go.
        changed: Files of the bundle without the jobs that are modules now.
        notes: What else people have to know.
    """

    parts: tuple[tuple[Destination, tuple[ImportedModule, ...]], ...] = ()
    not_imported: tuple[NotImported, ...] = ()
    changed: tuple[ChangedFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[ImportedModule, ...]:
        return tuple(module for _, modules in self.parts for module in modules)

    @property
    def refused(self) -> tuple[NotImported, ...]:
        return tuple(each for each in self.not_imported if each.is_refused)

    @property
    def is_exact(self) -> bool:
        """Whether all that was meant is there, and no setting differs."""
        return not self.refused and not any(module.differences for module in self.modules)
