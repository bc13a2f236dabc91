"""What tells at a glance that there may be a secret: signs in texts, and how much a name says. Pure.

Most texts hold none, and are not looked through: the forms of secrets are in `secret_forms`, which takes as long to
import as much else together.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_SIGNS = (
    *("token", "secret", "pass", "pwd", "credential", "authorization", "dapi", "dose", "akia", "asia"),
    *("aiza", "ya29.", "eyj", "xox", "k_live_", "sg.", "hf_", "npm_", "bearer ", "basic "),
)
"""What all names and most forms begin with, in small letters."""

_SIGNS_BY_CHARACTER = {
    "-": ("-----begin", "gocspx-", "pypi-", "sk-", "xapp-", "glpat-", "gldt-", "glrt-", "glptt-"),
    "~": ("q~",),
    "=": ("sig=",),
    "@": ("://",),
}
"""More of them, for texts with a character that few have, which is found much faster than a word."""

_RARE = {
    "gh": re.compile(r"gh[pousr]_|github_pat_"),
    "hook": re.compile(r"hooks\.slack|api/webhooks|webhook\.office"),
}

WORTH_A_LOOK = re.compile(r"[=@'\"]|-----|[\w.~+-]{14}")
"""What every secret in a text has: a sign between it and its name, or so many characters on end."""

_OTHER_KEYS = ("task_key", "cluster_key", "environment_key")

WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PASSWORD = re.compile(r"[a-z]*(?:password|passwd|passphrase|pwd)s?")
_TOKEN = re.compile(r"[a-z]*(?:secret|token|apikey)|authorization")
_VAGUE = re.compile(r"[a-z]*(?:secrets|tokens|credentials?|apikeys)")
_KEYS_OF_SERVICES = frozenset({"api", "secret", "private", "encryption", "shared", "signing", "sas", "auth", "storage"})
_VAGUE_KEYS = frozenset({"access", "account", "master", "client", "subscription", "ssh", "license", "service", "host"})
SAYS_NOTHING = frozenset({"value", "default", "text", "plain", "literal", "plaintext"})

_OF_SOMETHING_ELSE = frozenset(
    {"scope", "endpoint", "url", "uri", "host", "path", "file", "filename", "dir", "folder", "name", "id", "ids", "arn"}
    | {"column", "columns", "col", "cols", "field", "fields", "type", "kind", "mode", "class", "provider", "method"}
    | {"ttl", "expiry", "expiration", "expires", "lifetime", "duration", "seconds", "minutes", "hours", "days", "age"}
    | {"length", "size", "count", "limit", "max", "min", "number", "budget", "usage", "rate", "policy", "rule", "rules"}
    | {"env", "variable", "var", "ref", "reference", "alias", "location", "format", "header", "prefix", "suffix"}
    | {"manager", "store", "vault", "backend", "rotation", "enabled", "required", "is", "has", "use", "algorithm"}
    | {"table", "schema", "catalog", "database", "version", "status", "state", "at", "by", "key", "hint", "query"}
    | {"description", "comment", "label", "title", "scopes", "audience", "issuer", "separator", "pattern", "regex"}
)
"""Last words of names that speak of secrets and hold none: `token_endpoint`, `secret_scope`, `password_column`."""

_OF_STORAGE = re.compile(r"\.[\w-]+\.\w+\.core\.(?:windows|chinacloudapi|usgovcloudapi)\.\w+\Z")
"""The storage account behind the name of a Spark setting: `fs.azure.account.key.<account>.dfs.core.windows.net`."""


class Found(NamedTuple):
    """One secret: its path in what was looked through, its kind, what must not be shown, and the text around that.

    `is_key` says that it stands in the last step of the path, and not in the value there.
    """

    path: tuple[str | int, ...]
    kind: str
    secret: str
    text: str
    is_key: bool = False


def may_hold_secrets(together: bytes) -> bool:
    """Says whether it is worth to look for secrets in texts; `together` has them and the names before them."""
    # Text is searched several times faster than bytes, and a loop is faster than `any`: all of every job comes by here.
    text = together.lower().decode("latin-1")
    for sign in _SIGNS:
        if sign in text:
            return True
    if text.count("key") > sum(map(text.count, _OTHER_KEYS)):
        return True
    by_character = (sign in text for each, signs in _SIGNS_BY_CHARACTER.items() if each in text for sign in signs)
    return any(by_character) or any(each in text and form.search(text) for each, form in _RARE.items())


def is_worth_a_look(text: str) -> bool:
    """Says whether it is worth to look for secrets in one text; what stands before it is not known."""
    return WORTH_A_LOOK.search(text) is not None and may_hold_secrets(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=4096)
def strength(name: str) -> int:
    """Says how surely a name is that of a secret: 3 for a password, 2 for a token, 1 for what may be a name, else 0."""
    words = [word.lower() for word in WORDS.findall(_OF_STORAGE.sub("", name))]
    while len(words) > 1 and words[-1] in SAYS_NOTHING:
        words.pop()
    if not words:
        return 0
    if words[-1] in ("key", "keys"):
        before = set(words[-3:-1])
        return 2 if before & _KEYS_OF_SERVICES else 1 if before & _VAGUE_KEYS else 0
    if words[-1] in _OF_SOMETHING_ELSE or words[0] in ("is", "has", "use"):
        return 0
    for strength, pattern in ((3, _PASSWORD), (2, _TOKEN), (1, _VAGUE)):
        if any(pattern.fullmatch(word) for word in words):
            return strength
    return 0
