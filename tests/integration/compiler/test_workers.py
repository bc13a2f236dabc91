"""Worker processes make a run faster and change nothing else, whatever becomes of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import count
from multiprocessing import spawn
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.cli import params
from lakeflow_job_meta.compiler import parallel, parts
from lakeflow_job_meta.compiler.cache import cache
from lakeflow_job_meta.compiler.parallel import ParallelCompiler, Workers
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.parsing.units import SourceUnit, UnitContent
from support.project_folder import BUNDLE, ProjectFolder, compile_loaded, module
from support.slow import few
from support.tables import row, write_table

AT_ONCE = Workers(2, after_seconds=0, worth_seconds=0, chunk_seconds=60)
ONE = (
    "  - module_name: {}\n{}    sources:\n      - {{source_id: a, execution_order: 1, transformation_config: {{{}}}}}\n"
)
KINDS = {
    "good": ("", "notebook_path: /Workspace/a"),
    "inline_sql": ("", "sql_task: {sql_query: SELECT 1}"),
    "local_file": ("", "notebook_path: notebooks/one.py"),
    "missing_file": ("", "notebook_path: notebooks/two.py"),
    "wrong": ("", "notebook_path: 7"),
    "warned": ("    job_config: {tags: {a: your-id}}\n", "notebook_path: /Workspace/a"),
    "runs_another": ("", "run_job_task: {module_name: good_3}"),
    "runs_nobody": ("", "run_job_task: {module_name: nobody}"),
    "not_even_text": ("    description: {{a}}\n", "notebook_path: /Workspace/a"),
}


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    """Six modules of each kind in a file each, a file that is not YAML, a table, and two modules of one name."""
    folder = ProjectFolder(tmp_path / "project")
    folder.write("job_meta.yml", "metadata: [{yaml: metadata/}, {delta: control}]\ndefaults: {warehouse_id: w}\n")
    folder.write("notebooks/one.py", "# Databricks notebook source\n")
    for kind, (job, task) in KINDS.items():
        for number in range(6):
            name = f"{kind}_{number}"
            folder.write(f"metadata/{name}.yml", "modules:\n" + ONE.format(name, job, task))
    folder.write("metadata/no_yaml.yml", "modules: [\n")
    folder.write("metadata/twin.yml", module("good_1"))
    bad = row("b", "table_4", transformation_config="{broken")
    write_table(folder.path / "control", [*(row("a", f"table_{number}") for number in range(6)), bad])
    return folder


@pytest.fixture
def compiled_here(monkeypatch) -> list[str]:
    """The units that this process compiles alone from now on."""
    labels: list[str] = []
    real = UnitCompiler.compile_alone

    def compile_alone(compiler: UnitCompiler, unit: SourceUnit):
        labels.append(unit.label)
        time.sleep(0.05)  # so that the others get their share, however long they take to begin
        return real(compiler, unit)

    monkeypatch.setattr(UnitCompiler, "compile_alone", compile_alone)
    return labels


UNITS = 6 * len(KINDS) + 2 + 6
"""Of the project: a file each, and a module of the table each."""


def shared(project: ProjectFolder) -> Compilation:
    return compile_loaded(load_project(project.path), workers=lambda: AT_ONCE)


def assert_same(one: Compilation, other: Compilation) -> None:
    for field in fields(Compilation):
        if field.name in ("missing", "present"):
            sources = ([reading.source for reading in getattr(each, field.name)] for each in (one, other))
            assert next(sources) == next(sources)
        elif field.name == "units":
            assert list(one.units.values()) == list(other.units.values())
        elif field.name == "library":
            assert one.library.blueprints.keys() == other.library.blueprints.keys()
        elif field.name != "jobs":
            assert getattr(one, field.name) == getattr(other, field.name), field.name
    assert [job.settings for job in one.jobs] == [job.settings for job in other.jobs]
    assert list(one.files) == list(other.files)


class TestResults:
    def test_are_the_same_whatever_is_wrong_with_the_metadata(self, project, compiled_here):
        together = shared(project)

        assert 0 < len(compiled_here) < UNITS - 10
        alone = project.compile()
        assert {each.code for each in alone.diagnostics} >= {"wrong-type", "duplicate-module", "unreadable", "bad-json"}
        assert_same(together, alone)

    @pytest.mark.parametrize(
        "of_all",
        [
            pytest.param("notebook_path: /Workspace/a", id="right"),
            pytest.param("notebook_path: /Workspace/a, tmeout_seconds: {0}", id="wrong"),
        ],
    )
    @pytest.mark.parametrize("last", ["", "password: hunter2x", "run_job_task: {module_name: m_1}"])
    def test_are_the_same_of_one_file_that_is_read_in_parts(self, tmp_path, monkeypatch, compiled_here, of_all, last):
        monkeypatch.setattr(parts, "LARGE", 1)
        monkeypatch.setattr(parts, "MODULES", 2)
        task = "{{source_id: s, execution_order: 1, transformation_config: {{{1}}}}}"
        text = f"- {{{{module_name: m_{{0}}, sources: [{task}]}}}}\n"
        # Each with a number of its own, so that none is like another.
        configs = [f"{of_all.format(number)}, max_retries: {number}" for number in range(20)]
        configs[-1] = last or configs[-1]
        folder = ProjectFolder(tmp_path)
        folder.write("databricks.yml", BUNDLE)
        folder.write("metadata/all.yml", "modules:\n" + "".join(text.format(*each) for each in enumerate(configs)))

        together = shared(folder)

        assert compiled_here.count("metadata/all.yml") < 10 + (last != "")
        assert_same(together, folder.compile())

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "template",
        few(
            [
                pytest.param(
                    '{% extends "lakeflow_job_meta/job.yml.j2" %}\n{% block before_job %}\n# mine\n{% endblock %}\n',
                    id="good",
                )
            ],
            [
                pytest.param("{{ marker }}\nresources: {}\n", id="wrong"),
                pytest.param("{% if %}\n", id="no template"),
            ],
        ),
    )
    def test_are_the_same_with_a_template_of_the_project(self, project, compiled_here, template):
        project.write("mine.yml.j2", template)
        project.write("job_meta.yml", "templates: {job: mine.yml.j2}\ndefaults: {warehouse_id: w}\n")

        together = shared(project)

        assert 0 < len(compiled_here) < UNITS - 10
        assert_same(together, project.compile())

    @pytest.mark.slow
    def test_are_the_same_with_the_options_that_this_python_was_started_with(self, project):
        project.write("notebooks/ü.py", "# Databricks notebook source\n")
        project.write("metadata/good_0.yml", module("good_0", notebook="notebooks/ü.py"))
        project.write("metadata/zzz.yml", module("zzz", notebook="notebooks/ü.py"))
        code = (
            "from pathlib import Path\n"
            "from lakeflow_job_meta.compiler.compile import compile_project\n"
            "from lakeflow_job_meta.compiler.parallel import Workers\n"
            "from lakeflow_job_meta.config.bundle import BundleDeclarations\n"
            "from lakeflow_job_meta.config.load import load_project\n"
            "at_once = Workers(2, 0, 0, 60)\n"
            "found = compile_project(load_project(Path('.')), BundleDeclarations(), workers=lambda: at_once)\n"
            "print({key for key in found.kept_jobs if key in ('good_0', 'zzz')})\n"
        )
        # Without the option, paths here are ASCII.
        ascii_only = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code],
            cwd=project.path,
            env=ascii_only,
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert done.stdout == "set()\n", done.stderr

    @pytest.mark.slow
    def test_are_cached_as_they_would_be_without_workers(self, project, compiled_here, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        path = project.path / ".lakeflow-job-meta/cache/results"
        project.compile()
        alone = path.read_bytes()
        path.unlink()
        compiled_here.clear()

        shared(project)

        assert 0 < len(compiled_here) < UNITS - 10
        assert path.read_bytes() == alone

    @pytest.mark.slow
    def test_are_not_cached_when_a_template_was_edited_between_two_processes(self, project, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        text = '{% extends "lakeflow_job_meta/job.yml.j2" %}\n'
        project.write("mine.yml.j2", text)
        project.write("job_meta.yml", "templates: {job: mine.yml.j2}\ndefaults: {warehouse_id: w}\n")
        of_workers: list[set] = []

        def templates(compiler: ParallelCompiler) -> set:
            of_workers.append(compiler._templates)
            return {*compiler._compiler.templates, *((name, f"{text}# as it was") for name, _ in compiler._templates)}

        monkeypatch.setattr(ParallelCompiler, "templates", property(templates))

        shared(project)

        assert of_workers[0] == {("mine.yml.j2", text)}
        assert not (project.path / ".lakeflow-job-meta/cache/results").exists()


class TestWithoutWorkers:
    def test_little_work_starts_none(self, project, monkeypatch):
        monkeypatch.setattr(parallel, "_Pool", None)
        # However busy the machine that runs this: a thousandth of a second from one look at the clock to the next.
        monkeypatch.setattr(parallel, "time", SimpleNamespace(monotonic=count(step=0.001).__next__))

        assert compile_loaded(load_project(project.path), workers=lambda: Workers(2)).files

    @pytest.mark.parametrize("python", few(["/does/not/exist", None], ["/bin/false", "/bin/cat", ""]))
    def test_a_python_that_does_not_start_changes_nothing(self, project, compiled_here, monkeypatch, python):
        monkeypatch.setattr(spawn, "_python_exe", python)

        together = shared(project)

        assert len(compiled_here) == UNITS
        assert_same(together, project.compile())

    @pytest.mark.parametrize("error", few([ImportError()], [FileNotFoundError(2, "none"), PermissionError(1, "no")]))
    def test_a_system_without_semaphores_changes_nothing(self, project, compiled_here, monkeypatch, error):
        def refuse(*arguments, **named):
            raise error

        monkeypatch.setattr("_multiprocessing.SemLock", refuse)

        together = shared(project)

        assert len(compiled_here) == UNITS
        assert_same(together, project.compile())

    def test_a_full_disk_for_temporary_files_changes_nothing(self, project, compiled_here, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", "/dev/null")

        together = shared(project)

        assert len(compiled_here) == UNITS
        assert_same(together, project.compile())

    @pytest.mark.slow
    def test_a_worker_that_runs_other_code_is_not_used(self, project, compiled_here, monkeypatch):
        monkeypatch.setattr(parallel, "code_fingerprint", lambda: b"as it was when this process began")

        together = shared(project)

        assert len(compiled_here) == UNITS
        assert_same(together, project.compile())

    @pytest.mark.parametrize("chunk", few([2], [1, 4]))
    def test_a_worker_that_dies_in_the_middle_changes_nothing(self, project, compiled_here, monkeypatch, chunk):
        real = parallel._Pool._hand_out
        handed_out = 0

        def kill_one(pool: parallel._Pool, *arguments) -> None:
            nonlocal handed_out
            real(pool, *arguments)
            handed_out += 1
            if handed_out == chunk:
                multiprocessing.active_children()[0].kill()

        monkeypatch.setattr(parallel._Pool, "_hand_out", kill_one)

        together = shared(project)

        assert handed_out >= chunk
        assert_same(together, project.compile())

    @pytest.mark.slow
    def test_a_worker_that_dies_while_another_one_is_started_changes_nothing(self, project, monkeypatch):
        start, terminate = SpawnProcess.start, SpawnProcess.terminate

        def start_slowly(process: SpawnProcess) -> None:
            for other in multiprocessing.active_children():
                other.kill()
                time.sleep(0.1)
            start(process)

        def terminate_slowly(process: SpawnProcess) -> None:
            terminate(process)
            time.sleep(0.4)

        monkeypatch.setattr(SpawnProcess, "start", start_slowly)
        monkeypatch.setattr(SpawnProcess, "terminate", terminate_slowly)

        together = shared(project)

        # What the threads of the pool raise is an error of the test.
        assert_same(together, project.compile())

    def test_units_that_cannot_be_sent_are_compiled_here(self, project, compiled_here, monkeypatch):
        monkeypatch.setattr(SourceUnit, "__reduce__", lambda unit: 1 / 0)

        together = shared(project)

        assert len(compiled_here) == UNITS
        assert_same(together, project.compile())

    def test_a_program_of_somebody_else_that_calls_a_command_gets_none(self, project, monkeypatch):
        given: list[object] = []
        real = params.compile_project

        def compile_project(*arguments, workers, **named):
            given.append(workers())
            return real(*arguments, **named)

        monkeypatch.setattr(parallel, "workers_of_this_machine", lambda: given.append("started"))
        monkeypatch.setattr(params, "compile_project", compile_project)

        project.ljm("validate")

        assert given == [None]


def test_workers_take_less_and_less_by_size_and_one_unit_at_least():
    units = [SourceUnit("x", None, UnitContent, size) for size in (100, 100, 100, 100, 700, 100, 100)]
    work = parallel._Work(units, Workers(1, chunk_seconds=10**9))

    assert work.take_chunk() == [units[6]]
    assert work.take_first() is units[0]
    assert work.take_chunk() == [units[5]]
    assert work.take_chunk() == [units[4]]
    work.give_back([units[6], units[5]])
    assert work.left == deque([*units[1:4], units[6], units[5]])
    assert work.take_chunk() == [units[5]]


MODULES = 3_000


@pytest.fixture(scope="module")
def big_project(tmp_path_factory) -> Path:
    """Modules enough for some seconds of work, since none is like another."""
    folder = tmp_path_factory.mktemp("big")
    (folder / "job_meta.yml").write_text("metadata: [{delta: control}]\n")
    (folder / "databricks.yml").write_text("bundle: {name: big}\n")
    write_table(
        folder / "control",
        [
            row(source, f"module_{number}", job_config=f'{{"timeout_seconds": {number}}}')
            for number in range(MODULES)
            for source in "abcdefghij"
        ],
    )
    return folder


@contextmanager
def validation(folder: Path, program: list[str]) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """Runs `ljm validate` in a group of processes of its own; gives it and its children once there is a worker."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is no other core")
    (folder / ".lakeflow-job-meta/cache/results").unlink(missing_ok=True)
    with subprocess.Popen(
        [*program, "--project", str(folder), "validate"], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as command:
        try:
            # One is the tracker of semaphores that Python starts beside the workers.
            while len(found := children_of(command.pid)) < 2:
                assert command.poll() is None, "no worker was started"
                time.sleep(0.01)
            yield command, found
        finally:
            command.kill()


def children_of(process: int) -> list[int]:
    """Returns the children of all threads of a process; those of one that has ended are soon the main thread's."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*"):
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def assert_end(processes: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(map(runs, processes)):
        assert time.monotonic() < deadline, "a worker was left behind"
        time.sleep(0.05)


def runs(process: int) -> bool:
    """Says whether a process is there and has not ended; nobody may have taken note of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


PROGRAM = [sys.executable, "-m", "lakeflow_job_meta"]
SCRIPT = [str(Path(sys.executable).with_name("ljm"))]


class TestProcesses:
    @pytest.mark.slow
    def test_find_the_package_and_the_standard_library_where_this_process_has_them(
        self, project, compiled_here, monkeypatch
    ):
        project.write("yaml.py", "raise SystemExit('not this one')\n")
        project.write("lakeflow_job_meta/__init__.py", "raise SystemExit('nor this one')\n")
        if sys.version_info >= (3, 11):
            project.write("pickle.py", "raise SystemExit('nor that one')\n")
        monkeypatch.chdir(project.path)

        shared(project)

        assert 0 < len(compiled_here) < UNITS - 10

    @pytest.mark.slow
    def test_are_started_by_the_command_line_and_end_with_it(self, big_project):
        with validation(big_project, SCRIPT) as (command, children):
            assert command.stderr.read().endswith(f"No problems in {MODULES:,} modules.\n")
            assert command.wait() == 0
        assert_end(children)

    @pytest.mark.parametrize("delay", few([0.1], [0]))
    @pytest.mark.slow
    def test_end_in_order_on_ctrl_c(self, big_project, delay):
        with validation(big_project, SCRIPT) as (command, children):
            time.sleep(delay)
            os.killpg(command.pid, signal.SIGINT)

            assert command.stderr.read() == "\nStopped.\n"
            assert command.wait() == 130
        assert_end(children)

    @pytest.mark.slow
    def test_end_when_the_command_is_killed(self, big_project):
        with validation(big_project, PROGRAM) as (command, children):
            command.kill()
            command.wait()
        assert_end(children)


def test_a_chunk_that_no_worker_will_ever_answer_is_compiled_here(project, monkeypatch):
    loaded = load_project(project.path)
    compiler = UnitCompiler(loaded, read_bundle_declarations(loaded), FileLookups(loaded.folder))
    unit = SourceUnit("metadata/a.yml", None, lambda: UnitContent(()))
    work = parallel._Work([unit], AT_ONCE)
    work.take_first()
    pool = parallel._Pool(compiler, 1)
    pool.chunks[Future()] = parallel._Chunk(Path("nowhere"), [unit])
    monkeypatch.setattr(parallel, "LIVENESS_SECONDS", 0.01)

    pool.exchange(work)

    assert list(work.left) == [unit]
    assert not pool.chunks
    pool.close()
