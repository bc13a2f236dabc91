"""The patterns of references in settings: `${...}` is resolved by the databricks CLI, `{{...}}` by Databricks."""

from __future__ import annotations

import re

_SEGMENT = r"[a-zA-Z][a-zA-Z0-9_-]*"
REFERENCE = re.compile(rf"\$\{{({_SEGMENT}(?:\.{_SEGMENT}(?:\[[0-9]+\])*)*(?:\[[0-9]+\])*)\}}")
REFERENCE_KINDS = ("bundle", "workspace", "var", "variables", "artifacts", "resources")
"""The first parts of references that the CLI resolves."""

JOB_PARAMETER = re.compile(r"\{\{\s*job\.parameters\.([^\s{}\[\]]+)\s*\}\}")
TASK_VALUE = re.compile(r"\{\{\s*tasks\.([A-Za-z0-9_-]+)\.[^{}]*\}\}")
