"""A generated file by what it is: of which bundle and job, and of which kind. Pure.

Where it is on disk is the layout's business; its path below the output folder of its bundle is the same in each layout.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from lakeflow_job_meta.jobs.quality_names import NOTEBOOK, RULES_FOLDER

_OF_TASK = re.compile(r"(?P<folder>sql|quality)/(?P<job>[^/]+)/(?P<name>[^/.][^/]*)\.(?P<suffix>\w+)")


SUFFIXES = {"sql": "sql", "quality": "yml"}
"""Of the files of tasks, by their folder."""

NOTEBOOK_PATH = f"{RULES_FOLDER}/{NOTEBOOK}"


class FileKind(str, Enum):
    """What a generated file holds."""

    BUNDLE = "bundle"
    JOB = "job"
    SQL = "sql"
    RULES = "quality"
    NOTEBOOK = "notebook"

    # That of Enum is written in Python, and files are looked up tens of thousands of times.
    __hash__ = str.__hash__


class GeneratedFile(NamedTuple):
    """One generated file of a project; a tuple, since there are thousands, which are looked up again and again.

    Attributes:
        bundle: The name of its bundle; empty in a project of one.
        job_key: The job's; empty for the file of a bundle itself, and for the notebook that its jobs share.
        name: Of a file of a task, without folder and suffix; empty for other files.
    """

    bundle: str
    kind: FileKind
    job_key: str = ""
    name: str = ""

    @classmethod
    def at(cls, path: str, bundle: str = "") -> GeneratedFile | None:
        """Returns the file of a job at a path below the output folder of a bundle; None if none can be there."""
        if path.startswith("jobs/") and path.endswith(".yml"):  # nearly all, and twice as fast
            job = path[5:-4]
            return cls(bundle, FileKind.JOB, job) if job and job[0] != "." and "/" not in job else None
        match = _OF_TASK.fullmatch(path)
        if match is None:
            return cls(bundle, FileKind.NOTEBOOK) if path == NOTEBOOK_PATH else None
        folder, job_of_file, name, suffix = match.groups()
        return cls(bundle, FileKind(folder), job_of_file, name) if suffix == SUFFIXES[folder] else None

    @property
    def path(self) -> str:
        """The path of a job's file, or of what jobs share, below the output folder of its bundle."""
        if self.kind in SUFFIXES:
            return task_file_path(self.kind.value, self.job_key, self.name)
        return NOTEBOOK_PATH if self.kind is FileKind.NOTEBOOK else job_path(self.job_key)

    def moved_to(self, bundle: str) -> GeneratedFile:
        return GeneratedFile(bundle, self.kind, self.job_key, self.name)


def job_path(job_key: str) -> str:
    """Returns the path of a job's file below an output folder."""
    return f"jobs/{job_key}.yml"


def task_file_path(folder: str, job_key: str, name: str) -> str:
    """Returns the path of a file of a task below an output folder: inline SQL, or rules for the rows of a table."""
    return f"{folder}/{job_key}/{name}.{SUFFIXES[folder]}"


def sql_path(job_key: str, name: str) -> str:
    """Returns the path of a task's inline SQL below an output folder."""
    return task_file_path("sql", job_key, name)
