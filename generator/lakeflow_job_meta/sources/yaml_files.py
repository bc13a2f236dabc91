"""Metadata in YAML files: one file, a folder with everything below it, or a glob.

Reads the disk, changes nothing. A file that cannot be parsed is reported and the others are read all the same.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from lakeflow_job_meta._internal.fs import is_glob, walk
from lakeflow_job_meta._internal.text import kind_of
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import UNREADABLE
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit, UnitContent, digest_of
from lakeflow_job_meta.schema.suggestions import rename_key
from lakeflow_job_meta.sources.fingerprints import FileFingerprints, combined_fingerprint
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.text.yaml_documents import YamlDocument, decode_yaml, read_bytes
from lakeflow_job_meta.text.yaml_reader import read_yaml

YAML_SUFFIXES = (".yml", ".yaml")
_MISSING = "there is no such file or folder; create it, or name the right one under 'metadata:' in job_meta.yml"
_FILE_KEYS = ("metadata_version", "modules")


class YamlReader:
    """Reads the modules of a file, a folder, or a glob (`*`, `?`, `[...]`, `**`), relative to the project's folder."""

    def __init__(self, project_folder: Path, pattern: str) -> None:
        self.project_folder = project_folder
        self.source = pattern
        # In plain text: the monitor calls `contains` for every file of the project with each tick.
        self._normal_path = os.path.normpath(pattern).replace(os.sep, "/")
        self._inside = "" if self._normal_path == "." else f"{self._normal_path.rstrip('/')}/"

    def read(self) -> SourceSnapshot:
        try:
            units = [self._unit(file) for file in self._files()]
        except OperationFailed as error:
            return SourceSnapshot.unreadable(self, str(error))
        return SourceSnapshot(self.source, tuple(units), (), False, self.contains)

    def probe(self, fingerprints: FileFingerprints) -> str:
        try:
            files = self._files()
        except OperationFailed as error:
            raise OperationFailed(f"{self.source}: {error}") from None
        return combined_fingerprint({self._label(file): fingerprints.of_file(file) for file in files})

    def _unit(self, file: Path) -> SourceUnit:
        label = self._label(file)
        content, problems = read_bytes(file, label)
        if content is None:
            return SourceUnit(label, None, partial(_unread, problems))
        return unit_of_file(label, content)

    def _files(self) -> list[Path]:
        """Returns the files by path; the text of OperationFailed does not name the source."""
        path = self.project_folder / self.source
        try:
            if is_glob(self.source):
                # Unlike pathlib's, this glob takes absolute patterns and `**` for files in every version of Python.
                names = glob.iglob(self.source, root_dir=self.project_folder, recursive=True)  # noqa: PTH207
                named = {self.project_folder / name for name in names}
                files = {file for file in named if file.suffix in YAML_SUFFIXES and file.is_file()}
            elif path.is_dir():
                files = set(_below(path))
            elif path.exists():
                files = {path}
            else:
                raise OperationFailed(_MISSING)
        except OSError as error:
            raise OperationFailed(f"cannot be read: {error.strerror or error}") from None
        return sorted(files, key=lambda file: file.as_posix())

    def _label(self, file: Path) -> str:
        return os.path.relpath(file, self.project_folder).replace(os.sep, "/")

    def contains(self, label: str) -> bool:
        if is_glob(self.source):
            return fnmatch.fnmatchcase(label, self.source.replace("**/", "*"))
        return label == self._normal_path or label.startswith(self._inside)


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        named = (Path(parent, name) for name in files if name.endswith(YAML_SUFFIXES) and name[0] != ".")
        yield from (path for path in named if path.is_file() or path.is_symlink())


def unit_of_file(label: str, content: bytes) -> SourceUnit:
    """Returns a YAML file as a unit of its source; `label` is its path, as messages and generated files give it."""
    return SourceUnit(label, digest_of(label, content), partial(_read_file, label, content), max(len(content), 1))


def with_contents(snapshot: SourceSnapshot, contents: Mapping[str, bytes]) -> SourceSnapshot:
    """Returns a snapshot in which some files have another content than on disk, by their labels."""
    units = (
        unit_of_file(each.label, contents[each.label]) if each.label in contents else each for each in snapshot.units
    )
    return replace(snapshot, units=tuple(units)) if contents else snapshot


def _unread(problems: list[Diagnostic]) -> UnitContent:
    return UnitContent((), tuple(problems), is_whole=False)


def _read_file(label: str, content: bytes) -> UnitContent:
    document, problems = decode_yaml(content, label)
    return _read_document(document) if document is not None else _unread(problems)


def _read_document(document: YamlDocument) -> UnitContent:
    content = read_yaml(document.text)
    faults = document.faults() if content.faults else []
    problems = [document.report(fault) for fault in faults]
    if not content.is_usable:
        return _unread(problems)
    modules, more = _modules_of(content.value, SourceRef(document))
    damaged = {fault.path[1] if fault.path[:1] == ("modules",) and len(fault.path) > 1 else None for fault in faults}
    return UnitContent(
        tuple(RawModule(raw.value, raw.origin, None in damaged or raw.origin.path[-1] in damaged) for raw in modules),
        (*problems, *more),
        not more and None not in damaged,
    )


def _modules_of(root: Value, origin: SourceRef) -> tuple[list[RawModule], list[Diagnostic]]:
    if root is None:
        return [], [UNREADABLE.at(origin, "the file is empty; it needs a list 'modules:'")]
    if not isinstance(root, dict):
        return [], [UNREADABLE.at(origin, f"a metadata file is a map with 'modules:', but this is {kind_of(root)}")]
    advices = {key: rename_key(key, _FILE_KEYS, root) for key in root if key not in _FILE_KEYS}
    problems = [
        UNREADABLE.at(origin.key(key), f"unknown key {key!r} in a metadata file{advice}", suggestion)
        for key, (advice, suggestion) in advices.items()
    ]
    modules = root.get("modules")
    if not isinstance(modules, list):
        wrong = f"'modules' must be a list, not {kind_of(modules)}"
        what = wrong if "modules" in root else "the list 'modules:' is missing"
        return [], [*problems, UNREADABLE.at(origin.key("modules"), what)]
    return [RawModule(module, origin.at("modules", i)) for i, module in enumerate(modules)], problems
