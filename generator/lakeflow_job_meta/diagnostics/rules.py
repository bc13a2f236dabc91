"""The rules: every kind of mistake with its code, in one explicit list; `catalog.yml` has the explanation of each.

How bad each is, the project file and comments in the metadata may say otherwise. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lakeflow_job_meta.diagnostics.model import Diagnostic, Rule, Severity

# The form of the metadata: files, rows, fields and names.
DUPLICATE_MODULE = Rule("duplicate-module", is_fixed=True)
JOB_KEY_COLLISION = Rule("job-key-collision", is_fixed=True)
ADOPTED_TWICE = Rule("adopted-twice", is_fixed=True)
FORMER_NAME = Rule("former-name", is_fixed=True)
UNKNOWN_FIELD = Rule("unknown-field", is_fixed=True)
WRONG_TYPE = Rule("wrong-type", is_fixed=True)
MISSING_FIELD = Rule("missing-field", is_fixed=True)
UNUSABLE_NAME = Rule("unusable-name", is_fixed=True)
UNREADABLE = Rule("unreadable", is_fixed=True)
DUPLICATE_KEY = Rule("duplicate-key", is_fixed=True)
NOT_A_VALUE = Rule("not-a-value", is_fixed=True)
BAD_JSON = Rule("bad-json", is_fixed=True)
CONFLICTING_ROWS = Rule("conflicting-rows", is_fixed=True)
ROW_WITHOUT_MODULE = Rule("row-without-module", is_fixed=True)
NEAR_COLUMN = Rule("near-column", Severity.WARNING)
UNREADABLE_APPROVAL = Rule("unreadable-approval", is_fixed=True)

# Blueprints, and the rows that fill them.
BAD_BLUEPRINT = Rule("bad-blueprint", is_fixed=True)
DUPLICATE_BLUEPRINT = Rule("duplicate-blueprint", is_fixed=True)
UNKNOWN_BLUEPRINT = Rule("unknown-blueprint", is_fixed=True)
BAD_PARAMETER = Rule("bad-parameter", is_fixed=True)
MISSING_PARAMETER = Rule("missing-parameter", is_fixed=True)
UNUSED_PARAMETER = Rule("unused-parameter", Severity.WARNING)
UNKNOWN_COLUMN = Rule("unknown-column", is_fixed=True)
ROW_KEY = Rule("row-key", is_fixed=True)

# Presets.
UNKNOWN_PRESET = Rule("unknown-preset", is_fixed=True)
UNUSED_PRESET = Rule("unused-preset", Severity.WARNING)

# Policies, whose severity each policy says for itself.
POLICY = Rule("policy", is_fixed=True)
EXPIRED_EXEMPTION = Rule("expired-exemption", is_fixed=True)
UNUSED_POLICY = Rule("unused-policy", Severity.WARNING)
UNUSED_EXEMPTION = Rule("unused-exemption", Severity.WARNING)

# The settings of jobs and tasks.
UNDEFINED_COMPUTE = Rule("undefined-compute")
NO_COMPUTE = Rule("no-compute")
TWO_COMPUTES = Rule("two-computes")
PLACEHOLDER = Rule("placeholder", Severity.WARNING)
TOO_MUCH = Rule("too-much")
SEVERAL_TRIGGERS = Rule("several-triggers")
CONFLICTING_SETTINGS = Rule("conflicting-settings")
IDLE_SETTING = Rule("idle-setting", Severity.WARNING)
NO_WORKERS = Rule("no-workers", Severity.WARNING)
OUTPUT_ONLY = Rule("output-only", Severity.WARNING)
BAD_CRON = Rule("bad-cron")
GIT_SOURCE = Rule("git-source")
BAD_TIME_ZONE = Rule("bad-time-zone")
UNKNOWN_VALUE = Rule("unknown-value")
SECRET_IN_METADATA = Rule("secret-in-metadata")
TASK_KIND = Rule("task-kind", is_fixed=True)
NO_ACTIVE_SOURCE = Rule("no-active-source", Severity.WARNING)

# Sources and what they wait for.
DUPLICATE_SOURCE = Rule("duplicate-source", is_fixed=True)
TASK_KEY_COLLISION = Rule("task-key-collision", is_fixed=True)
UNKNOWN_DEPENDENCY = Rule("unknown-dependency")
OUTCOME_WITHOUT_CONDITION = Rule("outcome-without-condition")
DEPENDENCY_CYCLE = Rule("dependency-cycle")
LAST_TASK = Rule("last-task", is_fixed=True)
HIDDEN_FAILURE = Rule("hidden-failure", Severity.WARNING)

# What checks the rows of tables.
BAD_CHECK = Rule("bad-check")
BAD_SQL = Rule("bad-sql", Severity.WARNING)

# References to parameters, tasks, other jobs and targets.
UNKNOWN_MODULE = Rule("unknown-module")
RUN_JOB_CYCLE = Rule("run-job-cycle")
NO_TARGET_TABLE = Rule("no-target-table", is_fixed=True)
DEEP_RUNS = Rule("deep-runs", Severity.WARNING)
UNKNOWN_TARGET = Rule("unknown-target")
UNKNOWN_REFERENCE = Rule("unknown-reference")
REFERENCE_IN_SQL = Rule("reference-in-sql")
UNKNOWN_PARAMETER = Rule("unknown-parameter")
HIDDEN_PARAMETER = Rule("hidden-parameter", Severity.WARNING)
NOT_UPSTREAM = Rule("not-upstream")

# Files: the project file, templates, and files that jobs name.
PROJECT_FILE_MISTAKE = Rule("project-file", is_fixed=True)
MISSING_FILE = Rule("missing-file")
NOT_A_NOTEBOOK = Rule("not-a-notebook")
NOT_UPLOADED = Rule("not-uploaded")
NOT_INCLUDED = Rule("not-included", Severity.WARNING)
NO_FILES = Rule("no-files", Severity.WARNING)
UNKNOWN_OVERRIDE = Rule("unknown-override")
RESERVED_NAME = Rule("reserved-name", Severity.WARNING)
TEMPLATE = Rule("template", is_fixed=True)
FOREIGN_FILE = Rule("foreign-file", is_fixed=True)

# Projects of many bundles.
JOB_IN_OTHER_BUNDLE = Rule("job-in-other-bundle", is_fixed=True)
TWO_PLACES = Rule("two-places", is_fixed=True)
BUNDLE_NAME = Rule("bundle-name", is_fixed=True)
STAYS_IN_BUNDLE = Rule("stays-in-bundle", Severity.WARNING)

RULES = {rule.code: rule for rule in tuple(globals().values()) if isinstance(rule, Rule)}
"""Every rule above by its code."""

_FIXED = frozenset(code for code, rule in RULES.items() if rule.is_fixed)

_IGNORE = re.compile(r"#\s*ljm:\s*ignore\[([\w\s,-]+)\]")


class SeverityOverrides:
    """The severity of each diagnostic, as a comment beside it or the project file (`error`, `warning`, `off`) says."""

    def __init__(self, by_code: Mapping[str, str]) -> None:
        self._severities = by_code

    def apply(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Returns what is left to report."""
        found = (each if each.code in _FIXED else self._shown(each) for each in diagnostics)
        return [shown for shown in found if shown is not None]

    def _shown(self, diagnostic: Diagnostic) -> Diagnostic | None:
        ignored = _IGNORE.search(diagnostic.source_line or "")
        if ignored and diagnostic.code in (code.strip() for code in ignored.group(1).split(",")):
            return None
        severity = self._severities.get(diagnostic.code)
        if severity is None:
            return diagnostic
        return None if severity == "off" else replace(diagnostic, severity=Severity(severity))
