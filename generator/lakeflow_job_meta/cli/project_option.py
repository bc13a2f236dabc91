"""What commands share: the project they work on, its metadata, and a progress bar while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lakeflow_job_meta.compilation import Compilation, compile_project
from lakeflow_job_meta.project import Project, find_project_folder, load_project


def open_project(folder: Path | None) -> Project:
    """Loads the project of `--project`, or the one that the current folder is in.

    Raises:
        Misconfigured: There is none, or its file has mistakes.
    """
    return load_project(folder if folder is not None else find_project_folder(Path.cwd()))


def compile_metadata(project: Project) -> Compilation:
    """Reads all metadata of a project and compiles it, with a progress bar when that takes long."""
    with progress("Reading metadata") as update:
        readings = []
        readers = project.readers()
        for number, reader in enumerate(readers):
            update(number, len(readers))
            readings.append(reader.read())
    with progress("Checking modules") as update:
        return compile_project(project, readings, update)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that shows progress on a terminal, from the second second on; elsewhere it does nothing."""
    from lakeflow_job_meta.cli.progress import ProgressBar

    bar = ProgressBar(title)
    try:
        yield bar.update
    finally:
        bar.close()
