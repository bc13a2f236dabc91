"""What the rest of the bundle declares: variables, targets and hand-written resources.

Reads `databricks.yml` and the files that it includes; changes nothing. What cannot be known (an unreadable file,
resources that Python code makes) is None, and nothing is then said about it: the databricks CLI has the last word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from lakeflow_job_meta._internal.fs import MAX_BYTES, is_glob, read_file, read_start
from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.trees import Scalar, Value
from lakeflow_job_meta.config.model import BUNDLE_FILE, Project
from lakeflow_job_meta.text.markers import JOB_MARKER
from lakeflow_job_meta.text.yaml_reader import read_yaml

_LONGEST_LINE = 32768
"""In bytes; the marker names a path or a table, no system has paths of more than 4096, and six stand for one."""


@dataclass(frozen=True, slots=True)
class BundleDeclarations:
    """What the bundle declares outside the metadata, by name; None where that is not known.

    Attributes:
        default_target: The one that is meant when none is named.
        resources: Kind and key, such as `("pipelines", "silver")`.
        synced: The folders that `sync.paths` names, relative to the project; files of jobs may be there.
    """

    variables: frozenset[str] | None = None
    default_target: str | None = None
    targets: frozenset[str] | None = None
    resources: frozenset[tuple[str, str]] | None = None
    synced: frozenset[str] | None = None


def read_bundle_declarations(project: Project) -> BundleDeclarations:
    """Reads the bundle of a project; without a `databricks.yml` nothing is known."""
    by_path = _files(project)
    files = [file for _, file in by_path if file is not None]
    if len(files) < len(by_path):
        return BundleDeclarations()
    parts = [part for file in files for part in _with_targets(file)]
    makes_more = any("python" in part or "experimental" in part for part in parts)
    declared = [dict(_entries(part, "resources")) for part in parts]
    resources = frozenset((kind, key) for kinds in declared for kind in kinds for key, _ in _entries(kinds, kind))
    targets = dict(entry for file in files for entry in _entries(file, "targets"))
    default = [name for name, target in targets.items() if isinstance(target, dict) and target.get("default") is True]
    return BundleDeclarations(
        frozenset(name for part in parts for name, _ in _entries(part, "variables")),
        next(iter(default or (targets if len(targets) == 1 else ())), None),
        frozenset(targets),
        None if makes_more else resources,
        frozenset(
            os.path.relpath(path.parent / folder, project.folder).replace(os.sep, "/")
            for path, file in by_path
            for part in _with_targets(file or {})
            for folder in _texts(dict(_entries(part, "sync")).get("paths"))
        ),
    )


def _texts(value: Value) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def target_of(project: Project, named: str | None) -> str:
    """Returns the target that is meant: the one that is named, else the bundle's default.

    `default` is what the databricks CLI calls the target of a bundle that declares none.
    """
    return named or read_bundle_declarations(project).default_target or "default"


@dataclass(frozen=True, slots=True)
class BundleValues:
    """What the bundle says of one target as plain values, for where no databricks CLI resolves it.

    The name is None where it is not known or is no plain text. The variables are the defaults that are plain scalars,
    with the target's own over them.
    """

    name: str | None
    variables: dict[str, Scalar]


def read_bundle_values(project: Project, target: str) -> BundleValues:
    """Reads the name and the variables of a bundle for one target; what is no plain scalar is left out."""
    root = read_bundle_file(project.folder / BUNDLE_FILE)
    if root is None:
        return BundleValues(None, {})
    files = [file for _, file in _files(project) if file is not None]
    targets = [entry for file in files for key, entry in _entries(file, "targets") if key == target]
    written: dict[str, Value] = {}
    for part in (*files, *(entry for entry in targets if isinstance(entry, dict))):
        for variable, value in _entries(part, "variables"):
            if not isinstance(value, dict):
                written[variable] = value
            elif "default" in value or "lookup" in value:
                written[variable] = value.get("default")
    name = dict(_entries(root, "bundle")).get("name")
    plain_name = name if isinstance(name, str) and "${" not in name else None
    return BundleValues(plain_name, {variable: value for variable, value in written.items() if _is_plain(value)})


def _is_plain(value: Value) -> TypeGuard[str | int | float | bool]:
    if isinstance(value, str):
        return "${" not in value
    return isinstance(value, (bool, int, float))


def _files(project: Project) -> list[tuple[Path, dict[str, Value] | None]]:
    """Returns the bundle's files and what they hold, generated ones left out; None for one that cannot be read.

    The bundles of a project of many hold nothing but what they share.
    """
    root = read_bundle_file(project.folder / BUNDLE_FILE)
    if project.bundles is not None:
        return common_files(project, root or {})
    return [(project.folder / BUNDLE_FILE, root), *_included(project.folder, root or {})]


def common_files(project: Project, root: dict[str, Value]) -> list[tuple[Path, dict[str, Value] | None]]:
    """Returns the files that all bundles of a project of many include, with what they hold.

    `bundles.include` names them; by default they are what `root`, the project's `databricks.yml`, includes and holds no
    resources.
    """
    named = project.bundles.include if project.bundles is not None else None
    if named is not None:
        return [(project.folder / path, read_bundle_file(project.folder / path)) for path in named]
    included = _included(project.folder, root)
    return [(path, content) for path, content in included if content is None or not holds_resources(content)]


def holds_resources(file: dict[str, Value]) -> bool:
    """Says whether a file of a bundle declares resources, for all targets or for one."""
    return any("resources" in part for part in _with_targets(file))


def _included(folder: Path, root: dict[str, Value]) -> Iterator[tuple[Path, dict[str, Value] | None]]:
    """Yields the included files by their paths; a pattern that is not understood is one that cannot be read.

    Beyond the limit of one file they are not read: nobody means that much.
    """
    patterns, left = root.get("include"), MAX_BYTES
    for pattern in patterns if isinstance(patterns, list) else []:
        if not isinstance(pattern, str) or Path(pattern).is_absolute():
            yield folder / str(pattern), None
            continue
        for path in _named(folder, pattern):
            if not _is_generated(path):
                content = _content(path, left)
                left -= len(content or b"")
                yield path, _parsed(content)


def _named(folder: Path, pattern: str) -> list[Path]:
    """Returns the files that a pattern names; where they cannot be listed, itself as a file that nobody can read."""
    path = folder / pattern
    try:
        if is_glob(pattern):
            return [Path(found) for _, found in FilePattern(folder, pattern, with_hidden=True).files()]
        path.stat()
    except OSError as error:
        return [] if isinstance(error, FileNotFoundError) and not is_glob(pattern) else [path]
    return [path]


def _is_generated(path: Path) -> bool:
    try:
        line = read_start(path, _LONGEST_LINE).split(b"\n", 1)[0]
    except OSError:
        return False
    return JOB_MARKER.label_in(line.decode("utf-8", "replace")) is not None


def read_bundle_file(path: Path) -> dict[str, Value] | None:
    """Returns what a file of a bundle says; None if it cannot be read."""
    return _parsed(_content(path, MAX_BYTES))


def _content(path: Path, limit: int) -> bytes | None:
    try:
        return read_file(path, limit)
    except OSError:
        return None


def _parsed(content: bytes | None) -> dict[str, Value] | None:
    try:
        found = read_yaml((content or b"").decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None
    return found.value if found.is_usable and isinstance(found.value, dict) else None


def _with_targets(file: dict[str, Value]) -> list[dict[str, Value]]:
    return [file, *(target for _, target in _entries(file, "targets") if isinstance(target, dict))]


def _entries(part: dict[str, Value], name: str) -> list[tuple[str, Value]]:
    value = part.get(name)
    return list(value.items()) if isinstance(value, dict) else []
