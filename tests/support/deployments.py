"""A project that is deployed by `ljm deploy` into a fake workspace."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.databricks_cli import cli_environment, install_stand_in
from fakes.databricks_cli.fixtures import real_command
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.state.store import JOBS
from lakeflow_job_meta.tables.local import LocalTable
from support.in_process import started_in
from support.project_folder import ProjectFolder, Result, module

SECONDS = 60
"""For whatever must come, on a busy machine."""

COMMANDS = ["stand-in", pytest.param("real", marks=pytest.mark.real_cli)]
"""What fixtures are parametrized by that give a databricks CLI."""


class World:
    """A project, a workspace, and a databricks CLI between them that a test may disturb."""

    def __init__(self, project: ProjectFolder, workspace: FakeWorkspace, command: str, folder: Path) -> None:
        self.project = project
        self.workspace = workspace
        self.command = command
        self.environment = cli_environment(workspace.url, workspace.token, folder)
        self._program = folder / "databricks"
        self._calls = folder / "calls"
        self.disturb("")

    def disturb(self, body: str) -> None:
        """Runs shell commands before the CLI; `$2` is the bundle's command, `$CLI` the program.

        They are somebody else's, so the root of the bundle that `ljm` names is none of theirs.
        """
        self._calls.write_text("")
        cli = shlex.quote(self.command)
        self._program.write_text(
            f'#!/bin/sh\nCLI={cli}\necho "$*" >> {shlex.quote(str(self._calls))}\n'
            f'ROOT="$DATABRICKS_BUNDLE_ROOT"\nunset DATABRICKS_BUNDLE_ROOT\n{body}\n'
            f'[ -z "$ROOT" ] || export DATABRICKS_BUNDLE_ROOT="$ROOT"\nexec {cli} "$@"\n'
        )
        self._program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The bundle's commands that were run since `disturb`, such as `plan`."""
        lines = self._calls.read_text().splitlines()
        return [line.split()[1] for line in lines if line.startswith("bundle ")]

    def environment_of(self, **more: str) -> dict[str, str]:
        return {**self.environment, "DATABRICKS_CLI": str(self._program), **more}

    def ljm(self, *arguments: str, **environment: str) -> Result:
        """Runs the command line in this process; the databricks CLI is a process as always."""
        with started_in(self.project.path, self.environment_of(**environment)):
            return self.project.ljm(*arguments)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the command line as a process of its own, for a test that kills or stops it."""
        return subprocess.Popen(
            [sys.executable, "-m", "lakeflow_job_meta", *arguments],
            cwd=self.project.path,
            env=self.environment_of(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def databricks(self, *arguments: str) -> str:
        """Runs the databricks CLI itself in the project, and returns what it prints."""
        folder, environment = self.project.path, self.environment_of()
        done = subprocess.run(
            [self.command, *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def deploy(self, *arguments: str, **environment: str) -> Result:
        return self.ljm("deploy", "-t", "dev", *arguments, **environment)

    def deploy_well(self, *arguments: str) -> Result:
        result = self.deploy(*arguments)
        assert result.exit_code == 0, result.stderr
        return result

    def module(self, name: str, **values: object) -> None:
        self.project.write(f"metadata/{name}.yml", module(name, **values))

    def remove(self, name: str) -> None:
        (self.project.path / "metadata" / f"{name}.yml").unlink()

    def job_id(self, name: str) -> int:
        return self.workspace.jobs.by_name(name).job_id

    def record(self) -> dict:
        rows = LocalTable(self.project.path / ".lakeflow-job-meta" / "dev", JOBS).rows()
        return {row["bundle_key"]: row for row in rows}

    @property
    def changes(self) -> Counter[str]:
        return self.workspace.jobs.changes

    def forget(self) -> None:
        """Counts writes from here."""
        self.workspace.jobs.writes.clear()
        self.workspace.requests.clear()


@contextlib.contextmanager
def new_world(which: str, folder: Path) -> Iterator[World]:
    """Gives an empty project, an empty workspace, and one of `COMMANDS`."""
    command = real_command() if which == "real" else install_stand_in(folder / "bin")
    with FakeWorkspace(folder / "workspace") as workspace:
        yield World(ProjectFolder(folder / "project"), workspace, str(command), folder / "cli")


class KeptWorld:
    """A world that is deployed once; each test gets it as it was then, for a deployment takes seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files = world.project.path.with_name("kept")
        shutil.copytree(world.project.path, self._files, symlinks=True)
        self._workspace = world.workspace.kept()

    def restored(self) -> World:
        world = self._world
        shutil.rmtree(world.project.path)
        shutil.copytree(self._files, world.project.path, symlinks=True)
        world.workspace.restore(self._workspace)
        world.disturb("")
        return world
