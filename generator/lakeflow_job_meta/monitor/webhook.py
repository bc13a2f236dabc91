"""Sends what a person has to know to a URL: refused, quarantined, failed and healed.

One JSON object for each event; its `text` is what chat tools show. An event that could not be delivered is tried again
with the next one or the next tick, and never keeps the monitor from its work. The URL is a secret and is never shown.
"""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections import deque
from datetime import datetime, timezone
from urllib.parse import urlsplit

from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink

KINDS = frozenset({EventKind.REFUSED, EventKind.QUARANTINED, EventKind.FAILED, EventKind.HEALED})
_LIMIT_SECONDS = 5.0
_MOST_WAITING = 100
"""So many undelivered events are kept; the oldest go first."""


class Webhook:
    """Delivers events.

    Args:
        url: Where to; http or https.
        project: Which project and target it is about, for the receiver.
        tell: Told once when events cannot be delivered, and once when they can again.

    Raises:
        ConfigError: It is no such URL.
    """

    def __init__(self, url: str, project: str, tell: EventSink) -> None:
        self._url = url
        self._host = _host_in(url)
        self._project = project
        self._tell = tell
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._is_down = False

    def take(self, event: Event) -> None:
        """Sends an event if it is one for people, after those that are still waiting."""
        if event.kind in KINDS:
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
                    text = f"The webhook at {self._host} does not take events ({problem}); they are tried again."
                    self._tell(Event(EventKind.UNDELIVERED, text))
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
    """Returns the host of a URL that can be sent to.

    Raises:
        ConfigError: It is no such URL; what it is instead is not told.
    """
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or not parts.hostname or not (url.isascii() and url.isprintable()) or " " in url:
        raise ConfigError("The webhook must be a URL that begins with https:// or http://, without spaces.")
    return parts.hostname
