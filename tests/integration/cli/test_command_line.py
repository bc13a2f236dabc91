"""The command line as a user meets it: help, exit codes, what goes to which stream, and no traceback ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakeflow_job_meta import __version__
from support.in_process import started_in
from support.project_folder import REPOSITORY, ProjectFolder, at_caret, module, run_here
from support.slow import few

COMMANDS = ("validate", "generate")
HEAVY = {"yaml", "jinja2", "databricks", "deltalake", "arro3", "jsonschema_rs", "yaml12", "hypothesis", "json"}


class TestHelp:
    @pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([command, "--help"] for command in COMMANDS)])
    def test_every_help_has_examples_and_fits_a_terminal(self, project, arguments):
        result = project.ljm(*arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "Examples:" in result.stdout
        assert "ljm " in result.stdout
        assert max(len(line) for line in result.stdout.split("\n")) <= 100

    def test_the_overview_names_every_command_and_the_exit_codes(self, project):
        text = project.ljm("--help").stdout
        assert all(command in text for command in COMMANDS)
        assert "Exit codes: 0 fine; 1 problems found; 2 wrong usage or configuration; 3 refused" in " ".join(
            text.split()
        )

    def test_the_version_is_the_package_s(self, project):
        assert project.ljm("--version").stdout == f"lakeflow-job-meta {__version__}\n"

    @pytest.mark.parametrize(
        "command", [["-m", "lakeflow_job_meta", "--help"], ["-m", "lakeflow_job_meta", "--version"]]
    )
    def test_nothing_heavy_is_imported_for_help(self, command):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, timeout=60
        )
        imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
        assert done.returncode == 0
        assert imported & HEAVY == set()

    def test_help_loads_five_files_of_the_package_and_no_library_but_click(self):
        code = (
            "import sys; from lakeflow_job_meta.cli.main import main\n"
            "main(['--help'])\n"
            "print('loaded', *sorted(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        loaded = done.stdout.rpartition("\nloaded ")[2].split()
        libraries = {each.partition(".")[0] for each in loaded} - sys.stdlib_module_names

        assert [each for each in loaded if each.startswith("lakeflow_job_meta")] == [
            "lakeflow_job_meta",
            "lakeflow_job_meta.cli",
            "lakeflow_job_meta.cli.main",
            "lakeflow_job_meta.cli.run",
            "lakeflow_job_meta.errors",
        ]
        assert {each for each in libraries if each[0] != "_"} - {"lakeflow_job_meta"} == {"click"}

    def test_nothing_of_databricks_is_imported_to_generate_from_yaml(self, project):
        project.write("metadata/a.yml", module("a"))
        code = (
            "import sys; from lakeflow_job_meta.cli.main import main\n"
            "sys.argv = ['ljm', 'generate']\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'databricks', 'deltalake', 'arro3'}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=project.path, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.split("\n")[-2] == "[]"

    def test_both_names_of_the_command_are_installed(self):
        folder = Path(sys.executable).parent
        for name in ("ljm", "lakeflow-job-meta"):
            done = subprocess.run([folder / name, "--version"], capture_output=True, text=True, timeout=60)
            assert done.stdout == f"lakeflow-job-meta {__version__}\n"


class TestTheEnd:
    @pytest.mark.slow
    def test_what_is_registered_for_the_end_of_the_process_still_happens(self, project):
        project.write("metadata/a.yml", module("a"))
        project.write(
            "site/sitecustomize.py",
            "import atexit, pathlib; atexit.register(pathlib.Path('end.txt').write_text, 'x')\n",
        )

        done = project.run(
            "generate", PYTHONPATH=os.pathsep.join([str(project.path / "site"), *filter(None, sys.path)])
        )

        assert (done.exit_code, done.stdout) == (0, "create resources/jobs/a.yml\n")
        assert project.read("end.txt") == "x"


class TestEntryPointsInAProcessThatIsNotTheirOwn:
    """A wheel task of a job calls them in the process of the notebook's kernel."""

    CODE = """
import gc, signal, sys, threading
from lakeflow_job_meta.cli.main import main, monitor
entry, where, *sys.argv[1:] = sys.argv[1:]
arguments = [*sys.argv]
handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
def call():
    try:
        print("returned", {"main": main, "monitor": monitor}[entry]())
    except Exception as error:
        print("raised", type(error).__name__, error)
if where == "thread":
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
else:
    call()
same = handlers == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
print(same, gc.isenabled(), arguments == sys.argv)
"""

    def call(self, project, *arguments: str) -> list[str]:
        command = [sys.executable, "-c", self.CODE, *arguments]
        done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=60)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        *said, state = done.stdout.splitlines()
        assert state == "True True True"
        return said

    @pytest.mark.parametrize("where", few(["thread"], ["main thread"]))
    @pytest.mark.slow
    def test_a_good_end_returns_and_leaves_signals_the_collector_and_arguments_as_they_were(self, project, where):
        project.write("metadata/a.yml", module("a"))
        assert self.call(project, "main", where, "generate")[-1] == "returned None"
        assert self.call(project, "main", where, "--help")[-1] == "returned None"
        assert self.call(project, "monitor", where, "--once", "--propose", "proposal") == ["returned None"]

    @pytest.mark.parametrize("where", few(["main thread"], ["thread"]))
    @pytest.mark.slow
    def test_a_bad_end_raises_the_last_failure(self, project, where):
        project.write("metadata/a.yml", module("a").replace("notebook_path", "notebok_path"))
        said, *_ = self.call(project, "monitor", where, "--once", "--propose", "proposal")
        assert said.startswith("raised ShownFailure metadata/a.yml:6:")

    @pytest.mark.slow
    def test_wrong_usage_raises_a_config_error(self, project):
        (said,) = self.call(project, "monitor", "main thread", "--no-such-option")
        assert said == "raised ConfigError No such option '--no-such-option'."

    @pytest.mark.slow
    def test_what_the_command_shows_as_its_error_is_the_text_of_the_exception(self, project):
        project.write("job_meta.yml", "metdata: []\n")
        (said, *_) = self.call(project, "main", "main thread", "validate")
        assert said.startswith("raised ConfigError ")

    @pytest.mark.slow
    def test_a_command_without_an_error_of_its_own_says_its_code(self, project):
        project.write("metadata/a.yml", module("a").replace("notebook_path", "notebok_path"))
        (*_, said) = self.call(project, "main", "main thread", "validate")
        assert said == "raised ShownFailure The command ended with exit code 1; its output says why."


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["valdate"], "did you mean 'validate'?"),
            (["generat"], "did you mean 'generate'?"),
            (["xyz"], "known: 'init', 'validate', 'generate'"),
            (["generate", "--chek"], "--check"),
            (["generate", "extra"], "unexpected extra argument"),
            (["--projct", "x", "validate"], "--project"),
            (["--project"], "requires an argument"),
        ],
    )
    def test_wrong_usage_is_told_with_the_closest_match(self, project, arguments, words):
        result = project.inside(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize("command", [["validate"], ["generate", "--check"], ["bundles", "list"], ["status"]])
    def test_the_project_may_stand_before_the_command_or_after_it(self, project, tmp_path, command):
        project.write("metadata/a.yml", module("a"))
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()

        with started_in(elsewhere, os.environ):
            before = run_here("--project", str(project.path), *command)
            after = run_here(*command, "--project", str(project.path))
            without = run_here(*command)

        assert after == before
        assert "No project here" in without.stderr

    def test_the_project_after_the_command_wins(self, project, tmp_path):
        project.write("metadata/a.yml", module("a"))

        done = project.inside("--project", str(tmp_path / "nowhere"), "validate", "--project", str(project.path))

        assert (done.exit_code, done.problems) == (0, [])

    def test_without_a_command_the_help_is_shown(self, project):
        result = project.inside()
        assert "Commands:" in result.stdout + result.stderr

    def test_the_nearest_project_upwards_is_taken(self, project):
        project.write("metadata/a.yml", module("a"))
        below = project.path / "some" / "folder"
        below.mkdir(parents=True)
        assert project.inside("generate", cwd=below).stdout == "create resources/jobs/a.yml\n"

    def test_a_folder_that_was_deleted_is_told(self, project, tmp_path):
        folder = tmp_path / "gone"
        code = (
            f"import os, runpy; os.rmdir({str(folder)!r}); runpy.run_module('lakeflow_job_meta', run_name='__main__')"
        )
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", code, "validate"], cwd=folder, capture_output=True, text=True, timeout=60
        )

        assert done.returncode == 2
        assert done.stderr == "error: The current folder was deleted; change to another one, or give --project.\n"

    def test_a_project_may_be_named_by_an_option(self, project, tmp_path):
        project.write("metadata/a.yml", module("a"))
        result = project.inside("--project", "project", "generate", cwd=tmp_path)
        assert result.stdout == "create resources/jobs/a.yml\n"

    def test_a_folder_without_a_project_says_what_would_help(self, tmp_path, project):
        empty = tmp_path / "empty"
        empty.mkdir()
        result = project.inside("validate", cwd=empty)
        assert result.exit_code == 2
        assert "--project DIR" in result.stderr

    @pytest.mark.parametrize("name", ["nowhere", "project/databricks.yml"])
    def test_a_project_that_is_no_folder_is_wrong_usage(self, project, tmp_path, name):
        result = project.inside("--project", str(tmp_path / name), "validate", cwd=tmp_path)
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr


class TestExitCodes:
    def test_the_exit_code_is_0_when_all_is_well(self, project):
        project.write("metadata/a.yml", module("a"))
        assert project.inside("validate").exit_code == 0
        assert project.run("generate").exit_code == 0
        assert project.inside("generate", "--check").exit_code == 0

    def test_the_exit_code_is_0_when_there_are_warnings_only(self, project):
        project.write("metadata/a.yml", module("a") + "        is_active: false\n")
        result = project.inside("validate")
        assert (result.exit_code, result.codes) == (0, ["no-active-source"])

    @pytest.mark.parametrize(
        "arguments", few([["generate"]], [["validate"], ["generate", "--check"], ["generate", "--diff"]])
    )
    def test_the_exit_code_is_1_when_there_is_an_error(self, project, arguments):
        project.write("metadata/a.yml", module("a").replace("execution_order: 1", "execution_order: x"))
        assert project.run(*arguments).exit_code == 1

    def test_the_exit_code_is_1_when_check_finds_a_difference(self, project):
        project.write("metadata/a.yml", module("a"))
        assert project.inside("generate", "--check").exit_code == 1

    @pytest.mark.parametrize("arguments", few([["generate"]], [["validate"]]))
    def test_the_exit_code_is_2_when_the_project_file_is_wrong(self, project, arguments):
        project.write("job_meta.yml", "nonsense: 1\n")
        assert project.run(*arguments).exit_code == 2

    def test_the_exit_code_is_3_when_a_safety_rule_refuses(self, project):
        project.write("metadata/a.yml", module("a"))
        project.inside("generate")
        (project.path / "metadata" / "a.yml").unlink()
        assert project.run("generate").exit_code == 3


class TestStreams:
    def test_stdout_has_data_only(self, project):
        project.write("metadata/a.yml", module("a"))
        project.write("metadata/b.yml", module("b").replace("execution_order: 1", "execution_order: x"))
        assert project.inside("validate").stdout == ""
        assert project.inside("generate", "--diff").stdout.startswith("--- /dev/null\n")
        assert project.run("generate").stdout == "create resources/jobs/a.yml\n"

    @pytest.mark.parametrize("arguments", [["validate"], ["generate"], ["plan"]])
    def test_of_very_many_problems_the_first_200_are_shown_and_all_are_counted(self, project, arguments):
        project.write("metadata/m.yml", "modules:\n" + "  - {}\n" * 150)
        result = project.ljm(*arguments)
        assert result.exit_code == 1
        assert result.stderr.count("[missing-field]") == 200
        assert "... and 100 more; 'ljm validate --all' has all.\n" in result.stderr
        assert result.stderr.endswith("300 errors, 0 warnings in 150 modules.\n")

    def test_all_of_very_many_problems_are_shown_where_that_is_asked_for(self, project):
        project.write("metadata/m.yml", "modules:\n" + "  - {}\n" * 150)
        result = project.ljm("validate", "--all")
        assert result.stderr.count("[missing-field]") == 300
        assert " more; " not in result.stderr

    def test_an_error_is_shown_however_many_warnings_stand_before_it(self, project):
        warned = (
            "  - {{module_name: m{}, sources: [{{source_id: s, execution_order: 1, is_active: false, "
            "transformation_config: {{notebook_path: /Workspace/x}}}}]}}\n"
        )
        project.write("metadata/m.yml", "modules:\n" + "".join(map(warned.format, range(250))) + "  - {}\n")
        result = project.ljm("validate")
        assert result.stderr.count(": error: ") == 2
        assert result.stderr.count(": warning: ") == 198

    def test_programs_get_all_problems_and_annotations_are_as_few_as_text(self, project):
        project.write("metadata/m.yml", "modules:\n" + "  - {}\n" * 150)
        assert len(json.loads(project.ljm("validate", "--format", "json").stdout)) == 300
        annotated = project.ljm("validate", "--format", "github")
        assert annotated.stdout.count("::error ") == 200
        assert "... and 100 more" in annotated.stderr

    def test_the_closing_line_counts_errors_and_warnings(self, project):
        project.write("metadata/a.yml", module("a").replace("execution_order: 1", "execution_order: x"))
        project.write("metadata/b.yml", module("b") + "        is_active: false\n")
        assert project.inside("validate").stderr.endswith("1 error, 1 warning in 2 modules.\n")

    @pytest.mark.slow
    def test_nothing_is_coloured_where_no_terminal_is(self, project):
        project.write("metadata/a.yml", module("a").replace("execution_order: 1", "execution_order: x"))
        result = project.run("validate")
        assert "\x1b" not in result.stdout + result.stderr

    @pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
    @pytest.mark.slow
    def test_on_a_terminal_there_is_colour_and_the_line_with_what_is_meant_underlined(self, project):
        text, _ = at_caret(module("a").replace("execution_order: 1", "execution_order: ‸first # x"))
        project.write("metadata/a.yml", text)
        shown = on_a_terminal(project, "validate")
        assert "\x1b[31m" in shown
        plain = without_colour(shown)
        assert "    5 |         execution_order: first # x\n" in plain
        assert f"\n{' ' * 33}^^^^^\n" in plain

    @pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
    @pytest.mark.parametrize("command", few([["validate"]], [["generate", "--diff"]]))
    @pytest.mark.slow
    def test_no_color_is_honoured(self, project, command):
        project.write("metadata/a.yml", module("a").replace("execution_order: 1", "execution_order: x"))
        project.write("metadata/b.yml", module("b"))
        assert "\x1b" not in on_a_terminal(project, *command, NO_COLOR="1")

    @pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
    def test_what_metadata_says_cannot_control_the_terminal(self, project):
        project.write("metadata/a.yml", 'modules: [{module_name: "\\e]0;x\\a\\e[2J", sources: 1}]\n')
        shown = without_colour(on_a_terminal(project, "validate"))
        assert "\x1b" not in shown
        assert "\x07" not in shown

    @pytest.mark.slow
    def test_a_closed_pipe_ends_quietly(self, project):
        for n in range(300):
            project.write(f"metadata/{n}.yml", module(f"m{n}"))
        process = subprocess.Popen(
            [sys.executable, "-m", "lakeflow_job_meta", "generate", "--diff"],
            cwd=project.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read().decode()
        process.stderr.close()
        assert process.wait(timeout=30) in (0, 1)
        assert "Traceback" not in error
        assert "BrokenPipe" not in error

    @pytest.mark.skipif(os.name != "posix", reason="needs a shell")
    @pytest.mark.parametrize("closed", few(["<&- >&- 2>&-"], [">&-", "2>&-", "<&-"]))
    @pytest.mark.parametrize("command", few([["generate", "--diff"]], [["validate"], ["--help"]]))
    def test_a_stream_that_is_closed_from_the_beginning_is_no_reason_to_fail(self, project, command, closed):
        project.write("metadata/a.yml", module("a"))
        done = _in_a_shell(project, closed, *command)
        assert done.returncode == 0
        assert "Traceback" not in done.stderr

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
    @pytest.mark.parametrize(
        "command", few([["generate"], ["--help"]], [["generate", "--diff"], ["schema", "metadata"]])
    )
    def test_an_output_that_is_full_is_told(self, project, command):
        project.write("metadata/a.yml", module("a"))
        done = _in_a_shell(project, ">/dev/full", *command)
        assert done.returncode == 1
        assert "error: The output cannot be written: No space left on device.\n" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.slow
    @pytest.mark.parametrize("encoding", few(["ascii"], ["latin-1"]))
    def test_a_terminal_that_cannot_show_a_character_is_no_reason_to_fail(self, project, encoding):
        project.write("metadata/a.yml", module("a").replace("    sources:", "    description: 日本\n    sources:"))
        for command in (["generate", "--diff"], ["generate"], ["validate"]):
            result = project.run(*command, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
            assert result.exit_code == 0
            assert "Traceback" not in result.stderr


def _in_a_shell(project: ProjectFolder, redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "lakeflow_job_meta", *arguments],
        cwd=project.path,
        capture_output=True,
        text=True,
        timeout=60,
    )


def on_a_terminal(project: ProjectFolder, *arguments: str, **environment: str) -> str:
    """Runs the command line with stdout and stderr on a pseudo-terminal; returns all it shows."""
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lakeflow_job_meta", *arguments],
        cwd=project.path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**{key: value for key, value in os.environ.items() if key != "NO_COLOR"}, "TERM": "xterm", **environment},
    )
    os.close(slave)
    chunks = []
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(master)
    process.wait(timeout=30)
    return b"".join(chunks).decode().replace("\r\n", "\n")


def without_colour(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


BAD_FILES = {
    "nothing": b"",
    "one byte": b"\xff",
    "binary": bytes(range(256)) * 40,
    "UTF-16": "modules: []".encode("utf-16"),
    "Latin-1": "modules: [{module_name: größe}]".encode("latin-1"),
    "NUL": b"modules: \x00",
    "brackets": b"[" * 100_000,
    "braces": b"{" * 100_000,
    "dashes": b"- " * 100_000,
    "questions": b"? " * 100_000,
    "a long line": b"a" * 1_000_000,
    "a long key": b"modules: [{" + b"k" * 100_000 + b": 1}]",
    "a long value": b"modules: [{module_name: " + b"9" * 1_000_000 + b"}]",
    "a long text": b"modules: [{module_name: [" + b"'x', " * 50_000 + b"]}]",
    "many unknown fields": b"modules: [{" + b", ".join(b"k%d: 1" % n for n in range(300)) + b"}]",
    "a bomb": b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((97 + n, 97 + n) + (96 + n,) * 8) for n in range(1, 20)
    ),
    "a loop": b"modules: &a [*a]",
    "JSON": b'{"modules": [{"module_name": 5}]}',
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "modules of everything": b"modules: [1, x, null, true, 1.5, [], {}, [[]], {sources: {}}]",
    "sources of everything": b"modules: [{module_name: a, sources: [1, x, null, true, 1.5, [], {}]}]",
    "fields of everything": b"modules: [{module_name: {}, description: [], job_config: 1, targets: {}, sources: x}]",
    "source fields of everything": b"modules: [{module_name: a, sources: [{source_id: [], source_type: {}, "
    b"execution_order: [], depends_on: {}, is_active: [], source_config: x, target_config: 1, "
    b"transformation_config: null}]}]",
    "dependencies of everything": b"modules: [{module_name: a, sources: [{source_id: a, depends_on: [1, null, [], {}, "
    b"{source_id: []}, {source_id: a, outcome: {}}], transformation_config: {notebook_path: /a}}]}]",
    "tasks of everything": b"modules: [{module_name: a, sources: [{source_id: a, execution_order: 1, "
    b"transformation_config: {task_type: [], notebook_path: {}, base_parameters: 1, sql_task: [], dbt_task: 1}}]}]",
    "nested tasks of everything": b"modules: [{module_name: a, sources: [{source_id: a, execution_order: 1, "
    b"transformation_config: {for_each_task: {inputs: [], task: {for_each_task: {task: {for_each_task: []}}}}}}]}]",
    "null everywhere": b"modules: [{module_name: a, job_config: {tags: null, schedule: null, environments: null}, "
    b"sources: [{source_id: a, execution_order: 1, transformation_config: {notebook_task: null, libraries: null}}]}]",
    "wrong lists": b"modules: [{module_name: a, job_config: {environments: [1], job_clusters: {}, parameters: [null], "
    b"git_source: [], trigger: 1, tags: []}, sources: [{source_id: a, execution_order: 1, "
    b"transformation_config: {notebook_path: /a, libraries: [1, null, {whl: []}]}}]}]",
}


class TestBadInput:
    @pytest.mark.parametrize("what", BAD_FILES)
    @pytest.mark.parametrize("command", few(COMMANDS[:1], COMMANDS[1:]))
    def test_metadata_of_any_kind_gives_short_errors_and_exit_1(self, project, what, command):
        (project.path / "metadata").mkdir()
        (project.path / "metadata" / "a.yml").write_bytes(BAD_FILES[what])
        result = project.ljm(command)
        assert result.exit_code == 1
        assert result.errors != []
        assert all(problem.place.startswith("metadata/a.yml") for problem in result.errors)
        assert max(len(line) for line in result.stderr.split("\n")) < 1000
        assert project.generated() == {}

    @pytest.mark.parametrize("what", few(["a bomb"], ["brackets", "binary", "a loop", "UTF-16", "tasks of everything"]))
    def test_a_process_of_its_own_survives_it_too(self, project, what):
        (project.path / "metadata").mkdir()
        (project.path / "metadata" / "a.yml").write_bytes(BAD_FILES[what])
        result = project.run("generate")
        assert result.exit_code == 1
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize("what", BAD_FILES)
    def test_a_project_file_of_any_kind_gives_short_errors_and_exit_2(self, project, what):
        (project.path / "job_meta.yml").write_bytes(BAD_FILES[what])
        result = project.ljm("validate")
        if what == "nothing":
            assert result.exit_code == 1  # no metadata/ here
            return
        assert result.exit_code == 2
        assert all(problem.place.startswith("job_meta.yml") for problem in result.errors)
        assert max(len(line) for line in result.stderr.split("\n")) < 1000

    @pytest.mark.parametrize("what", BAD_FILES)
    def test_a_bundle_file_of_any_kind_is_no_reason_to_fall_over(self, project, what):
        project.write("metadata/a.yml", module("a"))
        (project.path / "databricks.yml").write_bytes(BAD_FILES[what])
        result = project.ljm("generate")
        assert result.exit_code in (0, 1)
        assert max(len(line) for line in result.stderr.split("\n")) < 1000

    def test_a_folder_named_like_a_file_is_just_a_folder(self, project):
        project.write("metadata/x.yml/a.yml", module("a"))
        result = project.ljm("generate")
        assert (result.exit_code, result.stdout) == (0, "create resources/jobs/a.yml\n")

    def test_a_folder_in_the_place_of_the_project_file_is_said_in_words(self, project):
        (project.path / "job_meta.yml").mkdir()
        result = project.ljm("validate")
        assert result.exit_code == 2
        assert result.stderr.startswith("job_meta.yml: error: cannot be read")

    def test_a_folder_in_the_place_of_the_bundle_file_is_no_reason_to_fall_over(self, project):
        (project.path / "databricks.yml").unlink()
        (project.path / "databricks.yml").mkdir()
        project.write("job_meta.yml", "")
        project.write("metadata/a.yml", module("a"))
        assert project.ljm("validate").exit_code in (0, 1)

    def test_a_link_to_nowhere_is_an_error(self, project):
        (project.path / "metadata").mkdir()
        (project.path / "metadata" / "a.yml").symlink_to("nowhere")
        (problem,) = project.ljm("validate").errors
        assert (problem.place, problem.code) == ("metadata/a.yml", "unreadable")

    def test_a_link_in_a_circle_is_an_error(self, project):
        (project.path / "metadata").mkdir()
        (project.path / "metadata" / "a.yml").symlink_to("a.yml")
        (problem,) = project.ljm("validate").errors
        assert (problem.place, problem.code) == ("metadata/a.yml", "unreadable")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
    @pytest.mark.parametrize("name", ["metadata", "metadata/a.yml"])
    def test_what_may_not_be_read_is_an_error(self, project, name):
        project.write("metadata/a.yml", module("a"))
        (project.path / name).chmod(0)
        try:
            result = project.ljm("validate")
        finally:
            (project.path / name).chmod(0o700)
        assert result.exit_code == 1
        assert "Permission denied" in result.stderr

    @pytest.mark.parametrize("what", ["metadata", "metadata/a.yml"])
    def test_what_may_not_be_read_is_an_error_for_root_too(self, project, monkeypatch, what):
        project.write("metadata/a.yml", module("a"))
        real_open, real_scan = os.open, os.scandir

        def opened(path: str | Path, *arguments: int) -> int:
            if str(path).endswith(what):
                raise PermissionError(13, "Permission denied", str(path))
            return real_open(path, *arguments)

        def scandir(path: str | Path) -> object:
            if str(path).endswith(what):
                raise PermissionError(13, "Permission denied", str(path))
            return real_scan(path)

        monkeypatch.setattr(os, "open", opened)
        monkeypatch.setattr(os, "scandir", scandir)
        result = project.ljm("validate")
        assert [problem.code for problem in result.errors] == ["unreadable"]
        assert "Permission denied" in result.stderr

    @pytest.mark.parametrize(
        "name", ["a b.yml", "ü.yml", "a:1:2.yml", "a\nb.yml", "%s.yml", "-x.yaml", "[a].yml", "a*.yml"]
    )
    def test_metadata_files_may_have_any_name(self, project, name):
        project.write(f"metadata/{name}", module("a").replace("execution_order: 1", "execution_order: x"))
        (problem,) = project.ljm("validate").errors
        assert problem.code == "wrong-type"


PROJECT_MISTAKES = {
    "an unknown key": ("‸outptu: x\n", "did you mean 'output'?"),
    "an unknown key inside": ("defaults:\n  ‸warehose_id: x\n", "did you mean 'warehouse_id'?"),
    "a list at the top": ("‸- a\n", "must be a map"),
    "a key twice": ("output: a\n‸output: b\n", "'output' is given twice"),
    "metadata that is no list": ("metadata: ‸x\n", "'metadata' must be a list"),
    "no metadata": ("metadata: ‸[]\n", "'metadata' is empty"),
    "an unknown kind of source": ("metadata: [{‸yml: x}]\n", "did you mean 'yaml'?"),
    "a source of two kinds": ("metadata: [‸{yaml: x, delta: y}]\n", "exactly one of"),
    "a source of no kind": ("metadata: [‸{}]\n", "exactly one of"),
    "a place that is no text": ("metadata: [{yaml: ‸5}]\n", "must be text"),
    "a source twice": ("metadata: ‸[{yaml: x}, {yaml: x}]\n", "named twice"),
    "an output that is no text": ("output: ‸5\n", "'output' must be text"),
    "an output outside": ("output: ‸../x\n", "must be a folder inside the project"),
    "a hidden output": ("output: ‸.git\n", "must not be a hidden folder"),
    "the state folder as output": ("output: ‸.lakeflow-job-meta/dev\n", "must not be a hidden folder"),
    "metadata as output": ("output: ‸metadata\n", "would be among the metadata in 'metadata'"),
    "an output in the metadata": (
        "output: meta/out\nmetadata: [{yaml: ‸meta}]\n",
        "would be among the metadata in 'meta'",
    ),
    "all of the project as metadata": ("metadata: [{yaml: ‸.}]\n", "the generated files in 'resources' would be"),
    "a glob that finds generated files": ("metadata: [{yaml: ‸'**/*.yml'}]\n", "give one of them another folder"),
    "a table as output": ("output: data/t\nmetadata: [{delta: ‸data/t}]\n", "would be among the metadata in 'data/t'"),
    "bundles as metadata": (
        "bundles: {jobs_per_bundle: 9}\nmetadata: [{yaml: ‸bundles}]\n",
        "would be among the metadata in 'bundles'",
    ),
    "a job setting that is unknown": ("defaults: {job: {‸schedul: {}}}\n", "did you mean 'schedule'?"),
    "a job setting of the wrong kind": ("defaults: {job: {max_concurrent_runs: ‸x}}\n", "must be a whole number"),
    "a task setting that is unknown": ("defaults: {task: {‸max_retry: 1}}\n", "did you mean 'max_retries'?"),
    "a name without the module": ("naming: {job_name: ‸x}\n", "needs '{module_name}'"),
    "a name with something unknown": ('naming: {job_name: ‸"{module_name} {x}"}\n', "'{x}' stands for nothing"),
    "a severity that is unknown": ("checks: {unknown-value: ‸warn}\n", "did you mean 'warning'?"),
    "a template that is not there": ("templates: {job: ‸x.j2}\n", "there is no template 'x.j2'"),
    "a glob that cannot be": ("metadata: [{yaml: ‸'/etc/*.yml'}]\n", ""),
    "a glob that is none": ("metadata: [{yaml: ‸'a**b/*.yml'}]\n", ""),
}


class TestProjectFile:
    @pytest.mark.parametrize("what", PROJECT_MISTAKES)
    def test_a_mistake_is_told_at_its_place_and_nothing_is_done(self, project, what):
        marked, words = PROJECT_MISTAKES[what]
        text, place = at_caret(marked)
        project.write("job_meta.yml", text)
        project.write("metadata/a.yml", module("a"))
        before = project.everything()
        result = project.ljm("generate")
        assert result.exit_code == 2, result
        assert [problem.place for problem in result.errors] == [f"job_meta.yml:{place}"]
        assert words in result.errors[0].message
        assert project.everything() == before

    @pytest.mark.parametrize(
        "pattern", ["nothing/[a-/*.yml", "metadata/**", "**/*.yml", "../*/x*.yml", "metadata/?.yml"]
    )
    def test_any_glob_is_read_or_refused_in_words(self, project, pattern):
        project.write("job_meta.yml", f"metadata: [{{yaml: '{pattern}'}}]\n")
        project.write("metadata/a.yml", module("a"))
        assert project.ljm("validate").exit_code in (0, 1, 2)

    @pytest.mark.parametrize(
        "pattern", ["metadata/**", "metadata/**/*", "metadata/*", "metadata/**/*.y*ml", "metad*/*"]
    )
    def test_a_glob_finds_the_same_files_in_every_version_of_python(self, project, pattern):
        project.write("job_meta.yml", f"metadata: [{{yaml: '{pattern}'}}]\n")
        project.write("metadata/a.yml", module("a"))
        assert [job.key for job in project.compile().jobs] == ["a"]

    def test_all_mistakes_are_told_at_once(self, project):
        project.write("job_meta.yml", "outptu: x\ncheks: {}\nmetadata: 5\n")
        result = project.ljm("validate")
        assert [problem.place for problem in result.errors] == [
            f"job_meta.yml:{n}:{c}" for n, c in ((1, 1), (2, 1), (3, 11))
        ]
        assert result.stderr.endswith("3 mistakes in job_meta.yml.\n")

    def test_a_check_that_does_not_exist_is_a_mistake(self, project):
        project.write("job_meta.yml", "checks: {unknown-valu: off}\n")
        result = project.ljm("validate")
        assert result.exit_code == 2
        assert "unknown-value" in result.stderr

    def test_an_empty_file_is_like_none(self, project):
        project.write("metadata/a.yml", module("a"))
        project.write("job_meta.yml", "# nothing yet\n")
        assert project.ljm("validate").exit_code == 0

    def test_a_severity_may_be_changed(self, project):
        project.write("metadata/a.yml", module("a") + "        is_active: false\n")
        project.write("job_meta.yml", "checks: {no-active-source: error}\n")
        assert project.ljm("validate").exit_code == 1
        project.write("job_meta.yml", "checks: {no-active-source: off}\n")
        assert project.ljm("validate").problems == []

    def test_a_newer_setting_may_be_let_through(self, project):
        project.write("metadata/a.yml", module("a").replace("a}", "a, brand_new: 1}"))
        assert project.ljm("validate").codes == ["unknown-field"]
        project.write("job_meta.yml", "allow_unknown: [task.brand_new]\n")
        assert project.ljm("generate").problems == []
        assert "brand_new: 1" in project.read("resources/jobs/a.yml")

    def test_the_repository_s_own_project_is_fine(self):
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow_job_meta", "--project", str(REPOSITORY), "validate"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, "")
