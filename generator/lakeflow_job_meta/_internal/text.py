"""Words for messages: values in quotes, the closest match, lists and counts. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache

LONGEST_QUOTE = 60
_LONGEST_NAME = 300
_STACK = re.compile(
    r"(?i)\n\s*(?:\d+: |(?:stack )?backtrace|jvm stacktrace|caused by: )"
    r"|\s+at (?:[\w$]+\.)+[\w$<>]+\((?:[\w$]+\.(?:java|scala|kt)|native method|unknown source)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_COMMAND = re.compile(r"##(?=(?:vso)?\[)", re.IGNORECASE)
_COMMAND_OF_LINE = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_PLACEHOLDER = re.compile(r"(?i)\s*(your[-_ ]|<|todo|tbd|xxx|change[-_ ]?me|replace[-_ ]?me|fixme|placeholder)")
_FEW = 12
_CHOICES = 16
"""So many are named where none is near; a module has thirteen fields."""

_HARMLESS = "\n\t\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What Python does not take for printable, and may be printed: line feeds, tabs and spaces."""

_COMPARED = 100
"""Of a word, so many characters are compared with others; of more words than this, the likely ones alone."""

_LIKELY = 20
_MOST_POSTINGS = 2_000
_CLOSE = 0.6


def quoted(value: object, at: int | None = None) -> str:
    """Returns a value as it may stand in a message: in quotes, on one line.

    When it is long, its beginning and its end are left; or what is around the character `at`, where it is wrong.
    """
    text = repr(value) if isinstance(value, str) else json_like(value)
    if len(text) <= LONGEST_QUOTE:
        return text
    half = (LONGEST_QUOTE - 3) // 2
    if at is None or not isinstance(value, str):
        return f"{text[:half]}...{text[-half:]}"
    start = min(max(len(repr(value[:at])) - half, 0), len(text) - 2 * half)
    ends = ("" if start == 0 else f"{text[0]}...", "" if start + 2 * half == len(text) else f"...{text[-1]}")
    return f"{ends[0]}{text[start : start + 2 * half]}{ends[1]}"


def quoted_apart(one: object, other: object) -> tuple[str, str]:
    """Returns two values as they may stand in a message; when they are long, what is around their first difference."""
    if not (isinstance(one, str) and isinstance(other, str)):
        return quoted(one), quoted(other)
    pairs = enumerate(zip(one, other, strict=False))
    at = next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))
    return quoted(one, at), quoted(other, at)


def printable(text: str) -> str:
    """Returns text as it may go to a terminal or the log of a CI: whatever could control one of them is escaped.

    Line feeds and tabs stay. JSON stays JSON with the same values.
    """
    return without_commands(without_controls(text))


def without_commands(text: str) -> str:
    """Returns text in which the agents of Azure Pipelines and GitHub find no command.

    `##vso[` and `##[` are commands anywhere in a line, `::` at its beginning (learn.microsoft.com below
    azure/devops/pipelines/scripts/logging-commands; src/Runner.Common/ActionCommand.cs of github.com/actions/runner).
    """
    if "##" in text:
        text = _COMMAND.sub(r"#\\u0023", text)
    return _COMMAND_OF_LINE.sub(r"\1\\u003a", text) if "::" in text else text


def without_controls(text: str) -> str:
    """Returns text with nothing in it that could control a terminal, or turn the direction of text."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in _HARMLESS else _escaped(each) for each in text)


def cells(text: str) -> int:
    """Returns how many cells of a terminal a text takes: some characters take two, and marks on others none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(unicodedata.combining(each) > 0 for each in text)


def padded(text: str, width: int) -> str:
    """Returns a text with spaces behind it, so that it takes so many cells of a terminal."""
    return f"{text}{' ' * (width - cells(text))}"


def foreign_message(text: str, longest: int) -> str:
    """Returns what a library or server says, on one line and cut, without colours and the stack in Rust or Java."""
    return " ".join(_STACK.split(_COLOUR.sub("", text), maxsplit=1)[0].split())[:longest]


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


def closest(word: str, known: Iterable[str], besides: str | None = None) -> str | None:
    """Returns the known word that was probably meant, `besides` one of them; None if none is near.

    What a mistake costs hardly depends on how many words are known, if they come in the same order each time.
    """
    return _closest(word.casefold()[:_COMPARED], tuple(known), besides)


@lru_cache(maxsize=1024)
def _closest(word: str, known: tuple[str, ...], besides: str | None) -> str | None:
    words = _Words.of(known)
    found = most_alike(word, (other for other in words.likely(word) if words.folded[other] != besides))
    return words.folded[found[1]] if found is not None else None


def most_alike(word: str, others: Iterable[str]) -> tuple[float, str] | None:
    """Returns how alike the nearest of some words is, from 0.6 to 1, and that word; None if none is so near."""
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=word)
    best = _CLOSE, ""
    for other in others:
        matcher.set_seq1(other)
        # Cheap upper limits first.
        if matcher.real_quick_ratio() >= best[0] and matcher.quick_ratio() >= best[0]:
            best = max(best, (matcher.ratio(), other))
    return best if best[1] else None


class _Words:
    """Words that others are compared with, by what is in them: pieces of three letters."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.folded = {word.casefold(): word for word in words}
        self._by_piece: defaultdict[str, list[str]] = defaultdict(list)
        for word in self.folded if len(self.folded) > _COMPARED else ():
            for piece in _pieces(word):
                self._by_piece[piece].append(word)

    @staticmethod
    @lru_cache(maxsize=8)
    def of(words: tuple[str, ...]) -> _Words:
        return _Words(words)

    def likely(self, word: str) -> Iterable[str]:
        """Returns few words that may be near, the likely first: those that share the pieces that are the rarest."""
        if len(self.folded) <= _COMPARED:
            return self.folded
        shared: Counter[str] = Counter()
        left = _MOST_POSTINGS
        for _, piece in sorted((len(self._by_piece[piece]), piece) for piece in _pieces(word) & self._by_piece.keys()):
            shared.update(self._by_piece[piece][:left])
            left -= len(self._by_piece[piece])
            if left <= 0:
                break
        return [found for found, _ in shared.most_common(_LIKELY)]


def _pieces(word: str) -> set[str]:
    marked = f"\0{word[:_COMPARED]}\0"
    return {marked[at : at + 3] for at in range(len(marked) - 2)}


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None, *, besides: str | None = None) -> str:
    """Returns `; did you mean 'x'?`; where none is near `otherwise`, or without it the choices if they are few."""
    choices = tuple(known)
    match = closest(word, choices, besides)
    if match is not None:
        return f"; did you mean {listing((match,))}?"
    if otherwise is not None:
        return otherwise
    others = [choice for choice in choices[: _CHOICES + 2] if choice != besides]
    return f"; known: {listing(others, _CHOICES)}" if 0 < len(others) <= _CHOICES else ""


def listing(words: Iterable[str], most: int = 10) -> str:
    """Returns `'a', 'b' and 3 more`; a word that is no name any more is cut."""
    all_words = [text if len(text := repr(word)) <= _LONGEST_NAME else quoted(word) for word in words]
    shown = ", ".join(all_words[:most])
    return shown if len(all_words) <= most else f"{shown} and {len(all_words) - most} more"


def circle(names: list[str]) -> str:
    """Returns `a -> b -> a` for the nodes of a circle; of a long one the middle is left out."""
    left_out = len(names) - 2 * _FEW
    shown = names if left_out <= 0 else [*names[:_FEW], f"({left_out:,} more)", *names[-_FEW:]]
    return " -> ".join([*shown, names[0]])


def either(words: Iterable[str]) -> str:
    """Returns `'a', 'b' or 'c'`."""
    *first, last = (repr(word) for word in words)
    return f"{', '.join(first)} or {last}" if first else last


def count(number: int, noun: str) -> str:
    """Returns `1 job`, `2 jobs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_placeholder(text: str) -> bool:
    """Says whether a text looks like what an example leaves to be filled in."""
    return _PLACEHOLDER.match(text) is not None
