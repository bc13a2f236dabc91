"""`ljm doctor` without a workspace: the bundle's files, variables, editor and CLI; `ljm validate` says the same."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from lakeflow_job_meta import approve, load_project
from support.project_folder import ProjectFolder, Result, module
from support.tables import write_table

SQL = """\
modules:
  - module_name: sales
    sources:
      - source_id: a
        execution_order: 1
        transformation_config: {sql_task: {warehouse_id: "${var.warehouse_id}", sql_query: SELECT 1}}
"""
JOB = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tasks": {"type": "array", "items": {"$ref": "#/$defs/a.b/Task"}}},
    "additionalProperties": False,
}
TASK = {"type": "object", "properties": {"task_key": {}, "notebook_task": {}}, "additionalProperties": False}
REFERENCE = {"type": "string", "pattern": r"\$\{.*\}"}


def schema(job: dict) -> dict:
    """A schema as `databricks bundle schema` prints it, of a CLI that knows these settings of jobs."""
    jobs = {"type": "object", "additionalProperties": {"oneOf": [job, REFERENCE]}}
    resources = {"oneOf": [{"type": "object", "properties": {"jobs": jobs}}, REFERENCE]}
    return {"properties": {"resources": {"$ref": "#/$defs/all"}}, "$defs": {"all": resources, "a.b": {"Task": TASK}}}


def bundle(include: str = "resources/jobs/*.yml", variables: str = "{}", targets: str = "{dev: {}, prod: {}}") -> str:
    return f"bundle: {{name: shop}}\ninclude: ['{include}']\nvariables: {variables}\ntargets: {targets}\n"


@pytest.fixture
def doctor(project: ProjectFolder, tmp_path: Path):
    """Runs `ljm doctor` with a databricks CLI that has a schema, and no workspace."""

    def run(*arguments: str, known: object = None) -> Result:
        program = tmp_path / "databricks"
        version = {"Version": "0.290.0", "Major": 0, "Minor": 290, "Patch": 0}
        program.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"answers = {{('version', '-o', 'json'): {json.dumps(version)!r}, ('bundle', 'schema'): {known!r}}}\n"
            "answer = answers.get(tuple(sys.argv[1:]))\n"
            "sys.exit('no') if answer is None else print(answer)\n"
        )
        program.chmod(0o755)
        return project.inside("doctor", *arguments, DATABRICKS_CLI=str(program), HOME=str(tmp_path))

    return run


def said(result: Result, what: str) -> str:
    """Returns the line of a check, with those that belong to it."""
    lines = result.stdout.split("\n")
    start = next(number for number, line in enumerate(lines) if line[7:].startswith(f"{what}:"))
    more = next((number for number, line in enumerate(lines[start + 1 :]) if not line.startswith(" " * 7)), 0)
    return "\n".join(lines[start : start + 1 + more])


class TestIncludes:
    @pytest.mark.parametrize(
        "pattern",
        ["resources/jobs/*.yml", "resources/**/*.yml", "resources/*/*.yml", "./resources/jobs/*", "*/*/*.yml"],
    )
    def test_a_glob_that_names_the_generated_files_is_enough(self, project, doctor, pattern):
        project.write("metadata/a.yml", module())
        project.write("databricks.yml", bundle(pattern))

        assert said(doctor(), "includes").startswith("ok ")
        assert project.ljm("validate").problems == []

    @pytest.mark.parametrize("pattern", ["resources/*.yml", "**/*.yml", "resources/jobs", "resources/jobs/*.yaml"])
    def test_one_that_does_not_is_wrong_since_two_stars_are_one_folder_to_the_cli(self, project, doctor, pattern):
        project.write("metadata/a.yml", module())
        project.write("databricks.yml", bundle(pattern))

        result = doctor()

        assert result.exit_code == 1
        assert said(result, "includes") == (
            "wrong  includes: databricks.yml does not include the generated files; add `- resources/jobs/*.yml` below "
            "'include:'."
        )
        (problem,) = project.ljm("validate").problems
        assert (problem.place, problem.severity, problem.code) == ("databricks.yml:2:1", "warning", "not-included")

    def test_a_bundle_that_includes_nothing_may_be_for_the_jobs_api(self, project):
        project.write("metadata/a.yml", module())
        project.write("databricks.yml", "bundle: {name: shop}\n")

        assert project.ljm("validate").problems == []


def test_mistakes_of_the_project_file_are_shown_where_they_are(project, doctor):
    project.write("job_meta.yml", "metadata: [{yaml: metadata/}]\ndeploi: {}\n")
    result = doctor()

    assert result.exit_code == 1
    assert said(result, "project") == (
        "wrong  project: 1 mistake in job_meta.yml.\n"
        "       job_meta.yml:2:1: unknown key 'deploi'; did you mean 'deploy'?"
    )


def test_a_bundle_that_is_no_yaml_is_shown_where_it_is_wrong(project, doctor):
    project.write("metadata/a.yml", module())
    project.write("databricks.yml", "bundle: {name: [\n")

    result = doctor()

    assert result.exit_code == 1
    assert said(result, "bundle").startswith(
        "wrong  bundle: the databricks CLI cannot read its files:\n       databricks.yml:2:1: not valid YAML"
    )
    assert "includes:" not in result.stdout
    assert project.ljm("validate").codes == ["unreadable"]


class TestVariables:
    def test_a_placeholder_as_the_default_of_a_variable_that_a_job_uses_is_wrong(self, project, doctor):
        project.write("metadata/a.yml", SQL)
        project.write("databricks.yml", bundle(variables="{warehouse_id: {default: your-warehouse-id}}"))

        result = doctor("-t", "prod")

        assert result.exit_code == 1
        assert said(result, "variables").startswith(
            "wrong  variables: what jobs use has no value yet:\n       databricks.yml:3:37: the variable "
            "'warehouse_id', used by 'sales', is still the placeholder 'your-warehouse-id'"
        )
        assert project.ljm("validate").codes == ["placeholder"]

    def test_only_the_target_that_is_named_counts(self, project, doctor):
        project.write("metadata/a.yml", SQL)
        targets = "{dev: {variables: {warehouse_id: abc}}, prod: {variables: {warehouse_id: TODO}}}"
        project.write("databricks.yml", bundle(variables="{warehouse_id: {}}", targets=targets))

        assert said(doctor("-t", "dev"), "variables") == "ok     variables: none that jobs use is still a placeholder"
        assert said(doctor("-t", "prod"), "variables").startswith("wrong")
        assert said(doctor(), "variables").startswith("wrong")

    def test_one_that_no_job_uses_is_nobody_s_concern(self, project, doctor):
        project.write("metadata/a.yml", module())
        project.write("databricks.yml", bundle(variables="{warehouse_id: {default: your-warehouse-id}}"))

        assert said(doctor(), "variables").startswith("ok")


def test_a_file_that_jobs_name_and_the_bundle_does_not_upload_is_wrong(project, doctor):
    project.write("notebooks/a.py", "# Databricks notebook source\n")
    project.write("metadata/a.yml", module(notebook="notebooks/a.py"))
    project.write(".gitignore", "notebooks/\n")

    assert said(doctor(), "files").startswith(
        "wrong  files: the databricks CLI does not upload 1 file that jobs name:\n       metadata/a.yml:6:"
    )
    assert project.ljm("validate").codes == ["not-uploaded"]


class TestTheEditor:
    def test_schemas_of_another_version_are_a_note_that_no_deployment_fails_for(self, project, doctor):
        project.write("metadata/a.yml", module())
        assert project.ljm("editor").exit_code == 0
        before = doctor()
        for name in ("metadata", "project"):
            old = project.read(f".schemas/{name}.schema.json").replace("description", "describtion", 1)
            project.write(f".schemas/{name}.schema.json", old)

        result = doctor()

        assert "editor" not in before.stdout
        assert said(result, "editor") == (
            "note   editor: '.schemas/metadata.schema.json', '.schemas/project.schema.json' are of another version of "
            "this tool; `ljm editor` writes them anew."
        )
        assert result.exit_code == before.exit_code
        assert project.ljm("editor").exit_code == 0
        assert "editor" not in doctor().stdout


class TestTheCli:
    def test_one_that_does_not_know_a_setting_of_jobs_is_too_old(self, project, doctor):
        project.write("metadata/a.yml", module())
        project.write("job_meta.yml", "defaults: {job: {max_concurrent_runs: 2}, task: {max_retries: 1}}\n")

        result = doctor(known=json.dumps(schema(JOB)))

        assert result.exit_code == 1
        assert said(result, "databricks CLI") == (
            "wrong  databricks CLI: 0.290.0 is too old for these settings, and deploys jobs without them; update it:\n"
            "       max_concurrent_runs of 'sales'\n"
            "       tasks.max_retries of 'sales'"
        )

    @pytest.mark.parametrize("known", [None, "no JSON", "[]", "{}", json.dumps(schema(JOB))])
    def test_one_that_knows_all_of_them_or_does_not_say_so_is_fine(self, project, doctor, known):
        project.write("metadata/a.yml", module())

        assert said(doctor(known=known), "databricks CLI") == "ok     databricks CLI: 0.290.0"


@pytest.mark.real_cli
@pytest.mark.skipif(shutil.which("databricks") is None, reason="no databricks command")
def test_the_real_cli_knows_what_the_example_uses_and_does_not_know_a_new_setting(project):
    project.write("metadata/a.yml", project.ljm("schema", "metadata", "--example").stdout)
    fine = project.inside("doctor")
    project.write("job_meta.yml", "allow_unknown: [job.brand_new]\ndefaults: {job: {brand_new: 1}}\n")

    assert said(fine, "databricks CLI").startswith("ok ")
    assert said(project.inside("doctor"), "databricks CLI").endswith("brand_new of 'orders', 'load_customers'")


class TestApprovals:
    @pytest.fixture
    def table(self, project: ProjectFolder) -> Path:
        rule = "deploy: {approval: {targets: [dev, prod]}}"
        project.write("job_meta.yml", f"metadata: [{{delta: control}}]\n{rule}\n")
        project.write("databricks.yml", bundle())
        row = {"module_name": "sales", "source_id": "a", "execution_order": 1, "source_type": "x"}
        row["transformation_config"] = json.dumps({"notebook_path": "/Workspace/a"})
        write_table(project.path / "control", [row])
        return project.path / "control"

    def test_are_counted_for_each_target(self, project, doctor, table):
        assert (
            said(doctor(), "approvals of control")
            == "ok     approvals of control: 0 modules for dev, 0 modules for prod"
        )

        approve(load_project(project.path), 0, target="prod")

        assert (
            said(doctor(), "approvals of control")
            == "ok     approvals of control: 0 modules for dev, 1 module for prod"
        )

    def test_that_have_to_be_somebody_elses_count_for_nothing_while_the_history_names_nobody(
        self, project, doctor, table
    ):
        text = project.read("job_meta.yml").replace("prod]", "prod], other_than_author: true")
        project.write("job_meta.yml", text)
        result = doctor()

        assert said(result, "approvals of control").startswith(
            "wrong  approvals of control: the history of the table does not say who wrote version 0, and "
        )
        assert result.exit_code == 1

    def test_that_cannot_be_read_are_wrong(self, project, doctor, table):
        approve(load_project(project.path), 0)
        for path in table.with_name("control_approvals").glob("*.parquet"):
            path.unlink()

        assert said(doctor(), "approvals of control").startswith("wrong  approvals of control: ")

    def test_nothing_is_said_of_them_where_no_target_needs_any(self, project, doctor, table):
        project.write("job_meta.yml", "metadata: [{delta: control}]\n")

        assert "approvals" not in doctor().stdout
