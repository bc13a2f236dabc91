"""Helpers on other cores make a run faster and change nothing else, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

from lakeflow_job_meta.compiler import parallel as all_parts
from lakeflow_job_meta.compiler import worker as helper
from lakeflow_job_meta.compiler.cache import cache as results
from lakeflow_job_meta.compiler.parallel import _Work
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.compiler.worker import Worker
from lakeflow_job_meta.parsing.units import SourceUnit, UnitContent
from support.project_folder import ProjectFolder, module
from support.tables import row, write_table

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
def helped(monkeypatch) -> list[int]:
    """Has two helpers start at once; returns how many parts each answer of one of them was about."""
    brought: list[int] = []
    real = Worker.results

    def results_of(helper: Worker) -> list:
        found = real(helper)
        brought.append(len(found))
        return found

    monkeypatch.setattr(Worker, "results", results_of)
    monkeypatch.setattr(all_parts, "LOOK_AFTER_SECONDS", 0)
    monkeypatch.setattr(all_parts, "WORTH_SECONDS", 0)
    monkeypatch.setattr(all_parts, "TURN_SECONDS", 0)
    monkeypatch.setattr(all_parts, "WORKER_TURN_SECONDS", 60)
    monkeypatch.setattr(all_parts, "_cores", lambda: 3)
    # They would hardly be there before everything is done.
    real_wait = all_parts.with_an_answer
    monkeypatch.setattr(all_parts, "with_an_answer", lambda helpers, wait: real_wait(helpers, wait=True))
    return brought


def _alone(project: ProjectFolder) -> Compilation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(all_parts, "WORTH_SECONDS", float("inf"))
        return project.compile()


def _same(one: Compilation, other: Compilation) -> None:
    for field in fields(Compilation):
        if field.name in ("missing", "present"):
            sources = ([reading.source for reading in getattr(each, field.name)] for each in (one, other))
            assert next(sources) == next(sources)
        elif field.name != "jobs":
            assert getattr(one, field.name) == getattr(other, field.name), field.name
    assert [job.settings for job in one.jobs] == [job.settings for job in other.jobs]
    assert list(one.files) == list(other.files)


class TestTheSameResults:
    def test_whatever_is_wrong_with_the_metadata(self, project, helped):
        alone = _alone(project)
        assert helped == []

        together = project.compile()

        assert sum(helped) > 20
        assert {each.code for each in alone.diagnostics} >= {"wrong-type", "duplicate-module", "unreadable", "bad-json"}
        _same(together, alone)

    @pytest.mark.parametrize(
        "template",
        [
            '{% extends "lakeflow_job_meta/job.yml.j2" %}\n{% block before_job %}\n# mine\n{% endblock %}\n',
            "{{ marker }}\nresources: {}\n",
            "{% if %}\n",
        ],
        ids=["good", "wrong", "no template"],
    )
    def test_with_a_template_of_the_project(self, project, helped, template):
        project.write("mine.yml.j2", template)
        project.write("job_meta.yml", "templates: {job: mine.yml.j2}\ndefaults: {warehouse_id: w}\n")

        _same(project.compile(), _alone(project))
        assert sum(helped) > 20

    def test_with_the_options_that_this_python_was_started_with(self, project):
        project.write("notebooks/ü.py", "# Databricks notebook source\n")
        project.write("metadata/good_0.yml", module("good_0", notebook="notebooks/ü.py"))
        project.write("metadata/zzz.yml", module("zzz", notebook="notebooks/ü.py"))
        code = (
            "import os; from pathlib import Path\n"
            "from lakeflow_job_meta.compiler import parallel as all_parts\n"
            "all_parts.LOOK_AFTER_SECONDS = all_parts.WORTH_SECONDS = 0\n"
            "all_parts.TURN_SECONDS, all_parts._cores = 0, lambda: 3\n"
            "real = all_parts.with_an_answer\n"
            "all_parts.with_an_answer = lambda helpers, wait: real(helpers, wait=True)\n"
            "from lakeflow_job_meta.compiler.compile import compile_project\n"
            "from lakeflow_job_meta.config.load import load_project\n"
            "print({key for key in compile_project(load_project(Path('.'))).kept_jobs if key in ('good_0', 'zzz')})\n"
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

    def test_the_cache_holds_what_it_would_hold_without_them(self, project, helped, monkeypatch):
        monkeypatch.setattr(results, "LEAST_MODULES", 0)
        cache = project.path / ".lakeflow-job-meta/cache/results"
        _alone(project)
        alone = cache.read_bytes()
        cache.unlink()

        project.compile()

        assert sum(helped) > 20
        assert cache.read_bytes() == alone

    def test_a_template_that_is_edited_between_two_processes_is_not_remembered(self, project, helped, monkeypatch):
        monkeypatch.setattr(results, "LEAST_MODULES", 0)
        text = '{% extends "lakeflow_job_meta/job.yml.j2" %}\n'
        project.write("mine.yml.j2", text)
        project.write("job_meta.yml", "templates: {job: mine.yml.j2}\ndefaults: {warehouse_id: w}\n")
        real = Worker.results

        def edited(helper: Worker) -> list:
            found = real(helper)
            helper.templates = {"mine.yml.j2": text + "# as it was before"}
            return found

        monkeypatch.setattr(Worker, "results", edited)

        project.compile()

        assert not (project.path / ".lakeflow-job-meta/cache/results").exists()


class TestWithoutAHelper:
    def test_little_work_starts_none(self, project, monkeypatch):
        monkeypatch.setattr(all_parts, "Worker", None)
        monkeypatch.setattr(all_parts, "_cores", lambda: 3)

        assert project.compile().files

    @pytest.mark.parametrize("python", ["/does/not/exist", "/bin/false", "/bin/cat", "", None])
    def test_a_python_that_does_not_start_changes_nothing(self, project, helped, monkeypatch, python):
        monkeypatch.setattr(sys, "executable", python)

        _same(project.compile(), _alone(project))
        assert helped == []

    @pytest.mark.parametrize("entry", [7, "a\0b", "\ud800"])
    def test_a_path_to_modules_that_no_process_can_be_given_changes_nothing(self, project, helped, monkeypatch, entry):
        monkeypatch.setattr(sys, "path", [*sys.path, entry])

        _same(project.compile(), _alone(project))
        assert helped == []

    @pytest.mark.parametrize("answer", [1, 2, 3])
    def test_one_that_dies_in_the_middle_changes_nothing(self, project, helped, monkeypatch, answer):
        counted = Worker.results
        asked = 0

        def dying(helper: Worker) -> list:
            nonlocal asked
            asked += 1
            if asked == answer:
                os.kill(helper._process.pid, signal.SIGKILL)
                helper._process.wait()
                helper._from.read()
            return counted(helper)

        monkeypatch.setattr(Worker, "results", dying)

        _same(project.compile(), _alone(project))
        assert asked > answer

    def test_parts_that_cannot_be_sent_are_compiled_here(self, project, helped, monkeypatch):
        monkeypatch.setattr(Worker, "begin", lambda helper, parts: helper._send(lambda: None))

        _same(project.compile(), _alone(project))
        assert sum(helped) == 0


class TestWhoDoesWhat:
    def test_helpers_take_less_and_less_by_size_and_one_at_least(self):
        parts = [SourceUnit("x", None, UnitContent, size) for size in (100, 100, 100, 100, 700, 100, 100)]
        work = _Work(parts)

        assert work.take_last(250) == [6, 5]
        assert work.take_last(250) == [4]
        assert (work.take_first(), work.bytes_left, list(work.left)) == (0, 300, [1, 2, 3])
        work.give_back([6, 5])
        assert (work.bytes_left, list(work.left)) == (500, [1, 2, 3, 6, 5])

    def test_one_that_runs_other_code_is_not_used(self, project, helped, monkeypatch):
        monkeypatch.setattr(helper, "code_fingerprint", lambda: b"as it was when this process began")

        _same(project.compile(), _alone(project))
        assert sum(helped) == 0


class TestTheProcess:
    def test_it_is_waited_for_beside_thousands_of_open_files(self, project, helped):
        resource = pytest.importorskip("resource")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 2048:
            pytest.skip("the system allows too few open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        try:
            together = project.compile()
        finally:
            for handle in opened:
                os.close(handle)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

        assert sum(helped) > 20
        _same(together, _alone(project))

    def test_it_ends_with_the_run(self, project, helped, monkeypatch):
        ended: list[int | None] = []
        real = Worker.end

        def end(helper: Worker) -> None:
            real(helper)
            ended.append(helper._process.poll())

        monkeypatch.setattr(Worker, "end", end)

        project.compile()

        assert ended == [-signal.SIGKILL] * 2

    def test_it_ends_when_the_run_is_killed(self, project):
        code = (
            "import os, sys, signal; from pathlib import Path\n"
            "from lakeflow_job_meta.compiler.worker import Worker\n"
            "from lakeflow_job_meta.config.load import load_project\n"
            "from lakeflow_job_meta.config.bundle import read_bundle_declarations\n"
            "project = load_project(Path(sys.argv[1]))\n"
            "helper = Worker(); helper.join(project, read_bundle_declarations(project)); helper.results()\n"
            "print(helper._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(project.path)], capture_output=True, text=True, timeout=60
        )
        process = int(done.stdout)

        deadline = time.monotonic() + 20
        while _runs(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _runs(process)

    def test_a_script_of_the_user_is_not_run_again(self, project, tmp_path):
        script = tmp_path / "script.py"
        script.write_text(
            "from pathlib import Path\n"
            "with open('runs.txt', 'a') as file: file.write('run\\n')\n"
            "from lakeflow_job_meta.compiler import parallel as all_parts\n"
            "all_parts.LOOK_AFTER_SECONDS = all_parts.WORTH_SECONDS = 0\n"
            "all_parts.TURN_SECONDS, all_parts._cores = 0, lambda: 3\n"
            "from lakeflow_job_meta.compiler.compile import compile_project\n"
            "from lakeflow_job_meta.config.load import load_project\n"
            "print(len(compile_project(load_project(Path('project'))).files))\n"
        )
        subprocess.run([sys.executable, script], cwd=tmp_path, check=True, timeout=60)

        assert (tmp_path / "runs.txt").read_text() == "run\n"

    def test_it_takes_the_package_from_where_this_process_has_it(self, project, helped, monkeypatch):
        project.write("yaml.py", "raise SystemExit('not this one')\n")
        project.write("lakeflow_job_meta/__init__.py", "raise SystemExit('nor this one')\n")
        monkeypatch.chdir(project.path)

        project.compile()

        assert sum(helped) > 20


def _runs(process: int) -> bool:
    """Says whether a process is there and has not ended; nobody may have taken note of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
