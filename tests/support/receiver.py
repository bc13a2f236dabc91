"""A server on loopback that takes what a monitor sends to its webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(HTTPServer):
    """A server that takes events, and can be told what to answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict] = []
        self.status = 200
        self.on_event: Callable[[], None] = lambda: None
        self.url = f"http://127.0.0.1:{self.server_address[1]}/secret-path?token=secret-token"

    @property
    def events(self) -> list[str]:
        return [body["event"] for body in self.bodies]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.bodies.append(json.loads(body))
        self.server.on_event()
        self.send_response(self.server.status)
        if self.server.status in (301, 302, 307):
            self.send_header("Location", self.server.url)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Runs a receiver until the end of the block."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
