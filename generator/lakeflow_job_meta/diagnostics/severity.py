"""How bad each diagnostic is, as the project file and comments in the metadata have it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, with_severity
from lakeflow_job_meta.diagnostics.rules import RULES

_IGNORE = re.compile(r"#\s*ljm:\s*ignore\[([\w\s,-]+)\]")


class SeverityOverrides:
    """The severity of each diagnostic, as the project file or a comment beside it sets it.

    Args:
        by_code: `error`, `warning` or `off`, by code.
    """

    def __init__(self, by_code: Mapping[str, str]) -> None:
        self._severities = by_code

    def apply(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Returns what is left to report."""
        return [shown for diagnostic in diagnostics if (shown := self._shown(diagnostic)) is not None]

    def _shown(self, diagnostic: Diagnostic) -> Diagnostic | None:
        if RULES[diagnostic.code].is_fixed:
            return diagnostic
        ignored = _IGNORE.search(diagnostic.source_line or "")
        if ignored and diagnostic.code in (code.strip() for code in ignored.group(1).split(",")):
            return None
        severity = self._severities.get(diagnostic.code)
        if severity is None:
            return diagnostic
        return None if severity == "off" else with_severity(diagnostic, Severity(severity))
