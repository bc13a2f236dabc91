"""The generated files of a git revision, and what its project file said. Reads only, and asks git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from io import BytesIO

from lakeflow_job_meta._internal.git import GIT_SECONDS, run_git
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.config.model import PROJECT_FILE, Project
from lakeflow_job_meta.config.repository import Ci, ci_of
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.layout.generated_file import GeneratedFile
from lakeflow_job_meta.layout.layout import SingleBundle, layout_of
from lakeflow_job_meta.text.yaml_reader import read_yaml

_DEEPER = {
    Ci.GITHUB: "give actions/checkout `fetch-depth: 0`",
    Ci.AZURE: "give the step `checkout: self` `fetchDepth: 0`",
    Ci.GITLAB: 'give the job the variable `GIT_DEPTH: "0"`',
}
"""How each CI is told to fetch the whole history."""


def texts_of_revision(project: Project, revision: str) -> dict[GeneratedFile, str]:
    """Returns the texts of the generated files as a git revision has them.

    The revision of a project that is split into many bundles may still have the single one.

    Raises:
        ConfigError: There is no git, no repository, or no such revision; in a shallow clone it says how to get more.
    """
    if revision.startswith("-"):
        raise ConfigError(f"{quoted(revision)} is no git revision.")
    layouts = {f"{each.root}/": each for each in (SingleBundle(project), layout_of(project))}
    listed = _git(project, "ls-tree", "-r", "-z", revision, "--", *layouts).decode("utf-8", "surrogateescape")
    blobs: list[tuple[str, GeneratedFile]] = []
    for entry in listed.split("\0"):
        about, _, path = entry.partition("\t")
        root = next((root for root in layouts if path.startswith(root)), None)
        file = layouts[root].file_at(path.removeprefix(root)) if root is not None else None
        if file is not None and about.split()[1] == "blob":
            blobs.append((about.split()[2], file))
    contents = _contents(project, [name for name, _ in blobs])
    return {file: content.decode("utf-8", "replace") for (_, file), content in zip(blobs, contents, strict=True)}


def removals_of_revision(project: Project, revision: str) -> frozenset[str]:
    """Returns the modules that `deploy.removed` named in a git revision; none where that has no such file."""
    text = _run_git(project, "show", f"{revision}:./{PROJECT_FILE}").stdout.decode("utf-8", "replace")
    found = value_at(read_yaml(text).value, ("deploy", "removed"))[1]
    entries = found if isinstance(found, list) else []
    return frozenset(str(each.get("module") if isinstance(each, dict) else each) for each in entries)


def _contents(project: Project, objects: Sequence[str]) -> list[bytes]:
    """Returns the contents of git objects; one process for all."""
    answer = _git(project, "cat-file", "--batch", text="".join(f"{name}\n" for name in objects)) if objects else b""
    stream = BytesIO(answer)
    # For each object a line `NAME blob SIZE`, then the content and a line feed.
    return [stream.read(int(stream.readline().split()[2]) + 1)[:-1] for _ in objects]


def _git(project: Project, *arguments: str, text: str = "") -> bytes:
    done = _run_git(project, *arguments, text=text)
    if done.returncode != 0:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
        raise ConfigError(f"git cannot show that revision: {reason}{_more_to_fetch(project)}")
    return done.stdout


def _more_to_fetch(project: Project) -> str:
    """Returns how a shallow clone, which a CI makes, gets what it lacks."""
    if _run_git(project, "rev-parse", "--is-shallow-repository").stdout.strip() != b"true":
        return ""
    ci = ci_of(os.environ)
    how = f"{_DEEPER[ci]}, or run" if ci is not None else "run"
    return f"; this clone is shallow and has the newest commits alone: {how} `git fetch --unshallow`."


def _run_git(project: Project, *arguments: str, text: str = "") -> subprocess.CompletedProcess[bytes]:
    try:
        return run_git(project.folder, *arguments, text=text)
    except FileNotFoundError:
        raise ConfigError("git is not installed, so there is nothing to compare with; leave out --against.") from None
    except subprocess.TimeoutExpired:
        raise OperationFailed(f"git did not answer within {GIT_SECONDS} seconds.") from None
