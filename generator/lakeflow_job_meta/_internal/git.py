"""Questions to git, which is a process; nothing is changed, not even the index of a repository."""

from __future__ import annotations

import subprocess
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
