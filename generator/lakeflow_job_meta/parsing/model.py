"""What users write, as frozen types: a module has sources. Nothing of Databricks is in here, and nothing is checked."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import SourceRef


@dataclass(frozen=True, slots=True)
class Dependency:
    """A source that another source waits for.

    Attributes:
        outcome: The result of a condition to wait for, `"true"` or `"false"`; None waits for the end.
    """

    source_id: str
    outcome: str | None
    origin: SourceRef


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a module; it becomes one task.

    Attributes:
        task_key: The task's key, made from `source_id`.
        execution_order: The stage; None where `depends_on` alone determines when it runs.
        depends_on: What it waits for; None leaves that to `execution_order`.
        source_config: Kept for the notebook that reads the control table, like `target_config`.
        transformation_config: The task's settings.
    """

    source_id: str
    task_key: str
    source_type: str | None
    execution_order: int | None
    depends_on: tuple[Dependency, ...] | None
    is_active: bool
    source_config: dict[str, Value]
    target_config: dict[str, Value]
    transformation_config: dict[str, Value]
    origin: SourceRef


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the metadata; it becomes one job.

    Attributes:
        key: The job's key in the bundle, made from `module_name`.
        targets: The bundle's targets in which the job exists; empty for all.
        sources: As they were written; rows by `source_id`.
        group: Its value in the column of the control table that names the bundles of modules.
    """

    module_name: str
    key: str
    description: str | None
    job_config: dict[str, Value]
    targets: tuple[str, ...]
    sources: tuple[Source, ...]
    origin: SourceRef
    group: str | None = None

    @property
    def label(self) -> str:
        """The file or table that its generated file names as its source."""
        return self.origin.document.label
