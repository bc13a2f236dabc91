"""Signed links, as a cloud store gives them: for the chunks of large results and for downloads of files.

Whoever has the link may read, for a while and without a token; with a token the store refuses (it wants one
kind of credentials in a request). An expired link stays expired; its owner hands out new ones.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from .api import Request, Response, Route, Routes

STORE = "/external-store/"


@dataclass(frozen=True, slots=True)
class Content:
    """What is behind a link."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A link and the moment it ends."""

    url: str
    expires_at: datetime


class SignedLinks:
    """Hands out links and serves what is behind them.

    Attributes:
        lifetime: How long a link lives.
        base_url: The address of the server; known once it has a port.
    """

    def __init__(self) -> None:
        """Starts without links."""
        self.lifetime = timedelta(minutes=15)
        self.base_url = ""
        self._links: dict[str, tuple[datetime, Callable[[], Content | None]]] = {}

    def issue(self, read: Callable[[], Content | None]) -> SignedLink:
        """A new link to what `read` gives when it is fetched; None is "no longer there"."""
        key = secrets.token_hex(16)
        expires_at = datetime.now(timezone.utc) + self.lifetime
        self._links[key] = (expires_at, read)
        return SignedLink(f"{self.base_url}{STORE}{key}?X-Fake-Signature={secrets.token_hex(8)}", expires_at)

    def expire_all(self) -> None:
        """Ends every link handed out so far."""
        self._links.clear()

    def routes(self) -> Routes:
        """The store."""
        return (Route.of("GET", f"{STORE}(?P<key>[0-9a-f]+)", self._fetch, needs_token=False),)

    def _fetch(self, request: Request) -> Response:
        key = request.groups["key"]
        if "authorization" in request.headers:
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed.")
        if request.link_has_expired:
            self._links.pop(key, None)
        expires_at, read = self._links.get(key, (None, None))
        if read is None or expires_at is None or expires_at <= datetime.now(timezone.utc):
            return _refusal(403, "AccessDenied", "Request has expired")
        content = read()
        if content is None:
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        return ranged(request, content)


def ranged(request: Request, content: Content) -> Response:
    """The whole content, or the part from the offset that the header Range (`bytes=5-`) gives."""
    found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    start = int(found[1]) if found else 0
    return Response(
        206 if found else 200, content.body[start:], content.headers, content_type="application/octet-stream"
    )


def _refusal(status: int, code: str, message: str) -> Response:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return Response(status, text.encode(), content_type="application/xml")
