"""What a deployment may do that nobody has allowed explicitly: nothing.

The gate takes a parsed plan, the deletion guard the changes of generated files; both take what was allowed, and return
or refuse every violation. Pure: nothing here talks to Databricks, or changes a plan or a file. The databricks CLI
itself deletes a job that left the configuration without a question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lakeflow_job_meta._internal.text import count, listing, quoted
from lakeflow_job_meta.errors import PolicyRefused, PolicyViolation
from lakeflow_job_meta.layout.generated_file import FileKind
from lakeflow_job_meta.planning.model import Action, BundlePlan, job_names
from lakeflow_job_meta.text.markers import JOB_MARKER

if TYPE_CHECKING:
    from lakeflow_job_meta.compiler.result import Compilation
    from lakeflow_job_meta.config.bundle import JobPart
    from lakeflow_job_meta.output.changes import FileChanges
    from lakeflow_job_meta.state.tracking import DeployedJob


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads a remedy, and how they can follow it.

    Attributes:
        how: Such as `run again with`.
        is_python: Whether options are arguments of a call.
    """

    how: str
    is_python: bool = False
    COMMAND: ClassVar[Audience]
    PYTHON: ClassVar[Audience]
    OBJECT: ClassVar[Audience]

    @classmethod
    def of_monitor(cls, target: str) -> Audience:
        """Returns whoever reads what a monitor of a target says."""
        return cls(f"run `ljm deploy -t {target}` with")

    def naming(self, **options: int | bool) -> str:
        """Returns options as they are given, such as `--max-deletes 1` or `max_deletes=1`."""
        if self.is_python:
            return ", ".join(f"{name}={value}" for name, value in options.items())
        flags = (f"--{name.replace('_', '-')}{'' if value is True else f' {value}'}" for name, value in options.items())
        return " ".join(flags)

    def allowing(self, **options: int | bool) -> str:
        """Returns how to allow something, such as `run again with --max-deletes 1`."""
        return f"{self.how} {self.naming(**options)}"


Audience.COMMAND = Audience("run again with")
Audience.PYTHON = Audience("call `deploy` with", is_python=True)
Audience.OBJECT = Audience("create the object with", is_python=True)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a person has allowed: how many deletions, deleting all jobs at once, overwriting edits made by hand.

    `doubling` is to create jobs although the workspace seems to have them. `removed` are the keys of jobs that the
    project file says to be gone: each may be deleted besides.
    """

    deletions: int = 0
    emptying: bool = False
    overwriting: bool = False
    doubling: bool = False
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Twin:
    """A job of the workspace that a plan would create a second time: the key there, and what shows it.

    Attributes:
        job_id: Of the job that is there.
        evidence: Such as `it is recorded for this module`.
    """

    key: str
    job_id: str
    name: str
    evidence: str

    @classmethod
    def of_nobody(cls, key: str, job_id: int, name: str) -> Twin:
        """Returns one that no bundle and no project has: two jobs of one name may be meant, with the same task not."""
        return cls(
            key, str(job_id), name, "which has its name and one of its tasks, and is of no bundle and no project"
        )


def doubled_jobs(
    twins: Iterable[Twin], allowed: Allowance, audience: Audience, target: str | None = None
) -> Iterator[PolicyViolation]:
    """Yields the creations of jobs that the workspace has already."""
    found = [] if allowed.doubling else list(twins)
    if found:
        shown = "; ".join(
            f"{twin.key}: job {twin.job_id} ({quoted(twin.name)}), {twin.evidence}" for twin in found[:10]
        )
        more = f"; and {len(found) - 10} more" if len(found) > 10 else ""
        yield PolicyViolation(
            f"{count(len(found), 'job')} would be created although the workspace has them ({shown}{more}).",
            f"Take each over by `adopt: {{{target or 'TARGET'}: ID}}` in its module and deploy again, or delete the "
            f"one there; if it is another job, {audience.allowing(allow_duplicates=True)}.",
            tuple(dict.fromkeys(twin.key for twin in found)),
        )


def refuse(violations: Sequence[PolicyViolation]) -> None:
    """Raises PolicyRefused, with every reason and what would allow it, if a plan does what nobody has allowed."""
    if violations:
        reasons = " ".join(violation.reason for violation in violations)
        raise PolicyRefused(f"{reasons} Nothing was changed in the workspace.", violations)


def policy_violations(
    plan: BundlePlan, allowed: Allowance, audience: Audience = Audience.COMMAND
) -> Iterator[PolicyViolation]:
    """Yields what a plan does that nobody has allowed."""
    yield from _job_deletions(plan, allowed, audience)
    yield from _jobs_under_two_keys(plan)
    yield from _other_losses(plan)
    yield from _emptied_jobs(plan)
    yield from edited_jobs(plan, allowed, audience)


def edited_jobs(plan: BundlePlan, allowed: Allowance, audience: Audience) -> Iterator[PolicyViolation]:
    """Yields what a plan would overwrite of what was edited by hand; what it is in stays as it is."""
    edits = [] if allowed.overwriting else list(plan.hand_edits())
    if edits:
        shown = "; ".join(f"{owner.shown}: {field.path} is {quoted(field.shown.remote)}" for owner, field in edits[:10])
        more = f" and {len(edits) - 10} more" if len(edits) > 10 else ""
        yield PolicyViolation(
            f"{count(len(edits), 'setting')} changed in the workspace since the last deployment would be overwritten "
            f"({shown}{more}), so what they belong to stays as it is.",
            f"Take them into the metadata, or {audience.allowing(overwrite_drift=True)}.",
            tuple(dict.fromkeys(owner.shown for owner, _ in edits)),
        )


def _job_deletions(plan: BundlePlan, allowed: Allowance, audience: Audience) -> Iterator[PolicyViolation]:
    doomed = tuple(plan.jobs(Action.DELETE))
    others = tuple(key for key in doomed if key not in allowed.removed)
    if len(others) > allowed.deletions:
        shown = f"{count(len(others), 'job')} ({listing(others)}); {allowed.deletions} allowed."
        remedy = f"If that is meant, {audience.allowing(max_deletes=len(others))}."
        yield PolicyViolation(f"This deployment would delete {shown}", remedy, others)
    staying = plan.jobs(*(action for action in Action if action is not Action.DELETE))
    if doomed and not staying and not allowed.emptying:
        sentence = "This deployment would leave no job at all, as if a source of metadata had become empty."
        yield PolicyViolation(sentence, f"If that is meant, {audience.allowing(allow_empty=True)}.", doomed)


def _jobs_under_two_keys(plan: BundlePlan) -> Iterator[PolicyViolation]:
    """Yields the deletions of jobs that are also another key's, as where one was bound twice: no option allows them."""
    staying = {each.job_id: each.shown for each in plan.resources if each.job_id and each.action is not Action.DELETE}
    doomed = [each for each in plan.resources if each.action is Action.DELETE and each.job_id in staying]
    if doomed and (keys := tuple(each.shown for each in doomed)):
        shown = "; ".join(f"{each.shown} and {staying[each.job_id]}: job {each.job_id}" for each in doomed[:10])
        yield PolicyViolation(
            f"This deployment would delete {count(len(doomed), 'job')} that another key has, too: {shown}.",
            "Write `formerly: OLD_MODULE` in the module that has it, which makes the bundle forget the old key.",
            keys,
        )


def _emptied_jobs(plan: BundlePlan) -> Iterator[PolicyViolation]:
    """Yields the jobs that would not do what their metadata says any more: an override is all that is left of them."""
    emptied = {each.shown: each.lacks for each in plan.writes() if each.lacks}
    if emptied:
        shown = "; ".join(f"{quoted(key)} without {lacks}" for key, lacks in [*emptied.items()][:10])
        yield PolicyViolation(
            f"This deployment would write {count(len(emptied), 'job')} that cannot run ({shown}).",
            "Take the override of what is no longer there out of the bundle's own files, or bring its module or source "
            "back.",
            tuple(emptied),
        )


def stray_jobs(
    plan: BundlePlan, compilation: Compilation, parts: Sequence[JobPart], recorded: Collection[str]
) -> Iterator[PolicyViolation]:
    """Yields the jobs that would be written although nothing defines them whole, only an override of a target does.

    `parts` are what the bundle's own files say of jobs, as far as it is known; `recorded` the keys of modules' jobs.
    """
    whole = {each.key for each in parts if each.is_whole and (each.target is None or each.key not in recorded)}
    ours = {*compilation.jobs.names, *compilation.kept_jobs, *compilation.broken_jobs}
    overridden = {each.key for each in parts} - whole - ours
    if stray := tuple(each.shown for each in plan.writes() if each.job_key in overridden and not each.lacks):
        yield PolicyViolation(
            f"This deployment would change {listing(stray)}, of which the bundle has nothing but an override for a "
            "target: no module and no file defines the rest.",
            "Take the override out of the bundle's own files, bring the module back, or write the job in whole below "
            "'resources'.",
            stray,
        )


def _other_losses(plan: BundlePlan) -> Iterator[PolicyViolation]:
    """Yields what no option allows: a secret scope, say, loses its secrets also where it is created again."""
    lost = (each for each in plan.resources if each.action in (Action.DELETE, Action.RECREATE) and not each.is_gone)
    if others := tuple(each.name for each in lost if each.job_key is None and not each.is_access):
        sentence = f"This deployment would delete resources that are not jobs ({listing(others)})."
        yield PolicyViolation(sentence, "Deploy that by hand with the databricks CLI.", others)
    if again := tuple(plan.jobs(Action.RECREATE)):
        sentence = (
            f"This deployment would delete and create again {listing(again)}, and their run history would be lost."
        )
        yield PolicyViolation(sentence, "Deploy that by hand with the databricks CLI if it is meant.", again)


def protected_changes(
    plan: BundlePlan, compilation: Compilation, recorded: Collection[str] = ()
) -> Iterator[PolicyViolation]:
    """Yields what is left out of every plan, whatever was allowed, since the metadata does not ask for it.

    That is what a missing file, and not the metadata, makes the bundle lose. `recorded` are the keys of recorded jobs.
    """
    doomed = plan.jobs(Action.DELETE)
    if kept := tuple(key for key in doomed if key in compilation.kept_jobs):
        reason = "since its module is there, and has errors or nothing active"
        yield PolicyViolation(
            f"The job of {listing(kept)} stays, {reason}.", "Run `ljm generate` once it has none.", kept
        )
    existing = {*recorded, *plan.jobs(*(action for action in Action if action is not Action.CREATE))}
    if unapproved := tuple(key for key in doomed if key not in kept and compilation.lacks_approval_to_go(key)):
        yield unapproved_removals(unapproved)
    if gone := tuple(key for key in doomed if key not in (*kept, *unapproved)):
        yield from waiting_jobs(gone, compilation.hiding_places(existing))
    lost = {f"tasks[task_key='{key}']" for key in compilation.loose_tasks}
    losing = (
        each.job_key
        for each in plan.resources
        if each.job_key is not None and any(field.path in lost and field.new is None for field in each.fields)
    )
    if keys := tuple(losing):
        yield losing_tasks(keys)


def unapproved_removals(keys: tuple[str, ...]) -> PolicyViolation:
    """Says why jobs stay whose modules are gone."""
    sentence = f"{listing(keys)} left the metadata, and nobody has approved that, so that the job stays."
    remedy = "Approve a version without the module, or name it below `deploy.removed` in job_meta.yml."
    return PolicyViolation(sentence, remedy, keys)


def losing_tasks(keys: tuple[str, ...]) -> PolicyViolation:
    """Says why jobs stay as they are that would lose a task."""
    sentence = f"{listing(keys)} would lose a task whose source is there, but has lost its module_name."
    return PolicyViolation(sentence, "Mend that row first.", keys)


def waiting_jobs(keys: tuple[str, ...], hiding_places: tuple[str, ...]) -> Iterator[PolicyViolation]:
    """Yields why jobs stay whose modules may be in places that are not known in whole."""
    if keys and hiding_places:
        places = f"what has errors or cannot be read ({listing(hiding_places)})"
        sentence = f"{listing(keys)} left the metadata, and may have moved to {places}."
        yield PolicyViolation(sentence, "Mend that first; until then no job is deleted.", keys)


def kept_files(changes: FileChanges) -> Iterator[PolicyViolation]:
    """Yields which generated files stay, since nobody can say where their modules are now, or all of their sources."""
    yield from waiting_jobs(changes.waiting, changes.hiding_places)
    if changes.losing_tasks:
        yield losing_tasks(changes.losing_tasks)
    if changes.unapproved:
        yield unapproved_removals(changes.unapproved)


def left_behind(job: DeployedJob) -> PolicyViolation:
    """Says that a job of this project is there, although no bundle has it, so that no deployment deletes it."""
    sentence = (
        f"The job {job.job_id} ({quoted(job.name)}) is no longer any module's job, was not deleted, and still runs."
    )
    return PolicyViolation(sentence, f"Delete it by hand{f': {job.url}' if job.url else ''}.", (job.key,))


def resources_of(violations: Iterable[PolicyViolation]) -> set[str]:
    """Returns the names of the resources that violations are about, as a plan has them."""
    keys = {key for violation in violations for key in violation.jobs}
    return {key for key in keys if "." in key} | {*job_names(key for key in keys if "." not in key)}


def refused_deletions(
    changes: FileChanges, compilation: Compilation, allowed: Allowance, audience: Audience
) -> Iterator[PolicyViolation]:
    """Yields the deletions of generated job files that are held back, so that the jobs stay and the rest goes on.

    `ljm generate` and `ljm deploy` refuse as a whole instead. `compilation` knows which sources are missing.
    """
    doomed = {
        change.file.job_key: JOB_MARKER.label_in(change.before or "") or ""
        for change in changes.deletions
        if change.file.kind is FileKind.JOB
    }
    orphaned = () if allowed.emptying else tuple(key for key in doomed if compilation.may_be_of_missing(doomed[key]))
    if orphaned:
        empty = listing([snapshot.source for snapshot in compilation.missing if not snapshot.is_unreadable])
        yield _kept_whole(f"{empty} holds no module", orphaned, _allowing_all(orphaned, audience))
    others = tuple(key for key in doomed if key not in orphaned and key not in allowed.removed)
    if len(others) > allowed.deletions:
        shown = f"{count(len(others), 'job')} ({listing(others)})"
        sentence = f"{shown} left the metadata and would be deleted; {allowed.deletions} allowed."
        remedy = f"If that is meant, {audience.allowing(max_deletes=len(others))}."
        yield PolicyViolation(sentence, remedy, others)
    elif others and not allowed.emptying and not orphaned and not changes.kept and not compilation.jobs:
        yield _kept_whole("No module is left", others, _allowing_all(others, audience))


def kept_for_an_empty_source(plan: BundlePlan, compilation: Compilation) -> Iterator[PolicyViolation]:
    """Yields which jobs a plan of no files keeps, since they may be of a source that is empty."""
    empty = [snapshot.source for snapshot in compilation.missing if not snapshot.is_unreadable]
    known = {*compilation.jobs.names, *compilation.kept_jobs}
    kept = tuple(key for key in plan.jobs(Action.SKIP) if key not in known)
    if empty and kept:
        yield _kept_whole(f"{listing(empty)} holds no module", kept, "Delete by hand what is meant to go.")


def _kept_whole(reason: str, jobs: tuple[str, ...], remedy: str) -> PolicyViolation:
    stay = "stays" if len(jobs) == 1 else "stay"
    return PolicyViolation(f"{reason}, so {count(len(jobs), 'job')} ({listing(jobs)}) {stay}.", remedy, jobs)


def _allowing_all(jobs: tuple[str, ...], audience: Audience) -> str:
    how = audience.allowing(allow_empty=True, max_deletes=len(jobs))
    return f"If everything is meant to go, {how}."
