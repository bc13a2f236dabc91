"""The examples: what is generated from them, and that all they speak of is there."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from support.project_folder import REPOSITORY, ProjectFolder
from support.tables import write_table

EXAMPLES = REPOSITORY / "examples"
GENERATED = EXAMPLES / "resources"
FILES = sorted(path.relative_to(GENERATED).as_posix() for path in GENERATED.rglob("*") if path.is_file())
DEFAULTS = (
    "defaults:\n"
    "  warehouse_id: ${var.warehouse_id}\n"
    "  job: {max_concurrent_runs: 1, queue: {enabled: true}}\n"
    "control_table: main.etl.etl_control\n"
)


class SnapshotFile(SingleFileSnapshotExtension):
    """A snapshot in a file of its own below `tests/snapshots`."""

    _write_mode = WriteMode.TEXT

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(REPOSITORY / "tests" / "snapshots" / test_location.basename)


class YamlFile(SnapshotFile):
    """Keeps a snapshot as the `.yml` file that a reviewer would see."""

    file_extension = _file_extension = "yml"  # the second is what syrupy 4, for Python 3.10, looks at


class SqlFile(SnapshotFile):
    """Keeps a snapshot as a `.sql` file."""

    file_extension = _file_extension = "sql"


@pytest.fixture
def shop(project) -> ProjectFolder:
    """The examples in a project of their own."""
    shutil.copytree(EXAMPLES, project.path / "examples", ignore=shutil.ignore_patterns("resources", "*.py[co]"))
    bundle = (REPOSITORY / "databricks.yml").read_text(encoding="utf-8")
    project.write("databricks.yml", bundle.replace("- examples/resources/jobs/", "- resources/jobs/"))
    project.write("job_meta.yml", "metadata: [{yaml: examples/metadata_examples.yaml}]\n" + DEFAULTS)
    return project


def test_every_generated_job_is_as_it_was_reviewed(shop, snapshot: SnapshotAssertion):
    for name, text in shop.texts().items():
        if name.startswith("jobs/"):
            assert text == snapshot(name=name[5:-4], extension_class=YamlFile)


def test_every_inline_query_is_as_it_was_reviewed(shop, snapshot: SnapshotAssertion):
    for name, text in shop.texts().items():
        if name.startswith("sql/"):
            assert text == snapshot(name=name[4:-4].replace("/", "."), extension_class=SqlFile)


class TestGenerated:
    def test_the_committed_files_are_all_that_there_are(self, shop):
        assert sorted(shop.texts()) == FILES

    def test_what_is_committed_is_what_the_metadata_says(self):
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow_job_meta", "--project", str(REPOSITORY), "generate", "--check"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, "")

    def test_there_is_nothing_to_complain_about(self, shop):
        assert [str(problem) for problem in shop.compile().diagnostics] == []


class TestRows:
    def test_a_control_table_gives_the_same_jobs_as_the_yaml(self, shop):
        from_yaml = {job.key: (_any_order(job.settings), sorted(map(str, job.files))) for job in shop.compile().jobs}
        lines = (EXAMPLES / "control_table_rows.jsonl").read_text(encoding="utf-8").splitlines()
        write_table(shop.path / "etl_control", map(json.loads, lines))
        shop.write("job_meta.yml", "metadata: [{delta: etl_control}]\n" + DEFAULTS)

        compilation = shop.compile()

        assert [str(problem) for problem in compilation.diagnostics] == []
        from_rows = {job.key: (_any_order(job.settings), sorted(map(str, job.files))) for job in compilation.jobs}
        assert from_rows == {key: from_yaml[key] for key in from_rows}
        assert {"bronze_to_silver", "ingestion_and_validation", "data_freshness"} <= set(from_rows)

    def test_every_line_has_the_columns_of_a_control_table(self):
        from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS

        names = {column.name for column in METADATA_COLUMNS}
        for line in (EXAMPLES / "control_table_rows.jsonl").read_text(encoding="utf-8").splitlines():
            assert set(json.loads(line)) <= names


def _any_order(settings: dict[str, Any]) -> dict[str, Any]:
    """Tasks of a stage stand as written in YAML, and by source_id in a table: compare them by key."""

    def by_key(task: dict[str, Any]) -> dict[str, Any]:
        edges = task.get("depends_on", [])
        return {**task, "depends_on": sorted(edges, key=lambda edge: edge["task_key"])}

    return {**settings, "tasks": sorted(map(by_key, settings["tasks"]), key=lambda task: task["task_key"])}


def local_paths(value: Any) -> list[str]:
    """Returns every text in a generated file that looks like a path to another file."""
    if isinstance(value, dict):
        return [path for each in value.values() for path in local_paths(each)]
    if isinstance(value, list):
        return [path for each in value for path in local_paths(each)]
    return [value] if isinstance(value, str) and value.startswith(("./", "../")) else []


class TestFiles:
    @pytest.mark.parametrize("name", [name for name in FILES if name.startswith("jobs/")])
    def test_every_file_that_a_job_names_is_there(self, name):
        file = GENERATED / name
        paths = local_paths(yaml.safe_load(file.read_text(encoding="utf-8")))
        assert [path for path in paths if not (file.parent / path).is_file()] == []

    @pytest.mark.parametrize("notebook", sorted(EXAMPLES.rglob("*.ipynb")), ids=lambda path: path.name)
    def test_example_notebooks_are_valid_notebooks_of_jupyter(self, notebook):
        content = json.loads(notebook.read_text(encoding="utf-8"))
        nbformat = pytest.importorskip("nbformat")
        nbformat.validate(content)
        for cell in content["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and not source.startswith("%"):
                ast.parse(source)

    @pytest.mark.parametrize("notebook", sorted((EXAMPLES / "notebook_task").glob("*.py")), ids=lambda path: path.name)
    def test_notebooks_in_python_have_their_header(self, notebook):
        text = notebook.read_text(encoding="utf-8")
        assert text.startswith("# Databricks notebook source\n")
        ast.parse(text)

    @pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*_task/*.sql")), ids=lambda path: path.name)
    def test_sql_files_have_no_bundle_references_which_nobody_would_resolve(self, file):
        assert "${" not in file.read_text(encoding="utf-8")
