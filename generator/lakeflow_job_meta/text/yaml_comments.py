"""The comments of a YAML text, by the values that they stand at, and a text without some of its entries. Pure.

A comment above a key or an item belongs to it, one behind a value to that value, and one that is indented deeper than
what follows to the map or list that ends there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from lakeflow_job_meta._internal.trees import KeyPath, Value, diff, value_at
from lakeflow_job_meta.text.yaml_documents import LINE_END
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.text.yaml_writer import to_yaml

_BEHIND = re.compile(r"(?:^|\s)(#.*)$")


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments at one value, each with its `#`: the lines above (empty ones too), behind it, and at its end."""

    before: tuple[str, ...] = ()
    behind: str = ""
    after: tuple[str, ...] = ()

    def __add__(self, other: Comments) -> Comments:
        behind, moved = (self.behind or other.behind), (other.behind,) if self.behind and other.behind else ()
        return Comments((*self.before, *moved, *other.before), behind, (*self.after, *other.after))


class _Entry(NamedTuple):
    """Where a key or an item begins: its line from 1, and its column from 0."""

    line: int
    column: int
    path: KeyPath


class CommentedYaml:
    """A text that is read with its comments; `value` and `is_right` are of the text as a whole."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._content = read_yaml(text, with_positions=True)
        ends = [0, *(match.end() for match in LINE_END.finditer(text)), len(text)]
        self._whole = [text[start:end] for start, end in pairwise(ends)]
        self._lines = [LINE_END.sub("", line) for line in self._whole]
        self._inside: set[int] = set()
        self._ends: dict[int, int] = {}
        for path, (key, value) in self._content.positions.items():
            if key is not None:
                self._note_end(key.end.line, key.end.column)
            if not isinstance(value_at(self.value, path)[1], (dict, list)) or path in self._content.links:
                self._note_scalar(value.start, value.end)
        self._entries = sorted(self._all_entries(), key=lambda each: (each.line, each.column, len(each.path)))

    @property
    def value(self) -> Value:
        return self._content.value

    @property
    def is_right(self) -> bool:
        return not self._content.faults

    @property
    def repeated(self) -> dict[KeyPath, KeyPath]:
        """Paths at which an alias or a merge key repeats what stands at another path."""
        return self._content.links

    def _note_end(self, line: int, column: int) -> None:
        self._ends[line] = max(self._ends.get(line, 1), column)

    def _note_scalar(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        first = self._lines[start[0] - 1][start[1] - 1 : start[1]] if start[0] <= len(self._lines) else ""
        is_block = first in ("|", ">") and end[0] > start[0]
        last = end[0] - 1 if is_block and end[1] == 1 else end[0]
        self._inside.update(range(start[0] + 1, last + 1))
        if is_block:
            return
        self._note_end(*end)
        if end[0] > start[0]:  # what stands behind it in its first line is text of it
            self._ends[start[0]] = len(self._lines[start[0] - 1]) + 1

    def _all_entries(self) -> Iterator[_Entry]:
        for path, (key, value) in self._content.positions.items():
            line, column = (key or value).start
            written = self._lines[line - 1] if line <= len(self._lines) else ""
            dash = written.rfind("-", 0, column - 1) if key is None and path else -1
            yield _Entry(line, dash if dash >= 0 else column - 1, path)

    def line_of(self, path: KeyPath) -> int:
        """Returns the line, from 1, of the key or item at a path."""
        return next(each.line for each in self._entries if each.path == path)

    def comments_of(self, path: KeyPath) -> dict[KeyPath, Comments]:
        """Returns the comments that go with the entry at a path, by the paths from there."""
        first, last = self._range(path)
        entries = [each for each in self._entries if each.path[: len(path)] == path]
        starts: dict[int, _Entry] = {}
        for each in entries:
            starts.setdefault(each.line, each)
        found: dict[KeyPath, Comments] = {}
        pending: list[str] = []
        for line in range(first, last + 1):
            if line in starts:
                self._settle(pending, starts[line], entries, found)
                pending = []
            if line not in self._inside and self._is_empty_or_comment(line):
                pending.append(self._lines[line - 1])
            elif line in self._inside and line not in self._ends:
                continue
            elif (match := _BEHIND.search(self._lines[line - 1], self._ends.get(line, 1) - 1)) is not None:
                at = next(each.path for each in reversed(entries) if each.line <= line)
                _add(found, at, Comments(behind=match[1]))
        self._settle(pending, _Entry(last + 1, -1, path), entries, found)
        return {at[len(path) :]: comments for at, comments in found.items()}

    def _settle(
        self, pending: list[str], following: _Entry, entries: list[_Entry], found: dict[KeyPath, Comments]
    ) -> None:
        """Gives the lines before an entry to it; those that are indented deeper to what ends before it."""
        before = [each for each in entries if each.line < following.line]
        empty: list[str] = []
        for number, line in enumerate(pending):
            column = len(line) - len(line.lstrip())
            if line.strip() and (column <= following.column or not before):
                _add(found, following.path, Comments(before=_tidied([*empty, *pending[number:]])))
                return
            if line.strip():
                _add(found, self._ending_at(before, column), Comments(after=_tidied([*empty, line])))
                empty = []
            else:
                empty.append(line)
        if empty:
            _add(found, following.path, Comments(before=("",)))

    def _ending_at(self, before: list[_Entry], column: int) -> KeyPath:
        """Returns the map or list whose entries begin at a column, or before it, and of which the last is there."""
        columns = {each.path: each.column for each in before}
        last = before[-1].path
        for length in range(len(last), 0, -1):
            if columns.get(last[:length], column + 1) <= column and length > len(before[0].path):
                return last[: length - 1]
        return before[0].path

    def _is_empty_or_comment(self, line: int) -> bool:
        text = self._lines[line - 1].strip()
        return not text or text.startswith("#")

    def _range(self, path: KeyPath) -> tuple[int, int]:
        """Returns the first and the last line of an entry, with the comments that go with it."""
        entry = next(each for each in self._entries if each.path == path)
        first, end = entry.line, self._content.positions[path].value.end
        while first > 1 and self._is_comment_at(first - 1, entry.column, entry.column):
            first -= 1
        last = max(end.line - (end.column == 1 and end.line > entry.line), entry.line)
        while last > entry.line and not self._lines[last - 1].strip():
            last -= 1
        line = last + 1
        while line <= len(self._lines) and (
            not self._lines[line - 1].strip() or self._is_comment_at(line, entry.column + 1, 10**6)
        ):
            last = line if self._lines[line - 1].strip() else last
            line += 1
        return first, last

    def _is_comment_at(self, line: int, least: int, most: int) -> bool:
        text = self._lines[line - 1]
        return text.lstrip().startswith("#") and least <= len(text) - len(text.lstrip()) <= most

    def written_below(self, path: KeyPath) -> dict[KeyPath, str]:
        """Returns how the values below a path are written that stand in one line, by the paths from there."""
        found = {}
        for at, (_, value) in self._content.positions.items():
            if at[: len(path)] == path and value.start.line == value.end.line:
                text = self._lines[value.start.line - 1][value.start.column - 1 : value.end.column - 1]
                is_flow = text[:1] in ("[", "{")
                if text and text[0] not in "&*!|>" and is_flow == isinstance(value_at(self.value, at)[1], (dict, list)):
                    found[at[len(path) :]] = text
        return found

    def without(self, paths: Collection[KeyPath]) -> str | None:
        """Returns the text without some entries of maps, their comments, and the maps that are empty then.

        None where that cannot be done by leaving out lines, or would change anything else.
        """
        gone: set[int] = set()
        expected: Value = self.value
        for path in paths:
            if not self._stands_alone(path):
                return None
            first, last = self._range(path)
            gone.update(range(first, last + 1))
            expected = _without(expected, path)
            for length in range(len(path) - 1, 0, -1):
                if value_at(expected, path[:length])[1] == {}:
                    expected = _without(expected, path[:length])
                    gone.add(self.line_of(path[:length]))
        text = "".join(self._left(gone))
        found = read_yaml(text)
        return None if found.faults or any(diff(expected or None, found.value)) else text

    def with_items(self, path: KeyPath, items: list[Value]) -> str | None:
        """Returns the text with more items at the end of a list; a list that is not there is added with its key.

        None where that cannot be done by adding lines.
        """
        there = value_at(self.value, path)[1]
        before = there if isinstance(there, list) else []
        lines, at, written = [*self._whole], len(self._whole), to_yaml(items)
        if lines and lines[-1] and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        if before:
            last = next(each for each in self._entries if each.path == (*path, len(before) - 1))
            at, indent = self._range(last.path)[1], " " * last.column
        else:
            written, indent = f"{path[-1]}:\n  " + written.replace("\n", "\n  "), ""
        added = "".join(f"{indent}{line}\n" for line in written.split("\n"))
        text = "".join([*lines[:at], added, *lines[at:]])
        found, expected = read_yaml(text), replaced_or_added(self.value, path, [*before, *items])
        return None if found.faults or any(diff(expected, found.value)) else text

    def _left(self, gone: Collection[int]) -> Iterator[str]:
        was_empty, is_cut = True, False
        for number, whole in enumerate(self._whole, 1):
            if number in gone:
                is_cut = True
                continue
            is_empty = not whole.strip()
            if not (is_cut and is_empty and was_empty):
                yield whole
                was_empty, is_cut = is_empty, is_cut and is_empty

    def _stands_alone(self, path: KeyPath) -> bool:
        """Whether an entry, and each one around it, is one of a map in block style."""
        for length in range(len(path)):
            start = self._content.positions[path[:length]].value.start
            if self._lines[start.line - 1][start.column - 1 : start.column] in ("{", "["):
                return False
        entry = next(each for each in self._entries if each.path == path)
        return not self._lines[entry.line - 1][: entry.column].strip()


def _add(found: dict[KeyPath, Comments], path: KeyPath, more: Comments) -> None:
    found[path] = found.get(path, Comments()) + more


def _tidied(lines: list[str]) -> tuple[str, ...]:
    """Returns comments without their indentation, with at most one empty line between two."""
    texts = [line.strip() for line in lines]
    return tuple(text for number, text in enumerate(texts) if text or texts[number + 1 : number + 2] != [""])


def _without(value: Value, path: KeyPath) -> Value:
    if not isinstance(value, dict):
        return value
    if len(path) == 1:
        return {key: item for key, item in value.items() if key != path[0]}
    return {key: _without(item, path[1:]) if key == path[0] else item for key, item in value.items()}


def replaced_or_added(value: Value, path: KeyPath, new: Value) -> Value:
    """Returns maps with a value at a path of keys, whether there was one or not."""
    if not path:
        return new
    inside = value if isinstance(value, dict) else {}
    return {**inside, str(path[0]): replaced_or_added(inside.get(str(path[0])), path[1:], new)}


def with_paths_moved(
    comments: Mapping[KeyPath, Comments], moved: Mapping[KeyPath, KeyPath], ends: Mapping[KeyPath, KeyPath]
) -> dict[KeyPath, Comments]:
    """Returns comments at other paths: the longest beginning of each that `moved` has is replaced.

    Those at the end of a map or list that `ends` has go to the end of another one.
    """
    found: dict[KeyPath, Comments] = {}
    for path, each in comments.items():
        if path in ends:
            _add(found, ends[path], Comments(after=each.after))
            each = replace(each, after=())
        length = next(n for n in range(len(path), -1, -1) if path[:n] in moved)
        _add(found, (*moved[path[:length]], *path[length:]), each)
    return found
