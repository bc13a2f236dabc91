"""The state of a deployment: which resource has which id, and what was last deployed.

Kept in the workspace and, as a copy, beside the bundle; the one of the higher serial counts. While a deployment
runs, each step is added at once to a journal beside the copy, which the next command takes in: so a deployment
that is killed does not forget what it made, as long as the local folder lives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from stand_in.diagnostics import failed
from stand_in.http_api import Api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object

Entry = dict[str, Any]
VERSION = 2


class State:
    """What was deployed.

    Attributes:
        lineage: Which deployment this is; empty before the first.
        serial: Goes up with each deployment that changes something.
        resources: By node (`resources.jobs.sales`), its `__id__`, its `state` and what it `depends_on`.
    """

    def __init__(self, lineage: str = "", serial: int = 0, resources: dict[str, Entry] | None = None) -> None:
        self.lineage = lineage
        self.serial = serial
        self.resources = resources if resources is not None else {}

    def id_of(self, node: str) -> str:
        """The id of a resource, or the empty text."""
        return str(self.resources.get(node, {}).get("__id__", ""))


def local_folder(root: Path, target: str) -> Path:
    """Where a bundle's local state is."""
    given = os.environ.get("DATABRICKS_BUNDLE_TMP")
    if given:
        return Path(given) / target
    folder = root / ".databricks" / "bundle" / target
    folder.mkdir(parents=True, exist_ok=True)
    (root / ".databricks" / ".gitignore").write_text("*\n")
    return folder


class StateStore:
    """Reads and writes the state."""

    def __init__(self, api: Api, state_path: str, folder: Path, cli_version: str) -> None:
        self._api = api
        self._remote = f"{state_path}/resources.json"
        self._file = folder / "resources.json"
        self._journal = folder / "resources.json.wal"
        self._version = cli_version

    def read(self) -> State:
        """The state that counts.

        Raises:
            OperationFailed: The copies are of two deployments.
        """
        content = self._api.download(self._remote)
        remote = _parsed(content) if content else None
        local = _parsed(self._file.read_bytes()) if self._file.is_file() else None
        if local and remote and local.lineage != remote.lineage:
            raise failed(
                "lineage mismatch in state files\n\nAvailable state files:\n"
                f'- resources.json: remote direct state serial={remote.serial} lineage="{remote.lineage}"\n'
                f'- {self._file}: local direct state serial={local.serial} lineage="{local.lineage}"'
            )
        known = [state for state in (remote, local) if state]
        state = max(known, key=lambda one: one.serial) if known else State()
        if remote and not (local and local.serial == state.serial):
            self._file.write_bytes(self._text(state))
        return self._recovered(state)

    def begin(self, state: State) -> None:
        """Opens the journal of a deployment from this state on."""
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        from uuid import uuid4

        lineage = state.lineage or str(uuid4())
        self._append({"state_version": VERSION, "lineage": lineage, "serial": state.serial + 1})

    def note(self, node: str, entry: Entry | None) -> None:
        """Adds a step to the journal; None is a resource that is gone."""
        self._append({"k": node} if entry is None else {"k": node, "v": entry})

    def end(self, state: State) -> State:
        """Turns the journal into the new state and puts it into the workspace."""
        new = self._recovered(state)
        self._api.upload(self._remote, self._text(new), overwrite=True)
        return new

    def _recovered(self, state: State) -> State:
        if not self._journal.is_file():
            return state
        header, *steps = [json.loads(line) for line in self._journal.read_text().splitlines()]
        if header["serial"] == state.serial + 1 and steps:
            resources = dict(state.resources)
            for step in steps:
                resources.pop(step["k"], None)
                if "v" in step:
                    resources[step["k"]] = step["v"]
            state = State(header["lineage"], header["serial"], resources)
            self._file.write_bytes(self._text(state))
        self._journal.unlink()
        return state

    def _append(self, line: Mapping[str, Any]) -> None:
        with self._journal.open("a") as journal:
            journal.write(json.dumps(line) + "\n")

    def _text(self, state: State) -> bytes:
        header = {"state_version": VERSION, "cli_version": self._version}
        body = {"lineage": state.lineage, "serial": state.serial, "state": dict(sorted(state.resources.items()))}
        return json.dumps(header | body, indent=1).encode()


def _parsed(content: bytes) -> State:
    body = json.loads(content)
    return State(body["lineage"], body["serial"], body.get("state") or {})
