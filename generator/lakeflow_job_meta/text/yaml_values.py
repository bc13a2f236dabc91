"""Sets and takes away single values in YAML text; comments, order and every other character stay. Pure.

The new text is read again: it has no fault that the old one did not have, and its value differs in nothing else. What
cannot be written like that, since an alias or a merge key repeats it for example, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from lakeflow_job_meta._internal.trees import ABSENT, KeyPath, Value, diff, value_at, with_value_at
from lakeflow_job_meta.text.yaml_documents import LINE_END
from lakeflow_job_meta.text.yaml_errors import Mark
from lakeflow_job_meta.text.yaml_reader import YamlText, read_yaml
from lakeflow_job_meta.text.yaml_writer import Unwritable, to_yaml, to_yaml_key

_OPENERS = ("{", "[")
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*")
_FIRST_IN_ITEM = re.compile(r"[ \t]*(?:- +)+")


def with_value(text: str, path: KeyPath, value: object) -> str | None:
    """Returns the text with another value at a path, or without it where that is `ABSENT`.

    Maps that lead there and are missing are added. None where that cannot be written without changing anything else.
    """
    content = read_yaml(text, with_positions=True)
    expected = with_value_at(content.value, path, value)
    if expected is ABSENT or not content.is_usable:
        return None
    try:
        new = _Text(text, content).with_value(path, value)
    except (Unwritable, _NotPossible):
        return None
    after = read_yaml(new)
    known = {(fault.kind, fault.message) for fault in content.faults}
    if any((fault.kind, fault.message) not in known for fault in after.faults):
        return None
    return None if any(diff(cast("Value", expected), after.value)) else new


class _NotPossible(Exception):
    """It cannot be written like that."""


class _Text:
    def __init__(self, text: str, content: YamlText) -> None:
        self._text, self._content = text, content
        self._starts = [0, *(match.end() for match in LINE_END.finditer(text))]

    def with_value(self, path: KeyPath, value: object) -> str:
        content = self._content
        if any(path[:length] in content.links for length in range(len(path) + 1)):
            raise _NotPossible
        if value is ABSENT:
            return self._without(path)
        known = next(n for n in range(len(path), -1, -1) if path[:n] in content.positions)
        if known == len(path):
            return self._replaced(path, cast("Value", value))
        wanted = cast("Value", value)
        for step in reversed(path[known + 1 :]):
            wanted = {str(step): wanted}
        around = value_at(content.value, path[:known])[1]
        if not around:  # nothing behind the key, or an empty map
            return self._replaced(path[:known], {str(path[known]): wanted})
        return self._added(path[:known], str(path[known]), wanted)

    def _offset(self, mark: Mark) -> int:
        return self._starts[mark.line - 1] + mark.column - 1

    def _span(self, path: KeyPath) -> tuple[int, int]:
        """Returns where a value begins and ends; a block ends with the last thing in it, before comments behind it."""
        found = self._content.positions[path].value
        start = self._offset(found.start)
        if self._is_flow(path) or not isinstance(value_at(self._content.value, path)[1], (dict, list)):
            return start, self._offset(found.end)
        inside = [each for each in self._content.positions if each[: len(path)] == path and len(each) > len(path)]
        return start, max((self._span(each)[1] for each in inside if len(each) == len(path) + 1), default=start)

    def _is_flow(self, path: KeyPath) -> bool:
        return self._text[self._offset(self._content.positions[path].value.start)] in _OPENERS if path else False

    def _is_in_flow(self, path: KeyPath) -> bool:
        around = (path[:length] for length in range(1, len(path) + 1))
        return any(
            self._is_flow(each) and isinstance(value_at(self._content.value, each)[1], (dict, list))
            for each in around
            if each in self._content.positions
        )

    def _replaced(self, path: KeyPath, value: Value) -> str:
        start, end = self._span(path)
        old = self._text[start:end]
        written = _flow(value) if isinstance(value, (dict, list)) else _scalar(value, old)
        if old.endswith(("\n", "\r")):  # a text of several lines, whose last line end belongs to it
            written += old[len(old.rstrip("\r\n")) :]
        lead = "" if start == 0 or self._text[start - 1] in " \t\n[{," else " "
        # A map or list begins in a line of its own below its key, and goes behind the key now.
        line = self._text.rfind("\n", 0, start) + 1
        key = self._content.positions[path].key
        if key is not None and not self._text[line:start].strip() and self._offset(key.end) < line:
            start, lead = self._behind_colon(self._offset(key.end)), " "
        return f"{self._text[:start]}{lead}{written}{self._text[end:]}"

    def _behind_colon(self, at: int) -> int:
        found = self._text.find(":", at)
        if found < 0 or self._text[at:found].strip():
            raise _NotPossible
        return found + 1

    def _added(self, path: KeyPath, key: str, value: Value) -> str:
        end = self._span(path)[1]
        if self._is_in_flow(path):
            before = self._text[: end - 1].rstrip()
            comma = "" if before.endswith(("{", ",")) else ","
            if "#" in before[before.rfind("\n") + 1 :]:
                raise _NotPossible
            space = "" if before.endswith("{") else " "
            return f"{before}{comma}{space}{to_yaml_key(key)}: {_flow(value)}{self._text[len(before) :]}"
        column = self._content.positions[path].value.start.column - 1
        entry = to_yaml({key: value}, column)
        at = end if self._text[end - 1 : end] in ("\n", "\r") else self._line_end(end)
        if at == end and self._text[end - 1 : end] in ("\n", "\r"):
            return f"{self._text[:at]}{' ' * column}{entry}\n{self._text[at:]}"
        return f"{self._text[:at]}\n{' ' * column}{entry}{self._text[at:]}"

    def _line_end(self, at: int) -> int:
        found = LINE_END.search(self._text, at)
        return found.start() if found is not None else len(self._text)

    def _without(self, path: KeyPath) -> str:
        """Takes a key out of a map; the last one leaves an empty map behind."""
        around = value_at(self._content.value, path[:-1])[1]
        position = self._content.positions.get(path)
        if position is None or position.key is None or not isinstance(around, dict):
            raise _NotPossible
        if len(around) == 1:
            return self._replaced(path[:-1], {})
        start, end = self._offset(position.key.start), self._span(path)[1]
        if self._is_in_flow(path[:-1]):
            behind = re.compile(r"[ \t]*,[ \t]*").match(self._text, end)
            if behind is not None:
                return self._text[:start] + self._text[behind.end() :]
            before = self._text[:start].rstrip()
            if not before.endswith(","):
                raise _NotPossible
            return before[:-1] + self._text[end:]
        line = self._text.rfind("\n", 0, start) + 1
        lead = self._text[line:start]
        next_line = end if self._text[end - 1 : end] in ("\n", "\r") else self._line_end(end) + 1
        if not lead.strip():
            return self._text[:line] + self._text[next_line:]
        if not _FIRST_IN_ITEM.fullmatch(lead):
            raise _NotPossible
        # The key that comes next takes the place behind the dash, unless comments stand between the two.
        following = min((each for each in self._keys_beside(path) if each > start), default=None)
        if following is None or self._text[next_line : self._text.rfind("\n", 0, following) + 1].strip():
            raise _NotPossible
        return self._text[:start] + self._text[following:]

    def _keys_beside(self, path: KeyPath) -> Iterator[int]:
        for each, at in self._content.positions.items():
            if each[:-1] == path[:-1] and len(each) == len(path) and at.key is not None:
                yield self._offset(at.key.start)


def _flow(value: Value) -> str:
    """Writes a value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_yaml_key(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value, "")


def _scalar(value: Value, old: str) -> str:
    """Writes a scalar in one line, in the way the old one was where that gives the same text back."""
    was_plain = old[:1] not in ('"', "'", "|", ">", "")
    if was_plain and isinstance(value, str) and _PLAIN.fullmatch(value):
        # A word such as `yes` is a boolean to some readers.
        return value if not value.isalpha() else to_yaml_key(value)
    if isinstance(value, str) and old[:1] == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, str) and "\n" in value:
        return '"' + "\\n".join(to_yaml(line)[1:-1] for line in value.split("\n")) + '"'
    return to_yaml(value)
