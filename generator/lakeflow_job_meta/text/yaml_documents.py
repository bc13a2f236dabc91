"""YAML files as documents: read with limits, and asked for the position of a value when a message needs it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, SourceRef, UnreadableDocument
from lakeflow_job_meta.diagnostics.rules.metadata import DUPLICATE_KEY, NOT_A_VALUE, UNREADABLE
from lakeflow_job_meta.text.yaml_reader import Fault, YamlText, read_yaml

MAX_BYTES = 64 * 1024 * 1024

_RULES = {"duplicate-key": DUPLICATE_KEY, "value": NOT_A_VALUE}


class YamlDocument:
    """A YAML file that was read; looks positions up by reading it again, since hardly any file needs them."""

    def __init__(self, label: str, text: str) -> None:
        self.label = label
        self.text = text

    @cached_property
    def _positions(self) -> YamlText:
        return read_yaml(self.text, with_positions=True)

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns the position of the value or key at `path`, and its line."""
        mark = self._positions.locate(path, of_key=of_key)
        return self.at_line(mark.line, mark.column)

    def at_line(self, line: int, column: int) -> tuple[Location, str | None]:
        """Returns a position given as line and column."""
        lines = self.text.split("\n")
        return Location(self.label, line, column), lines[line - 1].rstrip("\r") if line <= len(lines) else None

    def faults(self) -> list[Fault]:
        """Returns what is wrong with the text, with the paths that a reading without positions leaves out."""
        return self._positions.faults

    def report(self, fault: Fault) -> Diagnostic:
        """Turns a fault of the text into a diagnostic."""
        kind = _RULES.get(fault.kind, UNREADABLE)
        place, line = self.at_line(fault.mark.line, fault.mark.column)
        return Diagnostic(kind.severity, kind.code, fault.message, place, line)


def open_yaml(path: Path, label: str) -> tuple[YamlDocument | None, list[Diagnostic]]:
    """Reads a file as text.

    Returns:
        The document, or None and the reason why there is none.
    """
    content, problems = read_bytes(path, label)
    return decode_yaml(content, label) if content is not None else (None, problems)


def read_bytes(path: Path, label: str) -> tuple[bytes | None, list[Diagnostic]]:
    """Reads a file as it is, unless it is too large.

    Returns:
        The content, or None and the reason why there is none.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return None, [UNREADABLE.at(SourceRef(UnreadableDocument(label)), _too_large(size))]
        return path.read_bytes(), []
    except OSError as error:
        return None, [UNREADABLE.at(SourceRef(UnreadableDocument(label)), f"cannot be read: {error.strerror or error}")]


def _too_large(size: int) -> str:
    return f"the file has {size:,} bytes; the limit is {MAX_BYTES:,}: split it"


def decode_yaml(content: bytes, label: str) -> tuple[YamlDocument | None, list[Diagnostic]]:
    """Takes a file's content for text; otherwise like `open_yaml`."""
    if len(content) > MAX_BYTES:
        return None, [UNREADABLE.at(SourceRef(UnreadableDocument(label)), _too_large(len(content)))]
    try:
        return YamlDocument(label, content.decode("utf-8-sig")), []
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"the byte 0x{content[error.start]:02x} at line {line} is not UTF-8; save the file as UTF-8"
        return None, [UNREADABLE.at(SourceRef(UnreadableDocument(label)), message)]
