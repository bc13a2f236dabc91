"""Whether metadata has changed, without reading it: one token for each source, and one for the project's files.

Two equal tokens mean the same metadata. Nothing is parsed, and no clock is compared. A source that cannot be reached is
an error of that source alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lakeflow_job_meta import __version__
from lakeflow_job_meta._internal.fs import files_below
from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.config.model import BUNDLE_FILES, PROJECT_FILE, Project
from lakeflow_job_meta.errors import LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.sources.fingerprints import FileFingerprints, combined_fingerprint
from lakeflow_job_meta.sources.interface import Reader
from lakeflow_job_meta.sources.volume import read_anywhere
from lakeflow_job_meta.workspace.client import Workspace

_SUFFIXES = (".yml", ".yaml", ".j2", ".sql", ".py", ".ipynb", ".r", ".R", ".scala", ".whl", ".jar", ".toml")
"""Of files that jobs are made of, or run."""

PROJECT = "files of the project"
TOOL = "version and options of this tool"


@dataclass(frozen=True, slots=True)
class SourceVersions:
    """The versions of all sources at one moment.

    Attributes:
        tokens: By source; those of sources that could not be reached are missing.
        errors: Why they could not be reached, by source.
    """

    tokens: Mapping[str, str]
    errors: Mapping[str, str]

    def changed_since(self, before: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the sources that have changed or were added or removed; one that cannot be reached has not."""
        gone = [source for source in before if source not in self.tokens and source not in self.errors]
        return (*(source for source, token in self.tokens.items() if before.get(source) != token), *gone)

    def carried_over(self, before: Mapping[str, str], unread: Sequence[str] = ()) -> dict[str, str]:
        """Returns the tokens to remember: those of sources that were not reached or read stay as they were."""
        old = {source: before[source] for source in (*self.errors, *unread) if source in before}
        return {source: token for source, token in self.tokens.items() if source not in unread} | old


def source_message(source: str, message: str) -> str:
    """Returns a message that begins with its source, once."""
    return f"{source}: {message.removeprefix(f'{source}: ')}"


@dataclass(frozen=True, slots=True)
class SourceWatcher:
    """Watches the sources of a project.

    Attributes:
        options: Those of the monitor, as text: other options are a change too.
        leaving_out: Folders that the monitor writes; their files are no change.
        workspace: Where a file of policies may be.
    """

    project: Project
    readers: Sequence[Reader]
    fingerprints: FileFingerprints
    options: str
    leaving_out: Collection[Path] = ()
    workspace: Workspace | None = None

    def versions(self, today: date | None = None) -> SourceVersions:
        """Returns the versions now; exemptions that have ended by `today` are a change."""
        tokens: dict[str, str] = {}
        errors: dict[str, str] = {}
        for reader in self.readers:
            self._probe(reader, tokens, errors)
        if self.project.policies_file is not None:
            self._probe_policies(self.project.policies_file, tokens, errors)
        over = "".join(f" {each}" for each in self.project.over(today))
        own = {PROJECT: self._files_of_project(), TOOL: f"{__version__} {self.options}{over}"}
        return SourceVersions(tokens | own, errors)

    def _probe(self, reader: Reader, tokens: dict[str, str], errors: dict[str, str]) -> None:
        try:
            tokens[reader.source] = reader.probe(self.fingerprints)
        except LakeflowJobMetaError as error:
            errors[reader.source] = str(error)

    def _probe_policies(self, path: str, tokens: dict[str, str], errors: dict[str, str]) -> None:
        try:
            tokens[path] = content_digest(read_anywhere(path, self.workspace)).hex()
        except LakeflowJobMetaError as error:
            errors[path] = str(error)

    def _files_of_project(self) -> str:
        """Returns a digest of what is deployed along with the metadata: notebooks, templates, resources by hand.

        Logs and data are left out: a monitor whose own log is here would go round and round.
        """
        folder = self.project.folder
        try:
            if not any((folder / name).is_file() for name in (*BUNDLE_FILES, PROJECT_FILE)):
                return "no project"
            written = {*layout_of(self.project).generated_folders, *self.leaving_out}
            paths = dict(files_below(folder, written, _SUFFIXES))
        except OSError as error:
            raise OperationFailed(f"{error.filename!r} cannot be read: {error.strerror}.") from error
        covered = {name for reader in self.readers for name in filter(reader.contains, paths)}
        own = {name: path for name, path in paths.items() if name not in covered}
        return combined_fingerprint({name: self.fingerprints.of_file(path) for name, path in own.items()})
