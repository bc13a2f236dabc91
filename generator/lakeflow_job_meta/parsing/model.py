"""What users write, as frozen types: a module has sources. Nothing of Databricks is in here, and nothing is checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import SourceRef

LAST_TASKS = {"on_failure": "AT_LEAST_ONE_FAILED", "finally": "ALL_DONE"}
"""What a module runs after all else, by the field or the `source_type` that says so; and with which `run_if`."""

RUNS = "runs"
"""The field of a module whose items are modules that its job runs, and the `source_type` of these."""


class SourceParameters(str, Enum):
    """Which parameters notebooks get by which they find their row of the control table."""

    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A source that another waits for: for its end, or as a condition for the outcome `"true"` or `"false"`."""

    source_id: str
    outcome: str | None
    origin: SourceRef


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a module; it becomes one task.

    Attributes:
        execution_order: The stage; None where `depends_on` alone determines when it runs.
        depends_on: What it waits for; None leaves that to `execution_order`.
        source_type: The user's own word, or one of `LAST_TASKS`, or `RUNS`.
        source_config: Kept for the notebook that reads the control table, like `target_config`.
        transformation_config: The task's settings.
        parameters: None leaves it to the module.
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
    parameters: SourceParameters | None = None

    @property
    def run_if(self) -> str | None:
        """With what of the tasks before it a source runs that is a last task of its module; None for any other."""
        return LAST_TASKS.get(self.source_type or "")

    @property
    def only_kept(self) -> dict[str, Value]:
        """What becomes no part of the job, and stays where it is written for whoever reads it."""
        kept: dict[str, Value] = {"source_config": self.source_config, "target_config": self.target_config}
        return kept if self.is_active else kept | {"transformation_config": self.transformation_config}


@dataclass(frozen=True, slots=True)
class After:
    """What a module waits for before it starts: tables, and modules in the place of theirs, each with its place."""

    tables: tuple[str, ...] = ()
    modules: tuple[tuple[str, SourceRef], ...] = ()
    when: str = "all"


NOT_AFTER = After()


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the metadata; it becomes one job.

    Attributes:
        key: The job's key in the bundle.
        targets: The bundle's targets in which the job exists; empty for all.
        by_target: What is written for some targets alone, by their names; False leaves the job out of one.
        presets: The names of presets that the module asks for.
        parameters: None leaves it to the project.
        adopt: The id of the job of the workspace that it takes over, by target.
        formerly: The names that the module had before.
        group, blueprint, columns: As in `RawModule`.
    """

    module_name: str
    key: str
    description: str | None
    job_config: dict[str, Value]
    targets: tuple[str, ...]
    sources: tuple[Source, ...]
    origin: SourceRef
    group: str | None = None
    presets: tuple[str, ...] = ()
    blueprint: str | None = None
    columns: Mapping[str, Value] = field(default_factory=dict)
    by_target: Mapping[str, Value] = field(default_factory=dict)
    parameters: SourceParameters | None = None
    adopt: Mapping[str, int] = field(default_factory=dict)
    formerly: tuple[str, ...] = ()
    after: After = NOT_AFTER

    def targets_among(self, known: Collection[str]) -> tuple[str, ...]:
        """Returns the targets in which the job exists, of those that the bundle has."""
        return self.targets or tuple(each for each in sorted(known) if self.by_target.get(each) is not False)

    @property
    def label(self) -> str:
        """The file or table that its generated file names as its source."""
        return self.origin.document.label
