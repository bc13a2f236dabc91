"""The recipes for a CI that `ljm init` writes: their steps run in a repository, and renew one comment.

What only the CI itself can do is not run: checking out, installing, and asking for approval.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.project_folder import new_project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the steps are for a shell of POSIX")


class Comments(ThreadingHTTPServer):
    """The part of the APIs of Azure DevOps and GitLab that the recipes use: one list of comments."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts: list[str] = ["a comment of a person"]
        self.writes: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Comments

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.server.tokens.add(self.headers["PRIVATE-TOKEN"] or self.headers["Authorization"])
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "null")
        texts = self.server.texts
        answer: Any = {}
        is_azure = "/_apis/" in path
        if self.command == "GET":
            threads = [{"id": at, "comments": [{"id": 1, "content": text}]} for at, text in enumerate(texts)]
            answer = {"value": threads} if is_azure else [{"id": at, "body": text} for at, text in enumerate(texts)]
        elif self.command == "POST":
            texts.append(content["comments"][0]["content"] if is_azure else content["body"])
        else:
            at = int(path.removesuffix("/comments/1").rpartition("/")[2])
            texts[at] = content["content"] if is_azure else content["body"]
        if self.command != "GET":
            self.server.writes.append((self.command, path))
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - names of http.server

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def comments() -> Iterator[Comments]:
    with Comments() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.email=me@example.com", "-c", "user.name=me", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def steps_of(ci: str, recipe: dict) -> list[str]:
    """The shell steps of the plan, without the one that installs."""
    if ci == "gitlab":
        steps = recipe["plan"]["script"]
    elif ci == "azure":
        steps = [step.get("script") for step in recipe["stages"][0]["jobs"][0]["steps"]]
    else:
        steps = [step.get("run") for step in recipe["jobs"]["plan"]["steps"]]
    return [step for step in steps if step and "pip install" not in step]


FILES = {"github": ".github/workflows/jobs.yml", "azure": "azure-pipelines.yml", "gitlab": ".gitlab-ci.yml"}


@pytest.mark.parametrize("ci", FILES)
def test_the_plan_of_a_pull_request_becomes_one_comment_that_is_renewed(tmp_path, comments: Comments, ci):
    project, origin = new_project(tmp_path / "project", "--from", "csv", "--ci", ci), tmp_path / "origin"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in {"ljm": "-m lakeflow_job_meta ", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
    # GitHub's own command does what the two scripts do.
    (programs / "gh").write_text('#!/bin/sh\necho "$*" > gh.txt\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GITHUB_BASE_REF": "main",
        "NUMBER": "7",
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        "SYSTEM_COLLECTIONURI": f"{comments.url}/org/",
        "SYSTEM_TEAMPROJECT": "My Team",
        "BUILD_REPOSITORY_ID": "5",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "SYSTEM_ACCESSTOKEN": "token",
        "CI_API_V4_URL": f"{comments.url}/api/v4",
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "GITLAB_TOKEN": "token",
    }

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stdout + done.stderr)

    run("ljm", "generate")
    git(tmp_path, "init", "--bare", str(origin))
    git(project, "init")
    git(project, "add", "--all")
    git(project, "commit", "--message", "a project")
    git(project, "remote", "add", "origin", str(origin))
    git(project, "push", "origin", "HEAD:main")
    git(project, "fetch", "origin")
    steps = steps_of(ci, yaml.safe_load((project / FILES[ci]).read_text()))

    for table in ("regions", "leads"):
        with (project / "data/tables.csv").open("a") as rows:
            rows.write(f"dbo.{table},{table},full,true\n")
        run("ljm", "generate")
        for step in steps:
            run("bash", "-c", step)

    assert "`load_regions` | created" in (project / "plan.md").read_text()
    if ci == "github":
        assert (project / "gh.txt").read_text() == "pr comment 7 --body-file plan.md --edit-last --create-if-none\n"
        return
    place = "/org/My%20Team/_apis/git/repositories/5/pullRequests/7/threads"
    place = place if ci == "azure" else "/api/v4/projects/5/merge_requests/7/notes"
    again = ("PATCH", f"{place}/1/comments/1") if ci == "azure" else ("PUT", f"{place}/1")
    assert comments.writes == [("POST", place), again]
    mine, plan = comments.texts
    assert (mine, plan.partition("\n")[2]) == ("a comment of a person", (project / "plan.md").read_text())
    assert comments.tokens == {"Bearer token" if ci == "azure" else "token"}
