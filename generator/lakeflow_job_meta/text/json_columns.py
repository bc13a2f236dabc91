"""Reads JSON columns, and finds the position of a value in one.

Plain values come out, and at most one fault. Positions are found by reading a second, slower time, only for a message.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.text.yaml_errors import Fault, Mark, Span, mark_at
from lakeflow_job_meta.text.yaml_reader import MAX_DEPTH
from lakeflow_job_meta.text.yaml_scalars import LONGEST_NUMBER

_LENIENT = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BRACKET_OR_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Duplicate(ValueError):
    pass


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        raise _Duplicate(next(key for key in counted if counted[key] > 1))
    return result


def _not_finite(name: str) -> float:
    raise ValueError(f"{name} is no number that a job can have")


def _fraction(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text[:20])


def _integer(text: str) -> int:
    number = int(text) if len(text) <= LONGEST_NUMBER else 2**63
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"the number {text[:20]} is too large")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_constant=_not_finite, parse_float=_fraction, parse_int=_integer
)


@lru_cache(maxsize=1024)
def read_json(text: str) -> tuple[Value, Fault | None]:
    """Reads one JSON text to a value, or to None and a fault; a control table repeats many, and values are shared."""
    try:
        value: Value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if not text.strip():
            return None, Fault("syntax", Mark(1, 1), "the text is empty; write {} or NULL")
        return None, Fault("syntax", Mark(error.lineno, error.colno), f"not valid JSON: {error.msg}")
    except _Duplicate as error:
        message = f"the key {quoted(str(error))} is given twice in this map"
        return None, Fault("duplicate-key", _mark_of_duplicate(text), message)
    except RecursionError:
        return None, Fault("limit", mark_at(text, _too_deep(text) or 0), _TOO_DEEP)
    except ValueError as error:
        return None, Fault("value", Mark(1, 1), f"not a value that a job can have: {error}")
    if (deep := _too_deep(text)) is not None:
        return None, Fault("limit", mark_at(text, deep), _TOO_DEEP)
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        return None, Fault("value", Mark(1, 1), "half of a surrogate pair (\\ud800 to \\udfff) is no character")
    return value, None


def _too_deep(text: str) -> int | None:
    """Returns where a JSON text becomes too deep for the steps to come, which go into values step by step."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return None
    depth = 0
    for match in _BRACKET_OR_TEXT.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match.group(), 0)
        if depth > MAX_DEPTH:
            return match.start()
    return None


def locate_in_json(text: str, path: KeyPath, *, of_key: bool) -> Span:
    """Returns the range of the value at `path`, or of its key, in a valid JSON text, or of the nearest thing around it.

    The range of a map or list of several lines ends with its first line.
    """
    ranges = _ranges(text)
    length = next(length for length in range(len(path), -1, -1) if path[:length] in ranges)
    key_at, start, end = ranges[path[:length]]
    if of_key and length == len(path):
        start, end = key_at, _LENIENT.raw_decode(text, key_at)[1]
    line_end = text.find("\n", start, end)
    first_line = text[start : end if line_end < 0 else line_end].rstrip(" \t\r,:")
    return Span(mark_at(text, start), mark_at(text, start + len(first_line)))


@lru_cache(maxsize=16)
def _ranges(text: str) -> dict[KeyPath, tuple[int, int, int]]:
    """Returns of each value by its path: where its key starts (itself where it has none), where it starts, and its end.

    All at once, since a text with one mistake often has many.
    """
    start = _skip(text, 0)
    found: dict[KeyPath, tuple[int, int, int]] = {(): (start, start, _LENIENT.raw_decode(text, start)[1])}
    pending: list[tuple[KeyPath, int]] = [((), start)]
    while pending:
        path, start = pending.pop()
        for key_at, key, at, end in _members(text, start):
            inside = (*path, key)
            found[inside] = key_at, at, end
            pending.append((inside, at))
    return found


def _members(text: str, start: int) -> Iterator[tuple[int, str | int, int, int]]:
    """Yields the members of a map or list: where the key starts, the key (or index), and where its value is."""
    opener = text[start : start + 1]
    if opener not in ("{", "["):
        return
    at, index = _skip(text, start + 1), 0
    while text[at] not in "}]":
        key_at: int = at
        key: str | int = index
        if opener == "{":
            key, at = scanstring(text, at + 1)
            at = _skip(text, _skip(text, at) + 1)
        end = _LENIENT.raw_decode(text, at)[1]
        yield key_at, key, at, end
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
        index += 1


def _mark_of_duplicate(text: str) -> Mark:
    """Finds the second of two equal keys."""
    pending = [_skip(text, 0)]
    while pending:
        seen: set[str | int] = set()
        inside = []
        for key_at, key, at, _ in _members(text, pending.pop()):
            if key in seen:
                return mark_at(text, key_at)
            seen.add(key)
            inside.append(at)
        pending += reversed(inside)
    return Mark(1, 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
