"""What is wrong with somebody's metadata, and where.

A `Rule` is one kind of mistake with a stable code; applied to an `Origin` it gives a `Diagnostic`. Values are plain
Python and do not carry positions: an `Origin` names a document and a path in it, and only when there is something to
report is the document asked for line and column. Nothing here prints, and nothing here raises for a user's mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from lakeflow_job_meta.values import Path


class Severity(str, Enum):
    """How bad a mistake is: an error keeps a module from being generated, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
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

    def locate(self, path: Path, *, of_key: bool) -> tuple[Place, str | None]:
        """Returns where the value at `path` (or its key) stands, and the line of text there if there is one.

        Where nothing stands at `path`, the nearest enclosing value is meant.
        """


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of one value, not looked up yet.

    Attributes:
        document: What it was read from.
        path: Keys and list indexes from the document's root.
        of_key: Whether the key is meant rather than the value behind it.
    """

    document: Document
    path: Path = ()
    of_key: bool = False

    def at(self, *steps: str | int) -> Origin:
        """Returns the origin of something inside this value."""
        return Origin(self.document, (*self.path, *steps))

    def key(self, *steps: str | int) -> Origin:
        """Returns the origin of a key: of the one at `steps`, or of this value's own."""
        return Origin(self.document, (*self.path, *steps), of_key=True)

    def place(self) -> Place:
        """Looks the place up in the document."""
        return self.document.locate(self.path, of_key=self.of_key)[0]

    def __str__(self) -> str:
        return str(self.place())


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake, ready to be shown."""

    severity: Severity
    code: str
    message: str
    place: Place
    source_line: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.severity.value}: {self.message} [{self.code}]"


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
        files_when_right: Where those of the right example are others.
        is_fixed: Whether it is always an error, since nothing can be generated from such metadata.
    """

    code: str
    severity: Severity
    meaning: str
    remedy: str
    wrong: str = ""
    right: str = ""
    files: tuple[tuple[str, str], ...] = ()
    files_when_right: tuple[tuple[str, str], ...] = ()
    is_fixed: bool = False

    def at(self, origin: Origin, message: str) -> Diagnostic:
        """Reports this mistake at a place."""
        place, line = origin.document.locate(origin.path, of_key=origin.of_key)
        return Diagnostic(self.severity, self.code, message, place, line)


RULES: dict[str, Rule] = {}


def rule(
    code: str,
    severity: Severity = Severity.ERROR,
    *,
    meaning: str,
    remedy: str,
    wrong: str = "",
    right: str = "",
    files: tuple[tuple[str, str], ...] = (),
    files_when_right: tuple[tuple[str, str], ...] = (),
    is_fixed: bool = False,
) -> Rule:
    """Makes a rule and enters it in `RULES`, so that `ljm explain` and the documentation know it.

    Raises:
        ValueError: Another rule has this code.
    """
    if code in RULES:
        raise ValueError(f"two rules have the code {code!r}")
    RULES[code] = Rule(code, severity, meaning, remedy, wrong, right, files, files_when_right or files, is_fixed)
    return RULES[code]


def errors_among(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Returns those that are errors."""
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]


def in_reading_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorts by place, and drops a message that is there twice."""
    unique = dict.fromkeys(diagnostics)
    return tuple(
        sorted(unique, key=lambda d: (d.place.path, d.place.line or 0, d.place.column or 0, d.code, d.message))
    )


def with_severity(diagnostic: Diagnostic, severity: Severity) -> Diagnostic:
    """Returns the same report with another severity."""
    return replace(diagnostic, severity=severity)


def example(task: str, job: str = "", *, more: str = "", module: str = "") -> str:
    """Returns a small metadata file, for the examples of rules.

    Args:
        task: Inside of the `transformation_config` of a source `orders`.
        job: Inside of the `job_config`.
        more: Further lines of the list of sources, indented by six.
        module: Further lines of the list of modules, indented by two.
    """
    job_config = f"    job_config: {{{job}}}\n" if job else ""
    return (
        f"modules:\n  - module_name: sales\n{job_config}    sources:\n      - source_id: orders\n"
        f"        execution_order: 1\n        transformation_config: {{{task}}}\n{more}{module}"
    )
