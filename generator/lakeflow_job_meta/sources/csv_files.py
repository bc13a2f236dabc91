"""CSV files whose rows fill a blueprint: in the project, or in a Unity Catalog volume.

The first line names the columns. An empty field is no value. A line that does not fit is reported, and the jobs of its
file stay as they are; the other lines are read all the same.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from lakeflow_job_meta._internal.fs import MAX_BYTES, is_glob, read_file
from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.blueprints.row_reading import RowSet, TableRow
from lakeflow_job_meta.blueprints.rows import RowSource
from lakeflow_job_meta.config.model import CSV_SUFFIXES
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, Subject
from lakeflow_job_meta.diagnostics.rules import UNREADABLE
from lakeflow_job_meta.errors import LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.parsing.arguments import ValueForm
from lakeflow_job_meta.parsing.units import SourceUnit, UnitContent
from lakeflow_job_meta.sources.fingerprints import FileFingerprints, combined_fingerprint
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.sources.row_reader import told_apart_by_case_alone
from lakeflow_job_meta.sources.volume import VolumeFolder, volume_files
from lakeflow_job_meta.workspace.client import Workspace

_DELIMITERS = ",;\t|"


class FileSet(Protocol):
    """The files of a pattern, wherever they are; `contents` and `digests` raise LakeflowJobMetaError."""

    def contents(self) -> dict[str, bytes]:
        """Returns the content of each file by its label."""

    def digests(self, fingerprints: FileFingerprints) -> dict[str, str]: ...

    def covers(self, label: str) -> bool: ...


class DiskFiles:
    """The files that a pattern names, relative to the project's folder."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = FilePattern(folder, pattern, CSV_SUFFIXES)
        self.covers = self._pattern.covers

    def contents(self) -> dict[str, bytes]:
        with self._disk_errors():
            return {label: read_file(path) for label, path in self._pattern.files()}

    def digests(self, fingerprints: FileFingerprints) -> dict[str, str]:
        with self._disk_errors():
            return {label: fingerprints.of_file(path) for label, path in self._pattern.files()}

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = os.path.relpath(str(error.filename or self._folder), self._folder)
            raise OperationFailed(f"{where!r} cannot be read: {error.strerror}") from None


def files_of(folder: Path, pattern: str, workspace: Workspace | None = None) -> FileSet:
    """Returns the CSV files of a pattern: below /Volumes in a volume, else in the project's folder."""
    if not pattern.startswith("/Volumes/"):
        return DiskFiles(folder, pattern)
    steps = pattern.rstrip("/").split("/")
    is_file = steps[-1].lower().endswith(CSV_SUFFIXES)
    first = next((number for number, step in enumerate(steps) if is_glob(step)), len(steps) - is_file)
    base, inside = "/".join(steps[:first]), "/".join(steps[first:]) or "."
    return VolumeFolder(base, inside, CSV_SUFFIXES, None if workspace is None else volume_files(base, workspace))


@dataclass(frozen=True, slots=True)
class CsvReader:
    """Reads the rows of CSV files; `rows` says how they become modules, and its sets are filled here."""

    source: str
    files: FileSet
    rows: RowSource

    def read(self) -> SourceSnapshot:
        try:
            contents = self.files.contents()
        except LakeflowJobMetaError as error:
            return SourceSnapshot.unreadable(self, str(error))
        if not contents:
            return SourceSnapshot.unreadable(self, "there is no such CSV file")
        read = [read_csv(label, content) for label, content in sorted(contents.items())]
        rows = replace(self.rows, sets=tuple(each.rows for each in read if each.rows is not None))
        problems = [SourceUnit(each.label, None, partial(_unread, each.problems)) for each in read if each.problems]
        return SourceSnapshot(self.source, tuple(problems), (), False, self.contains, rows=rows)

    def probe(self, fingerprints: FileFingerprints) -> str:
        return combined_fingerprint(self.files.digests(fingerprints))

    def contains(self, label: str) -> bool:
        return self.files.covers(label)


def _unread(problems: tuple[Diagnostic, ...]) -> UnitContent:
    return UnitContent((), problems, is_whole=False)


@dataclass(frozen=True, slots=True)
class CsvFile:
    """What was read of one file.

    Attributes:
        rows: The lines that could be read; None where not even the columns are known.
        problems: What could not be.
    """

    label: str
    rows: RowSet | None
    problems: tuple[Diagnostic, ...] = ()


def read_csv(label: str, content: bytes) -> CsvFile:
    """Reads one file; the delimiter (`,`, `;`, tab or `|`) is the one that the first line has most of."""
    text, problem = _decoded(content)
    if text is None:
        return CsvFile(label, None, (_problem(label, *problem),))
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    delimiter = max(_DELIMITERS, key=re.sub(r'"[^"]*"', "", first).count)
    problems: list[Diagnostic] = []
    records = list(_records(text, delimiter, label, problems))
    if not records:
        return CsvFile(label, None, (*problems, _problem(label, "the file is empty; its first line names the columns")))
    names = tuple(name.strip() for name in records[0].fields)
    mistake = told_apart_by_case_alone(names)
    if "" in names:
        mistake = f"column {names.index('') + 1} has no name in the first line"
    if mistake is not None:
        return CsvFile(label, None, (*problems, _problem(label, mistake, 1, records[0].text)))
    rows = []
    for record in records[1:]:
        if len(record.fields) != len(names):
            message = (
                f"{count(len(record.fields), 'field')} in this line, but {count(len(names), 'column')} in the first"
            )
            problems.append(_problem(label, message, record.line, record.text))
        else:
            rows.append(TableRow(tuple(field or None for field in record.fields), record.line, record.text))
    return CsvFile(label, RowSet(label, names, rows, ValueForm.TEXT, delimiter), tuple(problems))


class _Record(NamedTuple):
    fields: list[str]
    line: int
    text: str


def _records(text: str, delimiter: str, label: str, problems: list[Diagnostic]) -> Iterator[_Record]:
    """Yields the records that are not empty, each with its first line and its text.

    After one that is no CSV, it goes on with the next line.
    """
    lines = list(io.StringIO(text, newline=""))  # csv takes each item for a line, and str.splitlines makes too many
    begin = 0
    for _ in range(_MOST_FAULTS):
        start, reader = begin, csv.reader(islice(lines, begin, None), delimiter=delimiter, strict=True)
        try:
            for fields in reader:
                end = start + reader.line_num
                if fields:
                    yield _Record(fields, begin + 1, "".join(lines[begin:end]).rstrip("\r\n"))
                begin = end
        except csv.Error as error:
            problems.append(_problem(label, f"the line is no CSV: {_explained(error)}", begin + 1, lines[begin]))
            begin += 1
        else:
            return
    problems.append(_problem(label, "the lines that follow are not read: too many are no CSV", begin + 1))


def _explained(error: csv.Error) -> str:
    for sign, meaning in _FAULTS.items():
        if sign in str(error):
            return meaning
    return str(error)


_MOST_FAULTS = 20
"""Of a file; each may take reading it to its end, since a quote may close on any line."""
_FAULTS = {
    "unexpected end of data": "a quote is opened, and never closed",
    "expected after": "behind a closing quote, only the next column may follow; a quote in a cell is written twice",
    "field larger than field limit": f"a cell has more than {csv.field_size_limit():,} characters",
}


def _decoded(content: bytes) -> tuple[str | None, tuple[str, int | None]]:
    if len(content) > MAX_BYTES:
        return None, (f"cannot be read: it has more than {MAX_BYTES:,} bytes, which are the limit", None)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None, ("the file is UTF-16; save it as UTF-8 (in Excel: 'CSV UTF-8')", None)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = f"0x{error.object[error.start]:02x}"
        return None, (f"the byte {byte} is not UTF-8; save the file as UTF-8 (in Excel: 'CSV UTF-8')", line)
    if "\0" in text:
        return None, ("the file holds the character NUL, so it is no text", None)
    return text, ("", None)


def _problem(label: str, message: str, line: int | None = None, text: str | None = None) -> Diagnostic:
    return UNREADABLE.report(Location(label, line), text and text.split("\n")[0], Subject(), message)
