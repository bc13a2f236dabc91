"""Edits that were made by hand in the workspace, as values. Nothing is looked up or written here."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import ABSENT, KeyPath
from lakeflow_job_meta.diagnostics.model import SourceRef


@dataclass(frozen=True, slots=True)
class HandEdit:
    """A setting of a job that somebody has edited.

    Attributes:
        name: As the plan writes it.
        path: In the settings of the job.
        value: In the workspace; `ABSENT` where it was taken away.
    """

    job: str
    name: str
    path: KeyPath
    value: object

    @property
    def shown(self) -> str:
        """The value as it may be shown."""
        return "not set" if self.value is ABSENT else quoted(masked(self.value, self.path))


@dataclass(frozen=True, slots=True)
class Pulled:
    """An edit that is written; `ref` is where."""

    edit: HandEdit
    ref: SourceRef
    value: object

    @property
    def document(self) -> object:
        return self.ref.document
