"""The workspace's own files and folders (`/Workspace/...`), in memory, over the Workspace API.

Paths with and without `/Workspace` in front mean the same object. A file whose first line says that it is a
notebook becomes a notebook when it is imported, and loses its extension.
"""

from __future__ import annotations

import base64
import copy
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from typing import Any

from .api import ApiError, Request, Response, Route, Routes

_NOTEBOOK = re.compile(rb"\A(?:#|--|//) Databricks notebook source\r?(?:\n|\Z)")
_LANGUAGES = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R", ".ipynb": "PYTHON"}


@dataclass(slots=True)
class Item:
    """A folder, a file or a notebook; a folder has no content."""

    object_id: int
    kind: str = "DIRECTORY"
    content: bytes = b""
    language: str = ""
    modified_at: int = field(default_factory=lambda: int(time.time() * 1000))


class Tree:
    """All files and folders of the workspace.

    Attributes:
        writes: The paths that were imported or deleted, in their order.
    """

    def __init__(self, user_name: str) -> None:
        """Starts with the home of a user and the folder for all."""
        self.writes: list[str] = []
        self._items: dict[str, Item] = {}
        self._lock = threading.RLock()
        for folder in ("/", f"/Users/{user_name}", "/Shared"):
            self.make_folder(folder)

    # for tests

    def paths(self, below: str = "/") -> list[str]:
        """The paths of all files and notebooks below a folder, without `/Workspace`."""
        folder = _normal(below).rstrip("/") + "/"
        with self._lock:
            return sorted(
                path for path, item in self._items.items() if item.kind != "DIRECTORY" and path.startswith(folder)
            )

    def read(self, path: str) -> bytes:
        """The content of a file or notebook.

        Raises:
            KeyError: It does not exist.
        """
        with self._lock:
            return self._items[_normal(path)].content

    def write(self, path: str, content: bytes) -> None:
        """Puts a file, folders included, as someone else does."""
        with self._lock:
            self.make_folder(_parent(_normal(path)))
            self._items[_normal(path)] = self._file(path, content)

    def remove(self, path: str) -> None:
        """Removes a file."""
        with self._lock:
            del self._items[_normal(path)]

    def make_folder(self, path: str) -> None:
        """Makes a folder and those above it.

        Raises:
            ApiError: 400 where a file is in the way.
        """
        with self._lock:
            for folder in [*_folders_above(_normal(path)), _normal(path)]:
                found = self._items.setdefault(folder, Item(self._new_id()))
                if found.kind != "DIRECTORY":
                    raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({folder}) already exists as a file.")

    def kept(self) -> Any:
        """All files and folders as they are, for `restore`."""
        with self._lock:
            return copy.deepcopy(self._items)

    def restore(self, kept: Any) -> None:
        """Makes the files and folders what they were; nothing has been written."""
        with self._lock:
            self._items = copy.deepcopy(kept)
            self.writes.clear()

    # for the server

    def routes(self) -> Routes:
        """Files and folders, and their import and export."""
        return (
            Route.of("GET", "/api/2.0/workspace/get-status", self._locked(self._status)),
            Route.of("GET", "/api/2.0/workspace/list", self._locked(self._list)),
            Route.of("GET", "/api/2.0/workspace/export", self._locked(self._export)),
            Route.of("POST", "/api/2.0/workspace/mkdirs", self._locked(self._mkdirs)),
            Route.of("POST", "/api/2.0/workspace/delete", self._locked(self._delete)),
            Route.of("POST", "/api/2.0/workspace/import", self._locked(self._import)),
            Route.of("POST", "/api/2.0/workspace-files/import-file(?P<path>/.*)", self._locked(self._import_file)),
        )

    def _locked(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def handler(request: Request) -> Response:
            with self._lock:
                return handle(request)

        return handler

    def _status(self, request: Request) -> Response:
        path, item = self._find(request.query.get("path", ""))
        return Response.of_json(_described(request.query.get("path", path), item))

    def _list(self, request: Request) -> Response:
        folder, item = self._find(request.query.get("path", ""))
        inside = [path for path in sorted(self._items) if path != "/" and _parent(path) == folder]
        if item.kind != "DIRECTORY":
            inside = [folder]
        return Response.of_json({"objects": [_described(path, self._items[path]) for path in inside]} if inside else {})

    def _export(self, request: Request) -> Response:
        path, item = self._find(request.query.get("path", ""))
        if item.kind == "DIRECTORY":
            raise ApiError(400, "BAD_REQUEST", f"Path ({path}) is a folder; only DBC export is supported.")
        if request.query.get("direct_download") == "true":
            return Response(body=item.content, content_type="application/octet-stream")
        return Response.of_json({"content": base64.b64encode(item.content).decode(), "file_type": "auto"})

    def _mkdirs(self, request: Request) -> Response:
        self.make_folder(_needed(request.json(), "path"))
        return Response.of_json({})

    def _delete(self, request: Request) -> Response:
        body = request.json()
        path, _ = self._find(_needed(body, "path"))
        inside = [other for other in self._items if other.startswith(path.rstrip("/") + "/") and other != "/"]
        if inside and not body.get("recursive"):
            raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
        for gone in [*inside, path]:
            del self._items[gone]
        self.writes.append(path)
        return Response.of_json({})

    def _import_file(self, request: Request) -> Response:
        self._put(request.groups["path"], request.body, request.query.get("overwrite") == "true")
        return Response.of_json({})

    def _import(self, request: Request) -> Response:
        fields = _form(request) if "multipart" in request.headers.get("content-type", "") else _decoded(request.json())
        content = fields["content"]
        self._put(str(fields["path"]), content, str(fields.get("overwrite", "")).lower() == "true")
        return Response.of_json({})

    def _put(self, given: str, content: bytes, overwrite: bool) -> None:
        path = _normal(given)
        if _parent(path) not in self._items:
            raise ApiError(404, "NOT_FOUND", f"The parent folder ({_parent(given)}) does not exist.")
        new = self._file(given, content)
        if new.kind == "NOTEBOOK":
            path = re.sub(r"\.[A-Za-z]+\Z", "", path)
        found = self._items.get(path)
        if found and (not overwrite or found.kind == "DIRECTORY"):
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({given}) already exists.")
        if found:
            new.object_id = found.object_id
        self._items[path] = new
        self.writes.append(path)

    def _file(self, path: str, content: bytes) -> Item:
        extension = re.search(r"\.[A-Za-z]+\Z", path)
        language = _LANGUAGES.get(extension.group().lower(), "") if extension else ""
        if language and (_NOTEBOOK.match(content) or path.endswith(".ipynb")):
            return Item(self._new_id(), "NOTEBOOK", content, language)
        return Item(self._new_id(), "FILE", content)

    def _find(self, given: str) -> tuple[str, Item]:
        path = _normal(given)
        if path not in self._items:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({given}) doesn't exist.")
        return path, self._items[path]

    def _new_id(self) -> int:
        return 200_000_000_000_000 + time.monotonic_ns() % 10**14


def _normal(path: str) -> str:
    """The path by which an object is kept: from the root, without `/Workspace` and without slashes at its end."""
    if not path.startswith("/"):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Path ({path}) doesn't start with '/'")
    inner = path[len("/Workspace") :] if path == "/Workspace" or path.startswith("/Workspace/") else path
    return "/" + inner.strip("/")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _folders_above(path: str) -> Iterator[str]:
    parts = path.strip("/").split("/")
    for end in range(len(parts)):
        yield "/" + "/".join(parts[:end])


def _described(path: str, item: Item) -> dict[str, Any]:
    described: dict[str, Any] = {"path": path, "object_type": item.kind, "object_id": item.object_id}
    if item.kind != "DIRECTORY":
        described |= {"size": len(item.content), "modified_at": item.modified_at, "created_at": item.modified_at}
    return described | ({"language": item.language} if item.language else {})


def _needed(body: dict[str, Any], name: str) -> str:
    if not body.get(name):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Missing required field: {name}")
    return str(body[name])


def _decoded(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "path": _needed(body, "path"), "content": base64.b64decode(body.get("content", ""))}


def _form(request: Request) -> dict[str, Any]:
    """The fields of a multipart form; the content as it is, the others as text."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    fields: dict[str, Any] = {}
    for part in BytesParser(policy=policy.HTTP).parsebytes(head + request.body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True) or b""
        fields[str(name)] = content if name == "content" else bytes(content).decode()
    return fields
