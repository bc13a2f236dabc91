"""What a monitor would deploy, in a folder for a pull request: the generated files, and the plan in Markdown.

Writes below that folder only. The files there are complete: a CI job puts them in the place of the project's own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import write_atomically
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.output.writer import Change, FileChange, FileChanges, apply_changes, generated_files
from lakeflow_job_meta.plan.explain import FORMATS
from lakeflow_job_meta.plan.file_plan import plan_files

PLAN = "plan.md"


def write_proposal(folder: Path, project: Project, changes: FileChanges) -> None:
    """Writes the files as they would be, and the plan.

    Args:
        folder: Where to.
        project: The project.
        changes: What would change in its own generated files.

    Raises:
        OperationFailed: The disk refuses, or a file of somebody else is in the way.
    """
    wanted = generated_files(project, project.folder / project.generated)
    for change in changes.changes:
        if change.kind is Change.DELETE:
            wanted.pop(change.path, None)
        else:
            wanted[change.path] = change.after
    there = generated_files(project, folder / project.generated)
    writes = [
        FileChange(Change.UPDATE if path in there else Change.CREATE, path, there.get(path, ""), text)
        for path, text in sorted(wanted.items())
        if there.get(path) != text
    ]
    gone = [FileChange(Change.DELETE, path, text, "") for path, text in sorted(there.items()) if path not in wanted]
    apply_changes(replace(changes, folder=folder / project.generated, changes=(*writes, *gone)))
    path, plan = folder / PLAN, FORMATS["markdown"](plan_files(project, changes), None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f"{plan}\n".encode())
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror}.") from error
