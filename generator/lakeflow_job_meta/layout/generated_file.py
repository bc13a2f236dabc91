"""A generated file by what it is: of which bundle and job, and of which kind. Pure.

Where it is on disk is the layout's business; its path below the output folder of its bundle is the same in each layout.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

_PATH = re.compile(r"jobs/(?P<job>[^/.][^/]*)\.yml|sql/(?P<job_of_sql>[^/]+)/(?P<name>[^/.][^/]*)\.sql")


class FileKind(str, Enum):
    """What a generated file holds."""

    BUNDLE = "bundle"
    JOB = "job"
    SQL = "sql"

    # That of Enum is written in Python, and files are looked up tens of thousands of times.
    __hash__ = str.__hash__


class GeneratedFile(NamedTuple):
    """One generated file of a project; a tuple, since there are thousands, which are looked up again and again.

    Attributes:
        bundle: The name of its bundle; empty in a project of one.
        job_key: The job's; empty for the file of a bundle itself.
        name: Of inline SQL, without folder and suffix; empty for other files.
    """

    bundle: str
    kind: FileKind
    job_key: str = ""
    name: str = ""

    @classmethod
    def at(cls, path: str, bundle: str = "") -> GeneratedFile | None:
        """Returns the file of a job at a path below the output folder of a bundle; None if none can be there."""
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        job, job_of_sql, name = match.groups()
        return cls(bundle, FileKind.JOB, job) if job else cls(bundle, FileKind.SQL, job_of_sql, name)

    @property
    def path(self) -> str:
        """The path of a job's file below the output folder of its bundle."""
        return sql_path(self.job_key, self.name) if self.kind is FileKind.SQL else job_path(self.job_key)

    def moved_to(self, bundle: str) -> GeneratedFile:
        return GeneratedFile(bundle, self.kind, self.job_key, self.name)


def job_path(job_key: str) -> str:
    """Returns the path of a job's file below an output folder."""
    return f"jobs/{job_key}.yml"


def sql_path(job_key: str, name: str) -> str:
    """Returns the path of a task's inline SQL below an output folder."""
    return f"sql/{job_key}/{name}.sql"
