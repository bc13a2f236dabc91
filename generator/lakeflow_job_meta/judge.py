"""How bad each diagnostic is, as the project file and comments in the metadata have it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lakeflow_job_meta.diagnostics import RULES, Diagnostic, Severity, with_severity
from lakeflow_job_meta.project import Project

_IGNORE = re.compile(r"#\s*ljm:\s*ignore\[([\w\s,-]+)\]")


class Judge:
    """Gives each diagnostic the severity that the project file or a comment beside it asks for.

    Args:
        project: Its `checks` map codes to `error`, `warning` or `off`.
    """

    def __init__(self, project: Project) -> None:
        self._severities = dict(project.checks)

    def judged(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Returns what is left to report."""
        return [judged for diagnostic in diagnostics if (judged := self._judge(diagnostic)) is not None]

    def _judge(self, diagnostic: Diagnostic) -> Diagnostic | None:
        if RULES[diagnostic.code].is_fixed:
            return diagnostic
        ignored = _IGNORE.search(diagnostic.source_line or "")
        if ignored and diagnostic.code in (code.strip() for code in ignored.group(1).split(",")):
            return None
        severity = self._severities.get(diagnostic.code)
        if severity is None:
            return diagnostic
        return None if severity == "off" else with_severity(diagnostic, Severity(severity))
