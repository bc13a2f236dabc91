"""The GitHub action of this repository: its steps run in a repository of two projects, as a workflow would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.forge import EVENT, Forge, running_forge
from fakes.workspace import FakeWorkspace
from support.ci_steps import github_steps, install_programs, misfits, run_steps, without_ci
from support.git import commit, git
from support.project_folder import REPOSITORY, Result, new_project

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the steps are for a shell of POSIX")

ACTION: dict[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text())
IS_FORK = "github.event.pull_request.head.repo.full_name == github.repository"


class Workflow:
    """A repository with the projects `pipelines/sales` and `pipelines/stock`, and a workflow with the action."""

    def __init__(self, folder: Path, environment: Mapping[str, str], forge: Forge) -> None:
        self.folder = folder / "repository"
        self.temporary = folder / "runner"
        self.temporary.mkdir()
        install_programs(folder / "bin")
        (folder / "event.json").write_text(EVENT)
        self.environment = {
            **without_ci(environment),
            "PATH": f"{folder / 'bin'}{os.pathsep}{environment['PATH']}",
            "NO_PROXY": "127.0.0.1",
            "RUNNER_TEMP": str(self.temporary),
            **{name: str(self.temporary / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_PATH")},
            **forge.variables("github", str(folder / "event.json")),
        }
        git(folder, "init", "-q", "-b", "main", "repository")
        for name in ("sales", "stock"):
            new_project(self.folder / "pipelines" / name, "--warehouse-id", "0123456789abcdef")
            self.run("ljm", "generate", project=name)
        commit(self.folder)
        git(self.folder, "update-ref", "refs/remotes/origin/main", "HEAD")

    def run(self, *command: str, project: str) -> None:
        where = self.folder / "pipelines" / project
        subprocess.run(command, cwd=where, env=self.environment, check=True, capture_output=True, timeout=60)

    def uses(self, event: str, *, is_fork: bool = False, **given: str) -> Result:
        """What `uses: OWNER/REPOSITORY` with these inputs comes to."""
        inputs = {name: str(each["default"]) for name, each in ACTION["inputs"].items()} | {"token": "token"}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        assert inputs.keys() == ACTION["inputs"].keys()
        is_pull_request = event == "pull_request"
        commented = is_pull_request and inputs["comment"] == "true" and not is_fork
        expressions = {
            **{f"inputs.{name}": value for name, value in inputs.items()},
            "github.event_name == 'pull_request'": is_pull_request,
            f"github.event_name == 'pull_request' && inputs.comment == 'true' && {IS_FORK}": commented,
            "github.event_name == 'push' && inputs.deploy-to != ''": event == "push" and inputs["deploy-to"] != "",
        }
        return run_steps(github_steps(ACTION["runs"]["steps"], expressions), self.folder, self.environment)

    def summary(self) -> str:
        return (self.temporary / "GITHUB_STEP_SUMMARY").read_text()

    def edit(self, project: str, old: str, new: str) -> None:
        file = self.folder / "pipelines" / project / "metadata/first.yml"
        file.write_text(file.read_text().replace(old, new))


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as server:
        yield server


@pytest.fixture
def workflow(tmp_path: Path, databricks_environment: dict[str, str], forge: Forge) -> Workflow:
    return Workflow(tmp_path, databricks_environment, forge)


def test_it_fits_the_public_schema_of_actions():
    assert misfits(REPOSITORY / "action.yml", "vendor.github-actions") == ""


@pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True)
class TestTheAction:
    def test_comments_the_plan_of_each_project_of_a_repository_once(self, workflow, forge):
        for schedule in ("0 0 7", "0 0 8"):
            for name in ("sales", "stock"):
                workflow.edit(name, "0 0 6" if schedule == "0 0 7" else "0 0 7", schedule)
                workflow.run("ljm", "generate", project=name)
                result = workflow.uses("pull_request", project=f"pipelines/{name}")
                assert result.exit_code == 0, result.stderr

        assert [text.splitlines()[:2] for text in forge.texts[1:]] == [
            [
                f"<!-- ljm comment: pipelines/{name} -->",
                "### Jobs: 0 jobs to create, 1 to change, 0 to delete, 0 unchanged",
            ]
            for name in ("sales", "stock")
        ]
        assert all("0 0 8 * * ?" in text for text in forge.texts[1:])
        assert "### Jobs: 0 jobs to create, 1 to change" in workflow.summary()
        output = (workflow.temporary / "GITHUB_OUTPUT").read_text().splitlines()[-1]
        assert Path(output.removeprefix("plan=")).read_text() in forge.texts[-1]

    def test_annotates_mistakes_at_their_lines_in_the_repository_and_ends(self, workflow, forge):
        workflow.edit("stock", "execution_order", "execution_ordr")

        result = workflow.uses("pull_request", project="pipelines/stock")

        assert result.exit_code == 1
        assert "::error title=unknown-field,file=pipelines/stock/metadata/first.yml,line=9," in result.stdout
        assert forge.writes == []

    @pytest.mark.parametrize("how", [{"is_fork": True}, {"comment": "false"}], ids=["a fork", "not wanted"])
    def test_shows_the_plan_in_the_summary_where_it_does_not_comment(self, workflow, forge, how):
        result = workflow.uses("pull_request", project="pipelines/stock", **how)

        assert (result.exit_code, forge.writes) == (0, [])
        assert "### Jobs: 0 jobs to create" in workflow.summary()

    def test_deploys_on_a_push_where_a_target_is_named(self, workflow, workspace: FakeWorkspace):
        assert workflow.uses("push", project="pipelines/sales").exit_code == 0
        assert workspace.jobs.all() == []

        result = workflow.uses("push", project="pipelines/sales", deploy_to="prod")

        assert result.exit_code == 0, result.stdout
        assert [job.name for job in workspace.jobs.all()] == ["first_pipeline"]
        assert "    Deployed: 1 job created or changed.\n" in workflow.summary()

    def test_fails_with_the_refusal_in_the_summary_where_a_deployment_is_refused(self, workflow, workspace):
        workflow.uses("push", project="pipelines/sales", deploy_to="prod")
        workflow.edit("sales", "first_pipeline", "second_pipeline")
        workflow.run("ljm", "generate", project="sales")

        result = workflow.uses("push", project="pipelines/sales", deploy_to="prod")

        assert result.exit_code == 3
        assert "would delete 1 job" in workflow.summary()
        assert [job.name for job in workspace.jobs.all()] == ["first_pipeline"]


@pytest.mark.slow
def test_it_installs_itself_from_its_own_checkout(tmp_path):
    (install,) = (step for step in ACTION["runs"]["steps"] if step["name"] == "Install")
    environment = {
        **without_ci(os.environ),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_PATH": str(tmp_path / "path"),
        "GITHUB_ACTION_PATH": str(REPOSITORY),
        "EXTRAS": "delta",
    }

    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", install["run"]]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=280)

    assert done.returncode == 0, done.stderr
    (programs,) = (tmp_path / "path").read_text().splitlines()
    shown = subprocess.run([f"{programs}/ljm", "--version"], capture_output=True, text=True, timeout=60)
    assert shown.stdout.startswith("lakeflow-job-meta ")
    assert subprocess.run([f"{programs}/python", "-c", "import deltalake"], timeout=60).returncode == 0
