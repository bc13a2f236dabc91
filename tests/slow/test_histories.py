"""Whatever happens to a project, its files and its workspace: no job goes, comes twice, or loses an edit by surprise.

One machine draws histories: what people do to the metadata and to the jobs in the workspace; what fails, lies, is
killed or stands still; what is lost, and who deploys when. The judge is the workspace (`support/histories`). How many
steps: LJM_HISTORY_STEPS, by default 1000 for all histories together.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from fakes.databricks_cli import install_stand_in
from fakes.databricks_cli.fixtures import real_command
from fakes.workspace import FakeWorkspace, Fault, FaultKind
from fakes.workspace.jobs import Job
from support.histories.judge import Judge, Mandate, identity_of, pause_of
from support.histories.metadata import BUNDLE_NAME, KEEPS, TARGETS, Home, Keep, Module
from support.histories.starter import KILL, STOP, TERM, Ended, Interruption, Standing, Starter
from support.histories.world import STATE, Checkout, World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(100_000),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and processes are those of POSIX"),
]

STEPS = int(os.environ.get("LJM_HISTORY_STEPS", "1000"))
PHASES = [phase for phase in Phase if phase is not Phase.shrink or "LJM_HISTORY_STEPS" in os.environ]
"""Looking for a shorter history that fails takes longer than all steps; who asks for a number of them wants it."""
LENGTH = 30
"""Of one history, in steps."""

OUR_TAGS = ("lakeflow_job_meta_key", "lakeflow_job_meta_scope", "lakeflow_job_meta_sent")
FAULTS = [
    FaultKind.TOO_MANY_REQUESTS,
    FaultKind.INTERNAL_ERROR,
    FaultKind.BAD_GATEWAY,
    FaultKind.UNAVAILABLE,
    FaultKind.UNAVAILABLE_AFTER_WORK,
    FaultKind.CONNECTION_RESET_AFTER_WORK,
    FaultKind.TRUNCATED_BODY,
    FaultKind.ANSWERED,
    FaultKind.UNAUTHENTICATED,
    FaultKind.FORBIDDEN,
]
PLACES = ["/api/2.*/jobs/create", "/api/2.*/jobs/reset", "/api/2.*/jobs/delete", "/api/2.*/jobs/*", "*"]

picks = st.integers(0, 9)
"""Which of several, counted around."""
targets = st.sampled_from(TARGETS)
places = st.integers(0, 1)
"""From which checkout."""
deletions = st.sampled_from([0, 1, 9])
steps = st.integers(1, 15) | st.integers(1, 60)
interruptions = st.none() | st.builds(Interruption, st.sampled_from([KILL, KILL, TERM]), steps)


class History(RuleBasedStateMachine):
    """A project with two targets and its workspace, from its first deployment on."""

    deployer = "jobs-api"
    folder: Path
    starter: Starter
    program: str
    number = 0
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        type(self).number += 1
        self.path = self.folder / f"history{self.number}"
        self.path.mkdir()
        self.stack = ExitStack()
        self.counter = 0

    @initialize(has_table=st.booleans())
    def begin(self, has_table: bool) -> None:
        workspace = self.stack.enter_context(FakeWorkspace(self.path / "workspace"))
        self.world = World(self.path, workspace, self.starter, self.deployer, self.program, has_table)
        self.judge = Judge(self.world)
        for home in (Home.FILE, Home.USE, Home.ROW if has_table else Home.MOVED):
            self.add(home, False)
        for target in TARGETS:
            self.deploy(target, 0, 0, None, False, False)
        assert len(self.judge.certain) == len(self.world.said.modules) * len(TARGETS), "the first deployment failed"

    def teardown(self) -> None:
        try:
            if hasattr(self, "judge"):
                self.settle()
        finally:
            self.starter.clock = 0.0
            self.stack.close()
            shutil.rmtree(self.path, ignore_errors=True)

    # the metadata

    @rule(home=st.sampled_from(Home), again=st.booleans())
    def add(self, home: Home, again: bool) -> None:
        self._add(home, again)

    def _add(self, home: Home, again: bool, **more: Any) -> None:
        if len(self.world.said.modules) > 5 or (home is Home.ROW and self.world.table is None):
            home = Home.FILE
        self.counter += 1
        key = f"f{self.counter}"
        self.world.said.modules[key] = Module(key, self._free_name(again), self.counter, home, **more)
        self.world.publish()

    def _free_name(self, again: bool) -> str:
        """Returns a name that no module has, or has had; if there is one, that one has had `again`."""
        said = self.world.said
        taken = {name for each in said.modules.values() for name in (each.name, *each.formerly)}
        free = [f"m{number}" for number in range(1, self.counter + 2)]
        if again and (names := [name for name in free[: self.counter] if name not in taken]):
            said.removed.pop(names[0], None)
            return names[0]
        self.counter += 1
        return f"m{self.counter}"

    def _module(self, pick: int) -> Module | None:
        modules = [*self.world.said.modules.values()]
        return modules[pick % len(modules)] if modules else None

    @rule(pick=picks, what=st.sampled_from(["notebook", "tasks", "runs", "schedule"]))
    def edit(self, pick: int, what: str) -> None:
        if (module := self._module(pick)) is None:
            return
        self.counter += 1
        if what == "notebook" or (what == "tasks" and module.home is Home.USE):
            module.notebook = self.counter
        elif what == "tasks":
            module.tasks = 3 - module.tasks
        elif what == "runs":
            module.runs = self.counter
        else:
            module.is_scheduled = not module.is_scheduled
        self.world.publish()

    @rule(keep=st.sampled_from(KEEPS))
    def choose_what_is_kept(self, keep: Keep | None) -> None:
        self.world.said.keep = keep
        self.world.publish()

    @precondition(lambda self: self.deployer == "cli" or self.world.table is not None)
    @rule(name=st.sampled_from(["history", "renamed"]))
    def rename_the_bundle(self, name: str) -> None:
        """Gives the bundle another name; without a record, nothing shows that its jobs are those of the Jobs API."""
        self.world.said.bundle = name
        self.world.publish()

    @rule(what=st.sampled_from(["blueprint", "preset", "first_pause"]))
    def edit_what_is_shared(self, what: str) -> None:
        self.counter += 1
        if what == "blueprint":
            self.world.said.timeout = 100 + self.counter
        elif what == "preset":
            self.world.said.preset = self.counter
        else:
            self.world.said.first_pause = not self.world.said.first_pause
        self.world.publish()

    @rule(pick=picks, what=st.sampled_from(["is_active", "is_sound", "is_readable"]))
    def break_or_mend(self, pick: int, what: str) -> None:
        if (module := self._module(pick)) is not None and (what != "is_readable" or module.home is not Home.ROW):
            setattr(module, what, not getattr(module, what))
            self.world.publish()

    @rule()
    def hide_or_show_a_folder(self) -> None:
        self.world.said.is_hidden = not self.world.said.is_hidden
        self.world.publish()

    @rule(pick=picks, home=st.sampled_from(Home))
    def move(self, pick: int, home: Home) -> None:
        module = self._module(pick)
        if module is None or (home is Home.ROW and (self.world.table is None or not module.is_readable)):
            return
        module.home = home
        if home is Home.USE:
            module.tasks = 1
        self.world.publish()

    @rule(pick=picks, timeouts=st.sampled_from([{}, {"dev": None}, {"prod": None}, {"dev": 7, "prod": None}]))
    def choose_targets(self, pick: int, timeouts: dict[str, int | None]) -> None:
        if (module := self._module(pick)) is not None:
            module.targets = dict(timeouts)
            self.world.publish()

    @rule(pick=picks, is_switched=st.integers(0, 4).map(lambda number: number == 4))
    def rename(self, pick: int, is_switched: bool) -> None:
        """Gives a module another name; now and then it is switched off, or on, at the same time."""
        if (module := self._module(pick)) is not None:
            module.formerly = (module.name, *module.formerly)
            module.name = self._free_name(False)
            module.is_active = module.is_active is not is_switched
            self.world.publish()

    @rule(pick=picks)
    def take_the_former_names_out(self, pick: int) -> None:
        if (module := self._module(pick)) is not None:
            module.formerly = ()
            self.world.publish()

    @rule(pick=picks, how=st.sampled_from(["", "", "delete", "keep"]))
    def remove(self, pick: int, how: str) -> None:
        """Takes a module out; with what becomes of its job, or without."""
        if (module := self._module(pick)) is None:
            return
        del self.world.said.modules[module.key]
        if how:
            self.world.said.removed[module.name] = how == "keep"
        self.world.publish()

    @rule()
    def take_the_removed_out(self) -> None:
        self.world.said.removed.clear()
        self.world.publish()

    @rule(where=targets, pick=picks)
    def adopt_a_job(self, where: str, pick: int) -> None:
        """Has a new module take over a job that somebody makes, or one that was to stay and is nobody's."""
        jobs = self.judge.jobs()
        nobodys = sorted(job_id for job_id in self.judge.released if job_id in jobs)
        job_id = nobodys[pick % len(nobodys)] if nobodys and pick % 2 else self._make_a_job()
        self.judge.released.pop(job_id, None)
        self._add(Home.FILE, False, adopt={where: job_id})

    def _make_a_job(self) -> int:
        self.counter += 1
        task = {"task_key": "s1", "notebook_task": {"notebook_path": f"/Workspace/by_hand_{self.counter}"}}
        body = json.dumps({"name": f"by hand {self.counter}", "tasks": [task]}).encode()
        headers = {"Authorization": f"Bearer {self.world.workspace.token}"}
        request = urllib.request.Request(f"{self.world.workspace.url}/api/2.2/jobs/create", body, headers)
        self.undisturbed()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return int(json.load(answer)["job_id"])

    # the workspace

    def _job(self, pick: int, is_fit: Callable[[Job], bool] = lambda job: True) -> Job | None:
        """Returns a job that the metadata has, or had."""
        jobs = [job for job in self.judge.jobs().values() if identity_of(job) and is_fit(job)]
        jobs = [job for job in jobs if job.job_id not in self.judge.kept]
        return jobs[pick % len(jobs)] if jobs else None

    @rule(pick=picks, what=st.sampled_from(["max_concurrent_runs", "description", "name"]))
    def edit_by_hand(self, pick: int, what: str) -> None:
        self.counter += 1

        def is_fit(job: Job) -> bool:
            return what != "name" or self._is_known_by_its_id(job) or not self._lacks_tags(job)

        if (job := self._job(pick, is_fit)) is not None:
            value = 100 + self.counter if what == "max_concurrent_runs" else f"by hand {self.counter}"
            self.judge.edit(job, what, value)

    def _is_known_by_its_id(self, job: Job) -> bool:
        """Whether each machine has the job in its record; without tags, name and record it is nobody's."""
        return self.world.table is not None and job.job_id in self.judge.certain

    def _lacks_tags(self, job: Job) -> bool:
        return self.deployer == "jobs-api" and OUR_TAGS[0] not in job.settings.get("tags", {})

    @precondition(lambda self: self.deployer == "jobs-api")
    @rule(pick=picks)
    def lose_tags(self, pick: int) -> None:
        def is_fit(job: Job) -> bool:
            is_named = "name" not in self.judge.edited.get(job.job_id, {})
            return (is_named or self._is_known_by_its_id(job)) and not self._lacks_tags(job)

        if (job := self._job(pick, is_fit)) is not None:
            tags = {name: value for name, value in job.settings["tags"].items() if name not in OUR_TAGS}
            self.judge.edit(job, "tags", tags)

    @rule(pick=picks, is_paused=st.booleans())
    def pause_or_start_by_hand(self, pick: int, is_paused: bool) -> None:
        if (job := self._job(pick, lambda job: pause_of(job) is not None)) is not None:
            self.judge.pause(job, is_paused)

    @rule(pick=picks)
    def delete_by_hand(self, pick: int) -> None:
        if (job := self._job(pick)) is not None:
            self.world.workspace.jobs.remove(job.job_id)

    # what goes wrong

    @rule(kind=st.sampled_from(FAULTS), path=st.sampled_from(PLACES), after=st.integers(0, 4), times=st.integers(1, 2))
    def disturb(self, kind: FaultKind, path: str, after: int, times: int) -> None:
        answer = b"<html>Sign in</html>" if times == 1 else b"{}"
        fault = Fault("POST" if "/jobs/" in path else "*", path, kind, times, after, retry_after=0, answer=answer)
        self.world.workspace.faults.add(fault)

    @precondition(lambda self: self.deployer == "cli")
    @rule(name=st.sampled_from(["GARBAGE", "CRASH_AFTER", "FAIL_JOB"]), number=st.integers(1, 30), pick=picks)
    def disturb_the_cli(self, name: str, number: int, pick: int) -> None:
        module = self._module(pick)
        value = {"GARBAGE": "plan", "CRASH_AFTER": str(number), "FAIL_JOB": module.name if module else ""}[name]
        self.world.trouble[f"LJM_FAKE_CLI_{name}"] = value

    @precondition(lambda self: self.deployer == "cli")
    @rule(name=st.sampled_from(["validate", "plan", "deploy", "summary"]))
    def have_the_cli_hang(self, name: str) -> None:
        """Has the next command of the CLI never end; `ljm deploy` gives up after a second."""
        self.world.trouble["LJM_FAKE_CLI_HANG"] = name

    @rule(where=targets)
    def somebody_else_deploys(self, where: str) -> None:
        """Leaves a lock in the workspace, of a deployment of somebody else that does not end."""
        home, tree = f"/Users/{self.world.workspace.identity.user_name}", self.world.workspace.tree
        if self.deployer == "cli":
            lock = {"ID": "1", "AcquisitionTime": "2020-01-01T00:00:00Z", "IsForced": False, "User": "somebody"}
            path = f"{home}/.bundle/{self.world.said.bundle}/{where}/state/deploy.lock"
            tree.write(path, json.dumps(lock).encode())
        else:
            lease = {"nonce": "1", "holder": "Process 1 elsewhere", "machine": "elsewhere", "process": 1}
            lease["expires"] = time.time() + self.starter.clock + 900
            path = f"{home}/.lakeflow-job-meta/bundle-{self.world.said.bundle}/{where}/lease/1000000.json"
            tree.write(path, json.dumps(lease).encode())

    @rule(place=places, what=st.sampled_from([(STATE,), (STATE, ".databricks"), (STATE, ".databricks", "resources")]))
    def lose(self, place: int, what: tuple[str, ...]) -> None:
        for name in what:
            shutil.rmtree(self.world.checkouts[place].path / name, ignore_errors=True)

    @rule(seconds=st.sampled_from([-86_400, -60, 60, 1000, 86_400]))
    def jump(self, seconds: int) -> None:
        self.starter.clock += seconds

    # commands

    @rule()
    def update_the_other_checkout(self) -> None:
        self.world.there.write(self.world.said, self.world.table)

    def _checkout(self, place: int) -> Checkout | None:
        checkout = self.world.checkouts[place]
        return checkout if (checkout.path / "job_meta.yml").exists() else None

    @rule(
        where=targets,
        place=places,
        max_deletes=deletions,
        at=interruptions,
        keep_going=st.booleans(),
        is_overwriting=st.integers(0, 9).map(lambda number: number == 9),
    )
    def deploy(
        self,
        where: str,
        place: int,
        max_deletes: int,
        at: Interruption | None,
        keep_going: bool,
        is_overwriting: bool,
    ) -> None:
        if (checkout := self._checkout(place)) is None:
            return
        mandate = Mandate(self.world.said_at(checkout), where, max_deletes, is_overwriting)
        options = {"keep_going": keep_going, "overwrite_drift": is_overwriting}
        deploy = partial(self.world.deploy, checkout, where, at=at, max_deletes=max_deletes, **options)
        ended = self._run(mandate, deploy)
        if ended.exit_code == 0:
            self.judge.judge_success(mandate, self.world.record(checkout, where))

    @precondition(lambda self: self.deployer == "cli")
    @rule(where=targets, place=places, at=interruptions)
    def adopt(self, where: str, place: int, at: Interruption | None) -> None:
        if (checkout := self._checkout(place)) is not None:
            mandate = Mandate(self.world.said_at(checkout), where)
            arguments = ["adopt", "-t", where, "--keep-going"]
            self._run(mandate, lambda: self.world.start(checkout, *arguments, at=at))

    @rule(where=targets, max_deletes=deletions)
    def deploy_in_peace(self, where: str, max_deletes: int) -> None:
        self.deploy(where, 0, max_deletes, None, True, False)

    @rule(place=places, max_deletes=deletions)
    def deploy_everywhere(self, place: int, max_deletes: int) -> None:
        for target in TARGETS:
            self.deploy(target, place, max_deletes, None, True, False)

    @rule(where=targets, place=places, max_deletes=deletions, at=interruptions)
    def tick(self, where: str, place: int, max_deletes: int, at: Interruption | None) -> None:
        if (checkout := self._checkout(place)) is not None:
            mandate = Mandate(self.world.said_at(checkout), where, max_deletes)
            before, known = self.judge.jobs(), self.world.history(checkout, where)
            ended = self._run(mandate, lambda: self.world.monitor(checkout, where, at=at, max_deletes=max_deletes))
            if not ended.was_killed:
                self.judge.judge_history(known, self.world.history(checkout, where), before, ended)

    def _run(self, mandate: Mandate, run: Callable[[], Ended | Standing]) -> Ended:
        before = self.judge.jobs()
        with self.judge.watching([mandate]):
            ended = run()
            assert isinstance(ended, Ended)
            self._tell(mandate, ended)
            self.undisturbed()
        self.judge.judge_end(ended, before)
        return ended

    def _tell(self, mandate: Mandate, ended: Ended) -> None:
        self.counts[f"exit {ended.exit_code}"] += 1
        jobs = {job_id: (identity_of(job), job.name) for job_id, job in self.judge.jobs().items()}
        note(f"{mandate.target}, {mandate.max_deletes} deletions: {ended.exit_code}\n{ended.stderr}{jobs}")

    def undisturbed(self) -> None:
        self.world.workspace.faults.clear()
        self.world.trouble.clear()

    @rule(where=targets, place=places, max_deletes=deletions, step=steps, meanwhile=picks, pick=picks)
    def deploy_while_something_happens(
        self, where: str, place: int, max_deletes: int, step: int, meanwhile: int, pick: int
    ) -> None:
        """Stands still in the middle of a deployment, while another one runs or somebody does something."""
        checkout = self._checkout(place)
        if checkout is None:
            return
        mandates = [Mandate(self.world.said_at(checkout), where, max_deletes)]
        with self.judge.watching(mandates):
            at = Interruption(STOP, step)
            standing = self.world.deploy(checkout, where, at=at, max_deletes=max_deletes, keep_going=True)
            if isinstance(standing, Standing):
                other = self.world.checkouts[1 - place]
                if meanwhile > 2 and (other.path / "job_meta.yml").exists():
                    mandates.append(Mandate(self.world.said_at(other), where, 1))
                    ended = self.world.deploy(other, where, max_deletes=1, keep_going=True)
                    assert isinstance(ended, Ended)
                    note("in the middle of the next one:")
                    self._tell(mandates[1], ended)
                elif place:
                    self.edit(pick, "notebook")
                standing = self.starter.go_on(standing)
                self.world.wait_for_the_cli(checkout)
            assert isinstance(standing, Ended)
            self._tell(mandates[0], standing)
            self.undisturbed()
        assert "Traceback" not in standing.stderr, standing.stderr

    @rule(where=targets)
    def pull(self, where: str) -> None:
        self.world.trouble.pop("LJM_FAKE_CLI_HANG", None)
        mandate = Mandate(self.world.said_at(self.world.here), where)
        more = ["--in-module", "--deployer", self.deployer]
        self._run(mandate, lambda: self.world.start(self.world.here, "pull", "-t", where, *more))
        self.world.taken_back()

    @rule(where=targets)
    def unpause(self, where: str) -> None:
        self.world.trouble.pop("LJM_FAKE_CLI_HANG", None)
        ours = [job_id for job_id, job in self.judge.jobs().items() if (identity_of(job) or ("",))[0] == where]
        self.judge.paused.difference_update(ours)
        mandate = Mandate(self.world.said_at(self.world.here), where)
        more = ["--all", "--deployer", self.deployer]
        self._run(mandate, lambda: self.world.start(self.world.here, "unpause", "-t", where, *more))

    # the end

    def settle(self) -> None:
        """Deploys what is; mends all that is broken; deploys until all is well: the jobs are as the metadata says."""
        self.undisturbed()
        self.deploy_everywhere(0, 0)
        said = self.world.said
        said.is_hidden, said.keep, said.bundle = False, None, BUNDLE_NAME
        for module in said.modules.values():
            module.is_readable = module.is_sound = module.is_active = True
            module.adopt = {}
        homes = {each.home for each in said.modules.values()}
        for home in sorted({Home.FILE, Home.MOVED, *([Home.ROW] if self.world.table is not None else [])} - homes):
            self.counter += 1  # nothing is deleted through the Jobs API while a source is empty
            said.modules[f"f{self.counter}"] = Module(f"f{self.counter}", self._free_name(False), self.counter, home)
        self.judge.take_edits_back()
        self.world.publish()
        for target in TARGETS:
            self._deploy_until_all_is_well(self.world.here, target)
        self._judge_the_end()

    def _deploy_until_all_is_well(self, checkout: Checkout, target: str) -> None:
        for _ in range(6):
            mandate = Mandate(self.world.said_at(checkout), target, 99)
            deploy = partial(self.world.deploy, checkout, target, max_deletes=99, allow_empty=True)
            self.world.end_leases()
            ended = self._run(mandate, partial(deploy, force_lock=bool(self.world.locks())))
            if ended.exit_code == 0:
                break
            self._follow(ended, checkout, target)
        else:
            raise AssertionError(f"the deployments for {target} do not come to an end: {ended.stderr}")
        self.judge.judge_success(mandate, self.world.record(checkout, target))
        before = {key: job.settings for key, job in self.judge.jobs().items()}
        again = self.world.deploy(checkout, target)
        assert isinstance(again, Ended)
        assert again.exit_code == 0, f"what was well is not well again: {again.stderr}"
        changed = [job.name for key, job in self.judge.jobs().items() if before.get(key) != job.settings]
        assert not changed, f"a deployment of nothing has changed {changed}"
        if self.deployer == "jobs-api":
            assert json.loads(again.stdout.splitlines()[-1])["changes_nothing"], again.stdout
        else:
            assert "Nothing to deploy" in again.stderr, again.stderr

    def _follow(self, ended: Ended, checkout: Checkout, target: str) -> None:
        """Does what the message says."""
        for job_id in self.world.left_behind() & self.judge.jobs().keys():
            self.world.workspace.jobs.remove(job_id)
        found = re.findall(r"(m[0-9]+): job ([0-9]+) \('", ended.stderr)
        found += re.findall(rf"(m[0-9]+): .*the job ([0-9]+) .*`adopt: {{{{{target}: [0-9]+}}}}`", ended.stderr)
        for key, job_id in found:
            module = self.world.said.named(key)
            if module is not None:
                module.adopt = {target: int(job_id)}
        self.world.publish()
        checkout.write(self.world.said, self.world.table)

    def _judge_the_end(self) -> None:
        modules = self.world.said.modules.values()
        names = {(target, each.name) for each in modules for target in TARGETS if each.is_in(target)}
        for job in self.judge.jobs().values():
            identity = identity_of(job)
            if identity and identity not in names and job.job_id in self.judge.certain - self.judge.kept:
                raise AssertionError(f"{identity} has a job that nobody knows any more")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("histories")


@pytest.fixture(scope="module")
def starter(folder: Path) -> Iterator[Starter]:
    with Starter(folder) as running:
        yield running


def play(folder: Path, starter: Starter, deployer: str, program: str, steps: int) -> None:
    """Plays histories of so many steps in all."""
    name = f"{deployer.title().replace('-', '')}History"
    machine = type(name, (History,), {"deployer": deployer, "folder": folder, "starter": starter, "program": program})
    how = settings(
        max_examples=max(1, steps // LENGTH),
        stateful_step_count=LENGTH,
        deadline=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(machine, settings=how)


def test_no_history_through_the_jobs_api_harms_a_job(folder: Path, starter: Starter):
    play(folder, starter, "jobs-api", "", STEPS * 4 // 5)


def test_no_history_with_the_databricks_cli_harms_a_job(folder: Path, starter: Starter):
    play(folder, starter, "cli", str(install_stand_in(folder / "bin")), STEPS // 5)


@pytest.mark.real_cli
def test_no_history_with_the_real_databricks_cli_harms_a_job(folder: Path, starter: Starter):
    play(folder, starter, "cli", str(real_command()), STEPS // 20)
