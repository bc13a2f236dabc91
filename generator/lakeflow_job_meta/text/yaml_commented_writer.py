"""Writes values as YAML for people: with comments, and with what was written before as it was. Pure.

Unlike the generated files, texts are written without quotes where every reader takes them for the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lakeflow_job_meta._internal.trees import KeyPath, Value, diff, value_at
from lakeflow_job_meta.text.yaml_comments import Comments
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.text.yaml_writer import to_yaml, to_yaml_key

_PLAIN = re.compile(r"[A-Za-z/$][A-Za-z0-9_/.$-]*( [A-Za-z0-9_/.$-]+)*|\$\{[A-Za-z0-9_.-]+\}[A-Za-z0-9_/.-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
_NONE = Comments()


def write_commented(
    value: Value, comments: Mapping[KeyPath, Comments], written: Mapping[KeyPath, str] | None = None
) -> str:
    """Returns a value as YAML with its comments, by path; `written` says how some values were written in one line.

    A comment at a path that is not written as an entry of its own stands at the nearest one around it; none is lost.
    """
    writer = _Writer(value, comments, written or {})
    return "\n".join([*writer.comments.get((), _NONE).before, *writer.block(value, ()), *writer.ending((), 0), ""])


class _Writer:
    def __init__(self, root: Value, comments: Mapping[KeyPath, Comments], written: Mapping[KeyPath, str]) -> None:
        self._written = {path: text for path, text in written.items() if _says(text, value_at(root, path))}
        known = set(self._entries(root, ()))
        self.comments: dict[KeyPath, Comments] = {}
        for path, each in comments.items():
            at = path
            while at not in known:
                at = at[:-1]
            if at != path or not self._is_block(value_at(root, at)[1], at):  # a text of several lines has no end
                each = Comments((*each.before, *each.after), each.behind)
            self.comments[at] = self.comments.get(at, _NONE) + each

    def _entries(self, value: Value, path: KeyPath) -> Iterator[KeyPath]:
        yield path
        if not self._is_block(value, path):
            return
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, item in items:
            yield from self._entries(item, (*path, step))

    def _is_block(self, value: object, path: KeyPath) -> bool:
        return bool(value) and isinstance(value, (dict, list)) and path not in self._written

    def block(self, value: Value, path: KeyPath, indent: int = 0) -> Iterator[str]:
        """Yields the lines of a map or list; of a scalar the one that it is."""
        if isinstance(value, dict):
            for number, (key, item) in enumerate(value.items()):
                yield from self._above((*path, key), indent, is_first=number == 0)
                yield from self._entry(f"{' ' * indent}{to_yaml_key(key)}:", item, (*path, key), indent)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._item(item, (*path, number), indent, is_first=number == 0)
        else:
            yield self._inline(value, path, indent)

    def _above(self, path: KeyPath, indent: int, *, is_first: bool) -> Iterator[str]:
        lines = list(self.comments.get(path, _NONE).before)
        while is_first and lines and not lines[0]:
            lines = lines[1:]
        yield from (f"{' ' * indent}{line}" if line else "" for line in lines)

    def ending(self, path: KeyPath, indent: int) -> Iterator[str]:
        """Yields the comments at the end of a map or list, whose entries are indented like this."""
        yield from (f"{' ' * indent}{line}" if line else "" for line in self.comments.get(path, _NONE).after)

    def _entry(self, start: str, value: Value, path: KeyPath, indent: int) -> Iterator[str]:
        behind = self.comments.get(path, _NONE).behind
        comment = f"  {behind}" if behind else ""
        if self._is_block(value, path):
            yield f"{start}{comment}"
            yield from self.block(value, path, indent + 2)
            yield from self.ending(path, indent + 2)
            return
        first, *others = self._inline(value, path, indent).split("\n")
        yield f"{start} {first}{comment}"
        yield from others

    def _item(self, value: Value, path: KeyPath, indent: int, *, is_first: bool) -> Iterator[str]:
        yield from self._above(path, indent, is_first=is_first)
        if not self._is_block(value, path):
            yield from self._entry(f"{' ' * indent}-", value, path, indent)
            return
        behind = self.comments.get(path, _NONE).behind
        if behind:
            yield f"{' ' * indent}{behind}"
        lines = list(self.block(value, path, indent + 2))
        first = next(number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#"))
        yield from (line[2:] for line in lines[:first])
        yield f"{' ' * indent}- {lines[first].lstrip()}"
        yield from lines[first + 1 :]
        yield from self.ending(path, indent + 2)

    def _inline(self, value: Value, path: KeyPath, indent: int) -> str:
        if path in self._written:
            return self._written[path]
        if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        return to_yaml(value, indent)


def _says(text: str, found: tuple[bool, object]) -> bool:
    """Whether a text in a line of its own is read as the value that is to be written."""
    content = read_yaml(f"a: {text}\n")
    is_there, value = found
    return is_there and not content.faults and not any(diff(content.value, {"a": value}))  # type: ignore[dict-item]
