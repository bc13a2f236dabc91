"""From how many jobs on the databricks CLI needs long for a single bundle. Pure."""

from __future__ import annotations

import re

MANY_FILES = 300
"""From here on the CLI's time for reading one file per job matters: it grows with the square, to 69 s for 1,000."""

LAST_SLOW_VERSION = (1, 13)
"""The newest version of the CLI that was measured to be that slow; later ones are announced to be faster."""


def slow_warning(jobs: int, version: str) -> str | None:
    """Returns a warning when the CLI needs long for a single bundle; None otherwise.

    Args:
        jobs: How many it has, in a file each.
        version: Of the databricks CLI.
    """
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if jobs < MANY_FILES or numbers > LAST_SLOW_VERSION:
        return None
    return (
        f"Warning: the databricks CLI {version} needs long for a bundle of {jobs:,} jobs. `bundles:` in job_meta.yml "
        "splits them into many bundles (docs/many-bundles.md)."
    )
