"""Where the events of a monitor go: all to a log, and those that a person has to know to a webhook if there is one.

A line of the log is text for people, or one JSON object for log collectors. The webhook gets one JSON object for each
event; its `text` is what chat tools show. An event that could not be delivered is tried again with the next event or
tick, and never blocks the monitor. The URL is a secret and is never shown.
"""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import urlsplit

from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink
from lakeflow_job_meta.text.markers import one_line

FOR_PEOPLE = frozenset({EventKind.REFUSED, EventKind.QUARANTINED, EventKind.FAILED, EventKind.RESOLVED})
"""What the webhook gets."""

_LIMIT_SECONDS = 5.0
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

    Raises ConfigError if it is no such URL.
    """

    def __init__(self, url: str, project: str, sink: EventSink) -> None:
        self._url, self._host = url, _host_in(url)
        self._project, self._sink = project, sink
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._is_down = False

    def send(self, event: Event) -> None:
        """Sends an event if it is one for people, after those that are still waiting."""
        if event.kind in FOR_PEOPLE:
            self._waiting.append(self._body(event))
            # While it is down, one try a tick is enough: each may take seconds.
            if not self._is_down:
                self.deliver()

    def deliver(self) -> None:
        """Sends what is waiting; stops at the first that cannot be delivered."""
        while self._waiting:
            problem = self._post(self._waiting[0])
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

    def _post(self, body: bytes) -> str | None:
        """Sends one; returns why it was not taken, without the URL."""
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=_LIMIT_SECONDS):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"status {error.code}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            return type(reason).__name__ if isinstance(reason, BaseException) else str(reason)


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
