"""A day in the life of a monitor, with everything on, and at its end the jobs are exactly what the metadata says.

A control table, a table with columns of its own that fills a blueprint, YAML with rules for rows; edits and mistakes
in all of them; a workspace that fails, a webhook that is down for a while. The monitor is killed, stopped and killed
again. How long: a half of LJM_SOAK_SECONDS. Run by `make soak`.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.workspace import FakeWorkspace, Fault, FaultKind
from support.monitor_process import Estate, flat, module_rows, wait_for
from support.project_folder import BUNDLE
from support.receiver import Receiver, receiving
from support.soak_measures import CHANGING_TOLERANCE_KILOBYTES, SECONDS, growth_kilobytes
from support.tables import BOOL, INT, TEXT, write_table

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(900 + 2 * SECONDS),
    pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="processes are looked at by /proc"),
]

_PROJECT = """\
metadata:
  - {delta: data/control}
  - delta: data/own
    blueprint: load
    key: [Name]
    with: {name: "${column.Name}", retries: "${column.Retries}", active: "${column.Enabled}"}
  - yaml: metadata/
control_table: main.etl.control
deploy: {max_deletes: 3}
"""
_BLUEPRINT = """\
blueprints:
  - blueprint: load
    parameters: {{name: {{type: text}}, retries: {{type: number}}, active: {{type: boolean}}}}
    module:
      module_name: load_${{param.name}}
      job_config: {{timeout_seconds: {timeout}}}
      sources:
        - source_id: load
          execution_order: 1
          is_active: ${{param.active}}
          transformation_config: {{notebook_path: /Workspace/load, max_retries: "${{param.retries}}"}}
"""
_CHECKED = """\
modules:
  - module_name: checked
    job_config: {{timeout_seconds: {limit}}}
    sources:
      - source_id: a
        execution_order: 1
        target_config: {{catalog: main, schema: shop, table: orders}}
        transformation_config: {{notebook_path: /Workspace/a}}
        quality:
          checks:
            - name: in_range
              criticality: warn
              check: {{function: is_in_range, arguments: {{column: a, min_limit: 0, max_limit: {limit}}}}}
"""
_OWN = {"Name": TEXT, "Retries": INT, "Enabled": BOOL}
_FAULTS = (
    FaultKind.TOO_MANY_REQUESTS,
    FaultKind.INTERNAL_ERROR,
    FaultKind.BAD_GATEWAY,
    FaultKind.UNAVAILABLE,
    FaultKind.UNAVAILABLE_AFTER_WORK,
    FaultKind.CONNECTION_RESET,
    FaultKind.CONNECTION_RESET_AFTER_WORK,
    FaultKind.TRUNCATED_BODY,
)


@dataclass
class Metadata:
    """What the metadata says, and is to say once its mistakes are mended.

    Attributes:
        modules: Of the control table: the notebook of each.
        own: Of the team's own table: retries of each row, None for a mistake, and whether it is enabled.
    """

    estate: Estate
    chance: random.Random
    modules: dict[str, str] = field(default_factory=lambda: {f"table_{number}": "/Workspace/0" for number in range(6)})
    own: dict[str, tuple[int | None, bool]] = field(default_factory=lambda: {f"x{n}": (0, True) for n in range(8)})
    timeout: int = 3600
    limit: int = 10

    def write(self) -> None:
        self.estate.says(*flat(module_rows(name, notebook) for name, notebook in self.modules.items()))
        rows = [{"Name": name, "Retries": retries, "Enabled": on} for name, (retries, on) in self.own.items()]
        write_table(self.estate.project.path / "data" / "own", rows, _OWN)
        self.estate.project.write("metadata/blueprints.yml", _BLUEPRINT.format(timeout=self.timeout))
        self.estate.project.write("metadata/checked.yml", _CHECKED.format(limit=self.limit))

    def edit(self, number: int) -> None:
        """Changes something somewhere, or makes a mistake."""
        name = self.chance.choice([*self.own])
        what = self.chance.randrange(9)
        if what < 3:
            self.modules[f"table_{number % 6}"] = f"/Workspace/{number}"
        elif what == 3:
            self.modules.pop(f"table_{number % 6}", None)
        elif what == 4:
            self.own[name] = (number % 5, True)
        elif what == 5:
            self.own[name] = (None, True)
        elif what == 6:
            self.own[name] = (1, False)
        elif what == 7:
            self.timeout += 1
        else:
            self.limit += 1
        self.write()

    def mend(self) -> None:
        """Leaves no mistake."""
        self.own = {name: (2 if retries is None else retries, on) for name, (retries, on) in self.own.items()}
        self.write()

    def jobs(self) -> dict[str, Any]:
        """Returns what the jobs have to be: of each what was edited. One that is switched off keeps its last job."""
        found: dict[str, Any] = dict(self.modules)
        found |= {f"load_{name}": (retries, self.timeout) for name, (retries, on) in self.own.items() if on}
        return {**found, "checked": (2, self.limit)}


class Watch:
    """The monitor as a process that writes its log to a file, and what it holds."""

    def __init__(self, estate: Estate, log: Path, url: str) -> None:
        self._estate, self._log, self._url = estate, log, url
        self.memory: list[int] = []
        self.files: list[int] = []
        self.start()

    def start(self) -> None:
        arguments = self._estate.arguments("--check-interval-seconds", "1", "--webhook", self._url)
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lakeflow_job_meta", *arguments],
                cwd=self._estate.project.path,
                env=self._estate.environment,
                stdout=log,
                stderr=log,
            )
        self.memory, self.files = [], []

    def look(self) -> None:
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        self.memory.append(int(status.split("VmRSS:")[1].split()[0]))
        self.files.append(len([*Path(f"/proc/{self._process.pid}/fd").iterdir()]))

    def end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        assert self._process.wait(60) in (0, -how)
        wait_for(lambda: self._estate.processes() == [], "the last process in the project's folder")


@pytest.fixture(params=["jobs-api", "cli"])
def estate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Estate]:
    with FakeWorkspace(tmp_path / "workspace") as workspace:
        estate = Estate(tmp_path, workspace, request.param)
        # Without the lock in the workspace, which a killed CLI leaves for a person.
        estate.project.write("databricks.yml", BUNDLE.replace("dev: {}", "dev: {mode: development}"))
        estate.project.write("job_meta.yml", _PROJECT)
        yield estate
        estate.discard()


@pytest.fixture
def receiver(monkeypatch) -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def jobs_of(estate: Estate) -> dict[str, Any]:
    """Returns of each job in the workspace what is edited here; fails where one is there twice."""
    found: dict[str, Any] = {}
    for job in estate.workspace.jobs.all():
        name = job.name.split("] ")[-1]
        assert name not in found, f"{name} is there twice"
        task = job.settings["tasks"][0]
        if name.startswith("load_"):
            found[name] = (task.get("max_retries", 0), job.settings["timeout_seconds"])
        elif name == "checked":
            found[name] = (len(job.settings["tasks"]), job.settings["timeout_seconds"])
        else:
            found[name] = task["notebook_task"]["notebook_path"]
    return found


def is_as_said(estate: Estate, metadata: Metadata) -> bool:
    """Says whether every job is as the metadata says, and no other is there but of rows that are switched off."""
    off = {f"load_{name}" for name, (_, on) in metadata.own.items() if not on}
    return {name: job for name, job in jobs_of(estate).items() if name not in off} == metadata.jobs()


def tells(receiver: Receiver, event: str, name: str) -> bool:
    """Says whether the webhook got an event of some kind that names something."""
    return any(body["event"] == event and name in body["text"] for body in receiver.bodies)


def test_after_a_day_with_everything_on_the_jobs_are_exactly_what_the_metadata_says(estate, receiver, tmp_path):
    chance = random.Random(11)
    metadata = Metadata(estate, chance)
    metadata.write()
    watch = Watch(estate, tmp_path / "log", receiver.url)
    wait_for(lambda: is_as_said(estate, metadata), "the first deployment")
    restarts = [(0.25, signal.SIGKILL), (0.5, signal.SIGTERM), (0.75, signal.SIGKILL)]
    began, edits = time.monotonic(), 0

    while (gone := (time.monotonic() - began) / (SECONDS / 4)) < 1:
        edits += 1
        metadata.edit(edits)
        receiver.status = 500 if 0.3 < gone < 0.6 else 200
        if chance.random() < 0.3:
            path = chance.choice(["/api/2.*/jobs/*", "*"])
            estate.workspace.faults.add(Fault("*", path, chance.choice(_FAULTS), times=chance.randrange(1, 4)))
        time.sleep(chance.uniform(0.2, 2.0))
        watch.look()
        if restarts and gone > restarts[0][0]:
            watch.end(restarts.pop(0)[1])
            watch.start()
    estate.workspace.faults.clear()
    receiver.status = 200
    metadata.own["last"] = (None, True)
    metadata.write()
    wait_for(lambda: tells(receiver, "quarantined", "last"), "the mistake to be told to the webhook", 60)
    metadata.mend()

    wait_for(lambda: is_as_said(estate, metadata), "the jobs to be what the metadata says", 180)
    watch.look()
    watch.end(signal.SIGTERM)
    growth = growth_kilobytes(watch.memory) if len(watch.memory) > 100 else 0
    print(f"\n{estate.deployer}: {edits} edits, {len(receiver.bodies)} events, memory grown by {growth / 1024:.1f} MB")
    assert restarts == []
    assert growth < CHANGING_TOLERANCE_KILOBYTES
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert estate.processes() == []
    assert max(watch.files) - min(watch.files) < 20
