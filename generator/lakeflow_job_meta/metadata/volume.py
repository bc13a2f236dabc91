"""Metadata in YAML files of a Unity Catalog volume: by the Files API, or by the path that a notebook has mounted.

Reads only. A listing is used whole or not at all: one that fails is an error, never an empty folder, and a file that
vanishes between listing and reading means that the folder is listed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from lakeflow_job_meta.diagnostics import Origin
from lakeflow_job_meta.errors import Failed, LakeflowJobMetaError
from lakeflow_job_meta.metadata.reading import UNREADABLE, Reading, Unread
from lakeflow_job_meta.metadata.yaml_files import YAML_SUFFIXES, part_of_file
from lakeflow_job_meta.workspace import Missing, Workspace, workspace_errors

_TRIES = 4


class VolumeFiles(Protocol):
    """A way to the files of a volume."""

    def paths(self, folder: str) -> list[str]:
        """Returns the paths of all files below a folder.

        Raises:
            Missing: A folder is not there.
            Failed: The listing is not whole.
        """

    def read(self, path: str) -> bytes:
        """Returns a file's content.

        Raises:
            Missing: It is not there any more.
            Failed: It cannot be read.
        """


class FilesApi:
    """The files of volumes, by the Files API.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def paths(self, folder: str) -> list[str]:
        """Lists page by page and folder by folder."""
        with workspace_errors(self._workspace):
            return sorted(self._below(folder))

    def _below(self, folder: str) -> Iterator[str]:
        for entry in list(self._workspace.client().files.list_directory_contents(folder)):
            if entry.is_directory:
                yield from self._below(str(entry.path).rstrip("/"))
            else:
                yield str(entry.path)

    def read(self, path: str) -> bytes:
        """Downloads the file."""
        with workspace_errors(self._workspace):
            contents = self._workspace.client().files.download(path).contents
            return b"" if contents is None else contents.read()


class MountedFiles:
    """The files of volumes where they are mounted, as in a notebook or a job."""

    def paths(self, folder: str) -> list[str]:
        """Lists the folder and all below it."""
        if not Path(folder).is_dir():
            raise Missing(f"there is no folder {folder!r}")
        return sorted(path.as_posix() for path in Path(folder).rglob("*") if path.is_file())

    def read(self, path: str) -> bytes:
        """Reads the file."""
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            raise Missing(f"there is no file {path!r}") from None
        except OSError as error:
            raise Failed(f"{path!r} cannot be read: {error.strerror}") from error


def volume_files(folder: str, workspace: Workspace | None = None) -> VolumeFiles:
    """Returns the way to a volume: its mounted path where there is one, else the Files API."""
    if workspace is None and Path(folder).is_dir():
        return MountedFiles()
    return FilesApi(workspace or Workspace())


def _is_metadata(path: str) -> bool:
    """Says whether a path in a volume is of a YAML file, and neither it nor a folder of it is hidden."""
    return path.endswith(YAML_SUFFIXES) and not any(step.startswith(".") for step in path.split("/"))


class VolumeReader:
    """Reads the modules of the YAML files in a volume.

    Args:
        folder: `/Volumes/catalog/schema/volume`, or a folder below it.
        files: The way to it.
    """

    def __init__(self, folder: str, files: VolumeFiles | None = None) -> None:
        self.folder = folder.rstrip("/")
        self._files = files

    def read(self) -> Reading:
        """Reads all files, in the order of their paths."""
        try:
            contents = self._contents()
        except LakeflowJobMetaError as error:
            problem = UNREADABLE.at(Origin(Unread(self.folder)), f"cannot be read: {error}")
            return Reading(self.folder, (), (problem,), True, self._covers)
        parts = (part_of_file(path, content) for path, content in contents.items())
        return Reading(self.folder, tuple(parts), (), False, self._covers)

    def _contents(self) -> dict[str, bytes]:
        """Reads every YAML file of one listing; starts again when one of them is gone meanwhile."""
        files = self._files or volume_files(self.folder)
        for attempt in range(_TRIES):
            paths = [path for path in files.paths(self.folder) if _is_metadata(path.removeprefix(self.folder))]
            try:
                return {path: files.read(path) for path in paths}
            except Missing:
                if attempt == _TRIES - 1:
                    raise Failed("files vanish while they are read; is somebody moving them?") from None
        raise AssertionError("unreachable")

    def _covers(self, label: str) -> bool:
        return label.startswith(f"{self.folder}/")
