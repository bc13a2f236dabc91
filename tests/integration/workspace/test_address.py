"""Whether anybody answers at an address is known within seconds, and a deployment says which host it was."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.deployment.databricks_cli import client
from lakeflow_job_meta.workspace import address
from lakeflow_job_meta.workspace.address import address_of_profile, why_nobody_answers
from support.deployments import COMMANDS, World, new_world
from support.slow import few

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections, and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class TestLooking:
    def test_a_workspace_that_answers_is_well(self, tmp_path: Path):
        with FakeWorkspace(tmp_path) as workspace:
            assert why_nobody_answers(workspace.url) is None

    def test_a_name_that_is_not_there_is_said(self):
        problem = why_nobody_answers("https://no-such-host.invalid")

        assert problem is not None
        assert "at no-such-host.invalid (" in problem
        assert "Check the address" in problem

    def test_a_port_where_nobody_listens_is_said(self):
        problem = why_nobody_answers(f"http://127.0.0.1:{closed_port()}")

        assert problem is not None
        assert "127.0.0.1 (Connection refused)" in problem

    def test_a_server_that_does_not_speak_tls_is_waited_for_no_longer_than_asked(self, silent: int):
        begin = time.monotonic()

        problem = why_nobody_answers(f"https://127.0.0.1:{silent}", 0.5)

        assert problem is not None
        assert "a connection, but no TLS within 0.5 seconds" in problem
        assert time.monotonic() - begin < 5

    def test_a_name_server_that_is_silent_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch):
        is_over = threading.Event()

        def connect(*arguments: object, **options: object) -> None:
            is_over.wait(30)
            raise OSError("too late")

        monkeypatch.setattr(socket, "create_connection", connect)
        begin = time.monotonic()
        problem = why_nobody_answers("https://adb-1.example.net", 0.2)

        assert "nothing within 0.2 seconds" in str(problem)
        assert time.monotonic() - begin < 3
        is_over.set()

    def test_where_there_is_a_proxy_it_is_looked_at(self, monkeypatch: pytest.MonkeyPatch, silent: int):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent}")
        assert why_nobody_answers("https://no-such-host.invalid") is None

        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{closed_port()}")
        problem = why_nobody_answers("https://no-such-host.invalid")

        assert "at no-such-host.invalid, through the proxy 127.0.0.1 (Connection refused)" in str(problem)

    def test_an_address_may_come_without_its_scheme(self):
        assert "at no-such-host.invalid (" in str(why_nobody_answers("no-such-host.invalid"))


class TestTheAddressOfAProfile:
    def test_it_is_that_of_the_named_profile_or_the_default(self, tmp_path: Path):
        path = tmp_path / "config"
        path.write_text("[DEFAULT]\nhost = https://one\n[prod]\nhost = https://two\n[none]\ntoken = %x\n")
        environment = {"DATABRICKS_CONFIG_FILE": str(path)}

        found = [address_of_profile(name, environment) for name in (None, "prod", "none", "missing")]

        assert found == ["https://one", "https://two", None, None]

    @pytest.mark.parametrize("content", ["", "no section\n", "[a]\n[a]\n"])
    def test_a_file_that_is_none_is_no_address(self, tmp_path: Path, content: str):
        (tmp_path / "config").write_text(content)
        assert address_of_profile(None, {"DATABRICKS_CONFIG_FILE": str(tmp_path / "config")}) is None
        assert address_of_profile(None, {"DATABRICKS_CONFIG_FILE": str(tmp_path / "missing")}) is None


@pytest.fixture(params=COMMANDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The module `one`, never deployed."""
    with new_world(request.param, tmp_path) as found:
        found.module("one")
        yield found


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(client, "UNANSWERED_SECONDS", 2.0)


COMMANDS_THAT_CONNECT = few(
    [pytest.param(("deploy",), id="deploy")],
    [
        pytest.param(("plan", "--live"), id="plan"),
        pytest.param(("monitor", "--once", "--deployer", "cli"), id="monitor"),
    ],
)


class TestADeploymentWhereNobodyAnswers:
    def test_less_than_a_minute_passes(self):
        assert address.LOOK_SECONDS + client.UNANSWERED_SECONDS <= 50

    @pytest.mark.usefixtures("short")
    @pytest.mark.parametrize("command", COMMANDS_THAT_CONNECT)
    def test_the_host_is_named_and_the_exit_code_is_1(self, world: World, command: tuple[str, ...]):
        result = world.ljm(*command, "-t", "dev", DATABRICKS_HOST=f"http://127.0.0.1:{closed_port()}")

        assert result.exit_code == 1
        assert "The workspace does not answer at 127.0.0.1 (Connection refused). Check the address" in result.stderr
        assert world.workspace.requests == []

    @pytest.mark.usefixtures("short")
    @pytest.mark.slow
    def test_the_address_in_the_bundle_is_the_one_that_counts(self, world: World):
        text = world.project.read("databricks.yml")
        host = f"workspace: {{host: 'http://127.0.0.1:{closed_port()}'}}"
        world.project.write("databricks.yml", text.replace("dev: {}", f"dev: {{{host}}}"))

        result = world.deploy()

        assert result.exit_code == 1
        assert "does not answer at 127.0.0.1" in result.stderr
