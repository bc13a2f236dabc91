"""Diagnostics in the formats that other tools read. Pure: diagnostics in, one text out; a format is one function."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import blake2b

from lakeflow_job_meta import __version__
from lakeflow_job_meta.diagnostics.catalog import explanations
from lakeflow_job_meta.diagnostics.model import DOCUMENTATION, Diagnostic, Location, Severity, foremost
from lakeflow_job_meta.diagnostics.rules import RULES

MOST_SHOWN = 200
"""What is for people shows as many diagnostics; what is for programs has all."""


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Returns a JSON list of objects; docs/command-line.md has their fields."""
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


def as_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Returns workflow commands, which GitHub shows as annotations on a pull request; of very many the foremost."""
    return "\n".join(_annotation(diagnostic) for diagnostic in foremost(diagnostics, MOST_SHOWN))


def _annotation(diagnostic: Diagnostic) -> str:
    location = diagnostic.location
    fields = {"title": diagnostic.code}
    message = diagnostic.message
    if location.is_file:
        start = {"file": location.path, "line": location.line, "col": location.column}
        fields |= {name: str(value) for name, value in start.items() if value is not None}
        # GitHub takes columns of an end only in the line of the start, and shows a longer range below its last line.
        if location.end_column is not None and location.end_line == location.line:
            fields |= {"endLine": str(location.end_line), "endColumn": str(location.end_column)}
    else:
        message = f"{location}: {message}"
    properties = ",".join(f"{name}={_escaped(value, ',:')}" for name, value in fields.items())
    return f"::{diagnostic.severity.value} {properties}::{_escaped(message, '')}"


def _escaped(text: str, more: str) -> str:
    """Escapes what GitHub's workflow commands use as marks: `%` first, line ends, and in properties `,` and `:`."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def as_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """Returns a SARIF 2.1.0 log, for code scanning."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {"name": "lakeflow-job-meta", "version": __version__, "rules": [_sarif_rule(code) for code in codes]}
    results = [_sarif_result(diagnostic) for diagnostic in diagnostics]
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


def _sarif_result(diagnostic: Diagnostic) -> dict[str, object]:
    at = diagnostic.location
    subject = _subject(diagnostic)
    # The same mistake after lines were added above it.
    identity = json.dumps([diagnostic.code, at.path, *subject.values()]).encode()
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "level": "error" if diagnostic.severity is Severity.ERROR else "warning",
        "message": {"text": diagnostic.message},
        "locations": [_sarif_location(at)],
        "partialFingerprints": {"setting/v1": blake2b(identity, digest_size=16).hexdigest()},
        "properties": {name: value for name, value in subject.items() if value is not None},
    }
    text = diagnostic.suggested_text
    if text is not None and at.is_file:
        replacement = {"deletedRegion": _region(at), "insertedContent": {"text": text}}
        change = {"artifactLocation": {"uri": at.path}, "replacements": [replacement]}
        result["fixes"] = [{"description": {"text": f"Write {text}"}, "artifactChanges": [change]}]
    return result


def _sarif_location(at: Location) -> dict[str, object]:
    if not at.is_file:
        return {"logicalLocations": [{"fullyQualifiedName": str(at)}]}
    return {"physicalLocation": {"artifactLocation": {"uri": at.path}, "region": _region(at)}}


def _region(at: Location) -> dict[str, int]:
    start = {"startLine": at.line or 1, "startColumn": at.column or 1}
    return start if at.end_line is None else {**start, "endLine": at.end_line, "endColumn": at.end_column or 1}


FORMATS: dict[str, Callable[[Sequence[Diagnostic]], str]] = {"json": as_json, "github": as_github, "sarif": as_sarif}
