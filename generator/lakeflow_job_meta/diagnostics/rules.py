"""The rules: every kind of mistake with its code, in one explicit list; `catalog.yml` has the explanation of each."""

from __future__ import annotations

from lakeflow_job_meta.diagnostics.model import Rule, Severity

# The form of the metadata: files, rows, fields and names.
DUPLICATE_MODULE = Rule("duplicate-module", is_fixed=True)
JOB_KEY_COLLISION = Rule("job-key-collision", is_fixed=True)
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
NOT_IN_A_TABLE = Rule("not-in-a-table", is_fixed=True)

# The settings of jobs and tasks.
UNDEFINED_COMPUTE = Rule("undefined-compute")
NO_COMPUTE = Rule("no-compute")
TWO_COMPUTES = Rule("two-computes")
PLACEHOLDER = Rule("placeholder", Severity.WARNING)
TOO_MUCH = Rule("too-much")
SEVERAL_TRIGGERS = Rule("several-triggers")
BAD_CRON = Rule("bad-cron")
BAD_TIME_ZONE = Rule("bad-time-zone")
UNKNOWN_VALUE = Rule("unknown-value")
TASK_KIND = Rule("task-kind", is_fixed=True)
NO_ACTIVE_SOURCE = Rule("no-active-source", Severity.WARNING)

# Sources and what they wait for.
DUPLICATE_SOURCE = Rule("duplicate-source", is_fixed=True)
TASK_KEY_COLLISION = Rule("task-key-collision", is_fixed=True)
UNKNOWN_DEPENDENCY = Rule("unknown-dependency")
OUTCOME_WITHOUT_CONDITION = Rule("outcome-without-condition")
DEPENDENCY_CYCLE = Rule("dependency-cycle")

# References to parameters, tasks, other jobs and targets.
UNKNOWN_MODULE = Rule("unknown-module")
RUN_JOB_CYCLE = Rule("run-job-cycle")
UNKNOWN_TARGET = Rule("unknown-target")
UNKNOWN_REFERENCE = Rule("unknown-reference")
REFERENCE_IN_SQL = Rule("reference-in-sql")
UNKNOWN_PARAMETER = Rule("unknown-parameter")
NOT_UPSTREAM = Rule("not-upstream")

# Files: the project file, templates, and files that jobs name.
PROJECT_FILE_MISTAKE = Rule("project-file", is_fixed=True)
MISSING_FILE = Rule("missing-file")
NOT_A_NOTEBOOK = Rule("not-a-notebook")
TEMPLATE = Rule("template", is_fixed=True)
FOREIGN_FILE = Rule("foreign-file", is_fixed=True)

# Projects of many bundles.
JOB_IN_OTHER_BUNDLE = Rule("job-in-other-bundle", is_fixed=True)
TWO_PLACES = Rule("two-places", is_fixed=True)
BUNDLE_NAME = Rule("bundle-name", is_fixed=True)
STAYS_IN_BUNDLE = Rule("stays-in-bundle", Severity.WARNING)

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        DUPLICATE_MODULE,
        JOB_KEY_COLLISION,
        UNKNOWN_FIELD,
        WRONG_TYPE,
        MISSING_FIELD,
        UNUSABLE_NAME,
        UNREADABLE,
        DUPLICATE_KEY,
        NOT_A_VALUE,
        BAD_JSON,
        CONFLICTING_ROWS,
        ROW_WITHOUT_MODULE,
        NOT_IN_A_TABLE,
        UNDEFINED_COMPUTE,
        NO_COMPUTE,
        TWO_COMPUTES,
        PLACEHOLDER,
        TOO_MUCH,
        SEVERAL_TRIGGERS,
        BAD_CRON,
        BAD_TIME_ZONE,
        UNKNOWN_VALUE,
        TASK_KIND,
        NO_ACTIVE_SOURCE,
        DUPLICATE_SOURCE,
        TASK_KEY_COLLISION,
        UNKNOWN_DEPENDENCY,
        OUTCOME_WITHOUT_CONDITION,
        DEPENDENCY_CYCLE,
        UNKNOWN_MODULE,
        RUN_JOB_CYCLE,
        UNKNOWN_TARGET,
        UNKNOWN_REFERENCE,
        REFERENCE_IN_SQL,
        UNKNOWN_PARAMETER,
        NOT_UPSTREAM,
        PROJECT_FILE_MISTAKE,
        MISSING_FILE,
        NOT_A_NOTEBOOK,
        TEMPLATE,
        FOREIGN_FILE,
        JOB_IN_OTHER_BUNDLE,
        TWO_PLACES,
        BUNDLE_NAME,
        STAYS_IN_BUNDLE,
    )
}
"""Every rule by its code."""
