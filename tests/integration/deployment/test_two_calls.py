"""What a deployment asks the databricks CLI: to plan and to deploy, and no more as long as these two leave no doubt.

With a stand-in for the CLI, and again with the real one where it is on PATH.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import time
from collections.abc import Iterator

import pytest
import yaml

from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.select_backend import login_bundle
from support.deployments import COMMANDS, SECONDS, KeptWorld, World, new_world
from support.project_folder import BUNDLE, ProjectFolder, module
from support.slow import few

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

STATE = ".databricks/bundle/dev/resources.json"
NOTE = "lakeflow_job_meta_deployed.json"


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("one", "two"):
            world.module(name)
        world.project.write("notes.txt", "first")
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """The jobs `one` and `two`, deployed, and nothing counted yet."""
    return kept.restored()


def checked_out_anew(world: World) -> None:
    """Makes the project what a fresh checkout of it is: without what `ljm` and the CLI have left beside it."""
    for name in (".lakeflow-job-meta", ".databricks"):
        shutil.rmtree(world.project.path / name)


def addresses(world: World) -> dict[str, str]:
    """Returns the address of each job's page by name, as `bundle summary` has them."""
    number = world.workspace.identity.workspace_id
    names = world.workspace.jobs.names()
    return {name: f"{world.workspace.url}/jobs/{world.job_id(name)}?w={number}" for name in names}


def note_path(world: World) -> str:
    (path,) = (path for path in world.workspace.tree.paths() if path.endswith(f"/{NOTE}"))
    return path


def uploaded(world: World) -> bytes:
    """Returns what the workspace has of `notes.txt`."""
    (path,) = (path for path in world.workspace.tree.paths() if path.endswith("/files/notes.txt"))
    return world.workspace.tree.read(path)


class TestOneChangedModule:
    def test_it_is_planned_and_deployed_and_nothing_else_is_asked(self, deployed):
        deployed.module("two", notebook="/Workspace/new")

        result = deployed.deploy_well()

        assert deployed.calls == ["plan", "deploy"]
        assert deployed.changes == {"reset": 1}
        assert {key: (row["job_id"], row["url"]) for key, row in deployed.record().items()} == {
            name: (deployed.job_id(name), url) for name, url in addresses(deployed).items()
        }
        assert all(url in result.stdout for url in addresses(deployed).values())

    def test_a_new_job_gets_its_id_from_the_state_and_its_address_like_the_others(self, deployed):
        deployed.module("three")

        deployed.deploy_well()

        assert "summary" not in deployed.calls
        assert {key: row["url"] for key, row in deployed.record().items()} == addresses(deployed)
        assert deployed.record()["three"]["job_id"] == deployed.job_id("three")

    def test_a_removed_job_is_not_listed_any_more(self, deployed):
        deployed.remove("two")

        deployed.deploy_well("--max-deletes", "1")

        assert deployed.calls == ["plan", "deploy"]
        assert set(deployed.record()) == {"one"} == set(deployed.workspace.jobs.names())

    @pytest.mark.parametrize("what", few(["serial", "job"], ["lineage", "version", "id", "text", "journal"]))
    def test_where_the_state_is_not_what_it_should_be_the_cli_is_asked(self, deployed, what):
        tampering = {
            "lineage": 'root["lineage"] = "of another"',
            "serial": 'root["serial"] += 1',
            "version": 'root["state_version"] = 99',
            "job": 'del root["state"]["resources.jobs.three"]',
            "id": 'root["state"]["resources.jobs.one"]["__id__"] = "77"',
            "text": "root = []",
            "journal": 'path.with_name("resources.json.wal").write_text("{}")',
        }
        program = (
            f'import json, pathlib; path = pathlib.Path("{STATE}"); root = json.loads(path.read_text()); '
            f"{tampering[what]}; path.write_text(json.dumps(root))"
        )
        deployed.module("three")
        # What the CLI itself says then comes from the state as it was.
        deployed.disturb(
            f'[ "$2" = summary ] && {{ mv sound.json {STATE}; rm -f {STATE}.wal; }}\n'
            f'if [ "$2" = deploy ]; then DATABRICKS_BUNDLE_ROOT="$ROOT" "$CLI" "$@"; code=$?; cp {STATE} sound.json\n'
            f"  python3 -c {shlex.quote(program)}; exit $code; fi"
        )

        deployed.deploy_well()

        assert deployed.calls == ["plan", "deploy", "summary"]
        assert {key: row["url"] for key, row in deployed.record().items()} == addresses(deployed)


class TestNothingChanged:
    def test_a_fresh_checkout_plans_and_does_nothing_else(self, deployed):
        first = deployed.deploy_well().stdout
        checked_out_anew(deployed)
        deployed.disturb("")
        deployed.forget()

        result = deployed.deploy_well()

        assert deployed.calls == ["plan"]
        assert "Nothing to deploy" in result.stderr
        assert result.stdout == first
        assert [call.path for call in deployed.workspace.calls() if call.method != "GET"] == []

    def test_a_fresh_checkout_with_another_file_uploads_it(self, deployed):
        checked_out_anew(deployed)
        deployed.project.write("notes.txt", "second")

        deployed.deploy_well()

        assert (deployed.calls, uploaded(deployed)) == (["plan", "deploy"], b"second")

    def test_files_that_another_checkout_has_brought_count_although_no_job_differs(self, deployed, tmp_path):
        elsewhere = tmp_path / "elsewhere"
        shutil.copytree(deployed.project.path, elsewhere)
        deployed.project.write("notes.txt", "second")
        deployed.deploy_well()
        shutil.rmtree(deployed.project.path)
        shutil.move(elsewhere, deployed.project.path)
        deployed.disturb("")

        deployed.deploy_well()

        assert deployed.calls == ["plan", "deploy"]

    def test_a_deployment_by_the_plain_cli_in_between_is_noticed(self, deployed):
        generated = deployed.project.read("resources/jobs/one.yml")
        for text, notes in ((f"{generated}      max_concurrent_runs: 3\n", "of nobody"), (generated, "of nobody")):
            deployed.project.write("resources/jobs/one.yml", text)
            deployed.project.write("notes.txt", notes)
            deployed.databricks("bundle", "deploy", "-t", "dev")
        deployed.project.write("notes.txt", "first")

        deployed.deploy_well()

        assert uploaded(deployed) == b"first"

    @pytest.mark.parametrize(
        "text", few(["{}", '{"files": 1, "jobs": [1]}'], ["", "{", "[]", "null", "\0", '{"jobs": null}'])
    )
    def test_a_damaged_note_counts_as_none(self, deployed, text):
        deployed.workspace.tree.write(note_path(deployed), text.encode())

        result = deployed.deploy_well()

        assert deployed.calls == ["plan", "deploy"]
        assert "Nothing to deploy" not in result.stderr
        assert json.loads(deployed.workspace.tree.read(note_path(deployed)))["jobs"]
        assert deployed.changes == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bundle_that_has_no_job_for_the_target_is_not_deployed_again(tmp_path, command):
    with new_world(command, tmp_path) as world:
        world.project.write(
            "metadata/one.yml", module("one").replace("    sources:", "    targets: [prod]\n    sources:")
        )
        world.deploy_well()
        world.disturb("")

        again = world.deploy_well()

        assert (world.calls, "Nothing to deploy" in again.stderr) == (["plan"], True)


@pytest.mark.slow
def test_files_that_come_back_after_a_deployment_that_was_killed_are_uploaded_again(deployed, tmp_path):
    reached = tmp_path / "reached"
    deployed.project.write("notes.txt", "half")
    deployed.disturb(
        f'[ "$2" = deploy ] && {{ DATABRICKS_BUNDLE_ROOT="$ROOT" "$CLI" "$@"; touch "{reached}"; exec sleep 600; }}'
    )
    process = deployed.start("deploy", "-t", "dev")
    end = time.monotonic() + SECONDS
    while not reached.exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    checked_out_anew(deployed)
    deployed.project.write("notes.txt", "first")
    deployed.disturb("")

    deployed.deploy_well()

    assert uploaded(deployed) == b"first"


def test_what_is_not_about_the_bundle_is_asked_where_no_job_has_to_be_read(deployed, tmp_path):
    seen = tmp_path / "seen"
    deployed.disturb(f'[ "$1" = bundle ] || [ -z "$ROOT" ] || (cd "$ROOT" && echo "$1 $2 $(echo *)") >> "{seen}"')
    deployed.module("three")

    deployed.deploy_well()

    lines = [line for line in seen.read_text().splitlines() if not line.startswith("version")]
    assert {line.split()[0] for line in lines} == {"jobs", "workspace"}
    assert {line.split(maxsplit=2)[2] for line in lines} == {"databricks.yml"}


class TestTheBundleThatLeadsToTheSameWorkspace:
    def login(self, project: ProjectFolder, target: str | None, **files: str) -> object:
        """Returns what it says of its targets or its workspace; None where there is no such bundle."""
        for name, text in files.items():
            project.write(f"{name}.yml", text)
        text = login_bundle(read_bundle_declarations(load_project(project.path)), target)
        return text and {key: value for key, value in yaml.safe_load(text).items() if key != "bundle"}

    def test_it_has_what_the_target_and_all_targets_say_of_the_login_and_no_path(self, project):
        said = self.login(
            project,
            "dev",
            databricks="bundle: {name: test}\ninclude: [more.yml]\nworkspace: {profile: all, root_path: /x}\n",
            more="targets: {dev: {workspace: {host: https://a.b, state_path: /y, azure_use_msi: true}}, prod: {}}\n",
        )

        assert said == {
            "targets": {"dev": {"workspace": {"profile": "all", "host": "https://a.b", "azure_use_msi": True}}}
        }

    def test_without_a_name_it_has_the_default_target(self, project):
        text = "bundle: {name: test}\ntargets: {dev: {}, prod: {default: true, workspace: {profile: p}}}\n"

        assert self.login(project, None, databricks=text) == {"targets": {"prod": {"workspace": {"profile": "p"}}}}

    @pytest.mark.parametrize(
        "said",
        [
            "targets: {prod: {}}",
            "targets: {dev: {workspace: {host: '${var.host}'}}}",
            "targets: {dev: {workspace: [a]}}",
            "targets: {dev: {}}\ninclude: [broken.yml]",
        ],
        ids=["another-target", "a-reference", "no-map", "a-file-that-cannot-be-read"],
    )
    def test_where_something_is_not_plain_there_is_none(self, project, said):
        assert self.login(project, "dev", broken="{", databricks=f"bundle: {{name: test}}\n{said}\n") is None


@pytest.mark.parametrize("command", COMMANDS)
def test_a_workspace_that_only_the_target_names_is_the_one_that_is_asked(tmp_path, command):
    with new_world(command, tmp_path) as world:
        host = f"targets: {{dev: {{default: true, workspace: {{host: {world.workspace.url}}}}}}}\n"
        world.project.write("databricks.yml", BUNDLE[: BUNDLE.index("targets:")] + host)
        world.project.write("metadata/one.yml", module("one"))

        done = world.deploy(DATABRICKS_HOST="http://127.0.0.1:9")

        assert done.exit_code == 0, done.stderr
        assert world.workspace.jobs.names() == ["one"]
