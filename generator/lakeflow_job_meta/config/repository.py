"""The repository that a project is in, and the CI that runs in it: where there an annotation belongs.

Reads the environment, and asks the disk which folder above the project is a git repository; runs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from lakeflow_job_meta.config.model import PROJECT_FILE, Project
from lakeflow_job_meta.diagnostics.formats import Place
from lakeflow_job_meta.diagnostics.model import Location


class Ci(str, Enum):
    """A CI that is known by its variables."""

    GITHUB = "github"
    AZURE = "azure"
    GITLAB = "gitlab"


_SIGNS = {Ci.GITHUB: "GITHUB_ACTIONS", Ci.AZURE: "TF_BUILD", Ci.GITLAB: "GITLAB_CI"}
_CHECKOUTS = ("GITHUB_WORKSPACE", "BUILD_SOURCESDIRECTORY", "CI_PROJECT_DIR")
"""The variables of a CI that name the folder of the checkout."""


def ci_of(environment: Mapping[str, str]) -> Ci | None:
    """Returns the CI that a process runs in, if it is one of those."""
    return next((ci for ci, name in _SIGNS.items() if environment.get(name, "").lower() == "true"), None)


def repository_of(folder: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Returns the root of the repository that a folder is in.

    It is git's; without a git repository, as in an image that the files were copied to, it is the checkout that the CI
    names; else the folder itself.
    """
    folder = folder.resolve()
    named = (Path(environment[name]).resolve() for name in _CHECKOUTS if environment.get(name))
    checkouts = [each for each in named if folder.is_relative_to(each)]
    gits = (each for each in (folder, *folder.parents) if os.path.lexists(each / ".git"))
    return next(gits, checkouts[0] if checkouts else folder)


@dataclass(frozen=True, slots=True)
class RepositoryPlaces:
    """Finds the line of a file in the repository for each location of a project's diagnostics.

    What is no file of the repository, such as the row of a table, is at the source of metadata that it came from, in
    the project file.
    """

    project: Project
    repository: Path

    def __call__(self, at: Location) -> Place:
        path = self._path(at.path) if at.is_file else None
        if path is not None:
            return Place(replace(at, path=path), is_near=False)
        found = self._source(at.path)
        return Place(replace(found, path=self._path(found.path) or found.path), is_near=True)

    def _path(self, path: str) -> str | None:
        whole = Path(os.path.normpath(self.project.folder.resolve() / path))
        return whole.relative_to(self.repository).as_posix() if whole.is_relative_to(self.repository) else None

    def _source(self, path: str) -> Location:
        origin = self.project.origin
        for index, source in enumerate(self.project.metadata):
            rest = path.removeprefix(source.location)
            if rest != path and rest[:1] in ("", "[", ".", "/"):
                return origin.at("metadata", index).location()
        return Location(PROJECT_FILE, 1, 1)


def places_in_repository(project: Project, environment: Mapping[str, str] = os.environ) -> RepositoryPlaces:
    """Returns what finds the places of a project's diagnostics in the repository that the project is in."""
    return RepositoryPlaces(project, repository_of(project.folder, environment))
