"""Jobs that are taken over, renamed and forgotten: a run that is killed at any step is finished by the same command.

In between, whatever else is started deletes no job and creates none twice.
"""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.workspace import FakeWorkspace
from support.deployments import COMMANDS, SECONDS, KeptWorld, World, new_world
from support.monitor_process import Estate, Interruption, flat, module_rows
from support.project_folder import module

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX"),
]

CALLS = range(1, 21)
"""Of the databricks CLI: as many as a run here makes."""
MOMENTS = ["before", "after"]
"""Before one call is after the one before it, and after what is done in between: every other call is enough of each."""


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("stock", "legacy", "other"):
            world.module(name)
        world.deploy_well()
        yield KeptWorld(world)


def asked(world: World) -> dict[str, int]:
    """Asks for a job that is renamed, one that is taken over and one that is forgotten; returns their ids by name."""
    ids = {"levels": world.job_id("stock"), "legacy": world.job_id("legacy"), "other": world.job_id("other")}
    (task,) = world.workspace.jobs.by_name("other").settings["tasks"]
    request = urllib.request.Request(
        f"{world.workspace.url}/api/2.2/jobs/create",
        json.dumps({"name": "nightly", "tasks": [task], "max_concurrent_runs": 3}).encode(),
        {"Authorization": f"Bearer {world.workspace.token}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        ids["nightly"] = json.load(answer)["job_id"]
    for name in ("stock", "legacy"):
        world.remove(name)
    world.project.write("metadata/levels.yml", says(module("levels"), "formerly: stock"))
    world.project.write("metadata/nightly.yml", says(module("nightly"), f"adopt: {{dev: {ids['nightly']}}}"))
    world.project.write("job_meta.yml", "deploy: {removed: [{module: legacy, keep_job: true}]}\n")
    world.forget()
    return ids


def says(text: str, line: str) -> str:
    return text.replace("    sources:", f"    {line}\n    sources:")


def ids_of(world: World) -> dict[str, int]:
    return {job.name: job.job_id for job in world.workspace.jobs.all()}


def killed_at(world: World, number: int, moment: str, *arguments: str) -> bool:
    """Starts a run that is killed before or after a call of the CLI; says whether it came to that call."""
    counter = world.project.path.with_name("counter")
    counter.write_text("0")
    call = '"$CLI" "$@";' if moment == "after" else ""
    world.disturb(
        f'N=$(($(cat "{counter}") + 1)); echo $N > "{counter}"\n'
        f"if [ $N = {number} ]; then {call} kill -9 $PPID; exit 1; fi"
    )
    process = world.start(*arguments)
    process.communicate(timeout=SECONDS)
    world.disturb("")
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("command", ["adopt", "deploy"])
def test_no_run_makes_more_calls(kept: KeptWorld, command: str):
    world = kept.restored()
    asked(world)
    assert not killed_at(world, CALLS[-1] + 1, "before", command, "-t", "dev")


@pytest.mark.parametrize(("number", "moment"), [(number, MOMENTS[number % 2]) for number in CALLS])
@pytest.mark.parametrize("command", ["adopt", "deploy"])
def test_a_run_that_is_killed_at_any_call_is_finished_by_the_same_command(
    kept: KeptWorld, command: str, number: int, moment: str
):
    world = kept.restored()
    ids = asked(world)
    if not killed_at(world, number, moment, command, "-t", "dev"):
        pytest.skip("the run makes fewer calls")

    again = world.ljm(command, "-t", "dev")

    assert again.exit_code == 0, again.stderr
    assert ids_of(world) == ids
    assert set(world.changes) <= {"reset"}
    assert sorted(world.record()) == ["levels", "nightly", "other"]
    assert sorted(world.project.generated()) == ["jobs/levels.yml", "jobs/nightly.yml", "jobs/other.yml"]
    assert world.workspace.jobs.by_name("nightly").settings["max_concurrent_runs"] == 1
    world.forget()
    last = world.deploy_well()
    assert "Nothing to deploy" in last.stderr
    assert world.changes == {}


@pytest.mark.parametrize("number", CALLS[::2])
def test_a_run_that_is_killed_is_finished_by_the_monitor(kept: KeptWorld, number: int):
    world = kept.restored()
    ids = asked(world)
    if not killed_at(world, number, "after", "deploy", "-t", "dev"):
        pytest.skip("the run makes fewer calls")

    for _ in range(3):
        world.ljm("monitor", "--once", "-t", "dev")

    assert ids_of(world) == ids
    assert set(world.changes) <= {"reset"}
    assert sorted(world.record()) == ["levels", "nightly", "other"]


API_STEPS = {
    "after the plan": Interruption("lakeflow_job_meta.deployment.pipeline:_gated_plan", after=True),
    "after the note": Interruption("lakeflow_job_meta.deployment.pipeline:note_takeovers", after=True),
    "before the job is written": Interruption(
        "lakeflow_job_meta.deployment.jobs_api.client:JobsClient._post", given="/jobs/reset"
    ),
    "after the job is written": Interruption(
        "lakeflow_job_meta.deployment.jobs_api.client:JobsClient._post", after=True, given="/jobs/reset"
    ),
    "before the old record goes": Interruption("lakeflow_job_meta.deployment.jobs_api.client:JobsClient.delete_file"),
    "after the deployment": Interruption("lakeflow_job_meta.deployment.pipeline:_deploy", after=True),
    "after the record of jobs": Interruption("lakeflow_job_meta.deployment.pipeline:record_jobs", after=True),
}


@pytest.mark.parametrize("at", API_STEPS.values(), ids=API_STEPS)
def test_a_rename_through_the_jobs_api_that_is_killed_is_finished_by_the_next_tick(tmp_path: Path, at: Interruption):
    with FakeWorkspace(tmp_path / "workspace") as workspace:
        estate = Estate(tmp_path, workspace, "jobs-api")
        estate.says(*flat(module_rows(name, "/Workspace/a") for name in ("stock", "other")))
        assert estate.once().exit_code == 0
        ids = {job.name.split("] ")[-1]: job.job_id for job in workspace.jobs.all()}
        estate.forget()
        rows = [{**each, "formerly": "stock"} for each in module_rows("levels", "/Workspace/a")]
        estate.says(*rows, *module_rows("other", "/Workspace/a"))
        estate.kill(at)

        estate.once()

        found = {job.name.split("] ")[-1]: job.job_id for job in workspace.jobs.all()}
        assert found == {"levels": ids["stock"], "other": ids["other"]}
        assert dict(estate.changes) == {"reset": 1}
        assert estate.recorded_jobs() == found
        estate.discard()
