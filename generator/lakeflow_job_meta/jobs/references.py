"""The patterns of references in settings: `${...}` is resolved by the databricks CLI, `{{...}}` by Databricks."""

from __future__ import annotations

import re

_SEGMENT = r"[a-zA-Z][a-zA-Z0-9_-]*"
REFERENCE = re.compile(rf"\$\{{({_SEGMENT}(?:(?:\.{_SEGMENT}(?:\[[0-9]+\])*)+|(?:\[[0-9]+\])*))\}}")
"""Any `${...}` that the CLI takes for a reference; what stands between the braces is group 1."""

REFERENCE_KINDS = ("bundle", "workspace", "var", "variables", "artifacts", "resources")
"""The first parts of references that the CLI resolves."""

JOB_REFERENCE = re.compile(rf"\$\{{resources\.jobs\.({_SEGMENT})[.}}]")
"""The beginning of a reference to a job of the bundle or a field of it; the job's key is group 1."""

JOB_ID = re.compile(rf"\$\{{resources\.jobs\.({_SEGMENT})\.id\}}")
"""The id of a job of the bundle; the job's key is group 1."""

_QUOTED = r"`(?P<quoted>[^`{}]+)`"
JOB_PARAMETER = re.compile(rf"\{{\{{\s*job\.parameters\.(?:{_QUOTED}|(?P<name>[^\s{{}}\[\]`]+))\s*\}}\}}")
"""A reference to a parameter of the job; its name may stand in backticks.

https://docs.databricks.com/jobs/dynamic-value-references: names with special characters need them.
"""

TASK_VALUE = re.compile(rf"\{{\{{\s*tasks\.(?:{_QUOTED}|(?P<name>[A-Za-z0-9_-]+))\.[^{{}}]*\}}\}}")
"""A reference to something of another task, whose key may stand in backticks likewise."""


def named_by(pattern: re.Pattern[str], text: str) -> list[str]:
    """Returns the names that references of a text are about, with or without backticks."""
    return [match["quoted"] or match["name"] for match in pattern.finditer(text)]
