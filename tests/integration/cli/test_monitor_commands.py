"""`ljm monitor`, `ljm status`, `ljm history` and `MetadataMonitor`: what people and jobs see of a monitor.

In this process where that shows the same, as processes of their own where it does not; a fake workspace by HTTP.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import pytest

from fakes.workspace import Fault, FaultKind
from lakeflow_job_meta import MetadataMonitor
from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli.monitor import command
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.monitor.events import Event, EventKind
from lakeflow_job_meta.monitor.loop import LoopOptions, run_loop
from lakeflow_job_meta.monitor.notify import Webhook
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.tables.delta import DeltaFiles, user_of_process
from support.connections import VOLUME
from support.monitor_fixtures import TARGET, World, broken_row, lines_of_json, module_row
from support.project_folder import Result, module
from support.receiver import Receiver, receiving
from support.slow import few

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file locks and signals are those of POSIX")


@pytest.fixture
def commands(control_table: World, environment: dict[str, str], monkeypatch, tmp_path) -> Iterator[World]:
    """The project with its control table, in an environment that leads to the workspace; there is no CLI."""
    for name, value in {**environment, "PATH": str(tmp_path / "empty"), "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABRICKS_CLI", raising=False)
    monkeypatch.chdir(control_table.project.path)
    before = signal.getsignal(signal.SIGTERM)
    yield control_table
    signal.signal(signal.SIGTERM, before)


def look(world: World, *arguments: str) -> Result:
    """Runs `ljm monitor --once` in this process."""
    return world.project.ljm("monitor", "-t", "dev", "--once", "--deployer", "jobs-api", *arguments)


def kinds(result: Result) -> list[str]:
    """What was told, without the start and the end."""
    return [line.split()[1].rstrip(":") for line in result.stderr.splitlines()][1:-1]


class TestOnce:
    def test_a_look_that_deploys_and_one_that_finds_nothing_exit_0(self, commands: World):
        first, second = look(commands), look(commands)

        assert (first.exit_code, second.exit_code) == (0, 0), first.stderr
        assert kinds(first) == ["changed", "deployed"]
        assert kinds(second) == []
        assert commands.names == ["sales", "stock"]

    def test_monitor_once_prints_nothing_on_stdout(self, commands: World):
        assert look(commands).stdout == ""

    @pytest.mark.parametrize(
        ("trouble", "told"),
        few(
            [(lambda world: world.put(broken_row("sales")), "quarantined")],
            [
                (lambda world: world.remove("sales"), "refused"),
                (lambda world: (world.goes_down(), world.put(module_row("new"))), "failed"),
            ],
        ),
        ids=["in quarantine", "refused", "failed"],
    )
    def test_what_is_left_for_a_person_exits_1_until_it_is_done(self, commands: World, trouble, told):
        look(commands)
        trouble(commands)

        first, second = look(commands), look(commands)

        assert (first.exit_code, second.exit_code) == (1, 1)
        assert told in kinds(first)

    def test_without_a_cli_the_jobs_api_is_taken_and_that_is_said(self, commands: World):
        result = commands.project.ljm("monitor", "-t", "dev", "--once")

        assert result.exit_code == 0
        assert "The jobs are deployed through the Jobs API." in result.stderr
        assert commands.names == ["sales", "stock"]

    def test_with_json_each_line_is_an_event(self, commands: World):
        commands.remove("stock")
        commands.put(broken_row("new"))

        result = look(commands, "--log-format", "json")

        events = lines_of_json(result.stderr)
        assert [event["event"] for event in events] == ["started", "changed", "deployed", "quarantined", "stopped"]
        assert all(event["time"].endswith("Z") and event["text"] for event in events)
        assert events[2]["created"] == ["sales"]

    def test_a_project_file_with_a_mistake_exits_2(self, commands: World):
        commands.project.write("job_meta.yml", "metdata: []\n")
        assert look(commands).exit_code == 2


class TestParameters:
    @pytest.mark.parametrize("separator", [" ", "="])
    def test_an_empty_one_counts_as_not_given_whichever_it_is(self, commands: World, separator):
        options = [option for option in command.params if isinstance(option, click.Option)]
        names = [name for option in options for name in option.opts if name.startswith("--")]
        empty = [f"{name}=" for name in names if name not in ("--once", "--overwrite-drift", "--project", "--target")]
        assert {"--propose=", "--max-deletes=", "--deployer=", "--log-format=", "--timeout=", "--webhook="} <= {*empty}

        result = look(commands, *(part for each in empty for part in each.replace("=", separator).split(" ")))

        assert result.exit_code == 0, result.stderr
        assert commands.names == ["sales", "stock"]

    @pytest.mark.parametrize("separator", ["-", "_"])
    def test_names_have_hyphens_or_underscores(self, commands: World, separator):
        options = {"max-iterations": "1", "max-deletes": "0", "log-format": "text", "overwrite-drift": "false"}
        result = look(commands, *(f"--{name.replace('-', separator)}={value}" for name, value in options.items()))
        assert result.exit_code == 0, result.stderr
        assert look(commands, f"--max{separator}deletes", "x").exit_code == 2

    @pytest.mark.parametrize(
        ("value", "ticks"),
        few([("true", 1), ("false", 2)], [("True", 1), ("1", 1), ("0", 2), ("", 2), (" ", 2)]),
    )
    def test_a_flag_takes_true_and_false(self, commands: World, value, ticks):
        arguments = ("--target", TARGET, "--deployer=jobs_api", "--max_iterations=2", "--check_interval_seconds=1")
        result = commands.project.ljm("monitor", *arguments, f"--once={value}")
        assert f"Ended after {count(ticks, 'tick')}." in result.stderr

    def test_a_flag_that_is_neither_is_refused(self, commands: World):
        result = look(commands, "--overwrite-drift=perhaps")
        assert (result.exit_code, "'perhaps' is neither true nor false" in result.stderr) == (2, True)

    @pytest.mark.parametrize("value", ["0", "-1", "x", "1.5"])
    def test_a_number_that_is_none_exits_2(self, commands: World, value):
        assert look(commands, "--max-iterations", value).exit_code == 2

    @pytest.mark.slow
    def test_the_entry_point_for_jobs_takes_the_names_of_job_parameters(self, commands: World, tmp_path: Path):
        table = str(tmp_path / "etl" / "control")
        code = "from lakeflow_job_meta.cli.main import monitor; monitor()"
        parameters = {"control_table": table, "volume_path": "", "check_interval_seconds": "1", "max_iterations": "2"}

        done = subprocess.run(
            [
                sys.executable,
                "-c",
                code,
                *(part for name, value in parameters.items() for part in (f"--{name}", value)),
            ],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )

        assert done.returncode == 0, done.stderr
        assert "Ended after 2 ticks." in done.stderr
        assert commands.names == ["sales", "stock"]


class TestTheLoop:
    def test_looks_again_after_the_interval_less_the_time_of_the_look(self, deployed: World):
        watching = deployed.monitor()

        assert run_loop(
            watching.monitor, LoopOptions(60.0, 3), watching.events.append, clock=deployed.clock.clock
        ).is_success

        assert deployed.clock.slept == [60.0, 60.0]
        assert watching.kinds == ["started", "stopped"]

    def test_ends_when_it_has_failed_so_often_in_a_row(self, deployed: World):
        deployed.goes_down()
        deployed.put(module_row("new"))
        watching = deployed.monitor()
        options = LoopOptions(10_000.0, None, fail_after=3)

        assert not run_loop(watching.monitor, options, watching.events.append, clock=deployed.clock.clock).is_success

        assert len(deployed.clock.slept) == 2
        assert "Failed 3 times in a row." in watching.told("stopped")

    @pytest.mark.slow
    def test_failures_that_are_healed_between_are_not_in_a_row(self, deployed: World):
        watching = deployed.monitor()

        def heal_and_fail() -> None:
            deployed.comes_back()
            if len(deployed.clock.slept) % 2:
                deployed.put(module_row("sales", notebook=f"/Workspace/{len(deployed.clock.slept)}"))
                deployed.goes_down()

        deployed.clock.on_sleep = heal_and_fail

        assert run_loop(
            watching.monitor, LoopOptions(10_000.0, 8, 2), watching.events.append, clock=deployed.clock.clock
        ).is_success
        assert len(watching.told("failed")) == 4

    @pytest.mark.parametrize(
        "sent", few([pytest.param(signal.SIGINT, id="Ctrl-C")], [pytest.param(signal.SIGTERM, id="SIGTERM")])
    )
    @pytest.mark.slow
    def test_being_stopped_ends_it_in_good_order(self, commands: World, sent):
        with monitor_process(commands) as process:
            wait_until(lambda: commands.names == ["sales", "stock"] and len(commands.history) == 1)
            process.send_signal(sent)
            _, stderr = process.communicate(timeout=30)

        assert process.returncode == 0
        assert "Stopped on request" in stderr
        assert "Traceback" not in stderr
        assert commands.project.ljm("status", "-t", "dev").exit_code == 0


@contextmanager
def monitor_process(world: World, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A monitor that runs until the test is over."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lakeflow_job_meta", "monitor", "-t", "dev", "--deployer", "jobs-api", *arguments],
        cwd=world.project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(happened: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.slow
def test_of_two_monitors_the_second_waits_and_then_finds_nothing_to_do(commands: World):
    commands.workspace.faults.add(Fault("POST", "/api/2.?/jobs/create", FaultKind.SLOW, seconds=60))
    with monitor_process(commands, "--once") as first:
        wait_until(lambda: commands.workspace.calls("POST", "/api/2.?/jobs/create"))
        with monitor_process(commands, "--once") as second:
            assert second.stderr is not None
            said = [second.stderr.readline(), second.stderr.readline()]
            commands.workspace._application.stopping.set()
            first.communicate(timeout=30)
            _, rest = second.communicate(timeout=30)

    assert f"waiting: Waiting for the deployment of process {first.pid} on " in said[1]
    assert (first.returncode, second.returncode) == (0, 0)
    assert "deployed" not in rest
    assert commands.changes == {"create": 2}
    assert len(commands.history) == 1


class TestStatus:
    def status(self, world: World, *arguments: str) -> Result:
        return world.project.ljm("status", "-t", "dev", *arguments)

    def as_object(self, world: World) -> dict:
        return json.loads(self.status(world, "--format", "json").stdout)

    def test_before_the_first_tick_there_is_no_heartbeat(self, commands: World):
        result = self.status(commands)

        assert result.exit_code == 1
        assert "No heartbeat: no monitor has run for this target yet." in result.stdout
        assert self.as_object(commands)["last_tick"] is None

    def test_all_is_well_after_a_deployment(self, commands: World):
        look(commands)

        result = self.status(commands)

        assert result.exit_code == 0
        assert result.stdout.startswith("Target dev: all is well.\n")
        assert "2 created, 0 changed, 0 deleted" in result.stdout
        assert f"by process {os.getpid()} on {socket.gethostname()}" in result.stdout
        assert self.as_object(commands)["healthy"] is True
        assert self.as_object(commands)["last_deployment"]["created"] == 2

    def test_what_is_left_for_a_person_is_repeated_although_it_was_told_before(self, commands: World):
        commands.put(module_row("third"))
        look(commands)
        commands.put(broken_row("sales"))
        commands.remove("stock")
        look(commands)
        look(commands)

        result = self.status(commands)

        assert result.exit_code == 1
        refused, quarantine = result.stdout.split("Refused (1 change):\n")[1].split("In quarantine (1 module):\n")
        assert re.search(r"^  stock   2\S+ \d\d:\d\d  This deployment would delete 1 job \('stock'\)", refused, re.M)
        assert "-> If that is meant, run `ljm deploy -t dev` with --max-deletes 1.\n" in refused
        assert re.search(r"^  sales   2\S+ \d\d:\d\d  .*module_name=sales", quarantine, re.M)
        found = self.as_object(commands)
        assert (found["healthy"], found["quarantined"]["modules"]) == (False, ["sales"])
        assert [refusal["jobs"] for refusal in found["refused"]] == [["stock"]]

    @pytest.mark.slow
    def test_a_failure_is_repeated_with_how_often_it_happened(self, commands: World):
        look(commands)
        commands.goes_down()
        commands.put(module_row("new"))
        look(commands)

        result = self.status(commands)

        assert result.exit_code == 1
        assert "Failed:\n" in result.stdout
        found = self.as_object(commands)
        assert len(found["failures"]) == found["failures_in_a_row"] == 1
        assert found["last_deployment"]["created"] == 2

    @pytest.mark.slow
    def test_a_monitor_whose_process_is_gone_is_missed(self, commands: World):
        with monitor_process(commands) as process:
            wait_until(lambda: (commands.state_folder / "monitor.json").exists())
            assert self.status(commands).exit_code == 0
            process.kill()
            process.wait()

        result = self.status(commands)

        assert result.exit_code == 1
        assert f"the monitor's process {process.pid} has ended unexpectedly; start it again" in result.stdout

    def test_a_monitor_that_hangs_is_missed(self, commands: World):
        look(commands)
        path = commands.state_folder / "monitor.json"
        beat = json.loads(path.read_text())
        path.write_text(json.dumps({**beat, "interval_seconds": 60, "moment": "2020-01-01T00:00:00+00:00"}))

        result = self.status(commands)

        assert result.exit_code == 1
        assert "has not completed a tick for" in result.stdout

    def test_a_damaged_sign_of_life_says_nothing(self, commands: World):
        look(commands)
        (commands.state_folder / "monitor.json").write_text('{"moment": 5}')

        assert self.status(commands).exit_code == 0

    def test_a_history_of_another_target_is_not_meant(self, commands: World):
        look(commands)
        assert commands.project.ljm("status", "-t", "prod").exit_code == 1

    def test_a_control_table_is_named_as_for_the_monitor(self, commands: World, tmp_path: Path):
        (commands.project.path / "job_meta.yml").unlink()
        table = str(tmp_path / "etl" / "control")
        look(commands, "--control-table", table)

        assert self.status(commands, "--control-table", table).exit_code == 0
        assert (
            len(
                json.loads(
                    commands.project.ljm("history", "-t", "dev", "--control-table", table, "--format", "json").stdout
                )
            )
            == 1
        )


class TestHistory:
    @pytest.fixture
    def three(self, commands: World) -> World:
        look(commands)
        commands.put(module_row("sales", notebook="/Workspace/1"))
        look(commands)
        commands.put(broken_row("sales"))
        look(commands)
        return commands

    def test_history_is_listed_newest_first_without_looks_that_found_nothing(self, three: World):
        look(three)

        lines = three.project.ljm("history", "-t", "dev").stdout.splitlines()

        assert [line.split()[2] for line in lines] == ["unchanged", "deployed", "deployed"]
        assert "1 in quarantine" in lines[0]
        assert "0 created, 1 changed, 0 deleted" in lines[1]
        assert lines[2].endswith(f"control@1  by {user_of_process()}")

    @pytest.mark.slow
    def test_history_as_json_holds_the_same(self, three: World):
        listed = json.loads(three.project.ljm("history", "-t", "dev", "--format", "json", "--limit", "2").stdout)

        assert [entry["outcome"] for entry in listed] == ["unchanged", "deployed"]
        assert [entry["quarantined"] for entry in listed] == [["sales"], []]
        assert listed[0]["started"] > listed[1]["started"]
        assert len({entry["run_id"] for entry in listed}) == 2

    def test_is_empty_before_the_first_look(self, commands: World):
        result = commands.project.ljm("history", "-t", "dev")
        assert (result.exit_code, result.stdout) == (0, "")

    @pytest.mark.parametrize("limit", ["0", "-1", "x"])
    def test_a_limit_that_is_none_exits_2(self, commands: World, limit):
        assert commands.project.ljm("history", "--limit", limit).exit_code == 2


class TestProposals:
    def propose(self, world: World, folder: Path) -> Result:
        return look(world, "--propose", str(folder))

    def test_hold_the_whole_files_and_the_plan_and_change_nothing_in_the_workspace(self, commands: World, tmp_path):
        result = self.propose(commands, tmp_path / "proposal")

        assert result.exit_code == 0
        assert kinds(result) == ["changed", "proposed"]
        files = {path.relative_to(tmp_path / "proposal").as_posix() for path in (tmp_path / "proposal").rglob("*.*")}
        assert files == {"plan.md", "resources/jobs/sales.yml", "resources/jobs/stock.yml"}
        assert "stock" in (tmp_path / "proposal" / "plan.md").read_text()
        assert (commands.asked, commands.project.generated()) == ([], {})

    def test_are_the_files_that_generate_writes(self, commands: World, tmp_path):
        self.propose(commands, tmp_path / "proposal")
        commands.project.ljm("generate")

        for name, text in commands.project.generated().items():
            assert (tmp_path / "proposal" / "resources" / name).read_text() == text

    def test_again_with_nothing_changed_nothing_is_written(self, commands: World, tmp_path):
        self.propose(commands, tmp_path / "proposal")
        before = (tmp_path / "proposal" / "plan.md").stat().st_mtime_ns

        result = self.propose(commands, tmp_path / "proposal")

        assert kinds(result) == []
        assert (tmp_path / "proposal" / "plan.md").stat().st_mtime_ns == before

    def test_of_no_module_at_all_are_a_plan_that_says_so(self, commands: World, tmp_path):
        commands.remove("sales", "stock")

        result = self.propose(commands, tmp_path / "proposal")

        assert result.exit_code == 0, result.stderr
        assert (tmp_path / "proposal" / "plan.md").exists()

    def test_proposals_follow_the_metadata(self, commands: World, tmp_path):
        self.propose(commands, tmp_path / "proposal")
        commands.put(module_row("new"), module_row("sales", notebook="/Workspace/new"))

        self.propose(commands, tmp_path / "proposal")

        jobs = tmp_path / "proposal" / "resources" / "jobs"
        assert sorted(path.name for path in jobs.iterdir()) == ["new.yml", "sales.yml", "stock.yml"]
        assert "/Workspace/new" in (jobs / "sales.yml").read_text()

    def test_a_deletion_that_nobody_has_allowed_is_not_proposed(self, commands: World, tmp_path):
        commands.project.ljm("generate")
        commands.remove("sales")

        result = self.propose(commands, tmp_path / "proposal")

        assert result.exit_code == 1
        assert (tmp_path / "proposal" / "resources" / "jobs" / "sales.yml").exists()

    def test_a_monitor_that_deploys_does_so_afterwards(self, commands: World, tmp_path):
        self.propose(commands, tmp_path / "proposal")

        assert kinds(look(commands)) == ["deployed"]
        assert commands.names == ["sales", "stock"]

    def test_in_the_project_they_do_not_wake_the_monitor(self, commands: World):
        watching = commands.monitor(propose=commands.project.path / "proposal")

        assert [watching.looks(), watching.looks()] == ["proposed", "idle"]


@pytest.fixture
def receiver(monkeypatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiving() as server:
        yield server


TOLD = ("refused", "quarantined", "failed", "healed", "notice", "approval")
"""The events that a webhook gets: those that ask for a person, or say that none is needed any more."""


class TestTheWebhook:
    def test_gets_what_a_person_must_know_and_nothing_else(self, commands: World, receiver: Receiver):
        commands.put(module_row("third"))
        first = look(commands, "--webhook", receiver.url)
        assert receiver.events == []

        commands.put(broken_row("sales"))
        commands.remove("stock")
        second = look(commands, "--webhook", receiver.url)

        assert sorted(receiver.events) == ["quarantined", "refused"]
        assert all(body["text"].startswith("project (dev): ") for body in receiver.bodies)
        assert "secret" not in first.stderr + second.stderr

    @pytest.mark.slow
    def test_gets_a_failure_and_that_it_is_over(self, deployed: World, receiver: Receiver):
        watching = deployed.monitor()
        hook = Webhook(receiver.url, "sales (dev)", watching.events.append)
        deployed.goes_down()
        deployed.put(module_row("new"))
        watching.tick()
        deployed.comes_back()
        deployed.clock.goes_on(60)
        watching.tick()

        for event in [*watching.events]:
            hook.send(event)
        hook.deliver()

        assert receiver.events == ["failed", "healed"]

    def test_may_be_given_by_the_environment(self, commands: World, receiver: Receiver, monkeypatch):
        monkeypatch.setenv("LJM_WEBHOOK", receiver.url)
        commands.put(broken_row("sales"))

        look(commands)

        assert receiver.events == ["quarantined"]

    def test_that_is_down_is_told_once_and_gets_everything_later(self, receiver: Receiver):
        told: list[Event] = []
        hook = Webhook(receiver.url, "sales (dev)", told.append)
        receiver.status = 503
        for number in range(3):
            hook.send(Event(EventKind.FAILED, f"failure {number}"))
            hook.deliver()

        receiver.status = 200
        hook.deliver()
        hook.deliver()

        assert [body["text"][-9:] for body in receiver.bodies] == ["failure 0", "failure 1", "failure 2"]
        (event,) = told
        assert event.kind is EventKind.UNDELIVERED
        assert "status 503" in event.text
        assert "secret" not in event.text

    @pytest.mark.parametrize(
        ("kind", "is_sent"),
        [
            (kind, kind.value in ("refused", "quarantined", "failed", "healed", "notice", "approval"))
            for kind in EventKind
        ],
    )
    def test_the_webhook_can_get_only_some_kinds_of_events(self, receiver: Receiver, kind, is_sent):
        hook = Webhook(receiver.url, "x", lambda event: None)
        hook.send(Event(kind, "text"))
        hook.deliver()
        assert receiver.events == ([kind.value] if is_sent else [])

    @pytest.mark.parametrize(
        "rest", [":1/secret", ":secret/", "/secret with space", "/secret\x7f", "\u2100/secret"], ids=ascii
    )
    def test_one_that_cannot_be_used_never_ends_the_monitor_and_is_never_shown(self, rest, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "*")
        told: list[Event] = []
        try:
            hook = Webhook(f"http://127.0.0.1{rest}", "x", told.append)
        except ConfigError as error:
            told.append(Event(EventKind.UNDELIVERED, str(error)))
        else:
            hook.send(Event(EventKind.FAILED, "text"))
            hook.deliver()

        (event,) = told
        assert "secret" not in event.text

    def test_one_that_answers_no_http_is_down(self, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "*")
        told: list[Event] = []
        with socket.create_server(("127.0.0.1", 0)) as server:

            def answer() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"no http\r\n\r\n")

            thread = threading.Thread(target=answer)
            thread.start()
            hook = Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", "x", told.append)
            hook.send(Event(EventKind.FAILED, "x"))
            hook.deliver()
            thread.join()

        assert [event.kind.value for event in told] == ["undelivered"]

    def test_one_that_sends_a_byte_now_and_then_is_given_up_after_its_time(self, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "*")
        told: list[Event] = []
        is_closed = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:

            def drip() -> None:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while True:
                        time.sleep(0.02)
                        connection.sendall(b"x")
                is_closed.set()

            threading.Thread(target=drip, daemon=True).start()
            hook = Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", "x", told.append, limit_seconds=0.3)
            hook.send(Event(EventKind.FAILED, "x"))
            began = time.monotonic()
            hook.deliver()
            seconds = time.monotonic() - began

        assert seconds < 5
        assert "no answer within 0.3 seconds" in told[0].text
        assert is_closed.wait(10), "the connection is still open"

    @pytest.mark.parametrize("status", [301, 302, 307])
    def test_a_redirect_is_no_delivery(self, receiver: Receiver, status):
        told: list[Event] = []
        hook = Webhook(receiver.url, "x", told.append)
        receiver.status = status
        hook.send(Event(EventKind.FAILED, "text"))
        hook.deliver()
        assert f"status {status}, a redirect" in told[0].text
        assert "secret" not in told[0].text

        receiver.status = 200
        hook.deliver()

        assert receiver.events == ["failed"]

    def test_events_are_sent_when_the_deployment_lock_is_free(self, commands: World, receiver: Receiver):
        free: list[bool] = []

        def try_to_lock() -> None:
            with suppress(OperationFailed), deployment_lock(commands.state_folder, wait_seconds=0):
                free.append(True)

        receiver.on_event = try_to_lock
        commands.put(broken_row("sales"))

        look(commands, "--webhook", receiver.url)

        assert receiver.events == ["quarantined"]
        assert free == [True]

    @pytest.mark.parametrize("url", ["secret", "ftp://secret", "http://", "https:///secret", "http://[secret"])
    def test_what_is_no_url_exits_2_and_is_not_shown(self, commands: World, url):
        result = look(commands, "--webhook", url)

        assert result.exit_code == 2
        assert "must be a URL" in result.stderr
        assert "secret" not in result.stderr


class NotDefined(Exception):
    """What a notebook raises for a widget that there is not."""


NotDefined.__name__ = "InputWidgetNotDefined"


class Utilities:
    """The part of `dbutils` that has the parameters."""

    def __init__(self, **values: str) -> None:
        self.widgets = self
        self._values = values

    def get(self, name: str) -> str:
        if name not in self._values:
            raise NotDefined(name)
        return self._values[name]


class TestMetadataMonitor:
    @pytest.fixture
    def notebook(self, commands: World, tmp_path, monkeypatch) -> World:
        """A notebook beside no bundle, with a folder for temporary files of its own."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        (tmp_path / "notebook").mkdir()
        monkeypatch.chdir(tmp_path / "notebook")
        return commands

    def monitor_of(self, world: World, tmp_path: Path, **options: object) -> MetadataMonitor:
        return MetadataMonitor(str(tmp_path / "etl" / "control"), workspace=world.connection, **options)

    def test_makes_the_table_if_it_is_not_there(self, notebook: World, tmp_path):
        monitor = MetadataMonitor(str(tmp_path / "new" / "control"), workspace=notebook.connection)

        assert (tmp_path / "new" / "control" / "_delta_log").is_dir()
        assert monitor.check_and_update()["errors"] == []

    def test_a_table_that_it_makes_takes_everything_that_metadata_can_say(self, notebook: World, tmp_path, volume):
        more = "    description: All\n    job_config: {tags: {a: b}}\n    sources:\n"
        (volume / "sales.yml").write_text(module("sales").replace("    sources:\n", more))

        result = MetadataMonitor(
            str(tmp_path / "new" / "control"), volume_path=VOLUME, workspace=notebook.connection
        ).check_and_update()

        assert (result["errors"], [job["module"] for job in result["jobs_updated"]]) == ([], ["sales"])

    def test_a_table_of_the_user_keeps_its_columns(self, notebook: World, tmp_path):
        table = DeltaFiles(str(tmp_path / "new" / "control"), CONTROL_TABLE)
        table.create(original=True)

        MetadataMonitor(table.name, workspace=notebook.connection)

        assert len(table.read().columns) == 8

    def test_one_check_tells_what_the_original_told(self, notebook: World, tmp_path):
        monitor = self.monitor_of(notebook, tmp_path)

        first, second = monitor.check_and_update(), monitor.check_and_update()

        assert set(first) == {
            "timestamp", "changes_detected", "yaml_changes", "table_changes", "jobs_updated", "errors",
            "last_check_timestamp", "outcome", "refused", "quarantined",
        }  # fmt: skip
        assert (first["changes_detected"], first["table_changes"], first["yaml_changes"]) == (True, True, False)
        assert {job["module"]: job["job_id"] for job in first["jobs_updated"]} == {
            name: notebook.workspace.jobs.by_name(name).job_id for name in ("sales", "stock")
        }
        assert first["timestamp"] == first["last_check_timestamp"]
        assert (second["changes_detected"], second["jobs_updated"], second["outcome"]) == (False, [], "idle")

    def test_changes_of_files_are_told_as_such(self, notebook: World, tmp_path, volume):
        (volume / "sales.yml").write_text(module("sales", notebook="/Workspace/of-the-file"))
        monitor = self.monitor_of(notebook, tmp_path, volume_path=f"{VOLUME}/")
        monitor.check_and_update()
        (volume / "sales.yml").write_text(module("sales", notebook="/Workspace/edited"))

        result = monitor.check_and_update()

        assert (result["yaml_changes"], result["table_changes"]) == (True, True)
        assert notebook.notebook("sales") == "/Workspace/edited"

    def test_what_is_wrong_is_told_by_every_check(self, notebook: World, tmp_path):
        monitor = self.monitor_of(notebook, tmp_path)
        monitor.check_and_update()
        notebook.put(broken_row("sales"))
        notebook.remove("stock")

        first, second = monitor.check_and_update(), monitor.check_and_update()

        for result in (first, second):
            assert result["quarantined"] == ["sales"]
            assert "module_name=sales" in "".join(result["errors"])
        assert notebook.names == ["sales", "stock"]

    def test_a_refused_deletion_is_told_until_it_is_allowed(self, notebook: World, tmp_path):
        self.monitor_of(notebook, tmp_path).check_and_update()
        notebook.remove("stock")

        (refused,) = self.monitor_of(notebook, tmp_path).check_and_update()["refused"]
        assert "would delete 1 job ('stock')" in refused

        assert self.monitor_of(notebook, tmp_path, max_deletes=1).check_and_update()["refused"] == []
        assert notebook.names == ["sales"]

    def test_nothing_is_raised_when_the_workspace_is_down(self, notebook: World, tmp_path):
        notebook.goes_down()

        result = self.monitor_of(notebook, tmp_path).check_and_update()

        assert result["outcome"] == "failed"
        assert len(result["errors"]) == 1

    def test_runs_for_so_many_checks_and_logs_what_happens(self, notebook: World, tmp_path, caplog):
        caplog.set_level(logging.INFO)

        self.monitor_of(notebook, tmp_path, check_interval_seconds=1).run_continuous(max_iterations=1)

        lines = [record.getMessage() for record in caplog.records]
        assert "deployed: Deployed: 2 jobs created, 0 changed, 0 deleted." in lines
        assert lines[-1] == "stopped: Ended after 1 tick."

    def test_without_updating_jobs_it_writes_what_it_would_do(self, notebook: World, tmp_path):
        monitor = self.monitor_of(notebook, tmp_path, auto_update_jobs=False)

        result = monitor.check_and_update()

        assert (result["outcome"], result["jobs_updated"], notebook.names) == ("proposed", [], [])
        assert monitor.proposal_folder is not None
        assert (monitor.proposal_folder / "plan.md").exists()
        assert (monitor.proposal_folder / "resources" / "jobs" / "sales.yml").exists()

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_what_is_no_interval_is_refused(self, notebook: World, tmp_path, seconds):
        with pytest.raises(ConfigError, match="must be a whole number from 1"):
            self.monitor_of(notebook, tmp_path, check_interval_seconds=seconds)

    def test_a_metadata_monitor_is_created_from_widgets(self, notebook: World, tmp_path):
        table = str(tmp_path / "etl" / "control")
        widgets = Utilities(control_table=f" {table} ", check_interval_seconds="1", max_iterations="1", volume_path="")

        monitor = MetadataMonitor.from_widgets(widgets)
        monitor.run_continuous()

        assert (monitor.check_interval_seconds, monitor.max_iterations) == (1, 1)
        assert notebook.names == ["sales", "stock"]

    def test_widgets_that_are_missing_have_defaults(self, notebook: World, tmp_path):
        monitor = MetadataMonitor.from_widgets(Utilities(control_table=str(tmp_path / "etl" / "control")))
        assert (monitor.check_interval_seconds, monitor.max_iterations) == (60, None)

    @pytest.mark.parametrize("values", [{}, {"control_table": ""}, {"control_table": "  "}])
    def test_a_metadata_monitor_needs_its_table(self, notebook: World, values):
        with pytest.raises(ConfigError, match="'control_table' is missing or empty"):
            MetadataMonitor.from_widgets(Utilities(**values))

    @pytest.mark.parametrize("name", ["check_interval_seconds", "max_iterations"])
    @pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "²"])
    def test_a_number_that_is_none_is_told_with_its_widget(self, notebook: World, tmp_path, name, value):
        widgets = Utilities(control_table=str(tmp_path / "etl" / "control"), **{name: value})
        with pytest.raises(ConfigError, match=f"'{name}' must be a whole number from 1"):
            MetadataMonitor.from_widgets(widgets)

    def test_another_error_of_a_widget_is_not_hidden(self, notebook: World):
        class Broken:
            def get(self, name: str) -> str:
                raise RuntimeError("no session")

        utilities = Utilities()
        utilities.widgets = Broken()  # type: ignore[assignment]
        with pytest.raises(RuntimeError, match="no session"):
            MetadataMonitor.from_widgets(utilities)
