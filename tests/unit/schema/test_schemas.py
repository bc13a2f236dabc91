"""What the JSON Schemas accept and refuse, and that `schemas/derive.py` makes them of databricks-sdk."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Iterator
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, Union, get_args, get_origin

import jsonschema
import jsonschema_rs
import pytest
from databricks.sdk.service import jobs
from databricks.sdk.version import __version__ as installed_sdk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.project_folder import REPOSITORY
from support.slow import few

SCHEMAS = REPOSITORY / "schemas"
KINDS = ("job", "metadata", "project")
# Settings at the top of a job or a task about which the SDK says nothing.
SILENT_IN_THE_SDK = {"dbt_platform_task", "gen_ai_compute_task", "health"}
MADE_FROM = json.loads((SCHEMAS / "job.schema.json").read_text("utf-8"))["x-databricks-sdk"]
pytestmark = pytest.mark.skipif(
    installed_sdk != MADE_FROM,
    reason=f"the schemas are made from databricks-sdk {MADE_FROM}, which `make test` installs; here is {installed_sdk}",
)
REGENERATE = "run `python schemas/derive.py` and review the diff"
ALLOWED_KEYWORDS = {
    *("$schema", "$id", "$defs", "$ref", "title", "description", "deprecated", "examples", "default"),
    *("type", "properties", "additionalProperties", "required", "enum", "items", "anyOf"),
    *("pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"),
}
CHOICE = ("if", "then", "else")
"""For editors alone: modules of blueprints and `each` are told apart before anything is compared with a schema."""


@cache
def load_derive() -> ModuleType:
    """The script as a module; its folder is no package, and is on the path only while it is imported."""
    spec = importlib.util.spec_from_file_location("derive_schemas", SCHEMAS / "derive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(SCHEMAS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCHEMAS))
    return module


@pytest.fixture
def derive() -> ModuleType:
    return load_derive()


@cache
def schema_of(kind: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{kind}.schema.json").read_text("utf-8"))


@cache
def validator(kind: str, definition: str | None = None) -> Any:
    """Validates against a whole schema, or against one of its definitions."""
    schema = schema_of(kind)
    if definition is not None:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    return jsonschema_rs.validator_for(schema)


def problems(kind: str, instance: object) -> list[str]:
    return [error.message for error in validator(kind).iter_errors(instance)]


def inner_type(hint: Any) -> Any:
    """The type itself, where it is optional."""
    if get_origin(hint) is not Union:
        return hint
    [inner] = [argument for argument in get_args(hint) if argument is not type(None)]
    return inner


def fields_of(model: Any) -> list[tuple[str, Any, bool]]:
    """Name, type and whether it is required, of each field that a user may set."""
    return [
        (field.name, inner_type(hint), field.default is dataclasses.MISSING)
        for field, hint in load_derive().settable_fields(model)
    ]


def holds_models(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint) or any(map(holds_models, get_args(hint)))


def every_setting(hint: Any, *within: Any) -> Any:
    """A value of the type with every field there is; a task within a task has no further task within."""
    if dataclasses.is_dataclass(hint):
        return {
            name: every_setting(inner, hint, *within)
            for name, inner, _ in fields_of(hint)
            if not (name == "for_each_task" and hint in within)
        }
    if get_origin(hint) is list:
        return [every_setting(get_args(hint)[0], *within)]
    if get_origin(hint) is dict:
        return {"key": "value"}
    if issubclass(hint, Enum):
        return next(iter(hint)).value
    return {str: "text", int: 1, float: 0.5, bool: True}[hint]


def some_settings(hint: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of the type, each with a few of its optional fields."""
    if dataclasses.is_dataclass(hint):
        return some_fields(hint, depth + 1)
    if get_origin(hint) is list:
        return st.lists(some_settings(get_args(hint)[0], depth), min_size=1, max_size=2)
    if get_origin(hint) is dict:
        return st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)
    if issubclass(hint, Enum):
        return st.sampled_from([member.value for member in hint])
    return {
        str: st.text(max_size=8),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
    }[hint]


@st.composite
def some_fields(draw: st.DrawFn, model: Any, depth: int) -> dict[str, Any]:
    fields = fields_of(model)
    # Deep down only what cannot hold more; required fields end by themselves.
    optional = [name for name, hint, required in fields if not required and (depth < 5 or not holds_models(hint))]
    chosen = draw(st.lists(st.sampled_from(optional), unique=True, max_size=4)) if optional else []
    return {name: draw(some_settings(hint, depth)) for name, hint, required in fields if required or name in chosen}


DATACLASSES = sorted(
    ((name, model) for model, name in load_derive().definition_names().items() if dataclasses.is_dataclass(model)),
    key=lambda pair: pair[0],
)
each_dataclass = pytest.mark.parametrize(("name", "model"), DATACLASSES, ids=[name for name, _ in DATACLASSES])


def subschemas(schema: Any, where: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """The schema and every schema in it, each with its place."""
    yield where, schema
    for keyword in ("properties", "$defs"):
        for name, part in schema.get(keyword, {}).items():
            yield from subschemas(part, f"{where}/{keyword}/{name}")
    for keyword in ("items", "additionalProperties", *CHOICE[1:]):
        if isinstance(schema.get(keyword), dict):
            yield from subschemas(schema[keyword], f"{where}/{keyword}")
    for index, part in enumerate(schema.get("anyOf", [])):
        yield from subschemas(part, f"{where}/anyOf/{index}")


@pytest.mark.parametrize("kind", KINDS)
def test_deriving_a_schema_again_gives_the_same_text(derive, kind):
    committed = (SCHEMAS / f"{kind}.schema.json").read_text("utf-8")
    assert derive.derive()[f"{kind}.schema.json"] == committed, (
        f"{kind}.schema.json was made from databricks-sdk {schema_of(kind)['x-databricks-sdk']} and is stale "
        f"(installed: {installed_sdk}): {REGENERATE}"
    )


def test_check_names_stale_files_and_writes_nothing(derive, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(derive, "FOLDER", tmp_path)
    assert derive.main([]) == 0
    (tmp_path / "job.schema.json").write_text("{}\n", encoding="utf-8")
    capsys.readouterr()

    assert derive.main(["--check"]) == 1

    assert capsys.readouterr().err == "schemas/job.schema.json is stale\n"
    assert (tmp_path / "job.schema.json").read_text("utf-8") == "{}\n"


def test_check_is_content_with_fresh_files(derive, tmp_path, monkeypatch):
    monkeypatch.setattr(derive, "FOLDER", tmp_path)
    derive.main([])
    assert derive.main(["--check"]) == 0


@pytest.mark.parametrize("kind", few(["project"], sorted({*KINDS} - {"project"})))
def test_a_schema_is_a_valid_schema(kind):
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_uses_only_the_keywords_that_our_walker_reads(kind):
    foreign = {
        f"{where}/{keyword}"
        for where, schema in subschemas(schema_of(kind))
        for keyword in schema
        if keyword not in ALLOWED_KEYWORDS and keyword not in CHOICE and not keyword.startswith("x-")
    }
    assert foreign == set()


def shape_of(schema: dict[str, Any]) -> str:
    """The shape as a walker tells it: by `$ref`, then `type`, then `anyOf`."""
    if "$ref" in schema:
        return "pointer"
    if "type" not in schema:
        return "choice"
    if schema["type"] == "object":
        return "closed object" if schema["additionalProperties"] is False else "map"
    return schema["type"]


def test_a_choice_is_the_real_thing_and_then_nothing_but_references():
    reference = {"$ref": "#/$defs/reference"}
    for where, schema in subschemas(schema_of("job")):
        if shape_of(schema) == "choice":
            real, *others = schema["anyOf"]
            assert shape_of(real) != "choice", where
            assert others == [reference], where
        else:
            assert "anyOf" not in schema, where


def test_the_roots_of_the_job_schema_are_plain_closed_objects():
    definitions = schema_of("job")["$defs"]
    assert {shape_of(definitions[root]) for root in ("JobSettings", "Task")} == {"closed object"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_holds_exactly_the_definitions_it_points_at(kind):
    schema = schema_of(kind)
    pointed_at = {part["$ref"].removeprefix("#/$defs/") for _, part in subschemas(schema) if "$ref" in part}
    assert pointed_at == set(schema["$defs"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_and_default_is_valid_where_it_stands(kind):
    definitions = schema_of(kind)["$defs"]
    for where, part in subschemas(schema_of(kind)):
        shown = part.get("examples", []) + ([part["default"]] if "default" in part else [])
        for example in shown:
            alone = jsonschema_rs.validator_for({**part, "$defs": definitions})
            assert alone.is_valid(example), (where, example)


@pytest.mark.parametrize("kind", ["metadata", "project"])
def test_every_property_that_is_ours_says_what_it_is_for(kind):
    definitions = schema_of(kind)["$defs"]
    ours = [schema_of(kind), *(definitions[name] for name in definitions if name.islower())]
    silent = [
        name
        for definition in ours
        for name, part in definition.get("properties", {}).items()
        if "description" not in part and name not in SILENT_IN_THE_SDK
    ]
    assert silent == []


def test_every_task_block_of_the_sdk_has_a_short_name(derive):
    blocks = {field.name for field in dataclasses.fields(jobs.Task) if field.name.endswith("_task")}
    assert set(derive.TASK_TYPES.values()) == blocks


def test_a_task_block_without_a_short_name_stops_the_derivation(derive, monkeypatch, capsys):
    monkeypatch.delitem(derive.TASK_TYPES, "dashboard")
    assert derive.main(["--check"]) == 1
    assert "dashboard_task" in capsys.readouterr().err


def test_a_kind_of_type_that_the_sdk_has_not_used_before_stops_the_derivation(derive):
    with pytest.raises(derive.SdkChangedError, match="complex"):
        derive.type_schema(list[complex])


def test_every_setting_of_the_sdk_is_accepted_under_the_name_the_api_gives_it():
    maximal = every_setting(jobs.JobSettings)
    assert jobs.JobSettings.from_dict(maximal).as_dict() == maximal
    assert problems("job", maximal) == []


@settings(
    max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(some_settings(jobs.JobSettings))
def test_whatever_the_sdk_gives_back_is_accepted(job):
    assert problems("job", jobs.JobSettings.from_dict(job).as_dict()) == []


@each_dataclass
def test_an_unknown_key_is_refused(name, model):
    complete = every_setting(model)
    assert validator("job", name).is_valid(complete)
    assert not validator("job", name).is_valid({**complete, "no_such_setting": 1})


@each_dataclass
def test_a_field_is_required_where_the_sdk_has_no_default(name, model):
    complete = every_setting(model)
    needed = {
        left_out
        for left_out in complete
        if not validator("job", name).is_valid({k: v for k, v in complete.items() if k != left_out})
    }
    assert needed == {field for field, _, required in fields_of(model) if required}


def wrong_values(hint: Any) -> list[Any]:
    """Values that are not of the type, nor a reference to one that is."""
    if dataclasses.is_dataclass(hint):
        return [[], "text", 5, None]
    if get_origin(hint) is list:
        return [{}, "text", 5, None, *([value] for value in wrong_values(get_args(hint)[0]))]
    if get_origin(hint) is dict:
        return [[], "text", None, {"key": 5}]
    if issubclass(hint, Enum):
        return ["NO_SUCH_VALUE", 5, [], None]
    return {
        str: [5, 1.5, True, [], {}, None],
        int: ["5", 1.5, True, [], None],
        float: ["0.5", True, [], None],
        bool: ["yes", 1, [], None],
    }[hint]


@each_dataclass
def test_a_value_of_the_wrong_type_is_refused(name, model):
    complete = every_setting(model)
    for field, hint, _ in fields_of(model):
        for wrong in wrong_values(hint):
            assert not validator("job", name).is_valid({**complete, field: wrong}), (field, wrong)


@each_dataclass
def test_a_bundle_reference_may_stand_for_every_setting(name, model):
    complete = every_setting(model)
    for field in complete:
        assert validator("job", name).is_valid({**complete, field: "${var.setting}"}), field


@each_dataclass
def test_a_dynamic_value_may_stand_for_text_only(name, model):
    complete = every_setting(model)
    for field, hint, _ in fields_of(model):
        accepted = validator("job", name).is_valid({**complete, field: "{{job.parameters.setting}}"})
        assert accepted == (hint is str), field


@pytest.mark.parametrize(
    "reference",
    ["${var.retries}", "${resources.jobs.other.id}", "${var.lists[0].max[1]}", "${var.a-b_c9}", "${var}"],
)
def test_what_the_cli_resolves_is_a_reference(reference):
    assert problems("job", {"max_concurrent_runs": reference}) == []


@pytest.mark.parametrize(
    "text",
    [
        "${1x}",
        "${a/b}",
        "$x",
        "${}",
        "${var.}",
        "${var. x}",
        "${var.x}0",
        " ${var.x}",
        "$${var.x}",
        "{var.x}",
        "{{x}",
    ],
)
def test_what_the_cli_leaves_as_it_is_does_not_stand_for_a_number(text):
    assert problems("job", {"max_concurrent_runs": text}) != []


def test_a_whole_task_may_be_a_reference():
    nested = {"task_key": "loop", "for_each_task": {"inputs": "[1]", "task": "${var.task}"}}
    assert problems("job", {"tasks": ["${var.task}", nested]}) == []


def test_a_task_within_a_task_is_checked_like_any_task():
    def job(nested: dict[str, Any]) -> dict[str, Any]:
        return {"tasks": [{"task_key": "loop", "for_each_task": {"inputs": "[1]", "task": nested}}]}

    assert problems("job", job({"task_key": "each", "max_retries": 1})) == []
    assert problems("job", job({"task_key": "each", "max_retry": 1})) != []
    assert problems("job", job({"max_retries": 1})) != []


def test_what_nobody_sets_in_a_bundle_is_unknown(derive):
    for model, field in derive.NOT_SETTABLE:
        assert field in {known.name for known in dataclasses.fields(getattr(jobs, model))}, "a row without a field"
    for setting in ({"format": "MULTI_TASK"}, {"edit_mode": "UI_LOCKED"}, {"deployment": {"kind": "BUNDLE"}}):
        assert problems("job", setting) != []


def test_permissions_and_lifecycle_are_settings_that_only_bundles_have():
    permissions = [{"level": "CAN_MANAGE_RUN", "group_name": "users"}, {"level": "${var.level}"}]
    assert problems("job", {"permissions": permissions, "lifecycle": {"prevent_destroy": True}}) == []
    assert problems("job", {"permissions": [{"level": "CAN_RUN", "group_name": "users"}]}) != []
    assert problems("job", {"permissions": [{"group_name": "users"}]}) != []
    assert problems("job", {"lifecycle": {"started": True}}) != []


def test_what_is_deprecated_says_so():
    definitions = schema_of("job")["$defs"]
    task = definitions["Task"]["properties"]
    deprecated_blocks = {name for name, part in task.items() if part.get("deprecated")}
    assert deprecated_blocks == {"dbt_cloud_task", "gen_ai_compute_task"}
    assert "LEGACY_TABLE_ACL" in definitions["DataSecurityMode"]["anyOf"][0]["x-deprecated-values"]


@pytest.mark.parametrize(
    ("documentation", "summary"),
    [
        ("One line.", "One line."),
        ("Over\n    two lines.\n\n    A second paragraph.", "Over two lines."),
        ("Use ``a`` and `b <https://example.com>`__ and [c](/d).", "Use `a` and b and c."),
        ("The path. It is one of:\n\n- this\n- that", "The path."),
        ("It is one of:\n\n- this", "It is one of:"),
        ("First, e.g. this. " + "X" * 300 + ". Third.", "First, e.g. this."),
    ],
)
def test_a_description_is_the_first_paragraph_in_plain_words(derive, documentation, summary):
    assert derive.summary(documentation) == summary


def metadata(*sources: dict[str, Any], **module: Any) -> dict[str, Any]:
    return {"modules": [{"module_name": "sales", "sources": list(sources), **module}]}


def source(transformation_config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "source_id": "customers",
        "execution_order": 1,
        "transformation_config": transformation_config,
        **fields,
    }


def test_a_source_of_every_kind_of_the_original_is_accepted():
    sql = {"warehouse_id": "abc123", "parameters": {"max_hours": "24"}}
    document = metadata(
        source({"task_type": "notebook", "notebook_path": "/Workspace/ingest"}, source_type="files"),
        source({"task_type": "sql_query", "sql_task": {**sql, "sql_query": "SELECT 1"}}, source_config={"a": [1]}),
        source({"task_type": "sql_file", "sql_task": {**sql, "sql_file_path": "/q.sql"}}, target_config={}),
        description="Customers and sales.",
    )
    assert problems("metadata", {"metadata_version": "1.0", **document}) == []


@pytest.mark.parametrize("task_type", load_derive().TASK_TYPES)
def test_every_short_name_is_a_task_type(task_type):
    assert problems("metadata", metadata(source({"task_type": task_type}))) == []


@pytest.mark.parametrize(
    "config",
    [
        {"notebook_path": "ingest.py", "base_parameters": {"threshold": "5.0"}, "max_retries": 2},
        {"notebook_task": {"base_parameters": {"threshold": "5.0"}}, "notebook_path": "ingest.py"},
        {"sql_task": {"sql_query": "SELECT 1"}},
        {"sql_task": {"query_id": "${var.query}"}},
        {"sql_task": {"file": {"path": "q.sql"}}},
        {"run_job_task": {"module_name": "other"}},
        {"run_job_task": {"job_id": 1}},
        {"python_wheel_task": {"package_name": "etl", "entry_point": "main"}, "environment_key": "default"},
        {"for_each_task": {"inputs": "[1]", "task": {"task_type": "notebook", "notebook_path": "each.py"}}},
        {
            "for_each_task": {
                "inputs": "[1]",
                "task": {"task_key": "each", "sql_task": {"sql_query": "SELECT 1"}},
            }
        },
        {"sql_task": {"sql_query": "SELECT 1"}, "timeout_seconds": None, "libraries": None},
    ],
)
def test_a_task_is_written_in_the_form_of_metadata(config):
    assert problems("metadata", metadata(source(config))) == []


@pytest.mark.parametrize(
    "config",
    [
        {"task_type": "sql_querry"},
        {"max_retry": 2},
        {"max_retries": "two"},
        {"task_key": "customers"},
        {"depends_on": [{"task_key": "customers"}]},
        {"sql_query": "SELECT 1"},
        {"sql_task": {"sql_qery": "SELECT 1"}},
        {"sql_task": {"sql_query": None}},
        {"python_wheel_task": {"package_name": "etl"}},
        {"for_each_task": {"inputs": "[1]"}},
        {"for_each_task": {"inputs": "[1]", "task": {"notebook_pth": "each.py"}}},
    ],
)
def test_a_mistake_in_a_task_is_refused(config):
    assert problems("metadata", metadata(source(config))) != []


def test_a_source_says_when_it_runs():
    config = {"notebook_path": "ingest.py"}
    without_either = {"source_id": "customers", "transformation_config": config}
    waiting = ["first", {"source_id": "has_new_rows", "outcome": "true"}]
    assert problems("metadata", metadata({**without_either, "execution_order": 1})) == []
    assert problems("metadata", metadata({**without_either, "depends_on": waiting})) == []
    assert problems("metadata", metadata(without_either)) != []


@pytest.mark.parametrize(
    "document",
    [
        {"modules": [{"sources": []}]},
        {"modules": [{"module_name": "sales"}]},
        {"modules": [{"module_name": "sales", "sources": [{"execution_order": 1, "transformation_config": {}}]}]},
        {"modules": [{"module_name": "sales", "sources": [{"source_id": "a", "execution_order": 1}]}]},
        {"modules": [], "module": []},
        {"modules": [], "metadata_version": {}},
        {"metadata_version": "1.0"},
        metadata(source({}, is_active="yes")),
        metadata(source({}, execution_order="first")),
        metadata(source({}, depends_on="first")),
        metadata(source({}, depends_on=[{"source_id": "first", "outcome": 1}])),
        metadata(source({}, source_config="{}")),
        metadata(targets="dev"),
        metadata(targets=[""]),
        metadata(source({}, execution_order=None)),
        metadata(source({}, execution_order=None, depends_on=None)),
        metadata(job_config={"tasks": []}),
        metadata(job_config={"schedule": {"quartz_cron_expression": "0 0 2 * * ?"}}),
        metadata(job_config={"max_concurent_runs": 1}),
    ],
)
def test_a_mistake_in_a_metadata_file_is_refused(document):
    assert problems("metadata", document) != []


def test_an_optional_field_may_be_null():
    fields = dict.fromkeys(["source_type", "depends_on", "is_active", "source_config", "target_config"])
    assert problems("metadata", metadata(source({}, **fields), description=None, job_config=None, targets=None)) == []


def test_a_module_takes_every_job_setting_but_its_tasks_and_null_removes_a_default():
    settings_of_a_job = every_setting(jobs.JobSettings)
    del settings_of_a_job["tasks"]
    assert problems("metadata", metadata(job_config=settings_of_a_job, targets=["dev"])) == []
    assert problems("metadata", metadata(job_config=dict.fromkeys(settings_of_a_job))) == []


def test_null_stands_only_at_the_top_of_the_settings():
    assert problems("metadata", metadata(job_config={"queue": {"enabled": None}})) != []


def test_a_project_file_with_everything_is_accepted():
    project = {
        "metadata": [{"yaml": "metadata/"}, {"delta": "data/etl_control"}],
        "output": "resources",
        "control_table": "main.etl.etl_control",
        "naming": {"job_name": "{module_name}"},
        "defaults": {
            "warehouse_id": "${var.warehouse_id}",
            "job": {
                "max_concurrent_runs": 1,
                "queue": {"enabled": True},
                "lifecycle": {"prevent_destroy": True},
            },
            "task": {"timeout_seconds": 3600, "new_cluster": {"num_workers": "${var.workers}"}},
        },
        "templates": {"job": "templates/job.yml.j2"},
        "allow_unknown": ["task.new_setting", "job.new_setting"],
        "checks": {"unknown-field": "warning", "too-many-tags": "off"},
    }
    assert problems("project", project) == []


@pytest.mark.parametrize(
    "project",
    [
        {"metdata": []},
        {"metadata": "metadata/"},
        {"metadata": [{}]},
        {"metadata": [{"yaml": "metadata/", "delta": "data/etl_control"}]},
        {"metadata": [{"yml": "metadata/"}]},
        {"naming": {"task_name": "{source_id}"}},
        {"defaults": {"job": {"name": "all the same"}}},
        {"defaults": {"job": {"tasks": []}}},
        {"defaults": {"task": {"task_key": "all_the_same"}}},
        {"defaults": {"task": {"depends_on": []}}},
        {"defaults": {"task": {"notebook_task": {"notebook_path": "a"}}}},
        {"defaults": {"task": {"max_retry": 1}}},
        {"allow_unknown": ["new_setting"]},
        {"allow_unknown": ["task.notebook_task.new"]},
        {"checks": {"unknown-field": False}},
        {"checks": {"unknown-field": "fatal"}},
    ],
)
def test_a_mistake_in_the_project_file_is_refused(project):
    assert problems("project", project) != []
