"""Reads YAML text the careful way: as Databricks' own reader (go-yaml) would, and refusing what it would get wrong.

Text comes in; plain values and a list of faults go out, and where asked for the range of every key and value. Works on
the parser's events, not on its node tree: no recursion, so that neither deep nesting nor a bomb of aliases can end the
process. Never raises for what stands in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import yaml

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import KeyPath, Scalar, Value, value_at
from lakeflow_job_meta.diagnostics.model import Suggestion, SuggestionKind
from lakeflow_job_meta.text.yaml_errors import Fault, Mark, Span, mark_at, syntax_fault
from lakeflow_job_meta.text.yaml_scalars import (
    CORE,
    KNOWN_TAGS,
    OTHER_THAN_TEXT,
    UnusableScalar,
    is_text_to_go_yaml,
    plain_scalar,
    tagged_scalar,
)

MAX_DEPTH = 100
MAX_CHARACTERS = 64 * 1024 * 1024
MAX_VALUES_FROM_ALIASES = 100_000

_START = Mark(1, 1)

_Range = tuple[int, int, int, int]
"""Lines and columns of start and end as the parser counts, from 0: plain tuples, which the collector leaves alone."""


class Extent(NamedTuple):
    """A piece of a text: the line and column of its start as the parser counts, and the offsets of start and end."""

    line: int
    column: int
    start: int
    end: int


UNUSABLE = ("syntax", "limit", "document")
"""Kinds of faults; the last is a second document, of which go-yaml, and so the databricks CLI, reads nothing."""


class Positions(NamedTuple):
    """The ranges of the key and the value of one path; a list item and the root have no key."""

    key: Span | None
    value: Span


@dataclass
class YamlText:
    """The content of one text.

    Attributes:
        value: The root; None for an empty text.
        faults: What is wrong with it, in reading order. With one of `UNUSABLE` the value is unusable.
        ranges: Of the key and the value by path, as the parser counts; filled only when asked for.
        anchor_holders: Keys of the root below which an anchor stands that an alias refers to.
        links: Paths below an alias or a merge key, and the path of the text that they repeat.
        is_plain: Whether no anchor, no merge key and no tag of a map or list stands in it, and no directive.
        items: Where maps stand that are items of a list in the root, such as modules, written as blocks.
    """

    value: Value = None
    faults: list[Fault] = field(default_factory=list)
    ranges: dict[KeyPath, tuple[_Range | None, _Range]] = field(default_factory=dict)
    anchor_holders: set[str | None] = field(default_factory=set)
    links: dict[KeyPath, KeyPath] = field(default_factory=dict)
    is_plain: bool = True
    items: dict[KeyPath, Extent] = field(default_factory=dict)

    @property
    def is_usable(self) -> bool:
        """Whether the text could be read to its end."""
        return not any(fault.kind in UNUSABLE for fault in self.faults)

    @cached_property
    def positions(self) -> dict[KeyPath, Positions]:
        """Every key and value by its path, where positions were asked for."""
        found = self.ranges.items()
        return {path: Positions(_span(key) if key else None, _span(value)) for path, (key, value) in found}

    def locate(self, path: KeyPath, *, of_key: bool) -> Span:
        """Returns the range of a value or its key, or of the nearest thing around it.

        The range of a map or list of several lines ends with its first line.
        """
        if of_key and path in self.ranges and path in self.links:
            return self._first_line(path, of_key=True)
        for _ in range(MAX_DEPTH):
            known = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.ranges), ())
            linked = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.links), None)
            if linked is None or len(known) > len(linked):
                break
            path = self.links[linked] + path[len(linked) :]
        return self._first_line(known, of_key=of_key or len(known) < len(path))

    def _first_line(self, path: KeyPath, *, of_key: bool) -> Span:
        key, value = self.ranges.get(path, (None, (0, 0, 0, 0)))
        span = _span(key if of_key and key else value)
        line, column = span.start
        if span.end.line == line or not isinstance(value_at(self.value, path)[1], (dict, list)):
            return span
        return Span(span.start, Mark(line, max(self._line_ends.get(line, 1), column + 1)))

    @cached_property
    def _line_ends(self) -> dict[int, int]:
        """The end of the last key or value in each line where one begins."""
        ends: dict[int, int] = {}
        for position in self.positions.values():
            for start, end in (span for span in position if span is not None):
                column = end.column if end.line == start.line else start.column + 1
                ends[start.line] = max(ends.get(start.line, 1), column)
        return ends


def _span(found: _Range) -> Span:
    return Span(Mark(found[0] + 1, found[1] + 1), Mark(found[2] + 1, found[3] + 1))


def _range_of(event: yaml.Event) -> _Range:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return 0, 0, 0, 0
    return start.line, start.column, end.line, end.column


@dataclass(slots=True)
class _Frame:
    """A map or list that is being read."""

    value: dict[str, Value] | list[Value]
    path: KeyPath
    anchor: str | None
    key: str | None = None
    has_key: bool = False
    is_merge: bool = False
    key_event: yaml.Event | None = None
    is_key: bool = False
    size: int = 1
    merges: list[tuple[dict[str, Value], KeyPath]] = field(default_factory=list)
    range: _Range | None = None


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Value
    size: int
    path: KeyPath


def read_yaml(text: str, *, with_positions: bool = False) -> YamlText:
    """Reads one YAML document; to fill `positions` takes about twice the time."""
    if len(text) > MAX_CHARACTERS:
        limit = f"the file has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}: split it"
        return YamlText(faults=[Fault("limit", _START, limit)])
    reader = _Reader(with_positions)
    try:
        reader.read(text)
    except yaml.YAMLError as error:
        reader.result.faults.append(syntax_fault(error, text))
    except UnicodeEncodeError as error:
        mark = mark_at(text, error.start)
        reader.result.faults.append(Fault("syntax", mark, "half of a surrogate pair is no character"))
    except _Unusable as error:
        reader.result.faults.append(error.fault)
    return reader.result


def misread_by_go_yaml(text: str) -> Iterator[Fault]:
    """Yields what the databricks CLI would read as another value than `read_yaml`, in a text without other faults.

    That is text which it takes for something else, tags, and the merge of a list of maps, where its last one wins.
    """
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        mark = _span(_range_of(event)).start
        if getattr(event, "tag", None) is not None:
            yield Fault("value", mark, "a tag stands here; write the value without one")
        elif isinstance(event, yaml.ScalarEvent) and event.style == "":
            is_text = isinstance(plain_scalar(event.value), str)
            if is_text and not is_text_to_go_yaml(event.value):
                yield Fault("value", mark, f"the databricks CLI does not take {quoted(event.value)} for text")


class _Unusable(Exception):
    """Ends the reading."""

    def __init__(self, kind: str, event: yaml.Event, message: str) -> None:
        super().__init__(message)
        start, end = _span(_range_of(event))
        self.fault = Fault(kind, start, message, end=end)


class _Reader:
    """Builds values from events, with a stack of its own.

    With positions, `last` is the last scalar, alias or closing bracket, where a block ends: the parser's own end of it
    is the start of what follows, comments between them. `item` has opened an item of a list in the root.
    """

    def __init__(self, with_positions: bool) -> None:
        self.result = YamlText()
        self.with_positions = with_positions
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.holder_of: dict[str, str | None] = {}
        self.aliased = 0
        self.last = yaml.Event()
        self.item: yaml.Event | None = None

    def read(self, text: str) -> None:
        loader = yaml.CSafeLoader(text)
        documents = 0
        try:
            while True:
                event = loader.get_event()
                if isinstance(event, yaml.ScalarEvent):
                    self._scalar(event)
                elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                    self._open(event)
                elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                    self._close(event)
                elif isinstance(event, yaml.AliasEvent):
                    self._alias(event)
                elif isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    self.result.is_plain = self.result.is_plain and not (event.tags or event.version)
                    if documents > 1:
                        raise _Unusable("document", event, "a second document starts here; use one file for each")
                elif isinstance(event, yaml.StreamEndEvent):
                    self.result.is_plain = self.result.is_plain and not self.anchors
                    return
        finally:
            loader.dispose()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text: str = event.value
        if event.tag is None and event.style != "":
            value: Scalar = text
        elif event.tag is None:
            value = text if text and text[0] not in OTHER_THAN_TEXT else self._plain(event, text)
        elif event.tag == "!":
            value = text
        else:
            value = self._tagged(event, text)
        self.last = event
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.value, dict) and not frame.has_key:
            self._key(frame, event, value)
            return
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, 1, self._path())
            self.holder_of[event.anchor] = self.stack[0].key if self.stack else None
        if self.with_positions:
            self._note_range(self._path(), frame, _range_of(event))
        self._attach(value, 1)

    def _note_range(self, path: KeyPath, frame: _Frame | None, own: _Range) -> None:
        key = _range_of(frame.key_event) if frame is not None and frame.key_event is not None else None
        self.result.ranges.setdefault(path, (key, own))

    def _note_end(self, frame: _Frame, event: yaml.Event) -> None:
        closing = _range_of(event)
        if closing[:2] != closing[2:]:  # a bracket, which the end of a block does not have
            self.last = event
        key, known = self.result.ranges[frame.path]
        if known is frame.range:  # not of a key that is given twice
            self.result.ranges[frame.path] = key, (*known[:2], *_range_of(self.last)[2:])

    def _note_item(self, opening: yaml.Event, closing: yaml.Event) -> None:
        around, items = self.stack[0].key, self.stack[1].value
        start, end = opening.start_mark, closing.start_mark
        if around is not None and isinstance(items, list) and start is not None and end is not None:
            self.result.items[around, len(items)] = Extent(start.line, start.column, start.index, end.index)
        self.item = None

    def _plain(self, event: yaml.ScalarEvent, text: str) -> Scalar:
        try:
            return plain_scalar(text)
        except UnusableScalar as error:
            self._fault("value", event, str(error))
            return text

    def _tagged(self, event: yaml.ScalarEvent, text: str) -> Scalar:
        tag = event.tag or ""
        if tag == CORE + "str":
            return text
        self._check_tag(event)
        value = self._plain(event, text)
        try:
            return tagged_scalar(value, text, tag)
        except UnusableScalar as error:
            self._fault("value", event, str(error))
            return value

    def _check_tag(self, event: yaml.ScalarEvent | yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if event.tag is not None and event.tag not in KNOWN_TAGS:
            tag = event.tag.replace(CORE, "!!")
            self._fault("value", event, f"the tag {quoted(tag)} is not supported; write the value without a tag")

    def _key(self, frame: _Frame, event: yaml.ScalarEvent, value: Scalar) -> None:
        if isinstance(value, str):
            frame.key = value
        else:
            in_quotes = Suggestion(SuggestionKind.RENAME_KEY, event.value, is_safe=True) if event.value else None
            hint = f'write it in quotes: "{event.value}"' if in_quotes else "a key is missing before the colon"
            self._fault("value", event, f"a key must be text, but {quoted(value)} is not; {hint}", in_quotes)
            frame.key = event.value or None
        frame.has_key, frame.key_event = True, event
        frame.is_merge = value == "<<" and event.style == "" and event.tag is None
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, 1, self._path())

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _Unusable("limit", event, f"nested deeper than {MAX_DEPTH} levels")
        if event.tag is not None:
            self.result.is_plain = False
            self._check_tag(event)
        top = self.stack[-1] if self.stack else None
        is_key = top is not None and isinstance(top.value, dict) and not top.has_key
        if is_key:
            self._fault("value", event, "a key must be text; if {{...}} or [...] is meant as text, put it in quotes")
        path = self._path()
        value: dict[str, Value] | list[Value] = {} if type(event) is yaml.MappingStartEvent else []
        frame = _Frame(value, path, event.anchor, is_key=is_key)
        if self.with_positions:
            frame.range = _range_of(event)
            self._note_range(path, top, frame.range)
        if len(self.stack) == 2 and type(event) is yaml.MappingStartEvent and not event.flow_style:
            self.item = event
        self.stack.append(frame)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
            self.holder_of[event.anchor] = self.stack[0].key

    def _close(self, event: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> None:
        frame = self.stack.pop()
        if self.item is not None and len(self.stack) == 2:
            self._note_item(self.item, event)
        if self.with_positions:
            self._note_end(frame, event)
        if frame.merges and isinstance(frame.value, dict):
            self._merge(frame, frame.value)
        if frame.anchor is not None:
            self.anchors[frame.anchor] = _Anchored(frame.value, frame.size, frame.path)
        if frame.is_key:
            self.stack[-1].key, self.stack[-1].has_key = None, True
            return
        self._attach(frame.value, frame.size)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self.anchors:
            raise _Unusable("syntax", event, f"the alias *{event.anchor} has no anchor &{event.anchor} before it")
        anchored = self.anchors[event.anchor]
        if anchored is None:
            raise _Unusable("syntax", event, f"the alias *{event.anchor} is inside its own anchor, so it never ends")
        self.result.anchor_holders.add(self.holder_of.get(event.anchor))
        self.aliased += anchored.size
        if self.aliased > MAX_VALUES_FROM_ALIASES:
            raise _Unusable("limit", event, f"aliases repeat more than {MAX_VALUES_FROM_ALIASES:,} values")
        self.last = event
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and not top.has_key:
            if not isinstance(anchored.value, str):
                self._fault("value", event, f"a key must be text, but *{event.anchor} is {quoted(anchored.value)}")
            top.key = anchored.value if isinstance(anchored.value, str) else None
            top.has_key, top.key_event = True, event
            return
        if top is not None and top.is_merge and top.has_key and isinstance(anchored.value, dict):
            top.merges.append((anchored.value, anchored.path))
            top.size += anchored.size
            top.has_key = top.is_merge = False
            return
        if self.with_positions:
            path = self._path()
            self.result.links[path] = anchored.path
            self._note_range(path, top, _range_of(event))
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
        self.result.is_plain = False
        for number, each in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(each, dict):
                inside = (number,) if isinstance(value, list) else ()
                frame.merges.append((each, (*frame.path, "<<", *inside)))
            elif frame.key_event is not None:
                self._fault("value", frame.key_event, f"'<<' merges maps, not {quoted(each)}")

    def _merge(self, frame: _Frame, into: dict[str, Value]) -> None:
        for merged, origin in frame.merges:
            for key, value in merged.items():
                if key not in into:
                    into[key] = value
                    if self.with_positions:
                        path = (*frame.path, key)
                        self.result.links[path] = (*origin, key)

    def _duplicate(self, frame: _Frame, key: str) -> None:
        first = self.result.ranges.get((*frame.path, key), (None,))[0]
        where = f" (first at line {first[0] + 1})" if first is not None else ""
        message = f"the key {quoted(key)} is given twice in this map{where}; Databricks would silently take the last"
        self._fault("duplicate-key", frame.key_event, message)

    def _path(self) -> KeyPath:
        """Returns the path of the value that comes next; empty when positions are not asked for."""
        if not self.with_positions or not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.path, len(top.value) if isinstance(top.value, list) else top.key or "")

    def _fault(self, kind: str, event: yaml.Event | None, message: str, suggestion: Suggestion | None = None) -> None:
        start, end = _span(_range_of(event)) if event is not None else (_START, _START)
        path = self.stack[-1].path if self.stack else ()
        self.result.faults.append(Fault(kind, start, message, path, end, suggestion))
