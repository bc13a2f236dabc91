"""Where the generated files of jobs are on disk. Reads names only."""

from __future__ import annotations

from pathlib import Path

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.config.model import BUNDLE_FILE, BUNDLES_FOLDER, Project
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused


def bundle_folders(root: Path, output: str) -> list[str]:
    """Returns the names of the bundles that are on disk.

    Args:
        root: The folder of all bundles.
        output: Where the generated files are in each.

    Raises:
        OperationFailed: The folder cannot be read.
    """
    try:
        found = [path for path in root.iterdir() if not path.name.startswith(".")] if root.is_dir() else []
        return sorted(
            path.name for path in found if (path / BUNDLE_FILE).is_file() or (path / output / "jobs").is_dir()
        )
    except OSError as error:
        raise OperationFailed(f"The folder {str(root)!r} cannot be read: {error.strerror}.") from error


def jobs_on_disk(project: Project) -> dict[str, tuple[str, ...]]:
    """Returns the bundles that hold a file of a job, by the job's key; more than one after a move that was cut off."""
    found: dict[str, tuple[str, ...]] = {}
    root = project.folder / BUNDLES_FOLDER
    for bundle in bundle_folders(root, project.output):
        for key in job_keys_in(root / bundle / project.output):
            found[key] = (*found.get(key, ()), bundle)
    return found


def job_keys_in(folder: Path) -> list[str]:
    """Returns the keys of the jobs that have a file in an output folder."""
    return sorted(path.stem for path in (folder / "jobs").glob("*.yml") if not path.name.startswith("."))


def refuse_files_of_one_bundle(project: Project) -> None:
    """Stops where the files of a single bundle are still there: the jobs would be made a second time.

    Raises:
        PolicyRefused: Says how to go on.
    """
    left = job_keys_in(project.folder / project.output) if project.bundles is not None else []
    if left:
        raise PolicyRefused(
            f"{project.output}/jobs still holds the {count(len(left), 'job')} of a single bundle, and 'bundles' in "
            "job_meta.yml would make each a second time. Move them with `ljm bundles move --all -t TARGET`, which "
            "keeps the jobs in the workspace, or take 'bundles' out again. Nothing was changed."
        )


def in_bundle(path: str) -> str:
    """Returns a path below the folder of generated files as it is below the output folder of one bundle.

    `part_001/resources/jobs/sales.yml` becomes `jobs/sales.yml`, and that stays as it is.
    """
    # Plain text: this is asked thousands of times, and a path object costs ten times as much.
    parts = path.split("/")
    if is_bundle_file(path):
        return parts[-1]
    return "/".join(parts[-3:] if path.endswith(".sql") else parts[-2:])


def is_bundle_file(path: str) -> bool:
    """Says whether a path below the folder of generated files is the file of a bundle, not one of a job."""
    bundle, _, name = path.partition("/")
    return name == BUNDLE_FILE and bundle != "jobs"
