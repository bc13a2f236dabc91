"""One comment on the pull request that a CI runs for: written once, and renewed by every later run.

In: a text, and the variables of the CI. The comment is known by a line at its top that no reader sees, with the path
of the project in its repository, so that each project of a repository has its own. Other comments are never changed.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from lakeflow_job_meta._internal.http import NoRedirect
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.repository import Ci, ci_of, repository_of
from lakeflow_job_meta.errors import ConfigError, OperationFailed

_SECONDS = 30
_PAGE = 100
"""Comments are asked for in pages of so many, the most that GitHub and GitLab give."""
_MOST_PAGES = 100

_TOKENS = {
    Ci.GITHUB: ("GITHUB_TOKEN", "as `GITHUB_TOKEN: ${{ github.token }}` in the step, with `pull-requests: write`"),
    Ci.AZURE: ("SYSTEM_ACCESSTOKEN", "as `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in the step"),
    Ci.GITLAB: ("GITLAB_TOKEN", "a project access token with the scope `api`, as a variable of the project"),
}
"""The variable that each CI has the token in, and how it comes there."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A call of a forge's API."""

    method: str
    url: str
    body: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class _Comments:
    """The comments of a pull request, as one forge has them.

    Attributes:
        pages: The addresses of the pages of its comments, from the oldest on.
        found_in: Yields the address and the text of each comment in the answer to one of them.
        create: Returns the request that adds a comment; `renew` the one that changes that at an address.
    """

    headers: dict[str, str]
    pages: Callable[[int], str | None]
    found_in: Callable[[Value], Iterator[tuple[str, str]]]
    create: Callable[[str], _Request]
    renew: Callable[[str, str], _Request]


def renew_comment(text: str, folder: Path, environment: Mapping[str, str]) -> bool:
    """Writes or renews the comment of a project on the pull request of this run; returns whether it was there.

    Raises:
        ConfigError: This is no run of a CI for a pull request, or it has no token.
        OperationFailed: The forge cannot be reached, or refuses.
    """
    comments = _comments_of(environment)
    path = folder.resolve().relative_to(repository_of(folder, environment)).as_posix()
    mark = f"<!-- ljm comment: {quote(path)} -->\n"
    old = next((address for address, found in _all(comments) if found.startswith(mark)), None)
    _call(comments, comments.create(mark + text) if old is None else comments.renew(old, mark + text))
    return old is not None


def _all(comments: _Comments) -> Iterator[tuple[str, str]]:
    for page in range(1, _MOST_PAGES):
        url = comments.pages(page)
        if url is None:
            return
        answer = _call(comments, _Request("GET", url))
        try:
            found = [*comments.found_in(answer)]
        except (LookupError, TypeError, AttributeError):
            raise OperationFailed(f"GET {_address(url)} was answered in a form that is not known.") from None
        # GitLab writes CR LF where somebody has edited a comment in the browser.
        yield from ((address, text.replace("\r\n", "\n")) for address, text in found)
        if len(found) < _PAGE:
            return


def _comments_of(environment: Mapping[str, str]) -> _Comments:
    ci = ci_of(environment)
    if ci is None:
        raise ConfigError("This is no run of GitHub Actions, Azure Pipelines or GitLab CI for a pull request.")
    variable, how = _TOKENS[ci]
    token = environment.get(variable)
    if not token:
        raise ConfigError(f"Without {variable} no comment can be written; give it {how}.")
    return {Ci.GITHUB: _on_github, Ci.AZURE: _on_azure, Ci.GITLAB: _on_gitlab}[ci](environment, token)


def _on_github(environment: Mapping[str, str], token: str) -> _Comments:
    """docs.github.com/en/rest/issues/comments: a pull request is an issue there."""
    comments = f"{_of(environment, 'GITHUB_API_URL')}/repos/{_of(environment, 'GITHUB_REPOSITORY')}/issues"
    number = _github_number(environment)

    def found_in(answer: Value) -> Iterator[tuple[str, str]]:
        return ((str(each["id"]), str(each["body"] or "")) for each in _maps(answer))

    return _Comments(
        {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
        lambda page: f"{comments}/{number}/comments?per_page={_PAGE}&page={page}",
        found_in,
        lambda text: _Request("POST", f"{comments}/{number}/comments", {"body": text}),
        lambda at, text: _Request("PATCH", f"{comments}/comments/{at}", {"body": text}),
    )


def _github_number(environment: Mapping[str, str]) -> int:
    try:
        event = json.loads(Path(_of(environment, "GITHUB_EVENT_PATH")).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"The file that GITHUB_EVENT_PATH names cannot be read: {error}.") from None
    pull_request = event.get("pull_request") if isinstance(event, dict) else None
    if not isinstance(pull_request, dict) or not isinstance(pull_request.get("number"), int):
        raise _no_pull_request()
    return cast(int, pull_request["number"])


def _on_azure(environment: Mapping[str, str], token: str) -> _Comments:
    """learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads: a comment is in a thread."""
    if environment.get("BUILD_REPOSITORY_PROVIDER", "TfsGit") != "TfsGit":
        raise ConfigError("Azure Pipelines comments on pull requests of Azure Repos alone, and this repository is not.")
    project = f"{_of(environment, 'SYSTEM_COLLECTIONURI').rstrip('/')}/{quote(_of(environment, 'SYSTEM_TEAMPROJECT'))}"
    repository = f"{project}/_apis/git/repositories/{_of(environment, 'BUILD_REPOSITORY_ID')}"
    threads = f"{repository}/pullRequests/{_of(environment, 'SYSTEM_PULLREQUEST_PULLREQUESTID')}/threads"
    version = "?api-version=7.1"

    def found_in(answer: Value) -> Iterator[tuple[str, str]]:
        for thread in _maps(cast("dict[str, Value]", answer)["value"]):
            for comment in _maps(thread["comments"]):
                yield f"{thread['id']}/comments/{comment['id']}", str(comment.get("content") or "")

    def create(text: str) -> _Request:
        comment = {"parentCommentId": 0, "content": text, "commentType": "text"}
        # An active thread would keep the pull request from being completed where all comments must be resolved.
        return _Request("POST", f"{threads}{version}", {"comments": [comment], "status": "closed"})

    return _Comments(
        {"Authorization": f"Bearer {token}"},
        lambda page: f"{threads}{version}" if page == 1 else None,
        found_in,
        create,
        lambda at, text: _Request("PATCH", f"{threads}/{at}{version}", {"content": text}),
    )


def _on_gitlab(environment: Mapping[str, str], token: str) -> _Comments:
    """docs.gitlab.com/api/notes, "Merge requests"."""
    project = f"{_of(environment, 'CI_API_V4_URL')}/projects/{_of(environment, 'CI_PROJECT_ID')}"
    notes = f"{project}/merge_requests/{_of(environment, 'CI_MERGE_REQUEST_IID')}/notes"

    def found_in(answer: Value) -> Iterator[tuple[str, str]]:
        return ((str(each["id"]), str(each["body"] or "")) for each in _maps(answer))

    return _Comments(
        {"PRIVATE-TOKEN": token},
        lambda page: f"{notes}?sort=asc&order_by=created_at&per_page={_PAGE}&page={page}",
        found_in,
        lambda text: _Request("POST", notes, {"body": text}),
        lambda at, text: _Request("PUT", f"{notes}/{at}", {"body": text}),
    )


def _of(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise _no_pull_request(f", since {name} is not set")
    return value


def _no_pull_request(why: str = "") -> ConfigError:
    return ConfigError(f"This run is for no pull request{why}; comment where the CI runs for one alone.")


def _maps(value: Value) -> list[dict[str, Value]]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return cast("list[dict[str, Value]]", value)


def _call(comments: _Comments, request: _Request) -> Value:
    data = None if request.body is None else json.dumps(request.body).encode()
    headers = {**comments.headers, "Content-Type": "application/json"}
    called = f"{request.method} {_address(request.url)}"
    try:
        made = urllib.request.Request(request.url, data, headers, method=request.method)
        with urllib.request.build_opener(NoRedirect).open(made, timeout=_SECONDS) as answer:
            return cast(Value, json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        with error:
            reason = " ".join(error.read(300).decode("utf-8", "replace").split())
        raise OperationFailed(f"{called} was refused with status {error.code}{_hint(error.code, reason)}") from None
    except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
        raise OperationFailed(f"{called} failed: {getattr(error, 'reason', None) or error}.") from None


def _hint(status: int, reason: str) -> str:
    if status < 400 or status in (401, 403, 404):
        return "; its token may not write comments on this pull request, which that of a fork never may."
    return f": {reason}" if reason else "."


def _address(url: str) -> str:
    return url.partition("?")[0]
