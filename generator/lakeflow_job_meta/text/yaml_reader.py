"""Reads YAML text the careful way: as Databricks' own reader (go-yaml) would, and refusing what it would get wrong.

Text comes in; plain values and a list of faults go out, and where asked for the position of every key and value. Works
on the parser's events, not on its node tree: no recursion, so that neither deep nesting nor a bomb of aliases can end
the process. Never raises for what stands in the text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import KeyPath, Scalar, Value

MAX_DEPTH = 100
MAX_CHARACTERS = 64 * 1024 * 1024
MAX_VALUES_FROM_ALIASES = 100_000
LONGEST_NUMBER = 30
"""Longer digits are never a number of 64 bits, and Python refuses to read very long ones."""

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_CORE + "str": str, _CORE + "int": int, _CORE + "float": float, _CORE + "bool": bool}
_KNOWN_TAGS = {*_SCALAR_TAGS, _CORE + "null", _CORE + "map", _CORE + "seq"}

_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Only what is the same number to every reader of YAML: `09`, `0123`, `1_000` and `12:30` are not, and stay text.
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Mark(NamedTuple):
    """A position in a text; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the text must not have.

    Attributes:
        kind: `syntax` ends the reading, the others do not: `duplicate-key`, `value`, `limit`.
        path: Where in the document; only known when positions were asked for.
    """

    kind: str
    mark: Mark
    message: str
    path: KeyPath = ()


class Positions(NamedTuple):
    """Where the key and the value of one path stand; a list item and the root have no key."""

    key: Mark | None
    value: Mark


@dataclass(slots=True)
class YamlText:
    """What one text says.

    Attributes:
        value: The root; None for an empty text.
        faults: What is wrong with it, in reading order. With a `syntax` or `limit` fault the value is unusable.
        positions: Filled only when asked for.
        links: Paths below an alias or a merge key, and the path of the text that they repeat.
    """

    value: Value = None
    faults: list[Fault] = field(default_factory=list)
    positions: dict[KeyPath, Positions] = field(default_factory=dict)
    links: dict[KeyPath, KeyPath] = field(default_factory=dict)

    @property
    def is_usable(self) -> bool:
        """Whether the text could be read to its end."""
        return not any(fault.kind in ("syntax", "limit") for fault in self.faults)

    def locate(self, path: KeyPath, *, of_key: bool) -> Mark:
        """Returns where a value or its key stands, or the nearest thing around it."""
        if of_key and path in self.positions and path in self.links:
            return self.positions[path].key or self.positions[path].value
        for _ in range(MAX_DEPTH):
            known = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.positions), ())
            linked = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.links), None)
            if linked is None or len(known) > len(linked):
                break
            path = self.links[linked] + path[len(linked) :]
        found = self.positions.get(known, Positions(None, Mark(1, 1)))
        wants_key = of_key or len(known) < len(path)
        return found.key if wants_key and found.key is not None else found.value


@dataclass(slots=True)
class _Frame:
    """A map or list that is being read."""

    value: dict[str, Value] | list[Value]
    path: KeyPath
    anchor: str | None
    key: str | None = None
    has_key: bool = False
    is_merge: bool = False
    key_event: Event | None = None
    is_key: bool = False
    size: int = 1
    merges: list[tuple[dict[str, Value], KeyPath]] = field(default_factory=list)

    @property
    def key_mark(self) -> Mark | None:
        """Where the last key stands; looked up only when somebody asks, for hardly anybody does."""
        return _mark(self.key_event) if self.key_event is not None else None


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Value
    size: int
    path: KeyPath


def read_yaml(text: str, *, with_positions: bool = False) -> YamlText:
    """Reads one YAML document.

    Args:
        text: The file's content.
        with_positions: Whether to fill `positions`; takes about twice the time.

    Returns:
        The value and everything that is wrong with it.
    """
    if len(text) > MAX_CHARACTERS:
        limit = f"the file has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}: split it"
        return YamlText(faults=[Fault("limit", Mark(1, 1), limit)])
    reader = _Reader(with_positions)
    try:
        reader.read(text)
    except yaml.YAMLError as error:
        reader.result.faults.append(_syntax_fault(error, text))
    except UnicodeEncodeError as error:
        mark = _mark_at(text, error.start)
        reader.result.faults.append(Fault("syntax", mark, "half of a surrogate pair is no character"))
    except _TooMuch as error:
        reader.result.faults.append(error.fault)
    return reader.result


class _TooMuch(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Reader:
    """Builds values from events, with a stack of its own."""

    def __init__(self, with_positions: bool) -> None:
        self.result = YamlText()
        self.with_positions = with_positions
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.aliased = 0

    def read(self, text: str) -> None:
        """Takes every event of the text."""
        loader = yaml.CSafeLoader(text)
        documents = 0
        try:
            while True:
                event = loader.get_event()
                if isinstance(event, ScalarEvent):
                    self._scalar(event)
                elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                    self._open(event)
                elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                    self._close()
                elif isinstance(event, AliasEvent):
                    self._alias(event)
                elif isinstance(event, DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        raise _TooMuch(
                            Fault("syntax", _mark(event), "a second document starts here; use one file for each")
                        )
                elif isinstance(event, StreamEndEvent):
                    return
        finally:
            loader.dispose()

    def _scalar(self, event: ScalarEvent) -> None:
        text: str = event.value
        if event.tag is None and event.style != "":
            value: Scalar = text
        elif event.tag is None or event.tag == "!":
            value = text if event.tag else self._plain(event, text)
        else:
            value = self._tagged(event, text)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.value, dict) and not frame.has_key:
            self._key(frame, event, value)
            return
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, 1, self._path())
        if self.with_positions:
            positions = Positions(frame.key_mark if frame else None, _mark(event))
            self.result.positions.setdefault(self._path(), positions)
        self._attach(value, 1)

    def _plain(self, event: ScalarEvent, text: str) -> Scalar:
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] not in "+-.0123456789":
            return text
        if _NOT_FINITE.fullmatch(text):
            self._fault(
                "value",
                _mark(event),
                f"{quoted(text)} is no number that a job can have; quote it if text is meant",
            )
            return text
        if _INTEGER.fullmatch(text):
            number = _integer(text) if len(text) <= LONGEST_NUMBER else None
            if number is None or not -(2**63) <= number < 2**63:
                self._fault("value", _mark(event), f"the number {quoted(text)} is too large; quote it if text is meant")
                return text
            return number
        if _FLOAT.fullmatch(text):
            fraction = float(text)
            if math.isinf(fraction):
                self._fault(
                    "value",
                    _mark(event),
                    f"the number {quoted(text)} is too large; quote it if text is meant",
                )
                return text
            return fraction
        return text

    def _tagged(self, event: ScalarEvent, text: str) -> Scalar:
        tag = event.tag or ""
        if tag == _CORE + "str":
            return text
        self._check_tag(event)
        value = self._plain(event, text)
        asked = _SCALAR_TAGS.get(tag)
        if asked is float and type(value) is int:
            return float(value)
        if asked is not None and type(value) is not asked:
            self._fault("value", _mark(event), f"{quoted(text)} is not what the tag !!{tag[len(_CORE) :]} says")
        return value

    def _check_tag(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        if event.tag is not None and event.tag not in _KNOWN_TAGS and event.tag != "!":
            tag = event.tag.replace(_CORE, "!!")
            self._fault(
                "value",
                _mark(event),
                f"the tag {quoted(tag)} is not supported; write the value without a tag",
            )

    def _key(self, frame: _Frame, event: ScalarEvent, value: Scalar) -> None:
        if isinstance(value, str):
            frame.key = value
        else:
            hint = f'write it in quotes: "{event.value}"' if event.value else "a key is missing before the colon"
            self._fault("value", _mark(event), f"a key must be text, but {quoted(value)} is not; {hint}")
            frame.key = event.value or None
        frame.has_key, frame.key_event = True, event
        frame.is_merge = value == "<<" and event.style == "" and event.tag is None
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, 1, self._path())

    def _open(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _TooMuch(Fault("limit", _mark(event), f"nested deeper than {MAX_DEPTH} levels"))
        self._check_tag(event)
        top = self.stack[-1] if self.stack else None
        is_key = top is not None and isinstance(top.value, dict) and not top.has_key
        if is_key:
            self._fault(
                "value", _mark(event), "a key must be text; if {{...}} or [...] is meant as text, put it in quotes"
            )
        path = self._path()
        value: dict[str, Value] | list[Value] = {} if type(event) is MappingStartEvent else []
        if self.with_positions:
            self.result.positions.setdefault(path, Positions(top.key_mark if top else None, _mark(event)))
        self.stack.append(_Frame(value, path, event.anchor, is_key=is_key))
        if event.anchor is not None:
            self.anchors[event.anchor] = None

    def _close(self) -> None:
        frame = self.stack.pop()
        if frame.merges and isinstance(frame.value, dict):
            self._merge(frame, frame.value)
        if frame.anchor is not None:
            self.anchors[frame.anchor] = _Anchored(frame.value, frame.size, frame.path)
        if frame.is_key:
            self.stack[-1].key, self.stack[-1].has_key = None, True
            return
        self._attach(frame.value, frame.size)

    def _alias(self, event: AliasEvent) -> None:
        mark = _mark(event)
        if event.anchor not in self.anchors:
            raise _TooMuch(Fault("syntax", mark, f"the alias *{event.anchor} has no anchor &{event.anchor} before it"))
        anchored = self.anchors[event.anchor]
        if anchored is None:
            raise _TooMuch(
                Fault(
                    "syntax",
                    mark,
                    f"the alias *{event.anchor} stands inside its own anchor, so it never ends",
                )
            )
        self.aliased += anchored.size
        if self.aliased > MAX_VALUES_FROM_ALIASES:
            raise _TooMuch(Fault("limit", mark, f"aliases repeat more than {MAX_VALUES_FROM_ALIASES:,} values"))
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and not top.has_key:
            if not isinstance(anchored.value, str):
                self._fault("value", mark, f"a key must be text, but *{event.anchor} is {quoted(anchored.value)}")
            top.key = anchored.value if isinstance(anchored.value, str) else None
            top.has_key, top.key_event = True, event
            return
        if top is not None and top.is_merge and top.has_key and isinstance(anchored.value, dict):
            top.merges.append((anchored.value, anchored.path))
            top.has_key = top.is_merge = False
            return
        if self.with_positions:
            path = self._path()
            self.result.links[path] = anchored.path
            self.result.positions.setdefault(path, Positions(top.key_mark if top else None, mark))
        self._attach(anchored.value, anchored.size)

    def _attach(self, value: Value, size: int) -> None:
        """Puts a finished value into the map or list that is open."""
        if not self.stack:
            self.result.value = value
            return
        frame = self.stack[-1]
        frame.size += size
        if isinstance(frame.value, list):
            frame.value.append(value)
            return
        key = frame.key
        is_merge, frame.has_key, frame.is_merge = frame.is_merge, False, False
        if key is None:
            return
        if is_merge:
            self._note_merge(frame, value)
        elif key in frame.value:
            self._duplicate(frame, key)
        else:
            frame.value[key] = value
        frame.key_event = None

    def _note_merge(self, frame: _Frame, value: Value) -> None:
        for number, each in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(each, dict):
                inside = (number,) if isinstance(value, list) else ()
                frame.merges.append((each, (*frame.path, "<<", *inside)))
            elif frame.key_mark is not None:
                self._fault("value", frame.key_mark, f"'<<' merges maps, but here stands {quoted(each)}")

    def _merge(self, frame: _Frame, into: dict[str, Value]) -> None:
        for merged, origin in frame.merges:
            for key, value in merged.items():
                if key not in into:
                    into[key] = value
                    if self.with_positions:
                        path = (*frame.path, key)
                        self.result.links[path] = (*origin, key)

    def _duplicate(self, frame: _Frame, key: str) -> None:
        mark = frame.key_mark or Mark(1, 1)
        first = self.result.positions.get((*frame.path, key))
        where = f" (first at line {first.key.line})" if first is not None and first.key is not None else ""
        self._fault(
            "duplicate-key",
            mark,
            f"the key {quoted(key)} stands twice in this map{where}; Databricks would take the last in silence",
        )

    def _path(self) -> KeyPath:
        """Returns the path of the value that comes next; empty when positions are not asked for."""
        if not self.with_positions or not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.path, len(top.value) if isinstance(top.value, list) else top.key or "")

    def _fault(self, kind: str, mark: Mark, message: str) -> None:
        self.result.faults.append(Fault(kind, mark, message, self.stack[-1].path if self.stack else ()))


def _integer(text: str) -> int:
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _mark(event: Event) -> Mark:
    mark = event.start_mark
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        at = Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)
        return Fault("syntax", at, _in_plain_words(error, at, text))
    if isinstance(error, yaml.reader.ReaderError):
        # The parser counts in bytes where the text is not ASCII, so the place is looked up here.
        found = _NOT_ALLOWED.search(text)
        at = _mark_at(text, found.start() if found else 0)
        return Fault("syntax", at, f"a character that YAML does not allow ({error.reason})")
    return Fault("syntax", Mark(1, 1), str(error))


def _mark_at(text: str, position: int) -> Mark:
    before = text[:position]
    return Mark(before.count("\n") + 1, position - before.rfind("\n"))


def _in_plain_words(error: yaml.MarkedYAMLError, at: Mark, text: str) -> str:
    lines = text.splitlines()
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab stands in the indentation; YAML allows spaces only"
    problem = error.problem or "not valid YAML"
    if "mapping values are not allowed" in problem:
        return "a colon and a space inside a plain value; put the value in quotes"
    if "could not find expected ':'" in problem:
        return "a key without a colon (or a text of several lines that is not indented)"
    if "cannot start any token" in problem and at.column <= len(line):
        return f"a value cannot start with {line[at.column - 1]!r}; put it in quotes"
    return f"not valid YAML: {f'{error.context}, ' if error.context else ''}{problem}"
