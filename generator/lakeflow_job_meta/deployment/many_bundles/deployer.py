"""Deploys a project of many bundles: only those whose files changed, several at a time, behind one gate for all.

A bundle that fails keeps no other from being deployed. The jobs of one whose files did not change are those that its
last deployment recorded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from lakeflow_job_meta._internal.parallel import Stop, run_in_threads
from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.deployment.backend import DeployContext, DeployReport, JobsRejected, StalePlan, TakeoverPlan
from lakeflow_job_meta.deployment.databricks_cli.deployer import CliDeployer
from lakeflow_job_meta.deployment.databricks_cli.last_deployment import confirmed_note
from lakeflow_job_meta.deployment.many_bundles import records
from lakeflow_job_meta.deployment.many_bundles.recall import state_folders
from lakeflow_job_meta.deployment.many_bundles.records import BundleFingerprints, BundleRecord
from lakeflow_job_meta.deployment.policy import Twin
from lakeflow_job_meta.deployment.takeovers import Begun, FoundTakeovers, Takeover
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused, PolicyViolation
from lakeflow_job_meta.layout.bundle_file import common_config
from lakeflow_job_meta.layout.generated_file import GeneratedFile
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.planning.model import (
    WRITTEN_OVER,
    Action,
    BundlePlan,
    ResourceChange,
    belongs_to,
    job_names,
    together,
)
from lakeflow_job_meta.state.folder import make_private
from lakeflow_job_meta.state.tracking import DeployedJob

_QUESTIONS_AT_A_TIME = 8
"""Of those that cost the CLI next to nothing, since it does not read a bundle for them."""

CreateDeployer = Callable[[str, Compilation, Path, Callable[[], str]], CliDeployer]
"""Creates the deployer of one bundle: its name, what the compilation holds of it, its state folder, its fingerprint."""


class BundlesDeployer:
    """Brings the bundles of a project, whose files are written, into a workspace with the databricks CLI.

    Deploys `at_a_time` bundles at the same time until `stop` is set; plans all only where `all_bundles`. Where the
    context says to hold back, jobs with which a bundle cannot be planned are reported as such, to be left out.
    """

    def __init__(
        self,
        context: DeployContext,
        compilation: Compilation,
        create_deployer: CreateDeployer,
        at_a_time: int,
        all_bundles: bool,
        stop: Stop,
    ) -> None:
        self._context, self._at_a_time, self._all_bundles, self._stop = context, at_a_time, all_bundles, stop
        layout = layout_of(context.project)
        fingerprints = BundleFingerprints(context.project, compilation, os.environ)
        views, empty = views_of(compilation), _nothing(compilation)
        self._bundle_of = dict(compilation.bundles)
        self._common = common_config(context.project, compilation.bundle)
        self._in_two_bundles = [key for key, bundles in layout.jobs_on_disk().items() if len(bundles) > 1]
        self._bundles = {
            name: _Bundle(name, context.folder, fingerprints, create_deployer, views.get(name, empty))
            for name in layout.bundles_in(layout.folder)
        }
        self._touched: list[_Bundle] = []
        self._takeovers: tuple[Takeover, ...] = ()

    def plan(self) -> BundlePlan:
        """Plans the bundles whose files changed; those that this deployer has deployed are not planned again.

        Raises:
            JobsRejected: Some bundles cannot be planned because of some jobs, which are to be left out.
            PolicyRefused: A job would be created in one bundle while it is there in another.
            OperationFailed: No bundle can be planned.
        """
        self._recall()
        waiting = [each for each in self._bundles.values() if not each.is_over]
        pending = [each for each in waiting if self._all_bundles or each.is_new or each in self._touched]
        self._context.reporter.on_progress(f"{count(len(pending), 'bundle')} of {len(self._bundles)} to plan")
        calls = {each.name: each.make_plan for each in pending}
        done, failed = run_in_threads(calls, self._at_a_time, expected=(OperationFailed,), stop=self._stop)
        rejected = [error for error in failed.values() if isinstance(error, JobsRejected)]
        if rejected and self._context.options.hold_back:
            keys = frozenset(key for error in rejected for key in error.keys)
            raise JobsRejected(keys, [problem for error in rejected for problem in error.problems], "")
        for name, error in failed.items():
            self._bundles[name].give_up(error)
        if failed and not done and not self._touched:
            raise OperationFailed("\n".join(f"{name}: {error}" for name, error in failed.items()))
        self._touched += [each for each in pending if each not in self._touched]
        if self._in_two_bundles:
            self.leave_out(job_names(self._in_two_bundles))
        self._refuse_moved_jobs()
        return self._merged()

    def _recall(self) -> None:
        """Takes from the workspace what was deployed last, where nothing here knows it: in a fresh checkout."""
        bundles, project = [*self._bundles.values()], self._context.project
        if self._touched or not bundles or any(each.is_known for each in bundles):
            return
        self._context.reporter.on_progress(f"Asking the workspace what of {count(len(bundles), 'bundle')} is deployed")
        folders = state_folders(bundles[0].deployer.cli, project, self._common, self._context.folder, self._bundles)
        calls = {each.name: partial(each.recall, folders[each.name]) for each in bundles if each.name in folders}
        run_in_threads(calls, max(self._at_a_time, _QUESTIONS_AT_A_TIME), stop=self._stop)

    def _merged(self) -> BundlePlan:
        planned = [each.plan for each in self._touched if each.plan is not None]
        untouched = [each for each in self._bundles.values() if each.plan is None]
        # The gate has to know that they stay.
        recorded = {job_names([job.key])[0]: job.job_id for each in untouched for job in each.record.jobs}
        staying = BundlePlan(
            tuple(ResourceChange(name, Action.SKIP, (), is_gone=False, job_id=id) for name, id in recorded.items()),
            None,
            None,
        )
        problems = tuple(problem for each in self._touched for problem in each.problems_of_planning)
        return replace(together([*planned, staying]), problems=problems)

    def _refuse_moved_jobs(self) -> None:
        doomed = {key: each for each in self._touched if each.plan is not None for key in each.plan.jobs(Action.DELETE)}
        moved = [key for key in doomed if self._bundle_of.get(key, doomed[key].name) != doomed[key].name]
        if moved:
            key = moved[0]
            problem = (
                f"{count(len(moved), 'job')} ({listing(moved)}) would be deleted in one bundle and created anew in "
                f"another, since the files were moved and not the jobs. Run `ljm bundles move {key} "
                f"{self._bundle_of[key]} -t TARGET`, and so for each."
            )
            if not self._context.options.hold_back:
                raise PolicyRefused(f"{problem} Nothing was changed in the workspace.")
            doomed[key].problems_of_planning = [problem]
            self.leave_out(job_names(moved))

    def leave_out(self, names: Collection[str]) -> BundlePlan:
        left_out = {each.former for each in self._takeovers if each.key and belongs_to(job_names([each.key])[0], names)}
        for each in self._touched:
            each.leave_out({*names, *job_names(left_out)})
        return self._merged()

    def take_over(self, found: FoundTakeovers) -> TakeoverPlan:
        self._takeovers = found.takeovers
        of_bundles: dict[str, list[Takeover]] = {}
        for takeover in found.takeovers:
            holder = self._holder_of(takeover)
            goal = self._bundle_of.get(takeover.key, holder)
            if holder and holder != goal:
                of_bundles.setdefault(holder, []).append(replace(takeover, key=""))
                takeover = replace(takeover, is_held=False)
            of_bundles.setdefault(goal, []).append(takeover)
        planned = {each.name: each for each in self._touched if each.plan is not None and not each.is_over}
        calls = {
            name: partial(each.take_over, replace(found, takeovers=tuple(of_bundles.get(name, ()))))
            for name, each in planned.items()
            if name in of_bundles or found.fresh
        }
        done, failed = run_in_threads(calls, self._at_a_time, expected=(OperationFailed,), stop=self._stop)
        if failed:
            raise OperationFailed("\n".join(f"{name}: {error}" for name, error in failed.items()))
        return TakeoverPlan(self._merged(), tuple(violation for refused in done.values() for violation in refused))

    def _holder_of(self, takeover: Takeover) -> str:
        """Returns the bundle whose state has the job under its former key; none where it is not held."""
        return next(
            (
                each.name
                for each in self._touched
                if takeover.is_held and each.plan is not None and takeover.former in each.plan.jobs(Action.DELETE)
            ),
            "",
        )

    def begun_takeovers(self) -> Begun:
        actions = (Action.CREATE, *WRITTEN_OVER)
        planned = (each.deployer for each in self._touched if each.plan is not None and each.plan.jobs(*actions))
        return {key: begun for deployer in planned for key, begun in deployer.begun_takeovers().items()}

    def note_begun(self) -> None:
        for deployer in self._rebinding():
            deployer.note_begun()

    def _rebinding(self) -> list[CliDeployer]:
        return [each.deployer for each in self._touched if each.is_rebinding and not each.is_over]

    def rebind(self) -> bool:
        deployers = self._rebinding()
        for deployer in deployers:
            deployer.forget_former_keys()
        for deployer in deployers:
            deployer.bind_new_keys()
        return bool(deployers)

    def twins(
        self, plan: BundlePlan, recorded: Sequence[DeployedJob], deployed: Sequence[DeployedJob] = ()
    ) -> list[Twin]:
        planned = [(each.deployer, each.plan) for each in self._touched if each.plan and each.plan.jobs(Action.CREATE)]
        if not planned:
            return []
        names = [name for deployer, plan in planned for name in deployer.created_names(plan)] if deployed else []
        jobs = planned[0][0].workspace_jobs(names)
        found = (deployer.twins_among(jobs, plan, recorded, deployed) for deployer, plan in planned)
        return [twin for twins in found for twin in twins]

    def living(self, jobs: Sequence[DeployedJob]) -> list[DeployedJob]:
        anyone = next(iter(self._bundles.values()), None)
        return anyone.deployer.living(jobs) if anyone is not None and jobs else []

    def is_deployed(self, plan: BundlePlan) -> bool:
        return all(each.is_over or each.is_deployed for each in self._touched)

    def deploy(self, plan: BundlePlan) -> DeployReport:
        """Deploys every bundle that was planned. Raises StalePlan where some are stale; the others are deployed."""
        pending = [each for each in self._touched if not each.is_over and not each.is_deployed]
        calls = {each.name: each.deploy for each in pending}
        _, stale = run_in_threads(calls, self._at_a_time, expected=(StalePlan,), stop=self._stop)
        if stale:
            raise StalePlan
        reports = [each.report for each in self._touched]
        return DeployReport(
            tuple(problem for each in reports for problem in each.problems),
            frozenset(key for each in reports for key in each.undone),
            tuple(notice for each in reports for notice in each.notices),
        )

    def jobs(self) -> tuple[DeployedJob, ...]:
        """Returns the jobs of all bundles: as they are in those that were touched, as recorded in the others.

        Raises OperationFailed if the jobs of a deployed bundle cannot be read; the next deployment does that again.
        """
        unknown = [each for each in self._bundles.values() if not each.record.jobs]
        recorded = {job.key: job for job in self._context.known_jobs()} if unknown else {}
        if failures := [each.failure for each in self._touched if each.failure]:
            raise OperationFailed("\n".join(failures))
        found = {job.key: job for each in self._bundles.values() for job in each.record.jobs}
        of_unknown = {each.name for each in unknown if not each.is_recorded}
        more = [job for key, job in recorded.items() if self._bundle_of.get(key) in of_unknown]
        return tuple(sorted([*found.values(), *(job for job in more if job.key not in found)], key=lambda job: job.key))

    def unpause(self, job: DeployedJob) -> tuple[str, ...]:
        return self._bundles[self._bundle_of[job.key]].deployer.unpause(job)

    def start(self, job: DeployedJob) -> None:
        self._bundles[self._bundle_of[job.key]].deployer.start(job)


class _Bundle:
    """One bundle, and how far its deployment is."""

    def __init__(
        self,
        name: str,
        state_folder: Path,
        fingerprints: BundleFingerprints,
        create_deployer: CreateDeployer,
        compilation: Compilation,
    ) -> None:
        self.name = name
        self._folder, self._fingerprint = records.bundle_state_folder(state_folder, name), fingerprints.of(name)
        self.record = records.read_bundle_record(self._folder)
        self.plan: BundlePlan | None = None
        self.is_over = self.is_recorded = False
        self.report = DeployReport()
        self.problems_of_planning: list[str] = []
        self.failure = ""
        self.is_rebinding = False
        self._left_out = False
        self._create = partial(create_deployer, name, compilation, self._folder, lambda: self._fingerprint)

    @cached_property
    def deployer(self) -> CliDeployer:
        make_private(self._folder)
        return self._create()

    @property
    def is_known(self) -> bool:
        return records.has_bundle_record(self._folder)

    def recall(self, state_folder: str) -> None:
        note = confirmed_note(self.deployer.cli, state_folder, self._fingerprint)
        if note is not None:
            self.record = BundleRecord(note.files, note.jobs)
            records.write_bundle_record(self._folder, self.record)

    @property
    def is_new(self) -> bool:
        return self.record.digest != self._fingerprint

    @property
    def is_deployed(self) -> bool:
        return self.plan is not None and self.plan.changes_nothing() and not (self.is_new or self.is_rebinding)

    def make_plan(self) -> None:
        self.plan, self.is_rebinding = self.deployer.plan(), False

    def take_over(self, found: FoundTakeovers) -> tuple[PolicyViolation, ...]:
        planned = self.deployer.take_over(found)
        self.plan, self.is_rebinding = planned.plan, bool(found.takeovers)
        return planned.refused

    def give_up(self, error: OperationFailed) -> None:
        self.is_over = True
        self.problems_of_planning = [f"{line} [{self.name}]" for line in str(error).split("\n")]

    def leave_out(self, names: Collection[str]) -> None:
        if self.plan is None or self.is_over:
            return
        before, self.plan = self.plan, self.deployer.leave_out(names)
        self._left_out = self._left_out or self.plan != before

    def deploy(self) -> None:
        if self.plan is None:
            return
        # Whatever ends this process, the files of before do not count as deployed any more, should they come back.
        records.write_bundle_record(self._folder, replace(self.record, digest=""))
        self.report = self.deployer.deploy(self.plan)
        self.is_over = True
        is_whole = not (self.report.problems or self._left_out)
        try:
            self.record = BundleRecord(self._fingerprint if is_whole else "", self.deployer.jobs())
            self.is_recorded = True
            records.write_bundle_record(self._folder, self.record)
        except OperationFailed as error:
            self.failure = str(error)


def views_of(compilation: Compilation) -> dict[str, Compilation]:
    """Returns the part of a compilation that is about each bundle, by name."""
    jobs = compilation.jobs.split(compilation.bundles)
    files: dict[str, dict[GeneratedFile, str]] = {}
    for file, text in compilation.files.items():
        files.setdefault(file.bundle, {})[file] = text
    nothing = _nothing(compilation)
    return {
        name: replace(nothing, jobs=jobs.get(name, nothing.jobs), files=files.get(name, {}))
        for name in set(compilation.bundles.values())
    }


def _nothing(compilation: Compilation) -> Compilation:
    return replace(compilation, jobs=compilation.jobs.only(()), files={})
