"""Reads jobs back from generated files: those on disk, or those of a git revision.

Reads only. Files without our marker are not looked at; a generated file that cannot be read back is an error, since
nothing could be said about its job.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.layout.on_disk import in_bundle
from lakeflow_job_meta.text.markers import JOB_MARKER, SQL_MARKER
from lakeflow_job_meta.text.yaml_reader import read_yaml

_GIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class GeneratedJob:
    """A job as a file says it.

    Attributes:
        settings: As the Jobs API takes them.
        targets: The targets that it is for; empty for all.
        sql: Its inline SQL, by the name of the file.
    """

    key: str
    settings: dict[str, Value]
    targets: tuple[str, ...]
    sql: dict[str, str]


def jobs_in_files(files: dict[str, str]) -> dict[str, GeneratedJob]:
    """Returns the jobs that generated files hold, by key.

    Args:
        files: Texts by path below the output folder.

    Raises:
        OperationFailed: A file with our marker does not say a job.
    """
    found = (_job(path, text, files) for path, text in sorted(files.items()) if path.startswith("jobs/"))
    return {job.key: job for job in found if job is not None}


def _job(path: str, text: str, files: dict[str, str]) -> GeneratedJob | None:
    if JOB_MARKER.label_in(text) is None:
        return None
    key = Path(path).stem
    root = read_yaml(text).value
    targets = root.get("targets") if isinstance(root, dict) else None
    names = tuple(targets) if isinstance(targets, dict) else ()
    where = ("targets", names[0], "resources", "jobs", key) if names else ("resources", "jobs", key)
    settings = value_at(root, where)[1]
    if not isinstance(settings, dict):
        raise OperationFailed(f"The generated file {path!r} holds no job {key!r}; run `ljm generate` to write it anew.")
    folder = f"sql/{key}/"
    sql = {
        Path(other).stem: content.split("\n", 1)[-1]
        for other, content in files.items()
        if other.startswith(folder) and SQL_MARKER.label_in(content) is not None
    }
    return GeneratedJob(key, settings, names, sql)


def files_on_disk(project: Project) -> dict[str, str]:
    """Returns the texts of the generated files, by path below the output folder of their bundle."""
    folder = project.folder / project.generated
    try:
        return {in_bundle(path.relative_to(folder).as_posix()): _text(path.read_bytes()) for path in _paths(project)}
    except OSError as error:
        raise OperationFailed(
            f"The folder {project.generated!r} cannot be read: {error.strerror} ({error.filename})."
        ) from error


def _paths(project: Project) -> Iterator[Path]:
    for pattern in ("jobs/*.yml", "sql/*/*.sql"):
        yield from (path for path in project.folder.glob(f"{project.files_of_jobs}/{pattern}") if path.is_file())


def files_of_revision(project: Project, revision: str) -> dict[str, str]:
    """Returns the texts of the generated files as a git revision has them, by path below the output folder.

    Of a project that is parted into many bundles, the revision may still have the single one.

    Raises:
        ConfigError: There is no git, no repository, or no such revision.
    """
    if revision.startswith("-"):
        raise ConfigError(f"{quoted(revision)} is no git revision.")
    folders = dict.fromkeys(f"{folder}/" for folder in (project.output, project.generated))
    listed = _git(project, "ls-tree", "-r", "-z", revision, "--", *folders).decode("utf-8", "surrogateescape")
    blobs = [entry.split("\t", 1) for entry in listed.split("\0") if entry.split(" ")[1:2] == ["blob"]]
    contents = _contents(project, [about.split()[2] for about, _ in blobs])
    names = {name: _below(name, folders) for _, name in blobs}
    return {
        below: _text(content)
        for (_, name), content in zip(blobs, contents, strict=True)
        if (below := names[name]) is not None
    }


def _below(name: str, folders: Iterable[str]) -> str | None:
    folder = next((folder for folder in folders if name.startswith(folder)), None)
    return None if folder is None else in_bundle(name.removeprefix(folder))


def _contents(project: Project, objects: list[str]) -> list[bytes]:
    """Returns the contents of git objects; one process for all."""
    answer = _git(project, "cat-file", "--batch", text="".join(f"{name}\n" for name in objects)) if objects else b""
    found: list[bytes] = []
    at = 0
    for _ in objects:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        found.append(answer[end + 1 : end + 1 + size])
        at = end + size + 2
    return found


def _git(project: Project, *arguments: str, text: str = "") -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(project.folder), *arguments],
            input=text.encode(),
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigError("git is not installed, so there is nothing to compare with; leave out --against.") from None
    except subprocess.TimeoutExpired:
        raise OperationFailed(f"git did not answer within {_GIT_SECONDS} seconds.") from None
    if done.returncode != 0:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
        raise ConfigError(f"git cannot show that revision: {reason}")
    return done.stdout


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").replace("\r\n", "\n")
