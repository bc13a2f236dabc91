"""Diagnostics in the forms that other tools read. Pure: diagnostics in, one text out; a form is one function here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from lakeflow_job_meta import __version__
from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity
from lakeflow_job_meta.diagnostics.registry import RULES


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Returns a JSON list of objects; docs/command-line.md has their fields."""
    return json.dumps([_object(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False)


def _object(diagnostic: Diagnostic) -> dict[str, object]:
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "path": diagnostic.location.path,
        "line": diagnostic.location.line,
        "column": diagnostic.location.column,
        "is_file": diagnostic.location.is_file,
    }


def as_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Returns workflow commands, which GitHub shows as annotations on a pull request."""
    return "\n".join(_annotation(diagnostic) for diagnostic in diagnostics)


def _annotation(diagnostic: Diagnostic) -> str:
    location = diagnostic.location
    fields = {"title": diagnostic.code}
    message = diagnostic.message
    if location.is_file:
        fields |= {"file": location.path}
        fields |= {} if location.line is None else {"line": str(location.line)}
        fields |= {} if location.column is None else {"col": str(location.column)}
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
    driver = {
        "name": "lakeflow-job-meta",
        "version": __version__,
        "rules": [_sarif_rule(code) for code in codes],
    }
    run = {"tool": {"driver": driver}, "results": [_sarif_result(diagnostic) for diagnostic in diagnostics]}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_rule(code: str) -> dict[str, object]:
    rule = RULES[code]
    return {
        "id": code,
        "shortDescription": {"text": rule.meaning},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _sarif_result(diagnostic: Diagnostic) -> dict[str, object]:
    at = diagnostic.location
    location: dict[str, object]
    if at.is_file:
        region = {"startLine": at.line or 1, "startColumn": at.column or 1}
        location = {"physicalLocation": {"artifactLocation": {"uri": at.path}, "region": region}}
    else:
        location = {"logicalLocations": [{"fullyQualifiedName": str(at)}]}
    return {
        "ruleId": diagnostic.code,
        "level": "error" if diagnostic.severity is Severity.ERROR else "warning",
        "message": {"text": diagnostic.message},
        "locations": [location],
    }


FORMATS: dict[str, Callable[[Sequence[Diagnostic]], str]] = {"json": as_json, "github": as_github, "sarif": as_sarif}
