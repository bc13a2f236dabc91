"""Moves jobs from one bundle of a project to another, without deleting one: the job and its history stay.

Every step checks first whether it is done, so that a move that was cut off anywhere is finished by the same command:
the file is written in the new bundle, the job is bound there and gets its new paths, the old bundle forgets it, and
only then its old file goes. In between both bundles know the job, and neither would delete it or create it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lakeflow_job_meta.config.model import BUNDLE_FILE, Project
from lakeflow_job_meta.deployment.databricks_cli.client import CliFailure, CliResult, explain
from lakeflow_job_meta.deployment.databricks_cli.deployer import CliDeployer
from lakeflow_job_meta.deployment.many_bundles import records
from lakeflow_job_meta.deployment.many_bundles.recall import write_bundle_like
from lakeflow_job_meta.deployment.many_bundles.records import BundleRecord, bundle_state_folder
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused
from lakeflow_job_meta.layout.bundle_file import CommonConfig
from lakeflow_job_meta.layout.generated_file import GeneratedFile
from lakeflow_job_meta.layout.layout import ManyBundles, SingleBundle
from lakeflow_job_meta.output.changes import FileChange, FileChanges
from lakeflow_job_meta.output.read_back import scan
from lakeflow_job_meta.output.writer import apply_changes, changes_between
from lakeflow_job_meta.planning.model import Action, belongs_to, job_names, parse_plan
from lakeflow_job_meta.state.tracking import DeployedJob

SINGLE = ""
"""Stands for the one bundle that the project was before it had many."""

_LEAVING = ".leaving"
_RUN_AGAIN = "Run again when that is mended; the move goes on there."


@dataclass(frozen=True, slots=True)
class Move:
    """Jobs that go to another bundle from `source`: `SINGLE` is the one before there were many, None an unknown one."""

    keys: tuple[str, ...]
    source: str | None
    goal: str


@dataclass(frozen=True, slots=True)
class MoveContext:
    """Where jobs are moved.

    Attributes:
        common: What the bundles share.
        folder: The state folder of the target.
        call: Runs `databricks bundle` in a folder, with a command and its arguments.
        open_bundle: Creates the deployer of the bundle in a folder, with a state folder.
    """

    layout: ManyBundles
    common: CommonConfig
    folder: Path
    call: Callable[..., CliResult]
    open_bundle: Callable[[Path, Path], CliDeployer]


def apply_move(
    context: MoveContext, move: Move, changes: FileChanges, *, overwriting: bool, report: Callable[[str], None]
) -> list[DeployedJob]:
    """Moves jobs; to be called inside the deployment lock.

    `changes` are those of all generated files, with the jobs in their new bundle. Edits made by hand in the workspace
    are refused unless `overwriting`.

    Returns:
        The jobs that were moved. What the target does not have is moved as a file only.

    Raises:
        PolicyRefused: A job was edited by hand.
        OperationFailed: A step failed; the same command goes on there.
    """
    arriving, leaving = _of_move(move, changes)
    jobs = _Jobs(context, move, report) if move.source is not None else None
    if jobs is not None and not overwriting:
        jobs.refuse_edits()
    apply_changes(replace(changes, changes=arriving))
    moved = jobs.move() if jobs is not None else []
    apply_changes(replace(changes, changes=leaving))
    if move.source == SINGLE:
        _remove_single_files(context.layout.project, move.keys)
    return moved


class _Jobs:
    """Moves the jobs in the workspace."""

    def __init__(self, context: MoveContext, move: Move, report: Callable[[str], None]) -> None:
        self._context, self._move, self._report = context, move, report
        self._goal = context.layout.deployment_folder(move.goal)
        self._source = _stub(context, move)
        self._report("Reading the jobs of both bundles")
        self._here = self._jobs_of(self._goal) if (self._goal / BUNDLE_FILE).is_file() else {}
        self._there = {key: job for key, job in self._jobs_of(self._source).items() if key in move.keys}

    def move(self) -> list[DeployedJob]:
        here, there = self._here, self._there
        for key in there:
            if key in here and here[key].job_id != there[key].job_id:
                raise PolicyRefused(
                    f"Both bundles have a job {key!r} of their own ({there[key].job_id} and {here[key].job_id}). "
                    "Unbind or delete the wrong one with the databricks CLI, and run again. Nothing was changed there."
                )
        for key in (key for key in there if key not in here):
            self._report(f"Binding {key} in {self._move.goal}")
            self._call(self._goal, "deployment bind", key, there[key].job_id, "--auto-approve")
        if there:
            self._bring_new_paths([*there])
        for key in there:
            self._report(f"The old bundle forgets {key}")
            self._call(self._source, "deployment unbind", key)
        self._remember()
        return [*there.values()]

    def refuse_edits(self) -> None:
        """Stops where the new bundle would overwrite what somebody edited in the workspace.

        Where the old bundle has lost the file already, since another target came first, that is not known any more.
        """
        source = self._move.source
        layout = self._context.layout if source else SingleBundle(self._context.layout.project)
        in_files = layout.job_keys(source or SINGLE)
        keys = [key for key in self._there if key not in self._here and key in in_files]
        if not keys:
            return
        old = layout.deployment_folder(source or SINGLE)
        plan = parse_plan(self._call(old, "plan", "-o", "json").stdout)
        if edited := [owner.shown for owner, _ in plan.hand_edits() if owner.shown in keys]:
            raise PolicyRefused(
                f"The job {edited[0]!r} was edited by hand in the workspace, and moving it would overwrite that. Take "
                "it into the metadata and deploy, or run again with --overwrite-drift. Nothing was changed there."
            )

    def _bring_new_paths(self, keys: Sequence[str]) -> None:
        """Deploys these jobs alone: until then they run files that the old bundle has brought and will remove."""
        deployer = self._context.open_bundle(self._goal, self._state_of(self._move.goal))
        plan, names = deployer.plan(), job_names(keys)
        plan = deployer.leave_out({each.name for each in plan.resources if not belongs_to(each.name, names)})
        if wrong := plan.jobs(Action.CREATE, Action.DELETE, Action.RECREATE):
            message = f"The databricks CLI would create or delete the job {wrong[0]!r} and not move it; stopped."
            raise OperationFailed(message)
        if problems := deployer.deploy(plan).problems:
            raise OperationFailed("\n".join([*problems, _RUN_AGAIN]))

    def _remember(self) -> None:
        """Records where the jobs are now; the next deployment plans both bundles again."""
        arrived = tuple({**self._here, **self._there}.values())
        records.write_bundle_record(self._state_of(self._move.goal), BundleRecord("", arrived))
        if self._move.source:
            folder = self._state_of(self._move.source)
            staying = tuple(job for job in records.read_bundle_record(folder).jobs if job.key not in self._move.keys)
            records.write_bundle_record(folder, BundleRecord("", staying))

    def _jobs_of(self, bundle: Path) -> dict[str, DeployedJob]:
        return {job.key: job for job in self._context.open_bundle(bundle, self._context.folder).jobs()}

    def _call(self, bundle: Path, command: str, *arguments: str) -> CliResult:
        try:
            return self._context.call(bundle, command, *arguments)
        except CliFailure as failure:
            raise OperationFailed(f"{explain(failure)} {_RUN_AGAIN}") from None

    def _state_of(self, bundle: str) -> Path:
        folder = bundle_state_folder(self._context.folder, bundle)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _stub(context: MoveContext, move: Move) -> Path:
    """Writes a bundle with the old one's name and nothing but the jobs that leave it.

    The CLI lets only a job go that the configuration has, and the old bundle may have lost its file already. It is also
    read in no time, however many jobs the old bundle has.
    """
    folder = bundle_state_folder(context.folder, _LEAVING)
    name = f"{context.common.name}_{move.source}" if move.source else context.common.name
    return write_bundle_like(context.layout.project, context.common, folder, name, move.keys)


def _of_move(move: Move, changes: FileChanges) -> tuple[tuple[FileChange, ...], tuple[FileChange, ...]]:
    """Returns the changes of files that the move is about: what comes first, and what goes last."""

    def is_meant(file: GeneratedFile) -> bool:
        return file.job_key in move.keys if file.job_key else file.bundle in (move.goal, move.source)

    meant = [change for change in changes.changes if is_meant(change.file)]
    comes = [change for change in meant if change.after is not None and change.file.bundle == move.goal]
    return tuple(comes), tuple(change for change in meant if change not in comes)


def _remove_single_files(project: Project, keys: Sequence[str]) -> None:
    layout = SingleBundle(project)
    texts = {file: text for file, text in scan(layout)[0].items() if file.job_key in keys}
    apply_changes(changes_between(layout, layout.folder, texts, {}))


def recorded_bundle_of(folder: Path, key: str, goal: str) -> str | None:
    """Returns the bundle, apart from the goal of a move, in which the records of a target's state folder have a job."""
    root = bundle_state_folder(folder, "")
    others = [path for path in sorted(root.iterdir()) if path.name not in (goal, _LEAVING)] if root.is_dir() else []
    return next(
        (each.name for each in others if any(job.key == key for job in records.read_bundle_record(each).jobs)), None
    )
