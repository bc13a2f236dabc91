"""What the rest of the bundle declares: variables, targets and hand-written resources.

Reads `databricks.yml` and the files that it includes, at one moment; changes nothing. What cannot be known (an
unreadable file, resources that Python code makes) is None, and nothing is then said about it: the databricks CLI has
the last word.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from lakeflow_job_meta._internal.fs import MAX_BYTES, is_glob, kind_of_path, read_start
from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Scalar, Value, value_at
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, UnreadableDocument
from lakeflow_job_meta.diagnostics.rules import UNREADABLE
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.text.markers import JOB_MARKER

if TYPE_CHECKING:
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.config.sync import SyncRules
    from lakeflow_job_meta.text.yaml_documents import YamlDocument

TARGET_VARIABLES = ("DATABRICKS_BUNDLE_TARGET", "DATABRICKS_BUNDLE_ENV")
"""What the databricks CLI takes the target from where no option names one; the second is an older name."""

VARIABLE_PREFIX = "BUNDLE_VAR_"
"""Environment variables of this prefix set variables of the bundle, as the databricks CLI reads them."""

_LONGEST_LINE = 32768
"""In bytes; the marker names a path or a table, no system has paths of more than 4096, and six stand for one."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of the bundle and what it holds; None, and why, for one that cannot be read. `size` is in bytes.

    `label` is its path in messages, relative to the project.
    """

    path: Path
    label: str
    document: YamlDocument | None = field(default=None, compare=False)
    content: dict[str, Value] | None = None
    problems: tuple[Diagnostic, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class JobPart:
    """What one file of the bundle says of a job: for all targets, or for one, where it may be laid over another job.

    Attributes:
        origin: Where it stands.
        tasks: Number, key and whether it says what to do, of each task.
    """

    origin: SourceRef = field(compare=False)
    target: str | None
    key: str
    tasks: tuple[tuple[int, str, bool], ...]

    @property
    def is_whole(self) -> bool:
        """Whether it could be a job by itself."""
        return self.target is None or (bool(self.tasks) and all(does_something for *_, does_something in self.tasks))


@dataclass(frozen=True, slots=True)
class BundleValues:
    """What the bundle says of one target as plain values, for where no databricks CLI resolves it.

    The name is None where it is not known or is no plain text. The variables are the defaults that are plain scalars,
    with the target's own over them.
    """

    name: str | None
    variables: dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class VariableValue:
    """What a file of the bundle gives a variable, for all targets or for one.

    Attributes:
        file: Relative to the project.
        path: Of the value in the file.
        text: None where it is no plain value, or looked up in the workspace.
    """

    file: str
    path: KeyPath
    text: str | None
    document: YamlDocument | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class BundleDeclarations:
    """What the bundle declares outside the metadata, by name; None where that is not known.

    Attributes:
        default_target: The one that is meant when none is named.
        resources: Kind and key, such as `("pipelines", "silver")`.
        complex_variables: Those that are declared so, or hold a list or a map.
        added_tags: Tags that the databricks CLI adds to jobs, each with its target and its job; None for all of them.
        values: What variables get, by name and target; those of no target are defaults.
        synced: The folders that `sync.paths` names, relative to the project; files of jobs may be there.
        sync: What is uploaded, for each target where they differ; None too where there is no bundle.
        job_parts: What is written by hand about jobs; of those that are generated, too.
        problems: What is wrong with the files; without them, nothing would be known of the bundle in silence.
        root: What the file at the root holds; None for one that cannot be read.
        files: The bundle's own files; of a project of many bundles those that all of them include.
    """

    variables: frozenset[str] | None = None
    default_target: str | None = None
    targets: frozenset[str] | None = None
    resources: frozenset[tuple[str, str]] | None = None
    complex_variables: frozenset[str] = frozenset()
    values: Mapping[tuple[str, str | None], VariableValue] = field(default_factory=dict)
    added_tags: frozenset[tuple[tuple[str | None, str | None], str]] = frozenset()
    synced: frozenset[str] | None = None
    sync: tuple[SyncRules, ...] | None = None
    job_parts: tuple[JobPart, ...] | None = None
    problems: tuple[Diagnostic, ...] = ()
    root: dict[str, Value] | None = None
    files: tuple[BundleFile, ...] = ()

    def plain_values(self, target: str) -> BundleValues:
        """Returns the name and the variables for one target; what is no plain scalar is left out."""
        if self.root is None:
            return BundleValues(None, {})
        written: dict[str, Value] = {}
        for part in self._parts_of(target):
            for variable, value in _entries(part, "variables"):
                if not isinstance(value, dict):
                    written[variable] = value
                elif "default" in value or "lookup" in value:
                    written[variable] = value.get("default")
        name = value_at(self.root, ("bundle", "name"))[1]
        plain_name = name if isinstance(name, str) and "${" not in name else None
        return BundleValues(plain_name, {variable: value for variable, value in written.items() if _is_plain(value)})

    def require_target(self, target: str) -> None:
        """Raises ConfigError where the bundle has no such target, as far as its targets are known."""
        if self.targets is not None and target not in self.targets:
            hint = did_you_mean(target, sorted(self.targets))
            raise ConfigError(f"databricks.yml has no target {quoted(target)}{hint}")

    def workspace(self, target: str | None) -> dict[str, str]:
        """Returns what the bundle says of its workspace, such as `host` and `profile`: the target's over the rest."""
        found: dict[str, str] = {}
        for part in self._parts_of(target or self.default_target):
            found |= {key: value for key, value in _entries(part, "workspace") if isinstance(value, str)}
        return found

    def said_for(self, target: str) -> tuple[dict[str, Value], dict[str, Value]]:
        """Returns what the files say for all targets, and what they say for one, each as the CLI merges files."""
        contents = [file.content for file in self.files if file.content is not None]
        parts = self._parts_of(target)
        return _all_overlaid(contents), _all_overlaid(parts[len(contents) :])

    def _parts_of(self, target: str | None) -> list[dict[str, Value]]:
        """Returns what the files say for all targets, and then what they say for one."""
        contents = [file.content for file in self.files if file.content is not None]
        targets = (entry for content in contents for key, entry in _entries(content, "targets") if key == target)
        return [*contents, *(entry for entry in targets if isinstance(entry, dict))]

    def value_of(self, variable: str, target: str | None) -> VariableValue | None:
        """Returns what the bundle's files give a variable for a target; None where they give it nothing."""
        return self.values.get((variable, target)) or self.values.get((variable, None))

    def tags_added(self, job: str, target: str | None) -> set[str]:
        """Returns the tags that a job gets from the bundle in a target."""
        return {tag for (of, key), tag in self.added_tags if of in (None, target) and key in (None, job)}


def overlaid(value: Value, over: Value) -> Value:
    """Returns a value with another laid over it, as the databricks CLI merges files, and targets into them.

    Maps are merged, lists are appended, and null changes nothing (libs/dyn/merge/merge.go).
    """
    if value is None or over is None:
        return value if over is None else over
    if isinstance(value, dict) and isinstance(over, dict):
        return {**value, **{key: overlaid(value.get(key), item) for key, item in over.items()}}
    return [*value, *over] if isinstance(value, list) and isinstance(over, list) else over


def _all_overlaid(parts: Iterable[dict[str, Value]]) -> dict[str, Value]:
    found: Value = None
    for part in parts:
        found = overlaid(found, part)
    return found if isinstance(found, dict) else {}


def read_bundle_declarations(project: Project) -> BundleDeclarations:
    """Reads the bundle of a project; without a `databricks.yml` nothing is known."""
    from lakeflow_job_meta.config.sync import sync_rules

    root = _read(project.bundle_file, project.folder)
    shared = tuple(_included(project, root.content or {}))
    files = shared if project.bundles is not None else (root, *shared)
    problems = tuple(_problems(project, files))
    contents = [file.content for file in files if file.content is not None]
    if len(contents) < len(files):
        return BundleDeclarations(problems=problems, root=root.content, files=files)
    parts = [part for content in contents for part in _with_targets(content)]
    makes_more = any("python" in part or "experimental" in part for part in parts)
    declared = [dict(_entries(part, "resources")) for part in parts]
    resources = frozenset((kind, key) for kinds in declared for kind in kinds for key, _ in _entries(kinds, kind))
    targets = dict(entry for content in contents for entry in _entries(content, "targets"))
    default = [name for name, target in targets.items() if isinstance(target, dict) and target.get("default") is True]
    by_folder = [(file.path.parent, content) for file, content in zip(files, contents, strict=True)]
    return BundleDeclarations(
        frozenset(name for part in parts for name, _ in _entries(part, "variables")),
        next(iter(default or (targets if len(targets) == 1 else ())), None),
        frozenset(targets),
        None if makes_more else resources,
        frozenset(name for part in parts for name, value in _entries(part, "variables") if _is_complex(value)),
        _values(project, files, targets),
        frozenset(each for content in contents for each in _added_tags(content)),
        frozenset(
            os.path.relpath(folder / path, project.folder).replace(os.sep, "/")
            for folder, content in by_folder
            for part in _with_targets(content)
            for path in _texts(dict(_entries(part, "sync")).get("paths"))
        ),
        sync_rules(project, by_folder, targets),
        None if makes_more else tuple(part for file in files for part in _job_parts(file)),
        problems,
        root.content,
        files,
    )


def _problems(project: Project, files: Sequence[BundleFile]) -> Iterator[Diagnostic]:
    from lakeflow_job_meta.config.model import BUNDLE_FILES

    roots = [name for name in BUNDLE_FILES if kind_of_path(project.folder / name) == "file"]
    for name in roots[1:]:
        message = f"a bundle has one root file, and {roots[0]} is there too; keep one of them"
        yield UNREADABLE.at(SourceRef(UnreadableDocument(name)), message)
    for file in files if roots else ():
        if file.content is None and kind_of_path(file.path) == "file":
            yield from file.problems


def _is_complex(variable: Value) -> bool:
    if not isinstance(variable, dict):
        return isinstance(variable, list)
    is_itself = bool(variable) and not variable.keys() & {"default", "description", "lookup", "type"}
    return variable.get("type") == "complex" or isinstance(variable.get("default"), (list, dict)) or is_itself


def _values(
    project: Project, files: Iterable[BundleFile], targets: Iterable[str]
) -> dict[tuple[str, str | None], VariableValue]:
    """Returns what variables get. Those that the environment sets are left out: no file says what they are.

    The order is that of the databricks CLI (bundle/config/mutator/set_variables.go): the environment, the target's
    `variable-overrides.json`, the target, the default.
    """
    found = {key: value for file in files for key, value in _written(file)}
    for target in targets:
        file = _read(project.folder / f".databricks/bundle/{target}/variable-overrides.json", project.folder)
        for name, value in (file.content or {}).items():
            text = value if isinstance(value, str) else None
            found[name, target] = VariableValue(file.label, (name,), text, file.document)
    return {key: value for key, value in found.items() if f"{VARIABLE_PREFIX}{key[0]}" not in os.environ}


def _written(file: BundleFile) -> Iterator[tuple[tuple[str, str | None], VariableValue]]:
    """Yields what a file gives variables; of a target, the value may stand for itself."""
    for target, part in _by_target(file.content or {}):
        for name, variable in _entries(part, "variables"):
            at: KeyPath = ("variables", name) if target is None else ("targets", target, "variables", name)
            value, is_looked_up = variable, False
            if isinstance(variable, dict):
                value, at, is_looked_up = variable.get("default"), (*at, "default"), "lookup" in variable
            if value is not None or is_looked_up:
                text = str(value) if isinstance(value, (str, int, float)) and not is_looked_up else None
                yield (name, target), VariableValue(file.label, at, text, file.document)


def _added_tags(file: dict[str, Value]) -> Iterator[tuple[tuple[str | None, str | None], str]]:
    """Yields the tags that the databricks CLI adds to jobs: presets, overrides, and in development one of its own.

    bundle/config/mutator/resourcemutator/apply_presets.go and apply_target_mode.go.
    """
    for target, part in _by_target(file):
        jobs = _entries(dict(_entries(part, "resources")), "jobs")
        for key, said in [(None, dict(_entries(part, "presets"))), *jobs]:
            yield from (((target, key), tag) for tag, _ in _entries(said if isinstance(said, dict) else {}, "tags"))
        if part.get("mode") == "development":
            yield (target, None), "dev"


def _by_target(file: dict[str, Value]) -> list[tuple[str | None, dict[str, Value]]]:
    """Returns a file as a whole, and what it says for each target."""
    return [(None, file), *((name, each) for name, each in _entries(file, "targets") if isinstance(each, dict))]


def _job_parts(file: BundleFile) -> Iterator[JobPart]:
    document, content = file.document, file.content
    if document is None or content is None:
        return
    for target, part in _by_target(content):
        for key, job in _entries(dict(_entries(part, "resources")), "jobs"):
            tasks = value_at(job, ("tasks",))[1]
            found = [each for each in enumerate(tasks if isinstance(tasks, list) else ()) if isinstance(each[1], dict)]
            said = tuple((number, str(task.get("task_key")), has_block(task)) for number, task in found)
            origin = SourceRef(document, ("targets", target) if target is not None else ())
            yield JobPart(origin.at("resources", "jobs", key), target, key, said)


def has_block(task: dict[str, Value]) -> bool:
    """Says whether a task has a block of the Jobs API that says what it does, such as `notebook_task`."""
    return any(name.endswith("_task") and value is not None for name, value in task.items())


def _texts(value: Value) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def target_named(named: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns the target that is named: by an option or argument, else by the environment, as for the databricks CLI.

    The first of the two variables that is set counts, even where it is empty (bundle/env/target.go of the CLI).
    """
    return named or next((environment[each] for each in TARGET_VARIABLES if each in environment), None) or None


def target_of(project: Project, named: str | None) -> str:
    """Returns the target that is meant: the one that is named, else the bundle's default.

    `default` is what the databricks CLI calls the target of a bundle that declares none.
    """
    return target_named(named) or read_bundle_declarations(project).default_target or "default"


def _is_plain(value: Value) -> TypeGuard[str | int | float | bool]:
    if isinstance(value, str):
        return "${" not in value
    return isinstance(value, (bool, int, float))


def holds_resources(file: dict[str, Value]) -> bool:
    """Says whether a file of a bundle declares resources, for all targets or for one."""
    return any("resources" in part for part in _with_targets(file))


def _included(project: Project, root: dict[str, Value]) -> Iterator[BundleFile]:
    """Reads the files that `root` includes, generated ones left out; of many bundles, those that all of them include.

    `bundles.include` names these; by default they are what `root`, the project's `databricks.yml`, includes and holds
    no resources.
    """
    if project.bundles is not None and project.bundles.include is not None:
        yield from (_read(project.folder / path, project.folder) for path in project.bundles.include)
        return
    for file in _matching(project.folder, root.get("include")):
        if project.bundles is None or file.content is None or not holds_resources(file.content):
            yield file


def _matching(folder: Path, patterns: Value) -> Iterator[BundleFile]:
    """Reads the files that patterns name; one that is not understood is a file that cannot be read.

    Beyond the limit of one file they are not read: nobody means that much.
    """
    left = MAX_BYTES
    for pattern in patterns if isinstance(patterns, list) else []:
        if not isinstance(pattern, str) or Path(pattern).is_absolute():
            yield BundleFile(folder / str(pattern), str(pattern))
            continue
        for path in _named(folder, pattern):
            if not _is_generated(path):
                file = _read(path, folder, left)
                left -= file.size
                yield file


def _named(folder: Path, pattern: str) -> list[Path]:
    """Returns the files that a pattern names; where they cannot be listed, itself as a file that nobody can read."""
    path = folder / pattern
    try:
        if is_glob(pattern):
            return [Path(found) for _, found in _include_pattern(folder, pattern).files()]
        path.stat()
    except OSError as error:
        return [] if isinstance(error, FileNotFoundError) and not is_glob(pattern) else [path]
    return [path]


def _include_pattern(folder: Path, glob: str) -> FilePattern:
    """Returns what a glob of `include` means.

    `**` is one folder there: bundle/config/mutator/process_root_includes.go of the CLI has Go's `filepath.Glob`.
    """
    return FilePattern(folder, glob.replace("**", "*"), with_hidden=True)


def _is_generated(path: Path) -> bool:
    try:
        line = read_start(path, _LONGEST_LINE).split(b"\n", 1)[0]
    except OSError:
        return False
    return JOB_MARKER.label_in(line.decode("utf-8", "replace")) is not None


def includes(folder: Path, root: Mapping[str, Value], path: str) -> bool:
    """Says whether the file at the root of a bundle includes a file that is to be at a path in the folder."""
    patterns = (each for each in _texts(root.get("include")) if is_glob(each))
    return any(_include_pattern(folder, each).covers(path) for each in patterns)


def read_bundle_file(path: Path) -> dict[str, Value] | None:
    """Returns what a file of a bundle says; None if it cannot be read."""
    return _read(path, path.parent).content


def _read(path: Path, folder: Path, limit: int = MAX_BYTES) -> BundleFile:
    """Reads a file; in messages its path is relative to `folder`."""
    # Most who know what a bundle declares read no YAML.
    from lakeflow_job_meta.text.yaml_documents import decode_yaml, read_bytes
    from lakeflow_job_meta.text.yaml_reader import UNUSABLE

    label = os.path.relpath(path, folder).replace(os.sep, "/")
    read, problems = read_bytes(path, label, limit)
    document, problems = decode_yaml(read, label) if read is not None else (None, problems)
    size = len(read or b"")
    if document is None:
        return BundleFile(path, label, None, None, tuple(problems), size)
    found = document.content
    # A file of nothing but comments holds nothing, for the databricks CLI as well.
    value = {} if found.value is None else found.value
    if found.is_usable and isinstance(value, dict):
        return BundleFile(path, label, document, value, (), size)
    faults = [fault for fault in document.faults() if fault.kind in UNUSABLE]
    problems = [document.report(fault) for fault in faults if fault.kind != "document"]
    no_keys = [] if faults else [UNREADABLE.at(SourceRef(document), "a file of a bundle holds keys with values")]
    return BundleFile(path, label, document, None, (*problems, *no_keys), size)


def _with_targets(file: dict[str, Value]) -> list[dict[str, Value]]:
    return [file, *(target for _, target in _entries(file, "targets") if isinstance(target, dict))]


def _entries(part: dict[str, Value], name: str) -> list[tuple[str, Value]]:
    value = part.get(name)
    return list(value.items()) if isinstance(value, dict) else []
