"""The APIs of GitHub, Azure DevOps and GitLab on loopback, as far as comments on one pull request go."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

GITHUB = "/repos/org/shop/issues"
AZURE = "/org/My%20Team/_apis/git/repositories/5/pullRequests/7/threads"
GITLAB = "/api/v4/projects/5/merge_requests/7/notes"


class Forge(ThreadingHTTPServer):
    """Holds the texts of the comments on one pull request, the oldest first; a comment's id is its place.

    Attributes:
        writes: Method and path of each request that changed something.
        tokens: How each request said who it is.
        answer: Status, headers and body of every answer, instead of the proper ones.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts: list[str] = ["a comment of a person"]
        self.writes: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.answer: tuple[int, dict[str, str], str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def variables(self, ci: str, event_file: str) -> dict[str, str]:
        """The variables of a CI in a run for the pull request; GitHub's event has to be in a file."""
        return {
            "github": {
                "GITHUB_ACTIONS": "true",
                "GITHUB_API_URL": self.url,
                "GITHUB_REPOSITORY": "org/shop",
                "GITHUB_EVENT_PATH": event_file,
                "GITHUB_BASE_REF": "main",
            },
            "azure": {
                "TF_BUILD": "True",
                "SYSTEM_COLLECTIONURI": f"{self.url}/org/",
                "SYSTEM_TEAMPROJECT": "My Team",
                "BUILD_REPOSITORY_ID": "5",
                "BUILD_REPOSITORY_PROVIDER": "TfsGit",
                "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
                "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
            },
            "gitlab": {
                "GITLAB_CI": "true",
                "CI_API_V4_URL": f"{self.url}/api/v4",
                "CI_PROJECT_ID": "5",
                "CI_MERGE_REQUEST_IID": "7",
                "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
                "GITLAB_TOKEN": "token",
            },
        }[ci]


EVENT = json.dumps({"action": "synchronize", "number": 7, "pull_request": {"number": 7}})
"""What GitHub writes into the file of the event."""


class _Handler(BaseHTTPRequestHandler):
    server: Forge

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self.server.tokens.add(self.headers["PRIVATE-TOKEN"] or self.headers["Authorization"])
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "null")
        if self.server.answer is not None:
            self._send(*self.server.answer)
            return
        if self.command == "GET":
            self._send(200, {}, json.dumps(self._listed(url.path, {k: int(v[0]) for k, v in _numbers(url.query)})))
            return
        self._write(url.path, content)
        self.server.writes.append((self.command, url.path))
        self._send(200, {}, "{}")

    def _listed(self, path: str, query: dict[str, int]) -> Any:
        texts = [*enumerate(self.server.texts)]
        if path == AZURE:
            system = {"id": 1}  # of a thread that Azure itself has written
            return {"value": [{"id": at, "comments": [system, {"id": 2, "content": text}]} for at, text in texts]}
        assert path in (f"{GITHUB}/7/comments", GITLAB), path
        first = (query["page"] - 1) * query["per_page"]
        return [{"id": at, "body": text} for at, text in texts[first : first + query["per_page"]]]

    def _write(self, path: str, content: Any) -> None:
        texts = self.server.texts
        text = (
            content["comments"][0]["content"] if "comments" in content else content.get("body", content.get("content"))
        )
        if self.command == "POST":
            assert path in (f"{GITHUB}/7/comments", AZURE, GITLAB), path
            texts.append(text)
            return
        assert path.startswith((f"{GITHUB}/comments/", f"{AZURE}/", f"{GITLAB}/")), path
        assert self.command == ("PUT" if path.startswith(GITLAB) else "PATCH")
        of_thread = path.removesuffix("/comments/2") if path.startswith(AZURE) else path
        texts[int(of_thread.rpartition("/")[2])] = text

    def _send(self, status: int, headers: dict[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - names of http.server

    def log_message(self, *arguments: object) -> None:
        pass


def _numbers(query: str) -> list[tuple[str, list[str]]]:
    return [(name, values) for name, values in parse_qs(query).items() if values[0].isdigit()]


@contextmanager
def running_forge() -> Iterator[Forge]:
    with Forge() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
