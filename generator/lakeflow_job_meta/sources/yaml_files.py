"""Metadata in YAML files: one file, a folder with everything below it, or a glob.

Reads the disk, changes nothing. A file that cannot be parsed is reported and the others are read all the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.text import kind_of
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import UNREADABLE
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.arguments import Arguments
from lakeflow_job_meta.parsing.units import (
    Blueprints,
    BlueprintUse,
    RawBlueprint,
    RawModule,
    SourceUnit,
    UnitContent,
    digest_of,
)
from lakeflow_job_meta.schema.suggestions import rename_key
from lakeflow_job_meta.sources.fingerprints import FileFingerprints, combined_fingerprint
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.text.yaml_documents import YamlDocument, decode_yaml, read_bytes
from lakeflow_job_meta.text.yaml_errors import Fault
from lakeflow_job_meta.text.yaml_reader import YamlText

YAML_SUFFIXES = (".yml", ".yaml")
_MISSING = "there is no such file or folder; create it, or name the right one under 'metadata:' in job_meta.yml"
_FILE_KEYS = ("metadata_version", "modules", "blueprints")


class YamlReader:
    """Reads the modules of the files that a `FilePattern` names, relative to the project's folder."""

    def __init__(self, project_folder: Path, pattern: str) -> None:
        self.project_folder = project_folder
        self.source = pattern
        self._pattern = FilePattern(project_folder, pattern, YAML_SUFFIXES)

    def read(self) -> SourceSnapshot:
        try:
            units = [_unit(label, path) for label, path in self._files()]
        except OperationFailed as error:
            return SourceSnapshot.unreadable(self, str(error))
        return SourceSnapshot(self.source, tuple(units), (), False, self.contains)

    def probe(self, fingerprints: FileFingerprints) -> str:
        try:
            files = self._files()
        except OperationFailed as error:
            raise OperationFailed(f"{self.source}: {error}") from None
        return combined_fingerprint({label: fingerprints.of_file(path) for label, path in files})

    def _files(self) -> list[tuple[str, str]]:
        """Returns label and path of each file; the text of OperationFailed does not name the source."""
        try:
            return self._pattern.files()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.filename == self._pattern.base:
                raise OperationFailed(_MISSING) from None
            where = os.path.relpath(error.filename or self._pattern.base, self.project_folder).replace(os.sep, "/")
            raise OperationFailed(f"cannot be read: {error.strerror} ({where})") from None

    def contains(self, label: str) -> bool:
        return self._pattern.covers(label)


def _unit(label: str, path: str) -> SourceUnit:
    content, problems = read_bytes(Path(path), label)
    if content is not None:
        return unit_of_file(label, content)
    # It may define blueprints that others use.
    return SourceUnit(label, None, partial(_unread, problems), blueprints=Blueprints.DEFINED)


def unit_of_file(label: str, content: bytes) -> SourceUnit:
    """Returns a YAML file as a unit of its source; `label` is its path, as messages and generated files give it."""
    read, size = partial(_read_file, label, content), max(len(content), 1)
    digest = digest_of(label, content)
    return SourceUnit(label, digest, read, size, _blueprints_in(content), digest)


def _blueprints_in(content: bytes) -> Blueprints:
    if b"\0" in content:  # no UTF-8, so it cannot be read, and may define some
        return Blueprints.DEFINED
    if b"blueprint" not in content:
        return Blueprints.NONE
    return Blueprints.DEFINED if b"blueprints" in content else Blueprints.USED


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
    content = document.content
    faults = document.faults() if content.faults else []
    problems = [document.report(fault) for fault in faults]
    if not content.is_usable:
        return _unread(problems)
    modules, more = _modules_of(content, SourceRef(document))
    # Files are looked through for these keys before they are read.
    is_used = {"blueprints": bool(_items_of(content, SourceRef(document), "blueprints"))}
    is_used["blueprint"] = any(raw.use is not None for raw in modules)
    escaped = next((key for key in is_used if is_used[key] and key not in document.text), None)
    if escaped is not None:
        return _unread([UNREADABLE.at(SourceRef(document), f"write the key {escaped!r} without escapes")])
    damaged = {_item_of(fault) for fault in faults}
    whole = None not in damaged
    digest = digest_of(document.label, document.text.encode("utf-8", "surrogatepass"))
    return UnitContent(
        tuple(replace(raw, is_damaged=not whole or raw.origin.path in damaged) for raw in modules),
        (*problems, *more),
        not more and whole,
        blueprints=tuple(
            RawBlueprint(value, origin, digest, not whole or origin.path in damaged)
            for value, origin in _items_of(content, SourceRef(document), "blueprints")
        ),
    )


def _item_of(fault: Fault) -> KeyPath | None:
    """Returns the module or blueprint that a fault is in; None if it is in neither, and so in all of them."""
    is_inside = fault.path[:1] in (("modules",), ("blueprints",)) and len(fault.path) > 1
    return fault.path[:2] if is_inside else None


def _items_of(content: YamlText, root: SourceRef, key: str) -> list[tuple[Value, SourceRef]]:
    items = content.value.get(key) if isinstance(content.value, dict) else None
    return [(item, root.at(key, n)) for n, item in enumerate(items)] if isinstance(items, list) else []


def _modules_of(content: YamlText, origin: SourceRef) -> tuple[list[RawModule], list[Diagnostic]]:
    """Returns the modules of a file; a key that only holds anchors for them is not looked at."""
    root = content.value
    if root is None:
        return [], [UNREADABLE.at(origin, "the file is empty; it needs a list 'modules:'")]
    if not isinstance(root, dict):
        return [], [UNREADABLE.at(origin, f"a metadata file is a map with 'modules:', but this is {kind_of(root)}")]
    advices = {
        key: rename_key(key, _FILE_KEYS, root) for key in root if key not in {*_FILE_KEYS, *content.anchor_holders}
    }
    problems = [
        UNREADABLE.at(origin.key(key), f"unknown key {key!r} in a metadata file{advice}", suggestion)
        for key, (advice, suggestion) in advices.items()
    ]
    for key in ("modules", "blueprints"):
        if key in root and not isinstance(root[key], list):
            wrong = f"{key!r} must be a list, not {kind_of(root[key])}"
            problems.append(UNREADABLE.at(origin.key(key), wrong))
    if "modules" not in root and "blueprints" not in root:
        problems.append(UNREADABLE.at(origin.key("modules"), "the list 'modules:' is missing"))
    return [_raw_module(module, at) for module, at in _items_of(content, origin, "modules")], problems


def _raw_module(value: Value, origin: SourceRef) -> RawModule:
    """Returns a module as it was written: one of its own, or what is laid over the blueprint that it names."""
    if not isinstance(value, dict) or "blueprint" not in value:
        return RawModule(value, origin)
    own: Value = {key: item for key, item in value.items() if key not in ("blueprint", "with")}
    arguments = Arguments(value.get("with"), origin.at("with"))
    return RawModule(own, origin, use=BlueprintUse(value["blueprint"], origin.at("blueprint"), (arguments,)))
