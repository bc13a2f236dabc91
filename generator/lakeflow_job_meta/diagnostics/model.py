"""Mistakes in metadata and their locations.

A `Rule` is one kind of mistake with a stable code; applied to a `SourceRef` it gives a `Diagnostic`. Values are plain
Python and do not carry positions: a `SourceRef` names a document and a path in it, and the document looks positions and
names up only when there is something to report. Nothing here prints, and nothing here raises for a user's mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lakeflow_job_meta._internal.secret_signs import Found
from lakeflow_job_meta._internal.text import closest, json_like

if TYPE_CHECKING:
    from lakeflow_job_meta._internal.trees import KeyPath, Value

DOCUMENTATION = "docs/checks.md"
"""The page that explains every code: a path in the repository until the project has a public address."""


class Severity(str, Enum):
    """How bad a mistake is: an error keeps a module from being generated, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class _Pickled:
    """Pickles a frozen record with slots faster than dataclasses do: a worker sends thousands."""

    __slots__: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), tuple([getattr(self, name) for name in self.__slots__])


@dataclass(frozen=True, slots=True)
class Location(_Pickled):
    """Range of text in a file or table cell.

    Lines and columns count from 1, columns in characters; `end_column` is the one behind the last character.

    Attributes:
        path: A path relative to the project, or `table[key=value].column` for a value in a table.
        line: None where the whole file, row or cell is meant, likewise the others.
        is_file: Whether `path` is a file that an editor can open.
        end_line: None where only the start is known.
    """

    path: str
    line: int | None = None
    column: int | None = None
    is_file: bool = True
    end_line: int | None = None
    end_column: int | None = None

    @property
    def start(self) -> tuple[str, int, int]:
        """Path, line and column: what places are sorted and compared by; 0 for what is not known."""
        return self.path, self.line or 0, self.column or 0

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)


class Subject(NamedTuple):
    """The names of the module and the source that a value belongs to, and the dotted path of its setting below them.

    Such a path is `job_config.tags.domain` or `targets[0]`; in a file without modules it begins at the root. `note` is
    put behind every message about the value: where else to look.
    """

    module: str | None = None
    source: str | None = None
    setting: str | None = None
    note: str = ""


@lru_cache(maxsize=4096)
def dotted(path: KeyPath) -> str | None:
    """Returns a path as `a.b[0].c`; None for an empty one."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".") or None


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def steps_of(text: str) -> KeyPath:
    """Returns the path that `dotted` gives as text."""
    return tuple(int(number) if number else name for name, number in _STEP.findall(text))


def steps_of_source(path: KeyPath) -> int:
    """Returns how many steps of a path in a module lead to the source that it goes into; 0 where it goes into none."""
    first = path[0] if path else None
    if first in ("on_failure", "finally"):
        return 2 if len(path) > 1 and isinstance(path[1], int) else 1
    return 2 if first in ("sources", "runs") and len(path) > 1 else 0


class Document(Protocol):
    """Something that metadata was read from; knows the position of each of its values."""

    @property
    def label(self) -> str:
        """The name that generated files give for their source: a path or a table's name."""

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns the range of the value at `path` (or its key), and the first line of text there if there is one.

        Where nothing stands at `path`, the nearest enclosing value is meant.
        """

    def subject(self, path: KeyPath) -> Subject:
        """Returns the module and source that the value at `path` belongs to, and its name there."""


class SourceRef(NamedTuple):
    """Reference to one value in a document, or to the key before it; the position is not looked up yet.

    A tuple, since each module has dozens, of which hardly one is ever asked for.
    """

    document: Document
    path: KeyPath = ()
    of_key: bool = False

    def at(self, *steps: str | int) -> SourceRef:
        """Returns the reference to something inside this value."""
        return SourceRef(self.document, (*self.path, *steps))

    def key(self, *steps: str | int) -> SourceRef:
        """Returns the reference to a key: to the one at `steps`, or to this value's own."""
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


_BARE = re.compile(r"(?!(?:true|false|yes|no|on|off|y|n|null)\Z)[a-z_][a-z0-9_.-]*", re.IGNORECASE)
"""Text that every reader of YAML takes for text without quotes."""

_SCALAR = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?![{\[|>*&!?"']|- )(?:(?!:(?:\s|\Z)).)+""")
"""A key or value in quotes or plain, and not a map or list, a block of text, an alias, an anchor or a tag."""


@dataclass(frozen=True, slots=True)
class Suggestion(_Pickled):
    """A key or value to write instead of a mistake; a safe one can be applied without a person checking it."""

    kind: SuggestionKind
    replacement: Value
    is_safe: bool = False

    def written_for(self, old: str) -> str | None:
        """Returns what to write for a key or value of YAML or JSON, in quotes of the same kind.

        None for what cannot be replaced in place, such as a map or an alias.
        """
        new = self.replacement
        if not _SCALAR.fullmatch(old) or isinstance(new, (dict, list)):
            return None
        if not isinstance(new, str):
            return json_like(new)
        if old[0] == "'" and new.isprintable() and "'" not in new:
            return f"'{new}'"
        if old[0] not in "'\"" and _BARE.fullmatch(new):
            return new
        return '"' + "".join(map(_in_quotes, new)) + '"'


def nearest(word: str, known: Iterable[str], *, besides: str | None = None) -> Suggestion | None:
    """Suggests the known value that was probably meant, `besides` one of them; a person has to decide."""
    match = closest(word, known, besides)
    return Suggestion(SuggestionKind.REPLACE_VALUE, match) if match is not None else None


def _in_quotes(character: str) -> str:
    if not character.isprintable():
        return f"\\U{ord(character):08x}"
    return f"\\{character}" if character in '"\\' else character


@dataclass(frozen=True, slots=True)
class Diagnostic(_Pickled):
    """One mistake, ready to be shown.

    `source_line` is the line of text in which its location starts; module, source and setting are those of `Subject`.
    """

    severity: Severity
    code: str
    message: str
    location: Location
    source_line: str | None = None
    # Not compared: a mistake in an anchor is one mistake, whatever module or setting repeats it.
    suggestion: Suggestion | None = field(default=None, compare=False)
    module: str | None = field(default=None, compare=False)
    source: str | None = field(default=None, compare=False)
    setting: str | None = field(default=None, compare=False)

    @property
    def text(self) -> str | None:
        """The key or value as it is written; None where it has several lines, or is no key or value."""
        at, line = self.location, self.source_line
        if line is None or at.column is None or at.end_column is None or at.end_line != at.line:
            return None
        return line[at.column - 1 : at.end_column - 1]

    @property
    def suggested_text(self) -> str | None:
        """What the suggestion writes for `text`; None where there is none, or where that is not all to do."""
        return None if self.suggestion is None or self.text is None else self.suggestion.written_for(self.text)

    @property
    def rule_code(self) -> str:
        """The code of its rule: `policy` for `policy:owner-tag`."""
        return self.code.partition(":")[0]

    @property
    def documentation(self) -> str:
        """Where the code is explained."""
        return f"{DOCUMENTATION}#{self.rule_code}"

    def without(self, secrets: Collection[Found]) -> Diagnostic:
        """Returns the same without secrets that its words, its line or its names may hold."""
        from lakeflow_job_meta._internal.secrets import without_values

        at, names = self.location, (self.module, self.source, self.setting)
        module, source, setting = (each and without_values(each, secrets) for each in names)
        is_told = self.suggestion is not None and not _holds(self.suggestion.replacement, secrets)
        return replace(
            self,
            message=without_values(self.message, secrets),
            location=at if at.is_file else replace(at, path=without_values(at.path, secrets)),
            source_line=self.source_line and without_values(self.source_line, secrets, keeps_length=True),
            suggestion=self.suggestion if is_told else None,
            module=module,
            source=source,
            setting=setting,
        )

    def __str__(self) -> str:
        return f"{self.location}: {self.severity.value}: {self.message} [{self.code}]"


def _holds(value: Value, secrets: Collection[Found]) -> bool:
    return any(found.secret in str(value) for found in secrets)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of mistake; what it means stands in `catalog.yml`.

    Attributes:
        code: The stable name, in kebab case.
        is_fixed: Whether it is always an error, since nothing can be generated from such metadata.
    """

    code: str
    severity: Severity = Severity.ERROR
    is_fixed: bool = False

    def named(self, name: str, severity: Severity) -> Rule:
        """Returns one of many rules of this kind, whose code is that of the kind and its own name."""
        return replace(self, code=f"{self.code}:{name}", severity=severity)

    def at(self, origin: SourceRef, message: str, suggestion: Suggestion | None = None) -> Diagnostic:
        """Reports this mistake at a reference."""
        at = origin.document.locate(origin.path, of_key=origin.of_key)
        return self.report(*at, origin.document.subject(origin.path), message, suggestion)

    def report(
        self, location: Location, line: str | None, subject: Subject, message: str, suggestion: Suggestion | None = None
    ) -> Diagnostic:
        """Reports this mistake at a location that was looked up."""
        module, source, setting, note = subject
        shown = line and _shown(line, location, setting or "")
        if shown != line and suggestion is not None and suggestion.kind is SuggestionKind.REPLACE_VALUE:
            suggestion = None if _is_secret(setting or "") else suggestion
        message = _without_found(message + note)
        return Diagnostic(self.severity, self.code, message, location, shown, suggestion, module, source, setting)


# What knows secrets is imported with the first mistake. Many modules often have the same mistake, and one line may have
# thousands, which are gone through once for all of them.


@lru_cache(maxsize=1024)
def _without_found(message: str) -> str:
    from lakeflow_job_meta._internal.secrets import without_found

    return without_found(message)


@lru_cache(maxsize=64)
def _without_secrets(line: str) -> str:
    from lakeflow_job_meta._internal.secrets import without_line

    return without_line(line)


@lru_cache(maxsize=4096)
def _is_secret(setting: str) -> bool:
    from lakeflow_job_meta._internal.secrets import is_secret_path

    return is_secret_path(setting)


def _shown(line: str, at: Location, setting: str) -> str:
    """Returns a line of text of the same length without the secrets in it; `at` may be the value of one."""
    shown = _without_secrets(line)
    if not _is_secret(setting) or at.column is None or at.end_column is None or at.end_line != at.line:
        return shown
    from lakeflow_job_meta._internal.secrets import is_reference

    start, end = at.column - 1, at.end_column - 1
    written = line[start:end].strip("\"'")
    if setting.endswith(written) or is_reference(written):
        return shown
    return shown[:start] + "*" * (end - start) + shown[end:]


def errors_among(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Returns those that are errors."""
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]


def foremost(diagnostics: Sequence[Diagnostic], most: int) -> Sequence[Diagnostic]:
    """Returns as many as a person can read, in their order: errors, and warnings where errors leave room for them."""
    errors_first = sorted(range(len(diagnostics)), key=lambda n: diagnostics[n].severity is not Severity.ERROR)
    return [diagnostics[n] for n in sorted(errors_first[:most])]


def in_reading_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorts by location, and drops a message that is there twice: an alias leads to one text from two modules."""
    unique: dict[tuple[str | int, ...], Diagnostic] = {}
    for each in diagnostics:
        unique.setdefault((*each.location.start, each.code, each.message, each.severity.value), each)
    return tuple(unique[key] for key in sorted(unique))


@dataclass(frozen=True, slots=True)
class UnreadableDocument:
    """Stands for a file or table that is missing or cannot be read, so that a message can name it."""

    label: str
    is_file: bool = True

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns the file or table as a whole."""
        return Location(self.label, is_file=self.is_file), None

    def subject(self, path: KeyPath) -> Subject:
        """Returns only the setting: the rest cannot be read."""
        return Subject(setting=dotted(path))
