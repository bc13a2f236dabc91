"""Deploys a project of many bundles: only those whose files changed, several at a time, behind one gate for all.

A bundle that fails keeps no other from being deployed. What is not touched is not asked for either: its jobs are those
that its last deployment recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lakeflow_job_meta._internal.parallel import run_in_threads
from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import BUNDLES_FOLDER, Project
from lakeflow_job_meta.deploy.backend import JobsRejected, StalePlan
from lakeflow_job_meta.deploy.databricks_cli.deployer import CliDeployer
from lakeflow_job_meta.deploy.many_bundles.records import (
    BundleFingerprints,
    BundleRecord,
    read_bundle_record,
    write_bundle_record,
)
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused
from lakeflow_job_meta.layout.on_disk import bundle_folders, jobs_on_disk
from lakeflow_job_meta.layout.paths import job_of_path
from lakeflow_job_meta.plan.model import Action, BundlePlan, ResourceChange, job_names
from lakeflow_job_meta.state.tracking import DeployedJob

MakeDeployer = Callable[[str, Compilation, Path, Callable[[], str]], CliDeployer]
"""Makes the deployer of one bundle: its name, its part of the compilation, its state folder, its digest."""


@dataclass(frozen=True, slots=True)
class ManyBundlesOptions:
    """How the bundles are deployed.

    Attributes:
        at_a_time: How many at the same time.
        all_bundles: Whether those are planned too whose files did not change.
        rejects: Whether jobs with which a bundle cannot be planned are told as such, to be left out.
        stop: Set to end everything.
    """

    at_a_time: int = 2
    all_bundles: bool = False
    rejects: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


class BundlesDeployer:
    """Brings the bundles of a project into a workspace with the databricks CLI.

    Args:
        project: A project of many bundles, whose files are written.
        compilation: The jobs.
        folder: The state folder of the target.
        make: Makes the deployer of one bundle.
        known: Asks the record for the jobs that are there.
        environment: The variables of the process.
        manner: How.
        say: Told what is being done.
    """

    def __init__(
        self,
        project: Project,
        compilation: Compilation,
        folder: Path,
        make: MakeDeployer,
        known: Callable[[], tuple[DeployedJob, ...]],
        environment: Mapping[str, str],
        manner: ManyBundlesOptions,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._manner = manner
        self._say = say
        self._known = known
        digests = BundleFingerprints(project, compilation, environment)
        views = views_of(compilation)
        self._bundle_of = dict(compilation.bundles)
        self._in_two_places = [key for key, bundles in jobs_on_disk(project).items() if len(bundles) > 1]
        self._bundles = {
            name: _Bundle(name, folder / BUNDLES_FOLDER / name, digests, make, views.get(name) or _nothing(compilation))
            for name in bundle_folders(project.folder / BUNDLES_FOLDER, project.output)
        }
        self._touched: list[_Bundle] = []

    def plan(self) -> BundlePlan:
        """Plans the bundles whose files changed; those that this deployer has brought are not planned again.

        Raises:
            JobsRejected: Some bundles cannot be planned because of some jobs, which are to be left out.
            PolicyRefused: A job would be made in one bundle while it is there in another.
            OperationFailed: No bundle can be planned.
        """
        waiting = [each for each in self._bundles.values() if not each.is_over and self._is_meant(each)]
        self._say(f"{count(len(waiting), 'bundle')} of {len(self._bundles)} to look at")
        works = {each.name: each.make_plan for each in waiting}
        done, failed = run_in_threads(
            works, self._manner.at_a_time, expected=(OperationFailed,), stop=self._manner.stop
        )
        rejected = [error for error in failed.values() if isinstance(error, JobsRejected)]
        if rejected and self._manner.rejects:
            keys = frozenset(key for error in rejected for key in error.keys)
            raise JobsRejected(keys, [problem for error in rejected for problem in error.problems], "")
        for name, error in failed.items():
            self._bundles[name].give_up(error)
        if failed and not done and not self._touched:
            raise OperationFailed("\n".join(f"{name}: {error}" for name, error in failed.items()))
        self._touched += [each for each in waiting if each not in self._touched]
        if self._in_two_places:
            self.leave_out(job_names(self._in_two_places))
        self._refuse_moved_jobs()
        return self._merged()

    def _is_meant(self, bundle: _Bundle) -> bool:
        return self._manner.all_bundles or bundle.is_new or bundle in self._touched

    def _merged(self) -> BundlePlan:
        planned = [each.plan for each in self._touched if each.plan is not None]
        untouched = [each for each in self._bundles.values() if each.plan is None]
        resources = [resource for plan in planned for resource in plan.resources]
        # The gate has to know that they stay.
        names = job_names(job.key for each in untouched for job in each.record.jobs)
        resources += [ResourceChange(name, Action.SKIP, (), is_gone=False) for name in names]
        resources.sort(key=lambda each: each.name)
        problems = tuple(problem for each in self._touched for problem in each.problems_of_planning)
        return BundlePlan(tuple(resources), None, None, problems)

    def _refuse_moved_jobs(self) -> None:
        doomed = {key: each for each in self._touched if each.plan is not None for key in each.plan.jobs(Action.DELETE)}
        moved = [key for key in doomed if self._bundle_of.get(key, doomed[key].name) != doomed[key].name]
        if moved:
            key = moved[0]
            told = (
                f"{count(len(moved), 'job')} ({listing(moved)}) would be deleted in one bundle and made anew in "
                f"another, since the files were moved and not the jobs. Run `ljm bundles move {key} "
                f"{self._bundle_of[key]} -t TARGET`, and so for each."
            )
            if not self._manner.rejects:
                raise PolicyRefused(f"{told} Nothing was changed in the workspace.")
            doomed[key].problems_of_planning = [told]
            self.leave_out(job_names(moved))

    def leave_out(self, names: Collection[str]) -> BundlePlan:
        """Returns the newest plan without some resources."""
        for each in self._touched:
            each.leave_out(names)
        return self._merged()

    def is_deployed(self, plan: BundlePlan) -> bool:
        """Says whether no bundle has anything to be deployed."""
        return all(each.is_over or each.is_deployed for each in self._touched)

    def deploy(self, plan: BundlePlan) -> list[str]:
        """Deploys every bundle that was planned.

        Raises:
            StalePlan: The workspace has moved on for some; the others are deployed.
        """
        works = {each.name: each.deploy for each in self._touched if not each.is_over and not each.is_deployed}
        _, stale = run_in_threads(works, self._manner.at_a_time, expected=(StalePlan,), stop=self._manner.stop)
        if stale:
            raise StalePlan
        return [problem for each in self._touched for problem in each.problems]

    def jobs(self) -> tuple[DeployedJob, ...]:
        """Returns the jobs of all bundles: as they are in those that were touched, as recorded in the others.

        Raises:
            OperationFailed: A bundle was deployed and cannot tell its jobs; the next deployment asks it again.
        """
        unknown = [each for each in self._bundles.values() if not each.record.jobs]
        recorded = {job.key: job for job in self._known()} if unknown else {}
        lost = [each.failure for each in self._touched if each.failure]
        if lost:
            raise OperationFailed("\n".join(lost))
        found = {job.key: job for each in self._bundles.values() for job in each.record.jobs}
        of_unknown = {each.name for each in unknown if not each.was_asked}
        more = [job for key, job in recorded.items() if self._bundle_of.get(key) in of_unknown]
        return tuple(sorted([*found.values(), *(job for job in more if job.key not in found)], key=lambda job: job.key))

    def start(self, job: DeployedJob) -> None:
        """Starts a job, and does not wait for its end."""
        self._bundles[self._bundle_of[job.key]].deployer.start(job)


class _Bundle:
    """One bundle, and how far it is."""

    def __init__(
        self, name: str, folder: Path, digests: BundleFingerprints, make: MakeDeployer, compilation: Compilation
    ) -> None:
        self.name = name
        self.record = read_bundle_record(folder)
        self.plan: BundlePlan | None = None
        self.is_over = False
        self.was_asked = False
        self.problems: list[str] = []
        self.problems_of_planning: list[str] = []
        self.failure = ""
        self._folder = folder
        self._digest = digests.of(name)
        self._left_out = False
        self._make = partial(make, name, compilation, folder, lambda: self._digest)
        self._deployer: CliDeployer | None = None

    @property
    def deployer(self) -> CliDeployer:
        if self._deployer is None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OperationFailed(f"{str(self._folder)!r} cannot be made: {error.strerror}.") from error
            self._deployer = self._make()
        return self._deployer

    @property
    def is_new(self) -> bool:
        """Whether not all of its files are deployed, as far as is known here."""
        return self.record.digest != self._digest

    @property
    def is_deployed(self) -> bool:
        return self.plan is not None and self.plan.changes_nothing() and not self.is_new

    def make_plan(self) -> None:
        self.plan = self.deployer.plan()

    def give_up(self, error: OperationFailed) -> None:
        self.is_over = True
        self.problems_of_planning = [f"{line} [{self.name}]" for line in str(error).split("\n")]

    def leave_out(self, names: Collection[str]) -> None:
        if self.plan is None or self.is_over:
            return
        before, self.plan = self.plan, self.deployer.leave_out(names)
        self._left_out = self._left_out or self.plan != before

    def deploy(self) -> None:
        """Deploys, and asks which jobs are there now."""
        if self.plan is None:
            return
        self.problems = self.deployer.deploy(self.plan)
        self.is_over = True
        is_whole = not (self.problems or self._left_out)
        try:
            self.record = BundleRecord(self._digest if is_whole else "", self.deployer.jobs())
            self.was_asked = True
            write_bundle_record(self._folder, self.record)
        except OperationFailed as error:
            self.failure = str(error)


def views_of(compilation: Compilation) -> dict[str, Compilation]:
    """Returns the part of a compilation that is about each bundle, by name."""
    bundles = compilation.bundles
    jobs = compilation.jobs.split(bundles)
    files: dict[str, dict[str, str]] = {}
    for path, text in compilation.files.items():
        files.setdefault(bundles[job_of_path(path)], {})[path] = text
    nothing = _nothing(compilation)
    return {
        name: replace(nothing, jobs=jobs.get(name, nothing.jobs), files=files.get(name, {}))
        for name in set(bundles.values())
    }


def _nothing(compilation: Compilation) -> Compilation:
    return replace(compilation, jobs=compilation.jobs.only(()), files={})
