"""The databricks CLI as it is run: found, checked, bounded in time, ended cleanly, and understood when it fails.

The CLI is a small real program that each test writes; tests/e2e/test_deploy.py has whole deployments.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given

from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta.deployment.databricks_cli import client as databricks_cli
from lakeflow_job_meta.deployment.databricks_cli.client import (
    CliFailure,
    CliResult,
    DatabricksCli,
    check_version,
    explain,
    find_cli,
)
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.state.lock import deployment_lock
from support.slow import few
from support.strategies import texts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

SECONDS = 20
"""How long anything here may take before the test fails."""


def program(path: Path, body: str, interpreter: str = "/bin/sh") -> Path:
    """Writes an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{interpreter}\n{dedent(body)}", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def make_cli(tmp_path: Path) -> Callable[..., DatabricksCli]:
    """Makes a CLI of a shell script, or a Python one, in a bundle's folder."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()

    def make(body: str, *, python: bool = False, **fields: object) -> DatabricksCli:
        made = program(tmp_path / "bin" / "databricks", body, sys.executable if python else "/bin/sh")
        return DatabricksCli(str(made), bundle, **fields)

    return make


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


def is_running(process: int) -> bool:
    """Says whether a process is there and does something; one that has ended and waits to be noticed does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, timeout=SECONDS)
    return done.stdout.strip()[:1] not in ("", "Z")


def number_in(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text().strip(), f"writing {path}")
    return int(path.read_text())


# Finding it -------------------------------------------------------------------------------------------------------


class TestFindingIt:
    def test_the_variable_wins_over_the_path(self, tmp_path):
        named, other = program(tmp_path / "a" / "dbx", ""), program(tmp_path / "b" / "databricks", "")

        assert find_cli({"DATABRICKS_CLI": str(named), "PATH": str(other.parent)}) == str(named)

    def test_without_the_variable_it_is_the_one_on_the_path(self, tmp_path):
        first, second = (program(tmp_path / name / "databricks", "") for name in "ab")

        assert find_cli({"PATH": f"{first.parent}:{second.parent}"}) == str(first)
        assert find_cli({"PATH": str(second.parent), "DATABRICKS_CLI": ""}) == str(second)

    def test_none_is_wrong_configuration_that_names_the_version_and_the_variable(self, tmp_path):
        with pytest.raises(ConfigError, match=r"not installed.* 0\.281\.0 or newer.*DATABRICKS_CLI"):
            find_cli({"PATH": str(tmp_path)})

    @pytest.mark.parametrize("named", ["/nowhere/databricks", "no-such-program-anywhere"])
    def test_a_variable_that_names_nothing_is_said_so_and_the_path_is_not_tried(self, tmp_path, named):
        program(tmp_path / "databricks", "")

        with pytest.raises(ConfigError, match=f"DATABRICKS_CLI names '{named}'"):
            find_cli({"DATABRICKS_CLI": named, "PATH": str(tmp_path)})

    def test_a_file_that_cannot_be_run_is_none(self, tmp_path):
        (tmp_path / "databricks").write_text("not a program")

        with pytest.raises(ConfigError):
            find_cli({"PATH": str(tmp_path)})

    def test_a_relative_name_is_relative_to_where_the_user_stands_and_not_to_the_bundle(self, tmp_path, monkeypatch):
        program(tmp_path / "tools" / "databricks", "echo hello")
        (tmp_path / "bundle").mkdir()
        monkeypatch.chdir(tmp_path)

        for environment in ({"DATABRICKS_CLI": "tools/databricks"}, {"PATH": "tools"}):
            found = find_cli(environment)
            assert DatabricksCli(found, tmp_path / "bundle").run([], SECONDS).stdout == "hello\n"

    def test_a_program_that_the_system_cannot_start_is_wrong_configuration(self, tmp_path):
        broken = program(tmp_path / "databricks", "", interpreter="/nowhere/interpreter")

        with pytest.raises(ConfigError, match=r"cannot be started.*DATABRICKS_CLI"):
            DatabricksCli(str(broken), tmp_path).run(["version"], SECONDS)


# Its version ------------------------------------------------------------------------------------------------------


def version(major: int, minor: int, patch: int) -> str:
    said = {"Version": f"{major}.{minor}.{patch}", "Major": major, "Minor": minor, "Patch": patch}
    return f"echo '{json.dumps(said)}'"


class TestItsVersion:
    @pytest.mark.parametrize("numbers", [(0, 281, 0), (0, 299, 2), (1, 0, 0), (1, 13, 0)])
    def test_the_floor_and_everything_newer_will_do(self, make_cli, numbers):
        assert check_version(make_cli(version(*numbers))) == ".".join(map(str, numbers))

    @pytest.mark.parametrize("numbers", [(0, 18, 0), (0, 280, 9)])
    def test_an_older_one_is_refused_with_its_version_and_the_floor(self, make_cli, numbers):
        with pytest.raises(ConfigError, match=rf"CLI {'.'.join(map(str, numbers))} is too old.* 0\.281\.0 or newer"):
            check_version(make_cli(version(*numbers)))

    def test_a_build_from_source_is_trusted(self, make_cli):
        said = '{"Version": "0.0.0-dev", "Major": 0, "Minor": 0, "Patch": 0}'
        assert check_version(make_cli(f"echo '{said}'")) == "0.0.0-dev"

    @pytest.mark.parametrize(
        "said",
        ["Version 0.18.0", "", "[]", "null", "3", '{"Version": "1.2.3"}', '{"Version": "1", "Major": null}', '{"Ver'],
    )
    def test_what_answers_otherwise_is_no_databricks_cli(self, make_cli, said):
        with pytest.raises(ConfigError, match=r"does not answer like the databricks CLI.*databricks-cli"):
            check_version(make_cli(f"cat <<'END'\n{said}\nEND\n"))

    def test_the_version_of_the_cli_is_asked_for_in_json(self, make_cli):
        with pytest.raises(ConfigError):
            check_version(cli := make_cli('echo "$@" > asked'))

        assert (cli.folder / "asked").read_text() == "version -o json\n"


# Running it -------------------------------------------------------------------------------------------------------


class TestRunningIt:
    def test_it_runs_in_the_bundle_with_the_target_and_without_a_shell(self, make_cli):
        cli = make_cli('pwd; printf "%s\\n" "$@"', target="dev; touch stolen")

        result = cli.bundle("run", "$(touch stolen)", "--no-wait", limit_seconds=SECONDS)

        folder, *arguments = result.stdout.splitlines()
        assert Path(folder) == cli.folder
        assert arguments == ["bundle", "run", "$(touch stolen)", "--no-wait", "--target", "dev; touch stolen"]
        assert not (cli.folder / "stolen").exists()

    def test_without_a_target_the_bundle_decides(self, make_cli):
        assert make_cli('echo "$@"').bundle("plan", limit_seconds=SECONDS).stdout == "bundle plan\n"

    def test_the_environment_passes_through_to_the_cli(self, make_cli, monkeypatch):
        monkeypatch.setenv("BUNDLE_VAR_warehouse_id", "abc")
        monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "mine")

        assert make_cli('echo "$BUNDLE_VAR_warehouse_id $DATABRICKS_CONFIG_PROFILE"').run([], SECONDS).stdout == (
            "abc mine\n"
        )

    def test_the_cli_cannot_ask_the_user_anything(self, make_cli):
        assert make_cli("read answer || echo nobody").run([], SECONDS).stdout == "nobody\n"

    def test_both_outputs_are_kept_apart_and_whole(self, make_cli):
        result = make_cli("echo data; echo progress >&2; exit 3").run([], SECONDS)

        assert result == CliResult(3, "data\n", "progress\n")

    @pytest.mark.slow
    def test_much_output_on_both_sides_does_not_block_it(self, make_cli):
        body = "import sys\nfor _ in range(20_000):\n    print('x' * 79)\n    print('y' * 79, file=sys.stderr)\n"

        result = make_cli(body, python=True).run([], SECONDS)

        assert (len(result.stdout), len(result.stderr)) == (20_000 * 80, 20_000 * 80)

    def test_bytes_that_are_no_text_do_no_harm(self, make_cli):
        seen: list[str] = []
        cli = make_cli("printf '\\377a\\n'; printf '\\376b\\n' >&2", on_line=seen.append)

        assert cli.run([], SECONDS) == CliResult(0, "\ufffda\n", "\ufffdb\n")
        assert seen == ["\ufffdb"]

    def test_a_failure_is_an_exception_with_what_was_said(self, make_cli):
        with pytest.raises(CliFailure) as raised:
            make_cli("echo 'Error: no' >&2; exit 1").bundle("plan", "-o", "json", limit_seconds=SECONDS)

        assert (raised.value.what, raised.value.result) == ("bundle plan", CliResult(1, "", "Error: no\n"))

    def test_a_cli_that_was_killed_has_failed(self, make_cli):
        with pytest.raises(CliFailure) as raised:
            make_cli("kill -9 $$").bundle("plan", limit_seconds=SECONDS)

        assert raised.value.result.code == -signal.SIGKILL


class TestProgress:
    def test_lines_are_told_while_it_runs(self, make_cli, tmp_path):
        seen: list[str] = []

        def on_line(line: str) -> None:
            seen.append(line)
            # The program waits for this file: it ends only if its first line was told before.
            (tmp_path / "go").touch()

        cli = make_cli(
            f"echo one >&2; while [ ! -e '{tmp_path}/go' ]; do sleep 0.05; done; echo two >&2", on_line=on_line
        )

        cli.run([], SECONDS)

        assert seen == ["one", "two"]

    def test_data_on_stdout_is_not_progress(self, make_cli):
        seen: list[str] = []
        make_cli("echo data; echo said >&2", on_line=seen.append).run([], SECONDS)
        assert seen == ["said"]

    def test_a_line_is_told_once_and_whole_however_it_is_written(self, make_cli):
        seen: list[str] = []
        body = "import sys, time\nfor each in 'one\\ntwo ä\\n':\n    print(each, end='', file=sys.stderr, flush=True)\n"

        make_cli(f"{body}    time.sleep(0.02)\n", python=True, on_line=seen.append).run([], SECONDS)

        assert seen == ["one", "two ä"]

    def test_a_last_line_without_an_end_is_told_too(self, make_cli):
        seen: list[str] = []
        make_cli("printf 'Error: no' >&2", on_line=seen.append).run([], SECONDS)
        assert seen == ["Error: no"]


# Ending it --------------------------------------------------------------------------------------------------------


@pytest.fixture
def short_grace(monkeypatch):
    monkeypatch.setattr(databricks_cli, "_GRACE_SECONDS", 0.5)


@pytest.mark.usefixtures("short_grace")
class TestTheTimeLimit:
    def test_ends_it_and_says_which_command_hung_and_what_to_do(self, make_cli):
        cli = make_cli("exec sleep 600", target="dev")
        begin = time.monotonic()

        with pytest.raises(OperationFailed, match=r"`databricks bundle plan` did not end within 1 seconds.*--timeout"):
            cli.bundle("plan", "-o", "json", limit_seconds=1)

        assert time.monotonic() - begin < 10

    @pytest.mark.slow
    def test_ends_one_that_does_not_listen(self, make_cli):
        cli = make_cli("echo $$ > pid; trap '' INT TERM; while :; do sleep 0.1; done")

        with pytest.raises(OperationFailed):
            cli.run(["bundle", "plan"], 0.5)

        assert not is_running(number_in(cli.folder / "pid"))

    def test_the_time_limit_ends_all_that_the_cli_started(self, make_cli):
        # What a shell starts in the background does not hear Ctrl-C, and the shell itself ends at once.
        cli = make_cli("sleep 600 & echo $! > child; wait")

        with pytest.raises(OperationFailed):
            cli.run(["bundle", "plan"], 0.5)

        child = number_in(cli.folder / "child")
        try:
            wait_for(lambda: not is_running(child), "the end of what the CLI had started")
        finally:
            if is_running(child):
                os.kill(child, signal.SIGKILL)

    def test_gives_it_time_to_release_its_lock(self, make_cli):
        cli = make_cli("trap 'sleep 0.2; echo released > lock; exit 1' INT; while :; do sleep 0.05; done")

        with pytest.raises(OperationFailed):
            cli.run(["bundle", "deploy"], 0.5)

        assert (cli.folder / "lock").read_text() == "released\n"


WRAPPER = """\
import signal, sys
from pathlib import Path
from lakeflow_job_meta.deployment.databricks_cli.client import DatabricksCli
from lakeflow_job_meta.state.lock import deployment_lock

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, interrupt)
program, folder = sys.argv[1], Path(sys.argv[2])
with deployment_lock(folder) as lock:
    try:
        DatabricksCli(program, folder, inherited=(lock,), stop_seconds=3).run(["bundle", "deploy"], 60)
    except KeyboardInterrupt:
        print("stopped", flush=True)
        sys.exit(130)
print("ended", flush=True)
"""


class Wrapper:
    """A process of its own that runs the CLI under the deployment lock."""

    def __init__(self, cli: DatabricksCli) -> None:
        self.folder = cli.folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRAPPER, cli.program, str(cli.folder)], stdout=subprocess.PIPE, text=True
        )
        self.child = number_in(cli.folder / "pid")

    def end(self) -> str:
        output, _ = self.process.communicate(timeout=SECONDS)
        return output.strip()

    def has_lock(self) -> bool:
        with (self.folder / "lock").open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


@pytest.fixture
def start(make_cli):
    """Starts a wrapper around a CLI; what is left of the two at the end of the test is killed."""
    started: list[Wrapper] = []

    def begin(body: str) -> Wrapper:
        started.append(Wrapper(make_cli(f"echo $$ > pid\n{body}")))
        return started[-1]

    yield begin
    for wrapper in started:
        wrapper.process.kill()
        wrapper.process.wait(SECONDS)
        wrapper.process.stdout.close()
        if is_running(wrapper.child):
            os.kill(wrapper.child, signal.SIGKILL)


class TestBeingStopped:
    @pytest.mark.parametrize(
        "sent", few([pytest.param(signal.SIGINT, id="Ctrl-C")], [pytest.param(signal.SIGTERM, id="SIGTERM")])
    )
    def test_the_cli_is_ended_cleanly_and_the_lock_is_free(self, start, sent):
        wrapper = start("trap 'echo released > released; exit 1' INT; while :; do sleep 0.05; done")

        wrapper.process.send_signal(sent)

        assert (wrapper.end(), wrapper.process.returncode) == ("stopped", 130)
        assert (wrapper.folder / "released").exists()
        assert not is_running(wrapper.child)
        assert not wrapper.has_lock()

    def test_what_it_has_begun_is_finished_first(self, start):
        wrapper = start("trap 'echo interrupted > interrupted' INT; sleep 0.2; touch begun; sleep 0.2; touch finished")

        wrapper.process.send_signal(signal.SIGTERM)

        assert (wrapper.end(), wrapper.process.returncode) == ("stopped", 130)
        assert (wrapper.folder / "finished").exists()
        assert not (wrapper.folder / "interrupted").exists()

    def test_ctrl_c_in_a_terminal_reaches_the_cli_through_us_alone(self, start):
        wrapper = start("trap 'echo x >> interrupted' INT; while [ ! -s interrupted ]; do sleep 0.05; done; sleep 0.3")

        assert os.getpgid(wrapper.child) != os.getpgid(wrapper.process.pid)
        assert os.getsid(wrapper.child) == wrapper.child

    def test_when_we_are_killed_the_cli_finishes_and_holds_the_lock_until_then(self, start):
        wrapper = start(
            "while [ ! -e go ]; do echo working >&2; sleep 0.05; done; echo more; echo more >&2; echo done > finished"
        )

        wrapper.process.kill()
        wrapper.process.wait(SECONDS)

        assert is_running(wrapper.child)
        assert wrapper.has_lock()
        (wrapper.folder / "go").touch()
        wait_for((wrapper.folder / "finished").exists, "the end of the orphan")
        wait_for(lambda: not wrapper.has_lock(), "freeing the lock")

    def test_a_deployment_beside_an_orphan_waits_for_it(self, start):
        wrapper = start("while [ ! -e go ]; do sleep 0.05; done")
        wrapper.process.kill()
        wrapper.process.wait(SECONDS)
        told: list[str] = []

        def on_wait(message: str) -> None:
            told.append(message)
            (wrapper.folder / "go").touch()

        with deployment_lock(wrapper.folder, wait_seconds=SECONDS, on_wait=on_wait):
            assert not is_running(wrapper.child)

        assert len(told) == 1
        assert f"process {wrapper.process.pid}" in told[0]

    def test_a_cli_that_was_not_given_the_lock_does_not_hold_it(self, make_cli, tmp_path):
        cli = make_cli("echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done")
        with deployment_lock(tmp_path):
            thread = threading.Thread(target=cli.run, args=([], SECONDS))
            thread.start()
            number_in(cli.folder / "pid")
        try:
            with deployment_lock(tmp_path, wait_seconds=0):
                pass
        finally:
            (cli.folder / "go").touch()
            thread.join(SECONDS)


# Secrets ----------------------------------------------------------------------------------------------------------

SECRETS = [
    "dapi0123456789abcdef0123456789abcdef",
    "dapi0123456789abcdef0123456789abcdef-2",
    "doseAbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl",
    "Pa55-w.o_r~d+/=",
]


class TestSecrets:
    @pytest.mark.parametrize("secret", SECRETS)
    @pytest.mark.parametrize("said", ["token: {}", '"client_secret": "{}"', "Authorization: Bearer {}", "password={}"])
    def test_what_stands_where_a_secret_stands_is_hidden(self, said, secret):
        shown = without_secrets(f"Error: {said.format(secret)} is wrong")

        assert secret not in shown
        assert shown.startswith("Error: ")

    @pytest.mark.parametrize("name", ["DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_PASSWORD"])
    @pytest.mark.parametrize("secret", SECRETS)
    def test_a_secret_of_the_environment_is_never_shown_wherever_it_stands(self, make_cli, monkeypatch, name, secret):
        monkeypatch.setenv(name, secret)
        seen: list[str] = []
        cli = make_cli(f'echo "Error: cannot reach x with $(printenv {name})!" >&2; exit 1', on_line=seen.append)

        with pytest.raises(CliFailure) as raised:
            cli.bundle("plan", limit_seconds=SECONDS)

        assert secret not in "".join([*seen, raised.value.result.stderr, explain(raised.value)])

    @pytest.mark.parametrize(
        "said",
        [
            "Error: default auth: token is expired",
            "Uploading bundle files to /Workspace/Users/me/.bundle/secrets/dev/files...",
            "Created jobs.tokens_of_users",
            "Error: secret scope 'etl' does not exist",
            "Error: invalid access token.",
            "Warning: unknown field: password_policy",
        ],
    )
    def test_words_that_only_speak_of_secrets_stay(self, said):
        assert without_secrets(said) == said

    @given(texts)
    def test_any_text_can_be_looked_through(self, text):
        assert isinstance(without_secrets(text), str)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_moment_of_starting_ends_what_was_started(make_cli, monkeypatch, number):
    started: list[subprocess.Popen[bytes]] = []
    start = DatabricksCli._start

    def start_and_be_told_to_end(self, *arguments):
        process = start(self, *arguments)
        started.append(process)
        os.kill(os.getpid(), number)
        return process

    monkeypatch.setattr(DatabricksCli, "_start", start_and_be_told_to_end)

    with pytest.raises(KeyboardInterrupt):
        make_cli("exec sleep 30").run([], SECONDS)

    assert started[0].poll() is not None
