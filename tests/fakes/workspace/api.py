"""What every part of the fake workspace speaks: requests, responses, routes, API errors. No sockets here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class ApiError(Exception):
    """An HTTP error in the form of Databricks' APIs.

    Attributes:
        status: The HTTP status.
        error_code: The code in the body; a number where Databricks sends one.
        message: The message in the body.
        reason: A machine-readable reason, sent as `details` of the kind `ErrorInfo`.
    """

    def __init__(self, status: int, error_code: str | int, message: str, reason: str = "") -> None:
        """Makes the error."""
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message
        self.reason = reason

    def response(self) -> Response:
        """The error as it goes over the wire."""
        body: dict[str, Any] = {"error_code": self.error_code, "message": self.message}
        if self.reason:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            body["details"] = [{"@type": kind, "reason": self.reason, "domain": "filesystem.databricks.com"}]
        return Response.of_json(body, status=self.status)


class Delivery(str, Enum):
    """How a response reaches the client."""

    WHOLE = "whole"
    TRUNCATED = "truncated"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: `GET`, `POST`, ...
        path: The path without its query, percent-decoded.
        query: The parameters behind the `?`.
        headers: By their names in lower case.
        body: The bytes sent.
        groups: What the named groups of the route's pattern matched.
        link_has_expired: Whether a fault says that the link it fetches is no longer valid.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    groups: Mapping[str, str] = field(default_factory=dict)
    link_has_expired: bool = False

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            ApiError: It is none.
        """
        try:
            parsed = json.loads(self.body)
        except ValueError as error:
            raise ApiError(
                400, "MALFORMED_REQUEST", f"Invalid JSON given in the body of the request: {error}"
            ) from error
        if not isinstance(parsed, dict):
            raise ApiError(400, "MALFORMED_REQUEST", "Invalid JSON given in the body of the request: not an object")
        return parsed


@dataclass(frozen=True, slots=True)
class Response:
    """One response; `headers` need not hold `Content-Length`, except for an answer to HEAD."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delivery: Delivery = Delivery.WHOLE

    @classmethod
    def of_json(cls, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """A response with a JSON body."""
        return cls(status, json.dumps(body, separators=(",", ":")).encode(), headers or {})


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests a handler gets: a method and a pattern that the whole (decoded) path matches."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    needs_token: bool = True

    @classmethod
    def of(cls, method: str, pattern: str, handler: Handler, needs_token: bool = True) -> Route:
        """A route from the text of its pattern."""
        return cls(method, re.compile(pattern, re.DOTALL), handler, needs_token)

    def groups_of(self, request: Request) -> Mapping[str, str] | None:
        """The named parts of the request's path, or None where the route is not for it."""
        match = self.pattern.fullmatch(request.path) if request.method == self.method else None
        return match.groupdict() if match else None


Routes = Sequence[Route]
