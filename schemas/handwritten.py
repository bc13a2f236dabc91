"""The parts of the JSON Schemas that people write: metadata files and the project file, in small pieces.

Data only, for `derive.py`. What is pointed at here and not defined here holds settings of jobs and tasks, and
is defined there: `job_config`, `transformation_config`, `iteration_task`, `job_defaults`, `task_defaults`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]


def ref(definition: str) -> Schema:
    """Points at one of the schema's own definitions."""
    return {"$ref": f"#/$defs/{definition}"}


def or_reference(schema: Schema) -> Schema:
    """Takes a bundle reference in the place of the real thing, which always stands first."""
    return {"anyOf": [schema, ref("reference")]}


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


def said(description: str, schema: Schema, *examples: object) -> Schema:
    """A property with what it is for."""
    return {"description": description, **schema, **({"examples": list(examples)} if examples else {})}


STRING: Schema = {"type": "string"}
NULL: Schema = {"type": "null"}
FREE_OBJECT: Schema = {"type": "object"}
# The grammar of `databricks bundle`: a segment is a letter, then letters, digits, hyphens and underscores.
SEGMENT = "[a-zA-Z][a-zA-Z0-9_-]*"
REFERENCE = rf"^\$\{{{SEGMENT}(\.{SEGMENT}(\[[0-9]+\])*)*(\[[0-9]+\])*\}}$"

SHARED_DEFINITIONS: dict[str, Schema] = {
    "reference": said(
        "A bundle reference, resolved by the databricks CLI.",
        {**STRING, "pattern": REFERENCE, "x-stand-in": True},
        "${var.retries}",
        "${resources.jobs.other.id}",
    ),
    **{kind: {"anyOf": [{"type": kind}, ref("reference")]} for kind in ("integer", "number", "boolean")},
}

# How metadata writes a task block of the Jobs API: what it may say besides, or (None) may leave out.
METADATA_FORMS: dict[str, dict[str, Schema | None]] = {
    "NotebookTask": {"notebook_path": None},  # it may stand in transformation_config itself
    "SqlTask": {
        "warehouse_id": None,  # the project's defaults may name one
        "sql_query": said(
            "SQL text, made a file of the bundle. Values come by `parameters` and `:name`, not `${...}`.",
            STRING,
            "SELECT * FROM bronze.customers WHERE age > :min_age",
        ),
        "sql_file_path": said(
            "A SQL file: an absolute workspace path, or one relative to the project folder.",
            STRING,
            "/Workspace/queries/daily.sql",
            "sql/daily.sql",
        ),
        "query_id": said("Id of a query that is saved in the workspace.", STRING),
    },
    "RunJobTask": {
        "job_id": None,
        "module_name": said("The module whose job is run, in the place of `job_id`.", STRING, "bronze_to_silver"),
    },
    "ForEachTask": {
        "task": said(
            "The task that runs for every input, written like a transformation_config.",
            or_reference(ref("iteration_task")),
        )
    },
}

# What metadata may say of a task besides `task_type` and the settings of the Jobs API.
NOTEBOOK_SETTINGS: Schema = {
    "notebook_path": said(
        "The notebook to run: an absolute workspace path, or one relative to the project folder.",
        STRING,
        "/Workspace/etl/ingest",
        "notebooks/ingest.py",
    ),
    "base_parameters": said(
        "Parameters of the notebook besides `source_id` and `control_table`, which it gets anyway.",
        or_reference(mapping(STRING)),
        {"threshold": "5.0"},
    ),
}
NESTED_TASK_KEY = said("Key of the nested task; without it, the outer key and `_iteration`.", STRING)

METADATA_DEFINITIONS: dict[str, Schema] = {
    "module": closed(
        {
            "module_name": said("Name of the module, which becomes one job.", STRING, "bronze_to_silver"),
            "description": said("Description of the job.", STRING),
            "job_config": said("Settings of the job under their Jobs API names.", ref("job_config")),
            "targets": said(
                "The bundle targets in which the job exists; without it, in all of them.",
                listing(STRING),
                ["dev", "prod"],
            ),
            "sources": said("What the job does; each source becomes one task.", listing(ref("source"))),
        },
        required=["module_name", "sources"],
    ),
    "source": {
        **closed(
            {
                "source_id": said("Identifies the source; becomes the key of its task.", STRING, "customers"),
                "source_type": said("Free text for notebooks that read the control table.", STRING, "sql"),
                "execution_order": said(
                    "The stage in which the task runs: after every task of the nearest lower stage.",
                    {"type": "integer"},
                    1,
                    2,
                ),
                "depends_on": said(
                    "The sources to wait for, in the place of what `execution_order` derives.",
                    listing({"anyOf": [STRING, ref("dependency")]}),
                    ["customers", {"source_id": "has_new_rows", "outcome": "true"}],
                ),
                "is_active": said("False leaves the task out.", {"type": "boolean", "default": True}),
                "source_config": said("Kept in the control table, for notebooks that read it.", FREE_OBJECT),
                "target_config": said("Kept in the control table, for notebooks that read it.", FREE_OBJECT),
                "transformation_config": said(
                    "The task: its type, and its settings under their Jobs API names.",
                    ref("transformation_config"),
                ),
            },
            required=["source_id", "transformation_config"],
        ),
        # For editors: one of the two must say when the task runs.
        "anyOf": [{"required": ["execution_order"]}, {"required": ["depends_on"]}],
    },
    "dependency": closed(
        {
            "source_id": said("The source to wait for.", STRING, "has_new_rows"),
            "outcome": said(
                "The outcome of that condition with which this task runs.",
                {**STRING, "enum": ["true", "false"]},
            ),
        },
        required=["source_id"],
    ),
}

METADATA = closed(
    {
        "metadata_version": said("Version of the metadata format.", STRING, "1.0"),
        "modules": said("The modules; each becomes one job.", listing(ref("module"))),
    }
)

# Where metadata is read from: the key that names the kind of place, with those that may stand beside it.
METADATA_PLACES: dict[str, Schema] = {
    "yaml": {"yaml": said("A YAML file, a folder with all below it, or a glob.", STRING, "metadata/")},
    "delta": {"delta": said("A Delta table by path or URL, read without Spark.", STRING, "data/etl_control")},
    "table": {
        "table": said("A Unity Catalog table, read over a SQL warehouse.", STRING, "main.etl.etl_control"),
        "warehouse_id": said(
            "The SQL warehouse that reads it; without one, the active Spark session or DATABRICKS_WAREHOUSE_ID.",
            STRING,
        ),
    },
    "volume": {"volume": said("YAML files in a Unity Catalog volume.", STRING, "/Volumes/main/etl/metadata")},
}

PROJECT = closed(
    {
        "metadata": said(
            "Where the metadata is, read in this order.",
            listing(ref("metadata_place")),
            [{"yaml": "metadata/"}, {"delta": "data/etl_control"}],
        ),
        "output": said("Folder of the generated files.", {**STRING, "default": "resources"}),
        "control_table": said(
            "The table name that notebooks get as parameter `control_table`; by default the table read.",
            STRING,
            "main.etl.etl_control",
        ),
        "naming": said("How things are named.", ref("naming")),
        "defaults": said("What holds where metadata says nothing.", ref("defaults")),
        "templates": said("Templates of your own, in the place of the built-in ones.", ref("templates")),
        "allow_unknown": said(
            "Settings that Databricks knows and this version does not, passed on unchecked.",
            listing({**STRING, "pattern": r"^(job|task)\.[A-Za-z_][A-Za-z0-9_]*$", "examples": ["task.new_setting"]}),
            ["task.new_setting"],
        ),
        "deploy": said("What a deployment may do without being told so.", ref("deploy")),
        "bundles": said("Parts the jobs into many bundles, for projects of more than a few hundred.", ref("bundles")),
        "checks": said(
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
    "deploy": closed(
        {
            "max_deletes": said(
                "How many jobs one deployment may delete.", {"type": "integer", "minimum": 0, "default": 0}
            )
        }
    ),
    "bundles": {
        **closed(
            {
                "jobs_per_bundle": said(
                    "How many jobs a bundle takes.", {"type": "integer", "minimum": 1, "maximum": 4000}, 100
                ),
                "by": said(
                    "The tag of jobs, or the column of a control table, whose values name the bundles.",
                    STRING,
                    "domain",
                ),
                "include": said(
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
            "job_name": said(
                "Pattern of the names that jobs get in the workspace.",
                {**STRING, "default": "{module_name}"},
                "Metadata_Driven_ETL_{module_name}",
            )
        }
    ),
    "defaults": closed(
        {
            "warehouse_id": said(
                "SQL warehouse of the tasks that need one and name none.", STRING, "${var.warehouse_id}"
            ),
            "job": said("Settings of every job; a module's job_config wins.", ref("job_defaults")),
            "task": said("Settings of every task; a source's own settings win.", ref("task_defaults")),
        }
    ),
    "templates": closed({"job": said("Jinja template of the job files.", STRING, "templates/job.yml.j2")}),
}
