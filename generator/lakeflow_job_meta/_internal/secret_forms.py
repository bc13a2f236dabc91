"""Secrets that stand in metadata: which they are, and where. Pure.

Two things tell a secret: its own form (tokens and keys of known services, private keys, logins), and the name before it
(`password: ...`, `PWD=...`). What only says where a secret is, such as `{{secrets/etl/db}}`, is none, nor is a name of
something else, such as `secret_scope` or `primary_key`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lakeflow_job_meta._internal.secret_signs import SAYS_NOTHING, WORTH_A_LOOK, Found, is_worth_a_look, strength

FORMS = {
    "a Databricks token": r"\bdapi[0-9a-f]{32}(?:-\d+)?\b",
    "an OAuth secret of Databricks": r"\bdose[0-9a-f]{32,}\b",
    "an AWS access key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b(?<!EXAMPLE)",
    "a client secret of Azure": r"(?<![\w.~-])[\w.~-]{3}\dQ~[\w.~-]{31,34}(?![\w.~-])",
    "an Azure shared access signature": r"(?<=[?&;]sig=)[\w%+/-]{20,}={0,2}",
    "an Azure key": r"(?i:(?<=AccountKey=)|(?<=SharedAccessKey=))[A-Za-z0-9+/]{20,}={0,2}",
    "a Google API key": r"\bAIza[\w-]{35}(?![\w-])",
    "a Google token": r"\bya29\.[\w-]{20,}",
    "a Google client secret": r"\bGOCSPX-[\w-]{20,}",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})\b",
    "a GitLab token": r"\bgl(?:pat|dt|rt|ptt)-[\w-]{20,}",
    "a Slack token": r"\bxox[abceoprs](?:\.xox[bp])?-[\w-]{10,}|\bxapp-\d-[\w-]{20,}",
    "the address of a webhook": (
        r"\bhooks\.slack\.com/(?:services|workflows)/\w+/\w+/[\w/]{16,}"
        r"|\bdiscord(?:app)?\.com/api/webhooks/\d+/[\w-]{30,}"
        r"|(?<![\w-])[\w-]{1,100}\.webhook\.office\.com/webhookb2/[\w@/-]{60,}"
    ),
    "a Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{20,}\b",
    "a SendGrid key": r"\bSG\.[\w-]{22}\.[\w-]{43}(?![\w-])",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a PyPI token": r"\bpypi-AgEI[\w-]{50,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{34}\b",
    "a key of an AI service": r"\bsk-(?:ant-|proj-|svcacct-)[\w-]{20,}|\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b",
    "a JSON web token": r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*",
    "a private key": (
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?!-----END)[\s\S])*(?:-----END [A-Z0-9 ]*-----)?"
    ),
    "a login": r"(?i:(?<=Bearer )|(?<=Basic ))(?=[\w.~+/-]*\d)[\w.~+/-]{16,}={0,2}",
    "a password in an address": r"(?<=://)[^\s/:@?#'\"<>]*:[^\s/@'\"<>]+(?=@)",
}
"""Known forms. Their lengths and alphabets are those that the services document, or that detect-secrets looks for."""

_FORM = re.compile("|".join(f"(?P<f{number}>{form})" for number, form in enumerate(FORMS.values())))
_KINDS = tuple(FORMS)


_REFERENCE = re.compile(r"\{\{[^{}]*\}\}|\$\{[^{}]*\}|\{\w+\}")
_HARMLESS = re.compile(
    r"(?i)\s*(?:"
    r"[*•x.?_-]*|<.*>|\[.*\]|%\w+%|[$:]\w+|\$\(.*\)"
    r"|none|null|nil|true|false|yes|no|n/?a|unknown|required|optional|hidden|redacted|masked|removed|empty"
    r"|(?:your|change|replace|insert|enter|put|todo|tbd|fixme|placeholder|example|dummy|sample)\b[\w ./-]*"
    r"|your[-_ ].*|change[-_ ]?me.*|replace[-_ ]?me.*"
    r"|(?:bearer|basic|oauth2?|jwt|sas|mtls|kerberos|pat|azure-cli|azure_cli|pkce|token|password|secret|credential)"
    r"|(?:dbutils\.secrets\.get|secret|try_secret|getenv|os\.getenv|os\.environ\S*|env)\s*[(\[].*"
    r")\s*",
    re.DOTALL,
)
_PATH = re.compile(
    r"\s*(?:(?:[a-z][a-z0-9+.-]*:/{1,3}|dbfs:|[a-z]:\\|~/|\.{1,2}/|/)(?!\S*[?&;]\w+=).*"
    r"|[\w${}./\\ -]+\.(?:pem|key|json|ya?ml|txt|crt|cer|p12|pfx|jks|env|cfg|ini|conf|toml|py|sql))\s*",
    re.IGNORECASE,
)
_RANDOM_IN_PATH = re.compile(r"(?=[^/]*\d)(?=[^/]*[a-z])(?=[^/]*[A-Z])[A-Za-z0-9+/=]{32,}")
_ID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")
_NAME_OF_A_SECRET = re.compile(
    r"(?i)[\w./ -]*(?:passw|pwd|secret|token|cred|key|login|user|scope)[\w./ -]*|[a-z]+(?:_id|_name|_column|_code)"
)
_PLAIN_NAME = re.compile(r"[A-Za-z]+(?:[_.: -]+[A-Za-z]+)*[_.-]?\d{0,4}")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Za-z_]+|\d+")
_LONGEST_HARMLESS = 500

_QUOTED = r"'(?P<one>(?:[^'\\\n]|\\.|''){1,500})'|\\?\"(?P<two>(?:[^\"\\\n]|\\[^\"]){1,500})\\?\""
_NAMED = re.compile(
    r"(?P<name>(?<![\w.])[A-Za-z_][\w.-]{1,80})\\?[\"'`]?[ \t]*(?:=>|[:=]=?|[ \t])[ \t]*"
    rf"(?:{_QUOTED}|(?<==)(?P<bare>[^\s;,&\"'`()<>{{}}\[\]]+))"
)
"""`name: 'value'`, `"name": "value"`, `name => 'value'`, `name 'value'` (an option in SQL), `name=value`."""


class Span(NamedTuple):
    """Where a secret stands in a text, and what kind it is."""

    start: int
    end: int
    kind: str


def secrets_in(value: object, path: tuple[str | int, ...] = (), name: str = "") -> Iterator[Found]:
    """Yields the secrets in a value, the names before them being keys, parameters or options of a command line.

    `name` is the one that the value itself has.
    """
    if isinstance(value, dict):
        yield from _in_map(value, path, name)
    elif isinstance(value, list):
        option = ""
        for number, item in enumerate(value):
            yield from secrets_in(item, (*path, number), option or name)
            option = item.lstrip("-") if isinstance(item, str) and re.fullmatch(r"--?[\w-]+", item) else ""
    elif isinstance(value, str):
        spans = secret_spans(value)
        if is_secret_of(name, value) and not any(span.start == 0 and span.end == len(value) for span in spans):
            spans = [Span(0, len(value), spans[0].kind if spans else _kind_of_name(name))]
        for span in spans:
            yield Found(path, span.kind, value[span.start : span.end], value)
    elif isinstance(value, int) and not isinstance(value, bool) and value > 999 and strength(name) == 3:
        yield Found(path, _kind_of_name(name), str(value), str(value))


def _in_map(value: Mapping[str, object], path: tuple[str | int, ...], name: str) -> Iterator[Found]:
    named = next((value[key] for key in ("name", "key") if isinstance(value.get(key), str)), None)
    is_entry = named is not None and value.keys() <= {"name", "key", "default", "value"}
    for key, item in value.items():
        for span in secret_spans(key) if isinstance(key, str) else ():
            yield Found((*path, key), span.kind, key[span.start : span.end], key, is_key=True)
        own = str(named) if is_entry and key in ("default", "value") else str(key)
        if name and own.lower() in SAYS_NOTHING:
            own = name
        if isinstance(item, str):
            if strength(own) and _PLAIN_NAME.fullmatch(item) and _has_scope(value):
                own = ""
            elif not strength(own) and not WORTH_A_LOOK.search(item):
                continue
        yield from secrets_in(item, (*path, key), own)


def _has_scope(value: Mapping[str, object]) -> bool:
    """Says whether texts in a map may be the names of secrets, which stand beside that of a scope."""
    return any("scope" in str(key).lower() for key in value)


def secret_spans(text: str) -> list[Span]:
    """Returns where secrets stand in a text, in order; they do not overlap."""
    return _spans(text) if is_worth_a_look(text) else []


def _spans(text: str) -> list[Span]:
    found = [*_of_forms(text), *_of_names(text), *_of_json(text)]
    spans: list[Span] = []
    for span in sorted(found, key=lambda each: (each.start, -each.end)):
        if spans and span.start < spans[-1].end:
            spans[-1] = spans[-1]._replace(end=max(span.end, spans[-1].end))
        else:
            spans.append(span)
    return spans


def _of_forms(text: str) -> Iterator[Span]:
    for match in _FORM.finditer(text):
        kind, (start, end) = _KINDS[int(str(match.lastgroup)[1:])], match.span()
        if kind == _KINDS[-1]:
            start = text.index(":", start) + 1
            if _is_harmless(text[start:end]):
                continue
        yield Span(start, end, kind)


def _of_names(text: str) -> Iterator[Span]:
    at = 0
    while (match := _NAMED.search(text, at)) is not None:
        group = str(match.lastgroup)
        value = match.group(group)
        # What is no secret may be the name of the next one: `url "x" password "y"`.
        at = match.end("name")
        is_bare = group == "bare"
        if is_secret_of(match.group("name"), value) and not (is_bare and _is_no_literal(text, match)):
            yield Span(*match.span(group), _kind_of_name(match.group("name")))
            at = match.end()


def _of_json(text: str) -> Iterator[Span]:
    """Yields what is found in a text that is JSON, as the inputs of a loop are, and would not be found in text."""
    if text.lstrip()[:1] not in ("{", "["):
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    for found in secrets_in(value):
        written = json.dumps(found.secret)[1:-1]
        for match in re.finditer(f"{re.escape(written)}|{re.escape(found.secret)}", text):
            yield Span(*match.span(), found.kind)


def _is_no_literal(text: str, match: re.Match[str]) -> bool:
    """Says whether a value without quotes is a name or number in a program, rather than part of a connection string."""
    before = text[: match.start("name")]
    is_setting = not before or before[-1] in ";?&-"
    return not is_setting and _IDENTIFIER.fullmatch(match.group("bare")) is not None


def is_secret_of(name: str, value: str) -> bool:
    """Says whether a text is a secret because of the name before it."""
    surely = strength(name) if value else 0
    if surely == 0 or _is_harmless(value[:_LONGEST_HARMLESS]):
        return False
    if len(value) > _LONGEST_HARMLESS:
        return surely > 1
    if surely == 3:
        return True
    if len(value) < 4 or _ID.fullmatch(value) or _NAME_OF_A_SECRET.fullmatch(value):
        return False
    return surely == 2 or (len(value) >= 8 and " " not in value and not _PLAIN_NAME.fullmatch(value))


def _is_harmless(value: str) -> bool:
    """Says whether a text holds a reference, says where something is, or that something is to be filled in."""
    if _REFERENCE.search(value) or _HARMLESS.fullmatch(value):
        return True
    return _PATH.fullmatch(value) is not None and not _RANDOM_IN_PATH.fullmatch(value.strip())


def _kind_of_name(name: str) -> str:
    return f"the value of {name[:60]!r}"
