"""Questions to git, which is a process; nothing is changed, not even the index of a repository."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

GIT_SECONDS = 60
"""So long git is waited for."""


def run_git(folder: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[bytes]:
    """Runs git in a folder; `text` is its input.

    Raises:
        FileNotFoundError: It is not installed.
        subprocess.TimeoutExpired: It did not answer.
    """
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", str(folder), *arguments],
        input=text.encode(),
        capture_output=True,
        timeout=GIT_SECONDS,
        check=False,
    )


def ask_git(folder: Path, *arguments: str) -> tuple[bytes | None, str]:
    """Returns what git answers in a folder; None and why where it does not."""
    try:
        done = run_git(folder, *arguments)
    except FileNotFoundError:
        return None, "git is not installed"
    except subprocess.TimeoutExpired:
        return None, f"git did not answer within {GIT_SECONDS} seconds"
    if done.returncode == 0:
        return done.stdout, ""
    reason = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
    return None, "there is no git repository" if "not a git repository" in reason else f"git refuses: {reason}"


@dataclass(frozen=True, slots=True)
class GitCommit:
    """A commit, as it is said of a line.

    Attributes:
        time: When its author made it.
        committed: When it came where it is, in seconds of Unix: later where commits were rebased.
        is_oldest: Whether git knows none before it.
    """

    sha: str
    author: str
    time: datetime
    committed: int
    is_oldest: bool

    @property
    def is_made(self) -> bool:
        """Whether it is there: what is changed and not committed yet is said to be of one of zeros."""
        return self.sha.strip("0") != ""


def blame_lines(
    folder: Path, path: str, ranges: Collection[tuple[int, int]]
) -> tuple[dict[int, GitCommit] | None, str]:
    """Returns the commit that each line of some ranges of a file is of, by its number; None and why there is none."""
    asked = [f"-L{first},{last}" for first, last in sorted(set(ranges))]
    answer, reason = ask_git(folder, "blame", "--porcelain", "--encoding=UTF-8", *asked, "--", path)
    if answer is None:
        return None, reason
    details: dict[str, dict[str, str]] = {}
    lines: dict[int, str] = {}
    sha = ""
    for line in answer.decode("utf-8", "replace").split("\n"):
        if match := _LINE_OF.match(line):
            sha = match[1]
            lines[int(match[2])] = sha
        elif not line.startswith("\t"):
            name, _, value = line.partition(" ")
            details.setdefault(sha, {}).setdefault(name, value)
    commits = {sha: _commit(sha, each) for sha, each in details.items() if sha}
    return {number: commits[sha] for number, sha in lines.items()}, ""


_LINE_OF = re.compile(r"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?$")


def _commit(sha: str, details: dict[str, str]) -> GitCommit:
    moment = datetime.fromtimestamp(int(details.get("author-time", 0)), timezone.utc)
    committed = int(details.get("committer-time", 0))
    return GitCommit(sha, details.get("author", ""), moment, committed, "boundary" in details)
