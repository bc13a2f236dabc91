"""What would mend a mistake: the words of advice for people, and the change that a program can apply. Pure.

Each function takes what was written and what the schema has; it returns advice that can stand behind a message (empty
where there is none) and the suggestion. A suggestion is safe only where nothing else can have been meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from difflib import SequenceMatcher
from functools import lru_cache

from lakeflow_job_meta._internal.text import closest, did_you_mean, json_like, most_alike
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, Suggestion, SuggestionKind
from lakeflow_job_meta.text.yaml_reader import read_yaml

Advice = tuple[str, Suggestion | None]

_CLEARLY_CLOSE, _CLEARLY_CLOSER = 0.8, 0.1
"""How alike a word and its match are at least, and how much less alike the next word is at least."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_BOOLEANS = {**dict.fromkeys(("true", "yes", "on", "y"), True), **dict.fromkeys(("false", "no", "off", "n"), False)}


def rename_key(key: str, known: Collection[str], present: Collection[str]) -> Advice:
    """Advises on a key that is none of the known ones, in a map where those of `present` stand."""
    advice, suggestion = _renamed(key, tuple(known))
    if suggestion is not None and suggestion.is_safe and suggestion.replacement in present:
        suggestion = replace(suggestion, is_safe=False)
    return advice, suggestion


@lru_cache(maxsize=1024)  # many modules often have the same mistake
def _renamed(key: str, known: tuple[str, ...]) -> Advice:
    match = _same_word(key, known) or closest(key, known)
    if match is None:
        return did_you_mean(key, known), None
    suggestion = Suggestion(SuggestionKind.RENAME_KEY, match, _is_unambiguous(key, match, known))
    return f"; did you mean {match!r}?", suggestion


def choose_value(value: Value, choices: list[Value]) -> Advice:
    """Advises on a value that is none of those that can be chosen."""
    words = [choice for choice in choices if isinstance(choice, str)]
    known = f"; known: {', '.join(words)}"
    if not isinstance(value, str):
        return known, None
    same = _same_word(value, words)
    match = same or closest(value, words)
    if match is None:
        return did_you_mean(value, words) or known, None
    return f"; did you mean {match!r}?", Suggestion(SuggestionKind.REPLACE_VALUE, match, is_safe=same is not None)


def change_type(value: Value, expected: str) -> Advice:
    """Advises on a value of another type of JSON Schema than expected that has only quotes too many or too few."""
    if expected == "string" and isinstance(value, (int, float)):
        return "; put it in quotes", _replacement(json_like(value), is_safe=False)
    if not isinstance(value, str):
        return "", None
    text = value.strip()
    if expected in ("integer", "number") and (number := _NUMBER.fullmatch(text)):
        is_whole = number.group(1) is None
        if is_whole or expected == "number":
            return "; write it without quotes", _replacement(int(text) if is_whole else float(text))
    if expected == "boolean" and (meant := _BOOLEANS.get(text.lower())) is not None:
        return f"; write {json_like(meant)}, without quotes", _replacement(meant)
    return "; write it as a list, such as [...]" if expected == "array" else "", None


def with_text_as_written(diagnostic: Diagnostic) -> Diagnostic:
    """Makes the suggestion to put a number into quotes safe, where the number can be found at its location.

    `1.50` was read as 1.5, but means the text "1.50"; behind an anchor or a tag it is not found.
    """
    suggestion = diagnostic.suggestion
    if suggestion is None or suggestion.kind is not SuggestionKind.REPLACE_VALUE:
        return diagnostic
    written = diagnostic.text
    if not written or written[0] in "&!":
        return diagnostic
    value = read_yaml(written).value
    if not isinstance(value, (int, float)) or json_like(value) != suggestion.replacement:
        return diagnostic
    return replace(diagnostic, suggestion=replace(suggestion, replacement=written, is_safe=True))


def _replacement(value: Value, *, is_safe: bool = True) -> Suggestion:
    return Suggestion(SuggestionKind.REPLACE_VALUE, value, is_safe)


def _same_word(word: str, known: Iterable[str]) -> str | None:
    """Returns the only known word that differs in no more than case, hyphens, underscores and spaces."""
    same = [other for other in known if _bare(other) == _bare(word)]
    return same[0] if len(same) == 1 else None


def _bare(word: str) -> str:
    return re.sub(r"[-_\s]", "", word[:100]).casefold()


def _is_unambiguous(word: str, match: str, known: Iterable[str]) -> bool:
    if _bare(word) == _bare(match):
        return True
    word = word.casefold()[:100]
    likeness = SequenceMatcher(None, match.casefold(), word).ratio()
    second = most_alike(word, (other.casefold() for other in known if other != match))
    return likeness >= max(_CLEARLY_CLOSE, second[0] + _CLEARLY_CLOSER if second is not None else 0.0)
