"""A project of many bundles: where each job goes, that it stays there, and what each bundle's own file says."""

from __future__ import annotations

import pytest

from support.git import commit, git
from support.many_bundles import ROOT, SHARED, places
from support.project_folder import ProjectFolder, module
from support.tables import ALL_COLUMNS, TEXT, row, write_table

# Files --------------------------------------------------------------------------------------------------------------


def tagged(name: str, tag: str | None, task: str = "notebook_path: /Workspace/a") -> str:
    text = module(name).replace("notebook_path: /Workspace/a", task)
    config = f"    job_config: {{tags: {{domain: {tag}}}}}\n" if tag else ""
    return text.replace("    sources:\n", f"{config}    sources:\n")


@pytest.fixture
def many(project: ProjectFolder) -> ProjectFolder:
    """A project of many bundles, two jobs in each, without metadata."""
    project.write("databricks.yml", ROOT)
    project.write("shared.yml", SHARED)
    project.write("job_meta.yml", "bundles: {jobs_per_bundle: 2}\n")
    return project


class InTable:
    """A project of many bundles by `domain`, whose metadata is the rows of a control table.

    Args:
        project: A project of many bundles.
    """

    def __init__(self, project: ProjectFolder) -> None:
        self.project = project
        project.write("job_meta.yml", "metadata: [{delta: control}]\nbundles: {by: domain}\n")

    def __call__(self, rows: list[dict], columns: dict = {**ALL_COLUMNS, "domain": TEXT}) -> None:  # noqa: B006
        write_table(self.project.path / "control", rows, columns)


@pytest.fixture
def in_table(many: ProjectFolder) -> InTable:
    """Writes a control table of the user's own, with a column `domain`."""
    return InTable(many)


def of(name: str, *domains: str | None, **columns: object) -> list[dict]:
    """Returns rows of one module, one for each value of the column `domain`."""
    return [row(str(number), name, domain=domain, **columns) for number, domain in enumerate(domains)]


class TestWhereJobsGo:
    def test_each_bundle_takes_its_number_in_the_order_of_keys(self, many):
        for name in "edcba":
            many.write(f"metadata/{name}.yml", module(name))
        result = many.ljm("generate")

        assert result.exit_code == 0
        assert places(many) == dict(zip("abcde", ["part_001"] * 2 + ["part_002"] * 2 + ["part_003"], strict=True))
        assert many.ljm("generate", "--check").exit_code == 0

    def test_a_job_stays_where_it_is_whatever_comes_and_goes(self, many):
        for name in "bcde":
            many.write(f"metadata/{name}.yml", module(name))
        many.ljm("generate")
        before = places(many)
        many.write("metadata/a.yml", module("a"))
        (many.path / "metadata" / "c.yml").unlink()
        many.ljm("generate")
        many.write("metadata/f.yml", module("f"))
        many.ljm("generate")

        assert places(many) == {"a": "part_003", "b": "part_001", "d": "part_002", "e": "part_002", "f": "part_001"}
        assert before["b"] == "part_001"

    def test_a_limit_that_changes_moves_nothing(self, many):
        for name in "abcd":
            many.write(f"metadata/{name}.yml", module(name))
        many.ljm("generate")
        many.write("job_meta.yml", "bundles: {jobs_per_bundle: 100}\n")

        assert many.ljm("generate", "--check").stdout == ""

    def test_a_tag_names_the_bundle_and_jobs_without_it_are_apart(self, many):
        many.write("job_meta.yml", "bundles: {by: domain}\n")
        many.write("metadata/a.yml", tagged("a", "Sales EU"))
        many.write("metadata/b.yml", tagged("b", None))
        many.ljm("generate")

        assert places(many) == {"a": "Sales_EU", "b": "other"}

    def test_another_tag_moves_nothing_and_is_told_with_what_would(self, many):
        many.write("job_meta.yml", "bundles: {by: domain}\n")
        many.write("metadata/a.yml", tagged("a", "sales"))
        many.ljm("generate")
        many.write("metadata/a.yml", tagged("a", "stock"))
        result = many.ljm("generate")

        assert result.exit_code == 0
        assert places(many) == {"a": "sales"}
        assert result.codes == ["stays-in-bundle"]
        assert "ljm bundles move a stock -t TARGET" in result.stderr

    def test_a_column_of_the_control_table_names_the_bundle_where_no_tag_does(self, in_table):
        tag = {"tags": {"domain": "stock"}}
        in_table([*of("a", "Sales EU", None), *of("b", "Sales EU", job_config=tag), *of("c", None)])
        result = in_table.project.ljm("generate")

        assert (result.exit_code, result.problems) == (0, [])
        assert places(in_table.project) == {"a": "Sales_EU", "b": "stock", "c": "other"}

    def test_another_value_of_the_column_moves_nothing_and_is_told_at_its_cell(self, in_table):
        in_table(of("a", None, "sales"))
        in_table.project.ljm("generate")
        in_table(of("a", None, "stock"))
        result = in_table.project.ljm("generate")

        assert result.exit_code == 0
        assert places(in_table.project) == {"a": "sales"}
        assert [str(problem) for problem in result.problems] == [
            "control[module_name=a, source_id=1].domain: warning: the job stays in the bundle 'sales' although its "
            "'domain' is 'stock'; move it with `ljm bundles move a stock -t TARGET` [stays-in-bundle]"
        ]

    def test_rows_of_a_module_that_name_two_bundles_are_refused_and_the_job_stays(self, in_table):
        in_table(of("a", "sales", "sales"))
        in_table.project.ljm("generate")
        before = in_table.project.everything()
        in_table(of("a", "sales", "stock"))
        result = in_table.project.ljm("generate")

        assert result.exit_code == 1
        assert [str(problem) for problem in result.problems] == [
            "control[module_name=a, source_id=1].domain: error: 'domain' names the bundle of the module, and is "
            "'stock' here but 'sales' in control[module_name=a, source_id=0].domain; rows of a module must agree "
            "[conflicting-rows]"
        ]
        assert {name: text for name, text in in_table.project.everything().items() if name[:7] == "bundles"} == {
            name: text for name, text in before.items() if name[:7] == "bundles"
        }

    @pytest.mark.parametrize("value", ["${var.x}", "//"])
    def test_a_value_of_the_column_that_cannot_be_a_name_is_told_at_its_cell(self, in_table, value):
        in_table(of("a", value))
        result = in_table.project.ljm("generate")

        assert [(problem.place, problem.code) for problem in result.problems] == [
            ("control[module_name=a, source_id=0].domain", "bundle-name")
        ]

    def test_a_column_that_the_table_does_not_have_names_nothing(self, in_table):
        in_table(of("a", "sales"), ALL_COLUMNS)
        assert in_table.project.ljm("generate").exit_code == 0
        assert places(in_table.project) == {"a": "other"}

    def test_a_job_that_runs_one_of_another_bundle_is_refused_and_keeps_its_file(self, many):
        for name in "abc":
            many.write(f"metadata/{name}.yml", module(name))
        many.ljm("generate")
        before = many.everything()
        text = module("a").replace("notebook_path: /Workspace/a", "run_job_task: {module_name: c}")
        many.write("metadata/a.yml", text)
        result = many.ljm("generate")

        assert result.exit_code == 1
        assert result.codes == ["job-in-other-bundle"]
        assert "'c' is in the bundle 'part_002' and this one in 'part_001'" in result.stderr
        assert "ljm bundles move c part_001 -t TARGET" in result.stderr
        assert many.everything() == {**before, "metadata/a.yml": text.encode()}

    def test_leftovers_of_a_run_that_was_killed_are_removed(self, many):
        many.write("metadata/a.yml", module("a"))
        left = [many.write(f"bundles/part_001/{where}.ljm-999999999-x.tmp", "") for where in ("", "resources/jobs/")]
        many.ljm("generate")

        assert not any(path.exists() for path in left)

    def test_a_broken_module_keeps_its_file_and_its_place(self, many):
        many.write("metadata/a.yml", module("a"))
        many.ljm("generate")
        many.write("metadata/a.yml", module("a").replace("execution_order", "exection_order"))
        many.write("metadata/b.yml", module("b"))

        assert many.ljm("generate").exit_code == 1
        assert places(many) == {"a": "part_001", "b": "part_001"}


class TestFilesOfABundle:
    def test_a_bundle_takes_along_what_its_jobs_need_and_nothing_of_others(self, many):
        for path in ("notebooks/deep/a.py", "alone.py"):
            many.write(path, "# Databricks notebook source\n")
        many.write("sql/q.sql", "SELECT 1\n")
        sql = "sql_task: {warehouse_id: w, sql_query: SELECT 1}"
        file = "task_type: sql_file, sql_task: {warehouse_id: w, sql_file_path: sql/q.sql}"
        many.write("metadata/a.yml", module("a", notebook="notebooks/deep/a.py"))
        many.write("metadata/b.yml", tagged("b", None, sql))
        many.write("metadata/c.yml", tagged("c", None, file))
        many.write("metadata/d.yml", module("d", notebook="alone.py"))
        many.write("metadata/e.yml", module("e"))
        assert many.ljm("generate").exit_code == 0

        assert many.read("bundles/part_001/databricks.yml") == (
            "# Generated by lakeflow-job-meta from job_meta.yml. Edit the metadata, not this file.\n"
            'bundle:\n  name: "etl_part_001"\n'
            'include:\n  - "resources/jobs/*.yml"\n  - "../../shared.yml"\n'
            'sync:\n  paths:\n    - "../../notebooks"\n    - "resources/sql"\n'
        )
        assert 'paths:\n    - "../../alone.py"\n    - "../../sql"\n' in many.read("bundles/part_002/databricks.yml")
        assert "paths: []\n" in many.read("bundles/part_003/databricks.yml")
        assert '"../../../../notebooks/deep/a.py"' in many.read("bundles/part_001/resources/jobs/a.yml")
        assert '"../sql/b/a.sql"' in many.read("bundles/part_001/resources/jobs/b.yml")

    def test_a_bundle_without_jobs_keeps_its_file_so_that_its_last_job_can_go(self, many):
        many.write("metadata/a.yml", module("a"))
        many.write("metadata/b.yml", module("b"))
        many.write("metadata/c.yml", module("c"))
        many.ljm("generate")
        (many.path / "metadata" / "c.yml").unlink()
        many.ljm("generate")

        assert (many.path / "bundles" / "part_002" / "databricks.yml").is_file()
        assert many.ljm("generate", "--check").exit_code == 0

    def test_a_kept_job_keeps_the_files_that_it_needs(self, many):
        many.write("notebooks/a.py", "# Databricks notebook source\n")
        many.write("metadata/a.yml", module("a", notebook="notebooks/a.py"))
        many.ljm("generate")
        many.write("metadata/a.yml", module("a", notebook="notebooks/a.py").replace("execution_order", "order"))
        many.ljm("generate")

        assert "../../notebooks" in many.read("bundles/part_001/databricks.yml")

    def test_a_file_of_somebody_else_is_not_touched(self, many):
        many.write("metadata/a.yml", module("a"))
        many.write("bundles/part_001/databricks.yml", "bundle: {name: mine}\n")
        result = many.ljm("generate")

        assert result.exit_code == 2
        assert "bundles/part_001/databricks.yml was not generated by this tool" in result.stderr

    def test_a_file_of_somebody_else_in_a_bundle_whose_name_has_capitals_is_not_touched(self, many):
        many.write("job_meta.yml", "bundles: {by: domain}\n")
        many.write("metadata/a.yml", tagged("a", "Sales EU"))
        many.write("bundles/Sales_EU/databricks.yml", "bundle: {name: mine}\n")
        result = many.ljm("generate")

        assert result.exit_code == 2
        assert "bundles/Sales_EU/databricks.yml was not generated by this tool" in result.stderr
        assert many.read("bundles/Sales_EU/databricks.yml") == "bundle: {name: mine}\n"

    def test_a_plan_compares_jobs_wherever_they_are(self, many):
        many.write("metadata/a.yml", module("a"))
        many.ljm("generate")
        many.write("metadata/a.yml", module("a", notebook="/Workspace/b"))

        result = many.ljm("plan")

        assert "~ job a: changed" in result.stdout
        assert "1 to change, 0 to delete" in result.stdout

    def test_a_job_that_was_moved_is_no_change_against_a_revision(self, many):
        for name in "abc":
            many.write(f"metadata/{name}.yml", module(name))
        many.ljm("generate")
        git(many.path, "init", "-q", "-b", "main")
        commit(many.path)
        target = many.path / "bundles/part_002/resources/jobs/a.yml"
        (many.path / "bundles/part_001/resources/jobs/a.yml").rename(target)
        many.write("metadata/b.yml", module("b", notebook="/Workspace/b"))
        many.ljm("generate")

        result = many.ljm("plan", "--against", "main")

        assert "job a" not in result.stdout
        assert "~ job b: changed" in result.stdout
        assert result.stdout.endswith("0 jobs to create, 1 to change, 0 to delete, 2 unchanged.\n")

    def test_a_diff_names_the_files_of_the_bundles(self, many):
        many.write("metadata/a.yml", module("a"))

        headers = [line for line in many.ljm("generate", "--diff").stdout.split("\n") if line.startswith("+++")]

        assert headers == ["+++ b/bundles/part_001/databricks.yml", "+++ b/bundles/part_001/resources/jobs/a.yml"]
        assert places(many) == {}


class TestFromOneBundleToMany:
    def test_files_of_the_single_bundle_are_never_dropped(self, project):
        project.write("metadata/a.yml", module("a"))
        project.ljm("generate")
        project.write("databricks.yml", ROOT)
        project.write("shared.yml", SHARED)
        project.write("job_meta.yml", "bundles: {jobs_per_bundle: 2}\n")
        before = project.everything()

        result = project.ljm("generate")

        assert result.exit_code == 3
        assert "resources/jobs still holds the 1 job of a single bundle" in result.stderr
        assert "ljm bundles move --all" in result.stderr
        assert project.everything() == before


class TestMistakes:
    @pytest.mark.parametrize(
        ("bundles", "message"),
        [
            ("{}", "exactly one of 'jobs_per_bundle' and 'by'"),
            ("{jobs_per_bundle: 2, by: domain}", "exactly one of 'jobs_per_bundle' and 'by'"),
            ("{job_per_bundle: 2}", "did you mean 'jobs_per_bundle'?"),
            ("{jobs_per_bundle: 0}", "must be at least 1"),
            ("{jobs_per_bundle: 4001}", "must be at most 4000"),
            ("{by: ' '}", "'by' is empty"),
            ("{by: domain, include: [nothing.yml]}", "there is no file 'nothing.yml'"),
        ],
    )
    def test_mistakes_in_the_project_file_are_reported_at_their_place(self, many, bundles, message):
        many.write("job_meta.yml", f"bundles: {bundles}\n")
        result = many.ljm("validate")

        assert result.exit_code == 2
        assert message in result.stderr
        assert "job_meta.yml:1:" in result.stderr

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ({"databricks.yml": ROOT + SHARED, "shared.yml": "{}\n"}, "'variables', 'targets'"),
            ({"databricks.yml": "include: [shared.yml]\n"}, "no plain name"),
            ({"shared.yml": "workspace: {root_path: /Workspace/etl}\n"}, "overwrite each other"),
            ({"shared.yml": "targets: {prod: {workspace: {state_path: /x/y}}}\n"}, "targets.prod.workspace.state_path"),
            (
                {
                    "shared.yml": "resources: {jobs: {}}\n",
                    "job_meta.yml": "bundles: {by: x, include: [shared.yml]}\n",
                },
                "holds resources",
            ),
        ],
    )
    def test_mistakes_in_what_the_bundles_share_are_reported(self, many, files, message):
        many.write("metadata/a.yml", module("a"))
        for path, text in files.items():
            many.write(path, text)
        result = many.ljm("generate")

        assert result.exit_code == 2
        assert message in result.stderr

    def test_a_place_that_is_another_for_each_bundle_is_fine(self, many):
        many.write("metadata/a.yml", module("a"))
        place = "workspace: {root_path: '~/x/${bundle.name}', file_path: '${workspace.root_path}/f'}\n"
        many.write("shared.yml", place)

        assert many.ljm("generate").exit_code == 0

    def test_a_variable_that_only_the_root_declares_is_unknown(self, many):
        many.write("metadata/a.yml", module("a", notebook="'/Workspace/${var.y}'"))

        assert many.ljm("validate").codes == ["unknown-reference"]
