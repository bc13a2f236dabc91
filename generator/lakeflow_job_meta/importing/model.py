"""What an import finds, and what it comes to. Nothing here reads or writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakeflow_job_meta._internal.trees import Difference, KeyPath, Value
from lakeflow_job_meta.text.yaml_comments import Comments


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job that is to become a module.

    Attributes:
        name: Of the module, and the key of its job.
        where: Where it was read, for people.
        settings: As they were read, without what Databricks sets by itself.
        folder: What its local paths are relative to, from the project folder; empty for that itself.
        heading: Comments that go to the top of the module.
        comments: By the path in the settings; likewise how values were written that stand in one line.
    """

    name: str
    where: str
    settings: dict[str, Value]
    folder: str = ""
    heading: tuple[str, ...] = ()
    comments: Mapping[KeyPath, Comments] = field(default_factory=dict)
    written: Mapping[KeyPath, str] = field(default_factory=dict)


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
    """A module as a metadata file of its own.

    Attributes:
        label: The path of the file in the project.
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
    """A file of the bundle that jobs are taken out of; `after` is None for one that goes."""

    label: str
    before: bytes
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Import:
    """What an import would write.

    Attributes:
        changed: Files of the bundle without the jobs that are modules now.
        notes: What else people have to know.
    """

    modules: tuple[ImportedModule, ...] = ()
    not_imported: tuple[NotImported, ...] = ()
    changed: tuple[ChangedFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[NotImported, ...]:
        return tuple(each for each in self.not_imported if each.is_refused)

    @property
    def is_exact(self) -> bool:
        """Whether all that was meant is there, and no setting differs."""
        return not self.refused and not any(module.differences for module in self.modules)
