"""HTTP with the workspace: requests out, JSON in, errors as the command prints them.

Without `socket` and `urllib`, which would take a quarter of the command's time to load.
"""

from __future__ import annotations

import _socket
import json
import sys
import time

from stand_in import faults
from stand_in.diagnostics import Failed, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RETRY_SECONDS = 900
"""So long the real command tries to reach a host that refuses connections, and more; tests limit it from outside."""
BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT = 400, 403, 404, 409
_RETRIED = (429, 503)
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
_TIMEOUT = (60).to_bytes(8, sys.byteorder) + bytes(8)
"""Sixty seconds, as a `struct timeval`."""


class ApiFailure(Exception):
    """The workspace has refused a request; status 0 is an answer that broke off."""

    def __init__(self, method: str, url: str, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.method, self.url, self.status, self.code, self.message = method, url, status, code, message

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for does not exist; the Jobs API says so with 400."""
        return self.status == NOT_FOUND or self.message.endswith("does not exist.")

    def summary(self, doing: str = "") -> str:
        """All that is known, led by what was being done."""
        lead = f"{doing}: " if doing else ""
        if not self.status:
            return lead + self.message
        from http import HTTPStatus

        return (
            f"{lead}{self.message} ({self.status} {self.code})\n\n"
            f"Endpoint: {self.method} {self.url}\n"
            f"HTTP Status: {self.status} {HTTPStatus(self.status).phrase}\n"
            f"API error_code: {self.code}\n"
            f"API message: {self.message}"
        )

    def failed(self, doing: str = "") -> Failed:
        """The end of the command because of this."""
        return failed(self.summary(doing))


class Api:
    """The workspace's API, over one connection at a time.

    Attributes:
        host: The address, without a slash at its end.
    """

    def __init__(self, host: str, token: str) -> None:
        self.host = host.rstrip("/")
        self._token = token
        self._calls = 0

    def get(self, path: str, /, **query: str) -> Any:
        """What a GET gives, as JSON."""
        return json.loads(self.get_bytes(path, **query) or b"{}")

    def get_bytes(self, path: str, /, **query: str) -> bytes:
        """What a GET gives, as it is."""
        return self._request("GET", path, query, b"")[0]

    def post(self, path: str, body: object, method: str = "POST") -> Any:
        """What a POST (or PUT) of a JSON body gives, as JSON."""
        return json.loads(self._request(method, path, {}, json.dumps(body, separators=(",", ":")).encode())[0] or b"{}")

    def upload(self, path: str, content: bytes, overwrite: bool) -> None:
        """Puts a file into the workspace, with the folders above it where they are missing."""
        target = f"/api/2.0/workspace-files/import-file{_quoted(path, b'/')}"
        query = {"overwrite": str(overwrite).lower()}
        try:
            self._request("POST", target, query, content)
        except ApiFailure as failure:
            if failure.status != NOT_FOUND:
                raise
            self.post("/api/2.0/workspace/mkdirs", {"path": path.rpartition("/")[0]})
            self._request("POST", target, query, content)

    def download(self, path: str) -> bytes | None:
        """The content of a file of the workspace, or None where there is none."""
        try:
            self.get("/api/2.0/workspace/get-status", path=path, return_export_info="true")
            return self.get_bytes("/api/2.0/workspace/export", direct_download="true", path=path)
        except ApiFailure as failure:
            if failure.is_missing:
                return None
            raise

    def exists(self, path: str) -> bool:
        """Whether the workspace has this file or folder."""
        try:
            self.get("/api/2.0/workspace/get-status", path=path)
        except ApiFailure as failure:
            if failure.is_missing:
                return False
            raise
        return True

    def delete(self, path: str) -> None:
        """Takes a file out of the workspace, if it is there."""
        try:
            self.post("/api/2.0/workspace/delete", {"path": path})
        except ApiFailure as failure:
            if not failure.is_missing:
                raise

    def me(self) -> tuple[dict[str, Any], str]:
        """The current user and the number of the workspace."""
        body, headers = self._request("GET", "/api/2.0/preview/scim/v2/Me?", {}, b"")
        return json.loads(body), headers.get("x-databricks-org-id", "")

    def _request(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[bytes, dict[str, str]]:
        pairs = "&".join(f"{name}={_quoted(value)}" for name, value in query.items())
        target = f"{path}?{pairs}" if query else path
        end = time.monotonic() + RETRY_SECONDS
        while True:
            faults.before_call()
            try:
                status, headers, answer = self._send(method, target, body)
            except _socket.gaierror as error:
                raise failed(
                    f'{method.title()} "{self.host}{target}": dial tcp: lookup {self._address[1]}: no such host'
                ) from error
            except OSError as error:
                if time.monotonic() > end:
                    raise failed(f'{method.title()} "{self.host}{target}": {error}') from error
                time.sleep(1)
                continue
            self._calls += 1
            faults.after_call(self._calls)
            if status not in _RETRIED or time.monotonic() > end:
                break
            time.sleep(float(headers.get("retry-after", 1)))
        if status >= BAD_REQUEST:
            raise _failure(method, f"{self.host}{target}", status, answer)
        return answer, headers

    @property
    def _address(self) -> tuple[str, str, int]:
        """The scheme, the name of the host and the port."""
        scheme, _, place = self.host.partition("://")
        name, _, port = place.partition("/")[0].partition(":")
        return scheme, name, int(port or (443 if scheme == "https" else 80))

    def _send(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request over a connection of its own."""
        scheme, name, port = self._address
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: {name}:{port}\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, _TIMEOUT)
            connection.connect((name, port))
            if scheme == "https":
                raise ConnectionError("the stand-in speaks no TLS")
            connection.sendall(head.encode("latin-1") + body)
            with open(connection.fileno(), "rb", closefd=False) as answer:
                status = answer.readline().split(b" ")
                if len(status) < 2:
                    raise ConnectionError("EOF")
                lines = [line.decode("latin-1").partition(":") for line in iter(answer.readline, b"\r\n") if line]
                headers = {name.lower(): value.strip() for name, _, value in lines}
                length = int(headers.get("content-length", 0))
                content = answer.read(length)
        finally:
            connection.close()
        if len(content) < length:
            raise ApiFailure(method, f"{self.host}{target}", 0, "", "response body: unexpected EOF")
        return int(status[1]), headers, content


def _failure(method: str, url: str, status: int, answer: bytes) -> ApiFailure:
    try:
        body = json.loads(answer)
    except ValueError:
        return ApiFailure(method, url, status, "UNKNOWN", answer.decode(errors="replace"))
    return ApiFailure(method, url, status, str(body.get("error_code", "")), str(body.get("message", "")))


def _quoted(text: str, more: bytes = b"") -> str:
    return "".join(chr(byte) if byte in _PLAIN or byte in more else f"%{byte:02X}" for byte in text.encode())
