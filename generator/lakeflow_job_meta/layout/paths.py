"""Paths of the generated files of a job below the output folder. Pure."""

from __future__ import annotations


def job_path(job_key: str) -> str:
    """Returns the path of a job's file below the output folder."""
    return f"jobs/{job_key}.yml"


def sql_path(job_key: str, name: str) -> str:
    """Returns the path of a task's inline SQL below the output folder."""
    return f"sql/{job_key}/{name}.sql"


def job_of_path(path: str) -> str:
    """Returns the key of the job whose file a path below the output folder is."""
    parts = path.split("/")
    return parts[1].removesuffix(".yml") if parts[0] == "jobs" else parts[1]
