"""Judges what commands did, by the jobs of the workspace before and after, and by what people had allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes.workspace.jobs import Job
from lakeflow_job_meta.state.history import HistoryEntry, Outcome
from support.histories.metadata import Home, Said
from support.histories.starter import Ended
from support.histories.world import World

Identity = tuple[str, str]
"""The target and the module that a job was deployed for last."""


def identity_of(job: Job) -> Identity | None:
    """Returns whose job it is, by a parameter that each of our jobs has; None for a job of nobody."""
    tasks = job.settings.get("tasks") or [{}]
    parameters = tasks[0].get("notebook_task", {}).get("base_parameters", {})
    return (parameters["of"], parameters["module"]) if "module" in parameters else None


def pause_of(job: Job) -> str | None:
    schedule = job.settings.get("schedule")
    return None if schedule is None else str(schedule.get("pause_status", "UNPAUSED"))


@dataclass(frozen=True)
class Mandate:
    """What a command may do: deploy this metadata for this target, deleting so many jobs of others' knowledge."""

    said: Said
    target: str
    max_deletes: int = 0
    is_overwriting: bool = False

    def has(self, name: str) -> bool:
        module = self.said.named(name)
        return module is not None and module.is_in(self.target)

    def may_delete(self, name: str, existing: set[Identity]) -> str:
        """Returns why a job of a module may not be deleted, whatever number is allowed; empty where it may be."""
        if self.has(name):
            return "its module is there"
        if self.said.removed.get(name):
            return "it is to stay in the workspace"
        for each in self.said.modules.values():
            is_homeless = not each.is_sound and (self.target, each.name) not in existing
            if not self.said.is_seen(each) or is_homeless or self.said.is_hidden:
                return "its module may be where nobody could read it"
            is_new = (self.target, each.name) not in existing
            if name in each.formerly and is_new and self.said.named(name) is None and self.has(each.name):
                return f"it is that of {each.name}, which it was formerly"
        return ""


@dataclass
class Judge:
    """Remembers what people did in the workspace, and what they may rely on.

    Attributes:
        edited: The settings that somebody has edited, by the id of the job.
        original: What they were before.
        paused: The jobs that somebody, or `first_pause`, has paused.
        kept: Jobs that were to stay in the workspace, and may be nobody's.
        released: Those of them that are nobody's for certain, with their settings.
        certain: The jobs that a deployment without any trouble has left to their modules.
        named: The jobs that a deployment was to take over: however it ended, the bundle may have them since.
    """

    world: World
    edited: dict[int, dict[str, Any]] = field(default_factory=dict)
    original: dict[int, dict[str, Any]] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    released: dict[int, dict[str, Any]] = field(default_factory=dict)
    certain: set[int] = field(default_factory=set)
    named: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def jobs(self) -> dict[int, Job]:
        return {job.job_id: job for job in self.world.workspace.jobs.all()}

    @contextmanager
    def watching(self, mandates: list[Mandate]) -> Iterator[None]:
        """Judges what happens; mandates may be added meanwhile."""
        before = self.jobs()
        for mandate in mandates:
            self._forget_what_is_said(mandate)
        yield
        after = self.jobs()
        self._judge_deletions(before, after, mandates)
        self._judge_creations(before, after, mandates)
        self._judge_settings(before, after, mandates)
        self._notice_what_is_kept(after, mandates)

    def judge_end(self, ended: Ended, before: dict[int, Job]) -> None:
        """Judges how a command ended."""
        assert "Traceback" not in ended.stderr, ended.stderr
        assert "internal-error.txt" not in ended.stderr, ended.stderr
        assert ended.exit_code in (0, 1, 3, 130) or ended.was_killed, ended
        if ended.exit_code == 3:
            after = {key: job.settings for key, job in self.jobs().items()}
            assert after == {key: job.settings for key, job in before.items()}, f"refused, and changed: {ended.stderr}"

    def judge_success(self, mandate: Mandate, record: dict[str, int]) -> None:
        """Judges a deployment that says that all is well."""
        jobs, left = [job for job in self.jobs().values() if identity_of(job)], self.world.left_behind()
        for module in mandate.said.modules.values():
            if not (module.is_deployed and mandate.has(module.name)):
                continue
            ours = [job for job in jobs if identity_of(job) == (mandate.target, module.name)]
            ours = [job for job in ours if job.job_id not in left | self.kept] or ours
            assert len(ours) == 1, f"{module.name} has {len(ours)} jobs in {mandate.target}, and all is said to be well"
            (job,) = ours
            assert record.get(module.name) == job.job_id, f"{module.name} is recorded with another job: {record}"
            self.judge_job(job, mandate, module.name)
            self.certain.add(job.job_id)
            self.kept.discard(job.job_id)
        living = self.jobs()
        assert [key for key, job_id in record.items() if job_id not in living] == [], "a job is recorded, and is gone"
        self._notice_what_is_released(mandate, record)

    def _notice_what_is_released(self, mandate: Mandate, record: dict[str, int]) -> None:
        jobs, homes = self.jobs(), {each.home for each in mandate.said.modules.values()}
        needed = {Home.MOVED, Home.FILE, *([Home.ROW] if self.world.table is not None else [])}
        if not (mandate.said.is_whole and needed <= homes):
            return  # through the Jobs API, nothing is forgotten while a source is empty
        for job_id in self.kept & jobs.keys():
            identity = identity_of(jobs[job_id])
            if identity and identity[0] == mandate.target and job_id not in record.values():
                self.released[job_id] = jobs[job_id].settings

    def judge_job(self, job: Job, mandate: Mandate, name: str) -> None:
        module = mandate.said.named(name)
        assert module is not None
        task = job.settings["tasks"][0]["notebook_task"]
        assert task["notebook_path"] == f"/Workspace/{module.notebook}", f"{name} is said to be deployed, and is not"
        assert len(job.settings["tasks"]) == module.tasks, f"{name} has other tasks"
        tags, edits = job.settings.get("tags", {}), self.edited.get(job.job_id, {})
        assert tags.get("preset") == str(mandate.said.preset), f"{name} has an old preset"
        timeout = mandate.said.timeout_of(module, mandate.target)
        assert job.settings.get("timeout_seconds", 0) == timeout, f"{name} has another timeout"
        if "max_concurrent_runs" not in edits:
            assert job.settings.get("max_concurrent_runs", 1) == (module.runs or 1), f"{name} has another limit of runs"

    # people

    def edit(self, job: Job, setting: str, value: Any) -> None:
        originals = self.original.setdefault(job.job_id, {})
        originals.setdefault(setting, job.settings.get(setting))
        self.edited.setdefault(job.job_id, {})[setting] = value
        self.world.workspace.jobs.edit(job.job_id, **{setting: value})

    def pause(self, job: Job, is_paused: bool) -> None:
        status = "PAUSED" if is_paused else "UNPAUSED"
        (self.paused.add if is_paused else self.paused.discard)(job.job_id)
        schedule = {**job.settings["schedule"], "pause_status": status}
        self.world.workspace.jobs.edit(job.job_id, schedule=schedule)

    def take_edits_back(self) -> None:
        """Has people make what they edited what it was, as far as the metadata does not say the same by now."""
        jobs = self.jobs()
        for job_id, settings in self.edited.items():
            if job_id in jobs:
                self.world.workspace.jobs.edit(job_id, **{name: self.original[job_id][name] for name in settings})
        self.edited.clear()
        self.original.clear()

    def _forget_what_is_said(self, mandate: Mandate) -> None:
        """Forgets edits that the metadata says as well: from then on they are those of the metadata."""
        jobs = self.jobs()
        for job_id, settings in [*self.edited.items()]:
            identity = identity_of(jobs[job_id]) if job_id in jobs else None
            module = mandate.said.named(identity[1]) if identity and identity[0] == mandate.target else None
            if module is not None and settings.get("max_concurrent_runs") == module.runs:
                settings.pop("max_concurrent_runs", None)
            if not settings or job_id not in jobs:
                del self.edited[job_id]

    # what has to hold

    def _judge_deletions(self, before: dict[int, Job], after: dict[int, Job], mandates: Sequence[Mandate]) -> None:
        existing = {identity for job in before.values() if (identity := identity_of(job))}
        uncounted = Counter[str]()
        for job in [job for job_id, job in before.items() if job_id not in after]:
            identity = identity_of(job)
            is_nobodys = identity is None or job.job_id in self.released
            assert not is_nobodys, f"{job.name}, a job of nobody, was deleted"
            assert identity is not None
            asked = [each for each in mandates if each.target == identity[0]]
            assert asked, f"{job.name} was deleted by a deployment for another target"
            reasons = [each.may_delete(identity[1], existing) for each in asked]
            assert "" in reasons, f"{job.name} was deleted, although {reasons[0]}"
            if not any(identity[1] in each.said.removed for each in asked):
                uncounted[identity[0]] += 1
        for target, number in uncounted.items():
            allowed = sum(each.max_deletes for each in mandates if each.target == target)
            assert number <= allowed, f"{number} jobs were deleted in {target}, and {allowed} were allowed"

    def _judge_creations(self, before: dict[int, Job], after: dict[int, Job], mandates: Sequence[Mandate]) -> None:
        left = self.world.left_behind() | self.kept
        for job in after.values():
            changed = job.job_id not in before or before[job.job_id].settings != job.settings
            assert not changed or job.settings.get("tasks"), f"{job.name} has no task"
        for job in [job for job_id, job in after.items() if job_id not in before]:
            identity = identity_of(job)
            assert identity is not None, f"{job.name} is no job of ours"
            twins = [each for each in after.values() if identity_of(each) == identity and each.job_id not in left]
            assert len(twins) <= 1, f"{identity} has {len(twins)} jobs, and nobody says so"
            for mandate in [each for each in mandates if each.target == identity[0]]:
                self._judge_identity(identity, before, mandate)

    def _judge_identity(self, identity: Identity, before: dict[int, Job], mandate: Mandate) -> None:
        """Judges a new job: what its module was formerly, or takes over, had to be that."""
        module = mandate.said.named(identity[1])
        if module is None:
            return
        adopted = before.get(module.adopt.get(mandate.target, 0))
        assert adopted is None or identity_of(adopted), f"{module.name} has a new job instead of the one to take over"
        for name in module.formerly:
            if mandate.said.named(name) is not None:
                continue
            old = [each.job_id for each in before.values() if identity_of(each) == (mandate.target, name)]
            lost = self.certain.intersection(old) - self.kept
            assert not lost, f"{module.name} has a new job, and lost that of {name}"

    def _judge_settings(self, before: dict[int, Job], after: dict[int, Job], mandates: Sequence[Mandate]) -> None:
        modules = [module for each in mandates for module in each.said.modules.values()]
        adopted = {job_id for module in modules for job_id in module.adopt.values()}
        self.named |= {
            m.adopt[each.target] for each in mandates for m in each.said.modules.values() if each.target in m.adopt
        }
        targets = {each.target for each in mandates}
        is_overwriting = any(each.is_overwriting for each in mandates)
        for job_id, job in after.items():
            was = before.get(job_id)
            if was is None:
                continue
            identity = identity_of(was)
            if identity is None:
                is_ours = job_id in adopted | self.named
                assert is_ours or job.settings == was.settings, f"{job.name}, a job of nobody, was changed"
            elif identity[0] not in targets and job_id not in adopted:
                assert job.settings == was.settings, f"{job.name} was changed by a deployment for another target"
            if is_overwriting:
                continue
            for name, value in self._lasting_edits(job_id, mandates).items():
                assert job.settings.get(name) == value, f"the edit of {name} in {job.name} was overwritten"
            if job_id in self.paused and pause_of(job) is not None:
                assert pause_of(job) == "PAUSED", f"{job.name} was started, and somebody had paused it"
        for job_id, settings in self.released.items():
            is_ours = job_id in adopted or job_id not in after
            assert is_ours or after[job_id].settings == settings, f"{job_id} is nobody's, and was changed"

    def _lasting_edits(self, job_id: int, mandates: Sequence[Mandate]) -> dict[str, Any]:
        """Returns the edits of a job that have to stay.

        A job without our tags that a module takes over by its id is as the module says. Of what the workspace decides,
        the metadata decides what it has anew.
        """
        edits = self.edited.get(job_id, {})
        if "tags" in edits and any(job_id in each.adopt.values() for m in mandates for each in m.said.modules.values()):
            return {}
        kept = {name for name in edits if any(each.said.keeps(name) for each in mandates)}
        return {name: value for name, value in edits.items() if name not in kept}

    def judge_history(
        self, known: Sequence[HistoryEntry], history: Sequence[HistoryEntry], before: dict[int, Job], ended: Ended
    ) -> None:
        """Judges what a tick says of itself by what the workspace saw; `known` and `before` are from before it."""
        after, ticks = self.jobs(), {each.run_id: each.without_memory() for each in history}
        gone = [each for each in known if ticks.pop(each.run_id, None) != each.without_memory()]
        assert not gone, f"the history has lost, or tells otherwise, what was: {gone}"
        entries = [each for each in history if each.run_id in ticks]
        created = sum(job_id not in before for job_id in after)
        deleted = sum(job_id not in after for job_id in before)
        changed = sum(job_id in before and before[job_id].settings != job.settings for job_id, job in after.items())
        assert len(entries) <= 1, f"one tick has {len(entries)} entries in the history: {entries}"
        if not entries and "What was begun is finished by the next start" in ended.stderr:
            return  # it was asked to stop, and had no time to say what it did
        if not entries:
            assert created == deleted == 0, f"a tick has changed jobs, and says nothing of it: {ended.stderr}"
            return
        (entry,) = entries
        if entry.outcome is not Outcome.FAILED and not entry.state.failure:
            said, seen = (entry.created, entry.deleted), (created, deleted)
            assert said == seen, f"the history says {said}, and it was {seen}: {ended.stderr}"
            assert entry.changed >= changed, f"the history says {entry.changed} changed, and {changed} were"

    def _notice_what_is_kept(self, after: dict[int, Job], mandates: Sequence[Mandate]) -> None:
        for job_id, job in after.items():
            identity = identity_of(job)
            if identity and any(
                each.said.removed.get(identity[1]) and each.target == identity[0] and not each.has(identity[1])
                for each in mandates
            ):
                self.kept.add(job_id)
            if pause_of(job) is None or any(each.is_overwriting for each in mandates):
                self.paused.discard(job_id)
