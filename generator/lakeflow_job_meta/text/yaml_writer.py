"""Writes values as YAML that every reader reads back the same: go-yaml, YAML 1.1 and YAML 1.2.

Pure. Strings are double-quoted, so that none can be taken for a number, a boolean or a date; text of several lines is a
literal block, for the reviewer's sake, where a literal block can hold it.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from lakeflow_job_meta._internal.trees import Value

_BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LONGEST_SHORT_KEY = 250
"""YAML takes a key without `?` only up to 1024 bytes; a character has at most four."""

_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
_UNSEEN = "\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff"
_ESCAPED = re.compile(f'[\x00-\x1f"\\\\{_UNSEEN}]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_NOT_IN_BLOCK = re.compile(f"[\x00-\x09\x0b-\x1f{_UNSEEN}]")


class Unwritable(ValueError):
    """A value that YAML cannot hold, such as half of a surrogate pair."""


def to_yaml(value: Value, indent: int = 0) -> str:
    """Writes a value of plain maps, lists and scalars, without a newline at its end.

    Every line but the first is moved to the right by `indent` spaces; the first goes where the text is.

    Raises:
        Unwritable: A number is not finite, or a text has no UTF-8 form.
    """
    if isinstance(value, dict):
        return _map(value, indent) if value else "{}"
    if isinstance(value, list):
        return _list(value, indent) if value else "[]"
    return _scalar(value, indent)


def to_yaml_key(key: str) -> str:
    """Writes the key of a map: bare where every reader takes it for the same text."""
    return key if _BARE_KEY.fullmatch(key) and key.lower() not in _WORDS else _quoted(key)


_known_key = lru_cache(maxsize=4096)(to_yaml_key)
"""Jobs repeat the same few keys."""


def _map(value: dict[str, Value], indent: int) -> str:
    inner = "\n" + " " * (indent + 2)
    entries = []
    for key, item in value.items():
        written = _known_key(key)
        if len(written) > _LONGEST_SHORT_KEY:
            written = f"? {written}\n{' ' * indent}"
        if isinstance(item, str):
            entries.append(f"{written}: {_text(item, indent)}")
        elif item and isinstance(item, (dict, list)):
            entries.append(f"{written}:{inner}{to_yaml(item, indent + 2)}")
        else:
            entries.append(f"{written}: {to_yaml(item, indent)}")
    return ("\n" + " " * indent).join(entries)


def _list(value: list[Value], indent: int) -> str:
    # An item's text starts two columns after its dash; a literal block's lines only have to be deeper than it.
    items = [_text(item, indent) if isinstance(item, str) else to_yaml(item, indent + 2) for item in value]
    return "- " + ("\n" + " " * indent + "- ").join(items)


def _scalar(value: Value, indent: int) -> str:
    if isinstance(value, str):
        return _text(value, indent)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    # What a template gives in error is written too, and found when the result is compared with the job.
    return str(value)


def _text(text: str, indent: int) -> str:
    # Most texts are plain.
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return _block(text, indent + 2) if "\n" in text and _fits_a_block(text) else _quoted(text)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise Unwritable(f"{value} is no number that a job can have")
    text = repr(value)
    # YAML 1.1 takes 1e+16 for text, since it has no point.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _quoted(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise Unwritable("half of a surrogate pair is no character")
    return _SHORT_ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _fits_a_block(text: str) -> bool:
    """Says whether a literal block gives this text of several lines back exactly, to every reader."""
    if text[0] in " \t\n" or _NOT_IN_BLOCK.search(text):
        return False
    body = text.removesuffix("\n")
    return not body.endswith("\n") and not body.rsplit("\n", 1)[-1].isspace()


def _block(text: str, indent: int) -> str:
    space = "\n" + " " * indent
    header = "|" if text.endswith("\n") else "|-"
    lines = text.removesuffix("\n").split("\n")
    return header + "".join(space + line if line else "\n" for line in lines)
