"""The bundle's own files: what the root file may be called, what cannot be read, and overrides of what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.config import bundle
from lakeflow_job_meta.config.bundle import read_bundle_declarations, target_named, target_of
from lakeflow_job_meta.config.load import find_project_folder, load_project
from support.project_folder import ProjectFolder, compile_loaded, module

NAMES = ["databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml"]
START = "bundle: {name: shop}\ninclude: [resources/jobs/*.yml]\n"


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    project = ProjectFolder(tmp_path / "project")
    (project.path / "databricks.yml").unlink(missing_ok=True)
    return project


def problems(project: ProjectFolder, metadata: str | None = None) -> list[str]:
    return [each.replace(str(project.path), "") for each in project.problems(metadata or module())]


class TestTheRootFile:
    @pytest.mark.parametrize("name", NAMES)
    def test_makes_its_folder_the_projects(self, project, name):
        project.write(name, f"{START}targets: {{dev: {{}}, prod: {{default: true}}}}\n")
        project.write("below/x", "")

        assert find_project_folder(project.path / "below") == project.path
        assert target_of(load_project(project.path), None) == "prod"

    @pytest.mark.parametrize("name", NAMES)
    def test_says_which_variables_and_targets_there_are(self, project, name):
        project.write(name, f"{START}variables: {{size: {{default: 3}}}}\ntargets: {{dev: {{}}}}\n")
        text = module(notebook="'/Workspace/${var.sice}'").replace("sources:", "targets: [deve]\n    sources:")

        found = problems(project, text)

        assert any("did you mean 'size'" in each for each in found)
        assert any("has no target 'deve'" in each for each in found)

    def test_two_of_them_are_one_too_many_for_the_databricks_cli(self, project):
        project.write("databricks.yml", START)
        project.write("bundle.yaml", START)

        assert problems(project) == [
            "bundle.yaml: error: a bundle has one root file, and databricks.yml is there too; keep one of them "
            "[unreadable]"
        ]


class TestAFileThatCannotBeRead:
    @pytest.mark.parametrize("name", NAMES)
    def test_is_reported_where_it_goes_wrong(self, project, name):
        project.write(name, "bundle:\n  name: 'shop\n")

        (problem,) = problems(project)

        assert problem.startswith(f"{name}:3:1: error: not valid YAML")

    @pytest.mark.parametrize("text", ["- a\n", "3\n"])
    def test_is_reported_where_it_holds_no_keys(self, project, text):
        project.write("databricks.yml", text)

        (problem,) = problems(project)

        assert problem == "databricks.yml:1:1: error: a file of a bundle holds keys with values [unreadable]"

    def test_is_reported_where_it_is_included(self, project):
        project.write("databricks.yml", "bundle: {name: shop}\ninclude: [conf/*.yml, resources/jobs/*.yml]\n")
        project.write("conf/good.yml", "variables: {a: {}}\n")
        project.write("conf/bad.yml", "variables: {\n")

        (problem,) = problems(project)

        assert problem.startswith("conf/bad.yml:2:1: error: not valid YAML")

    def test_is_reported_where_it_is_no_text(self, project):
        (project.path / "databricks.yml").write_bytes(b"bundle: {name: \xff}\n")

        assert problems(project) == [
            "databricks.yml: error: the byte 0xff at line 1 is not UTF-8; save the file as UTF-8 [unreadable]"
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "variables: &all\n  a: {}\n  b: !!str x\nother: *all\n",
            "variables: {a: {}}\nvariables: {b: {}}\n",
            "# nothing\n",
            "",
            "---\nvariables: {a: {}}\n---\nvariables: {b: {}}\n",
            "%YAML 1.1\n---\nvariables: {a: {}}\n",
            "variables:\n  on: {default: 2020-01-01}\n  1: {default: .inf}\n",
            "variables: {<<: {a: {}}}\n",
            "variables: {a: {default: {? x : y}}}\n",
            "variables: {a: {default: !custom x}}\n",
        ],
    )
    def test_one_that_the_databricks_cli_reads_is_fine(self, project, text):
        project.write("databricks.yml", START.replace("[", "[conf/*.yml, "))
        project.write("conf/more.yml", text)

        assert problems(project) == []


class TestWhatTheBundleDeclares:
    def test_is_what_was_read_at_one_moment_until_the_next_compilation(self, project):
        project.write("databricks.yml", f"{START}targets: {{prod: {{resources: {{jobs: {{slaes: {{}}}}}}}}}}\n")
        project.write("metadata/m.yml", module())
        loaded = load_project(project.path)
        declared = read_bundle_declarations(loaded)
        project.write("databricks.yml", "variables: {\n")

        then, now = compile_project(loaded, declared), compile_loaded(loaded)

        assert [each.code for each in then.errors] == ["unknown-override"]
        assert "databricks.yml:3:37" in str(then.errors[0])
        assert [each.code for each in now.errors] == ["unreadable"]
        assert then.bundle is declared

    def test_beyond_the_limit_of_a_file_is_reported(self, project, monkeypatch):
        monkeypatch.setattr(bundle, "MAX_BYTES", 40)
        project.write("databricks.yml", "bundle: {name: shop}\ninclude: [conf/*.yml, resources/jobs/*.yml]\n")
        for name in "ab":
            project.write(f"conf/{name}.yml", "variables: {a: {default: small}}\n")

        assert problems(project) == [
            "conf/b.yml: error: cannot be read: it has 33 bytes, and 7 are the limit [unreadable]"
        ]


class TestTheIncludedFiles:
    @pytest.mark.parametrize(
        ("pattern", "names"),
        [("conf/**/*.yml", ["deep"]), ("**/*.yml", ["near"]), ("conf/*.yml", ["near"]), ("conf/**/**/*", ["deeper"])],
    )
    def test_of_two_stars_are_those_in_one_folder_as_for_the_databricks_cli(self, project, pattern, names):
        project.write("databricks.yml", f"bundle: {{name: shop}}\ninclude: ['{pattern}']\n")
        for name, path in {"near": "conf", "deep": "conf/a", "deeper": "conf/a/b"}.items():
            project.write(f"{path}/{name}.yml", f"variables: {{{name}: {{default: 1}}}}\n")

        assert sorted(read_bundle_declarations(load_project(project.path)).variables) == names


class TestOverrides:
    """`targets.NAME.resources.jobs`, which the databricks CLI lays over what is there, or takes for all there is."""

    def over(self, project: ProjectFolder, jobs: str, more: str = "") -> list[str]:
        project.write(
            "databricks.yml", f"{START}targets:\n  prod:\n    resources:\n      jobs:\n        {jobs}\n{more}"
        )
        return problems(project)

    def test_of_a_job_and_a_task_of_a_module_are_fine(self, project):
        assert self.over(project, "sales: {max_concurrent_runs: 5, tasks: [{task_key: a, max_retries: 2}]}") == []

    def test_of_a_job_that_is_not_there_is_an_error_with_the_closest_match(self, project):
        assert self.over(project, "slaes: {max_concurrent_runs: 5}") == [
            "databricks.yml:7:9: error: no module and no file of the bundle defines the job 'slaes' that this "
            "overrides; did you mean 'sales'? [unknown-override]"
        ]

    def test_of_a_task_that_is_not_there_is_an_error(self, project):
        (problem,) = self.over(project, "sales: {tasks: [{task_key: a}, {task_key: b, max_retries: 2}]}")

        assert problem.startswith("databricks.yml:7:40: error: the job 'sales' has no task 'b' that this overrides")

    def test_that_add_a_whole_task_or_a_whole_job_are_fine(self, project):
        whole = "{tasks: [{task_key: b, notebook_task: {notebook_path: /Workspace/b}}]}"

        assert self.over(project, f"sales: {whole}") == []
        assert self.over(project, f"other: {whole}") == []

    def test_of_a_job_that_was_written_by_hand_are_fine_and_its_tasks_are_known(self, project):
        more = "resources: {jobs: {mine: {tasks: [{task_key: a, notebook_task: {notebook_path: /Workspace/b}}]}}}\n"

        assert self.over(project, "mine: {tasks: [{task_key: a, max_retries: 2}]}", more) == []
        (problem,) = self.over(project, "mine: {tasks: [{task_key: b, max_retries: 2}]}", more)
        assert "the job 'mine' has no task 'b'" in problem

    def test_of_a_job_whose_module_is_for_other_targets_is_an_error(self, project):
        metadata = module().replace("    sources:", "    targets: [dev]\n    sources:")
        project.write(
            "databricks.yml",
            f"{START}targets: {{dev: {{}}, prod: {{resources: {{jobs: {{sales: {{max_concurrent_runs: 5}}}}}}}}}}\n",
        )

        (problem,) = problems(project, metadata)

        assert "the module of the job 'sales' is not for this target" in problem

    def test_of_a_job_whose_module_has_errors_are_left_alone(self, project):
        project.write("metadata/stock.yml", module("stock", order="x"))

        found = self.over(project, "stock: {tasks: [{task_key: b}]}")

        assert [each for each in found if "unknown-override" in each] == []

    def test_of_jobs_that_python_code_may_make_are_left_alone(self, project):
        assert self.over(project, "made: {max_concurrent_runs: 5}", "python: {resources: ['jobs:load']}\n") == []

    def test_can_be_allowed_by_the_project_or_a_comment(self, project):
        assert self.over(project, "stock: {max_concurrent_runs: 5}  # ljm: ignore[unknown-override]") == []
        project.write("job_meta.yml", "checks: {unknown-override: warning}\n")
        (problem,) = self.over(project, "stock: {max_concurrent_runs: 5}")
        assert "warning: no module" in problem


class TestTheTargetThatIsMeant:
    @pytest.mark.parametrize(
        ("named", "environment", "target"),
        [
            ("a", {"DATABRICKS_BUNDLE_TARGET": "b"}, "a"),
            (None, {"DATABRICKS_BUNDLE_TARGET": "b", "DATABRICKS_BUNDLE_ENV": "c"}, "b"),
            (None, {"DATABRICKS_BUNDLE_ENV": "c"}, "c"),
            (None, {"DATABRICKS_BUNDLE_TARGET": "", "DATABRICKS_BUNDLE_ENV": "c"}, None),
            (None, {}, None),
        ],
    )
    def test_is_named_by_the_option_or_the_environment_as_for_the_databricks_cli(self, named, environment, target):
        assert target_named(named, environment) == target
