"""The tasks of a run on a terminal: a table that is drawn again in its place, and never larger than the terminal."""

from __future__ import annotations

import contextlib
import io
import re
import time

import pytest

from lakeflow_job_meta._internal.text import cells
from lakeflow_job_meta.cli.live_tasks import LiveTasks
from lakeflow_job_meta.services.run_states import ModuleRun, TaskRun

NOW = 1_700_000_000.0
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_UP = re.compile(r"\x1b\[(\d+)A\r\x1b\[J")


class Terminal(io.StringIO):
    """A terminal that draws what is written to it."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """The lines that are seen, without colours; nothing may be left that controls a terminal."""
        lines = [""]
        for number, part in enumerate(_UP.split(_STYLE.sub("", self.getvalue()))):
            if number % 2:
                del lines[len(lines) - 1 - int(part) :]
                lines.append("")
            else:
                first, *others = part.split("\n")
                lines[-1] += first
                lines += others
        assert "\x1b" not in "".join(lines)
        return lines[:-1]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 60 columns and 10 lines; it is always the same second."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def show(stream: io.StringIO, *runs: ModuleRun, wait: float = 0.0) -> None:
    """Shows runs one after the other, and waits after the last one."""
    with contextlib.redirect_stderr(stream):
        tasks = LiveTasks()
        for run in runs:
            tasks.show(run)
        tasks.pause(wait)


def run_of(*tasks: TaskRun, state: str = "RUNNING") -> ModuleRun:
    return ModuleRun("sales", 7, 9, state, is_finished=False, tasks=tasks)


def task(key: str, state: str, *, ago: int = 0, took: int = 0) -> TaskRun:
    started = int((NOW - ago) * 1000) if ago else 0
    return TaskRun(key, 1, state, "", started, started + took * 1000 if took else 0)


class TestTable:
    def test_has_each_task_with_its_state_and_how_long_it_takes(self, terminal):
        read, load = task("read", "SUCCESS", ago=90, took=65), task("load_all", "RUNNING", ago=25)
        show(terminal, run_of(read, load, task("c", "BLOCKED")))

        assert terminal.screen() == [
            "  read      SUCCESS  1:05",
            "  load_all  RUNNING  0:25",
            "  c         BLOCKED",
            "  3 tasks: 1 SUCCESS, 1 RUNNING, 1 BLOCKED",
        ]

    def test_is_drawn_again_in_its_place(self, terminal):
        show(
            terminal,
            run_of(task("a", "PENDING")),
            run_of(task("a", "RUNNING", ago=5), task("b", "BLOCKED")),
            run_of(task("a", "SUCCESS", ago=10, took=7), task("b", "RUNNING", ago=1)),
        )

        assert terminal.screen() == ["  a  SUCCESS  0:07", "  b  RUNNING  0:01", "  2 tasks: 1 SUCCESS, 1 RUNNING"]

    def test_is_drawn_again_while_nobody_looks_at_the_run(self, terminal, monkeypatch):
        clock = [0.0]
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])
        monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
        monkeypatch.setattr(time, "time", lambda: NOW + clock[0])

        show(terminal, run_of(task("a", "RUNNING", ago=5)), wait=3.0)

        assert terminal.screen()[0] == "  a  RUNNING  0:08"

    def test_of_more_tasks_than_lines_has_what_failed_and_what_goes_on(self, terminal):
        done = [task(f"done_{number}", "SUCCESS", ago=90, took=1) for number in range(20)]
        waiting = [task(f"waiting_{number}", "BLOCKED") for number in range(20)]
        going = [task("failed", "FAILED", ago=9, took=2), task("going", "RUNNING", ago=9)]

        show(terminal, *[run_of(*done, *going, *waiting)] * 2)

        screen = terminal.screen()
        assert len(screen) == 8
        assert [line.split()[0] for line in screen[:3]] == ["failed", "going", "waiting_0"]
        assert screen[-1] == "  42 tasks: 20 SUCCESS, 20 BLOCKED, 1 FAILED, 1 RUNNING"

    def test_has_no_line_that_is_wider_than_the_terminal(self, terminal):
        show(terminal, run_of(task("x" * 100, "RUNNING", ago=9)))
        assert [len(line) for line in terminal.screen()] == [59, 19]

    def test_counts_wide_letters_as_the_two_cells_that_they_take(self, terminal):
        show(terminal, run_of(task("長" * 100, "RUNNING", ago=9)))
        assert [cells(line) for line in terminal.screen()] == [58, 19]

    @pytest.mark.parametrize(
        ("state", "colour"), [("FAILED", "\x1b[31m"), ("SUCCESS", "\x1b[32m"), ("RUNNING", "\x1b[36m")]
    )
    def test_colours_the_states(self, terminal, state, colour):
        took = 0 if state == "RUNNING" else 3
        show(terminal, run_of(task("a", state, ago=9, took=took)))
        assert f"{colour}{state}\x1b[0m" in terminal.getvalue()


@pytest.mark.parametrize(("is_terminal", "term"), [(False, "xterm"), (True, "dumb")])
def test_elsewhere_each_new_state_is_a_line(monkeypatch, is_terminal, term):
    stream = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setenv("TERM", term)

    show(stream, *(run_of(task("a", state)) for state in ("PENDING", "RUNNING", "RUNNING")))

    assert stream.getvalue() == "  a: PENDING\n  a: RUNNING\n"


def test_a_name_that_is_no_plain_text_controls_nothing(terminal):
    show(terminal, run_of(task("a\x1b[2Jb", "RUNNING", ago=9)))
    assert terminal.screen()[0].startswith("  a\\u001b[2Jb")
