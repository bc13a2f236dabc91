"""`ljm plan`: every change of a job is told in words, and nothing else is; nothing is changed by telling it."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from support.git import commit, git
from support.project_folder import ProjectFolder, module

# The command ------------------------------------------------------------------------------------------------------

SALES = """\
modules:
  - module_name: sales
    sources:
      - {source_id: orders, execution_order: 1, transformation_config: {notebook_path: /Workspace/orders}}
      - source_id: report
        execution_order: 1
        transformation_config: {sql_task: {sql_query: SELECT 1, warehouse_id: abc}}
"""


@pytest.fixture
def generated(project: ProjectFolder) -> ProjectFolder:
    """A project of the jobs `sales` and `stock` whose files are as its metadata says."""
    project.write("metadata/sales.yml", SALES)
    project.write("metadata/stock.yml", module("stock"))
    assert project.ljm("generate").exit_code == 0
    return project


class TestTheCommand:
    def test_before_anything_is_generated_all_is_new(self, project):
        project.write("metadata/stock.yml", module("stock"))

        result = project.ljm("plan")

        assert (result.exit_code, result.stdout.split("\n")[:2]) == (
            0,
            ["+ job stock: created", "    + task a: created"],
        )

    def test_after_generating_there_is_nothing_to_tell(self, generated):
        assert generated.ljm("plan", "--check").stdout == ("0 jobs to create, 0 to change, 0 to delete, 2 unchanged.\n")

    def test_a_plan_writes_nothing(self, generated):
        generated.write("metadata/sales.yml", SALES.replace("execution_order: 1\n", "execution_order: 2\n"))
        before = generated.everything()

        for form in ("text", "json", "markdown"):
            generated.ljm("plan", "--format", form)

        assert generated.everything() == before

    def test_a_new_stage_is_told_as_what_a_task_waits_for(self, generated):
        generated.write("metadata/sales.yml", SALES.replace("execution_order: 1\n", "execution_order: 2\n"))

        assert generated.ljm("plan").stdout == dedent("""\
            ~ job sales: changed
                ~ task report: changed
                    waits now also for 'orders'
            0 jobs to create, 1 to change, 0 to delete, 1 unchanged.
            """)

    def test_changed_inline_sql_is_told(self, generated):
        generated.write("metadata/sales.yml", SALES.replace("SELECT 1", "SELECT 2"))

        assert "    ~ task report: changed\n        its SQL changed\n" in generated.ljm("plan").stdout

    def test_a_removed_module_is_a_deleted_job(self, generated):
        (generated.path / "metadata" / "stock.yml").unlink()

        assert generated.ljm("plan").stdout.split("\n")[0] == "- job stock: deleted; its run history is lost"

    def test_a_renamed_module_with_inline_sql_is_recognised(self, generated):
        generated.write("metadata/sales.yml", SALES.replace("sales", "revenue"))

        assert "it looks like 'sales' under a new name" in generated.ljm("plan").stdout

    def test_a_module_for_other_targets_is_a_change(self, generated):
        generated.write("metadata/stock.yml", module("stock") + "    targets: [dev]\n")

        result = generated.ljm("plan", "--format", "json")

        (change,) = json.loads(result.stdout)["jobs"]
        assert change["settings"] == [{"path": ["targets"], "new": ["dev"]}]

    def test_what_changes_in_one_target_says_in_which(self, generated):
        differs = (
            "    targets: {dev: {job_config: {timeout_seconds: 1}, sources: {a: {transformation_config: RETRY}}}}\n"
        )
        generated.write("metadata/stock.yml", module("stock") + differs.replace("RETRY", "{max_retries: 1}"))
        generated.ljm("generate")
        changed = differs.replace("timeout_seconds: 1", "timeout_seconds: 2").replace("RETRY", "{max_retries: 2}")
        generated.write("metadata/stock.yml", module("stock", notebook="/Workspace/b") + changed)

        text, told = generated.ljm("plan").stdout, generated.ljm("plan", "--format", "json").stdout

        assert text.startswith(
            "~ job stock: changed\n"
            "    targets.dev.timeout_seconds: 1 -> 2\n"
            "    ~ task a in dev: changed\n"
            "        notebook_task.notebook_path: '/Workspace/a' -> '/Workspace/b'\n"
            "        max_retries: 1 -> 2\n"
            "    ~ task a in prod: changed\n"
            "        notebook_task.notebook_path: '/Workspace/a' -> '/Workspace/b'\n"
        )
        assert [task["target"] for task in json.loads(told)["jobs"][0]["tasks"]] == ["dev", "prod"]

    def test_a_broken_module_does_not_change_and_is_told(self, generated):
        generated.write("metadata/stock.yml", module("stock").replace("execution_order", "exection_order"))
        generated.write("metadata/sales.yml", SALES.replace("/Workspace/orders", "/Workspace/new"))

        result = generated.ljm("plan")

        assert result.exit_code == 1
        assert "stock" not in result.stdout
        assert "notebook_task.notebook_path: '/Workspace/orders' -> '/Workspace/new'" in result.stdout
        assert "unknown-field" in result.codes

    def test_a_file_that_cannot_be_parsed_changes_none_of_its_jobs(self, generated):
        generated.write("metadata/stock.yml", "modules: [")

        result = generated.ljm("plan")

        assert (result.exit_code, result.stdout) == (1, "0 jobs to create, 0 to change, 0 to delete, 2 unchanged.\n")

    def test_a_file_that_is_in_the_way_is_told_as_it_is_by_generate(self, generated):
        generated.write("resources/jobs/returns.yml", "# by hand\n")
        generated.write("metadata/returns.yml", module("returns"))

        planned, written = generated.ljm("plan"), generated.ljm("generate")

        assert planned.codes == written.codes == ["foreign-file"]
        assert planned.exit_code == written.exit_code == 1

    def test_files_of_other_people_are_no_jobs(self, generated):
        generated.write("resources/jobs/by_hand.yml", "resources: {jobs: {by_hand: {name: x}}}\n")

        assert generated.ljm("plan").stdout.endswith("0 to delete, 2 unchanged.\n")

    def test_a_generated_file_that_was_damaged_is_named(self, generated):
        marker = generated.read("resources/jobs/stock.yml").split("\n")[0]
        generated.write("resources/jobs/stock.yml", f"{marker}\nresources: [\n")

        result = generated.ljm("plan")

        assert result.exit_code == 1
        assert "jobs/stock.yml" in result.stderr
        assert "Traceback" not in result.stderr


class TestCheck:
    def test_exits_with_1_when_something_would_change(self, generated):
        generated.write("metadata/returns.yml", module("returns"))

        assert [generated.ljm("plan", *flags).exit_code for flags in ((), ("--check",))] == [0, 1]

    def test_exits_with_0_when_nothing_would(self, generated):
        assert generated.ljm("plan", "--check").exit_code == 0


class TestDeletions:
    def test_that_nobody_has_allowed_are_told_with_what_would_allow_them(self, generated):
        (generated.path / "metadata/stock.yml").unlink()

        text, markdown, told = (generated.ljm("plan", "--format", form) for form in ("text", "markdown", "json"))

        assert text.stdout.splitlines()[-1] == (
            "`ljm deploy` refuses to delete 1 job. If that is meant, job_meta.yml says `deploy: {removed: [stock]}`."
        )
        assert "**`ljm deploy` refuses to delete 1 job.**" in markdown.stdout
        lines = markdown.stdout.partition("```yaml\n")[2].partition("```")[0]
        assert json.loads(told.stdout)["refused"] == ["stock"]
        generated.write("job_meta.yml", lines)
        assert json.loads(generated.ljm("plan", "--format", "json").stdout)["refused"] == []

    @pytest.mark.parametrize("deploy", ["removed: [stock]", "max_deletes: 1"])
    def test_that_the_project_file_allows_are_told_as_any_other_change(self, generated, deploy):
        (generated.path / "metadata/stock.yml").unlink()
        generated.write("job_meta.yml", f"deploy: {{{deploy}}}\n")

        assert generated.ljm("plan").stdout.splitlines()[-1] == (
            "0 jobs to create, 0 to change, 1 to delete, 1 unchanged."
        )

    def test_of_which_the_job_is_kept_are_told_as_forgotten(self, generated):
        (generated.path / "metadata/stock.yml").unlink()
        generated.write("job_meta.yml", "deploy: {removed: [{module: stock, keep_job: true}]}\n")
        # Alike, so that it might be taken for the same job under a new name.
        generated.write("metadata/new.yml", module("new"))

        text, markdown, told = (generated.ljm("plan", "--format", form).stdout for form in ("text", "markdown", "json"))

        assert "- job stock: no longer in the metadata; its job stays in the workspace, forgotten\n" in text
        assert "1 job to create, 0 to change, 0 to delete, 1 to forget, 1 unchanged." in text
        assert "stays in the workspace" in markdown
        assert "run history is lost" not in text + markdown
        (stock,) = (each for each in json.loads(told)["jobs"] if each["job"] == "stock")
        assert (stock["action"], stock["keeps_job"]) == ("delete", True)

    def test_of_very_many_the_first_are_named(self, project):
        many = "".join(module(f"m{number:02}").removeprefix("modules:\n") for number in range(25))
        project.write("metadata/many.yml", f"modules:\n{many}")
        project.ljm("generate")
        project.write("metadata/many.yml", module("m00"))

        shown = project.ljm("plan").stdout.splitlines()[-1]

        assert shown.startswith("`ljm deploy` refuses to delete 24 jobs.")
        assert shown.endswith("m19, m20, ...]}`.")


# Git --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def committed(generated: ProjectFolder) -> ProjectFolder:
    """The project as a git repository with one commit, on the branch `main`."""
    git(generated.path, "init", "-q", "-b", "main")
    commit(generated.path)
    return generated


class TestAgainst:
    def test_a_branch_is_compared_with_the_metadata_and_not_with_the_files(self, committed):
        committed.write("metadata/returns.yml", module("returns"))
        committed.ljm("generate")

        assert committed.ljm("plan").stdout.startswith("0 jobs to create")
        assert committed.ljm("plan", "--against", "main").stdout.startswith("+ job returns: created\n")

    @pytest.mark.parametrize(
        ("entry", "what"),
        [
            ("sales", "deleted where"),
            ("{module: sales, keep_job: true}", "forgotten where its job still is, which stays"),
        ],
    )
    def test_what_is_removed_on_purpose_is_told_although_its_module_was_gone_before(self, committed, entry, what):
        (committed.path / "metadata/sales.yml").unlink()
        assert committed.ljm("generate").exit_code == 0
        commit(committed.path, "a deployment of this is refused")
        committed.write("job_meta.yml", f"deploy: {{removed: [{entry}]}}\n")

        told = f"- sales: its module was gone before, and 'deploy.removed' is new: {what}"
        assert told in committed.ljm("plan", "--against", "main").stdout
        assert (
            f"| - | `sales` | {told[9:]}" in committed.ljm("plan", "--against", "main", "--format", "markdown").stdout
        )
        released = json.loads(committed.ljm("plan", "--against", "main", "--format", "json").stdout)["released"]
        assert released == [{"module": "sales", "keep_job": "keep" in entry}]
        commit(committed.path, "it is allowed")
        assert "was gone before" not in committed.ljm("plan", "--against", "main").stdout

    def test_a_plan_may_be_against_any_revision(self, committed):
        first = git(committed.path, "rev-parse", "HEAD")
        committed.write("metadata/sales.yml", SALES.replace("SELECT 1", "SELECT 2"))
        committed.ljm("generate")
        commit(committed.path, "two")
        git(committed.path, "tag", "v2")

        for revision in (first, first[:10], "HEAD~1", "main^"):
            assert "its SQL changed" in committed.ljm("plan", "--against", revision).stdout
        for revision in ("v2", "HEAD", "@"):
            assert committed.ljm("plan", "--against", revision, "--check").exit_code == 0

    def test_what_lies_uncommitted_in_the_output_folder_does_not_count(self, committed):
        (committed.path / "resources" / "jobs" / "sales.yml").unlink()

        assert committed.ljm("plan", "--against", "main", "--check").exit_code == 0

    def test_a_revision_from_before_the_first_generation_has_no_jobs(self, project):
        project.write("metadata/stock.yml", module("stock"))
        git(project.path, "init", "-q", "-b", "main")
        commit(project.path)

        assert project.ljm("plan", "--against", "main").stdout.startswith("+ job stock: created\n")

    def test_the_project_may_be_a_folder_of_the_repository(self, tmp_path):
        git(tmp_path, "init", "-q", "-b", "main")
        inner = ProjectFolder(tmp_path / "pipelines" / "project")
        inner.write("metadata/stock.yml", module("stock"))
        inner.ljm("generate")
        commit(tmp_path)

        assert inner.ljm("plan", "--against", "main", "--check").exit_code == 0

    def test_other_output_folders_are_found(self, project):
        project.write("job_meta.yml", "output: gen/ä b\n")
        project.write("metadata/stock.yml", module("stock"))
        git(project.path, "init", "-q", "-b", "main")
        project.ljm("generate")
        commit(project.path)

        assert project.ljm("plan", "--against", "main", "--check").exit_code == 0

    def test_files_that_an_export_leaves_out_are_compared_too(self, committed):
        committed.write(".gitattributes", "resources/** export-ignore\n")
        commit(committed.path)

        assert committed.ljm("plan", "--against", "main", "--check").exit_code == 0

    def test_a_broken_module_does_not_change_against_a_revision_either(self, committed):
        committed.write("metadata/stock.yml", module("stock").replace("execution_order", "exection_order"))

        result = committed.ljm("plan", "--against", "main")

        assert (result.exit_code, result.stdout) == (1, "0 jobs to create, 0 to change, 0 to delete, 2 unchanged.\n")

    @pytest.mark.parametrize("revision", ["nowhere", "", "main:nothing", "a b", "main..HEAD", "\u2028"])
    def test_an_unknown_revision_is_wrong_usage(self, committed, revision):
        result = committed.ljm("plan", "--against", revision)

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: git cannot show that revision")
        assert len(result.stderr.splitlines()) == 1

    @pytest.mark.parametrize("revision", ["--output=stolen", "-h", "--exec=touch stolen", "--remote=ext::sh -c x"])
    def test_a_revision_is_never_taken_for_an_option_of_git(self, committed, revision):
        before = committed.everything()

        result = committed.ljm("plan", f"--against={revision}")

        assert (result.exit_code, result.stdout) == (2, "")
        assert "is no git revision" in result.stderr
        assert committed.everything() == before

    @pytest.mark.parametrize(
        ("variable", "advice"),
        [
            ("GITHUB_ACTIONS", "give actions/checkout `fetch-depth: 0`, or run `git fetch --unshallow`."),
            ("TF_BUILD", "give the step `checkout: self` `fetchDepth: 0`, or run `git fetch --unshallow`."),
            ("GITLAB_CI", 'give the job the variable `GIT_DEPTH: "0"`, or run `git fetch --unshallow`.'),
            ("NO_CI", "this clone is shallow and has the newest commits alone: run `git fetch --unshallow`."),
        ],
    )
    def test_a_shallow_clone_is_told_to_fetch_more_in_the_words_of_its_ci(self, committed, tmp_path, variable, advice):
        commit(committed.write("a.txt", "a").parent, "two")
        git(tmp_path, "clone", "-q", "--depth", "1", f"file://{committed.path}", "shallow")
        clone = ProjectFolder(tmp_path / "shallow")

        result = clone.inside("plan", "--against", "HEAD~1", **{variable: "True"})

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: git cannot show that revision: fatal: ")
        assert result.stderr.endswith(f"{advice}\n")
        git(clone.path, "fetch", "-q", "--unshallow")
        assert clone.ljm("plan", "--against", "HEAD~1").exit_code == 0

    def test_without_a_repository_it_says_so(self, generated, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(generated.path.parent))

        result = generated.ljm("plan", "--against", "main")

        assert (result.exit_code, result.stdout) == (2, "")
        assert "not a git repository" in result.stderr

    def test_without_git_it_says_what_to_leave_out(self, committed, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))

        result = committed.ljm("plan", "--against", "main")

        assert (result.exit_code, result.stdout) == (2, "")
        assert "git is not installed" in result.stderr
        assert "--against" in result.stderr
