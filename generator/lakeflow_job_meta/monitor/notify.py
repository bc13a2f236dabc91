"""Where the events of a monitor go: all to a log, and those that a person has to know to a webhook if there is one.

A line of the log is text for people, or one JSON object for log collectors. The webhook gets one JSON object for each
event; its `text` is what chat tools show. It is called between two ticks, never inside a deployment, and not for longer
than a few seconds; an event that could not be delivered is tried again after the next tick. The URL is a secret and is
never shown.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import urlsplit

from lakeflow_job_meta._internal.http import NoRedirect
from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink
from lakeflow_job_meta.text.markers import one_line

FOR_PEOPLE = frozenset(
    {
        *(EventKind.REFUSED, EventKind.QUARANTINED, EventKind.FAILED, EventKind.RESOLVED, EventKind.NOTICE),
        EventKind.APPROVAL,
    }
)
"""What the webhook gets."""

LIMIT_SECONDS = 5.0
_CALLS_OF_A_ROUND = 4
"""For so many calls that take their time; the events that still wait then are left to the next round."""
_MOST_WAITING = 100
"""So many undelivered events are kept; the oldest go first."""


def as_text(event: Event, now: datetime) -> str:
    """Returns a line such as `2026-01-31T12:00:00Z deployed: 1 job created.`; line breaks are shown as such."""
    return f"{_timestamp(now)} {event.kind.value}: {one_line(event.text)}"


def as_json(event: Event, now: datetime) -> str:
    """Returns a JSON object on one line: `time`, `event`, `text` and the event's own details."""
    entry = {"time": _timestamp(now), "event": event.kind.value, "text": event.text, **event.details}
    return json.dumps(entry, ensure_ascii=False)


LOG_FORMATS: dict[str, Callable[[Event, datetime], str]] = {"text": as_text, "json": as_json}


def _timestamp(now: datetime) -> str:
    return now.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Webhook:
    """Delivers events to a URL (http or https); the sink takes one event when the webhook goes down.

    Args:
        limit_seconds: For one call as a whole, from the first connection to the end of the answer's header.

    Raises:
        ConfigError: It is no such URL.
    """

    def __init__(self, url: str, project: str, sink: EventSink, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit_seconds = limit_seconds
        self._url, self._host = url, _host_in(url)
        self._project, self._sink = project, sink
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._is_down = False
        self._call: _Call | None = None

    def send(self, event: Event) -> None:
        """Takes an event, if it is one for people, to be delivered after those that are still waiting."""
        if event.kind in FOR_PEOPLE:
            self._waiting.append(self._body(event))

    def deliver(self) -> None:
        """Sends what is waiting; stops at the first that cannot be delivered."""
        end = time.monotonic() + self._limit_seconds * _CALLS_OF_A_ROUND
        while self._waiting and time.monotonic() < end:
            if self._call is not None and not self._call.ends_within(0):
                return  # what the last round has started does not end, whatever is done about it
            self._call = _Call(self._url, self._waiting[0])
            is_over = self._call.ends_within(self._limit_seconds)
            problem = self._call.problem if is_over else f"no answer within {self._limit_seconds:g} seconds"
            if problem is not None:
                if not self._is_down:
                    text = f"The webhook at {self._host} does not take events ({problem}); they are sent again later."
                    self._sink(Event(EventKind.UNDELIVERED, text))
                self._is_down = True
                return
            self._waiting.popleft()
            self._is_down = False

    def _body(self, event: Event) -> bytes:
        entry = {
            "text": f"{self._project}: {event.kind.value}: {event.text}",
            "event": event.kind.value,
            "project": self._project,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "details": dict(event.details),
        }
        return json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace")


class _Call:
    """One POST, in a thread of its own, so that it can be ended as a whole.

    The limits of a socket are for each read: a server that sends a byte now and then keeps within them for ever.
    `problem` says, without the URL, why the event was not taken.
    """

    def __init__(self, url: str, body: bytes) -> None:
        self.problem: str | None = "no answer"
        self._connections: list[http.client.HTTPConnection] = []
        self._is_over = threading.Event()
        threading.Thread(target=self._run, args=(url, body), daemon=True).start()

    def ends_within(self, seconds: float) -> bool:
        """Waits for the end, and closes the connection if it does not come; says whether it has come."""
        is_in_time = self._is_over.wait(seconds)
        for connection in () if is_in_time else self._connections:
            # A connection that is not there yet, or no longer, has its own limits.
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        return is_in_time

    def _run(self, url: str, body: bytes) -> None:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
            opener = urllib.request.build_opener(_Connecting(self._connections), NoRedirect)
            with opener.open(request, timeout=LIMIT_SECONDS):
                self.problem = None
        except urllib.error.HTTPError as error:
            error.close()
            self.problem = f"status {error.code}{', a redirect, which is not followed' if error.code < 400 else ''}"
        except Exception as error:
            reason = getattr(error, "reason", None) or error
            self.problem = type(reason).__name__ if isinstance(reason, BaseException) else str(reason)
        finally:
            self._is_over.set()


class _Connecting(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections as usual, and lists them."""

    def __init__(self, connections: list[http.client.HTTPConnection]) -> None:
        super().__init__()
        self._connections = connections

    def do_open(
        self, http_class: Callable[..., http.client.HTTPConnection], req: urllib.request.Request, **arguments: object
    ) -> http.client.HTTPResponse:
        def connect(host: str, **options: object) -> http.client.HTTPConnection:
            self._connections.append(http_class(host, **options))
            return self._connections[-1]

        return super().do_open(connect, req, **arguments)


def _host_in(url: str) -> str:
    """Returns the host of a URL that can be sent to; an error does not show the URL."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or not parts.hostname or not (url.isascii() and url.isprintable()) or " " in url:
        raise ConfigError("The webhook must be a URL that begins with https:// or http://, without spaces.")
    return parts.hostname


class Notifier:
    """Sends all events to a log, and those for people to a webhook if its URL is given."""

    def __init__(self, log: EventSink, webhook: str | None, project: str) -> None:
        self._log = log
        self._webhook = Webhook(webhook, project, log) if webhook is not None else None
        self._notices: set[str] = set()

    def send(self, event: Event) -> None:
        event = replace(event, text=without_secrets(event.text))
        self._log(event)
        if self._webhook is not None:
            self._webhook.send(event)

    def notice_once(self, line: str) -> None:
        """Sends something that holds for good; only the first time."""
        if line not in self._notices:
            self._notices.add(line)
            self.send(Event(EventKind.WAITING, line))

    def deliver(self) -> None:
        if self._webhook is not None:
            self._webhook.deliver()
