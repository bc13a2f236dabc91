"""A workspace, and a project in two checkouts on machines that share a control table: what people and commands do."""

from __future__ import annotations

import fcntl
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.databricks_cli import cli_environment
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.state.history import HistoryEntry, entry_of_row
from lakeflow_job_meta.state.store import HISTORY, JOBS
from lakeflow_job_meta.state.tracking import read_left_behind
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.local import LocalTable
from support.histories.metadata import CONFLICT, MOVED, TARGETS, Home, Said
from support.histories.starter import Command, Ended, Interruption, Standing, Starter
from support.tables import write_table

BUNDLE = """\
bundle: {name: %s}
include: [resources/jobs/*.yml]
targets: {dev: {presets: {name_prefix: dev_}}, prod: {presets: {name_prefix: prod_}}}
"""
STATE = ".lakeflow-job-meta"


@dataclass
class Checkout:
    """A folder of the project on one machine, and what its files say."""

    path: Path
    said: Said = field(default_factory=Said)

    def state(self, target: str) -> Path:
        return self.path / STATE / target

    def write(self, said: Said, table: Path | None) -> None:
        """Makes the files those that say this."""
        self.said = said.copy()
        (self.path / "databricks.yml").write_text(BUNDLE % said.bundle)
        folder = self.path / MOVED
        if folder.is_symlink():
            folder.unlink()
        if said.is_hidden:
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)
            folder.symlink_to("moved")  # a loop: nobody can read it
        else:
            folder.mkdir(parents=True, exist_ok=True)
        files = said.files(table)
        for path in [*(self.path / "metadata").glob("*.yml"), *(folder.glob("*.yml") if not said.is_hidden else ())]:
            if str(path.relative_to(self.path)) not in files:
                path.unlink()
        for name, text in files.items():
            path = self.path / name
            if not path.exists() or path.read_text() != text:
                path.write_text(text)

    def left_behind(self) -> set[int]:
        """Returns the ids of the jobs that deployments from here have named as such."""
        return {int(job.job_id) for target in TARGETS for job in read_left_behind(self.state(target))}


class World:
    """All of it.

    Attributes:
        said: What the newest metadata says; the first checkout always has it.
        deployer: `cli` or `jobs-api`.
        trouble: What the CLI that a command starts next does, as variables of the stand-in.
    """

    def __init__(
        self, folder: Path, workspace: FakeWorkspace, starter: Starter, deployer: str, program: str, has_table: bool
    ) -> None:
        self.workspace, self.starter, self.deployer = workspace, starter, deployer
        self.folder = folder
        self.table = folder / "data" / "control" if has_table else None
        self.checkouts = [Checkout(folder / name / "project") for name in ("here", "there")]
        for checkout in self.checkouts:
            checkout.path.mkdir(parents=True)
        environment = cli_environment(workspace.url, workspace.token, folder / "cli")
        kept = {name: value for name, value in environment.items() if name not in ("HTTP_PROXY", "HTTPS_PROXY")}
        self.environment = {**kept, "DATABRICKS_CLI": program, "NO_PROXY": "127.0.0.1"}
        self.trouble: dict[str, str] = {}
        self.said = Said()
        self._rows: list[dict[str, Any]] | None = None

    # metadata

    def publish(self) -> None:
        """Makes the first checkout, and the control table, what the metadata says."""
        self.here.write(self.said, self.table)
        if self.table is not None:
            rows = self.said.rows()
            if rows != self._rows:
                write_table(self.table, rows)
            self._rows = rows

    @property
    def here(self) -> Checkout:
        return self.checkouts[0]

    @property
    def there(self) -> Checkout:
        return self.checkouts[1]

    def said_at(self, checkout: Checkout) -> Said:
        """Returns what a deployment from there reads: its files, and the rows of now."""
        said = checkout.said.copy()
        said.modules = {key: each for key, each in said.modules.items() if each.home is not Home.ROW}
        for key, each in self.said.copy().modules.items():
            if each.home is Home.ROW:
                said.modules[f"{key} in a row"] = each
        return said

    # commands

    def start(
        self, checkout: Checkout, *arguments: str, at: Interruption | None = None, program: str = "ljm"
    ) -> Ended | Standing:
        if "LJM_FAKE_CLI_HANG" in self.trouble:
            assert arguments[0] in ("deploy", "adopt", "monitor"), "nobody waits for so long"
            arguments = (*arguments, "--timeout", "1", "--stop-timeout", "1")
        environment = {**self.environment, **self.trouble}
        command = Command(program, arguments, str(checkout.path), environment, str(self.folder), at)
        ended = self.starter.start(command)
        if isinstance(ended, Ended):
            self.wait_for_the_cli(checkout)
        return ended

    def deploy(
        self,
        checkout: Checkout,
        target: str,
        *,
        at: Interruption | None = None,
        max_deletes: int = 0,
        force_lock: bool = False,
        **options: bool,
    ) -> Ended | Standing:
        """Runs `ljm deploy`, or `deploy` through the Jobs API; options are those of the latter."""
        if self.deployer == "jobs-api":
            values: Any = {"max_deletes": max_deletes, **options}
            return self.start(checkout, target, values, at=at, program="deploy")
        flags = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
        flags += ["--force-lock"] if force_lock else []
        return self.start(checkout, "deploy", "-t", target, "--max-deletes", str(max_deletes), *flags, at=at)

    def monitor(
        self, checkout: Checkout, target: str, *, at: Interruption | None = None, max_deletes: int = 0
    ) -> Ended | Standing:
        more = ["--deployer", self.deployer, "--max-deletes", str(max_deletes)]
        return self.start(checkout, "monitor", "--once", "-t", target, *more, at=at)

    def wait_for_the_cli(self, checkout: Checkout) -> None:
        """Waits for an orphan of the CLI, which holds the lock of the deployment until its end."""
        for target in TARGETS:
            path = checkout.state(target) / "lock"
            if path.exists():
                with path.open("r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)

    # what is there

    def end_leases(self) -> None:
        """Ends the deployments of somebody else through the Jobs API."""
        for path in [*self.workspace.tree.paths()]:
            if path.endswith("/lease/1000000.json"):
                self.workspace.tree.remove(path)

    def history(self, checkout: Checkout, target: str) -> list[HistoryEntry]:
        """Returns what the monitor's table says of its ticks."""
        store: Any = LocalTable(checkout.state(target), HISTORY)
        if self.table is not None:
            store = DeltaFiles(str(self.table), HISTORY, checkout.path)
        return [entry for row in store.rows() if (entry := entry_of_row(row)).target == target]

    def locks(self) -> list[str]:
        return [path for path in self.workspace.tree.paths() if path.endswith("/deploy.lock")]

    def left_behind(self) -> set[int]:
        return {job_id for checkout in self.checkouts for job_id in checkout.left_behind()}

    def record(self, checkout: Checkout, target: str) -> dict[str, int]:
        """Returns the recorded ids by key."""
        store: Any = LocalTable(checkout.state(target), JOBS)
        if self.table is not None:
            store = DeltaFiles(str(self.table), JOBS, checkout.path)
        return {row["bundle_key"]: row["job_id"] for row in store.rows() if row["target"] == target}

    def taken_back(self) -> None:
        """Takes into the metadata what a command has written there."""
        import yaml
        from deltalake import DeltaTable

        rows = {} if self.table is None or not self._rows else _configs(DeltaTable(self.table))
        for module in self.said.modules.values():
            if module.home is Home.ROW:
                module.take(rows.get(module.name, module.job_config))
            elif (path := self.here.path / module.path).is_file() and not path.read_text().startswith(CONFLICT):
                (written,) = yaml.safe_load(path.read_text())["modules"]
                module.take(written.get("job_config") or {})
        self.publish()


def _configs(table: Any) -> dict[str, dict[str, Any]]:
    rows = table.scan(columns=["module_name", "job_config"]).read_all().to_struct_array().to_pylist()
    return {row["module_name"]: json.loads(row["job_config"] or "{}") for row in rows}
