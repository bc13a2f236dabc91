"""`ljm init`: what it writes, asks, shows and refuses. That its projects can be deployed, e2e/test_init.py shows."""

from __future__ import annotations

import csv
import io
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import arro3.core as arrow
import pytest
import yaml
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.workspace import FakeWorkspace
from support.examples import examples
from support.in_process import started_in
from support.project_folder import REPOSITORY, ProjectFolder, Result, run_here

pytest_plugins = ["support.workspace_fixtures"]

BUNDLE = "bundle: {name: shop}\ninclude: [resources/*.yml]\n"
INCLUDING = "bundle: {name: shop}\ninclude: [resources/*.yml, resources/jobs/*.yml]\n"


@pytest.fixture
def init(tmp_path: Path):
    """Runs `ljm init` in an empty folder, with nothing of the environment's own."""

    def run(*arguments: str, **environment: str) -> Result:
        with started_in(tmp_path, {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment}):
            return run_here("init", *arguments)

    return run


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def bundle_of(folder: Path) -> dict:
    return yaml.safe_load((folder / "databricks.yml").read_text())


def generated(folder: Path) -> list[str]:
    project = ProjectFolder.__new__(ProjectFolder)
    project.path = folder
    result = project.ljm("generate")
    assert (result.exit_code, result.problems) == (0, [])
    return [Path(name).stem for name in project.generated() if name.startswith("jobs/")]


def delta(path: Path, **columns: list) -> Path:
    kinds = {str: arrow.DataType.utf8(), bool: arrow.DataType.bool(), int: arrow.DataType.int64()}
    data = {
        name: arrow.Array(values, type=kinds[type(next(each for each in values if each is not None))])
        for name, values in columns.items()
    }
    write_deltalake(path, arrow.Table.from_pydict(data))
    return path


TOOLS = ("AGENTS.md", ".pre-commit-config.yaml", *(f".schemas/{name}.schema.json" for name in ("metadata", "project")))
TOOL_FILES = (*TOOLS, ".vscode/settings.json")
"""What every project has for coding agents, before commits, and for editors."""


class TestANewProject:
    def test_is_written_into_the_folder_that_is_named_and_the_next_command_is_too(self, init, tmp_path):
        result = init("my pipelines")

        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            f"create my pipelines/{name}"
            for name in ("databricks.yml", "job_meta.yml", "metadata/first.yml", *TOOL_FILES)
        ]
        assert result.stderr.splitlines() == [
            "First give the variable warehouse_id in my pipelines/databricks.yml a SQL warehouse; "
            "nothing is deployed without.",
            "Next: cd 'my pipelines' && ljm generate && ljm deploy -t dev",
        ]
        assert bundle_of(tmp_path / "my pipelines")["bundle"] == {"name": "my_pipelines"}

    def test_is_written_into_the_current_folder_where_none_is_named(self, init, tmp_path):
        assert init().exit_code == 0
        assert (tmp_path / "databricks.yml").is_file()

    def test_gets_its_warehouse_as_a_variable_of_each_target_and_no_default(self, init, tmp_path):
        init("a", "--warehouse-id", "0123456789012345")

        bundle = bundle_of(tmp_path / "a")
        assert "default" not in bundle["variables"]["warehouse_id"]
        given = {name: target["variables"] for name, target in bundle["targets"].items()}
        assert given == {name: {"warehouse_id": "0123456789012345"} for name in ("dev", "prod")}

    def test_gets_the_warehouse_of_the_environment(self, init, tmp_path):
        init("a", DATABRICKS_WAREHOUSE_ID="abc")

        assert bundle_of(tmp_path / "a")["targets"]["dev"]["variables"] == {"warehouse_id": "abc"}

    @pytest.mark.parametrize("arguments", [(), ("--from", "csv")])
    def test_asks_nothing_and_names_no_warehouse_where_nobody_is_at_a_terminal(self, init, tmp_path, arguments):
        assert init("a", *arguments).exit_code == 0
        assert all("variables" not in target for target in bundle_of(tmp_path / "a")["targets"].values())
        assert not (tmp_path / "a" / "policies.yml").exists()

    def test_has_the_policies_of_the_documentation_where_they_are_wanted(self, init, tmp_path):
        init("a", "--policies")

        page = (REPOSITORY / "docs" / "policies.md").read_text()
        documented = re.search(r"<!-- file: policies.yml -->\n```yaml\n(.*?)```", page, re.DOTALL)
        assert documented is not None
        assert (tmp_path / "a" / "policies.yml").read_text() == documented[1]

    def test_has_a_recipe_for_the_ci_that_is_named(self, init, tmp_path):
        init("a", "--ci", "github")

        recipe = yaml.safe_load((tmp_path / "a" / ".github/workflows/jobs.yml").read_text())
        assert recipe["jobs"]["deploy"]["environment"] == "production"
        assert recipe["jobs"]["deploy"]["steps"][-1]["run"].startswith("ljm deploy --target prod ")

    def test_in_a_folder_of_a_repository_says_where_its_recipe_belongs(self, init, tmp_path):
        (tmp_path / ".git").mkdir()

        alone, inner = init("--ci", "github"), init("pipelines/sales", "--ci", "gitlab")

        assert "Move" not in alone.stderr
        advice = "Move .gitlab-ci.yml to the root of the repository, and let its steps run in pipelines/sales."
        assert advice in inner.stderr.splitlines()

    def test_has_what_ljm_editor_and_ljm_skill_give(self, init, tmp_path):
        init("a", "--policies")
        project = ProjectFolder.__new__(ProjectFolder)
        project.path = tmp_path / "a"
        before = everything(project.path)

        assert project.ljm("editor").exit_code == 0
        assert everything(project.path) == before
        assert project.ljm("skill").stdout == project.read("AGENTS.md")

    def test_leaves_what_a_new_repository_has_for_such_tools(self, init, tmp_path):
        (tmp_path / ".vscode").mkdir()
        (tmp_path / ".vscode/settings.json").write_text("{}")
        (tmp_path / ".pre-commit-config.yaml").write_text("repos: []\n")

        result = init()

        assert result.exit_code == 0
        assert "keep .vscode/settings.json" in result.stdout.splitlines()
        assert (tmp_path / ".pre-commit-config.yaml").read_text() == "repos: []\n"
        assert (tmp_path / ".vscode/settings.json").read_text() == "{}"


class TestARefusal:
    def test_names_everything_that_is_in_the_way_before_anything_is_written(self, init, tmp_path):
        (tmp_path / ".github/workflows").mkdir(parents=True)
        (tmp_path / ".github/workflows/jobs.yml").write_text("mine")
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "notebooks/load.py").write_text("mine")
        (tmp_path / "notebooks/rows.csv").write_text("table\na\n")
        before = everything(tmp_path)

        result = init("--csv", "notebooks/rows.csv", "--ci", "github")

        assert result.exit_code == 2
        assert "has 'notebooks/load.py', '.github/workflows/jobs.yml' already" in result.stderr
        assert everything(tmp_path) == before

    def test_leaves_a_folder_alone_that_holds_something(self, init, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "mine.txt").write_text("mine")

        result = init("a")

        assert (result.exit_code, "a is not empty: it has 'mine.txt'" in result.stderr) == (2, True)
        assert everything(tmp_path / "a") == {"mine.txt": b"mine"}

    def test_does_not_come_for_what_a_new_repository_has(self, init, tmp_path):
        for name in (".gitignore", "README.md", "LICENSE"):
            (tmp_path / name).write_text("mine")

        assert init().exit_code == 0

    def test_of_a_bundle_names_the_flavour_for_it(self, init, tmp_path):
        (tmp_path / "databricks.yml").write_text(BUNDLE)

        result = init("--from", "starter")

        assert (result.exit_code, "--from existing" in result.stderr) == (2, True)

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (("--from", "csv", "--table", "a.b.c"), "--table is the table of --from table, and this is --from csv"),
            (("--table", "a.b.c", "--csv", "a.csv"), "--csv is the csv of --from csv, and this is --from table"),
            (("--from", "table"), "Name the table with --table"),
            (("--table", "a.b.c"), "DATABRICKS_WAREHOUSE_ID"),
            (("--table", "lists", "--warehouse-id", "0123456789abcdef"), "Write ./lists for a Delta table in"),
            (("--warehouse-id", "a: b"), "'a: b' is no id of a SQL warehouse"),
            (("--from", "existing"), "There is no databricks.yml in '.'"),
        ],
    )
    def test_of_options_says_what_is_wrong_and_writes_nothing(self, init, tmp_path, arguments, why):
        result = init(*arguments)

        assert (result.exit_code, why in result.stderr) == (2, True), result.stderr
        assert everything(tmp_path) == {}

    def test_comes_with_one_sentence_where_a_file_is_missing_or_the_folder_is_a_file(self, init, tmp_path):
        assert "nowhere.csv cannot be read: No such file" in init("a", "--csv", "nowhere.csv").stderr
        (tmp_path / "a").write_text("mine")
        result = init("a")
        assert (result.exit_code, "Traceback" in result.stderr) == (2, False)

    def test_by_the_disk_leaves_nothing_behind(self, init, tmp_path):
        (tmp_path / ".github").symlink_to("nowhere")

        result = init("--ci", "github")

        assert (result.exit_code, result.stderr.count("cannot be written")) == (2, 1)
        assert [each.name for each in tmp_path.iterdir()] == [".github"]


class TestATable:
    def test_shows_three_rows_what_fills_what_and_the_jobs(self, init, tmp_path):
        delta(tmp_path / "lists", target_table=["a", "b", "c", "d"], load_type=["full", "full", None, "x"])

        result = init("mine", "--table", "./lists")

        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert lines[0] == "./lists: 4 rows of 2 columns. The first:"
        assert len(lines[1 : lines.index("Each row fills a blueprint, which makes a job of it:")]) == 4
        assert "  load_type     <- load_type     text  may be NULL" in lines
        assert "That makes 4 jobs: 'load_a', 'load_b', 'load_c', 'load_d'." in lines
        assert generated(tmp_path / "mine") == ["load_a", "load_b", "load_c", "load_d"]

    def test_keeps_a_path_as_relative_or_absolute_as_it_was(self, init, tmp_path):
        table = delta(tmp_path / "lists", name=["a"])

        init("one", "--table", "./lists")
        init("two", "--table", str(table))

        found = [yaml.safe_load((tmp_path / each / "job_meta.yml").read_text()) for each in ("one", "two")]
        assert [each["metadata"][1]["delta"] for each in found] == ["../lists", str(table)]

    def test_may_lie_in_the_folder_of_the_new_project(self, init, tmp_path):
        delta(tmp_path / "data" / "lists", name=["a"])

        assert init("--table", "data/lists").exit_code == 0
        assert generated(tmp_path) == ["load_a"]

    def test_of_the_copy_tool_of_data_factory_is_mapped_into_its_json(self, init, tmp_path):
        delta(
            tmp_path / "control",
            Id=[1, 2],
            SourceObjectSettings=['{"schema": "dbo", "table": "Orders"}', '{"schema": "dbo", "table": "Items"}'],
            CopyEnabled=[True, False],
        )

        init("mine", "--table", "./control")

        entry = yaml.safe_load((tmp_path / "mine" / "job_meta.yml").read_text())["metadata"][1]
        assert entry["with"]["SourceObjectSettings_table"] == "${column.SourceObjectSettings.table}"
        assert generated(tmp_path / "mine") == ["load_1"]

    def test_hides_what_looks_like_a_secret(self, init, tmp_path):
        delta(tmp_path / "lists", name=["a"], password=["hunter2hunter2"])

        result = init("mine", "--table", "./lists")

        assert "hunter2" not in result.stdout + result.stderr

    def test_over_a_warehouse_is_read_by_the_project_over_the_same(self, init, tmp_path, workspace: FakeWorkspace):
        delta(workspace.table_path("main.etl.lists"), table_name=["a", "b"])
        login = {"DATABRICKS_HOST": workspace.url, "DATABRICKS_TOKEN": workspace.token}

        result = init("mine", "--table", "main.etl.lists", "--warehouse-id", workspace.warehouse_id, **login)

        assert (result.exit_code, result.stderr.count("error")) == (0, 0), result.stderr
        assert "That makes 2 jobs: 'load_a', 'load_b'." in result.stdout
        entry = yaml.safe_load((tmp_path / "mine" / "job_meta.yml").read_text())["metadata"][1]
        assert entry == {
            "table": "main.etl.lists",
            "warehouse_id": workspace.warehouse_id,
            "blueprint": "load_table",
            "key": ["table_name"],
        }

    def test_that_is_not_there_is_one_sentence(self, init, tmp_path):
        result = init("mine", "--table", "./nowhere")

        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert not (tmp_path / "mine").exists()


class TestACsvFile:
    def test_from_elsewhere_becomes_a_file_of_the_project(self, init, tmp_path):
        (tmp_path / "lists.csv").write_text("table;load\na;full\nb;full\n")

        init("mine", "--csv", "lists.csv")

        assert (tmp_path / "mine" / "data" / "lists.csv").read_text() == (tmp_path / "lists.csv").read_text()
        assert generated(tmp_path / "mine") == ["load_a", "load_b"]

    def test_of_the_folder_stays_where_it_is(self, init, tmp_path):
        (tmp_path / "lists.csv").write_text("table\na\n")

        assert init("--csv", "lists.csv").exit_code == 0
        assert not (tmp_path / "data").exists()
        assert generated(tmp_path) == ["load_a"]

    def test_with_a_bad_line_is_shown_at_it(self, init, tmp_path):
        (tmp_path / "lists.csv").write_text("table,load\na\n")

        result = init("mine", "--csv", "lists.csv")

        assert (result.exit_code, [each.place for each in result.problems]) == (2, ["lists.csv:2"])
        assert not (tmp_path / "mine").exists()

    def test_with_a_value_that_makes_no_job_is_shown_at_it_and_the_project_is_written(self, init, tmp_path):
        (tmp_path / "lists.csv").write_text("table,path\na,x\nb,${var.nope}\n")

        result = init("mine", "--csv", "lists.csv")

        assert (result.exit_code, [each.place for each in result.errors]) == (1, ["data/lists.csv:3:3"])
        assert "That makes 1 job: 'load_a'." in result.stdout
        assert (tmp_path / "mine" / "data" / "lists.csv").exists()

    def test_in_a_volume_stays_there(self, init, tmp_path, volume: Path, environment):
        (volume / "lists.csv").write_text("table\na\n")

        result = init("mine", "--csv", "/Volumes/main/etl/metadata/lists.csv", **environment)

        assert (result.exit_code, "That makes 1 job: 'load_a'." in result.stdout) == (0, True), result.stderr
        entry = yaml.safe_load((tmp_path / "mine" / "job_meta.yml").read_text())["metadata"][1]
        assert entry == {"csv": "/Volumes/main/etl/metadata/lists.csv", "blueprint": "load_table"}

    @settings(max_examples=examples(100), deadline=None)
    @given(
        st.integers(1, 4).flatmap(
            lambda width: st.lists(
                st.lists(st.text("aB1 _-.é,\"'#:", max_size=6), min_size=width, max_size=width), min_size=2, max_size=5
            )
        )
    )
    def test_of_any_content_gives_a_project_without_mistakes_or_a_sentence(self, tmp_path_factory, table):
        folder = tmp_path_factory.mktemp("csv")
        text = io.StringIO()
        csv.writer(text).writerows(table)
        (folder / "any.csv").write_text(text.getvalue())

        result = run_here("init", str(folder / "mine"), "--csv", str(folder / "any.csv"))

        assert "internal error" not in result.stderr
        assert result.exit_code in (0, 2), result.stderr
        assert (folder / "mine").exists() == (result.exit_code == 0)
        if result.exit_code == 0:
            assert f"That makes {len(table) - 1} job" in result.stdout


class TestABundleThatExists:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "databricks.yml").write_text(BUNDLE)
        return tmp_path

    def test_gets_what_it_lacks_and_says_what_to_add(self, init, folder):
        result = init("--from", "existing")

        assert result.stdout.splitlines() == [
            "create job_meta.yml",
            "create metadata/first.yml",
            "create notebooks/first.py",
            *(f"create {name}" for name in TOOL_FILES),
            "Add to databricks.yml:",
            "    include:",
            "      - resources/jobs/*.yml",
        ]
        assert (folder / "databricks.yml").read_text() == BUNDLE
        (folder / "databricks.yml").write_text(INCLUDING)
        assert generated(folder) == ["first_pipeline"]

    @pytest.mark.parametrize("pattern", ["resources/jobs/*.yml", "resources/**/*.yml", "resources/*/*.yml"])
    def test_has_to_add_nothing_where_a_pattern_covers_the_generated_files(self, init, folder, pattern):
        (folder / "databricks.yml").write_text(f"bundle: {{name: a}}\ninclude: ['{pattern}']\n")

        assert "Add to" not in init("--from", "existing").stdout

    def test_keeps_all_that_it_has_and_is_told_what_to_add_to_it(self, init, folder):
        (folder / "metadata").mkdir()
        (folder / "metadata/mine.yml").write_text("modules: []\n")
        (folder / "job_meta.yml").write_text("output: generated\n")
        before = everything(folder)

        result = init("--from", "existing", "--policies")

        assert [line for line in result.stdout.splitlines() if line.startswith(("create", "keep"))] == [
            "keep job_meta.yml",
            "keep metadata/first.yml",
            "keep notebooks/first.py",
            "create policies.yml",
            *(f"create {name}" for name in TOOL_FILES),
        ]
        assert "      - generated/jobs/*.yml" in result.stdout
        assert "    policies: policies.yml" in result.stdout
        after = everything(folder)
        assert {name: content for name, content in after.items() if name in before} == before
        assert after.keys() - before.keys() == {"policies.yml", *TOOL_FILES}

    def test_lends_its_warehouse_and_its_target_for_production(self, init, folder):
        more = "variables: {sql_warehouse: {default: abc}}\ntargets: {a: {}, live: {mode: production}}\n"
        (folder / "databricks.yml").write_text(INCLUDING + more)

        init("--from", "existing", "--policies")

        project = yaml.safe_load((folder / "job_meta.yml").read_text())
        assert project["defaults"]["warehouse_id"] == "${var.sql_warehouse}"
        policies = yaml.safe_load((folder / "policies.yml").read_text())["policies"]
        assert policies[1]["where"] == {"target": "live", "has": "schedule"}
        assert generated(folder) == ["first_pipeline"]

    def test_that_cannot_be_read_is_shown_where_it_is_wrong(self, init, folder):
        (folder / "databricks.yml").write_text("bundle: {name: [\n")

        result = init("--from", "existing")

        assert (result.exit_code, {each.place.split(":")[0] for each in result.problems}) == (2, {"databricks.yml"})
        assert set(everything(folder)) == {"databricks.yml"}


@pytest.mark.skipif(os.name != "posix", reason="a terminal of POSIX")
class TestOnATerminal:
    def talk(self, folder: Path, environment: dict[str, str], arguments: list[str], *talk: tuple[str, str]) -> str:
        """Runs `ljm init` at a terminal, answers each question that comes, and returns all that was shown."""
        import pty  # only POSIX has it

        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "lakeflow_job_meta", "init", *arguments],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        )
        os.close(theirs)
        shown, seen, end = "", 0, time.monotonic() + 60
        left = [*talk]
        try:
            while time.monotonic() < end:
                if left and left[0][0] in shown[seen:]:
                    seen = len(shown)
                    os.write(ours, f"{left.pop(0)[1]}\n".encode())
                if not select.select([ours], [], [], 1)[0]:
                    continue
                try:
                    piece = os.read(ours, 4096)
                except OSError:  # Linux says so that the other side is closed
                    piece = b""
                if not piece:
                    break
                shown += piece.decode()
            assert (process.wait(10), left) == (0, []), shown
        finally:
            process.kill()
            process.wait()
            os.close(ours)
        return shown

    def test_all_is_asked_and_the_warehouses_of_the_workspace_are_listed(
        self, tmp_path, workspace: FakeWorkspace, environment
    ):
        shown = self.talk(
            tmp_path,
            environment,
            ["mine"],
            ("Begin with", ""),
            ("SQL warehouse", "1"),
            ("CI", ""),
            ("policies.yml", "y"),
        )

        assert "1  Starter Warehouse (0123456789abcdef)" in shown
        assert bundle_of(tmp_path / "mine")["targets"]["prod"]["variables"] == {"warehouse_id": "0123456789abcdef"}
        assert (tmp_path / "mine" / "policies.yml").exists()

    def test_a_missing_login_is_said_and_the_warehouse_comes_later(self, tmp_path):
        arguments = ["mine", "--from", "starter", "--ci", "none", "--no-policies"]
        shown = self.talk(tmp_path, {}, arguments, ("SQL warehouse", ""))

        assert "The warehouses of the workspace are not known: No login to Databricks" in shown
        assert "lookup" in (tmp_path / "mine" / "databricks.yml").read_text()

    def test_rows_are_shown_before_anything_is_written(self, tmp_path):
        (tmp_path / "lists.csv").write_text("table\na\n")
        arguments = ["--from", "csv", "--ci", "none", "--no-policies"]
        shown = self.talk(tmp_path, {}, arguments, ("CSV file", "lists.csv"), ("Write this project?", ""))

        assert shown.index("That makes 1 job: 'load_a'.") < shown.index("Write this project?") < shown.index("create ")
