"""What goes wrong between a client and a workspace, on demand.

A `Fault` says which requests it meets and what happens to them; `Faults` hands each out as often as it may
happen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase

from .api import ApiError, Delivery, Request, Response
from .links import STORE


class FaultKind(str, Enum):
    """What happens to a request."""

    TOO_MANY_REQUESTS = "429 with Retry-After, nothing was done"
    INTERNAL_ERROR = "500, nothing was done"
    BAD_GATEWAY = "502 with a page of HTML from a proxy, nothing was done"
    UNAVAILABLE = "503, nothing was done"
    UNAVAILABLE_AFTER_WORK = "503, although the work was done"
    CONNECTION_RESET = "the connection breaks, nothing was done"
    CONNECTION_RESET_AFTER_WORK = "the connection breaks, although the work was done"
    CONNECTION_RESET_BEFORE_WORK = "the connection breaks, and the work is done after that of the next request there"
    ANSWERED = "the work is done, the answer is another one"
    SLOW = "the work is done at once, the answer comes late"
    TRUNCATED_BODY = "the work is done, the connection ends amid the answer"
    UNAUTHENTICATED = "401, as when a token has expired"
    FORBIDDEN = "403, the user lacks a permission"
    EXPIRED_LINK = "403 in the words of a cloud store; the link stays expired"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that waits for requests.

    Attributes:
        method: The method it meets, `*` for any.
        path_pattern: The (decoded) path it meets; `*` stands for any text, slashes included.
        kind: What happens.
        times: How many requests it meets.
        after: How many matching requests it lets pass before.
        body_contains: Text that the body must have, e.g. a part of a SQL statement.
        seconds: How late the answer is (SLOW).
        answer: What is answered in place of JSON of the API (ANSWERED).
        retry_after: The seconds in the header Retry-After (429 and 503); None leaves the header out.
    """

    method: str
    path_pattern: str
    kind: FaultKind
    times: int = 1
    after: int = 0
    body_contains: str = ""
    seconds: float = 0.0
    retry_after: int | None = 1
    answer: bytes = b""

    def meets(self, request: Request) -> bool:
        """Whether the fault is for this request; only links expire."""
        if self.kind is FaultKind.EXPIRED_LINK and not request.path.startswith(STORE):
            return False
        return (
            self.method in ("*", request.method)
            and fnmatchcase(request.path, self.path_pattern)
            and self.body_contains.encode() in request.body
        )

    def instead_of_work(self) -> Response | None:
        """The answer where nothing is done, or None where the request is handled."""
        make = _INSTEAD.get(self.kind)
        return make(self) if make else None

    def after_work(self, response: Response) -> Response:
        """What becomes of the answer."""
        make = _AFTERWARDS.get(self.kind)
        return make(self, response) if make else response


class Faults:
    """The faults that are still to happen."""

    def __init__(self) -> None:
        """Starts without any."""
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Makes the fault wait for requests; the first one added that meets a request has it."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forgets all of them."""
        with self._lock:
            self._waiting.clear()

    @property
    def waiting(self) -> list[Fault]:
        """The faults that have not happened as often as they should, `times` and `after` counted down."""
        with self._lock:
            return list(self._waiting)

    def take(self, request: Request) -> Fault | None:
        """The fault that happens to this request, if any."""
        with self._lock:
            for index, fault in enumerate(self._waiting):
                if not fault.meets(request):
                    continue
                if fault.after:
                    self._waiting[index] = replace(fault, after=fault.after - 1)
                    continue
                self._waiting[index : index + 1] = [replace(fault, times=fault.times - 1)] * (fault.times > 1)
                return fault
        return None


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}


def _error(status: int, code: str | int, message: str) -> Callable[[Fault], Response]:
    return lambda _: ApiError(status, code, message).response()


def _error_to_retry(status: int, code: str, message: str) -> Callable[[Fault], Response]:
    return lambda fault: replace(ApiError(status, code, message).response(), headers=_retry_after(fault))


_GATEWAY_PAGE = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1></body>\n</html>\n"
_RESET = Response(delivery=Delivery.RESET)
_unavailable = _error_to_retry(503, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable.")

_INSTEAD: dict[FaultKind, Callable[[Fault], Response]] = {
    FaultKind.TOO_MANY_REQUESTS: _error_to_retry(429, "REQUEST_LIMIT_EXCEEDED", "Too many requests."),
    FaultKind.INTERNAL_ERROR: _error(500, "INTERNAL_ERROR", "An internal error happened."),
    FaultKind.BAD_GATEWAY: lambda _: Response(502, _GATEWAY_PAGE, content_type="text/html"),
    FaultKind.UNAVAILABLE: _unavailable,
    FaultKind.CONNECTION_RESET: lambda _: _RESET,
    FaultKind.CONNECTION_RESET_BEFORE_WORK: lambda _: _RESET,
    FaultKind.UNAUTHENTICATED: _error(401, "UNAUTHENTICATED", "The access token has expired."),
    FaultKind.FORBIDDEN: _error(403, "PERMISSION_DENIED", "User does not have permission for this operation."),
}
_AFTERWARDS: dict[FaultKind, Callable[[Fault, Response], Response]] = {
    FaultKind.UNAVAILABLE_AFTER_WORK: lambda fault, _: _unavailable(fault),
    FaultKind.CONNECTION_RESET_AFTER_WORK: lambda _, __: _RESET,
    FaultKind.ANSWERED: lambda fault, _: Response(200, fault.answer),
    FaultKind.TRUNCATED_BODY: lambda _, response: replace(response, delivery=Delivery.TRUNCATED),
}
