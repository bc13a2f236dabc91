"""Where the generated files of a project are, and which bundle each job belongs to: one bundle, or many.

`layout_of` chooses once; no room above asks again. Of files it reads the names only, but for those that bundles share.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.bundle import BundleDeclarations, includes, read_bundle_declarations, read_bundle_file
from lakeflow_job_meta.config.model import BUNDLE_FILE, BUNDLES_FOLDER, Bundles, Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.jobs.all_jobs import Jobs
from lakeflow_job_meta.layout.generated_file import NOTEBOOK_PATH, SUFFIXES, FileKind, GeneratedFile
from lakeflow_job_meta.layout.job_summary import JobSummary
from lakeflow_job_meta.layout.partitioning import Partitioning, partition

NEARLY_FULL = 4000
"""The CLI keeps 2.1 MB of state per 1,000 jobs and reads it by an API that is limited to 10 MB: about 4,700 jobs."""


@dataclass(frozen=True, slots=True)
class BundleLayout(ABC):
    """How the generated files of a project are laid out; the bundle of a project of one has an empty name."""

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
        """Returns the names of the bundles in the root, or in a copy of it."""

    @abstractmethod
    def deployment_folder(self, bundle: str) -> Path: ...

    @property
    @abstractmethod
    def generated_folders(self) -> tuple[Path, ...]:
        """The folders in which everything is generated."""

    @abstractmethod
    def file_at(self, path: str) -> GeneratedFile | None:
        """Returns the file at a path below the root; None if no generated file can be there."""

    @abstractmethod
    def included(self) -> str:
        """Returns what a bundle includes; raises OperationFailed where the generated files are not among it."""

    @property
    def folder(self) -> Path:
        return self.project.folder / self.root

    @property
    def output(self) -> str:
        """The folder that `jobs/` and `sql/` are in, relative to the project; `*` stands for any bundle of many.

        A job's file names other files relative to itself, and says the same in each bundle, since all are as deep.
        """
        return f"{self.root}/{self.prefix('*')}".rstrip("/")

    def path_of(self, file: GeneratedFile) -> str:
        is_of_job = file.kind is not FileKind.BUNDLE
        return f"{self.prefix(file.bundle)}{file.path}" if is_of_job else f"{file.bundle}/{BUNDLE_FILE}"

    def in_project(self, file: GeneratedFile) -> str:
        """Returns the path of a file in the project, for people."""
        return f"{self.root}/{self.path_of(file)}"

    def candidates(self, root: str) -> Iterator[tuple[GeneratedFile, os.DirEntry[str]]]:
        """Yields what may be a generated file in the root or a copy, and what stands there.

        There are thousands, so no `Path` is made, which costs more than reading the file.
        """
        for bundle in self.bundles_in(Path(root)):
            self.refuse_outside(self._folders(root, bundle), root)
            for name, entry in _entries(f"{root}/{bundle}") if bundle else ():
                if name == BUNDLE_FILE:
                    yield GeneratedFile(bundle, FileKind.BUNDLE), entry
            folder = f"{root}/{self.prefix(bundle)}"
            for name, entry in _entries(f"{folder}jobs"):
                if name.endswith(".yml") and name[0] != ".":
                    yield GeneratedFile(bundle, FileKind.JOB, name[:-4]), entry
            yield from self._of_tasks(bundle, folder, root)

    def _of_tasks(self, bundle: str, folder: str, root: str) -> Iterator[tuple[GeneratedFile, os.DirEntry[str]]]:
        """Yields what may be a file of a task, or the notebook that jobs share, below a folder."""
        for kind in (FileKind.SQL, FileKind.RULES):
            suffix = f".{SUFFIXES[kind]}"
            for job_key, inside in _entries(f"{folder}{kind.value}"):
                if f"{kind.value}/{job_key}" == NOTEBOOK_PATH:
                    yield GeneratedFile(bundle, FileKind.NOTEBOOK), inside
                    continue
                self.refuse_outside([inside.path] if inside.is_symlink() else [], root)
                for name, entry in _entries(inside.path):
                    if name.endswith(suffix) and name[0] != ".":
                        yield GeneratedFile(bundle, kind, job_key, name.removesuffix(suffix)), entry

    def folders_in(self, root: Path) -> Iterator[Path]:
        """Yields the folders that generated files lie in, in the root or a copy."""
        for bundle in self.bundles_in(root):
            folders = self._folders(str(root), bundle)
            below = [entry.path for parent in folders[2:] for _, entry in _entries(parent) if not is_file(entry)]
            self.refuse_outside([*folders, *filter(os.path.islink, below)], str(root))
            yield from map(Path, [*folders, *below])

    def _folders(self, root: str, bundle: str) -> tuple[str, ...]:
        output = f"{root}/{self.prefix(bundle)}"
        return f"{root}/{bundle}".rstrip("/"), *(f"{output}{name}" for name in ("jobs", *SUFFIXES))

    def refuse_outside(self, folders: Iterable[str], root: str) -> None:
        """Raises ConfigError for a folder of generated files, in the root or a copy, that a link leads out of it."""
        home = os.path.realpath(self.project.folder if root == str(self.folder) else root)
        for folder in folders:
            real = os.path.realpath(folder)
            is_dangling = os.path.islink(folder) and not os.path.isdir(real)  # noqa: PTH112, PTH114
            if is_dangling or not f"{real}/".startswith(f"{home.rstrip('/')}/"):
                raise ConfigError(
                    f"{os.path.relpath(folder, self.project.folder)!r} leads to {real!r}, which is no folder of the "
                    "project, so nothing is read, written or deleted there. Make it a folder instead of a link, or "
                    "name another 'output' in job_meta.yml."
                )

    def job_keys(self, bundle: str) -> list[str]:
        folder = f"{self.folder}/{self.prefix(bundle)}jobs"
        try:
            return [name[:-4] for name, _ in _entries(folder) if name.endswith(".yml") and name[0] != "."]
        except OSError as error:
            raise OperationFailed(f"The folder {folder!r} cannot be read: {error.strerror}.") from error

    def jobs_on_disk(self) -> dict[str, tuple[str, ...]]:
        """Returns the bundles that hold a file of a job, by its key; more than one after a move that was cut off."""
        found: dict[str, tuple[str, ...]] = {}
        for bundle in self.bundles_in(self.folder):
            for key in self.job_keys(bundle):
                found[key] = (*found.get(key, ()), bundle)
        return found

    # What follows is for many bundles only, but for the warning.

    def unmoved_jobs(self) -> list[str]:
        """Returns the keys of jobs whose files still lie as in a project of one bundle."""
        return []

    def summaries(self, key: str, settings: Sequence[dict[str, Value]], group: str | None) -> tuple[JobSummary, ...]:
        """Returns what the bundle of a job has to know of it, if anything.

        `settings` are those of each target where they differ; `group` is that of its module.
        """
        return ()

    def partition(
        self, declared: BundleDeclarations, summaries: Sequence[JobSummary], jobs: Jobs, moving: Mapping[str, str]
    ) -> Partitioning:
        """Assigns jobs to bundles; raises ConfigError where what the bundles share is not right for each."""
        return Partitioning({}, ())

    def bundle_files(
        self,
        declared: BundleDeclarations,
        jobs: Iterable[tuple[str, JobSummary]],
        on_disk: Collection[GeneratedFile],
    ) -> dict[GeneratedFile, str]:
        """Returns the files of the bundles themselves, of all jobs that have a file and their bundles.

        A bundle that has lost its last job keeps its file: by it the next deployment knows that the job is to go.

        Raises:
            ConfigError: What the bundles share is not right for each.
        """
        return {}

    def size_warning(self, jobs: int) -> str | None:
        """Returns a warning where that many jobs are near the limit of the databricks CLI for a bundle."""
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
        return tuple(self.folder / name for name in ("jobs", *SUFFIXES))

    def file_at(self, path: str) -> GeneratedFile | None:
        return GeneratedFile.at(path)

    def included(self) -> str:
        path, wanted = self.project.bundle_file, f"{self.root}/jobs/*.yml"
        if not path.is_file():
            raise OperationFailed(
                f"there is no {BUNDLE_FILE} in {str(path.parent)!r}; `ljm init` makes a project that has one."
            )
        if not includes(path.parent, read_bundle_file(path) or {}, f"{self.root}/jobs/x.yml"):
            raise OperationFailed(
                f"{path.name} does not include the generated files; add `- {wanted}` below 'include:'."
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
    """The jobs split into bundles, each in a folder of its own: `bundles/part_001/resources/jobs/sales.yml`."""

    bundles: Bundles

    @property
    def root(self) -> str:
        return BUNDLES_FOLDER

    def prefix(self, bundle: str) -> str:
        return f"{bundle}/{self.project.output}/"

    def bundles_in(self, root: Path) -> list[str]:
        try:
            names = [name for name in os.listdir(root) if name[0] != "."] if root.is_dir() else []  # noqa: PTH208
            is_bundle = {name: (root / name / BUNDLE_FILE).is_file() for name in names}
            return sorted(name for name in names if is_bundle[name] or (root / f"{self.prefix(name)}jobs").is_dir())
        except OSError as error:
            raise OperationFailed(f"The folder {str(root)!r} cannot be read: {error.strerror}.") from error

    def deployment_folder(self, bundle: str) -> Path:
        return self.folder / bundle

    @property
    def generated_folders(self) -> tuple[Path, ...]:
        return (self.folder,)

    def file_at(self, path: str) -> GeneratedFile | None:
        bundle, _, inside = path.partition("/")
        if not bundle or bundle[0] == ".":
            return None
        if inside == BUNDLE_FILE:
            return GeneratedFile(bundle, FileKind.BUNDLE)
        output = f"{self.project.output}/"
        return GeneratedFile.at(inside.removeprefix(output), bundle) if inside.startswith(output) else None

    def included(self) -> str:
        from lakeflow_job_meta.layout.bundle_file import common_config  # most projects are one bundle

        common = common_config(self.project, read_bundle_declarations(self.project))
        return f"each bundle includes {listing(common.include) or 'nothing'}"

    def unmoved_jobs(self) -> list[str]:
        return SingleBundle(self.project).job_keys("")

    def summaries(self, key: str, settings: Sequence[dict[str, Value]], group: str | None) -> tuple[JobSummary, ...]:
        from lakeflow_job_meta.layout.summarize_job import summarize_job  # which needs all that builds jobs

        return (summarize_job(self.bundles.by, self.output, key, settings, group),)

    def partition(
        self, declared: BundleDeclarations, summaries: Sequence[JobSummary], jobs: Jobs, moving: Mapping[str, str]
    ) -> Partitioning:
        from lakeflow_job_meta.layout.bundle_file import common_config

        common_config(self.project, declared)
        return partition(self.bundles, self.jobs_on_disk(), summaries, jobs, moving)

    def bundle_files(
        self,
        declared: BundleDeclarations,
        jobs: Iterable[tuple[str, JobSummary]],
        on_disk: Collection[GeneratedFile],
    ) -> dict[GeneratedFile, str]:
        from lakeflow_job_meta.layout.bundle_file import bundle_file, common_config

        common, output = common_config(self.project, declared), self.project.output
        found: dict[str, list[JobSummary]] = {file.bundle: [] for file in on_disk if file.kind is FileKind.BUNDLE}
        for bundle, job in jobs:
            found.setdefault(bundle, []).append(job)
        return {
            GeneratedFile(bundle, FileKind.BUNDLE): bundle_file(output, common, bundle, own)
            for bundle, own in found.items()
        }


def layout_of(project: Project) -> BundleLayout:
    """Returns the layout of a project, as its project file chooses it."""
    return SingleBundle(project) if project.bundles is None else ManyBundles(project, project.bundles)


def many_bundles_of(project: Project) -> ManyBundles:
    """Returns the layout of a project that is split into many bundles; raises ConfigError for another one."""
    layout = layout_of(project)
    if not isinstance(layout, ManyBundles):
        raise ConfigError("This project is one bundle; `bundles:` in job_meta.yml splits it into many.")
    return layout


def is_file(entry: os.DirEntry[str]) -> bool:
    """Returns whether what stands in a folder is a file, or a link to one."""
    return entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path)  # noqa: PTH113


def _entries(folder: str) -> list[tuple[str, os.DirEntry[str]]]:
    """Returns all that is in a folder, by name; nothing if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted([(entry.name, entry) for entry in entries], key=itemgetter(0))
    except (FileNotFoundError, NotADirectoryError):
        return []
