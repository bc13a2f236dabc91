"""A team moves in: live jobs are adopted without a change, renamed with their ids, and paused by anybody."""

from __future__ import annotations

import json
import subprocess

import pytest

from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from support.handwritten_bundle import KEYS, write_bundle
from support.project_folder import ProjectFolder

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("databricks_command", [pytest.param("real", marks=pytest.mark.real_cli)], indirect=True),
]
BUNDLE = """\
bundle: {name: moved}
include: [resources/jobs/*.yml]
variables: {warehouse_id: {default: "0123456789abcdef"}}
targets: {dev: {default: true}}
"""
RENAMED = 3


@pytest.fixture
def live_jobs(project, databricks_command, databricks_environment, workspace, connection) -> None:
    """Twenty varied jobs of the workspace that no bundle has: as people make them by hand."""
    write_bundle(project)
    command = [str(databricks_command), "bundle", "deploy", "-t", "dev"]
    done = subprocess.run(command, cwd=project.path, env=databricks_environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    client = JobsClient(connection)
    for job in workspace.jobs.all():
        workspace.jobs.remove(job.job_id)
        client.create({key: value for key, value in job.settings.items() if key not in ("deployment", "edit_mode")})


def test_live_jobs_move_in_without_a_change_are_renamed_with_their_ids_and_paused_by_anybody(
    tmp_path, live_jobs, databricks_command, databricks_environment, workspace
):
    project = ProjectFolder(tmp_path / "moved")
    project.write("databricks.yml", BUNDLE)
    project.write("job_meta.yml", "metadata: [{yaml: metadata/}]\n")

    def ljm(*arguments: str, exit_code: int = 0):
        done = project.run(*arguments, **{**databricks_environment, "HTTP_PROXY": "", "HTTPS_PROXY": ""})
        assert done.exit_code == exit_code, done.stderr
        return done

    def plan_of_the_cli() -> dict[str, str]:
        command = [str(databricks_command), "bundle", "plan", "-o", "json", "-t", "dev"]
        done = subprocess.run(
            command, cwd=project.path, env=databricks_environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return {name: each["action"] for name, each in json.loads(done.stdout)["plan"].items()}

    def pause_of(job_id: int) -> str:
        job = next(each for each in workspace.jobs.all() if each.job_id == job_id)
        return job.settings["schedule"]["pause_status"]

    ids = {job.job_id for job in workspace.jobs.all()}
    assert len(ids) == len(KEYS)
    ljm("import", "jobs", "--unmanaged", "-t", "dev")
    adopted = ljm("adopt", "-t", "dev")

    assert f"{len(KEYS)} jobs to adopt, without a change." in adopted.stdout + adopted.stderr
    assert {job.job_id for job in workspace.jobs.all()} == ids
    assert "nothing would change" in ljm("plan", "--live", "-t", "dev").stdout
    assert set(plan_of_the_cli().values()) == {"skip"}

    chosen = sorted((project.path / "metadata" / "imported").glob("*.yml"))[:RENAMED]
    for file in chosen:
        text, name = file.read_text(encoding="utf-8"), file.stem
        new = f"  - module_name: {name}_new\n    formerly: {name}\n"
        file.write_text(text.replace(f"  - module_name: {name}\n", new, 1), encoding="utf-8")
    renamed = ljm("deploy", "-t", "dev")

    assert {job.job_id for job in workspace.jobs.all()} == ids, renamed.stderr
    listing = json.loads(ljm("deploy", "-t", "dev", "--format", "json").stdout)
    listed = {each["module"]: each["job_id"] for each in listing}
    assert {f"{file.stem}_new" for file in chosen} <= listed.keys()
    assert {int(each) for each in listed.values()} == ids
    assert set(plan_of_the_cli().values()) == {"skip"}

    scheduled = next(job for job in workspace.jobs.all() if "schedule" in job.settings)
    scheduled.settings["schedule"]["pause_status"] = "PAUSED"
    ljm("deploy", "-t", "dev")
    assert pause_of(scheduled.job_id) == "PAUSED"
    assert "nothing would change" in ljm("plan", "--live", "-t", "dev").stdout
