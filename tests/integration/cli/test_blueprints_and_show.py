"""`ljm blueprints` and `ljm show`: what can be made, and what comes of it, as a user sees both."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from support.blueprint_projects import BLUEPRINT, csv_project, delta_project, rows_of, write_csv
from support.project_folder import ProjectFolder, module
from support.slow import few
from support.tables import row, write_table

UNUSED = """\
blueprints:
  - blueprint: idle
    parameters:
      name: {type: text}
      tags: {type: map, required: false}
    module:
      module_name: idle_${param.name}
      job_config: {tags: "${param.tags}"}
      sources: [{source_id: a, execution_order: 1, transformation_config: {notebook_path: /Workspace/a}}]
"""
SQL = """\
modules:
  - module_name: sales
    sources:
      - source_id: report
        execution_order: 1
        transformation_config: {sql_task: {sql_query: SELECT 1, warehouse_id: abc}}
"""


class TestBlueprints:
    def test_are_listed_with_parameters_place_and_uses(self, project):
        csv_project(project, rows_of(2))

        result = project.ljm("blueprints")

        assert (result.exit_code, result.stderr) == (0, "No problems in 3 modules.\n")
        assert result.stdout == (
            "ingest_table  metadata/blueprints.yml:2:16\n"
            "    Loads one table of a source system.\n"
            "    table      text     required, pattern '[a-z][a-z0-9_]*'\n"
            "    source     text     required\n"
            "    load_type  text     default 'full', one of 'full', 'delta'\n"
            "    retries    number   default 2, min 0, max 9\n"
            "    used by 1 module by hand ('ingest_hand'); 2 rows of list.csv\n"
        )

    def test_that_nothing_is_made_of_are_listed_too(self, project):
        project.write("metadata/idle.yml", UNUSED)

        result = project.ljm("blueprints")

        assert result.exit_code == 0
        assert result.stdout == (
            "idle  metadata/idle.yml:2:16\n"
            "    name  text     required\n"
            "    tags  map      optional\n"
            "    used by nothing\n"
        )

    def test_are_json_of_the_documented_form(self, project):
        delta_project(project, rows_of(2))
        project.write("metadata/idle.yml", UNUSED)

        result = project.ljm("blueprints", "--format", "json")

        idle, ingest = sorted(json.loads(result.stdout), key=lambda each: each["blueprint"])
        assert idle == {
            "blueprint": "idle",
            "description": None,
            "path": "metadata/idle.yml",
            "line": 2,
            "column": 16,
            "parameters": [
                {
                    "name": "name",
                    "type": "text",
                    "required": True,
                    "default": None,
                    "one_of": None,
                    "pattern": None,
                    "min": None,
                    "max": None,
                    "path": "metadata/idle.yml",
                    "line": 4,
                    "column": 7,
                },
                {
                    "name": "tags",
                    "type": "map",
                    "required": False,
                    "default": None,
                    "one_of": None,
                    "pattern": None,
                    "min": None,
                    "max": None,
                    "path": "metadata/idle.yml",
                    "line": 5,
                    "column": 7,
                },
            ],
            "modules": [],
            "rows": [],
        }
        assert (ingest["modules"], ingest["rows"]) == ([], [{"source": "data/ingest_list", "rows": 2}])
        assert [each["name"] for each in ingest["parameters"]] == ["table", "source", "load_type", "retries"]

    def test_count_rows_that_are_wrong_as_well_and_exit_with_1(self, project):
        csv_project(project, [*rows_of(2), ("t009", "dbo.T9", "ful", 2)])

        result = project.ljm("blueprints")

        assert (result.exit_code, result.codes) == (1, ["bad-parameter"])
        assert "3 rows of list.csv" in result.stdout

    def test_that_are_broken_are_reported_and_not_listed(self, project):
        project.write("metadata/blueprints.yml", BLUEPRINT.replace("type: number", "type: numbr"))
        project.write("metadata/idle.yml", UNUSED)

        result = project.ljm("blueprints")

        assert result.exit_code == 1
        assert "metadata/blueprints.yml" in result.stderr
        assert result.stdout.startswith("idle  ")
        assert "ingest_table" not in result.stdout

    def test_of_a_project_without_any_are_an_empty_list(self, project):
        project.write("metadata/a.yml", module("a"))

        assert project.ljm("blueprints").stdout == ""
        assert project.ljm("blueprints", "--format", "json").stdout == "[]\n"

    def test_count_the_rows_of_a_control_table(self, project):
        use = {"transformation_config": None, "blueprint": "ingest_table"}
        names = ("orders", "lines")
        values = [{"table": name, "source": name} for name in names]
        rows = [row("a", name, **use, parameters=each) for name, each in zip(names, values, strict=True)]
        write_table(project.path / "control", [*rows, row("b", "other")])
        project.write("metadata/blueprints.yml", BLUEPRINT)
        project.write("job_meta.yml", "metadata: [{yaml: metadata/}, {delta: control}]\n")

        (ingest,) = json.loads(project.ljm("blueprints", "--format", "json").stdout)

        assert (ingest["modules"], ingest["rows"]) == ([], [{"source": "control", "rows": 2}])

    def test_count_all_rows_of_jobs_that_are_made_of_many(self, project):
        delta_project(project, [("t1", "a", "full", 1), ("t2", "b", "full", 1)])
        blueprint = BLUEPRINT.replace("module_name: ingest_${param.table}", "module_name: all")
        old = "        - source_id: merge"
        each = '        - each: [{source_id: "x_${param.table}", execution_order: 1, transformation_config: '
        new = f"{each}{{notebook_path: /Workspace/x}}}}]\n{old}"
        blueprint = blueprint.replace(old, new).replace("${param.source}", "s").replace("${param.retries}", "1")
        project.write("metadata/blueprints.yml", blueprint.replace("      source: {type: text}\n", ""))
        text = project.read("job_meta.yml")
        project.write("job_meta.yml", f"{text}    job_per: ${{column.load_type}}\n")

        result = project.ljm("blueprints")

        assert "used by 2 rows of data/ingest_list" in result.stdout, result.stderr


class TestShow:
    def test_prints_what_is_generated_without_writing_it(self, project):
        csv_project(project, rows_of(2))

        result = project.ljm("show", "ingest_t001")

        assert (result.exit_code, result.stderr) == (0, "")
        assert project.generated() == {}
        assert project.ljm("generate").exit_code == 0
        assert result.stdout == project.read("resources/jobs/ingest_t001.yml")

    def test_prints_the_metadata_and_not_what_is_on_disk(self, project):
        project.write("metadata/a.yml", module("a"))
        project.ljm("generate")
        project.write("metadata/a.yml", module("a", notebook="/Workspace/new"))

        assert "/Workspace/new" in project.ljm("show", "a").stdout

    def test_prints_inline_sql_below_the_name_of_its_file(self, project):
        project.write("metadata/sales.yml", SQL)

        shown = project.ljm("show", "sales").stdout

        project.ljm("generate")
        job, sql = (project.read(f"resources/{name}") for name in ("jobs/sales.yml", "sql/sales/report.sql"))
        assert shown == f"==> resources/jobs/sales.yml <==\n{job}\n==> resources/sql/sales/report.sql <==\n{sql}"

    def test_prints_a_job_of_a_project_of_many_bundles(self, project):
        project.write("databricks.yml", "bundle: {name: test}\n")
        project.write("job_meta.yml", "bundles: {jobs_per_bundle: 10}\n")
        project.write("metadata/sales.yml", SQL)

        result = project.ljm("show", "sales")

        assert result.exit_code == 0, result.stderr
        assert "==> bundles/" in result.stdout

    def test_takes_the_job_s_key_as_well_as_the_module_s_name(self, project):
        project.write("metadata/a.yml", module('"Sales 2024"'))

        by_name, by_key = project.ljm("show", "Sales 2024"), project.ljm("show", "Sales_2024")

        assert by_name.exit_code == 0
        assert by_name.stdout == by_key.stdout

    def test_of_an_unknown_module_names_the_closest(self, project):
        csv_project(project, rows_of(2))

        result = project.ljm("show", "ingest_t01")

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: There is no module 'ingest_t01'; did you mean 'ingest_t001'?")

    def test_without_a_module_is_wrong_usage(self, project):
        assert project.ljm("show").exit_code == 2

    def test_of_a_broken_row_lists_its_problems_and_no_others(self, project):
        csv_project(project, [("t000", "dbo.T0", "ful", 2), ("t001", "dbo.T1", "full", 99)])

        result = project.ljm("show", "ingest_t001")

        assert (result.exit_code, result.stdout) == (1, "")
        assert [problem.place for problem in result.problems] == ["list.csv:3:18"]
        assert "No job can be made of the module 'ingest_t001'." in result.stderr

    def test_of_a_broken_module_lists_its_problems_and_no_others(self, project):
        project.write("metadata/a.yml", module("a").replace("notebook_path", "notebok_path"))
        project.write("metadata/b.yml", module("b").replace("execution_order", "exection_order"))

        result = project.ljm("show", "a")

        assert (result.exit_code, result.stdout) == (1, "")
        assert {problem.place.split(":")[0] for problem in result.problems} == {"metadata/a.yml"}

    def test_shows_the_warnings_of_a_sound_module_beside_its_job(self, project):
        project.write("metadata/a.yml", module("con"))
        project.write("metadata/b.yml", module("b").replace("notebook_path", "notebok_path"))

        result = project.ljm("show", "con")

        assert (result.exit_code, result.codes) == (0, ["reserved-name"])
        assert 'name: "con"' in result.stdout

    def test_of_a_module_that_may_be_in_what_cannot_be_read_says_so(self, project):
        project.write("metadata/a.yml", module("a"))
        project.write("metadata/b.yml", "modules: [")

        result = project.ljm("show", "sales")

        assert result.exit_code == 1
        assert "'metadata/b.yml'" in result.stderr.splitlines()[-1]

    def test_of_a_module_without_an_active_source_says_so(self, project):
        project.write("metadata/a.yml", module("a") + "        is_active: false\n")

        result = project.ljm("show", "a")

        assert (result.exit_code, result.codes) == (1, ["no-active-source"])


class TestAListOfFiles:
    """On a terminal a long one is shortened; elsewhere it is whole, since machines read it."""

    def on_a_terminal(self, folder: Path, *arguments: str) -> list[str]:
        terminal, inside = pty.openpty()
        command = [sys.executable, "-m", "lakeflow_job_meta", *arguments]
        environment = {**os.environ, "NO_COLOR": "1"}
        process = subprocess.Popen(command, cwd=folder, stdout=inside, stderr=subprocess.DEVNULL, env=environment)
        os.close(inside)
        said = b""
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            said += piece
        os.close(terminal)
        assert process.wait(60) == 0
        return said.decode().replace("\r\n", "\n").splitlines()

    @pytest.fixture
    def changed(self, project: ProjectFolder) -> ProjectFolder:
        """25 files to create, 21 to change, and two to delete."""
        csv_project(project, rows_of(23))
        assert project.ljm("generate").exit_code == 0
        rows = [(name, source, "delta", 2) for name, source, _, _ in rows_of(48)[2:]]
        write_csv(project, rows)
        return project

    @pytest.mark.slow
    def test_on_a_terminal_has_so_many_of_each_kind_as_one_reads(self, changed):
        lines = self.on_a_terminal(changed.path, "generate")

        found = {kind: [line for line in lines if line.startswith(kind)] for kind in ("create", "update", "delete")}
        assert [len(each) for each in found.values()] == [21, 21, 2]
        assert found["create"][-1] == "create ... and 5 more"
        # One more line says no less than "1 more".
        assert found["update"][-1] == "update resources/jobs/ingest_t022.yml"

    def test_in_a_pipe_is_whole_and_in_the_order_of_paths(self, changed):
        lines = changed.run("generate").stdout.splitlines()

        assert len(lines) == 25 + 21 + 2
        paths = [line.split()[1] for line in lines if not line.startswith("delete")]
        assert paths == sorted(paths)


@pytest.mark.parametrize(("typed", "known"), few([("bl", "blueprints")], [("sh", "show")]))
@pytest.mark.slow
def test_the_shell_completes_the_commands(project, typed, known):
    result = project.run(COMP_WORDS=f"ljm {typed}", COMP_CWORD="1", _LJM_COMPLETE="bash_complete")

    assert f"plain,{known}" in result.stdout.splitlines()


@pytest.mark.parametrize("command", ["blueprints", "show"])
def test_the_help_has_examples(project, command):
    result = project.ljm(command, "--help")

    assert (result.exit_code, "Examples:" in result.stdout) == (0, True)
