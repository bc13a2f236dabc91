"""Where the generated files of a project are, and which bundle each job belongs to: one bundle, or many.

The choice is made once, by `layout_of`; nothing above this room asks for it again. Of files it reads the names only,
but for the files that bundles share.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.model import BUNDLE_FILE, BUNDLES_FOLDER, Bundles, Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed, PolicyRefused
from lakeflow_job_meta.jobs.model import Jobs
from lakeflow_job_meta.layout.bundle_file import bundle_file, read_common_config
from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile
from lakeflow_job_meta.layout.job_summary import JobSummary, summarize_job
from lakeflow_job_meta.layout.partitioning import Partitioning, partition
from lakeflow_job_meta.text.yaml_reader import read_yaml

NEARLY_FULL = 4000
"""The CLI keeps 2.1 MB of state per 1,000 jobs and reads it by an API that is limited to 10 MB: about 4,700 jobs."""


@dataclass(frozen=True, slots=True)
class BundleLayout(ABC):
    """How the generated files of a project are laid out. A project of one bundle has one whose name is empty."""

    project: Project

    @property
    @abstractmethod
    def root(self) -> str:
        """The folder that all generated files are below, relative to the project."""

    @abstractmethod
    def prefix(self, bundle: str) -> str:
        """Returns what leads from the root to `jobs/` and `sql/` of a bundle: nothing, or a path that ends in `/`."""

    @abstractmethod
    def bundles_in(self, root: Path) -> list[str]:
        """Returns the names of the bundles that are on disk.

        Args:
            root: The root of the project, or a copy of it.

        Raises:
            OperationFailed: The folder cannot be read.
        """

    @abstractmethod
    def deployment_folder(self, bundle: str) -> Path:
        """Returns the folder in which a bundle is deployed."""

    @property
    @abstractmethod
    def generated_folders(self) -> tuple[Path, ...]:
        """The folders in which everything is generated."""

    @property
    def folder(self) -> Path:
        """The root itself."""
        return self.project.folder / self.root

    @property
    def output(self) -> str:
        """The folder that `jobs/` and `sql/` are in, relative to the project; `*` stands for any bundle of many.

        A job's file names other files relative to itself, and says the same in each bundle, since all are as deep.
        """
        return f"{self.root}/{self.prefix('*')}".rstrip("/")

    def path_of(self, file: GeneratedFile) -> str:
        """Returns the path of a file below the root."""
        if file.kind is FileKind.BUNDLE:
            return f"{file.bundle}/{BUNDLE_FILE}"
        return f"{self.prefix(file.bundle)}{file.path}"

    def in_project(self, file: GeneratedFile) -> str:
        """Returns the path of a file in the project, for people."""
        return f"{self.root}/{self.path_of(file)}"

    @abstractmethod
    def file_at(self, path: str) -> GeneratedFile | None:
        """Returns the file at a path below the root; None if no generated file can be there."""

    def candidates(self, root: str) -> Iterator[tuple[GeneratedFile, str, bool]]:
        """Yields what may be a generated file: its whole path, and whether it is a file at all.

        There are thousands, so all of it is plain text: a `Path` costs more than reading the file.

        Args:
            root: The root of the project, or a copy of it.
        """
        for bundle in self.bundles_in(Path(root)):
            for name, path, is_file in _entries(f"{root}/{bundle}") if bundle else ():
                if name == BUNDLE_FILE:
                    yield GeneratedFile(bundle, FileKind.BUNDLE), path, is_file
            folder = f"{root}/{self.prefix(bundle)}"
            for name, path, is_file in _entries(f"{folder}jobs"):
                if name.endswith(".yml") and name[0] != ".":
                    yield GeneratedFile(bundle, FileKind.JOB, name[:-4]), path, is_file
            for job_key, inside, _ in _entries(f"{folder}sql"):
                for name, path, is_file in _entries(inside):
                    if name.endswith(".sql") and name[0] != ".":
                        yield GeneratedFile(bundle, FileKind.SQL, job_key, name[:-4]), path, is_file

    def folders_in(self, root: Path) -> Iterator[Path]:
        """Yields the folders that generated files lie in.

        Args:
            root: The root of the project, or a copy of it.
        """
        for bundle in self.bundles_in(root):
            output = root / self.prefix(bundle)
            yield from (root / bundle, output / "jobs", *output.glob("sql/*"))

    def job_keys(self, bundle: str) -> list[str]:
        """Returns the keys of the jobs that have a file in a bundle."""
        found = (self.folder / f"{self.prefix(bundle)}jobs").glob("*.yml")
        return sorted(path.stem for path in found if not path.name.startswith("."))

    def jobs_on_disk(self) -> dict[str, tuple[str, ...]]:
        """Returns the bundles that hold a file of a job, by its key; more than one after a move that was cut off."""
        found: dict[str, tuple[str, ...]] = {}
        for bundle in self.bundles_in(self.folder):
            for key in self.job_keys(bundle):
                found[key] = (*found.get(key, ()), bundle)
        return found

    # What only a project of many bundles has to do.

    def refuse_unmoved_jobs(self) -> None:
        """Stops where files of another layout are still there.

        Raises:
            PolicyRefused: Says how to go on.
        """

    def summaries(self, key: str, settings: dict[str, Value], group: str | None) -> tuple[JobSummary, ...]:
        """Returns what the bundle of a job has to know of it, if anything.

        Args:
            key: The job's.
            settings: The job's.
            group: Of its module.
        """
        return ()

    def partition(self, summaries: Sequence[JobSummary], jobs: Jobs, moving: Mapping[str, str]) -> Partitioning:
        """Assigns jobs to bundles.

        Args:
            summaries: Of the jobs without an error.
            jobs: The same jobs, for the places of what is wrong with them.
            moving: Keys of jobs that are being moved, with the bundles that they go to.

        Raises:
            ConfigError: What the bundles share is not right for each.
        """
        return Partitioning({}, ())

    def bundle_files(
        self, jobs: Iterable[tuple[str, JobSummary]], on_disk: Collection[GeneratedFile]
    ) -> dict[GeneratedFile, str]:
        """Returns the files of the bundles themselves.

        A bundle that has lost its last job keeps its file: by it the next deployment knows that the job is to go.

        Args:
            jobs: All jobs that have a file, with their bundles.
            on_disk: All generated files that are there.

        Raises:
            ConfigError: What the bundles share is not right for each.
        """
        return {}

    @abstractmethod
    def included(self) -> str:
        """Returns what the bundle includes, or each of many.

        Raises:
            OperationFailed: The generated files are not included.
        """

    def size_warning(self, jobs: int) -> str | None:
        """Returns a warning where a bundle nears the limit of the databricks CLI.

        Args:
            jobs: How many the project has.
        """
        return None


@dataclass(frozen=True, slots=True)
class SingleBundle(BundleLayout):
    """All jobs in the bundle whose folder is the project's: `resources/jobs/sales.yml`."""

    @property
    def root(self) -> str:
        return self.project.output

    def prefix(self, bundle: str) -> str:
        return ""

    def bundles_in(self, root: Path) -> list[str]:
        return [""]

    def deployment_folder(self, bundle: str) -> Path:
        return self.project.folder

    @property
    def generated_folders(self) -> tuple[Path, ...]:
        # Resources that were written by hand may lie beside them.
        return self.folder / "jobs", self.folder / "sql"

    def file_at(self, path: str) -> GeneratedFile | None:
        return GeneratedFile.at(path)

    def included(self) -> str:
        path = self.project.folder / BUNDLE_FILE
        if not path.is_file():
            raise OperationFailed(
                f"there is no {BUNDLE_FILE} in {str(self.project.folder)!r}; bundle/starter of this project has one."
            )
        root = read_yaml(path.read_text(encoding="utf-8", errors="replace")).value
        include = value_at(root, ("include",))[1]
        wanted = f"{self.root}/jobs/*.yml"
        if not isinstance(include, list) or wanted not in include:
            raise OperationFailed(
                f"{BUNDLE_FILE} does not include the generated files; add `- {wanted}` below 'include:'."
            )
        return wanted

    def size_warning(self, jobs: int) -> str | None:
        if jobs < NEARLY_FULL:
            return None
        return (
            f"Warning: this bundle has {jobs:,} jobs, and the databricks CLI cannot hold more than about 4,700. "
            "`bundles:` in job_meta.yml splits them into many bundles (docs/many-bundles.md)."
        )


@dataclass(frozen=True, slots=True)
class ManyBundles(BundleLayout):
    """The jobs split into bundles, each in a folder of its own: `bundles/part_001/resources/jobs/sales.yml`.

    Attributes:
        bundles: How they are split.
    """

    bundles: Bundles

    @property
    def root(self) -> str:
        return BUNDLES_FOLDER

    def prefix(self, bundle: str) -> str:
        return f"{bundle}/{self.project.output}/"

    def bundles_in(self, root: Path) -> list[str]:
        try:
            found = [path for path in root.iterdir() if not path.name.startswith(".")] if root.is_dir() else []
            return sorted(
                path.name
                for path in found
                if (path / BUNDLE_FILE).is_file() or (root / f"{self.prefix(path.name)}jobs").is_dir()
            )
        except OSError as error:
            raise OperationFailed(f"The folder {str(root)!r} cannot be read: {error.strerror}.") from error

    def deployment_folder(self, bundle: str) -> Path:
        return self.folder / bundle

    @property
    def generated_folders(self) -> tuple[Path, ...]:
        return (self.folder,)

    def file_at(self, path: str) -> GeneratedFile | None:
        bundle, _, inside = path.partition("/")
        if not bundle or bundle.startswith("."):
            return None
        if inside == BUNDLE_FILE:
            return GeneratedFile(bundle, FileKind.BUNDLE)
        output = f"{self.project.output}/"
        return GeneratedFile.at(inside.removeprefix(output), bundle) if inside.startswith(output) else None

    def refuse_unmoved_jobs(self) -> None:
        left = SingleBundle(self.project).job_keys("")
        if left:
            raise PolicyRefused(
                f"{self.project.output}/jobs still holds the {count(len(left), 'job')} of a single bundle, and "
                "'bundles' in job_meta.yml would create each a second time. Move them with `ljm bundles move --all -t "
                "TARGET`, which keeps the jobs in the workspace, or take 'bundles' out again. Nothing was changed."
            )

    def summaries(self, key: str, settings: dict[str, Value], group: str | None) -> tuple[JobSummary, ...]:
        return (summarize_job(self.bundles.by, self.output, key, settings, group),)

    def partition(self, summaries: Sequence[JobSummary], jobs: Jobs, moving: Mapping[str, str]) -> Partitioning:
        read_common_config(self.project)
        return partition(self.bundles, self.jobs_on_disk(), summaries, jobs, moving)

    def bundle_files(
        self, jobs: Iterable[tuple[str, JobSummary]], on_disk: Collection[GeneratedFile]
    ) -> dict[GeneratedFile, str]:
        common = read_common_config(self.project)
        found: dict[str, list[JobSummary]] = {file.bundle: [] for file in on_disk if file.kind is FileKind.BUNDLE}
        for bundle, job in jobs:
            found.setdefault(bundle, []).append(job)
        return {
            GeneratedFile(bundle, FileKind.BUNDLE): bundle_file(self.project.output, common, bundle, own)
            for bundle, own in found.items()
        }

    def included(self) -> str:
        return f"each bundle includes {listing(read_common_config(self.project).include) or 'nothing'}"


def layout_of(project: Project) -> BundleLayout:
    """Returns the layout of a project, as its project file chooses it."""
    return SingleBundle(project) if project.bundles is None else ManyBundles(project, project.bundles)


def many_bundles_of(project: Project) -> ManyBundles:
    """Returns the layout of a project that is split into many bundles.

    Raises:
        ConfigError: It is one bundle.
    """
    if project.bundles is None:
        raise ConfigError("This project is one bundle; `bundles:` in job_meta.yml splits it into many.")
    return ManyBundles(project, project.bundles)


def _entries(folder: str) -> list[tuple[str, str, bool]]:
    """Returns name, path and whether it is a file of all that is in a folder; nothing if there is no such folder."""
    if not os.path.isdir(folder):  # noqa: PTH112
        return []
    with os.scandir(folder) as entries:
        return sorted(
            (entry.name, entry.path, entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path))  # noqa: PTH113
            for entry in entries
        )
