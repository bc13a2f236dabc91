"""YAML files as documents: read with limits, with the positions of values when a message needs them."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from lakeflow_job_meta._internal.fs import MAX_BYTES, read_file
from lakeflow_job_meta._internal.trees import KeyPath, value_at
from lakeflow_job_meta.diagnostics.model import (
    Diagnostic,
    Location,
    SourceRef,
    Subject,
    UnreadableDocument,
    dotted,
    steps_of_source,
)
from lakeflow_job_meta.diagnostics.rules import DUPLICATE_KEY, NOT_A_VALUE, UNREADABLE
from lakeflow_job_meta.text.yaml_errors import Fault, Mark
from lakeflow_job_meta.text.yaml_nodes import YamlNodes
from lakeflow_job_meta.text.yaml_reader import YamlText, read_yaml

LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line in YAML 1.1, and so in the parser's marks."""

_RULES = {"duplicate-key": DUPLICATE_KEY, "value": NOT_A_VALUE}


class YamlDocument:
    """A YAML file; looks positions up by reading it again, since hardly any file needs them."""

    def __init__(self, label: str, text: str) -> None:
        self.label = label
        self.text = text

    def __reduce__(self) -> tuple[type[YamlDocument], tuple[str, str]]:
        """Leaves out what is looked up again; another process hardly ever needs it."""
        return YamlDocument, (self.label, self.text)

    @cached_property
    def content(self) -> YamlText:
        """What is in it, without positions."""
        return read_yaml(self.text)

    @cached_property
    def _with_positions(self) -> YamlText:
        return read_yaml(self.text, with_positions=True)

    @cached_property
    def _positions(self) -> YamlText | YamlNodes:
        is_simple = self.content.is_plain and not self.content.faults
        return YamlNodes(self.text, self.content.items) if is_simple else self._with_positions

    @cached_property
    def _lines(self) -> list[str]:
        return LINE_END.split(self.text)

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns the range of the value or key at `path`, and its first line."""
        return self._at(*self._positions.locate(path, of_key=of_key))

    def subject(self, path: KeyPath) -> Subject:
        if len(path) < 2 or path[0] != "modules":
            return Subject(setting=dotted(path))
        module = self._text_at(*path[:2], "module_name")
        inside = path[2:]
        steps = steps_of_source(inside)
        if not steps:
            return Subject(module, setting=dotted(inside))
        return Subject(module, self._text_at(*path[: 2 + steps], "source_id"), dotted(inside[steps:]))

    def _text_at(self, *path: str | int) -> str | None:
        text = value_at(self.content.value, path)[1]
        return text if isinstance(text, str) else None

    def _at(self, start: Mark, end: Mark | None) -> tuple[Location, str | None]:
        line = self._lines[start.line - 1] if start.line <= len(self._lines) else None
        end_line, end_column = end or (None, None)
        return Location(self.label, start.line, start.column, True, end_line, end_column), line

    def faults(self) -> list[Fault]:
        """Returns what is wrong with the text, with the paths that are unknown without positions."""
        return self._with_positions.faults

    def report(self, fault: Fault) -> Diagnostic:
        """Turns a fault of the text into a diagnostic."""
        at, subject = self._at(fault.mark, fault.end), self.subject(fault.path)
        return _RULES.get(fault.kind, UNREADABLE).report(*at, subject, fault.message, fault.suggestion)


def open_yaml(path: Path, label: str) -> tuple[YamlDocument | None, list[Diagnostic]]:
    """Reads a file as text; returns the document, or None and the reason why there is none."""
    content, problems = read_bytes(path, label)
    return decode_yaml(content, label) if content is not None else (None, problems)


def read_bytes(path: Path, label: str, limit: int = MAX_BYTES) -> tuple[bytes | None, list[Diagnostic]]:
    """Reads a file as it is; otherwise like `open_yaml`."""
    try:
        return read_file(path, limit), []
    except OSError as error:
        return _unreadable(label, f"cannot be read: {error.strerror or error}")


def _unreadable(label: str, message: str) -> tuple[None, list[Diagnostic]]:
    return None, [UNREADABLE.at(SourceRef(UnreadableDocument(label)), message)]


def decode_yaml(content: bytes, label: str) -> tuple[YamlDocument | None, list[Diagnostic]]:
    """Takes a file's content for text; otherwise like `open_yaml`."""
    if len(content) > MAX_BYTES:
        return _unreadable(label, f"cannot be read: it has more than {MAX_BYTES:,} bytes, which are the limit")
    try:
        return YamlDocument(label, content.decode("utf-8-sig")), []
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = f"0x{content[error.start]:02x}"
        return _unreadable(label, f"the byte {byte} at line {line} is not UTF-8; save the file as UTF-8")
