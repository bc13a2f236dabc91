"""Events as lines of a log: text for people, or JSON with one object a line for log collectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone

from lakeflow_job_meta.monitor.events import Event
from lakeflow_job_meta.text.markers import one_line


def as_text(event: Event, now: datetime) -> str:
    """Returns a line such as `2026-01-31T12:00:00Z deployed: 1 job created.`; line breaks are shown as such."""
    return f"{_moment(now)} {event.kind.value}: {one_line(event.text)}"


def as_json(event: Event, now: datetime) -> str:
    """Returns a JSON object on one line: `time`, `event`, `text` and the event's own details."""
    entry = {"time": _moment(now), "event": event.kind.value, "text": event.text, **event.details}
    return json.dumps(entry, ensure_ascii=False)


FORMATS: dict[str, Callable[[Event, datetime], str]] = {"text": as_text, "json": as_json}


def _moment(now: datetime) -> str:
    return now.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
