"""The documentation is true: every command and every example of README.md and docs/*.md is run.

What is done with a fenced block says an HTML comment before it, which readers of the page do not see:

    <!-- project: NAME -->               what follows happens in a new copy of one of PROJECTS
    <!-- in: FOLDER -->                  what follows happens in this folder of the project
    <!-- file: PATH -->                  the block is written to this file of the project
    <!-- file: PATH, with mistakes -->   the same, and the project has problems from then on; else it must have none
    <!-- file: PATH, without a project -->  the same, where there is nothing yet that could have problems
    <!-- module -->, <!-- source -->     the block is a part of a module or a source, and has no problems
    <!-- shows: PATH -->                 this file of the project is as in the block
    <!-- row: MODULE/SOURCE -->          the row of the example control table is as in the block
    <!-- set: MODULE/SOURCE/COLUMN -->   this value of the project's Delta table is set to the block
    <!-- python -->                      the block is run in the project; names stay for the next one
    <!-- prints -->                      what the last Python block has printed
    <!-- not run: REASON -->             nothing is done with the block

A `console` block needs no comment: each `$ command` is run and must give what stands below it, with exit code 0 or the
one in a comment behind the command (`# exit code 1`). Plain `ljm` commands run in this process, and in
`make test-slow` as processes too, as all others do. `...` in expected text stands for anything: alone on a line for any
number of lines, inside a line for any part of it.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from textwrap import indent

import click
import pytest
from deltalake import DeltaTable

from fakes.databricks_cli import cli_environment, install_stand_in
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import MetadataManager
from lakeflow_job_meta.cli.main import cli
from lakeflow_job_meta.cli.run import run
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.control_table.schema import COLUMNS
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.diagnostics.rules import NO_FILES, RULES
from lakeflow_job_meta.jobs.task_types import TASK_TYPES
from lakeflow_job_meta.layout.generated_file import FileKind
from lakeflow_job_meta.schema.validator import load_schema
from lakeflow_job_meta.workspace.client import Workspace
from support.in_process import started_in
from support.project_folder import REPOSITORY, compile_loaded, new_project
from support.slow import few

pytest_plugins = ["support.workspace_fixtures"]

ROOT = REPOSITORY
DOCS = ROOT / "docs"
GENERATED = {DOCS / "checks.md", *DOCS.glob("reference-*.md")}
"""Written by `ljm explain --all`, whose examples test_rules.py runs, and by `website/reference.py`."""

PAGES = [ROOT / "README.md", *sorted(page for page in DOCS.glob("*.md") if page not in GENERATED)]

STAND_INS = {"make run": "python examples/demo.py"}
"""Commands that install first, which these tests need not do again, and what they run after that."""

MODULE = """\
modules:
  - module_name: example
{part}
    sources:
      - source_id: example
        execution_order: 1
        transformation_config: {{notebook_path: /Workspace/example}}
"""
SOURCE = """\
modules:
  - module_name: example
    sources:
      - source_id: example
        execution_order: 1
{part}
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the instruction before it."""

    page: str
    line: int
    language: str
    instruction: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass
class Scene:
    """Blocks that share one project."""

    project: str
    line: int
    blocks: list[Block] = field(default_factory=list)


def scenes_of(page: Path) -> list[Scene]:
    """Reads a page; what stands before the first `project` has the project `none`."""
    scenes = [Scene("none", 1)]
    instruction, fence, body = "", None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), start=1):
        if fence is not None:
            if line == "```":
                text = "".join(f"{each}\n" for each in body)
                scenes[-1].blocks.append(Block(page.name, fence[0], fence[1], instruction, text))
                instruction, fence, body = "", None, []
            else:
                body.append(line)
        elif line.startswith("```"):
            fence = (number, line.removeprefix("```"))
        elif comment := re.fullmatch(r"<!-- (.*) -->", line):
            instruction = comment.group(1)
            if instruction.startswith("project: "):
                scenes.append(Scene(instruction.removeprefix("project: "), number))
                instruction = ""
            elif instruction.startswith("in: "):
                scenes[-1].blocks.append(Block(page.name, number, "", instruction, ""))
                instruction = ""
        elif line.strip():
            instruction = ""
    assert fence is None, f"{page.name}:{fence}: the block has no end"
    return [scene for scene in scenes if scene.blocks]


SCENES = [pytest.param(page, scene, id=f"{page.name}:{scene.line}") for page in PAGES for scene in scenes_of(page)]


def _no_project(folder: Path) -> Path:
    return folder


def _starter(folder: Path) -> Path:
    return new_project(folder / "my_pipelines")


def _without_metadata(folder: Path) -> Path:
    project = _starter(folder)
    shutil.rmtree(project / "metadata")
    (project / "metadata").mkdir()
    return project


def _repository(folder: Path) -> Path:
    """What the examples need of this repository; its output is removed, so that there is something to generate."""
    for name in ("examples", "bundle"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.rmtree(folder / "examples" / "resources")
    for name in ("job_meta.yml", "databricks.yml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@cache
def _demonstrated() -> Path:
    """A folder in which the demonstration has run, once for all pages; what needs one copies it."""
    folder = Path(tempfile.mkdtemp(prefix="ljm-docs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    repository = _repository(folder)
    with (repository / "printed").open("wb") as printed:
        subprocess.run([sys.executable, "examples/demo.py"], cwd=repository, check=True, stdout=printed, stderr=printed)
    return repository


def _demo(folder: Path) -> Path:
    shutil.copytree(_demonstrated(), folder, dirs_exist_ok=True)
    return folder / "build" / "demo"


def _own_table(folder: Path) -> Path:
    _demo(folder)
    project = folder / "build" / "own_table"
    shutil.rmtree(project / "resources")
    return project


PROJECTS: dict[str, Callable[[Path], Path]] = {
    "none": _no_project,
    "none with a workspace": _no_project,
    "starter": _starter,
    "starter with a workspace": _starter,
    "starter with live jobs": _without_metadata,
    "starter without metadata": _without_metadata,
    "this repository": _repository,
    "demo": _demo,
    "own table": _own_table,
}


class Stage:
    """A project in which the blocks of a scene are carried out."""

    def __init__(self, folder: Path, programs: Path, *, in_process: bool) -> None:
        self.folder = folder
        self._programs = programs
        self._in_process = in_process
        self._names: dict[str, object] = {}
        self._printed = ""
        self._mistaken: set[str] = set()
        self._is_changed = False

    def carry_out(self, block: Block) -> None:
        """Does with a block what its instruction says."""
        what, _, argument = block.instruction.partition(": ")
        if what == "not run":
            assert argument, f"{block}: say why it is not run"
        elif what == "in":
            self.folder /= argument
        elif what == "file":
            self._write(argument, block.text)
        elif what in ("module", "source"):
            self._check_part(what, block)
        elif what == "shows":
            self.check()
            text = (self.folder / argument).read_text(encoding="utf-8")
            assert_same(block.text, text, f"{block}: {argument}")
        elif what == "row":
            _check_row(argument, block)
        elif what == "set":
            self._set(argument, block.text.strip())
        elif what == "python":
            self._execute(block)
        elif what == "prints":
            assert_same(block.text, self._printed, f"{block}: what the block before prints")
        else:
            assert block.language == "console", f"{block}: nothing says what is to be done with this block"
            self.check()
            self._run(block)

    def check(self) -> None:
        """Compares the problems of the project with what its files are said to have."""
        if not self._is_changed:
            return
        self._is_changed = False
        found = self._problems()
        assert bool(found) == bool(self._mistaken), "\n".join(found) or f"no mistake in {self._mistaken}"

    def _problems(self) -> list[str]:
        found = compile_loaded(load_project(self.folder)).diagnostics
        # A page may say what stands in the project file before there is any metadata.
        return [str(problem) for problem in found if problem.code != NO_FILES.code]

    def _write(self, argument: str, text: str) -> None:
        name = argument.removesuffix(", with mistakes").removesuffix(_NO_PROJECT)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if argument.endswith(_NO_PROJECT):
            return
        self._mistaken.discard(name)
        if name != argument:
            self._mistaken.add(name)
        self._is_changed = True

    def _check_part(self, what: str, block: Block) -> None:
        """Completes a part of the metadata to a file, which must have no problems."""
        part = indent(block.text.rstrip(), " " * (4 if what == "module" else 8))
        path = self.folder / "metadata" / "part.yml"
        path.write_text((MODULE if what == "module" else SOURCE).format(part=part), encoding="utf-8")
        assert self._problems() == [], block
        path.unlink()

    def _set(self, argument: str, value: str) -> None:
        module_name, source_id, column = argument.split("/")
        literal = value.replace("'", "''")
        DeltaTable(self.folder / "etl_control").update(
            predicate=f"module_name = '{module_name}' AND source_id = '{source_id}'", updates={column: f"'{literal}'"}
        )

    def _execute(self, block: Block) -> None:
        printed, before = io.StringIO(), Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(block.text, str(block), "exec"), self._names)
        finally:
            os.chdir(before)
        self._printed = printed.getvalue()

    def _run(self, block: Block) -> None:
        commands = list(commands_of(block.text))
        environment = {**os.environ, "PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80"}
        environment.update({f"GIT_{who}_{what}": "somebody" for who in ("AUTHOR", "COMMITTER") for what in _IDENTITY})
        lines = [command.line for command in commands]
        if self._in_process and not any(map(_STAYS.match, lines)):
            results = [result for line in lines for result in self._run_alone(line, environment)]
        else:
            results = self._run_in_a_shell(lines, environment)
        assert len(results) == len(commands), f"{block}:\n{results}"
        for command, (output, exit_code) in zip(commands, results, strict=True):
            assert_same(command.expected, output, f"{block}: {command.line}")
            assert exit_code == command.exit_code, f"{block}: {command.line}: exit code {exit_code}\n{output}"

    def _run_alone(self, line: str, environment: dict[str, str]) -> list[tuple[str, int]]:
        if line == "make run":
            shutil.copytree(_demonstrated(), self.folder, dirs_exist_ok=True)
            return [((self.folder / "printed").read_text(encoding="utf-8"), 0)]
        if not _PLAIN.fullmatch(line):
            return self._run_in_a_shell([line], environment)
        with started_in(self.folder, environment):
            return [_run_here(shlex.split(line))]

    def _run_in_a_shell(self, lines: list[str], environment: dict[str, str]) -> list[tuple[str, int]]:
        mark = "@@ ended with"
        script = "".join(f"{STAND_INS.get(line, line)}\nprintf '\\n{mark} %s\\n' $?\n" for line in lines)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            env=environment,
        )
        results = re.findall(rf"(.*?)\n{mark} (\d+)\n", done.stdout, re.DOTALL)
        return [(output, int(exit_code)) for output, exit_code in results]


_NO_PROJECT = ", without a project"
_IDENTITY = ("NAME", "EMAIL")
_PLAIN = re.compile(r"ljm( [^|;&<>$`*?~\\()]*)?")
"""A command that means the same without a shell."""
_STAYS = re.compile(r"(cd|export|unset|eval) ")
"""What the shell is another one after."""


def _run_here(arguments: list[str]) -> tuple[str, int]:
    output, before = io.StringIO(), sys.argv
    sys.argv = arguments
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            exit_code = run(cli)
    finally:
        sys.argv = before
    return output.getvalue(), exit_code


@dataclass
class Command:
    """A command of a `console` block."""

    line: str
    exit_code: int
    expected: str = ""


def commands_of(text: str) -> Iterator[Command]:
    """Takes a `console` block apart."""
    assert text.startswith("$ "), "a console block begins with a command"
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        line, _, exit_code = line.partition("# exit code ")
        yield Command(line.strip(), int(exit_code or 0), expected)


def assert_same(expected: str, actual: str, what: str) -> None:
    """Compares documented text with real text."""
    wanted, found = _tidy(expected), _tidy(actual)
    shown = "\n".join([what, "--- documented", *wanted, "--- real", *found])
    assert _is_same(wanted, found), shown


def _tidy(text: str) -> list[str]:
    """Returns the lines, without what no reader sees: spaces at their ends, empty lines at the begin and the end."""
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n").split("\n")


def _is_same(wanted: list[str], found: list[str]) -> bool:
    """Compares lines; between the parts that a line `...` separates there may be any others."""
    parts: list[list[str]] = [[]]
    for line in wanted:
        if line.strip() == "...":
            parts.append([])
        else:
            parts[-1].append(line)
    position = 0
    for number, part in enumerate(parts):
        last = len(found) - len(part)
        first = last if number == len(parts) - 1 else position
        starts = range(max(first, position), min(last, 0 if number == 0 else last) + 1)
        start = next((s for s in starts if all(map(_is_same_line, part, found[s:]))), None)
        if start is None:
            return False
        position = start + len(part)
    return True


def _is_same_line(wanted: str, found: str) -> bool:
    return re.fullmatch(re.escape(wanted).replace(r"\.\.\.", ".*"), found) is not None


@pytest.mark.parametrize(
    ("wanted", "is_same"),
    [
        ("a\nb\nc", True),
        ("a\n...\nc", True),
        ("...\nc", True),
        ("a\n...", True),
        ("...", True),
        ("a\nb\n...\nc", True),
        ("a\n...\n...\nc", True),
        ("a...\nb\nc", True),
        ("a\nb", False),
        ("b\nc", False),
        ("a\nc", False),
        ("...\nb", False),
        ("b\n...", False),
        ("a\nb\n...\nb\nc", False),
        ("a\n...\nd\n...\nc", False),
    ],
)
def test_dots_stand_for_what_is_left_out_and_for_nothing_else(wanted, is_same):
    assert _is_same(wanted.split("\n"), ["a", "b", "c"]) is is_same


def _check_row(name: str, block: Block) -> None:
    module_name, _, source_id = name.partition("/")
    lines = (ROOT / "examples" / "control_table_rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    (row,) = [row for row in rows if (row["module_name"], row["source_id"]) == (module_name, source_id)]
    for line in block.text.splitlines():
        column, value = line.split(None, 1)
        real = row[column] if isinstance(row[column], str) else json.dumps(row[column])
        assert_same(value, real, f"{block}: {column}")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs that the documentation calls, whatever the environment's own are."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, arguments in (("ljm", "-m lakeflow_job_meta "), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folder


@pytest.fixture
def in_front_of_a_workspace(workspace: FakeWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets this process find a fake workspace and a databricks command, and gives the starter its warehouse."""
    environment = cli_environment(workspace.url, workspace.token, tmp_path / "databricks")
    environment["BUNDLE_VAR_warehouse_id"] = "0123456789abcdef"
    environment["NO_PROXY"] = "127.0.0.1"  # the SDK, unlike the command, has no exception of its own for this host
    command = install_stand_in(tmp_path / "bin")
    for name, value in {**environment, "PATH": f"{command.parent}{os.pathsep}{environment['PATH']}"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def live_jobs(workspace: FakeWorkspace, connection: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets this process find a fake workspace with two jobs of a team, and one of a bundle."""
    for name, value in (("DATABRICKS_HOST", workspace.url), ("DATABRICKS_TOKEN", workspace.token)):
        monkeypatch.setenv(name, value)
    client = JobsClient(connection)
    for name in ("Nightly load", "Weekly report"):
        task = {"task_key": "run", "notebook_task": {"notebook_path": f"/Workspace/Shared/{name.split()[1]}"}}
        client.create({"name": name, "tags": {"team": "sales"}, "format": "MULTI_TASK", "tasks": [task]})
    deployment = {"kind": "BUNDLE", "metadata_file_path": "/Workspace/x/.bundle/stock/prod/state/metadata.json"}
    client.create({"name": "Stock", "tags": {"team": "sales"}, "deployment": deployment, "tasks": [task]})


@pytest.mark.parametrize(
    "in_process", few([pytest.param(True, id="in this process")], [pytest.param(False, id="as processes")])
)
@pytest.mark.parametrize(("page", "scene"), SCENES)
def test_every_command_and_example_of_the_page_is_true(
    page: Path, scene: Scene, tmp_path: Path, programs: Path, request: pytest.FixtureRequest, in_process: bool
):
    if scene.project.endswith("with a workspace"):
        request.getfixturevalue("in_front_of_a_workspace")
    if scene.project.endswith("with live jobs"):
        request.getfixturevalue("live_jobs")
    folder = tmp_path / "project"
    folder.mkdir()
    stage = Stage(PROJECTS[scene.project](folder), programs, in_process=in_process)

    for block in scene.blocks:
        stage.carry_out(block)

    stage.check()


LINKING = [*PAGES, ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", link)]

    for link in links:
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not heading or heading in headings_of(target), f"{page.name}: {link}"


def headings_of(page: Path) -> set[str]:
    """Returns the anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_what_contributors_are_sent_to_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = {
        path for path in re.findall(r"`([\w./-]+)`", text) if "/" in path and not path.startswith((".venv/", "build/"))
    }
    roots = (ROOT, ROOT / "generator" / "lakeflow_job_meta")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))

    assert [path for path in sorted(paths) if not any((root / path).exists() for root in roots)] == []
    assert set(re.findall(r"make ([a-z-]+)`", text)) == targets


def test_every_room_of_the_house_is_on_the_contributors_map_in_the_order_that_lint_keeps():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'"(\w+)"', pyproject.split("layers = [")[1].split("]")[0])

    assert [room.removesuffix(".py") for room in re.findall(r"^\| `([\w.]+)/?` \|", text, re.MULTILINE)] == layers


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [kind.name for kind in TASK_TYPES])
def test_every_task_type_is_documented(name):
    assert re.search(rf"^\| `{name}` \|", page("metadata-format.md"), flags=re.MULTILINE)


def test_editors_know_every_task_type():
    known = load_schema("metadata")["$defs"]["transformation_config"]["properties"]["task_type"]["enum"]

    assert set(known) == {kind.name for kind in TASK_TYPES}


@pytest.mark.parametrize("name", [column.name for column in COLUMNS])
def test_every_column_of_the_control_table_is_documented(name):
    assert re.search(rf"^\| `{name}` \|", page("metadata-format.md"), flags=re.MULTILINE)


def project_keys() -> Iterator[str]:
    """Yields every key of job_meta.yml; settings of jobs and tasks below `defaults` are Databricks' own."""
    schema = load_schema("project")
    for name, node in schema["properties"].items():
        yield name
        inner = node.get("items", node).get("$ref", "").rsplit("/", 1)[-1]
        yield from (f"{name}.{below}" for below in schema["$defs"].get(inner, {}).get("properties", {}))


@pytest.mark.parametrize("key", list(project_keys()))
def test_every_key_of_the_project_file_is_documented(key):
    assert re.search(rf"^\| `{re.escape(key)}` \|", page("project-file.md"), flags=re.MULTILINE)


def commands(group: click.Group = cli, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yields every command with its full name, those of groups such as `table` too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{above}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")


def section_of(name: str) -> str:
    """Returns what docs/command-line.md says of a command, with what it says first of the group that this is in."""
    text = page("command-line.md")
    level = "#" * (2 + name.count(" "))
    section = re.search(rf"^{level} ljm {name}$(.*?)(?=^#{{2,{len(level)}}} |\Z)", text, flags=re.M | re.S)
    assert section, f"docs/command-line.md has no heading '{level} ljm {name}'"
    group, _, _ = name.rpartition(" ")
    return section.group(1) + (section_of(group).split("\n### ")[0] if group else "")


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_is_documented_with_its_options(name, command):
    section = section_of(name)

    for parameter in command.params:
        if parameter.name == "project":
            continue  # every command has it, and the page says so once
        shown = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(click.Context(cli))
        assert re.sub(r"[][]|[.]{3}", "", shown) in section, f"ljm {name}: {shown}"
        if isinstance(parameter.type, click.Choice):
            assert [each for each in parameter.type.choices if f"`{each}`" not in section] == []


def test_no_other_command_is_documented():
    described = re.findall(r"^##+ ljm (.*)$", page("command-line.md"), flags=re.MULTILINE)
    known = [name for name, _ in commands()]

    assert [name for name in described if name not in known] == []


def test_the_table_that_the_page_makes_is_the_one_that_the_command_makes():
    made = re.search(r"^CREATE TABLE .*? \(\n(.*?)\n\) USING DELTA$", page("control-table.md"), flags=re.M | re.S)

    assert made
    columns = [tuple(line.strip(" ,").split(" ")) for line in made.group(1).splitlines()]
    assert columns == [(column.name, column.type) for column in COLUMNS]


def test_every_member_of_the_metadata_manager_is_documented():
    text = page("control-table.md")
    names = [name for name in vars(MetadataManager) if not name.startswith("_")]

    assert names
    assert [name for name in names if not re.search(rf"^\| `{name}\(", text, flags=re.MULTILINE)] == []


def test_every_variable_of_a_template_is_documented(tmp_path):
    template = (
        '{% extends "lakeflow_job_meta/job.yml.j2" %}\n{% block before_job %}\n'
        "{% for name in job %}\n{{ name | comment }}\n{% endfor %}\n{% endblock %}\n"
    )
    project = _starter(tmp_path)
    (project / "mine.j2").write_text(template, encoding="utf-8")
    (project / "job_meta.yml").write_text("templates: {job: mine.j2}\ndefaults: {warehouse_id: abc}\n")

    files = compile_loaded(load_project(project)).files
    (text,) = [text for file, text in files.items() if file.kind is FileKind.JOB]

    names = re.findall(r"^# (\w+)$", text, flags=re.MULTILINE)
    assert names
    assert [name for name in names if f"| `job.{name}` |" not in page("templates.md")] == []


def test_every_code_that_the_pages_name_exists():
    named = {code for path in LINKING for code in re.findall(r"checks\.md#([a-z-]+)", path.read_text(encoding="utf-8"))}

    assert named <= set(RULES)


def test_each_promise_of_the_documentation_names_a_test_that_is_there():
    pages = "".join(page.read_text() for page in DOCS.glob("*.md"))
    named = set(re.findall(r"`((?:test_|Test)\w+)`", pages))
    defined = {
        name
        for path in (REPOSITORY / "tests").rglob("*.py")  # contracts of several tests are in `support`
        for name in re.findall(r"(?m)^\s*(?:def|class) ((?:test_|Test)\w+)", path.read_text())
    }
    assert len(named) > 60
    assert named - defined == set()
