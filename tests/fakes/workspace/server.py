"""HTTP on loopback: sockets in, `Request`s to the application, `Response`s out, nothing left running after.

The application finds the route, checks the token, lets the faults happen and keeps the log. What the fake
does not know (a path, a SQL statement) or breaks on is answered and noted, so that the test fails.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .api import ApiError, Delivery, Request, Response, Route
from .faults import FaultKind, Faults
from .sql.errors import UnsupportedSqlError

_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class LoggedRequest:
    """A request as it came; the status is None until it is answered, and where the connection broke."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int | None = None


class Application:
    """Answers requests.

    Attributes:
        routes: Where requests go; the first route that matches has them.
        faults: What goes wrong.
        requests: The log, in the order in which requests came.
        unsupported: What the fake was asked and does not know, and its own breakdowns.
    """

    def __init__(self, authorize: Callable[[Request], None], faults: Faults) -> None:
        """Makes an application without routes."""
        self.routes: list[Route] = []
        self.faults = faults
        self.requests: list[LoggedRequest] = []
        self.unsupported: list[str] = []
        self.stopping = threading.Event()
        self._late: list[Request] = []
        self._authorize = authorize

    def answer(self, request: Request) -> Response:
        """The answer to a request, whatever happens."""
        entry = LoggedRequest(request.method, request.path, request.query, request.headers, request.body)
        self.requests.append(entry)
        response = self._answer(request)
        entry.status = None if response.delivery is Delivery.RESET else response.status
        return response

    def _answer(self, request: Request) -> Response:
        fault = self.faults.take(request)
        if fault is None:
            response = self._work(request)
            for late in [each for each in self._late if each.path == request.path]:
                self._late.remove(late)
                self._work(late)
            return response
        if fault.kind is FaultKind.CONNECTION_RESET_BEFORE_WORK:
            self._late.append(request)
        if instead := fault.instead_of_work():
            return instead
        response = self._work(replace(request, link_has_expired=fault.kind is FaultKind.EXPIRED_LINK))
        if fault.seconds:
            self.stopping.wait(fault.seconds)
        return fault.after_work(response)

    def _work(self, request: Request) -> Response:
        try:
            return self._handle(request)
        except ApiError as error:
            return error.response()
        except UnsupportedSqlError as error:
            return self._unsupported(501, "NOT_IMPLEMENTED", f"The fake workspace does not know {error}")
        except Exception:
            return self._unsupported(500, "INTERNAL_ERROR", f"The fake workspace broke: {traceback.format_exc()}")

    def _handle(self, request: Request) -> Response:
        for route in self.routes:
            groups = route.groups_of(request)
            if groups is not None:
                if route.needs_token:
                    self._authorize(request)
                return route.handler(replace(request, groups=groups))
        message = f"No API found for '{request.method} {request.path}'"
        return self._unsupported(404, "ENDPOINT_NOT_FOUND", message)

    def _unsupported(self, status: int, code: str, message: str) -> Response:
        self.unsupported.append(message)
        return ApiError(status, code, message).response()


class LoopbackServer(ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1, one thread for each connection."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, application: Application) -> None:
        """Binds the port; `start` begins to serve."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.application = application
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, name="workspace")

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Serves in threads of its own until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Ends all connections and threads."""
        self.application.stopping.set()
        self.shutdown()
        self._thread.join()
        for connection in self._connections.copy():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Notes the connection, so that `stop` can end it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Notes what broke, unless it is only that the client has gone."""
        error = traceback.format_exc()
        if "ConnectionResetError" not in error and "BrokenPipeError" not in error:
            self.application.unsupported.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: LoopbackServer

    def serve(self) -> None:
        self._send(self.server.application.answer(self._request()))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr: the log is `Application.requests`."""

    def _request(self) -> Request:
        address = urlsplit(self.path)
        return Request(
            self.command,
            # Older SDKs end the address of statements with a slash.
            unquote(address.path.removesuffix("/")),
            dict(parse_qsl(address.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
        )

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            length = int(self.headers.get("Content-Length") or 0)
            if len(body := self.rfile.read(length)) < length:
                raise ConnectionResetError("The client has gone amid its request; nothing is done.")
            return body
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, response: Response) -> None:
        if response.delivery is Delivery.RESET:
            self._reset()
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        for name, value in ({"Content-Length": str(len(response.body))} | dict(response.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        truncated = response.delivery is Delivery.TRUNCATED
        if self.command != "HEAD":
            self.wfile.write(response.body[: len(response.body) // 2] if truncated else response.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or truncated

    def _reset(self) -> None:
        """Ends the connection by RST, as a firewall does, not by an orderly close."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close_connection = True
        self.rfile.close()
        self.connection.close()
