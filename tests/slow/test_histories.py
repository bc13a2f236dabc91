"""Whatever happens to a project, its files and its workspace: no job goes, comes twice, or loses an edit by surprise.

Each history is a series of events: edits of the metadata, moves, files that cannot be read, lost state, deployments
with more or less allowed, refused requests, lost answers, kills, another machine. After each deployment the jobs of the
workspace are compared with those before it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.databricks_cli import cli_environment, install_stand_in
from fakes.databricks_cli.fixtures import real_command
from fakes.workspace import FakeWorkspace, Fault, FaultKind, SleeplessClock
from lakeflow_job_meta.state.tracking import read_left_behind
from support.connections import connect
from support.monitor_fixtures import TARGET, World
from support.project_folder import ProjectFolder, module

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.name != "posix", reason="signals and links are those of POSIX"),
]

NAMES = ("one", "two", "three")
PROJECT = "metadata: [{yaml: 'metadata/*.yml'}, {yaml: 'metadata/moved/*.yml'}]\n"
CONFLICT = "<<<<<<< ours\nmodules: [\n"


@dataclass
class File:
    """A metadata file of one module, and whether it can be read, is without errors, and has something active."""

    path: str
    name: str
    notebook: str
    is_readable: bool = True
    is_sound: bool = True
    is_active: bool = True

    @property
    def text(self) -> str:
        text = module(self.name, notebook=self.notebook)
        if not self.is_sound:
            text = text.replace("source_id:", "source_idd:")
        if not self.is_active:
            text = text.replace("- source_id", "- is_active: false\n        source_id")
        return text if self.is_readable else CONFLICT + text


@dataclass
class History:
    """A project and its workspace, and what a person knows of both."""

    world: World
    backend: str
    seed: random.Random
    files: dict[str, File] = field(default_factory=dict)
    edited: dict[int, str] = field(default_factory=dict)
    is_hidden: bool = False
    number: int = 0

    # the metadata

    def write(self, key: str) -> None:
        file = self.files[key]
        if not (self.is_hidden and file.path.startswith("metadata/moved/")):
            self.world.project.write(file.path, file.text)

    def edit(self, key: str) -> None:
        self.number += 1
        old = self.files.get(key)
        path = old.path if old is not None else f"metadata/{key}.yml"
        self.files[key] = File(path, old.name if old is not None else key, f"/Workspace/{self.number}")
        self.write(key)

    def change(self, key: str, **values: Any) -> None:
        if key in self.files:
            for name, value in values.items():
                setattr(self.files[key], name, value)
            self.write(key)

    def move(self, key: str, **values: Any) -> None:
        """Moves a file to the other folder, perhaps with a change at the same time."""
        if key in self.files and not self.is_hidden:
            old = self.files[key].path
            folder = "metadata" if old.startswith("metadata/moved/") else "metadata/moved"
            (self.world.project.path / old).unlink()
            self.change(key, path=f"{folder}/{key}.yml", **values)

    def rename(self, key: str) -> None:
        if key in self.files:
            name = self.files[key].name
            self.change(key, name=f"{key}_new" if name == key else key)

    def remove(self, key: str) -> None:
        if key in self.files and not self.is_hidden:
            (self.world.project.path / self.files.pop(key).path).unlink()

    def hide(self, key: str) -> None:
        """Makes a folder one that cannot be read, or can again."""
        path = self.world.project.path / "metadata/moved"
        if self.is_hidden:
            path.unlink()
            path.with_name(".moved").rename(path)
        else:
            path.rename(path.with_name(".moved"))
            path.symlink_to("moved")
        self.is_hidden = not self.is_hidden
        for each in self.files:
            self.write(each)

    # what is lost

    def lose(self, *folders: str) -> None:
        for folder in folders:
            shutil.rmtree(self.world.project.path / folder, ignore_errors=True)

    # the workspace

    def job_of(self, key: str) -> Any:
        name = self.files[key].name if key in self.files else key
        return next((job for job in self.world.workspace.jobs.all() if job.name == name), None)

    def edit_by_hand(self, key: str) -> None:
        if (job := self.job_of(key)) is not None:
            self.number += 1
            self.edited[job.job_id] = f"by hand {self.number}"
            self.world.workspace.jobs.edit(job.job_id, description=self.edited[job.job_id])

    def delete_by_hand(self, key: str) -> None:
        if (job := self.job_of(key)) is not None:
            self.world.workspace.jobs.remove(job.job_id)

    def disturb(self, what: str, kind: FaultKind) -> None:
        self.world.workspace.faults.add(Fault("POST", f"/api/2.*/jobs/{what}", kind, times=1))

    # deployments

    def tick(self, max_deletes: int) -> None:
        """Looks twice, as a monitor does that goes on."""
        with self.watched(max_deletes):
            watching = self.world.monitor(self.backend, max_deletes=max_deletes)  # type: ignore[arg-type]
            for _ in range(2):
                watching.tick()
                self.world.clock.goes_on(1000)

    def killed(self, max_deletes: int) -> None:
        """Kills a monitor at some moment, and lets what it had started come to its end."""
        with self.watched(max_deletes):
            command = [sys.executable, "-m", "lakeflow_job_meta", "monitor", "--once", "-t", TARGET]
            process = subprocess.Popen(
                [*command, "--deployer", self.backend, "--max-deletes", str(max_deletes)],
                cwd=self.world.project.path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            time.sleep(self.seed.uniform(0.2, 2.5))
            process.send_signal(self.seed.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            process.wait()
            self._wait_for_the_cli()

    def _wait_for_the_cli(self) -> None:
        """Waits for an orphan of the CLI: it holds the lock of the deployment until its end."""
        lock = self.world.state_folder / "lock"
        if lock.exists():
            subprocess.run(["flock", str(lock), "true"], check=True, timeout=60)
        tree = self.world.workspace.tree
        for path in [path for path in tree.paths() if path.endswith("/deploy.lock")]:
            tree.remove(path)  # as a person does with --force-lock who knows that nobody deploys

    def elsewhere(self, max_deletes: int) -> None:
        """Deploys the same metadata from a checkout on another machine."""
        here = self.world.project
        with self.watched(max_deletes):
            there = here.path.with_name(f"checkout_{self.number}")
            shutil.rmtree(there, ignore_errors=True)
            ignored = shutil.ignore_patterns(".lakeflow-job-meta", ".databricks", "resources")
            shutil.copytree(here.path, there, symlinks=True, ignore=ignored)
            try:
                self.world.project = ProjectFolder(there)
                watching = self.world.monitor(self.backend, max_deletes=max_deletes)  # type: ignore[arg-type]
                for _ in range(2):
                    watching.tick()
                    self.world.clock.goes_on(1000)
            finally:
                self.world.project = here

    # what has to hold

    @contextmanager
    def watched(self, max_deletes: int) -> Iterator[None]:
        """Compares the jobs after a deployment with those before it."""
        before = {job.job_id: job.name for job in self.world.workspace.jobs.all()}
        existing = set(before.values())
        yield
        self.world.workspace.faults.clear()
        jobs = {job.job_id: job for job in self.world.workspace.jobs.all()}
        gone = [name for job_id, name in before.items() if job_id not in jobs]
        assert len(gone) <= max_deletes, "more was deleted than allowed"
        present = {file.name for file in self.files.values()}
        assert not present.intersection(gone), "a job was deleted whose module is there"
        hidden = [file for file in self.files.values() if not file.is_readable or self._is_hidden(file)]
        homeless = [file for file in self.files.values() if not file.is_sound and file.name not in existing]
        assert not gone or not (hidden or homeless or self.is_hidden), "a module may be where nobody could read it"
        doubled = [name for name, number in Counter(job.name for job in jobs.values()).items() if number > 1]
        assert set(doubled) <= self._named_as_left_behind(), "a job came a second time, and nobody says so"
        for job_id, text in self.edited.items():
            if job_id in jobs:
                assert jobs[job_id].settings.get("description") == text, "an edit by hand was overwritten"

    def _is_hidden(self, file: File) -> bool:
        return self.is_hidden and file.path.startswith("metadata/moved/")

    def _named_as_left_behind(self) -> set[str]:
        return {job.name for job in read_left_behind(self.world.state_folder)}

    def settle(self) -> None:
        """Mends all that is broken, and deploys: each module has its job as the metadata says."""
        if self.is_hidden:
            self.hide("")
        for key in list(self.files):
            self.edit(key)  # a monitor does nothing while the metadata stays as it is
        for job_id in list(self.edited):
            if job_id in {job.job_id for job in self.world.workspace.jobs.all()}:
                self.world.workspace.jobs.edit(job_id, description=None)
        self.edited.clear()
        self.tick(9)
        self.tick(9)
        doubled = self._named_as_left_behind()
        for file in self.files.values():
            found = [job for job in self.world.workspace.jobs.all() if job.name == file.name]
            assert found, f"{file.name} has no job"
            paths = {job.settings["tasks"][0]["notebook_task"]["notebook_path"] for job in found}
            assert file.notebook in paths or file.name in doubled or self._is_refused(file.name)
        names = {file.name for file in self.files.values()}
        others = {job.name for job in self.world.workspace.jobs.all()} - names
        assert others <= doubled | self._refused(), "a job was forgotten"

    def _refused(self) -> set[str]:
        entry = next(iter(self.world.history), None)
        return set() if entry is None else {job for each in entry.state.refused for job in each.jobs}

    def _is_refused(self, name: str) -> bool:
        return name in self._refused()


EVENTS: dict[str, Callable[[History, str], None]] = {
    "edit": History.edit,
    "misspell": lambda history, key: history.change(key, is_sound=False),
    "conflict": lambda history, key: history.change(key, is_readable=False),
    "deactivate": lambda history, key: history.change(key, is_active=False),
    "move": History.move,
    "move with a conflict": lambda history, key: history.move(key, is_readable=False),
    "move and misspell": lambda history, key: history.move(key, is_sound=False),
    "rename": History.rename,
    "rename and misspell": lambda history, key: (history.rename(key), history.change(key, is_sound=False))[0],
    "remove": History.remove,
    "hide": History.hide,
    "lose files": lambda history, key: history.lose("resources"),
    "lose state": lambda history, key: history.lose("resources", ".lakeflow-job-meta", ".databricks"),
    "edit by hand": History.edit_by_hand,
    "delete by hand": History.delete_by_hand,
    "lose an answer": lambda history, key: history.disturb("*", FaultKind.CONNECTION_RESET_AFTER_WORK),
    "answer 503 after the work": lambda history, key: history.disturb("*", FaultKind.UNAVAILABLE_AFTER_WORK),
    "forbid a deletion": lambda history, key: history.disturb("delete", FaultKind.FORBIDDEN),
    "break a creation": lambda history, key: history.disturb("create", FaultKind.INTERNAL_ERROR),
    "deploy": lambda history, key: history.tick(0),
    "deploy and delete one": lambda history, key: history.tick(1),
    "deploy and delete all": lambda history, key: history.tick(9),
    "deploy elsewhere": lambda history, key: history.elsewhere(1),
    "kill": lambda history, key: history.killed(1),
}
DEPLOYING = [name for name in EVENTS if name.startswith("deploy")]
SUDDEN = ["kill"]
QUIET = [name for name in EVENTS if name not in (*DEPLOYING, *SUDDEN)]


def histories(deploying: list[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Returns series of events, of which each third or so is a deployment."""
    event = st.one_of(st.sampled_from(QUIET), st.sampled_from(QUIET), st.sampled_from(deploying))
    return st.lists(st.tuples(event, st.sampled_from(NAMES)), min_size=2, max_size=10)


@contextmanager
def new_history(folder: Path, backend: str, command: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    with FakeWorkspace(folder / "workspace") as workspace:
        program = str(real_command()) if command == "real" else str(install_stand_in(folder / "bin"))
        for name, value in cli_environment(workspace.url, workspace.token, folder / "cli").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DATABRICKS_CLI", program)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        project = ProjectFolder(folder / "project")
        project.write("job_meta.yml", PROJECT)
        (project.path / "metadata/moved").mkdir(parents=True)
        history = History(World(project, workspace, connect(workspace, SleeplessClock())), backend, random.Random(1))
        for name in NAMES:
            history.edit(name)
        history.tick(0)
        assert history.world.names == sorted(NAMES)
        yield history


def play(folder: Path, backend: str, command: str, events: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, new_history(folder, backend, command, monkeypatch) as history:
        for what, key in events:
            EVENTS[what](history, key)
        history.world.workspace.faults.clear()
        history.settle()


SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}


@settings(max_examples=200, **SETTINGS)
@given(histories(DEPLOYING))
def test_through_the_jobs_api(tmp_path_factory, events):
    play(tmp_path_factory.mktemp("history"), "jobs-api", "stand-in", events)


@settings(max_examples=40, **SETTINGS)
@given(histories(DEPLOYING))
def test_with_a_stand_in_for_the_databricks_cli(tmp_path_factory, events):
    play(tmp_path_factory.mktemp("history"), "cli", "stand-in", events)


@pytest.mark.real_cli
@settings(max_examples=20, **SETTINGS)
@given(histories(DEPLOYING))
def test_with_the_databricks_cli(tmp_path_factory, events):
    play(tmp_path_factory.mktemp("history"), "cli", "real", events)


@pytest.mark.parametrize("backend", ["jobs-api", "cli"])
@settings(max_examples=15, **SETTINGS)
@given(events=histories([*DEPLOYING, *SUDDEN, *SUDDEN]))
def test_with_kills(tmp_path_factory, backend, events):
    play(tmp_path_factory.mktemp("history"), backend, "stand-in", events)
