"""Which jobs change their places: those that modules take over (`adopt`, `formerly`), and those that are forgotten.

Takes a plan, the metadata and what is recorded; returns what is to be done with the jobs before the plan is made anew.
Whatever was done already, by a run that was killed or by hand, is asked for no more: the plan creates a job whose place
is empty, and deletes one that is in the way. Only what no plan can tell is noted: in the state folder and, by the
backend, in the workspace, where another checkout finds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.jobs.all_jobs import JobSource
from lakeflow_job_meta.parsing.keys import former_key, job_key
from lakeflow_job_meta.planning.model import WRITTEN_OVER, Action, BundlePlan, ResourceChange
from lakeflow_job_meta.state.folder import read_record, write_record
from lakeflow_job_meta.state.tracking import DeployedJob

_RECORD = "takeovers.json"


@dataclass(frozen=True, slots=True)
class BegunTakeover:
    """A job that was begun to be taken over; `was` is a digest of its settings then, and empty where it is not known.

    `former` is the key that it had; empty for a job of nobody.
    """

    former: str
    job_id: str
    was: str = ""


Begun = Mapping[str, BegunTakeover]
"""What was begun to be taken over, by the new key."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """A job of the workspace that gets another place, or none.

    Attributes:
        key: Of the module that takes the job over; empty where the job is only forgotten.
        former: The key that it has, or had; empty for a job of nobody.
        is_held: Whether it still has that, so that it is to be forgotten there.
        is_recorded: Whether it is recorded for this module and target, whatever bundle it says to be of.
    """

    key: str
    job_id: str
    former: str = ""
    is_held: bool = False
    is_recorded: bool = False

    @property
    def is_rename(self) -> bool:
        return bool(self.key and self.former)

    @property
    def words(self) -> str:
        """What happens to the job, behind its name."""
        if not self.key:
            return "forgotten; stays in the workspace"
        if self.is_rename:
            return f"renamed from {self.former}; keeps its id and run history"
        return f"takes the job {self.job_id} over"

    def change(self, like: ResourceChange | None = None) -> ResourceChange:
        """Returns what a plan says of the job then; `like` has the settings that change, if any do."""
        name = f"resources.jobs.{self.key or self.former}"
        like = like or ResourceChange(name, Action.SKIP, (), is_gone=False)
        return replace(like, name=name, job_id=self.job_id, takes_over=self.words)


@dataclass(frozen=True, slots=True)
class FoundTakeovers:
    """What is to be taken over, what cannot be, and the keys of jobs that were just taken over and not deployed yet."""

    takeovers: tuple[Takeover, ...] = ()
    violations: tuple[PolicyViolation, ...] = ()
    fresh: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.takeovers or self.fresh)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of jobs: the plan, and the ids that are recorded for a target by key.

    Attributes:
        begun: What an earlier run from here has begun.
        begun_elsewhere: Returns what one from anywhere has begun, as the workspace knows it.
    """

    plan: BundlePlan
    recorded: Mapping[str, str]
    begun: Begun
    begun_elsewhere: Callable[[], Begun]
    by_key: Mapping[str, ResourceChange] = field(default_factory=dict)

    def earlier(self, key: str, former: str) -> Takeover | None:
        """Returns how the job of an earlier module is taken over, if there is one; None also where it has its place."""
        change = self.by_key.get(former)
        if change is not None and not change.is_gone:
            is_leaving = change.action is Action.DELETE and change.job_id
            return Takeover(key, change.job_id, former, is_held=True) if is_leaving else None
        job_id = self.recorded.get(former) or _id_of(self.begun, key, former)
        job_id = job_id or _id_of(self.begun_elsewhere(), key, former)
        return Takeover(key, job_id, former) if job_id else None

    def holder(self, job_id: str) -> ResourceChange | None:
        return next((each for each in self.plan.resources if each.job_key and each.job_id == job_id), None)


def _id_of(begun: Begun, key: str, former: str) -> str:
    known = begun.get(key)
    return known.job_id if known is not None and known.former == former else ""


def asks_for_takeovers(project: Project, compilation: Compilation) -> bool:
    """Says whether any job may change its place."""
    forgotten = any(each.keep_job for each in project.removed)
    return forgotten or any(each.adopt or each.formerly for each in compilation.jobs.sources.values())


def find_takeovers(
    plan: BundlePlan,
    project: Project,
    compilation: Compilation,
    target: str,
    recorded: Sequence[DeployedJob],
    folder: Path,
    begun_elsewhere: Callable[[], Begun] = dict,
) -> FoundTakeovers:
    """Returns what is to be taken over and forgotten before a plan.

    Args:
        plan: As it is made from the files of now.
        project: Says what is forgotten.
        compilation: Says what is taken over.
        target: The name of the target.
        recorded: The jobs that are recorded for it.
        folder: The state folder of the target.
        begun_elsewhere: Returns what the workspace knows of takeovers that were begun; called only where nothing else
            knows the job of an earlier name, or whether what a job was before counts as an edit.
    """
    by_key = {key: each for each in plan.resources if (key := each.job_key) is not None}
    known = _Known(plan, {job.key: job.job_id for job in recorded}, _read_begun(folder), begun_elsewhere, by_key)
    takeovers: list[Takeover] = []
    violations: list[PolicyViolation] = []
    for key in _missing_jobs(plan):
        source = compilation.jobs.sources.get(key)
        if source is None or not (source.adopt or source.formerly):
            continue
        adopted, former = dict(source.adopt).get(target), [former_key(name) for name in source.formerly]
        found = _adopted(key, str(adopted), known) if adopted is not None else _renamed(key, former, known)
        if isinstance(found, Takeover):
            takeovers.append(found)
        elif found is not None:
            violations.append(found)
    taken = {each.former for each in takeovers}
    forgotten = forgotten_keys(project) - taken
    for key in plan.jobs(Action.DELETE):
        renamed, job_id = compilation.jobs.renamed.get(key), by_key[key].job_id
        if job_id and (key in forgotten or (renamed is not None and _has(known, renamed, job_id))):
            takeovers.append(Takeover("", job_id, key, is_held=True))
    return FoundTakeovers(tuple(takeovers), tuple(violations), _fresh(compilation, target, known))


def _missing_jobs(plan: BundlePlan) -> list[str]:
    """Returns the jobs that are not there: those that the plan creates, and those that it cannot."""
    stuck = [each.job_key for each in plan.resources if each.action is Action.SKIP and each.is_gone and each.job_key]
    return [*plan.jobs(Action.CREATE), *stuck]


def _adopted(key: str, job_id: str, known: _Known) -> Takeover | PolicyViolation:
    holder = known.holder(job_id)
    if holder is None:
        return Takeover(key, job_id, is_recorded=known.recorded.get(key) == job_id)
    former = holder.job_key or ""
    if holder.action is Action.DELETE:
        return Takeover(key, job_id, former, is_held=True)
    return _refused(key, f"the job {job_id}, which it is to take over, is the one of {quoted(former)}")


def _renamed(key: str, former: Sequence[str], known: _Known) -> Takeover | PolicyViolation | None:
    for name in former:
        change = known.by_key.get(name)
        if change is not None and change.action is not Action.DELETE and change.job_id:
            what = f"{quoted(name)}, which it was formerly, is still in the bundle"
            return _refused(key, f"{what}, and keeps the job {change.job_id}")
    found = [each for name in former if (each := known.earlier(key, name)) is not None]
    # What is recorded alone may be gone by now.
    found = [each for each in found if each.is_held] or found
    ids = {each.job_id: each for each in reversed(found)}
    if len(ids) > 1:
        several = listing(f"{each.job_id} of {each.former}" for each in found)
        return _refused(
            key, f"it was formerly several modules that have a job here ({several}); name the one that stays"
        )
    return next(iter(ids.values()), None)


def _refused(key: str, reason: str) -> PolicyViolation:
    return refused_takeover(Takeover(key, ""), reason)


def refused_takeover(takeover: Takeover, reason: str) -> PolicyViolation:
    """Says why a module cannot take a job over."""
    advice = "Correct 'adopt' or 'formerly' of the module, or take the line out."
    return PolicyViolation(f"{quoted(takeover.key)} is not created: {reason}.", advice, (takeover.key,))


def _fresh(compilation: Compilation, target: str, known: _Known) -> frozenset[str]:
    """Returns the jobs that have their new place, and are not deployed there yet.

    A record that has nothing of the target tells nothing of it: in a fresh checkout it is always so. What was
    begun, the workspace knows there.
    """
    found = {key for key, each in known.begun.items() if _has(known, key, each.job_id)}
    doubtful = []
    for key, source in compilation.jobs.sources.items():
        if key in found or key in known.recorded or not (source.adopt or source.formerly):
            continue
        ids = [str(number) for name, number in source.adopt if name == target] if known.recorded else []
        ids += [known.recorded[former] for name in source.formerly if (former := former_key(name)) in known.recorded]
        if any(_has(known, key, job_id) for job_id in ids):
            found.add(key)
        elif key in known.by_key and known.by_key[key].action in WRITTEN_OVER:
            doubtful.append(key)
    begun = known.begun_elsewhere() if doubtful else {}
    return frozenset([*found, *(key for key in doubtful if key in begun and _has(known, key, begun[key].job_id))])


def _has(known: _Known, key: str, job_id: str) -> bool:
    change = known.by_key.get(key)
    return change is not None and change.job_id == job_id and change.action is not Action.DELETE


def _read_begun(folder: Path) -> Begun:
    return _begun_in(read_record(folder / _RECORD))


def begun_in(text: str) -> Begun:
    """Reads what `begun_text` wrote; one that is damaged says nothing."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return _begun_in(record) if isinstance(record, dict) else {}


def begun_text(begun: Begun) -> str:
    """Returns what was begun as JSON."""
    return json.dumps({key: asdict(each) for key, each in begun.items()})


def _begun_in(record: Mapping[str, object]) -> Begun:
    found = {key: each for key, each in record.items() if isinstance(each, dict) and each.get("job_id")}
    return {
        key: BegunTakeover(str(each.get("former") or ""), str(each["job_id"]), str(each.get("was") or ""))
        for key, each in found.items()
    }


def noted_takeovers(folder: Path) -> frozenset[str]:
    """Returns the keys of takeovers that were begun: the new files are those of the jobs from then on."""
    return frozenset(read_record(folder / _RECORD))


def note_takeovers(folder: Path, takeovers: Iterable[Takeover]) -> None:
    """Notes what is begun, before anything is done: a job that is forgotten under one key is known by this alone."""
    noted = {each.key: {"former": each.former, "job_id": each.job_id} for each in takeovers if each.key}
    if noted:
        write_record(folder / _RECORD, {**read_record(folder / _RECORD), **noted})


def forget_takeovers(folder: Path, unfinished: Collection[str]) -> None:
    """Forgets what is done and deployed, all but the jobs of some keys."""
    if record := read_record(folder / _RECORD):
        write_record(folder / _RECORD, {key: each for key, each in record.items() if key in unfinished})


def names_before(source: JobSource | None, name: Value) -> tuple[str, ...]:
    """Returns the names that a job of such a name had as long as its module had an earlier name."""
    return tuple(str(name).replace(source.module_name, former) for former in source.formerly) if source else ()


def forgotten_keys(project: Project) -> frozenset[str]:
    """Returns the keys of jobs that stay in the workspace, and are nobody's."""
    return frozenset(job_key(each.module_name) for each in project.removed if each.keep_job)


def removed_keys(project: Project) -> frozenset[str]:
    """Returns the keys of jobs whose modules the project file says to be gone."""
    return frozenset(job_key(each.module_name) for each in project.removed)


def leaving_keys(project: Project, compilation: Compilation) -> frozenset[str]:
    """Returns the keys of jobs that leave the metadata on purpose: removed ones, and those that are renamed."""
    return removed_keys(project) | compilation.jobs.renamed.keys()
