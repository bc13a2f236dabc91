"""Faults of a text, and syntax errors of YAML in plain words.

A position comes in as a mark of the parser or an offset; marks, spans and faults go out. JSON columns have the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import yaml

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.diagnostics.model import Suggestion

NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Mark(NamedTuple):
    """A position in a text; both count from 1, columns in characters."""

    line: int
    column: int


class Span(NamedTuple):
    """A range of a text; `end` is the position behind its last character."""

    start: Mark
    end: Mark


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the text must not have.

    Attributes:
        kind: `syntax` and `limit` make the text unusable, the others do not: `duplicate-key`, `value`.
        path: Of the map or list that holds it; only known when positions were asked for.
        end: The end of the key or value that is meant, where one is.
    """

    kind: str
    mark: Mark
    message: str
    path: KeyPath = ()
    end: Mark | None = None
    suggestion: Suggestion | None = None


def mark_at(text: str, offset: int) -> Mark:
    """Returns the position of a character by its offset; lines end with a line feed."""
    starts = _line_starts(text)
    line = bisect_right(starts, offset)
    return Mark(line, offset - starts[line - 1] + 1)


@lru_cache(maxsize=16)
def lines_of(text: str) -> list[str]:
    """Returns the lines of a text, the same each time: many mistakes may be in one, and it may be long."""
    return text.split("\n")


@lru_cache(maxsize=16)
def _line_starts(text: str) -> list[int]:
    return [0, *accumulate(len(line) + 1 for line in lines_of(text)[:-1])]


def syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    """Returns what the parser refuses, in words for people."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        at = Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)
        return Fault("syntax", at, _in_plain_words(error, at, text))
    if isinstance(error, yaml.reader.ReaderError):
        # The parser counts in bytes where the text is not ASCII, so the position is looked up here.
        found = NOT_ALLOWED.search(text)
        at = mark_at(text, found.start() if found else 0)
        return Fault("syntax", at, f"a character that YAML does not allow ({error.reason})")
    return Fault("syntax", Mark(1, 1), str(error))


def _in_plain_words(error: yaml.MarkedYAMLError, at: Mark, text: str) -> str:
    lines = text.splitlines()
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "there is a tab in the indentation; YAML allows spaces only"
    problem = error.problem or "not valid YAML"
    if "mapping values are not allowed" in problem:
        return "a colon and a space inside a plain value; put the value in quotes"
    if "could not find expected ':'" in problem:
        return "a key without a colon (or a text of several lines that is not indented)"
    if "cannot start any token" in problem and at.column <= len(line):
        return f"a value cannot start with {line[at.column - 1]!r}; put it in quotes"
    return f"not valid YAML: {f'{error.context}, ' if error.context else ''}{problem}"
