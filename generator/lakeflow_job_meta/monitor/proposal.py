"""What a monitor would deploy, in a folder for a pull request: the generated files, and the plan in Markdown.

Writes below that folder only. The files there are complete: a CI job puts them in the place of the project's own.
"""

from __future__ import annotations

from pathlib import Path

from lakeflow_job_meta._internal.fs import write_atomically
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.output.read_back import scan
from lakeflow_job_meta.output.writer import FileChanges, apply_changes, changes_between
from lakeflow_job_meta.planning.compare import compare_files
from lakeflow_job_meta.planning.explain import as_markdown

PLAN = "plan.md"


def write_proposal(folder: Path, changes: FileChanges) -> None:
    """Writes the files as they would be with the changes, and the plan.

    Raises:
        OperationFailed: The disk refuses, or a file of somebody else is in the way.
    """
    layout, copy = changes.layout, folder / changes.layout.root
    (on_disk, _), (copied, _) = scan(layout), scan(layout, copy)
    apply_changes(changes_between(layout, copy, copied, changes.applied_to(on_disk)))
    path = folder / PLAN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f"{as_markdown(compare_files(changes))}\n".encode())
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror}.") from error
