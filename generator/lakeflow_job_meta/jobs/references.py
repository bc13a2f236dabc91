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

JOB_PARAMETER = re.compile(r"\{\{\s*job\.parameters\.([^\s{}\[\]]+)\s*\}\}")
TASK_VALUE = re.compile(r"\{\{\s*tasks\.([A-Za-z0-9_-]+)\.[^{}]*\}\}")

VARIABLE_PREFIX = "BUNDLE_VAR_"
"""Environment variables of this prefix set variables of the bundle, as the databricks CLI reads them."""
