"""Parses what the databricks CLI prints: its diagnostics on stderr, and why it failed. Pure.

The texts are those of the CLI as measured; what is not recognised is passed on as it is, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
_OUR_OPTIONS = ("--target", "--force-lock")
"""Options of the CLI that mean the same to `ljm deploy`."""
_DIAGNOSTIC = re.compile(r"^(?P<severity>Error|Warning|Recommendation): (?P<message>.*)$")
_DETAIL = re.compile(r"^  (?P<kind>at|in) (?P<what>.+)$")
_LOCATION = re.compile(r"^(?P<path>.+?):(?P<line>\d{1,9}):(?P<column>\d{1,9})$")


class Trouble(str, Enum):
    """Why the CLI failed, where something can be done about it."""

    LOCKED = "locked"
    STALE_PLAN = "stale plan"
    NOT_LOGGED_IN = "not logged in"
    UNREACHABLE = "unreachable"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CliLocation:
    """A position in a file of the bundle."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class CliDiagnostic:
    """One message of the CLI: its severity (`Error`, `Warning` or `Recommendation`), and what it is about.

    The `settings` are paths in the configuration, such as `resources.jobs.sales`.
    """

    severity: str
    message: str
    settings: tuple[str, ...]
    locations: tuple[CliLocation, ...]


def diagnostics_in(stderr: str) -> list[CliDiagnostic]:
    """Returns the messages in what the CLI wrote to stderr; progress and log lines are none."""
    return list(_diagnostics(stderr.splitlines()))


def _diagnostics(lines: list[str]) -> Iterator[CliDiagnostic]:
    number = 0
    while number < len(lines):
        match = _DIAGNOSTIC.match(lines[number])
        number += 1
        if match is None:
            continue
        message, settings, locations = [match["message"]], list[str](), list[CliLocation]()
        while number < len(lines) and lines[number].strip() and not _DIAGNOSTIC.match(lines[number]):
            detail = _DETAIL.match(lines[number])
            location = _LOCATION.match(detail["what"]) if detail and detail["kind"] == "in" else None
            if location is not None:
                locations.append(CliLocation(location["path"], int(location["line"]), int(location["column"])))
            elif detail is not None and detail["kind"] == "at":
                settings.append(detail["what"])
            else:
                message.append(lines[number].strip())
            number += 1
        yield CliDiagnostic(match["severity"], " ".join(message), tuple(settings), tuple(locations))


def with_options_explained(message: str) -> str:
    """Returns a message of the CLI; where it advises options such as `--force`, with the word that they are its own."""
    others = [each for each in dict.fromkeys(_OPTION.findall(message)) if each not in _OUR_OPTIONS]
    if not others:
        return message
    which = "is an option" if len(others) == 1 else "are options"
    return f"{message} ({', '.join(others)} {which} of the databricks CLI itself, and not of ljm.)"


_TROUBLES: tuple[tuple[Trouble, re.Pattern[str]], ...] = (
    (Trouble.LOCKED, re.compile(r"--force-lock")),
    (Trouble.STALE_PLAN, re.compile(r"plan (lineage|serial) \S+ does not match state")),
    (
        Trouble.NOT_LOGGED_IN,
        re.compile(
            r"cannot configure default credentials|default auth:|invalid access token|token is expired"
            r"|401 unauthorized|\(401\b|status(?: code)? 401\b|unauthenticated",
            re.IGNORECASE,
        ),
    ),
    (
        Trouble.UNREACHABLE,
        re.compile(
            r"no such host|connection refused|i/o timeout|network is unreachable|connection reset by peer|(?:^|: )EOF\b"
            r"|TLS handshake timeout|context deadline exceeded"
        ),
    ),
)
_FORGOTTEN = re.compile(r"^Warn: destroying (\S+): Ignoring permission error when deleting", re.MULTILINE)


def forgotten_jobs(stderr: str) -> list[str]:
    """Returns the resources that a deployment should have deleted, was not allowed to, and has lost track of.

    The CLI takes such a deployment for a success; only this line shows it.
    """
    return _FORGOTTEN.findall(stderr)


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who has the lock of a deployment, and since when, by the clock of their machine."""

    user: str
    moment: datetime


_HOLDER = re.compile(
    r"deploy lock (?:force-)?acquired by (?P<user>\S+) "
    r"at (?P<second>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))? (?P<zone>[+-]\d{4})"
)
"""The words of the CLI for a lock that somebody else has; the moment is as Go prints one."""
_HAS_LOCK = re.compile(r"Uploading ")
"""What a deployment does first when it has its lock, and says."""


def lock_holder_in(stderr: str) -> LockHolder | None:
    """Returns who held the lock that a deployment wanted; None where the CLI says that in other words."""
    found = _HOLDER.search(stderr)
    if found is None:
        return None
    text = f"{found['second']}.{(found['fraction'] or '0')[:6]} {found['zone']}"
    try:
        return LockHolder(found["user"], datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f %z").astimezone(timezone.utc))
    except (ValueError, OverflowError):
        return None


def shows_that_lock_is_held(line: str) -> bool:
    """Says whether a line of `bundle deploy` is one that it prints when it has taken its lock."""
    return _HAS_LOCK.match(line) is not None


def trouble_in(stderr: str) -> Trouble:
    """Returns why the CLI failed, by the words of its errors."""
    errors = " ".join(each.message for each in diagnostics_in(stderr) if each.severity == "Error") or stderr
    return next((trouble for trouble, words in _TROUBLES if words.search(errors)), Trouble.OTHER)
