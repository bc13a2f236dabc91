"""The project file `job_meta.yml`: which metadata, where to, with which defaults.

Reads `job_meta.yml` of a project folder into a frozen `Project`. Everything has a default, so that a folder with
`metadata/` and `databricks.yml` needs no file. Every mistake in the file is reported at its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from lakeflow_job_meta.diagnostics import RULES, Diagnostic, Origin, Place, Rule, example, in_reading_order, rule
from lakeflow_job_meta.errors import Misconfigured
from lakeflow_job_meta.metadata.reading import Reader
from lakeflow_job_meta.metadata.table import TableReader
from lakeflow_job_meta.metadata.volume import VolumeReader, volume_files
from lakeflow_job_meta.metadata.yaml_files import YamlReader, is_glob, is_good_glob, open_yaml
from lakeflow_job_meta.metadata.yaml_text import read_yaml
from lakeflow_job_meta.settings import Finding, Mismatch, compare
from lakeflow_job_meta.tables.delta import DeltaControlTable
from lakeflow_job_meta.tables.names import name_problem
from lakeflow_job_meta.tables.open_table import open_named_table
from lakeflow_job_meta.values import Path as ValuePath
from lakeflow_job_meta.values import Value, count, did_you_mean, listing, quoted
from lakeflow_job_meta.workspace import Workspace

OnWait = Callable[[str], None]
PROJECT_FILE = "job_meta.yml"
BUNDLE_FILE = "databricks.yml"
BUNDLES_FOLDER = "bundles"
"""Where the bundles of a project of many are, a folder each."""

PROJECT_FILE_MISTAKE = rule(
    "project-file",
    is_fixed=True,
    meaning="A mistake in job_meta.yml. Nothing is read or generated before it is mended, and the exit code is 2.",
    remedy="See `ljm schema project`, or docs/project-file.md, for what the file may hold.",
    wrong=example("notebook_path: /Workspace/a"),
    right=example("notebook_path: /Workspace/a"),
    files=(("job_meta.yml", "outputs: resources\n"),),
    files_when_right=(("job_meta.yml", "output: resources\n"),),
)


@dataclass(frozen=True, slots=True)
class MetadataSource:
    """One entry of `metadata:`, such as `yaml: metadata/`.

    Attributes:
        warehouse_id: Of a `table:`; the SQL warehouse that reads it.
    """

    kind: str
    location: str
    warehouse_id: str | None = None

    def reader(self, folder: Path, on_wait: OnWait, workspace: Workspace | None, group_column: str | None) -> Reader:
        """Returns what reads it; nothing is opened before it is read."""
        return _READERS[self.kind](self, folder, on_wait, workspace, group_column)


DEFAULT_METADATA = (MetadataSource("yaml", "metadata"),)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a module or source gets when it does not say otherwise.

    Attributes:
        warehouse_id: The SQL warehouse of SQL tasks.
        job: Settings of every job.
        task: Settings of every task.
    """

    warehouse_id: str | None = None
    job: dict[str, Value] = field(default_factory=dict)
    task: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundles:
    """How the jobs of a project are parted into many bundles; one of the first two is given.

    Attributes:
        jobs_per_bundle: How many jobs a bundle takes.
        by: The tag of jobs, or the column of a control table, whose values name the bundles.
        include: Files that every bundle includes, relative to the project; None for those that `databricks.yml` does.
    """

    jobs_per_bundle: int | None = None
    by: str | None = None
    include: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """What `job_meta.yml` says.

    Attributes:
        folder: The bundle's root, absolute; paths in the metadata are relative to it.
        metadata: Where the metadata is, in reading order.
        output: The folder for generated files, relative to the bundle's folder, in POSIX form.
        control_table: The table's name that notebooks get; None in a project of YAML alone.
        job_name: A pattern of the jobs' names; `{module_name}` stands for the module's.
        job_template: The user's own template, relative to `folder`.
        allow_unknown: Settings that pass although the schema does not know them, such as `task.new_setting`.
        checks: Severity by code: `error`, `warning` or `off`.
        max_deletes: How many jobs one deployment may delete without being told so.
        bundles: How the jobs are parted; None for one bundle, whose folder is `folder`.
        origin: Where the file itself stands, for messages about its defaults.
    """

    folder: Path
    origin: Origin
    metadata: tuple[MetadataSource, ...] = DEFAULT_METADATA
    output: str = "resources"
    control_table: str | None = None
    job_name: str = "{module_name}"
    defaults: Defaults = field(default_factory=Defaults)
    job_template: str | None = None
    allow_unknown: frozenset[str] = frozenset()
    checks: tuple[tuple[str, str], ...] = ()
    max_deletes: int = 0
    bundles: Bundles | None = None

    @property
    def generated(self) -> str:
        """The folder that all generated files are below, relative to `folder`."""
        return self.output if self.bundles is None else BUNDLES_FOLDER

    @property
    def files_of_jobs(self) -> str:
        """The folder that `jobs/` and `sql/` are in, relative to `folder`; `*` stands for any bundle of many.

        A job's file names other files relative to itself, and says the same in each bundle, since all are as deep.
        """
        return self.output if self.bundles is None else f"{BUNDLES_FOLDER}/*/{self.output}"

    def readers(self, on_wait: OnWait = lambda message: None, workspace: Workspace | None = None) -> list[Reader]:
        """Returns a reader for each source of metadata.

        Args:
            on_wait: Told when a warehouse makes one wait.
            workspace: Where tables and volumes are; by default the one of the environment.
        """
        column = self.bundles.by if self.bundles is not None else None
        return [source.reader(self.folder, on_wait, workspace, column) for source in self.metadata]


_READERS: dict[str, Callable[[MetadataSource, Path, OnWait, Workspace | None, str | None], Reader]] = {
    "yaml": lambda source, folder, on_wait, workspace, group_column: YamlReader(folder, source.location),
    "delta": lambda source, folder, on_wait, workspace, group_column: TableReader(
        source.location, lambda: DeltaControlTable(source.location, folder), group_column
    ),
    "table": lambda source, folder, on_wait, workspace, group_column: TableReader(
        source.location,
        lambda: open_named_table(source.location, source.warehouse_id, workspace=workspace, on_wait=on_wait),
        group_column,
    ),
    "volume": lambda source, folder, on_wait, workspace, group_column: VolumeReader(
        source.location, None if workspace is None else volume_files(source.location, workspace)
    ),
}
TABLE_KINDS = ("delta", "table")


@dataclass(frozen=True, slots=True)
class _NoFile:
    label: str = PROJECT_FILE

    def locate(self, path: ValuePath, *, of_key: bool) -> tuple[Place, str | None]:
        return Place(self.label), None


def find_project_folder(start: Path) -> Path:
    """Returns the nearest folder upwards that holds a project.

    Raises:
        Misconfigured: There is none.
    """
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file() or (folder / BUNDLE_FILE).is_file():
            return folder
    raise Misconfigured(
        f"No project here: neither {str(start)!r} nor a folder above it holds {PROJECT_FILE} or {BUNDLE_FILE}. "
        "Go to the bundle's folder, or name it with --project DIR."
    )


def load_project(folder: Path) -> Project:
    """Reads the project file of a folder; without one, the defaults hold.

    Raises:
        Misconfigured: With every mistake in the file as a diagnostic.
    """
    if not folder.is_dir():
        raise Misconfigured(f"There is no folder {str(folder)!r}; name the bundle's folder with --project DIR.")
    folder = folder.resolve()
    path = folder / PROJECT_FILE
    if not path.exists():
        return Project(folder, Origin(_NoFile()))
    document, problems = open_yaml(path, PROJECT_FILE)
    if document is None:
        raise _misconfigured(problems)
    content = read_yaml(document.text)
    if content.faults:
        raise _misconfigured([document.report(fault) for fault in document.faults()])
    origin = Origin(document)
    value: Value = {} if content.value is None else content.value
    problems = [
        PROJECT_FILE_MISTAKE.at(Origin(document, finding.path, finding.of_key), finding.message)
        for finding in compare(value, "project", "key")
        if not _is_allowed(finding, value)
    ]
    if problems or not isinstance(value, dict):
        raise _misconfigured(problems)
    project = _project(folder, origin, value)
    problems = [*_mistakes(project, value)]
    if problems:
        raise _misconfigured(problems)
    return project


def _is_allowed(finding: Finding, value: Value) -> bool:
    """Says whether an unknown default is one that `allow_unknown` lets pass."""
    allowed = value.get("allow_unknown") if isinstance(value, dict) else None
    if finding.kind is not Mismatch.UNKNOWN_FIELD or finding.path[:1] != ("defaults",) or len(finding.path) != 3:
        return False
    return isinstance(allowed, list) and f"{finding.path[1]}.{finding.path[2]}" in allowed


def _misconfigured(problems: list[Diagnostic]) -> Misconfigured:
    return Misconfigured(f"{count(len(problems), 'mistake')} in {PROJECT_FILE}.", in_reading_order(problems))


def _project(folder: Path, origin: Origin, value: dict[str, Value]) -> Project:
    def section(name: str) -> dict[str, Value]:
        return cast("dict[str, Value]", value.get(name) or {})

    defaults = section("defaults")
    sources = cast("list[dict[str, str]]", value.get("metadata") or [])
    metadata = tuple(
        MetadataSource(kind, entry[kind], entry.get("warehouse_id"))
        for entry in sources
        for kind in _READERS
        if kind in entry
    )
    tables = [source.location for source in metadata if source.kind in TABLE_KINDS]
    checks = cast("dict[str, str]", section("checks"))
    return Project(
        folder,
        origin,
        metadata=metadata or DEFAULT_METADATA,
        output=os.path.normpath(str(value.get("output") or "resources")).replace(os.sep, "/"),
        control_table=cast("str | None", value.get("control_table")) or next(iter(tables), None),
        job_name=str(section("naming").get("job_name") or "{module_name}"),
        defaults=Defaults(
            warehouse_id=cast("str | None", defaults.get("warehouse_id")),
            job=cast("dict[str, Value]", defaults.get("job") or {}),
            task=cast("dict[str, Value]", defaults.get("task") or {}),
        ),
        job_template=cast("str | None", section("templates").get("job")),
        allow_unknown=frozenset(cast("list[str]", value.get("allow_unknown") or [])),
        checks=tuple(checks.items()),
        max_deletes=cast(int, section("deploy").get("max_deletes") or 0),
        bundles=_bundles(section("bundles")) if value.get("bundles") is not None else None,
    )


def _bundles(section: dict[str, Value]) -> Bundles:
    include = cast("list[str] | None", section.get("include"))
    return Bundles(
        cast("int | None", section.get("jobs_per_bundle")),
        cast("str | None", section.get("by")),
        None if include is None else tuple(os.path.normpath(path).replace(os.sep, "/") for path in include),
    )


def _mistakes(project: Project, value: dict[str, Value]) -> list[Diagnostic]:
    """Returns what the schema cannot say."""
    found: list[Diagnostic] = []

    def report(message: str, *path: str | int, kind: Rule = PROJECT_FILE_MISTAKE) -> None:
        found.append(kind.at(project.origin.at(*path), message))

    for number, entry in enumerate(cast("list[dict[str, Value]]", value.get("metadata") or [])):
        kinds = [kind for kind in _READERS if kind in entry]
        if len(kinds) != 1:
            report(f"an entry of 'metadata' has exactly one of {listing(_READERS)}", "metadata", number)
        elif "warehouse_id" in entry and kinds != ["table"]:
            report("only a 'table' is read over a warehouse", "metadata", number, "warehouse_id")
        elif kinds == ["table"]:
            problem = name_problem(str(entry["table"]))
            if problem is not None:
                report(problem, "metadata", number, "table")
        elif kinds == ["yaml"] and is_glob(str(entry["yaml"])) and not is_good_glob(str(entry["yaml"])):
            report(
                "a glob is relative to the project, and '**' stands alone between slashes", "metadata", number, "yaml"
            )
        elif kinds == ["volume"] and not re.match(r"/Volumes/[^/]+/[^/]+/[^/]+", str(entry["volume"])):
            report("a volume's path begins with /Volumes/catalog/schema/volume", "metadata", number, "volume")
    if "metadata" in value and not value["metadata"]:
        report("'metadata' is empty; name at least one source, such as `- yaml: metadata/`", "metadata")
    for location in (source.location for source in project.metadata):
        if [source.location for source in project.metadata].count(location) > 1:
            report(f"the source {quoted(location)} is named twice", "metadata")
            break
    if not is_inside(project.output) or project.output == ".":
        report("'output' must be a folder inside the project, such as `resources`", "output")
    placeholders = set(re.findall(r"\{[^{}]*\}", re.sub(r"\$\{[^{}]*\}", "", project.job_name))) - {"{module_name}"}
    if placeholders:
        report(
            f"{listing(sorted(placeholders))} stands for nothing in a job's name; only '{{module_name}}' does",
            "naming",
            "job_name",
        )
    elif "{module_name}" not in project.job_name:
        report("'job_name' needs '{module_name}', or all jobs have the same name", "naming", "job_name")
    bundles = project.bundles
    if bundles is not None and (bundles.jobs_per_bundle is None) == (bundles.by is None):
        report("'bundles' has exactly one of 'jobs_per_bundle' and 'by'", "bundles")
    elif bundles is not None and bundles.by is not None and not bundles.by.strip():
        report("'by' is empty; name a tag of jobs or a column of the control table, such as `domain`", "bundles", "by")
    for number, path in enumerate((bundles.include if bundles is not None else None) or ()):
        if not (is_inside(path) and (project.folder / path).is_file()):
            report(f"there is no file {quoted(path)} in the project", "bundles", "include", number)
    template = project.job_template
    if template is not None and not (is_inside(template) and (project.folder / template).is_file()):
        report(f"there is no template {quoted(template)} in the project", "templates", "job")
    return found


def is_inside(path: str) -> bool:
    """Says whether a path stays in the folder that it is relative to."""
    normal = os.path.normpath(path).replace(os.sep, "/")
    return not (normal.startswith("/") or normal.split("/")[0] == ".." or re.match(r"[A-Za-z]:", normal))


def check_codes(project: Project) -> None:
    """Refuses codes below `checks:` that do not exist, or that are always errors.

    Only once every rule is known can this be said, so it is apart from `load_project`.

    Raises:
        Misconfigured: With a diagnostic for each.
    """
    problems = []
    for code, severity in project.checks:
        origin = project.origin.key("checks", code)
        if code not in RULES:
            problems.append(
                PROJECT_FILE_MISTAKE.at(origin, f"there is no check {quoted(code)}{did_you_mean(code, RULES)}")
            )
        elif RULES[code].is_fixed and severity != "error":
            problems.append(PROJECT_FILE_MISTAKE.at(origin, f"{code!r} is always an error; see `ljm explain {code}`"))
    if problems:
        raise _misconfigured(problems)
