"""What is wrong with somebody's metadata, and where.

A `Rule` is one kind of mistake with a stable code; applied to an `SourceRef` it gives a `Diagnostic`. Values are plain
Python and do not carry positions: an `SourceRef` names a document and a path in it, and only when there is something to
report is the document asked for line and column. Nothing here prints, and nothing here raises for a user's mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from lakeflow_job_meta._internal.trees import KeyPath, Value


class Severity(str, Enum):
    """How bad a mistake is: an error keeps a module from being generated, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a reader finds something: a file or a row's column, and line and column in its text.

    Attributes:
        path: A path relative to the project, or `table[key=value].column` for a value in a table.
        line: From 1; None where the whole file or row is meant.
        column: From 1, counted in characters.
        is_file: Whether `path` is a file that an editor can open.
    """

    path: str
    line: int | None = None
    column: int | None = None
    is_file: bool = True

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)


class Document(Protocol):
    """Something that metadata was read from: it knows where each of its values stands."""

    @property
    def label(self) -> str:
        """The name that generated files give for where they come from: a path or a table's name."""

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns where the value at `path` (or its key) stands, and the line of text there if there is one.

        Where nothing stands at `path`, the nearest enclosing value is meant.
        """


@dataclass(frozen=True, slots=True)
class SourceRef:
    """The place of one value, not looked up yet.

    Attributes:
        document: What it was read from.
        path: Keys and list indexes from the document's root.
        of_key: Whether the key is meant rather than the value behind it.
    """

    document: Document
    path: KeyPath = ()
    of_key: bool = False

    def at(self, *steps: str | int) -> SourceRef:
        """Returns the origin of something inside this value."""
        return SourceRef(self.document, (*self.path, *steps))

    def key(self, *steps: str | int) -> SourceRef:
        """Returns the origin of a key: of the one at `steps`, or of this value's own."""
        return SourceRef(self.document, (*self.path, *steps), of_key=True)

    def location(self) -> Location:
        """Looks the position up in the document."""
        return self.document.locate(self.path, of_key=self.of_key)[0]

    def __str__(self) -> str:
        return str(self.location())


class SuggestionKind(str, Enum):
    """What a suggestion changes in the text."""

    RENAME_KEY = "rename-key"
    REPLACE_VALUE = "replace-value"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A change that would mend a mistake at its own location.

    Attributes:
        replacement: The key or the value to write instead.
        is_safe: Whether it can be applied without a person looking at it.
    """

    kind: SuggestionKind
    replacement: Value
    is_safe: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake, ready to be shown."""

    severity: Severity
    code: str
    message: str
    location: Location
    source_line: str | None = None
    # Not compared: a mistake in an anchor is one mistake, whatever stands beside its repetitions.
    suggestion: Suggestion | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.location}: {self.severity.value}: {self.message} [{self.code}]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of mistake.

    Attributes:
        code: The stable name, in kebab case.
        severity: What it is unless the project file says otherwise.
        meaning: What the code means and why it is checked, for `ljm explain`.
        remedy: What to do about it.
        wrong: A small metadata file that has this mistake.
        right: The same without it.
        files: Other files that the examples need: path in the project and content.
        files_when_right: Where those of the right example are others; None for the same ones.
        is_fixed: Whether it is always an error, since nothing can be generated from such metadata.
    """

    code: str
    severity: Severity = Severity.ERROR
    meaning: str = field(kw_only=True)
    remedy: str = field(kw_only=True)
    wrong: str = field(default="", kw_only=True)
    right: str = field(default="", kw_only=True)
    files: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    files_when_right: tuple[tuple[str, str], ...] | None = field(default=None, kw_only=True)
    is_fixed: bool = field(default=False, kw_only=True)

    @property
    def right_files(self) -> tuple[tuple[str, str], ...]:
        """The other files of the right example."""
        return self.files if self.files_when_right is None else self.files_when_right

    def at(self, origin: SourceRef, message: str, suggestion: Suggestion | None = None) -> Diagnostic:
        """Reports this mistake at a place."""
        location, line = origin.document.locate(origin.path, of_key=origin.of_key)
        return Diagnostic(self.severity, self.code, message, location, line, suggestion)


def errors_among(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Returns those that are errors."""
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]


def in_reading_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorts by place, and drops a message that is there twice."""
    unique = dict.fromkeys(diagnostics)
    return tuple(
        sorted(unique, key=lambda d: (d.location.path, d.location.line or 0, d.location.column or 0, d.code, d.message))
    )


def with_severity(diagnostic: Diagnostic, severity: Severity) -> Diagnostic:
    """Returns the same report with another severity."""
    return replace(diagnostic, severity=severity)


@dataclass(frozen=True, slots=True)
class UnreadableDocument:
    """Stands for a file or table that cannot be opened, so that a message can name it."""

    label: str
    is_file: bool = True

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns the file or table as a whole."""
        return Location(self.label, is_file=self.is_file), None
