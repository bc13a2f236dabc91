"""The recipes for a CI that `ljm init` writes: valid for their CI, and run in a repository, from the first push on.

Their shell steps are run against a fake forge and a fake workspace. What only the CI itself can do is not run: checking
out, installing, and asking for approval.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fakes.forge import EVENT, Forge, running_forge
from fakes.workspace import FakeWorkspace
from support.ci_steps import (
    Step,
    azure_steps,
    github_steps,
    gitlab_steps,
    install_programs,
    misfits,
    run_steps,
    without_ci,
)
from support.git import git
from support.project_folder import REPOSITORY, Result, new_project
from support.slow import few

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="the steps are for a shell of POSIX"),
    pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True),
]

FILES = {"github": ".github/workflows/jobs.yml", "azure": "azure-pipelines.yml", "gitlab": ".gitlab-ci.yml"}
ROW = "dbo.{0},{0},full,true\n"
EXPRESSIONS = {
    "github.event.pull_request.head.repo.full_name == github.repository": True,
    "github.token": "token",
    "vars.DATABRICKS_CLIENT_ID": "",
    "secrets.DATABRICKS_CLIENT_SECRET": "",
    "$(System.AccessToken)": "token",
    "$(DATABRICKS_CLIENT_SECRET)": "",
}


def steps_of(ci: str, recipe: dict, job: str, host: str) -> list[Step]:
    values = {**EXPRESSIONS, "vars.DATABRICKS_HOST": host}
    if ci == "gitlab":
        return gitlab_steps(recipe[job])
    if ci == "github":
        return github_steps(recipe["jobs"][job]["steps"], values)
    (described,) = next(stage for stage in recipe["stages"] if stage["stage"] == job)["jobs"]
    steps = described["steps"] if job == "plan" else described["strategy"]["runOnce"]["deploy"]["steps"]
    return azure_steps(steps, values)


@dataclass
class Repository:
    """A project in a repository whose CI does what its recipe says: on `main`, and for a pull request."""

    ci: str
    folder: Path
    environment: dict[str, str]
    forge: Forge
    summary: Path

    def __post_init__(self) -> None:
        self.recipe = yaml.safe_load((self.folder / FILES[self.ci]).read_text())

    @property
    def rows(self) -> Path:
        return self.folder / "data/tables.csv"

    def generate(self) -> None:
        done = subprocess.run(
            ["ljm", "generate"], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr

    def publish(self, branch: str = "main", *, generate: bool = True) -> None:
        """Commits and pushes, without a CI."""
        if generate:
            self.generate()
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", "a change")
        git(self.folder, "push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        git(self.folder, "fetch", "-q", "origin")

    def push(self, branch: str = "change", *, generate: bool = True) -> Result:
        """Pushes, and returns what the CI came to: the plan of a pull request, or the deployment of main."""
        self.publish(branch, generate=generate)
        self.summary.write_text("")
        host = self.environment["DATABRICKS_HOST"]
        steps = steps_of(self.ci, self.recipe, "deploy" if branch == "main" else "plan", host)
        result = run_steps(steps, self.folder, self.environment)
        self.uploaded = [Path(path) for path in re.findall(r"##vso\[task.uploadsummary\](.*)", result.stdout)]
        return result

    def merge(self) -> Result:
        return self.push("main")

    @property
    def plan(self) -> str:
        """The one comment that is not of a person."""
        first, comment = self.forge.texts
        assert first == "a comment of a person"
        return comment

    def shown(self, result: Result) -> str:
        """What of a run is shown beside its log."""
        if self.ci == "github":
            return self.summary.read_text()
        return self.uploaded[0].read_text() if self.ci == "azure" else result.stdout + result.stderr


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as server:
        yield server


@pytest.fixture(params=few(["gitlab"], ["github", "azure"]))
def repository(request, tmp_path: Path, forge: Forge, databricks_environment: dict[str, str]) -> Repository:
    ci = request.param
    folder = new_project(tmp_path / "project", "--from", "csv", "--ci", ci)
    install_programs(tmp_path / "bin")
    (tmp_path / "event.json").write_text(EVENT)
    environment = {
        **without_ci(databricks_environment),
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{databricks_environment['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "NO_PROXY": "127.0.0.1",
        **forge.variables(ci, str(tmp_path / "event.json")),
    }
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin")
    git(folder, "init", "-q", "-b", "main")
    (folder / ".git/info/exclude").write_text("plan.md\ndeploy.md\n*.json\n")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin"))
    return Repository(ci, folder, environment, forge, tmp_path / "summary.md")


def jobs_in(workspace: FakeWorkspace) -> set[str]:
    return {job.name for job in workspace.jobs.all()}


def test_the_way_of_a_change_from_its_pull_request_to_its_jobs(repository: Repository, workspace: FakeWorkspace):
    first = repository.merge()
    assert (first.exit_code, jobs_in(workspace)) == (0, {"load_customers", "load_orders"}), first.stdout + first.stderr
    rows = repository.rows.read_text()

    # Two pushes to one pull request are one comment.
    repository.rows.write_text(rows + ROW.format("regions"))
    planned = repository.push()
    assert planned.exit_code == 0, planned.stdout + planned.stderr
    assert "| + | `load_regions` | created" in repository.plan
    repository.rows.write_text(rows + ROW.format("regions") + ROW.format("leads"))
    assert repository.push().exit_code == 0
    assert "`load_leads`" in repository.plan
    assert repository.forge.tokens == {"token" if repository.ci == "gitlab" else "Bearer token"}
    assert repository.merge().exit_code == 0
    assert jobs_in(workspace) == {"load_customers", "load_orders", "load_regions", "load_leads"}

    # A job that goes without a word is refused: the comment says so before, and the deployment does it.
    before = git(repository.folder, "rev-parse", "HEAD")
    repository.rows.write_text(rows)
    repository.push()
    assert "**`ljm deploy` refuses to delete 2 jobs.**" in repository.plan
    refused = repository.merge()
    assert refused.exit_code == 3
    assert "would delete 2 jobs" in repository.shown(refused)
    assert {"load_regions", "load_leads"} <= jobs_in(workspace)

    # The reviewed deletion is a line of the pull request.
    lines = repository.plan.partition("```yaml\n")[2].partition("```")[0]
    with (repository.folder / "job_meta.yml").open("a") as project_file:
        project_file.write(lines)
    git(repository.folder, "push", "-q", "-f", "origin", f"{before}:main")
    assert repository.push().exit_code == 0
    assert "refuses" not in repository.plan
    assert "2 to delete" in repository.plan
    allowed = repository.merge()
    assert allowed.exit_code == 0, allowed.stdout + allowed.stderr
    assert "2 deleted" in repository.shown(allowed)
    assert jobs_in(workspace) == {"load_customers", "load_orders"}


def test_a_mistake_is_annotated_at_its_line_and_ends_the_plan(repository: Repository):
    repository.publish()
    blueprints = repository.folder / "metadata/blueprints.yml"
    text = blueprints.read_text()
    blueprints.write_text(text.replace("execution_order", "execution_ordr"))
    line = text[: text.index("execution_order")].count("\n") + 1

    result = repository.push(generate=False)

    assert result.exit_code == 1
    assert repository.forge.writes == []
    place = {
        "github": f"file=metadata/blueprints.yml,line={line},",
        "azure": f"sourcepath=metadata/blueprints.yml;linenumber={line};",
        "gitlab": f"metadata/blueprints.yml:{line}:",
    }
    assert place[repository.ci] in result.stdout + result.stderr
    if repository.ci == "gitlab":
        report = json.loads((repository.folder / "gl-code-quality-report.json").read_text())
        assert {"path": "metadata/blueprints.yml", "lines": {"begin": line}} in [each["location"] for each in report]


def test_files_that_nobody_has_generated_end_the_plan(repository: Repository):
    repository.publish()
    with repository.rows.open("a") as rows:
        rows.write(ROW.format("regions"))

    result = repository.push(generate=False)

    assert result.exit_code == 1
    assert "create resources/jobs/load_regions.yml" in result.stdout
    assert repository.forge.writes == []


@pytest.mark.parametrize("repository", ["gitlab"], indirect=True)
def test_what_others_have_merged_meanwhile_is_no_change_of_the_pull_request(repository: Repository):
    """GitHub and Azure DevOps check out the merge of both."""
    repository.publish()
    before, rows = git(repository.folder, "rev-parse", "HEAD"), repository.rows.read_text()
    repository.rows.write_text(rows + ROW.format("regions"))
    repository.publish()
    git(repository.folder, "checkout", "-q", before)
    repository.rows.write_text(rows + ROW.format("leads"))

    assert repository.push().exit_code == 0
    assert "1 job to create, 0 to change, 0 to delete" in repository.plan


COMMANDS = ("validate", "generate", "plan", "comment", "deploy")


@pytest.mark.parametrize("ci", FILES)
def test_all_recipes_have_the_same_commands(ci, databricks_command):
    text = (REPOSITORY / f"templates/init/{ci}.yml.j2").read_text()

    named = re.findall(r"^(?!\s*#).*?\bljm ([a-z]+)", text, re.MULTILINE)

    assert tuple(dict.fromkeys(named)) == COMMANDS


SCHEMAS = {
    "github": ["vendor.github-workflows"],
    "azure": ["vendor.azure-pipelines", "--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"],
    "gitlab": ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}
"""The public schemas, as check-jsonschema ships them."""


@pytest.mark.parametrize("ci", FILES)
def test_a_recipe_fits_the_public_schema_of_its_ci(tmp_path, databricks_command, ci):
    file = new_project(tmp_path / "project", "--ci", ci) / FILES[ci]

    assert misfits(file, *SCHEMAS[ci]) == ""


def test_actionlint_finds_nothing_in_the_workflow_of_github(tmp_path, databricks_command):
    found = shutil.which("actionlint") or shutil.which(REPOSITORY / ".venv/bin/actionlint")
    if found is None:
        pytest.skip("actionlint is not there; `make actionlint` installs it")
    file = new_project(tmp_path / "project", "--ci", "github") / FILES["github"]

    done = subprocess.run([found, "-no-color", file], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, "")
