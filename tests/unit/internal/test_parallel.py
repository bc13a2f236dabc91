"""Threads for calls that wait."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lakeflow_job_meta._internal.parallel import run_in_threads


def test_results_come_in_the_order_of_the_calls_whichever_ends_first():
    first_may_end = threading.Event()
    calls = {"a": lambda: first_may_end.wait(5), "b": lambda: first_may_end.set()}
    assert list(run_in_threads(calls, 2)[0]) == ["a", "b"]


def test_no_more_calls_than_allowed_run_at_a_time():
    running, most, lock = 0, 0, threading.Lock()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    run_in_threads(dict.fromkeys(range(10), call), 3)
    assert 1 <= most <= 3


def test_an_expected_error_leaves_the_other_calls_alone():
    error = KeyError("x")

    def fail() -> int:
        raise error

    assert run_in_threads({"a": fail, "b": lambda: 1}, 1, expected=(KeyError,)) == ({"b": 1}, {"a": error})


def test_after_an_unexpected_error_no_further_call_begins_and_it_is_raised():
    def fail() -> None:
        raise RuntimeError("x")

    begun = []
    with pytest.raises(RuntimeError, match="x"):
        run_in_threads({0: fail, 1: lambda: begun.append(1)}, 1)
    assert begun == []


def test_nothing_to_call_gives_nothing():
    assert run_in_threads({}, 4) == ({}, {})


PROGRAM = """
import time
from pathlib import Path
from pathlib import Path
from lakeflow_job_meta._internal.parallel import Stop, run_in_threads

stop = Stop()

def wait(is_over):
    Path("begun").touch()
    end = time.monotonic() + 60
    while time.monotonic() < end and not is_over():
        time.sleep(0.01)
        Path("asked").touch() if stop.is_asked else None
    Path("ended").touch()

run_in_threads({1: lambda: wait(lambda: CONDITION)}, 1OPTION)
"""


@pytest.mark.parametrize(
    ("condition", "option", "times", "ends"),
    [
        pytest.param("False", "", 1, False, id="calls that hang are left behind"),
        pytest.param("stop.is_asked", ", stop=stop", 1, True, id="calls that can be stopped are waited for"),
        pytest.param("stop.is_urgent", ", stop=stop", 2, True, id="asked once more, they end at once"),
        pytest.param("False", ", stop=stop", 3, False, id="asked a third time, nobody waits for them"),
    ],
)
def test_an_interrupted_process_ends(condition: str, option: str, times: int, ends: bool, tmp_path: Path):
    program = PROGRAM.replace("CONDITION", condition).replace("OPTION", option)
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE)
    for sent in range(times):
        deadline = time.monotonic() + 30
        while not (tmp_path / ("asked" if sent else "begun")).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1 if sent else 0)
        process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in stderr
    assert (tmp_path / "ended").exists() == ends
