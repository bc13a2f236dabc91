"""What is known of the last deployment of a bundle: its state on this machine, and the note of what it brought.

The note is in the workspace, beside the bundle's state, and a copy of it here. The one in the workspace decides what is
deployed. It is empty while something is deployed: files are uploaded before the state says that anything is new, and
else files half of which are new would count as those of before, once these come back.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, read_file
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deployment.databricks_cli.bundle_state import (
    NOTE_FILE,
    STATE_FILE,
    BundleState,
    DeploymentNote,
    parsed_note,
    parsed_note_text,
    parsed_state,
)
from lakeflow_job_meta.deployment.databricks_cli.client import CliFailure, DatabricksCli
from lakeflow_job_meta.deployment.databricks_cli.keep import path_beside_state
from lakeflow_job_meta.state.folder import read_record, write_record

_COPY = "deployed.json"


@dataclass(frozen=True, slots=True)
class LastDeployment:
    """The last deployment of the bundle that `cli` is in, for a target; `folder` is the state folder here."""

    cli: DatabricksCli
    target: str | None
    folder: Path

    def state(self) -> BundleState | None:
        """Returns the state as the CLI has it on this machine; None where there is none that can be used.

        Where it is: bundle/bundle.go of the CLI (`GetLocalStateDir`). `plan` and `deploy` bring it up to date. As long
        as there is a journal beside it, it is not that of the last deployment.
        """
        root = Path(os.environ.get("DATABRICKS_BUNDLE_TMP") or self.cli.folder / ".databricks" / "bundle")
        path = root / (self.target or "") / STATE_FILE
        try:
            is_certain = self.target is not None and not path.with_name(f"{STATE_FILE}.wal").exists()
            return parsed_state(read_file(path, MAX_BYTES_OF_ANY).decode()) if is_certain else None
        except (OSError, ValueError):
            return None

    def _note_path(self, entries: Mapping[str, Value]) -> str:
        """Returns where the note is in the workspace; of a bundle without jobs nobody knows it.

        `entries` are those of a plan, which names that folder only of jobs that it writes.
        """
        if beside := path_beside_state(entries, NOTE_FILE):
            return beside
        state = self.state()
        return posixpath.join(state.folder, NOTE_FILE) if state is not None and state.folder else ""

    def _copy(self) -> DeploymentNote:
        return parsed_note(read_record(self.folder / _COPY))

    def note(self, entries: Mapping[str, Value]) -> DeploymentNote:
        """Returns the note as the workspace has it."""
        path = self._note_path(entries)
        return note_at(self.cli, path) if path else self._copy()

    def any_note(self, lineage: str | None, entries: Mapping[str, Value]) -> DeploymentNote:
        """Returns a note of the bundle with a lineage, be it an older one: that here will do, if there is one."""
        if lineage is None:
            return DeploymentNote()
        copy = self._copy()
        return copy if copy.lineage == lineage else self.note(entries)

    def begin(self, before: DeploymentNote, lineage: str | None, entries: Mapping[str, Value]) -> None:
        """Notes that nobody knows which files are deployed. Raises CliFailure as the CLI fails."""
        unknown = replace(before, files="", is_whole=False)
        self._write(unknown, self._note_path(entries) if lineage is not None else "")

    def end(self, note: DeploymentNote, entries: Mapping[str, Value]) -> None:
        """Notes what was deployed. Raises CliFailure as the CLI fails; nothing counts as deployed then."""
        self._write(note, self._note_path(entries))

    def _write(self, note: DeploymentNote, path: str) -> None:
        record = note.as_record()
        if path:
            self.cli.write_file(path, json.dumps(record).encode("ascii"), makes_folder=False)
        write_record(self.folder / _COPY, record)


def note_at(cli: DatabricksCli, path: str) -> DeploymentNote:
    """Reads a note in the workspace; one that cannot be read says nothing, so that everything is deployed again."""
    try:
        return parsed_note_text(cli.read_file(path))
    except CliFailure:
        return DeploymentNote()


def confirmed_note(cli: DatabricksCli, state_folder: str, files: str) -> DeploymentNote | None:
    """Returns the note of a deployment that brought these files, and all of them; None where there is no such one.

    It counts as long as the state in the workspace is the one after it, with its jobs.
    """
    note = note_at(cli, posixpath.join(state_folder, NOTE_FILE))
    if note.files != files or not note.is_whole:
        return None
    try:
        state = parsed_state(cli.read_file(posixpath.join(state_folder, STATE_FILE)) or "")
    except CliFailure:
        return None
    return note if note.is_confirmed_by(state) else None
