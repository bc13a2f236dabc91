"""Finds the files that ship with the package: templates, schemas and the Databricks side.

They stand at the top of the repository, where people look for them, and inside the package in a wheel.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_IN_WHEEL = _PACKAGE / "_shipped"


def shipped(*parts: str) -> Path:
    """Returns the path of a shipped file or folder, such as `shipped("schemas", "job.schema.json")`."""
    root = _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent.parent
    return root.joinpath(*parts)
