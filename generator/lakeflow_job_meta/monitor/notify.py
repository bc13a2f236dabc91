"""Where events go: to a log, and those that a person has to know to a webhook if there is one."""

from __future__ import annotations

from collections.abc import Callable

from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink
from lakeflow_job_meta.monitor.webhook import Webhook


class Notifier:
    """Takes events.

    Args:
        log: Takes all of them.
        webhook: Makes the webhook, which tells the log of its own trouble; None where there is none.
    """

    def __init__(self, log: EventSink, webhook: Callable[[EventSink], Webhook] | None = None) -> None:
        self._log = log
        self._webhook = webhook(log) if webhook is not None else None
        self._said: set[str] = set()

    def tell(self, event: Event) -> None:
        """Takes an event."""
        self._log(event)
        if self._webhook is not None:
            self._webhook.take(event)

    def say_once(self, line: str) -> None:
        """Takes something that holds for good; only the first time."""
        if line not in self._said:
            self._said.add(line)
            self.tell(Event(EventKind.WAITING, line))

    def deliver(self) -> None:
        """Tries to send what the webhook did not take."""
        if self._webhook is not None:
            self._webhook.deliver()
