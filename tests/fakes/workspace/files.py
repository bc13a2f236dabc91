"""The Files API over Unity Catalog volumes, which are folders `<catalog>/<schema>/<volume>` on disk.

A test may look at the folders and change them at will: nothing is kept in memory. Names hold any Unicode.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path

from .api import ApiError, Request, Response, Route, Routes
from .links import Content, SignedLinks, ranged

_FILE = "/api/2.0/fs/files(?P<path>/.*)"
_DIRECTORY = "/api/2.0/fs/directories(?P<path>/.*)"
_MOST_ENTRIES = 1000
"""So many entries in a page, at most and unless the request says (docs of `list_directory_contents`)."""


class Files:
    """The files of all volumes.

    Attributes:
        page_limit: The most entries in one page of a listing; 1000 on Databricks, fewer to get many pages.
        gives_links: Whether downloads go over signed links, which the SDK asks for first; without them it
            falls back to `GET /api/2.0/fs/files/...`, as on workspaces that have them switched off.
    """

    def __init__(self, root: Path, links: SignedLinks) -> None:
        """Starts with the volumes that are folders in `root`."""
        self.page_limit = _MOST_ENTRIES
        self.gives_links = True
        self._root = root
        self._links = links

    def create_volume(self, catalog: str, schema: str, volume: str) -> Path:
        """Makes a volume (if it is not there) and gives its folder."""
        folder = self._root.joinpath(catalog, schema, volume)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, volume_path: str) -> Path:
        """Where the file or folder `/Volumes/<catalog>/<schema>/<volume>/...` is on disk.

        Raises:
            ApiError: 400 for a path that does not lead into a volume, 404 for a volume that does not exist.
        """
        parts = volume_path.strip("/").split("/")
        if parts[0] != "Volumes" or len(parts) < 4 or any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {volume_path!r}.")
        if not self._root.joinpath(*parts[1:4]).is_dir():
            name = ".".join(parts[1:4])
            raise ApiError(404, "NOT_FOUND", f"Volume '{name}' does not exist.", "FILES_API_VOLUME_IS_NOT_FOUND")
        return self._root.joinpath(*parts[1:])

    def routes(self) -> Routes:
        """Files, directories, and links for downloads."""
        return (
            Route.of("GET", _FILE, self._download),
            Route.of("HEAD", _FILE, self._file_metadata),
            Route.of("PUT", _FILE, self._upload),
            Route.of("DELETE", _FILE, self._delete_file),
            Route.of("GET", _DIRECTORY, self._list),
            Route.of("HEAD", _DIRECTORY, self._directory_metadata),
            Route.of("PUT", _DIRECTORY, self._create_directory),
            Route.of("DELETE", _DIRECTORY, self._delete_directory),
            Route.of("POST", "/api/2.0/fs/create-download-url", self._create_link),
        )

    def _file(self, request: Request) -> Path:
        path = self.path(request.groups["path"])
        if not _is_file(path):
            raise ApiError(404, "NOT_FOUND", "The file being accessed is not found.", "FILES_API_FILE_IS_NOT_FOUND")
        return path

    def _directory(self, request: Request) -> Path:
        path = self.path(request.groups["path"])
        if not _is_directory(path):
            text = "The directory being accessed is not found."
            raise ApiError(404, "NOT_FOUND", text, "FILES_API_DIRECTORY_IS_NOT_FOUND")
        return path

    def _download(self, request: Request) -> Response:
        return ranged(request, _content(self._file(request)))

    def _file_metadata(self, request: Request) -> Response:
        content = _content(self._file(request))
        headers = dict(content.headers) | {"Content-Length": str(len(content.body))}
        return Response(headers=headers, content_type="application/octet-stream")

    def _create_link(self, request: Request) -> Response:
        if not self.gives_links:
            raise ApiError(403, "PERMISSION_DENIED", "Presigned URLs API is not enabled.")
        path = self.path(request.query.get("path", ""))
        link = self._links.issue(lambda: _content(path) if _is_file(path) else None)
        return Response.of_json({"url": link.url, "headers": []})

    def _upload(self, request: Request) -> Response:
        path = self.path(request.groups["path"])
        if path.is_dir() or (request.query.get("overwrite") == "false" and path.exists()):
            text = "The file being created already exists."
            raise ApiError(409, "ALREADY_EXISTS", text, "FILES_API_FILE_ALREADY_EXISTS")
        with _only_valid_names():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_at_once(path, request.body, self._root.parent)
        return Response(204)

    def _delete_file(self, request: Request) -> Response:
        self._file(request).unlink()
        return Response(204)

    def _directory_metadata(self, request: Request) -> Response:
        self._directory(request)
        return Response()

    def _create_directory(self, request: Request) -> Response:
        path = self.path(request.groups["path"])
        with _only_valid_names():
            path.mkdir(parents=True, exist_ok=True)
        return Response(204)

    def _delete_directory(self, request: Request) -> Response:
        path = self._directory(request)
        if any(path.iterdir()):
            text = "The directory being deleted is not empty."
            raise ApiError(400, "BAD_REQUEST", text, "FILES_API_DIRECTORY_IS_NOT_EMPTY")
        path.rmdir()
        return Response(204)

    def _list(self, request: Request) -> Response:
        directory = self._directory(request)
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        if token := request.query.get("page_token"):
            last = _name_in(token)
            entries = [entry for entry in entries if entry.name > last]
        size = min(int(request.query.get("page_size") or _MOST_ENTRIES), self.page_limit)
        base = "/" + request.groups["path"].strip("/")
        body: dict[str, object] = {"contents": [_entry(entry, base) for entry in entries[:size]]}
        if len(entries) > size:
            body["next_page_token"] = _token_after(entries[size - 1].name)
        return Response.of_json(body)


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file()
    return False


def _is_directory(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False


def _content(path: Path) -> Content:
    modified = datetime.fromtimestamp(int(path.stat().st_mtime), tz=timezone.utc)
    return Content(path.read_bytes(), {"Last-Modified": format_datetime(modified, usegmt=True)})


def _entry(entry: os.DirEntry[str], base: str) -> dict[str, object]:
    found = entry.stat()
    described: dict[str, object] = {
        "path": f"{base}/{entry.name}",
        "name": entry.name,
        "is_directory": entry.is_dir(),
        "last_modified": found.st_mtime_ns // 1_000_000,
    }
    return described if entry.is_dir() else described | {"file_size": found.st_size}


def _token_after(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_in(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as error:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "The page token is not valid.") from error


def _write_at_once(path: Path, body: bytes, scratch: Path) -> None:
    """Writes a file so that whoever lists or reads meanwhile finds the old or the new one, whole."""
    handle, name = tempfile.mkstemp(dir=scratch)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
    shutil.move(name, path)


@contextlib.contextmanager
def _only_valid_names() -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise ApiError(409, "ALREADY_EXISTS", "A file is where a directory should be.") from error
    except OSError as error:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {error.strerror}.") from error
