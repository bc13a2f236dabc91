"""`ljm schema metadata --example`: it is valid, jobs come of it, and nothing of the format is missing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from lakeflow_job_meta.schema.example import metadata_example
from lakeflow_job_meta.schema.validator import load_schema, schema_text
from lakeflow_job_meta.text.yaml_reader import read_yaml
from support.project_folder import REPOSITORY, ProjectFolder

FORMAT = (
    *("module", "use", "blueprint", "parameter", "blueprint_module", "in_target", "source_in_target", "source"),
    *("quality", "quality_in_target", "check", "check_call", "expectation"),
)
SETTINGS = ("job_config", "transformation_config", "iteration_task")


def properties_of(definition: str) -> dict[str, dict]:
    found = load_schema("metadata")["$defs"][definition]
    found = next((each for each in found.get("anyOf", ()) if "properties" in each), found)
    return found.get("else", found)["properties"]


def test_it_fits_the_schema():
    jsonschema.Draft202012Validator(json.loads(schema_text("metadata"))).validate(read_yaml(metadata_example()).value)


def test_jobs_come_of_it_without_a_problem(tmp_path: Path):
    project = ProjectFolder(tmp_path)
    project.write("metadata/example.yml", metadata_example())

    compilation = project.compile()

    assert [str(each) for each in compilation.diagnostics] == []
    assert sorted(compilation.jobs.names.values()) == ["load_customers", "orders"]


@pytest.mark.parametrize("definition", [*FORMAT, *SETTINGS, "blueprint_source", "each", "dependency"])
def test_every_property_is_there_as_a_key_or_in_a_comment(definition):
    text = metadata_example()

    missing = [each for each in properties_of(definition) if not re.search(rf"^[ -]*(# )?{each}(:|$)", text, re.M)]

    assert missing == []


@pytest.mark.parametrize("definition", FORMAT)
def test_every_description_of_the_format_is_there(definition):
    text = " ".join(re.sub(r"\n\s*#\s*", " ", metadata_example()).split())
    told = (each.get("description", "") for each in properties_of(definition).values())

    assert [each for each in told if each.partition(". ")[0].rstrip(".") not in text] == []


def test_a_new_property_of_the_format_is_in_it_at_once(monkeypatch):
    source = load_schema("metadata")["$defs"]["source"]["properties"]
    monkeypatch.setitem(source, "cost_center", {"description": "Who pays.", "type": "string", "enum": ["a", "b"]})

    assert "# cost_center: Who pays. One of a, b.\n" in metadata_example()


def test_every_definition_of_the_format_is_looked_for():
    sys.path.insert(0, str(REPOSITORY / "schemas"))
    try:
        import handwritten
    finally:
        sys.path.remove(str(REPOSITORY / "schemas"))
    without_properties = {"job_number", "target", "targets"}

    looked_for = {*FORMAT, "blueprint_source", "each", "dependency"}

    assert set(handwritten.METADATA_DEFINITIONS) - without_properties == looked_for
