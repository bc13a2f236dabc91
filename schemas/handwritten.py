"""The parts of the JSON Schemas that people write: metadata files and the project file, in small pieces.

Data only, for `derive.py`. What is pointed at here and not defined here holds settings of jobs and tasks, and
is defined there: `job_config`, `transformation_config`, `iteration_task`, `job_defaults`, `task_defaults`,
`preset_job`, `preset_task`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Schema = dict[str, Any]


def ref(definition: str) -> Schema:
    """Points at one of the schema's own definitions."""
    return {"$ref": f"#/$defs/{definition}"}


def or_reference(schema: Schema) -> Schema:
    """Takes a bundle reference in the place of the real thing, which always stands first."""
    return {"anyOf": [schema, ref("reference")]}


def or_null(schema: Schema) -> Schema:
    """Takes null in the place of the real thing: it counts as absent, or takes a default away."""
    return {"anyOf": [*schema.get("anyOf", [schema]), NULL]}


def closed(properties: Schema, required: Iterable[str] = ()) -> Schema:
    """An object with these properties and no others."""
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


def listing(items: Schema) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    """An object whose keys are the user's own."""
    return {"type": "object", "additionalProperties": values}


def described(description: str, schema: Schema, *examples: object, **notes: str) -> Schema:
    """A property with what it is for; a note `expected` becomes the keyword `x-expected`."""
    shown = {"examples": list(examples)} if examples else {}
    return {"description": description, **schema, **shown, **{f"x-{name}": note for name, note in notes.items()}}


STRING: Schema = {"type": "string"}
NULL: Schema = {"type": "null"}
FREE_OBJECT: Schema = {"type": "object"}
PLAIN_VALUE: Schema = {"anyOf": [STRING, {"type": "number"}, {"type": "boolean"}]}
# The grammar of `databricks bundle`: a segment is a letter, then letters, digits, hyphens and underscores.
SEGMENT = "[a-zA-Z][a-zA-Z0-9_-]*"
REFERENCE = rf"^\$\{{{SEGMENT}((\.{SEGMENT}(\[[0-9]+\])*)+|(\[[0-9]+\])*)\}}$"

SHARED_DEFINITIONS: dict[str, Schema] = {
    "reference": described(
        "A bundle reference, resolved by the databricks CLI.",
        {**STRING, "pattern": REFERENCE, "x-stand-in": True},
        "${var.retries}",
        "${resources.jobs.other.id}",
    ),
    **{kind: {"anyOf": [{"type": kind}, ref("reference")]} for kind in ("integer", "number", "boolean")},
}

# The parameters of a notebook; null leaves out one that would be added.
PARAMETERS: Schema = {
    "type": "object",
    "properties": {name: or_null(STRING) for name in ("source_id", "control_table")},
    "additionalProperties": STRING,
}

# How metadata writes a task block of the Jobs API: what it may say besides, or (None) may leave out.
METADATA_FORMS: dict[str, dict[str, Schema | None]] = {
    "NotebookTask": {
        "notebook_path": None,  # it may stand in transformation_config itself
        "base_parameters": described("Parameters of the notebook.", or_reference(PARAMETERS)),
    },
    "SqlTask": {
        "warehouse_id": None,  # the project's defaults may name one
        "sql_query": described(
            "SQL text, made a file of the bundle. Values come by `parameters` and `:name`, not `${...}`.",
            STRING,
            "SELECT * FROM bronze.customers WHERE age > :min_age",
        ),
        "sql_file_path": described(
            "A SQL file: an absolute workspace path, or one relative to the project folder.",
            STRING,
            "/Workspace/queries/daily.sql",
            "sql/daily.sql",
        ),
        "query_id": described("Id of a query that is saved in the workspace.", STRING),
    },
    "RunJobTask": {
        "job_id": None,
        "module_name": described("The module whose job is run, in the place of `job_id`.", STRING, "bronze_to_silver"),
    },
    "ForEachTask": {
        "inputs": described(
            "What to repeat the task for: a list, the text of one in JSON, or a reference to one.",
            {"anyOf": [STRING, listing({})]},
            ["north", "south"],
            "{{tasks.find.values.tables}}",
        ),
        "task": described(
            "The task that runs for every input, written like a transformation_config.",
            or_reference(ref("iteration_task")),
        ),
    },
}

# What metadata may say of a task besides `task_type` and the settings of the Jobs API.
NOTEBOOK_SETTINGS: Schema = {
    "notebook_path": described(
        "The notebook to run: an absolute workspace path, or one relative to the project folder.",
        STRING,
        "/Workspace/etl/ingest",
        "notebooks/ingest.py",
    ),
    "base_parameters": described(
        "Parameters of the notebook besides `source_id` and `control_table`, which it gets unless one is null here.",
        or_reference(PARAMETERS),
        {"threshold": "5.0"},
    ),
}
JOB_NUMBER: Schema = {"type": "integer", "minimum": 1}
ADOPT = described(
    "The job of the workspace that the module takes over, by target; the line does nothing once the target has it.",
    or_null(mapping(or_null(ref("job_number")))),
    {"prod": 123456789},
)
FORMERLY = described(
    "The module's name before it was renamed, or its names: the job keeps its id and its run history.",
    or_null({"anyOf": [STRING, listing(STRING)]}),
    "stock",
    ["stock", "inventory"],
)
# The rules for the rows of a table; a check has DQX's own format (`CheckSpec` of checks_validator.py).
CHECK: Schema = {
    "title": "Check",
    **closed(
        {
            "name": described("Name of the check in results; by default DQX makes one.", or_null(STRING)),
            "criticality": described(
                "Whether rows that fail are wrong, or only worth a look.",
                or_null({**STRING, "enum": ["error", "warn"], "default": "error"}),
            ),
            "filter": described("SQL expression: only rows for which it is true are checked.", or_null(STRING)),
            "check": described("The function of DQX, and its arguments.", ref("check_call")),
            "user_metadata": described("Kept with the results of the check.", or_null(FREE_OBJECT), {"owner": "sales"}),
            "message_expr": described("SQL expression of the message of a row that fails.", or_null(STRING)),
        },
        required=["check"],
    ),
}
CHECK_CALL = closed(
    {
        "function": described("A check function of DQX.", STRING, "is_not_null", "is_in_range"),
        "for_each_column": described("Columns, for each of which the check is made.", or_null(listing({}))),
        "arguments": described("The arguments of the function.", or_null(FREE_OBJECT), {"column": "order_id"}),
    },
    required=["function"],
)
QUALITY_SETTINGS: Schema = {
    "table": described(
        "The table that is checked; by default the one that `target_config` names.",
        or_null(STRING),
        "main.silver.orders",
    ),
    "checks": described(
        "Checks of DQX, in its own format.",
        or_null(listing(ref("check"))),
        [{"criticality": "error", "check": {"function": "is_not_null", "arguments": {"column": "order_id"}}}],
        missing="the rules for the rows of the table (or give 'checks_table')",
    ),
    "checks_table": described(
        "A table of checks that DQX reads, in the place of `checks` or besides.", or_null(STRING), "main.etl.dq_rules"
    ),
    "quarantine": described(
        "A table for the rows that fail a check of criticality `error`.", or_null(STRING), "main.quarantine.orders"
    ),
    "on_error": described(
        "What a failed check of criticality `error` does: stop what waits for the source, or let it go on.",
        or_null({**STRING, "enum": ["stop", "go_on"], "default": "stop"}),
    ),
}
EXPECTATION: Schema = {
    "title": "Expectation",
    **closed(
        {
            "name": described("Name of the expectation in messages and results.", STRING, "no_future_orders"),
            "sql": described(
                "A query; each row that it returns is a failure. `:ljm_table` is the table of the source.",
                STRING,
                "SELECT * FROM IDENTIFIER(:ljm_table) WHERE order_date > current_date()",
            ),
            "severity": described(
                "Whether a row fails the task, or is only recorded.",
                or_null({**STRING, "enum": ["error", "warn"], "default": "error"}),
            ),
        },
        required=["name", "sql"],
    ),
}


def quality(pointer: Schema, allowed: Callable[[Schema], Schema]) -> Schema:
    """What a source says of the rows of its table."""
    return {
        "quality": described("Rules for the rows of the table, checked by DQX after the task.", allowed(pointer)),
        "expect_no_rows": described(
            "Queries that a SQL warehouse runs after the task; each row that one returns is a failure.",
            allowed(listing(ref("expectation"))),
            [{"name": "no_future_orders", "sql": "SELECT * FROM main.silver.orders WHERE order_date > current_date()"}],
        ),
    }


AFTER_MAP = closed(
    {
        "tables": described("Tables, with their catalog and schema.", or_null(listing(STRING)), ["main.silver.orders"]),
        "modules": described(
            "Modules, in the place of the tables that their `target_config` names.",
            or_null(listing(STRING)),
            ["customers"],
        ),
        "when": described("How many of them must be new; `all` without it.", or_null({"enum": ["all", "any"]}), "any"),
    }
)
AFTER = described(
    "The tables, or the modules that write them, whose updates start the job.",
    or_null({"anyOf": [listing(STRING), AFTER_MAP]}),
    ["customers", "orders"],
    {"tables": ["main.silver.orders", "main.silver.customers"], "when": "all"},
)
_ONE_OR_MORE: Schema = {"anyOf": [ref("last_source"), listing(ref("last_source"))]}
_BLUEPRINT_LAST: Schema = {"anyOf": [ref("blueprint_last_source"), listing(ref("blueprint_last_source"))]}
LAST_TASKS: dict[str, Schema] = {
    "on_failure": described("What runs after all other tasks where one of them failed.", or_null(_ONE_OR_MORE)),
    "finally": described("What runs after all other tasks, however they ended.", or_null(_ONE_OR_MORE)),
}
RUNS = described(
    "Modules whose jobs the job runs, each as a task.",
    or_null(listing(ref("run"))),
    ["customers", {"module": "sales_mart", "after": ["customers"]}],
)
NESTED_TASK_KEY = described("Key of the nested task; without it, the outer key and `_iteration`.", STRING)


def source_parameters(allowed: Callable[[Schema], Schema]) -> Schema:
    """Whether notebooks get the parameters by which they find their row: of a source, a module or the project."""
    what = "Whether notebooks get the parameters `source_id` and `control_table`; `none` adds neither."
    return described(what, allowed({**STRING, "enum": ["all", "none"]}), "none")


# `title` names a thing in messages. `x-expected` words what a value must be, `x-missing` what a missing field is for.
# A field that is null counts as absent: YAML has `is_active:` with nothing behind it, a table has NULL.
METADATA_DEFINITIONS: dict[str, Schema] = {
    "module": {
        "title": "Module",
        **closed(
            {
                "module_name": described("Name of the module, which becomes one job.", STRING, "bronze_to_silver"),
                "description": described("Description of the job.", or_null(STRING)),
                "job_config": described("Settings of the job under their Jobs API names.", or_null(ref("job_config"))),
                "targets": described(
                    "The bundle targets in which the job exists, or a map of what is not the same in some of them.",
                    or_null(ref("targets")),
                    ["dev", "prod"],
                    {"dev": {"job_config": {"schedule": None}}, "prod": {"job_config": {"max_concurrent_runs": 3}}},
                ),
                "presets": described(
                    "Presets of the project file that apply to the job.", or_null(listing(STRING)), ["big_cluster"]
                ),
                "source_parameters": source_parameters(or_null),
                "adopt": ADOPT,
                "formerly": FORMERLY,
                "after": AFTER,
                "sources": described(
                    "What the job does; each source becomes one task.",
                    or_null(listing(ref("source"))),
                    missing="the list of what the module runs",
                ),
                "runs": RUNS,
                **LAST_TASKS,
            },
            required=["module_name"],
        ),
        # A module that runs others needs no sources; a message names the first.
        "anyOf": [
            {"required": ["sources"], "properties": {"sources": {"type": "array"}}},
            {"required": ["runs"], "properties": {"runs": {"type": "array"}}},
        ],
    },
    "use": {
        "title": "Module of a blueprint",
        **closed(
            {
                "blueprint": described("The blueprint that the module is made of.", STRING, "ingest_table"),
                "with": described("The values of the blueprint's parameters.", or_null(FREE_OBJECT)),
                "module_name": described("Name of the module, in the place of the blueprint's.", or_null(STRING)),
                "description": described("Description of the job.", or_null(STRING)),
                "job_config": described("Laid over the blueprint's.", or_null(ref("job_config"))),
                "targets": described("In the place of the blueprint's.", or_null(ref("targets"))),
                "presets": described("In the place of the blueprint's.", or_null(listing(STRING))),
                "source_parameters": source_parameters(or_null),
                "adopt": ADOPT,
                "formerly": FORMERLY,
                "after": AFTER,
                "sources": described(
                    "Laid over the blueprint's sources of the same source_id; others are added.",
                    or_null(listing(FREE_OBJECT)),
                ),
                "runs": RUNS,
                **LAST_TASKS,
            },
            required=["blueprint"],
        ),
    },
    "blueprint": {
        "title": "Blueprint",
        **closed(
            {
                "blueprint": described("Name of the blueprint.", STRING, "ingest_table"),
                "description": described("What it makes.", or_null(STRING)),
                "parameters": described(
                    "What differs from module to module; used as `${param.name}`.", or_null(mapping(ref("parameter")))
                ),
                "examples": described(
                    "Values of the parameters, with which the blueprint is checked where nothing uses it.",
                    or_null(listing(FREE_OBJECT)),
                ),
                "module": described("The module that is repeated.", ref("blueprint_module")),
            },
            required=["blueprint", "module"],
        ),
    },
    "parameter": {
        "title": "Parameter",
        **closed(
            {
                "type": described("The type of its values.", {"enum": ["text", "number", "boolean", "list", "map"]}),
                "description": described("What it is.", or_null(STRING)),
                "default": described("What it is where no value is given; may hold other parameters.", {}),
                "required": described("False: without a value it is null.", or_null({"type": "boolean"})),
                "one_of": described("The values that it may have.", or_null(listing({}))),
                "pattern": described("What all of a text must match.", or_null(STRING), "[a-z][a-z0-9_]*"),
                "min": described("The least number, characters or items.", or_null({"type": "number"})),
                "max": described("The most.", or_null({"type": "number"})),
            },
            required=["type"],
        ),
    },
    "blueprint_module": {
        "title": "Module",
        **closed(
            {
                "module_name": described("Name of the module.", STRING, "ingest_${param.table}"),
                "description": described("Description of the job.", or_null(STRING)),
                "job_config": described("Settings of the job.", or_null(or_reference(ref("job_config")))),
                "targets": described("The bundle targets.", or_null(or_reference(ref("targets")))),
                "presets": described("Presets of the project file.", or_null(or_reference(listing(STRING)))),
                "source_parameters": source_parameters(lambda each: or_null(or_reference(each))),
                "adopt": described(
                    "The job of the workspace that the module takes over, by target.",
                    or_null(or_reference(mapping(or_reference(JOB_NUMBER)))),
                    {"prod": "${param.job_id}"},
                ),
                "formerly": FORMERLY,
                "after": {**AFTER, **or_reference(or_null({"anyOf": [listing(STRING), AFTER_MAP]}))},
                "sources": described("What the job does.", listing(ref("blueprint_source"))),
                "runs": described("Modules whose jobs it runs.", or_null(or_reference(listing(ref("run"))))),
                **{field: {**schema, **or_null(or_reference(_BLUEPRINT_LAST))} for field, schema in LAST_TASKS.items()},
            },
            required=["sources"],
        ),
    },
    "blueprint_source": {
        "if": {"required": ["each"]},
        "then": ref("each"),
        "else": closed(
            {
                "source_id": described("Identifies the source.", STRING, "load_${param.table}"),
                "source_type": or_null(STRING),
                "execution_order": or_null({"anyOf": [{"type": "integer"}, ref("reference")]}),
                "depends_on": or_null(or_reference(listing(ref("dependency")))),
                "is_active": described(
                    "False, or a parameter that is, leaves the task out.",
                    or_null({"anyOf": [{"type": "boolean"}, ref("reference")]}),
                ),
                "source_config": or_null(or_reference(FREE_OBJECT)),
                "target_config": or_null(or_reference(FREE_OBJECT)),
                "source_parameters": source_parameters(lambda each: or_null(or_reference(each))),
                **quality(ref("quality"), lambda each: or_null(or_reference(each))),
                "transformation_config": or_reference(ref("transformation_config")),
            },
            required=["source_id", "transformation_config"],
        ),
    },
    "blueprint_last_source": closed(
        {
            "source_id": described("Identifies the source.", STRING, "tell_${param.table}"),
            "is_active": described("False, or a parameter that is, leaves the task out.", or_null(ref("boolean"))),
            "source_config": described("Kept for notebooks.", or_null(or_reference(FREE_OBJECT))),
            "target_config": described("Kept for notebooks.", or_null(or_reference(FREE_OBJECT))),
            "source_parameters": source_parameters(lambda each: or_null(or_reference(each))),
            "transformation_config": described("The task.", or_reference(ref("transformation_config"))),
        },
        required=["source_id", "transformation_config"],
    ),
    "each": {
        "title": "Each",
        **closed(
            {
                "each": described("Sources that are repeated for each row.", listing(ref("blueprint_source"))),
                "each_as": described(
                    "How: a task for each row, or one task that Databricks repeats.", {"enum": ["tasks", "loop"]}
                ),
                "concurrency": described("How many repetitions of a loop run at once.", {"type": "integer"}),
            },
            required=["each"],
        ),
    },
    "job_number": {"title": "Job", **JOB_NUMBER, "x-expected": "the number of a job, as in its address"},
    "target": {"title": "Target", **STRING, "minLength": 1, "x-expected": "the name of a target"},
    "targets": {"anyOf": [listing(ref("target")), mapping(ref("in_target"))]},
    "in_target": {
        "title": "Map for a target",
        "anyOf": [
            closed(
                {
                    "description": described("Description of the job there.", or_null(STRING)),
                    "job_config": described("Laid over that of the module.", or_null(ref("job_config"))),
                    "sources": described(
                        "What is laid over sources of the module, by their source_id.",
                        or_null(mapping(or_null(ref("source_in_target")))),
                        {"load": {"transformation_config": {"max_retries": 5}}},
                    ),
                }
            ),
            {"enum": [False], "description": "The job does not exist in the target."},
            NULL,
        ],
        "x-expected": "a map of what is not the same there, or false for a target without the job",
    },
    "source_in_target": {
        "title": "Source in a target",
        **closed(
            {
                "execution_order": described("The stage in which the task runs there.", or_null({"type": "integer"})),
                "depends_on": described("The sources to wait for there.", or_null(listing(ref("dependency")))),
                "is_active": described("Whether the task exists there.", or_null({"type": "boolean"})),
                **quality(ref("quality_in_target"), or_null),
                "transformation_config": described(
                    "Laid over that of the source.", or_null(ref("transformation_config"))
                ),
            }
        ),
    },
    "source": {
        "title": "Source",
        **closed(
            {
                "source_id": described("Identifies the source; becomes the key of its task.", STRING, "customers"),
                "source_type": described(
                    "Free text for notebooks that read the control table.", or_null(STRING), "sql"
                ),
                "execution_order": described(
                    "The stage in which the task runs: after every task of the nearest lower stage.",
                    or_null({"type": "integer"}),
                    1,
                    2,
                    missing="the stage in which the source runs, such as 1 (or give 'depends_on')",
                ),
                "depends_on": described(
                    "The sources to wait for, in the place of what `execution_order` derives.",
                    or_null(listing(ref("dependency"))),
                    ["customers", {"source_id": "has_new_rows", "outcome": "true"}],
                ),
                "is_active": described("False leaves the task out.", {**or_null({"type": "boolean"}), "default": True}),
                "source_config": described(
                    "Kept in the control table, for notebooks that read it.", or_null(FREE_OBJECT)
                ),
                "target_config": described(
                    "Kept in the control table, for notebooks that read it.", or_null(FREE_OBJECT)
                ),
                "source_parameters": source_parameters(or_null),
                **quality(ref("quality"), or_null),
                "transformation_config": described(
                    "The task: its type, and its settings under their Jobs API names.",
                    ref("transformation_config"),
                    missing="what the task runs, such as {notebook_path: ...}",
                ),
            },
            required=["source_id", "transformation_config"],
        ),
        # One of the two must say when the task runs; a message names the first. Null is as good as absent.
        "anyOf": [
            {"required": ["execution_order"], "properties": {"execution_order": {"type": "integer"}}},
            {"required": ["depends_on"], "properties": {"depends_on": {"type": "array"}}},
            # A row of a table says so that it is one of the module's last tasks.
            {"required": ["source_type"], "properties": {"source_type": {"enum": ["on_failure", "finally"]}}},
        ],
    },
    "quality": {
        "title": "Quality",
        **closed(QUALITY_SETTINGS),
        "anyOf": [{"required": ["checks"]}, {"required": ["checks_table"]}],
    },
    "quality_in_target": closed(QUALITY_SETTINGS),
    "check": CHECK,
    "check_call": CHECK_CALL,
    "expectation": EXPECTATION,
    "last_source": {
        "title": "Last task",
        **closed(
            {
                "source_id": described("Identifies the source; becomes the key of its task.", STRING, "tell"),
                "is_active": described("False leaves the task out.", {**or_null({"type": "boolean"}), "default": True}),
                "source_config": described(
                    "Kept in the control table, for notebooks that read it.", or_null(FREE_OBJECT)
                ),
                "target_config": described(
                    "Kept in the control table, for notebooks that read it.", or_null(FREE_OBJECT)
                ),
                "source_parameters": source_parameters(or_null),
                "transformation_config": described(
                    "The task: its type, and its settings under their Jobs API names.",
                    ref("transformation_config"),
                    missing="what the task runs, such as {notebook_path: ...}",
                ),
            },
            required=["source_id", "transformation_config"],
        ),
    },
    "run": {
        "title": "Run",
        "anyOf": [
            STRING,
            closed(
                {
                    "module": described("The module whose job is run.", STRING, "sales_mart"),
                    "after": described("The modules of the list to wait for.", or_null(listing(STRING)), ["customers"]),
                    "is_active": described("False leaves the run out.", or_null({"type": "boolean"})),
                    "transformation_config": described(
                        "Settings of the task.", or_null(ref("transformation_config")), {"timeout_seconds": 3600}
                    ),
                },
                required=["module"],
            ),
        ],
        "x-expected": "a module_name or {module, after}",
    },
    "dependency": {
        "title": "Dependency",
        "anyOf": [
            STRING,
            closed(
                {
                    "source_id": described("The source to wait for.", STRING, "has_new_rows"),
                    "outcome": described(
                        "The outcome of that condition with which this task runs.",
                        or_null({"enum": ["true", "false", True, False]}),
                        expected='"true" or "false"',
                    ),
                },
                required=["source_id"],
            ),
        ],
        "x-expected": "a source_id or {source_id, outcome}",
    },
}

METADATA = closed(
    {
        "metadata_version": described(
            "Version of the metadata format.", {"anyOf": [STRING, {"type": "number"}, NULL]}, "1.0"
        ),
        "modules": described(
            "The modules; each becomes one job.",
            listing({"if": {"required": ["blueprint"]}, "then": ref("use"), "else": ref("module")}),
        ),
        "blueprints": described("Modules with parameters, for many uses.", listing(ref("blueprint"))),
    },
)
METADATA["anyOf"] = [{"required": ["modules"]}, {"required": ["blueprints"]}]

# How rows of any table become modules.
ROWS: Schema = {
    "blueprint": described("The blueprint that each row fills; may be `${column.x}`.", STRING, "ingest_table"),
    "with": described(
        "What fills parameters besides the columns of the same names; `${column.x}` is a column, also with a path "
        "into its JSON.",
        FREE_OBJECT,
        {"table": "${column.TargetName}", "mode": "${column.Settings.loadType}"},
    ),
    "key": described("The columns that name a row in messages.", {"anyOf": [STRING, listing(STRING)]}, ["TargetName"]),
    "job_per": described(
        "`row`, or what the rows of one job have in common, such as a column.", STRING, "row", "${column.source_system}"
    ),
}

# Where metadata is read from: the key that names the kind of place, with those that may stand beside it.
METADATA_PLACES: dict[str, Schema] = {
    "yaml": {"yaml": described("A YAML file, a folder with all below it, or a glob.", STRING, "metadata/")},
    "delta": {
        "delta": described("A Delta table by path or URL, read without Spark.", STRING, "data/etl_control"),
        **ROWS,
    },
    "table": {
        "table": described("A Unity Catalog table, read over a SQL warehouse.", STRING, "main.etl.etl_control"),
        "warehouse_id": described(
            "The SQL warehouse that reads it; without one, the active Spark session or DATABRICKS_WAREHOUSE_ID.",
            STRING,
        ),
        **ROWS,
    },
    "csv": {
        "csv": described("A CSV file, or a glob, in the project or in a volume.", STRING, "metadata/tables.csv"),
        **ROWS,
    },
    "query": {
        "query": described("A file with one SELECT.", STRING, "sql/pipelines.sql"),
        "warehouse_id": described("The SQL warehouse that runs it.", STRING),
        "tables": described(
            "Runs it over these local Delta tables instead: the name in the query, and the path.",
            mapping(STRING),
            {"ingest_list": "data/ingest_list"},
        ),
        **ROWS,
    },
    "volume": {"volume": described("YAML files in a Unity Catalog volume.", STRING, "/Volumes/main/etl/metadata")},
}

PROJECT = closed(
    {
        "metadata": described(
            "Where the metadata is, read in this order.",
            listing(ref("metadata_place")),
            [{"yaml": "metadata/"}, {"delta": "data/etl_control"}],
        ),
        "output": described("Folder of the generated files.", {**STRING, "default": "resources"}),
        "control_table": described(
            "The table name that notebooks get as parameter `control_table`; by default the table read.",
            STRING,
            "main.etl.etl_control",
        ),
        "source_parameters": source_parameters(lambda each: {**each, "default": "all"}),
        "naming": described("How things are named.", ref("naming")),
        "defaults": described("What holds where metadata says nothing.", ref("defaults")),
        "presets": described(
            "Settings for many modules, laid over the defaults where they apply.", listing(ref("preset"))
        ),
        "policies": described(
            "What every job must be; or the name of a file that has these policies and their exemptions.",
            {"anyOf": [listing(ref("policy")), STRING]},
            "policies.yml",
        ),
        "exemptions": described("Modules that need not follow a policy, up to a day.", listing(ref("exemption"))),
        "templates": described("Templates of your own, in the place of the built-in ones.", ref("templates")),
        "allow_unknown": described(
            "Settings that Databricks knows and this version does not, passed on unchecked.",
            listing({**STRING, "pattern": r"^(job|task)\.[A-Za-z_][A-Za-z0-9_]*$", "examples": ["task.new_setting"]}),
            ["task.new_setting"],
        ),
        "deploy": described("What a deployment may do by itself.", ref("deploy")),
        "bundles": described(
            "Splits the jobs into many bundles, for projects of more than a few hundred.", ref("bundles")
        ),
        "checks": described(
            "How much each check matters, by the code at the end of its diagnostics.",
            mapping({**STRING, "enum": ["error", "warning", "off"]}),
        ),
    }
)

PROJECT_DEFINITIONS: dict[str, Schema] = {
    "metadata_place": {
        **closed({key: schema for place in METADATA_PLACES.values() for key, schema in place.items()}),
        # For editors: the keys of one kind of place, and its own among them.
        "anyOf": [closed({key: {} for key in place}, [kind]) for kind, place in METADATA_PLACES.items()],
    },
    "preset": closed(
        {
            "preset": described("Name of the preset.", STRING, "sales"),
            "description": described("What it is for.", STRING),
            "match": described(
                "Where it applies: to modules for which all of this holds; without it, where a module names it.",
                {"type": "object"},
                {"tag.domain": "sales"},
                {"module": "ingest_*"},
            ),
            "job": described("Settings of the jobs.", ref("preset_job")),
            "task": described("Settings of their tasks.", ref("preset_task")),
            "sources": described("Sources that are added to the jobs.", listing(FREE_OBJECT)),
            **{
                field: described(schema["description"], {"anyOf": [FREE_OBJECT, listing(FREE_OBJECT)]})
                for field, schema in LAST_TASKS.items()
            },
        },
        required=["preset"],
    ),
    "policy": {
        **closed(
            {
                "policy": described(
                    "Name of the policy, which its problems have as the code `policy:NAME`.",
                    {**STRING, "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$", "examples": ["owner-tag"]},
                ),
                "where": described(
                    "Which jobs it is for: those for which all of this holds; without it, all jobs.",
                    FREE_OBJECT,
                    {"target": "prod", "has": "schedule"},
                ),
                "require": described("A setting that must be there.", STRING, "tags.owner"),
                "pattern": described(
                    "A regular expression for the whole text of the setting that `require` names.", STRING, "[a-z.-]+"
                ),
                "require_one": described(
                    "Settings of which at least one must be there.",
                    listing(STRING),
                    ["email_notifications.on_failure", "webhook_notifications.on_failure"],
                ),
                "allow": described(
                    "Settings, each with the only values or globs that it may have.",
                    mapping(listing(PLAIN_VALUE)),
                    {"tasks[*].notebook_task.notebook_path": ["notebooks/**"]},
                ),
                "deny": described(
                    "Settings, each with values or globs that it must not have.",
                    mapping(listing(PLAIN_VALUE)),
                    {"tasks[*].new_cluster.node_type_id": ["*.24xlarge"]},
                ),
                "most": described(
                    "Settings, each with the largest number that it may have.",
                    mapping({"type": "number"}),
                    {"timeout_seconds": 14400},
                ),
                "least": described(
                    "Settings, each with the smallest number that it may have.",
                    mapping({"type": "number"}),
                    {"timeout_seconds": 60},
                ),
                "severity": described(
                    "How bad it is; a job with an error stays as it is.",
                    {**STRING, "enum": ["error", "warning"], "default": "error"},
                ),
                "why": described("The reason, for whoever reads the message.", STRING),
            },
            required=["policy"],
        ),
        # For editors: one of these must say what it wants.
        "anyOf": [{"required": [kind]} for kind in ("require", "require_one", "allow", "deny", "most", "least")],
    },
    "exemption": closed(
        {
            "policy": described("Name of the policy.", STRING, "owner-tag"),
            "modules": described("The names of the modules, or globs.", listing(STRING), ["legacy_*"]),
            "until": described("The last day; after it, the exemption is an error.", STRING, "2027-03-31"),
            "why": described("The reason.", STRING),
        },
        required=["policy", "modules", "until"],
    ),
    "deploy": closed(
        {
            "max_deletes": described(
                "How many jobs one deployment may delete.", {"type": "integer", "minimum": 0, "default": 0}
            ),
            "strict": described(
                "Whether every warning of the databricks CLI is an error.", {"type": "boolean", "default": False}
            ),
            "keep": described(
                "Settings that stay as somebody has set them in the workspace; by default the pauses of what starts "
                "a job.",
                listing({"anyOf": [{"type": "string", "enum": ["pauses"]}, ref("kept_setting")]}),
                ["pauses", {"setting": "email_notifications", "modules": ["sales_*"]}],
            ),
            "hand_edits": described(
                "Whether a job that was edited in the workspace stays as it is, or nothing is deployed at all.",
                {"type": "string", "enum": ["hold_back", "refuse"], "default": "hold_back"},
            ),
            "first_pause": described(
                "Whether what starts a job is paused when the job is created, until `ljm unpause`.",
                {"type": "boolean", "default": False},
            ),
            "approval": described("To which targets only approved versions of a control table go.", ref("approval")),
            "removed": described(
                "Modules that are gone on purpose: their jobs may be deleted, or stay and are forgotten.",
                listing(ref("removed")),
                ["old_report", {"module": "legacy", "keep_job": True}],
            ),
        }
    ),
    "approval": closed(
        {
            "targets": described("The targets of the bundle.", listing(STRING), ["prod"]),
            "other_than_author": described(
                "Whether an approval by somebody who wrote what it is of does not count.",
                {"type": "boolean", "default": False},
            ),
        },
        required=["targets"],
    ),
    "kept_setting": closed(
        {
            "setting": described("The setting of jobs, such as `tags.owner`.", STRING, "email_notifications"),
            "modules": described("Globs of the names of modules; by default all.", listing(STRING), ["sales_*"]),
        },
        required=["setting"],
    ),
    "removed": {
        "anyOf": [
            STRING,
            closed(
                {
                    "module": described("Name of the module.", STRING, "legacy"),
                    "keep_job": described(
                        "Whether its job stays in the workspace, and is only forgotten.",
                        {"type": "boolean", "default": False},
                    ),
                },
                required=["module"],
            ),
        ],
        "x-expected": "the name of a module, or {module, keep_job}",
    },
    "bundles": {
        **closed(
            {
                "jobs_per_bundle": described(
                    "How many jobs a bundle takes.", {"type": "integer", "minimum": 1, "maximum": 4000}, 100
                ),
                "by": described(
                    "The tag of jobs, or the column of a control table, whose values name the bundles.",
                    STRING,
                    "domain",
                ),
                "include": described(
                    "Files that every bundle includes; by default those that databricks.yml includes and that hold no "
                    "resources.",
                    listing(STRING),
                    ["shared.yml"],
                ),
            }
        ),
        # For editors: one of the two must say how.
        "anyOf": [{"required": ["jobs_per_bundle"]}, {"required": ["by"]}],
    },
    "naming": closed(
        {
            "job_name": described(
                "Pattern of the names that jobs get in the workspace.",
                {**STRING, "default": "{module_name}"},
                "Metadata_Driven_ETL_{module_name}",
            ),
            "task_key": described(
                "How a source_id becomes a task key: as written where Databricks takes it, or with `_` for every other "
                "character than letters and digits, as in the original tool.",
                {**STRING, "enum": ["as_written", "underscores"], "default": "as_written"},
                "underscores",
            ),
        }
    ),
    "defaults": closed(
        {
            "warehouse_id": described(
                "SQL warehouse of the tasks that need one and name none.", STRING, "${var.warehouse_id}"
            ),
            "job": described("Settings of every job; a module's job_config wins.", ref("job_defaults")),
            "task": described("Settings of every task; a source's own settings win.", ref("task_defaults")),
        }
    ),
    "templates": closed({"job": described("Jinja template of the job files.", STRING, "templates/job.yml.j2")}),
}
