"""Diagnostics in the formats that other tools read. Pure: diagnostics in, one text out; a format is one function.

What is for a CI is told where a location is in the repository, which is more than the project and less than a table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b

from lakeflow_job_meta import __version__
from lakeflow_job_meta._internal.text import without_commands
from lakeflow_job_meta.diagnostics.catalog import explanations
from lakeflow_job_meta.diagnostics.model import DOCUMENTATION, Diagnostic, Location, Severity, foremost
from lakeflow_job_meta.diagnostics.rules import RULES

MOST_SHOWN = 200
"""What is for people shows as many diagnostics; what is for programs has all."""

FOR_PEOPLE = ("github", "azure")
"""The formats that a CI shows to people."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a CI shows a diagnostic.

    Attributes:
        at: A line of a file of the repository, where there is one.
        is_near: Whether the location itself is elsewhere, as in a table, so that the message has to name it.
    """

    at: Location
    is_near: bool


Where = Callable[[Location], Place]
"""Returns the place of a location in the repository."""


def as_they_are(at: Location) -> Place:
    """Leaves locations as they are: files relative to the project, rows in tables."""
    return Place(at, not at.is_file)


def as_json(diagnostics: Sequence[Diagnostic], where: Where = as_they_are) -> str:
    """Returns a JSON list of objects, with paths relative to the project; docs/command-line.md has their fields."""
    return json.dumps([_object(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False)


def _object(diagnostic: Diagnostic) -> dict[str, object]:
    suggestion = diagnostic.suggestion
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": diagnostic.message,
        **asdict(diagnostic.location),
        **_subject(diagnostic),
        "suggestion": None if suggestion is None else {**asdict(suggestion), "text": diagnostic.suggested_text},
        "documentation": diagnostic.documentation,
    }


def _subject(diagnostic: Diagnostic) -> dict[str, str | None]:
    return {"module": diagnostic.module, "source": diagnostic.source, "setting": diagnostic.setting}


def as_github(diagnostics: Sequence[Diagnostic], where: Where = as_they_are) -> str:
    """Returns workflow commands, which GitHub shows as annotations on a pull request; of very many the foremost."""
    return "\n".join(_github_command(each, where(each.location)) for each in foremost(diagnostics, MOST_SHOWN))


def _github_command(diagnostic: Diagnostic, place: Place) -> str:
    at = place.at
    fields = {"title": diagnostic.code}
    if at.is_file:
        start = {"file": at.path, "line": at.line, "col": at.column}
        fields |= {name: str(value) for name, value in start.items() if value is not None}
        # GitHub takes columns of an end only in the line of the start, and shows a longer range below its last line.
        if at.end_column is not None and at.end_line == at.line:
            fields |= {"endLine": str(at.end_line), "endColumn": str(at.end_column)}
    properties = ",".join(f"{name}={_escaped(value, ',:')}" for name, value in fields.items())
    return f"::{diagnostic.severity.value} {properties}::{_escaped(_message(diagnostic, place), '')}"


def _message(diagnostic: Diagnostic, place: Place) -> str:
    return f"{diagnostic.location}: {diagnostic.message}" if place.is_near else diagnostic.message


def _escaped(text: str, more: str, percent: str = "%25") -> str:
    """Escapes what logging commands use as marks: whole ones, `%` first, line ends, and `more`."""
    text = without_commands(text).replace("%", percent)
    for character in "\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def as_azure(diagnostics: Sequence[Diagnostic], where: Where = as_they_are) -> str:
    """Returns logging commands, which Azure Pipelines lists as issues of a run; of very many the foremost.

    Escaped as learn.microsoft.com says below azure/devops/pipelines/scripts/logging-commands: `%AZP25` is a `%`.
    """
    return "\n".join(_azure_command(each, where(each.location)) for each in foremost(diagnostics, MOST_SHOWN))


def _azure_command(diagnostic: Diagnostic, place: Place) -> str:
    at = place.at
    start = {"sourcepath": at.path, "linenumber": at.line, "columnnumber": at.column} if at.is_file else {}
    fields = {"type": diagnostic.severity.value, **start, "code": diagnostic.code}
    told = {name: str(value) for name, value in fields.items() if value is not None}
    properties = ";".join(f"{name}={_escaped(value, ';]', '%AZP25')}" for name, value in told.items())
    return f"##vso[task.logissue {properties}]{_escaped(_message(diagnostic, place), '', '%AZP25')}"


def as_gitlab(diagnostics: Sequence[Diagnostic], where: Where = as_they_are) -> str:
    """Returns a report of GitLab's Code Quality, in the format of docs.gitlab.com/ci/testing/code_quality.

    GitLab drops an issue whose fingerprint another one has, so repeated ones are numbered.
    """
    seen: Counter[str] = Counter()
    issues: list[dict[str, object]] = []
    for diagnostic in diagnostics:
        place = where(diagnostic.location)
        fingerprint = _fingerprint(diagnostic, place)
        seen[fingerprint] += 1
        issues.append(
            {
                "description": _message(diagnostic, place),
                "check_name": diagnostic.code,
                "fingerprint": fingerprint + (f"-{seen[fingerprint]}" if seen[fingerprint] > 1 else ""),
                "severity": "critical" if diagnostic.severity is Severity.ERROR else "minor",
                "location": {"path": place.at.path, "lines": {"begin": place.at.line or 1}},
            }
        )
    return json.dumps(issues, indent=2, ensure_ascii=False)


def _fingerprint(diagnostic: Diagnostic, place: Place) -> str:
    """Returns what stays the same for a mistake when lines are added above it."""
    path = diagnostic.location.path if place.is_near else place.at.path
    identity = json.dumps([diagnostic.code, path, *_subject(diagnostic).values()]).encode()
    return blake2b(identity, digest_size=16).hexdigest()


def as_sarif(diagnostics: Sequence[Diagnostic], where: Where = as_they_are) -> str:
    """Returns a SARIF 2.1.0 log, for code scanning."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {"name": "lakeflow-job-meta", "version": __version__, "rules": [_sarif_rule(code) for code in codes]}
    results = [_sarif_result(diagnostic, where(diagnostic.location)) for diagnostic in diagnostics]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_rule(code: str) -> dict[str, object]:
    kind = code.partition(":")[0]
    rule, explanation = RULES[kind], explanations()[kind]
    return {
        "id": code,
        "shortDescription": {"text": explanation.meaning},
        "help": {"text": explanation.remedy},
        "defaultConfiguration": {"level": rule.severity.value},
        # SARIF allows absolute addresses only.
        **({"helpUri": f"{DOCUMENTATION}#{kind}"} if "://" in DOCUMENTATION else {}),
    }


def _sarif_result(diagnostic: Diagnostic, place: Place) -> dict[str, object]:
    at = place.at
    subject = _subject(diagnostic)
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "level": "error" if diagnostic.severity is Severity.ERROR else "warning",
        "message": {"text": diagnostic.message},
        "locations": [_sarif_location(diagnostic.location, place)],
        "partialFingerprints": {"setting/v1": _fingerprint(diagnostic, place)},
        "properties": {name: value for name, value in subject.items() if value is not None},
    }
    text = diagnostic.suggested_text
    if text is not None and not place.is_near:
        replacement = {"deletedRegion": _region(at), "insertedContent": {"text": text}}
        change = {"artifactLocation": {"uri": at.path}, "replacements": [replacement]}
        result["fixes"] = [{"description": {"text": f"Write {text}"}, "artifactChanges": [change]}]
    return result


def _sarif_location(location: Location, place: Place) -> dict[str, object]:
    found: dict[str, object] = {}
    if place.at.is_file:
        found["physicalLocation"] = {"artifactLocation": {"uri": place.at.path}, "region": _region(place.at)}
    if place.is_near:
        found["logicalLocations"] = [{"fullyQualifiedName": str(location)}]
    return found


def _region(at: Location) -> dict[str, int]:
    start = {"startLine": at.line or 1, "startColumn": at.column or 1}
    return start if at.end_line is None else {**start, "endLine": at.end_line, "endColumn": at.end_column or 1}


FORMATS: dict[str, Callable[[Sequence[Diagnostic], Where], str]] = {
    "json": as_json,
    "github": as_github,
    "azure": as_azure,
    "gitlab": as_gitlab,
    "sarif": as_sarif,
}
