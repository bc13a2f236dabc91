"""Derives the JSON Schemas beside this file from the dataclasses of databricks-sdk.

In: the installed databricks-sdk, the tables below for what it does not say, and `handwritten.py`.
Out: `job.schema.json` (job and task settings as bundles take them), `metadata.schema.json` and
`project.schema.json` (what users write, for editors), each self-contained and byte-stable, so that the diff
of an SDK upgrade shows what Databricks changed. Definitions in CamelCase are the SDK's, those in lower case
ours. `--check` writes nothing: it names the stale files and exits 1. Never talks to Databricks; an SDK that
has outgrown the tables is an error.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard, Union, get_args, get_origin, get_type_hints

from databricks.sdk import version as sdk
from databricks.sdk.service import jobs

from handwritten import (
    METADATA,
    METADATA_DEFINITIONS,
    METADATA_FORMS,
    NESTED_TASK_KEY,
    NOTEBOOK_SETTINGS,
    NULL,
    PROJECT,
    PROJECT_DEFINITIONS,
    SHARED_DEFINITIONS,
    STRING,
    Schema,
    closed,
    described,
    listing,
    mapping,
    or_null,
    or_reference,
    ref,
)

FOLDER = Path(__file__).parent
LONGEST_DESCRIPTION = 300

# Metadata's short name of a task type -> the block of the Jobs API that it stands for.
TASK_TYPES = {
    "notebook": "notebook_task",
    "sql_query": "sql_task",
    "sql_file": "sql_task",
    "sql": "sql_task",  # every other sql_task: a legacy alert or dashboard
    "python_script": "spark_python_task",
    "python_wheel": "python_wheel_task",
    "python_operator": "python_operator_task",
    "spark_jar": "spark_jar_task",
    "spark_submit": "spark_submit_task",
    "pipeline": "pipeline_task",
    "dbt": "dbt_task",
    "dbt_platform": "dbt_platform_task",
    "dbt_cloud": "dbt_cloud_task",
    "run_job": "run_job_task",
    "condition": "condition_task",
    "for_each": "for_each_task",
    "dashboard": "dashboard_task",
    "alert": "alert_task",
    "power_bi": "power_bi_task",
    "clean_rooms_notebook": "clean_rooms_notebook_task",
    "ai_function": "ai_function_task",
    "ai_runtime": "ai_runtime_task",
    "gen_ai_compute": "gen_ai_compute_task",
}

# What the SDK's dataclasses hold and nobody sets in a bundle, each with the reason.
NOT_SETTABLE = {
    ("JobSettings", "deployment"): "bundles set it: it is how Databricks knows that a bundle manages the job",
    ("JobSettings", "edit_mode"): "bundles set it, to lock the job in the UI",
    ("JobSettings", "format"): "bundles set it; Jobs API: 'ignored in Create/Update/Reset calls'",
    ("GitSource", "git_snapshot"): "Jobs API: read-only, 'only included on job runs'",
}

# What bundles take and the Jobs API does not, by definition: added to the SDK's, or a new one of ours.
BUNDLE_ONLY: dict[str, Schema] = {
    "JobSettings": closed(
        {
            # Bundle documentation, resources > job > permissions; `databricks bundle schema`: resources.Job.
            "permissions": described("Who may see, run and manage the job.", or_reference(listing(ref("permission")))),
            # Bundle documentation, resources > lifecycle; `databricks bundle schema`: resources.Lifecycle.
            # Its other field, `started`, exists for apps, clusters and SQL warehouses only.
            "lifecycle": described("How the bundle may treat the job.", ref("lifecycle")),
        }
    ),
    "permission": closed(
        {
            "level": described("What the user, group or service principal may do.", ref("JobPermissionLevel")),
            "user_name": described("The user who gets the level.", STRING, "someone@example.com"),
            "group_name": described("The group that gets the level.", STRING, "users"),
            "service_principal_name": described("Application id of the service principal that gets it.", STRING),
        },
        required=["level"],
    ),
    "lifecycle": closed(
        {"prevent_destroy": described("Makes `bundle destroy` fail instead of deleting the job.", ref("boolean"))}
    ),
}

SCALARS: dict[object, Schema] = {str: STRING, int: ref("integer"), float: ref("number"), bool: ref("boolean")}


class SdkChangedError(Exception):
    """The installed databricks-sdk holds something that the tables of this script do not know."""


def is_model(hint: object) -> TypeGuard[type[Any]]:
    """Whether a type gets a definition of its own: a dataclass or an enumeration."""
    return isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, Enum))


def models_in(hint: object) -> Iterator[type[Any]]:
    """The models that a type annotation names, at any depth."""
    if is_model(hint):
        yield hint
    for argument in get_args(hint):
        yield from models_in(argument)


def settable_fields(model: type[Any]) -> Iterator[tuple[dataclasses.Field[Any], object]]:
    """The fields of a dataclass that a user may set, each with its resolved type, in the SDK's order."""
    hints = get_type_hints(model)
    for field in dataclasses.fields(model):
        if (model.__name__, field.name) not in NOT_SETTABLE:
            yield field, hints[field.name]


@cache
def definition_names() -> dict[type[Any], str]:
    """Every model that the settings of a job can hold, with the name of its definition."""
    found: set[type[Any]] = set()
    waiting: list[type[Any]] = [jobs.JobSettings, jobs.JobPermissionLevel]
    while waiting:
        model = waiting.pop()
        if model not in found and dataclasses.is_dataclass(model):
            waiting += [inner for _, hint in settable_fields(model) for inner in models_in(hint)]
        found.add(model)
    uses = Counter(model.__name__ for model in found)
    return {model: definition_name(model, uses[model.__name__] > 1) for model in found}


def definition_name(model: type[Any], ambiguous: bool) -> str:
    """The class name; after the name of its module where another SDK module has the same class name."""
    return f"{model.__module__.rpartition('.')[2]}.{model.__name__}" if ambiguous else model.__name__


@cache
def class_nodes(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module as written: the texts under attributes exist in the source only."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def model_documentation(model: type[Any]) -> str:
    """What the SDK's source says about a model; empty where it says nothing."""
    return ast.get_docstring(class_nodes(model.__module__)[model.__name__]) or ""


def field_documentation(model: type[Any]) -> dict[str, str]:
    """What the SDK's source says about the fields of a dataclass, under each of them."""
    found = {}
    for statement, following in pairwise(class_nodes(model.__module__)[model.__name__].body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
    return found


# From the SDK's markup to plain words: white space, links (two spellings), code, roles, notes to themselves.
PLAIN_WORDS = (
    (re.compile(r"\s+"), " "),
    (re.compile(r"`([^`<]+?) ?<[^>]+>`__"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"``([^`]+)``"), r"`\1`"),
    (re.compile(r":method:"), ""),
    (re.compile(r" ?TODO\(.*$"), ""),
)
SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z]|$)")
# Environment.client is documented by nothing but "Use ``environment_version`` instead."
DEPRECATION = re.compile(r"deprecat|do not use|^use `+\w+`+ instead", re.IGNORECASE)


def summary(documentation: str) -> str:
    """The first paragraph in plain words, cut at a sentence's end where it is long or leads to a list."""
    text = inspect.cleandoc(documentation).split("\n\n")[0]
    for pattern, replacement in PLAIN_WORDS:
        text = pattern.sub(replacement, text)
    if len(text) <= LONGEST_DESCRIPTION and not text.endswith(":"):
        return text
    ends = [end.end() for end in SENTENCE_END.finditer(text)]
    return text[: max((end for end in ends if end <= LONGEST_DESCRIPTION), default=min(ends, default=None))]


def notes(documentation: str, deprecated: bool) -> Schema:
    """The keywords that say what something is for, and that they should not use it."""
    text = {"description": summary(documentation)} if documentation else {}
    return text | ({"deprecated": True} if deprecated else {})


def is_deprecated(model: type[Any]) -> bool:
    """Whether the model itself is deprecated; that it mentions another that is does not count."""
    return model_documentation(model).lower().startswith("deprecated")


def type_schema(hint: object) -> Schema:
    """The schema of one type annotation of the SDK.

    Raises:
        SdkChangedError: the annotation is of a kind the SDK has not used before.
    """
    arguments = [argument for argument in get_args(hint) if argument is not type(None)]
    if get_origin(hint) is Union and len(arguments) == 1:
        return type_schema(arguments[0])
    if get_origin(hint) is list:
        return or_reference(listing(type_schema(arguments[0])))
    if get_origin(hint) is dict:
        return or_reference(mapping(type_schema(arguments[1])))
    if hint in SCALARS:
        return SCALARS[hint]
    if is_model(hint):
        pointer = ref(definition_names()[hint])
        return or_reference(pointer) if hint is jobs.Task else pointer
    raise SdkChangedError(f"databricks-sdk {sdk.__version__} types a setting as {hint}, new to type_schema().")


def property_schema(hint: object, documentation: str) -> Schema:
    """The schema of one setting, with what the SDK says about it."""
    deprecated = bool(DEPRECATION.search(documentation)) or any(map(is_deprecated, models_in(hint)))
    return notes(documentation, deprecated) | type_schema(hint)


def dataclass_schema(model: type[Any]) -> Schema:
    """The closed object that a dataclass of the SDK stands for."""
    documentation = field_documentation(model)
    fields = list(settable_fields(model))
    no = dataclasses.MISSING
    return closed(
        {field.name: property_schema(hint, documentation.get(field.name, "")) for field, hint in fields},
        [field.name for field, _ in fields if field.default is no and field.default_factory is no],
    )


def enum_schema(model: type[Enum]) -> Schema:
    """The values of an enumeration, and which of them its documentation lists as deprecated."""
    values = [member.value for member in model]
    _, _, listed = model_documentation(model).partition("deprecated")
    deprecated = [value for value in values if f"- ``{value}``" in listed]
    return {**STRING, "enum": values, **({"x-deprecated-values": deprecated} if deprecated else {})}


def model_schema(model: type[Any]) -> Schema:
    """The definition of one model; all but the two roots may be given as a reference instead."""
    schema = enum_schema(model) if issubclass(model, Enum) else dataclass_schema(model)
    annotations = notes(model_documentation(model), is_deprecated(model))
    return annotations | (schema if model in (jobs.JobSettings, jobs.Task) else or_reference(schema))


def job_definitions() -> dict[str, Schema]:
    """Every definition of the job schema: the two roots, the shared ones, then the rest by name."""
    derived = {name: model_schema(model) for model, name in definition_names().items()}
    for name, bundle_only in BUNDLE_ONLY.items():
        if name in derived:
            derived[name]["properties"].update(bundle_only["properties"])
        else:
            derived[name] = or_reference(bundle_only)
    roots = {name: derived.pop(name) for name in ("JobSettings", "Task")}
    return roots | SHARED_DEFINITIONS | dict(sorted(derived.items()))


def refuse_unknown_task_blocks() -> None:
    """Keeps the table of task types and the SDK's task blocks the same.

    Raises:
        SdkChangedError: names the blocks that only one of the two knows.
    """
    blocks = {field.name for field in dataclasses.fields(jobs.Task) if field.name.endswith("_task")}
    different = sorted(blocks.symmetric_difference(TASK_TYPES.values()))
    if different:
        raise SdkChangedError(
            f"TASK_TYPES in schemas/derive.py and databricks-sdk {sdk.__version__} differ in "
            f"{', '.join(different)}: name what the SDK has there, and remove what it has not."
        )


def without(properties: Schema, *names: str) -> Schema:
    """The properties but for these."""
    return {name: schema for name, schema in properties.items() if name not in names}


def nullable(properties: Schema) -> Schema:
    """The same settings, each of which may be null, too: that removes a default."""
    heads = ("description", "deprecated")
    return {
        name: {key: schema[key] for key in heads if key in schema} | or_null(without(schema, *heads))
        for name, schema in properties.items()
    }


def in_metadata(definition: Schema, form: dict[str, Schema | None]) -> Schema:
    """The definition of a task block as metadata writes it."""
    block, *others = definition["anyOf"]
    added = {name: schema for name, schema in form.items() if schema is not None}
    required = [name for name in block.get("required", ()) if form.get(name, NULL) is not None]
    return {**definition, "anyOf": [closed(block["properties"] | added, required), *others]}


def metadata_definitions() -> dict[str, Schema]:
    """Metadata's own definitions, and the job schema's in the form that metadata writes them."""
    derived = job_definitions()
    job, task = derived["JobSettings"]["properties"], derived["Task"]["properties"]
    task_types = {**STRING, "enum": list(TASK_TYPES)}
    config = {
        "task_type": described("The kind of task; not needed where its block says it.", task_types),
        **NOTEBOOK_SETTINGS,
        **nullable(without(task, "task_key", "depends_on")),
    }
    return {
        **METADATA_DEFINITIONS,
        "job_config": closed(nullable(without(job, "tasks"))),
        "transformation_config": closed(config),
        "iteration_task": closed({"task_key": NESTED_TASK_KEY, **config}),
        **derived,
        **{name: in_metadata(derived[name], form) for name, form in METADATA_FORMS.items()},
    }


def project_definitions() -> dict[str, Schema]:
    """The project file's own definitions, and the job schema's."""
    derived = job_definitions()
    job, task = derived["JobSettings"]["properties"], derived["Task"]["properties"]
    blocks = set(TASK_TYPES.values())
    return {
        **PROJECT_DEFINITIONS,
        "job_defaults": closed(without(job, "name", "tasks")),
        "task_defaults": closed(without(task, "task_key", "depends_on", *blocks)),
        # Null in a preset takes a default away; below the defaults is nothing.
        "preset_job": closed(nullable(without(job, "name", "tasks"))),
        "preset_task": closed(nullable(without(task, "task_key", "depends_on", *blocks))),
        **derived,
    }


def definitions_used(schema: object) -> Iterator[str]:
    """The definitions that a schema itself points at."""
    if isinstance(schema, dict):
        if isinstance(pointer := schema.get("$ref"), str):
            yield pointer.removeprefix("#/$defs/")
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from definitions_used(part)


def document(kind: str, description: str, body: Schema, definitions: dict[str, Schema]) -> Schema:
    """A whole schema file: its head, its body, and those definitions that the body needs."""
    needed: set[str] = set()
    waiting = list(definitions_used(body))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            waiting += definitions_used(definitions[name])
        needed.add(name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://lakeflow-job-meta.dev/schemas/{kind}.schema.json",
        "title": f"Lakeflow Job Meta: {kind}",
        "description": description,
        "x-databricks-sdk": sdk.__version__,
        **body,
        "$defs": {name: schema for name, schema in definitions.items() if name in needed},
    }


def derive() -> dict[str, str]:
    """The text of every schema file by its name, for the installed SDK.

    Raises:
        SdkChangedError: the SDK holds something that the tables do not know.
    """
    refuse_unknown_task_blocks()
    documents = {
        "job": ("Settings of a Databricks job in a bundle.", ref("JobSettings"), job_definitions()),
        "metadata": ("Modules and their sources: jobs and their tasks.", METADATA, metadata_definitions()),
        "project": ("The project file, job_meta.yml.", PROJECT, project_definitions()),
    }
    return {
        f"{kind}.schema.json": json.dumps(document(kind, *parts), indent=2, ensure_ascii=False) + "\n"
        for kind, parts in documents.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Writes the schema files, or with `--check` only names those that are stale."""
    parser = argparse.ArgumentParser(description="Derive the JSON Schemas from databricks-sdk.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    check = parser.parse_args(arguments).check
    try:
        texts = {FOLDER / name: text for name, text in derive().items()}
    except SdkChangedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"schemas/{path.name} {'is stale' if check else 'written'}", file=sys.stderr)
        if not check:
            path.write_text(texts[path], encoding="utf-8", newline="\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
