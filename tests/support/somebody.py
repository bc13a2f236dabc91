"""A project of somebody who is not root: nothing keeps root out of a folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.project_folder import ProjectFolder

_NOBODY = 65534


@contextmanager
def project_of_somebody() -> Iterator[ProjectFolder]:
    """Gives an empty project, and lets this process be somebody else than root for as long."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        project = ProjectFolder(Path(folder) / "project")
        if user == 0:
            for path in (Path(folder), *Path(folder).rglob("*")):
                os.chown(path, _NOBODY, -1)
            os.seteuid(_NOBODY)
        try:
            yield project
        finally:
            os.seteuid(user)
            for path in (project.path, *project.path.rglob("*")):
                path.chmod(0o700)
