"""What `job_meta.yml` says, as frozen types. Everything has a default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.fs import kind_of_path
from lakeflow_job_meta.diagnostics.model import Severity, SourceRef
from lakeflow_job_meta.parsing.keys import SourceParameters, TaskKeys

if TYPE_CHECKING:
    from lakeflow_job_meta._internal.trees import Value
    from lakeflow_job_meta.parsing.model import Source

PROJECT_FILE = "job_meta.yml"
BUNDLE_FILE = "databricks.yml"
BUNDLE_FILES = (BUNDLE_FILE, "databricks.yaml", "bundle.yml", "bundle.yaml")
"""What the file at the root of a bundle may be called; there is one of them (bundle/config/filename.go of the CLI)."""
BUNDLES_FOLDER = "bundles"
"""Where the bundles of a project of many are, a folder each."""

SOURCE_KINDS = ("yaml", "delta", "table", "volume", "csv", "query")
"""What an entry of `metadata:` may name."""

TABLE_KINDS = ("delta", "table")
ROW_KINDS = ("csv", "query")
"""What has rows of the user's own and nothing else: a blueprint makes modules of them."""
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
"""How the names of CSV files end."""


@dataclass(frozen=True, slots=True)
class RowMapping:
    """How the rows of a table become modules.

    Attributes:
        blueprint: The blueprint's name; it may hold `${column.x}`.
        values: What fills the blueprint's parameters besides the columns of the same names; may hold `${column.x}`.
        key: The columns that name a row.
        job_per: What rows of one job have in common, such as `${column.x}`; None where each row is a job.
        tables: For a query over Delta files: where each table that it names lies.
    """

    blueprint: str
    values: dict[str, Value] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    job_per: str | None = None
    tables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetadataSource:
    """One entry of `metadata:`, such as `yaml: metadata/`; a `table:` may have a SQL warehouse that reads it.

    With `rows` it is no control table, but any table, whose rows fill a blueprint.
    """

    kind: str
    location: str
    warehouse_id: str | None = None
    rows: RowMapping | None = None


DEFAULT_METADATA = (MetadataSource("yaml", "metadata"),)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a module or source gets by default: the warehouse of SQL tasks, settings of every job and every task."""

    warehouse_id: str | None = None
    job: dict[str, Value] = field(default_factory=dict)
    task: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundles:
    """How the jobs of a project are split over many bundles; one of the first two is given.

    Attributes:
        by: The tag of jobs, or the column of a control table, whose values name the bundles.
        include: Files that every bundle includes, relative to the project; None for those that `databricks.yml` does.
    """

    jobs_per_bundle: int | None = None
    by: str | None = None
    include: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What a module, or a task, must be for a preset or a policy to apply.

    Attributes:
        kind: `module`, `file`, `blueprint`, `task_type`, `target`, `tag` or `column`; of a policy also `has`.
        name: Of the tag or column.
        values: One of these, which may be globs; the text of a number or boolean.
    """

    kind: str
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings for many modules.

    Attributes:
        match: All of these must hold; None for a preset that applies only where a module names it.
        sources: What it adds to each job.
    """

    name: str
    match: tuple[Condition, ...] | None = None
    job: dict[str, Value] = field(default_factory=dict)
    task: dict[str, Value] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """A module that is gone on purpose: its job may be deleted, or stays in the workspace and is forgotten."""

    module_name: str
    keep_job: bool = False


SettingPath = tuple[str, ...]
"""The names that lead to a setting of a job; `*` stands for every item of a list."""

EVERY_ITEM = "*"
TASKS: SettingPath = ("tasks", EVERY_ITEM)

STARTS = ("schedule", "trigger", "continuous")
"""What starts a job, and may be paused."""
PAUSES = tuple((start, "pause_status") for start in STARTS)


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Settings of jobs that stay as somebody has set them in the workspace; of these modules, by globs of names."""

    settings: tuple[SettingPath, ...]
    modules: tuple[str, ...] = ("*",)


class HandEdits(str, Enum):
    """What a deployment does about other edits in the workspace that it would overwrite."""

    HOLD_BACK = "hold_back"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """To which targets only approved versions of control tables are deployed.

    Attributes:
        other_than_author: Whether an approval by somebody who wrote what it is of does not count.
    """

    targets: tuple[str, ...]
    other_than_author: bool = False


@dataclass(frozen=True, slots=True)
class WantedSetting:
    """A setting that a policy speaks of, by its path and as it is written; and the values or the number beside it."""

    path: SettingPath
    written: str
    values: tuple[str, ...] = ()
    limit: float = 0

    @property
    def is_of_tasks(self) -> bool:
        return self.path[:2] == TASKS


@dataclass(frozen=True, slots=True)
class Policy:
    """What every job must be that all conditions of `where` hold for.

    Attributes:
        kind: One of `config.policies.KINDS`.
        pattern: Of a policy that requires a setting: a regular expression for the whole of its text.
    """

    name: str
    kind: str
    settings: tuple[WantedSetting, ...]
    origin: SourceRef = field(repr=False, compare=False)
    pattern: str | None = None
    where: tuple[Condition, ...] = ()
    severity: Severity = Severity.ERROR
    why: str = ""


@dataclass(frozen=True, slots=True)
class Exemption:
    """Modules, by globs of their names, that need not follow a policy up to a day, and that day too."""

    policy: str
    modules: tuple[str, ...]
    until: date
    origin: SourceRef = field(repr=False, compare=False)

    def is_over(self, today: date) -> bool:
        return today > self.until


def today() -> date:
    """Returns the day by UTC, so that an exemption ends everywhere at once."""
    return datetime.now(timezone.utc).date()


@dataclass(frozen=True, slots=True)
class Project:
    """What `job_meta.yml` says.

    Attributes:
        folder: The bundle's root, absolute; paths in the metadata are relative to it.
        output: The folder for generated files, relative to the bundle's folder, in POSIX form.
        control_table: The table's name that notebooks get; None in a project of YAML alone.
        job_name: A pattern of the jobs' names; `{module_name}` stands for the module's.
        task_keys: How the keys of tasks are made.
        source_parameters: What notebooks get, unless a module or a source says it.
        job_template: The user's own template, relative to `folder`.
        allow_unknown: Settings that pass although the schema does not know them, such as `task.new_setting`.
        checks: Severity by code: `error`, `warning` or `off`.
        strict: Whether any warning of the databricks CLI keeps everything from being deployed.
        keep: Settings that stay as somebody has set them in the workspace.
        first_pause: Whether what starts a job is paused when the job is created.
        removed: Modules whose jobs may go, whatever else may be deleted.
        bundles: How the jobs are split; None for one bundle, whose folder is `folder`.
        origin: Where the file itself stands, for messages about its defaults.
        approval: Which targets need approvals; None where none does.
        target: The target that the metadata is read for; None where it is meant as it stands.
        policies_file: A file with more policies, that the command line or Python names.
        today: The day by which exemptions end.
    """

    folder: Path
    origin: SourceRef
    metadata: tuple[MetadataSource, ...] = DEFAULT_METADATA
    output: str = "resources"
    control_table: str | None = None
    job_name: str = "{module_name}"
    task_keys: TaskKeys = TaskKeys.AS_WRITTEN
    source_parameters: SourceParameters = SourceParameters.ALL
    defaults: Defaults = field(default_factory=Defaults)
    job_template: str | None = None
    allow_unknown: frozenset[str] = frozenset()
    checks: tuple[tuple[str, str], ...] = ()
    max_deletes: int = 0
    strict: bool = False
    keep: tuple[KeepRule, ...] = (KeepRule(PAUSES),)
    hand_edits: HandEdits = HandEdits.HOLD_BACK
    first_pause: bool = False
    removed: tuple[Removal, ...] = ()
    bundles: Bundles | None = None
    presets: tuple[Preset, ...] = ()
    policies: tuple[Policy, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    approval: ApprovalRule | None = None
    target: str | None = None
    policies_file: str | None = None
    today: date = field(default_factory=today)

    def over(self, today: date | None = None) -> tuple[Exemption, ...]:
        """Returns the exemptions whose last day has passed, by default on the project's own day."""
        return tuple(each for each in self.exemptions if each.is_over(today or self.today))

    def for_target(self, target: str | None) -> Project:
        """Returns the project as it is for what is deployed to a target: where that needs approvals, they count."""
        return replace(self, target=target) if self.approval is not None else self

    @property
    def approval_in_force(self) -> ApprovalRule | None:
        """What is asked of approvals in the target that the metadata is read for; None where nothing is."""
        return self.approval if self.approval is not None and self.target in self.approval.targets else None

    def kept_settings(self, *names: str) -> tuple[SettingPath, ...]:
        """Returns the settings that the workspace decides of the job with one of these names, its key or its module."""
        rules = (rule for rule in self.keep if any(fnmatchcase(each, glob) for each in names for glob in rule.modules))
        return tuple(dict.fromkeys(path for rule in rules for path in rule.settings))

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns of tables that are the user's own, and are read for bundles, presets or policies."""
        by = {self.bundles.by} if self.bundles is not None and self.bundles.by is not None else set()
        conditions = [*(preset.match or () for preset in self.presets), *(policy.where for policy in self.policies)]
        return tuple(sorted(by.union(each.name for found in conditions for each in found if each.kind == "column")))

    @property
    def bundle_file(self) -> Path:
        """The file at the root of the bundle; `databricks.yml` where there is none."""
        return bundle_file_in(self.folder) or self.folder / BUNDLE_FILE

    @property
    def table_sources(self) -> tuple[MetadataSource, ...]:
        """The control tables among the sources of metadata; the first one is the table that state is kept beside."""
        return tuple(source for source in self.metadata if source.kind in TABLE_KINDS and source.rows is None)


def bundle_file_in(folder: Path) -> Path | None:
    """Returns the file that makes a folder the root of a bundle, if there is one."""
    found = (folder / name for name in BUNDLE_FILES)
    return next((path for path in found if kind_of_path(path) == "file"), None)


def is_inside(path: str) -> bool:
    """Says whether a path stays in the folder that it is relative to."""
    normal = os.path.normpath(path).replace(os.sep, "/")
    return not (normal.startswith("/") or normal.split("/")[0] == ".." or re.match(r"[A-Za-z]:", normal))
