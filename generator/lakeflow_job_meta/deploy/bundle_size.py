"""How many jobs a single bundle can hold, and what to do before it is too late. Pure."""

from __future__ import annotations

import re

from lakeflow_job_meta.config.model import Project

MANY_FILES = 300
"""From here on the CLI's time for reading one file per job matters: it grows with the square, to 69 s for 1,000."""

LAST_SLOW_VERSION = (1, 13)
"""The newest version of the CLI that was measured to be that slow; later ones are announced to be faster."""

NEARLY_FULL = 4000
"""The CLI keeps 2.1 MB of state per 1,000 jobs and reads it by an API that is limited to 10 MB: about 4,700 jobs."""

_REMEDY = "`bundles:` in job_meta.yml splits them into many bundles (docs/many-bundles.md)."


def full_warning(project: Project, jobs: int) -> str | None:
    """Returns a warning when a single bundle nears the limit of the CLI; None otherwise.

    Args:
        project: The project.
        jobs: How many it has.
    """
    if project.bundles is not None or jobs < NEARLY_FULL:
        return None
    what = f"this bundle has {jobs:,} jobs, and the databricks CLI cannot hold more than about 4,700"
    return f"Warning: {what}. {_REMEDY}"


def slow_warning(jobs: int, version: str) -> str | None:
    """Returns a warning when the CLI needs long for a single bundle; None otherwise.

    Args:
        jobs: How many it has, in a file each.
        version: Of the databricks CLI.
    """
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if jobs < MANY_FILES or numbers > LAST_SLOW_VERSION:
        return None
    return f"Warning: the databricks CLI {version} needs long for a bundle of {jobs:,} jobs. {_REMEDY}"
