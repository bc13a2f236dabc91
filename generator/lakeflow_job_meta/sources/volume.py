"""Metadata in YAML files of a Unity Catalog volume: by the Files API, or by the path that a notebook has mounted.

Reads only. A listing is used whole or not at all: one that fails is an error, never an empty folder, and a file that
vanishes between listing and reading means that the folder is listed again.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from lakeflow_job_meta._internal.fs import MAX_BYTES, read_file
from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.parallel import attempts
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.sources.fingerprints import FileFingerprints, combined_fingerprint
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.sources.yaml_files import YAML_SUFFIXES, unit_of_file
from lakeflow_job_meta.workspace.client import ResourceMissing, Workspace, workspace_errors


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file as a listing has it, stamped with its size and time of change."""

    path: str
    stamp: Hashable


class VolumeFiles(Protocol):
    """Access to the files of a volume; both raise ResourceMissing for what is not there, else OperationFailed."""

    def listing(self, folder: str) -> list[VolumeFile]:
        """Returns all files below a folder, by path; a listing that is not whole is an error."""

    def read(self, path: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FilesApi:
    """The files of volumes, by the Files API."""

    workspace: Workspace

    def listing(self, folder: str) -> list[VolumeFile]:
        with workspace_errors(self.workspace):
            return sorted(self._below(folder), key=lambda file: file.path)

    def _below(self, folder: str) -> Iterator[VolumeFile]:
        for entry in list(self.workspace.client().files.list_directory_contents(folder)):
            if entry.is_directory:
                yield from self._below(str(entry.path).rstrip("/"))
            else:
                yield VolumeFile(str(entry.path), (entry.file_size, entry.last_modified))

    def read(self, path: str) -> bytes:
        with workspace_errors(self.workspace):
            contents = self.workspace.client().files.download(path).contents
            # One byte more, by which it is known that there is more.
            return b"" if contents is None else contents.read(MAX_BYTES + 1)


class MountedFiles:
    """The files of volumes where they are mounted, as in a notebook or a job."""

    def listing(self, folder: str) -> list[VolumeFile]:
        if not Path(folder).is_dir():
            raise ResourceMissing(f"there is no folder {folder!r}")
        try:
            found = FilePattern(Path(folder), ".").files()
            return [VolumeFile(Path(folder, label).as_posix(), _stamp(os.stat(path))) for label, path in found]  # noqa: PTH116
        except OSError as error:
            raise OperationFailed(f"{folder!r} cannot be listed: {error.strerror} ({error.filename})") from error

    def read(self, path: str) -> bytes:
        try:
            return read_file(path)
        except FileNotFoundError:
            raise ResourceMissing(f"there is no file {path!r}") from None
        except OSError as error:
            raise OperationFailed(f"{path!r} cannot be read: {error.strerror}") from error


def _stamp(found: os.stat_result) -> Hashable:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def volume_files(folder: str, workspace: Workspace | None = None) -> VolumeFiles:
    """Returns the access to a volume or a folder in it: by its mounted path where there is one, else by the Files API.

    What is mounted here is in the workspace of the environment only.
    """
    if (workspace is None or workspace.is_of_environment) and Path(folder).is_dir():
        return MountedFiles()
    return FilesApi(workspace or Workspace())


def read_anywhere(path: str, workspace: Workspace | None = None) -> bytes:
    """Reads a file of this machine, or of a volume: through its mounted path where there is one, else by the Files API.

    Raises:
        OperationFailed: It cannot be read.
    """
    plain = path.removeprefix("dbfs:")
    is_in_volume = re.fullmatch(r"/Volumes(/[^/]+){4,}", plain) is not None
    files = volume_files(posixpath.dirname(plain), workspace) if is_in_volume else MountedFiles()
    return files.read(plain)


def volume_path(path: str) -> str:
    """Returns the path of a volume as Databricks names it; raises ConfigError for what is none.

    A folder that is there, wherever it is, may be a volume that is mounted.
    """
    plain = posixpath.normpath(path.removeprefix("dbfs:"))
    if not re.fullmatch(r"/Volumes(/[^/]+){3,}", plain) and not Path(plain).is_dir():
        raise ConfigError(f"{path!r} is no volume: write /Volumes/catalog/schema/volume, or a folder in it.")
    return plain


class VolumeFolder:
    """Some of the files below a folder of a volume, found by a pattern that is relative to it.

    The access to the files is found by `volume_files` by default.
    """

    def __init__(self, folder: str, pattern: str, suffixes: tuple[str, ...], files: VolumeFiles | None = None) -> None:
        self.folder = posixpath.normpath(folder)
        self._pattern = FilePattern(Path(self.folder), pattern, suffixes)
        self._given_files = files

    def contents(self) -> dict[str, bytes]:
        """Reads every file of one listing; starts again when one of them is gone meanwhile."""
        for is_last in attempts(4):
            found = self._listing()
            try:
                return {file.path: self.read(file.path) for file in found}
            except ResourceMissing:
                if is_last:
                    raise OperationFailed("files vanish while they are read; is somebody moving them?") from None
        raise AssertionError("unreachable")

    def digests(self, fingerprints: FileFingerprints) -> dict[str, str]:
        """Returns the digest of each file by its path; raises LakeflowJobMetaError unless all can be read."""
        return {file.path: self._digest(file, fingerprints) for file in self._listing()}

    def read(self, path: str) -> bytes:
        return self._files.read(path)

    def covers(self, label: str) -> bool:
        inside = f"{self.folder}/"
        return label.startswith(inside) and self._pattern.covers(label.removeprefix(inside))

    def _digest(self, file: VolumeFile, fingerprints: FileFingerprints) -> str:
        try:
            return fingerprints.digest(file.path, file.stamp, lambda: self.read(file.path))
        except ResourceMissing:
            return "gone since it was listed"

    def _listing(self) -> list[VolumeFile]:
        return [file for file in self._files.listing(self.folder) if self.covers(file.path)]

    @cached_property
    def _files(self) -> VolumeFiles:
        return self._given_files or volume_files(self.folder)


class VolumeReader:
    """Reads the modules of the YAML files in `/Volumes/catalog/schema/volume`, or in a folder below it."""

    def __init__(self, folder: str, files: VolumeFiles | None = None) -> None:
        self._folder = VolumeFolder(folder, ".", YAML_SUFFIXES, files)
        self.source = self._folder.folder
        self.digests = self._folder.digests
        self.contains = self._folder.covers

    def read(self) -> SourceSnapshot:
        try:
            contents = self._folder.contents()
        except LakeflowJobMetaError as error:
            return SourceSnapshot.unreadable(self, f"cannot be read: {error}")
        units = (unit_of_file(path, content) for path, content in contents.items())
        return SourceSnapshot(self.source, tuple(units), (), False, self.contains)

    def probe(self, fingerprints: FileFingerprints) -> str:
        """Returns a digest of the names and contents of all files; only those that may be new are read."""
        return combined_fingerprint(self.digests(fingerprints))

    def read_some(self, paths: Collection[str]) -> SourceSnapshot:
        units = [unit_of_file(path, self._folder.read(path)) for path in sorted(paths)]
        return SourceSnapshot(self.source, tuple(units), (), False, self.contains)
