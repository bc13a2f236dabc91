"""A monitor of a project in front of a fake workspace, and a clock that a test moves.

Modules that use it name it in `pytest_plugins`, with `workspace_fixtures`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from fakes.workspace import FakeWorkspace, Fault, FaultKind
from lakeflow_job_meta import MetadataManager
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployBackend, DeployContext, Deployer
from lakeflow_job_meta.deployment.select_backend import BackendName, select_backend
from lakeflow_job_meta.monitor.events import Event, TickResult
from lakeflow_job_meta.monitor.monitor import Monitor
from lakeflow_job_meta.monitor.reconcile import MonitorConfig
from lakeflow_job_meta.monitor.retry import Clock
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.history import History, HistoryEntry
from lakeflow_job_meta.state.store import HISTORY, open_state_store
from lakeflow_job_meta.tables.schema import RowChanges
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder, module
from support.tables import row

TARGET = "dev"


@dataclass
class MovableClock:
    """A clock that stands still until it is moved.

    Attributes:
        wall: What the wall clock says; it may be moved back.
        seconds: What has passed.
        slept: How long each wait was.
        on_sleep: Called at the end of each wait.
    """

    wall: datetime = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None

    def goes_on(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.goes_on(seconds)
        self.on_sleep()

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.seconds, self.sleep)


class Watching:
    """A monitor that a test ticks, and what it told."""

    def __init__(self, make: Callable[[Callable[[Event], None]], Monitor]) -> None:
        self.events: list[Event] = []
        self.monitor = make(self.events.append)

    def tick(self) -> TickResult:
        return self.monitor.tick()

    def looks(self) -> str:
        """Ticks, and returns what it came to."""
        return self.tick().outcome.value

    def told(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.kind.value == kind]

    @property
    def kinds(self) -> list[str]:
        """What was told since this was asked last."""
        kinds = [event.kind.value for event in self.events]
        self.events.clear()
        return kinds


@dataclass(frozen=True)
class NotifyingBackend:
    """A backend that calls a function when the metadata is read, before anything is deployed."""

    backend: DeployBackend
    after_reading: Callable[[], None]

    @property
    def writes_files(self) -> bool:
        return self.backend.writes_files

    def open(self, context: DeployContext, compilation: Compilation) -> Deployer:
        self.after_reading()
        return self.backend.open(context, compilation)


class World:
    """A project, the workspace of its jobs, and monitors between them.

    Attributes:
        before_reading: Called once work has begun, before the metadata is read.
        after_reading: Called when the metadata is read, before anything is deployed.
    """

    def __init__(self, project: ProjectFolder, workspace: FakeWorkspace, connection: Workspace) -> None:
        self.project = project
        self.workspace = workspace
        self.connection = connection
        self.clock = MovableClock()
        self.before_reading: Callable[[], None] = lambda: None
        self.after_reading: Callable[[], None] = lambda: None

    # metadata

    def table(self, location: str, warehouse: str | None = None) -> None:
        """Gives the project one control table, and makes it."""
        kind = "table" if warehouse else "delta"
        more = f", warehouse_id: '{warehouse}'" if warehouse else ""
        self.project.write("job_meta.yml", f"metadata: [{{{kind}: '{location}'{more}}}]\n")
        self.manager = MetadataManager(location, warehouse, workspace=self.connection)
        self.manager.ensure_exists()

    def put(self, *rows: dict[str, Any]) -> None:
        self.manager.table.write(RowChanges(rows, ()))

    def remove(self, *modules: str) -> None:
        self.manager.table.write(RowChanges((), [(name, "a") for name in modules]))

    def file(self, name: str, notebook: str = "/Workspace/a") -> Path:
        """Writes a metadata file of one module."""
        return self.project.write(f"metadata/{name}.yml", module(name, notebook=notebook))

    # monitors

    def monitor(
        self,
        backend: BackendName = "jobs-api",
        *,
        max_deletes: int | None = 0,
        overwriting: bool = False,
        volume: str | None = None,
        propose: Path | None = None,
    ) -> Watching:
        """Returns a monitor in its first moment, as after a restart."""

        def select(project: Project) -> DeployBackend:
            self.before_reading()
            selected = select_backend(project, TARGET, self.connection, backend, on_fallback=pytest.fail)
            return NotifyingBackend(selected, lambda: self.after_reading())

        config = MonitorConfig(TARGET, max_deletes, overwriting, volume, propose)
        return Watching(
            lambda sink: Monitor(
                lambda: load_project(self.project.path),
                config,
                select,
                sink,
                workspace=self.connection,
                clock=self.clock.clock,
            )
        )

    @property
    def state_folder(self) -> Path:
        return state_folder(load_project(self.project.path), TARGET)

    @property
    def history(self) -> list[HistoryEntry]:
        """Newest first."""
        project = load_project(self.project.path)
        records = open_state_store(project, self.state_folder, HISTORY, self.connection)
        return History(records, TARGET).newest(100)

    # the workspace

    @property
    def names(self) -> list[str]:
        return self.workspace.jobs.names()

    @property
    def changes(self) -> dict[str, int]:
        """The writes to jobs since this was asked last."""
        changes = dict(self.workspace.jobs.changes)
        self.workspace.jobs.writes.clear()
        return changes

    @property
    def asked(self) -> list[str]:
        """The paths of the APIs that the workspace was asked since this was asked last."""
        paths = [request.path for request in self.workspace.requests]
        self.workspace.requests.clear()
        return paths

    def goes_down(self) -> None:
        self.workspace.faults.add(Fault("*", "*", FaultKind.FORBIDDEN, times=1_000_000))

    def comes_back(self) -> None:
        self.workspace.faults.clear()

    def notebook(self, name: str) -> str:
        """Returns the notebook of a job's first task."""
        return str(self.workspace.jobs.by_name(name).settings["tasks"][0]["notebook_task"]["notebook_path"])

    def tasks(self, name: str) -> list[str]:
        return [task["task_key"] for task in self.workspace.jobs.by_name(name).settings["tasks"]]


def module_row(name: str, source: str = "a", *, notebook: str | None = None, **columns: Any) -> dict[str, Any]:
    """A sound row of a module."""
    return row(
        source, name, **{"transformation_config": {"notebook_path": notebook or f"/Workspace/{name}"}, **columns}
    )


def broken_row(name: str) -> dict[str, Any]:
    return module_row(name, transformation_config="{broken")


def lines_of_json(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def world(project: ProjectFolder, workspace: FakeWorkspace, connection: Workspace) -> World:
    """A project that reads `metadata/`."""
    return World(project, workspace, connection)


@pytest.fixture(scope="session")
def filled_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Delta table with the modules `sales` and `stock`, which is written once; tests copy it."""
    folder = tmp_path_factory.mktemp("filled") / "control"
    manager = MetadataManager(str(folder))
    manager.ensure_exists()
    manager.table.write(RowChanges([module_row("sales"), module_row("stock")], ()))
    return folder


@pytest.fixture
def control_table(world: World, tmp_path: Path, filled_table: Path) -> World:
    """A project that reads a Delta table with the modules `sales` and `stock`; nothing is deployed yet."""
    world.table(str(shutil.copytree(filled_table, tmp_path / "etl" / "control")))
    return world


@pytest.fixture
def deployed(control_table: World) -> World:
    """The same, deployed by a monitor that has ended."""
    watching = control_table.monitor()
    assert watching.looks() == "deployed", watching.events
    assert control_table.changes == {"create": 2}
    control_table.workspace.requests.clear()
    return control_table


@pytest.fixture
def with_cli(world: World, databricks_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> World:
    """A project that reads `metadata/` with the modules `sales` and `stock`, deployed with the databricks CLI."""
    for name, value in databricks_environment.items():
        monkeypatch.setenv(name, value)
    world.file("sales")
    world.file("stock")
    watching = world.monitor("cli")
    assert watching.looks() == "deployed", watching.events
    assert world.changes == {"create": 2}
    return world
