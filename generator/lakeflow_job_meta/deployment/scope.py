"""By which tags a job of the workspace is known to belong to a project, a target and a module. Pure.

A tag stays with its job whatever happens to records elsewhere. Only what carries our tags is ever touched.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from lakeflow_job_meta.project import Project

KEY_TAG = "lakeflow_job_meta_key"
SCOPE_TAG = "lakeflow_job_meta_scope"
SENT_TAG = "lakeflow_job_meta_sent"
"""The digest of what was sent last."""

_LONGEST_PART = 100
"""Tags of jobs become tags of clusters, whose values have at most 255 characters on AWS; two parts fit twice."""

_NOT_IN_TAG = re.compile(r"[^A-Za-z0-9_.-]+")
"""What AWS, Azure and Google Cloud do not all take in a tag."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One target of one project.

    Attributes:
        name: The project's, from its control table or its folder.
    """

    name: str
    target: str

    @property
    def tag(self) -> str:
        """The value of `SCOPE_TAG`."""
        return f"{self.name}:{self.target}"

    @property
    def folder(self) -> str:
        """The same as a relative path."""
        return f"{self.name}/{self.target}"


def scope_of(project: Project, target: str) -> Scope:
    """Returns the scope of a project's target."""
    return Scope(_part(project.control_table or project.folder.name), _part(target))


def _part(text: str) -> str:
    """Returns text as it may stand in a tag; what had to be changed for that gets a digest, to stay distinct."""
    clean = _NOT_IN_TAG.sub("_", text).strip(".")
    if clean == text and len(clean) <= _LONGEST_PART:
        return clean
    return f"{clean[: _LONGEST_PART - 13]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"
