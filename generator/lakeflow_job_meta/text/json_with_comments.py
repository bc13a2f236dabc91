"""JSON with comments and trailing commas, as editors write their settings: read, and one member of it set.

In: the text. Out: its value, or the text with that member; comments, order and layout of all else stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from lakeflow_job_meta._internal.trees import Value

_TEXT_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_TEXT_OR_LAST_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
_SPACE = re.compile(r"\s*")
_DEFAULT_INDENT = "    "


@dataclass(frozen=True, slots=True)
class _Member:
    """A key of an object, and where the key and its value are."""

    key: str
    at: int
    start: int
    end: int


def read_json_with_comments(text: str) -> Value:
    """Returns the value; raises ValueError for what is no such JSON, is nested too deep, or says something twice."""
    try:
        return cast(Value, json.loads(_plain(text), object_pairs_hook=_object))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def with_json_member(text: str, path: Sequence[str], value: Value) -> str | None:
    """Returns the text with the value at a path of keys; None where that cannot be done without a loss.

    That is so where the text is no JSON, where something else than an object is on the way, and where the old value
    has comments in it.

    Args:
        text: As `read_json_with_comments` takes it; what is empty counts as an empty object.
        path: The keys that lead to the member; those that are not there are added, behind the others.
        value: Of the member.
    """
    text = text if text.strip("\ufeff \t\r\n") else "{}\n"
    try:
        wanted = _set(read_json_with_comments(text), path, value)
        changed = _edited(text, path, value)
        return changed if changed is not None and read_json_with_comments(changed) == wanted else None
    except ValueError:
        return None


def _set(root: Value, path: Sequence[str], value: Value) -> Value:
    if not path:
        return value
    if not isinstance(root, dict):
        raise ValueError(f"{path[0]} is in no object")
    return {**root, path[0]: _set(root.get(path[0], {}), path[1:], value)}


def _edited(text: str, path: Sequence[str], value: Value) -> str | None:
    plain = _plain(text)
    start = _skip(plain, 0)
    old: _Member | None = None
    for number, key in enumerate(path):
        if plain[start] != "{":
            return None
        members = [*_members(plain, start)]
        old = next((each for each in members if each.key == key), None)
        if old is None:
            for missing in reversed(path[number + 1 :]):
                value = {missing: value}
            return _added(text, plain, start, members, key, value)
        start = old.start
    if old is None or text[old.start : old.end] != plain[old.start : old.end]:
        return None
    return f"{text[: old.start]}{_written(text, value, _indent_at(text, old.at))}{text[old.end :]}"


def _added(text: str, plain: str, start: int, members: Sequence[_Member], key: str, value: Value) -> str:
    """Returns the text with a member more in the object at `start`, behind its last one."""
    outer, newline = _indent_at(text, start), _newline(text)
    indent = _indent_at(text, members[0].at) if members else outer + _unit(text)
    if len(indent) <= len(outer):
        indent = outer + _unit(text)
    member = f"{json.dumps(key)}: {_written(text, value, indent)}"
    if not members:
        close = _skip(plain, start + 1)
        head = text[:close].rstrip(" \t")
        return f"{head}{'' if head.endswith(chr(10)) else newline}{indent}{member}{newline}{outer}{text[close:]}"
    last = members[-1].end
    close = _skip(plain, last)
    line_end = next((at for at in range(last, close) if plain[at] in "\r\n"), None)
    if line_end is None:
        return f"{text[:last]},{newline}{indent}{member}{newline}{outer}{text[last:].lstrip(' ')}"
    comma = "" if "," in _without_comments(text)[last:close] else ","
    return f"{text[:last]}{comma}{text[last:line_end]}{newline}{indent}{member}{text[line_end:]}"


def _members(plain: str, start: int) -> Iterator[_Member]:
    decoder = json.JSONDecoder()
    at = _skip(plain, start + 1)
    while plain[at] != "}":
        key, colon = decoder.raw_decode(plain, at)
        value = _skip(plain, _skip(plain, colon) + 1)
        _, end = decoder.raw_decode(plain, value)
        yield _Member(str(key), at, value, end)
        at = _skip(plain, end)
        at = _skip(plain, at + 1) if plain[at] == "," else at


def _plain(text: str) -> str:
    """Returns JSON of the same length, with spaces for comments and for commas behind the last item."""
    return _TEXT_OR_LAST_COMMA.sub(_blank(","), _without_comments(text))


def _without_comments(text: str) -> str:
    return _TEXT_OR_COMMENT.sub(_blank("/"), text.replace("\ufeff", " ", 1) if text.startswith("\ufeff") else text)


def _blank(first: str) -> Callable[[re.Match[str]], str]:
    return lambda match: " " * len(match[0]) if match[0].startswith(first) else match[0]


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _skip(text: str, at: int) -> int:
    return cast("re.Match[str]", _SPACE.match(text, at)).end()


def _written(text: str, value: Value, indent: str) -> str:
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    return f"{_newline(text)}{indent}".join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    """Returns the indentation of the first line that has one."""
    found = re.search(r"^([ \t]+)\"", text, re.MULTILINE)
    return found[1] if found is not None else _DEFAULT_INDENT


def _indent_at(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
