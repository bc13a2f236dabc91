"""Rules about the form of the metadata: files, rows, fields and names."""

from __future__ import annotations

from lakeflow_job_meta.diagnostics.model import Rule
from lakeflow_job_meta.diagnostics.rules.examples import example

_SECOND = (
    "  - module_name: {}\n    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {{notebook_path: /Workspace/a}}\n"
)
DUPLICATE_MODULE = Rule(
    "duplicate-module",
    is_fixed=True,
    meaning="Two modules have the same name: in one file, in two files, or in a file and a table. A module comes from "
    "one place.",
    remedy="Rename or remove one of the two. Neither is generated before; the job stays as it is.",
    wrong=example("notebook_path: /Workspace/a", module=_SECOND.format("sales")),
    right=example("notebook_path: /Workspace/a", module=_SECOND.format("stock")),
)
JOB_KEY_COLLISION = Rule(
    "job-key-collision",
    is_fixed=True,
    meaning="Two different module names become the same resource key (special characters become `_`), or keys that "
    "differ only in upper and lower case, which many disks do not tell apart.",
    remedy="Rename one of the two modules.",
    wrong=example("notebook_path: /Workspace/a", module=_SECOND.format("Sales")),
    right=example("notebook_path: /Workspace/a", module=_SECOND.format("stock")),
)


UNKNOWN_FIELD = Rule(
    "unknown-field",
    is_fixed=True,
    meaning="A field that does not exist at this place. It would silently be ignored, so it is refused.",
    remedy="Correct the name, or move the field to where the message says. A setting newer than this release goes "
    "through with `allow_unknown: [job.NAME, task.NAME]` in job_meta.yml.",
    wrong=example("notebook_path: /Workspace/a, max_retry: 2"),
    right=example("notebook_path: /Workspace/a, max_retries: 2"),
)
WRONG_TYPE = Rule(
    "wrong-type",
    is_fixed=True,
    meaning="A value of the wrong kind: text for a number, a number for text, a single value for a list.",
    remedy='Write it as the message says. Text that looks like a number needs quotes ("24"), a number none.',
    wrong=example("notebook_path: /Workspace/a, max_retries: '2'"),
    right=example("notebook_path: /Workspace/a, max_retries: 2"),
)
MISSING_FIELD = Rule(
    "missing-field",
    is_fixed=True,
    meaning="A required field is not there.",
    remedy="Add it.",
    wrong=example("task_type: sql_query, sql_task: {warehouse_id: abc}"),
    right=example("task_type: sql_query, sql_task: {warehouse_id: abc, sql_query: SELECT 1}"),
)
UNUSABLE_NAME = Rule(
    "unusable-name",
    is_fixed=True,
    meaning="A module_name or source_id from which no key for Databricks can be made: nothing but special characters, "
    "a module that does not start with a letter, or too long a name.",
    remedy="Choose a name that starts with a letter and has letters, digits, `_` or `-`.",
    wrong=example("notebook_path: /Workspace/a").replace("sales", "2024_sales"),
    right=example("notebook_path: /Workspace/a"),
)


UNREADABLE = Rule(
    "unreadable",
    is_fixed=True,
    meaning="A metadata file or table could not be read at all: it is missing, empty of text, no UTF-8, or not valid "
    "YAML. Jobs that were generated from it stay as they are.",
    remedy="Correct what the message reports; nothing of this source was used.",
    wrong="modules:\n  - module_name: [sales\n",
    right="modules:\n  - module_name: sales\n    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {notebook_path: /Workspace/a}\n",
)
DUPLICATE_KEY = Rule(
    "duplicate-key",
    is_fixed=True,
    meaning="A map has the same key twice. Readers of YAML and JSON silently take the last one, so half of what was "
    "written would be ignored.",
    remedy="Remove one of the two, or merge what is below them.",
    wrong="modules:\n  - module_name: sales\n    job_config:\n      max_concurrent_runs: 1\n"
    "      max_concurrent_runs: 2\n    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {notebook_path: /Workspace/a}\n",
    right="modules:\n  - module_name: sales\n    job_config:\n      max_concurrent_runs: 2\n"
    "    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {notebook_path: /Workspace/a}\n",
)
NOT_A_VALUE = Rule(
    "not-a-value",
    is_fixed=True,
    meaning="A value that a Databricks setting cannot have: a key that is not text, a YAML tag, an infinite number.",
    remedy="Put text in quotes; write `{{...}}` in quotes too, since YAML takes braces for a map.",
    wrong="modules:\n  - module_name: sales\n    description: {{job.id}}\n    sources:\n      - source_id: a\n"
    "        execution_order: 1\n        transformation_config: {notebook_path: /Workspace/a}\n",
    right='modules:\n  - module_name: sales\n    description: "{{job.id}}"\n    sources:\n      - source_id: a\n'
    "        execution_order: 1\n        transformation_config: {notebook_path: /Workspace/a}\n",
)


BAD_JSON = Rule(
    "bad-json",
    is_fixed=True,
    meaning="A JSON column of the control table holds text that is not JSON. The module keeps its last good job; it is "
    "never built from defaults instead.",
    remedy="Correct the text at the line and column given, or write {} (or NULL where the column is optional).",
)
CONFLICTING_ROWS = Rule(
    "conflicting-rows",
    is_fixed=True,
    meaning="A setting of the whole module (job_config, description, or the column that `bundles.by` names) stands in "
    "several rows of the module, with different values. Which one is meant cannot be known.",
    remedy="Write it in one row only, or the same in all.",
)
ROW_WITHOUT_MODULE = Rule(
    "row-without-module",
    is_fixed=True,
    meaning="A row has no module_name, so it belongs to no job. While there is one, no file that came from the table "
    "is removed, since the row may belong to it.",
    remedy="Set module_name, or delete the row.",
)


NOT_IN_A_TABLE = Rule(
    "not-in-a-table",
    is_fixed=True,
    meaning="A module that is to be loaded into a control table has `targets`, for which a table has no column. The "
    "module would lose them.",
    remedy="Leave the module in YAML (a project reads tables and YAML side by side), or take `targets` away.",
    wrong=example("notebook_path: /Workspace/a").replace("    sources:", "    targets: [dev]\n    sources:"),
    right=example("notebook_path: /Workspace/a"),
)
