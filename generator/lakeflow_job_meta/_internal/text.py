"""Words for messages: values in quotes, the closest match, lists and counts. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LONGEST_QUOTE = 60
_STACK = re.compile(
    r"(?i)\n\s*(?:\d+: |(?:stack )?backtrace|jvm stacktrace|caused by: )"
    r"|\s+at (?:[\w$]+\.)+[\w$<>]+\((?:[\w$]+\.(?:java|scala|kt)|native method|unknown source)"
)
_FEW = 12
_HARMLESS = "\n\t\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What Python does not take for printable, and may be printed: line feeds, tabs and spaces."""


def quoted(value: object) -> str:
    """Returns a value as it may stand in a message: in quotes, on one line, cut when it is long."""
    text = repr(value) if isinstance(value, str) else json_like(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 4]}...{text[-1]}"


def printable(text: str) -> str:
    """Returns text as it may go to a terminal: whatever could control one, or turn the direction of text, is escaped.

    Line feeds and tabs stay. JSON stays JSON with the same values.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in _HARMLESS else _escaped(each) for each in text)


def foreign_message(text: str, longest: int) -> str:
    """Returns what a library or server says, on one line and cut, without the stack in Rust or Java that follows."""
    return " ".join(_STACK.split(text, maxsplit=1)[0].split())[:longest]


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def json_like(value: object) -> str:
    """Returns a value in the spelling that YAML and JSON share (`true`, not `True`)."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return str(value)


def kind_of(value: object) -> str:
    """Names a value's kind in a user's words, with the value where it is short: `the text 'yes'`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return json_like(value)
    if isinstance(value, (int, float, str)):
        return f"the {'text' if isinstance(value, str) else 'number'} {quoted(value)}"
    return json_like(value)


def closest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that was probably meant, None if none is near."""
    choices = {choice.casefold(): choice for choice in known}
    found = difflib.get_close_matches(word.casefold()[:100], choices, n=1, cutoff=0.6)
    return choices[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Returns `; did you mean 'x'?`; where none is near `otherwise`, or without it the choices if they are few."""
    choices = list(known)
    match = closest(word, choices)
    if match is not None:
        return f"; did you mean {match!r}?"
    listed = f"; known: {listing(choices, _FEW)}" if 0 < len(choices) <= _FEW else ""
    return listed if otherwise is None else otherwise


def listing(words: Iterable[str], most: int = 10) -> str:
    """Returns `'a', 'b' and 3 more`."""
    all_words = [repr(word) for word in words]
    shown = ", ".join(all_words[:most])
    return shown if len(all_words) <= most else f"{shown} and {len(all_words) - most} more"


def either(words: Iterable[str]) -> str:
    """Returns `'a', 'b' or 'c'`."""
    *first, last = (repr(word) for word in words)
    return f"{', '.join(first)} or {last}" if first else last


def count(number: int, noun: str) -> str:
    """Returns `1 job`, `2 jobs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
