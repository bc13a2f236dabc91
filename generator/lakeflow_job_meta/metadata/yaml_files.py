"""Metadata in YAML files: one file, a folder with everything below it, or a glob.

Reads the disk, changes nothing. A file that cannot be parsed is reported and the others are read all the same.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from functools import cached_property, partial
from pathlib import Path as FilePath

from lakeflow_job_meta.diagnostics import Diagnostic, Origin, Place
from lakeflow_job_meta.errors import Failed
from lakeflow_job_meta.metadata.contents import Contents, combined
from lakeflow_job_meta.metadata.reading import (
    DUPLICATE_KEY,
    NOT_A_VALUE,
    UNREADABLE,
    Content,
    Part,
    RawModule,
    Reading,
    Unread,
    digest_of,
)
from lakeflow_job_meta.metadata.yaml_text import Fault, YamlText, read_yaml
from lakeflow_job_meta.values import Path, Value, did_you_mean, kind_of

YAML_SUFFIXES = (".yml", ".yaml")
MAX_BYTES = 64 * 1024 * 1024

_RULES = {"duplicate-key": DUPLICATE_KEY, "value": NOT_A_VALUE}
_MISSING = "there is no such file or folder; create it, or name the right one under 'metadata:' in job_meta.yml"
_FILE_KEYS = ("metadata_version", "modules")


class YamlDocument:
    """A YAML file that was read; looks positions up by reading it again, since hardly any file needs them."""

    def __init__(self, label: str, text: str) -> None:
        self.label = label
        self.text = text

    @cached_property
    def _positions(self) -> YamlText:
        return read_yaml(self.text, with_positions=True)

    def locate(self, path: Path, *, of_key: bool) -> tuple[Place, str | None]:
        """Returns the position of the value or key at `path`, and its line."""
        mark = self._positions.locate(path, of_key=of_key)
        return self.at_line(mark.line, mark.column)

    def at_line(self, line: int, column: int) -> tuple[Place, str | None]:
        """Returns a position given as line and column."""
        lines = self.text.split("\n")
        return Place(self.label, line, column), lines[line - 1].rstrip("\r") if line <= len(lines) else None

    def faults(self) -> list[Fault]:
        """Returns what is wrong with the text, with the paths that a reading without positions leaves out."""
        return self._positions.faults

    def report(self, fault: Fault) -> Diagnostic:
        """Turns a fault of the text into a diagnostic."""
        kind = _RULES.get(fault.kind, UNREADABLE)
        place, line = self.at_line(fault.mark.line, fault.mark.column)
        return Diagnostic(kind.severity, kind.code, fault.message, place, line)


def open_yaml(path: FilePath, label: str) -> tuple[YamlDocument | None, list[Diagnostic]]:
    """Reads a file as text.

    Returns:
        The document, or None and the reason why there is none.
    """
    content, problems = read_bytes(path, label)
    return decode_yaml(content, label) if content is not None else (None, problems)


def read_bytes(path: FilePath, label: str) -> tuple[bytes | None, list[Diagnostic]]:
    """Reads a file as it is, unless it is too large.

    Returns:
        The content, or None and the reason why there is none.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return None, [UNREADABLE.at(Origin(Unread(label)), _too_large(size))]
        return path.read_bytes(), []
    except OSError as error:
        return None, [UNREADABLE.at(Origin(Unread(label)), f"cannot be read: {error.strerror or error}")]


def _too_large(size: int) -> str:
    return f"the file has {size:,} bytes; the limit is {MAX_BYTES:,}: split it"


def decode_yaml(content: bytes, label: str) -> tuple[YamlDocument | None, list[Diagnostic]]:
    """Takes a file's content for text; otherwise like `open_yaml`."""
    if len(content) > MAX_BYTES:
        return None, [UNREADABLE.at(Origin(Unread(label)), _too_large(len(content)))]
    try:
        return YamlDocument(label, content.decode("utf-8-sig")), []
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"the byte 0x{content[error.start]:02x} at line {line} is not UTF-8; save the file as UTF-8"
        return None, [UNREADABLE.at(Origin(Unread(label)), message)]


class YamlReader:
    """Reads the modules of YAML files.

    Args:
        project_folder: What `pattern` and all labels are relative to.
        pattern: A file, a folder, or a glob (`*`, `?`, `[...]`, `**`).
    """

    def __init__(self, project_folder: FilePath, pattern: str) -> None:
        self.project_folder = project_folder
        self.source = pattern
        # In plain text: the monitor asks of every file of the project with each look.
        self._place = os.path.normpath(pattern).replace(os.sep, "/")
        self._inside = "" if self._place == "." else f"{self._place.rstrip('/')}/"

    def read(self) -> Reading:
        """Reads all files, in the order of their paths."""
        try:
            files = self._files()
        except OSError as error:
            return self._failed(f"cannot be read: {error.strerror or error}")
        if files is None:
            return self._failed(_MISSING)
        return Reading(self.source, tuple(self._part(file) for file in files), (), False, self.covers)

    def probe(self, contents: Contents) -> str:
        """Returns a digest of the names and contents of all files."""
        try:
            files = self._files()
        except OSError as error:
            raise Failed(f"{self.source}: cannot be read: {error.strerror or error}") from None
        if files is None:
            raise Failed(f"{self.source}: {_MISSING}")
        return combined({self._label(file): contents.of_file(file) for file in files})

    def _part(self, file: FilePath) -> Part:
        label = self._label(file)
        content, problems = read_bytes(file, label)
        return part_of_file(label, content) if content is not None else Part(label, None, partial(_unread, problems))

    def _failed(self, message: str) -> Reading:
        problem = UNREADABLE.at(Origin(Unread(self.source)), message)
        return Reading(self.source, (), (problem,), True, self.covers)

    def _files(self) -> list[FilePath] | None:
        if is_glob(self.source):
            found = (
                self.project_folder / name
                # Unlike pathlib's, this glob takes absolute patterns and `**` for files in every version of Python.
                for name in glob.iglob(self.source, root_dir=self.project_folder, recursive=True)  # noqa: PTH207
            )
            files = (path for path in found if path.suffix in YAML_SUFFIXES and path.is_file())
            return sorted(set(files), key=lambda path: path.as_posix())
        path = self.project_folder / self.source
        if path.is_dir():
            return sorted(_below(path), key=lambda file: file.as_posix())
        return [path] if path.exists() else None

    def _label(self, file: FilePath) -> str:
        return os.path.relpath(file, self.project_folder).replace(os.sep, "/")

    def covers(self, label: str) -> bool:
        """Says whether a label, as generated files name it, belongs to this source."""
        if is_glob(self.source):
            return fnmatch.fnmatchcase(label, self.source.replace("**/", "*"))
        return label == self._place or label.startswith(self._inside)


def is_glob(pattern: str) -> bool:
    """Says whether a path of the project file names files by a pattern."""
    return any(character in pattern for character in "*?[")


def is_good_glob(pattern: str) -> bool:
    """Says whether a pattern means the same to everybody: relative, `**` only as a whole step."""
    steps = pattern.replace(os.sep, "/").split("/")
    return bool(steps[0]) and all("**" not in step or step == "**" for step in steps)


def _below(folder: FilePath) -> list[FilePath]:
    def stop(error: OSError) -> None:
        raise error

    found: list[FilePath] = []
    for parent, folders, files in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        named = (FilePath(parent, name) for name in files if name.endswith(YAML_SUFFIXES) and name[0] != ".")
        found += [path for path in named if path.is_file() or path.is_symlink()]
    return found


def part_of_file(label: str, content: bytes) -> Part:
    """Returns a YAML file as a part of its source.

    Args:
        label: Its path, as messages and generated files give it.
        content: The whole file.
    """
    return Part(label, digest_of(label, content), partial(_read_file, label, content), max(len(content), 1))


def _unread(problems: list[Diagnostic]) -> Content:
    return Content((), tuple(problems), is_whole=False)


def _read_file(label: str, content: bytes) -> Content:
    document, problems = decode_yaml(content, label)
    return _read_document(document) if document is not None else _unread(problems)


def _read_document(document: YamlDocument) -> Content:
    content = read_yaml(document.text)
    faults = document.faults() if content.faults else []
    problems = [document.report(fault) for fault in faults]
    if not content.is_usable:
        return _unread(problems)
    modules, more = _modules_of(content.value, Origin(document))
    damaged = {fault.path[1] if fault.path[:1] == ("modules",) and len(fault.path) > 1 else None for fault in faults}
    return Content(
        tuple(RawModule(raw.value, raw.origin, None in damaged or raw.origin.path[-1] in damaged) for raw in modules),
        (*problems, *more),
        not more and None not in damaged,
    )


def _modules_of(root: Value, origin: Origin) -> tuple[list[RawModule], list[Diagnostic]]:
    if root is None:
        return [], [UNREADABLE.at(origin, "the file is empty; it needs a list 'modules:'")]
    if not isinstance(root, dict):
        return [], [UNREADABLE.at(origin, f"a metadata file is a map with 'modules:', but this is {kind_of(root)}")]
    problems = [
        UNREADABLE.at(origin.key(key), f"unknown key {key!r} in a metadata file{did_you_mean(key, _FILE_KEYS)}")
        for key in root
        if key not in _FILE_KEYS
    ]
    modules = root.get("modules")
    if not isinstance(modules, list):
        what = (
            "the list 'modules:' is missing"
            if "modules" not in root
            else f"'modules' must be a list, not {kind_of(modules)}"
        )
        return [], [*problems, UNREADABLE.at(origin.key("modules"), what)]
    return [RawModule(module, origin.at("modules", i)) for i, module in enumerate(modules)], problems
