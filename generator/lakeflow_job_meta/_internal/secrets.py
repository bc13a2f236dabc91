"""What must not be shown: values of settings whose names speak of secrets, and secrets that stand in a text. Pure.

`key` is such a name too, unless it is known to name something else, as `task_key` and `primary_key` do.
"""

from __future__ import annotations

import json
import marshal
import os
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache, lru_cache
from typing import cast

from lakeflow_job_meta._internal.secret_signs import WORDS, Found, is_worth_a_look, may_hold_secrets, strength
from lakeflow_job_meta._internal.text import quoted

MASK = "***"
_SECRET = re.compile(
    r"(?i)((?:token|secret(?!-in-metadata\b)|password|passwd|authorization|(?:api|access|account|private)[_-]?key)\W{1,4}(?:bearer\s+)?)"
    r"[^\s,;\"']{6,}|\bdapi[0-9a-f]{8,}"
)
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/?#\s'\"]+@")
_SECRET_VARIABLE = re.compile(r"(?i)(token|secret|password|_key)$")
_SHORTEST_SECRET = 6
_SHORTEST_ALONE = 4
"""A shorter one is looked for in quotes only, since it may be a part of any word."""

_LINE = re.compile(
    r"""((?<![\w.-])([A-Za-z_][\w.-]*)["']?[ ]*[:=][ ]+)("[^"]*"|'[^']*'|(?=[^\s"'\[&!#|>])"""
    r"""(?:\$\{[^{}]*\}|\{\{[^{}]*\}\}|[^,{}\]#])+(?<! ))"""
)
_NO_SECRETS = ("null", "~", "true", "false")

_SECRET_WORD = re.compile(r"[a-z]*(?:password|passwd|passphrase|pwd|secret|token|credential|apikey)s?|authorization")
_OTHER_KEYS = frozenset(
    {"task", "cluster", "environment", "variables", "primary", "foreign", "merge", "business", "natural", "surrogate"}
    | {"partition", "sort", "join", "unique", "dedup", "composite", "hash", "row", "public"}
)
_BY_KEY = re.compile(r"\[\w*_key='[^']*'\]")
"""In a path of a setting, the task or cluster that it belongs to: `tasks[task_key='load_tokens'].max_retries`."""
_REFERENCE = re.compile(r"\{\{[^{}]*\}\}|\$\{[^{}]*\}")


def without_secrets(text: str) -> str:
    """Returns text without the secrets of the environment, what looks like a token, and the login in a URL."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _is_secret_variable(name):
            text = text.replace(value, MASK)
    text = _SECRET.sub(lambda match: f"{match.group(1) or ''}{MASK}", without_found(text))
    return _LOGIN_IN_URL.sub(f"{MASK}@", text)


def without_found(text: str, *, keeps_length: bool = False) -> str:
    """Returns text without what is surely a secret; what only follows a word such as `token` stays.

    Where columns are counted in it, it may keep its length.
    """
    if not is_worth_a_look(text):
        return text
    from lakeflow_job_meta._internal.secret_forms import secret_spans

    for span in reversed(secret_spans(text)):
        text = text[: span.start] + _mask(span.end - span.start, keeps_length=keeps_length) + text[span.end :]
    return text


def without_line(line: str) -> str:
    """Returns a line of YAML or JSON of the same length without the values whose names speak of secrets."""

    def hidden(match: re.Match[str]) -> str:
        before, name, value = match.group(1), match.group(2), match.group(3)
        inner = value.strip("\"'")
        shown = not is_secret_name(name) or not inner or is_reference(inner) or inner in _NO_SECRETS
        return match.group() if shown else before + "*" * len(value)

    return _LINE.sub(hidden, without_found(line, keeps_length=True))


def secrets_of(*values: object) -> set[Found]:
    """Returns the secrets in values; most hold none, which is seen at a glance at all of them together."""
    if not may_hold_secrets(marshal.dumps(cast("tuple[str, ...]", values), 2)):
        return set()
    suspects = [value for value in values if may_hold_secrets(marshal.dumps(cast(str, value), 2))]
    if not suspects:
        return set()
    from lakeflow_job_meta._internal.secret_forms import secrets_in

    found = (each for value in suspects for each in secrets_in(value))
    return {each._replace(path=(), kind="", is_key=False) for each in found}


def without_values(text: str, secrets: Collection[Found], *, keeps_length: bool = False) -> str:
    """Returns text without secrets that are known, also where they are quoted or cut off in it."""
    for written in sorted({each for found in secrets for each in _spellings(found)}, key=len, reverse=True):
        if written in text:
            text = text.replace(written, _mask(len(written), keeps_length=keeps_length))
    return text


def _spellings(found: Found) -> Iterator[str]:
    if len(found.secret) >= _SHORTEST_ALONE:
        yield from (found.secret, repr(found.secret)[1:-1], json.dumps(found.secret)[1:-1])
        yield from filter(None, (line.strip() for line in found.secret.split("\n") if "\n" in found.secret))
    yield from (f"'{found.secret}'", f'"{found.secret}"')
    if quoted(found.text) != repr(found.text):
        yield from (quoted(found.text), quoted(found.secret))


def _mask(length: int, *, keeps_length: bool) -> str:
    return "*" * length if keeps_length else MASK


@cache
def _is_secret_variable(name: str) -> bool:
    return _SECRET_VARIABLE.search(name) is not None


def without_login(url: str) -> str:
    """Returns a URL without user and password, so that it can be shown and still be followed."""
    return _LOGIN_IN_URL.sub("", url)


def is_secret_name(name: object) -> bool:
    """Says whether a setting or parameter of this name may hold a secret."""
    words = [word.lower() for word in WORDS.findall(name)] if isinstance(name, str) else []
    if any(_SECRET_WORD.fullmatch(word) for word in words) or strength(str(name)):
        return True
    return words[-1:] in (["key"], ["keys"]) and not _OTHER_KEYS.intersection(words[-2:-1])


def is_secret_path(path: str | Iterable[str | int]) -> bool:
    """Says whether a setting may hold a secret: one of the names that lead to it says so."""
    return _is_secret_path(path if isinstance(path, str) else ".".join(map(str, path)))


@lru_cache(maxsize=4096)
def _is_secret_path(path: str) -> bool:
    return any(map(is_secret_name, re.findall(r"[\w-]+", _BY_KEY.sub("", path))))


def names_a_secret(value: object) -> bool:
    """Says whether a value is an entry of a list of parameters, such as `{name: password, default: x}`."""
    is_entry = isinstance(value, dict) and value.keys() <= {"name", "key", "default", "value"}
    return is_entry and any(is_secret_name(cast("dict[str, object]", value).get(name)) for name in ("name", "key"))


def is_secret_option(value: object) -> bool:
    """Says whether a parameter, such as `--password`, says that the next one may be a secret."""
    return isinstance(value, str) and value.startswith("-") and "=" not in value and is_secret_name(value)


def is_reference(text: str) -> bool:
    """Says whether a text is a reference and nothing else: it says where a secret is, not what it is."""
    return _REFERENCE.fullmatch(text) is not None


def masked(value: object, path: str | Iterable[str | int] = (), *, is_secret: bool = False) -> object:
    """Returns a setting's value as it may be shown.

    References to secrets and variables stay: they say where a secret is, not what it is.
    """
    is_secret = is_secret or is_secret_path(path)
    if isinstance(value, dict):
        hidden = is_secret or names_a_secret(value)
        return {
            without_found(str(key)): item
            if hidden and key in ("name", "key")
            else masked(item, (str(key),), is_secret=hidden)
            for key, item in value.items()
        }
    if isinstance(value, list):
        before = [None, *value]
        return [
            masked(item, is_secret=is_secret or is_secret_option(option))
            for option, item in zip(before, value, strict=False)
        ]
    if not is_secret:
        return without_secrets(value) if isinstance(value, str) else value
    is_harmless = value is None or isinstance(value, bool) or not isinstance(value, (str, int, float))
    return value if is_harmless or (isinstance(value, str) and is_reference(value)) else MASK
