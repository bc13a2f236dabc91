"""A project in a folder of its own, and the command line run in it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from lakeflow_job_meta.cli.main import cli
from lakeflow_job_meta.cli.run import run
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from support.in_process import started_in

BUNDLE = """\
bundle: {name: test}
include: [resources/jobs/*.yml]
variables: {warehouse_id: {default: "0123456789abcdef"}}
targets: {dev: {}, prod: {}}
"""

CARET = "‸"
"""Stands in metadata of a test right before what is wrong there."""

REPOSITORY = Path(__file__).parents[2]
_DIAGNOSTIC = re.compile(r"(?P<place>.+?): (?P<severity>error|warning): (?P<message>.*) \[(?P<code>[a-z:-]+)\]")


def compile_loaded(project: Project, **options: Any) -> Compilation:
    """Compiles a project that was loaded, with what its bundle declares now."""
    return compile_project(project, read_bundle_declarations(project), **options)


@dataclass(frozen=True)
class Problem:
    """One line of diagnostics, taken apart."""

    place: str
    severity: str
    message: str
    code: str

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.message} [{self.code}]"


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def problems(self) -> list[Problem]:
        """The diagnostics on stderr."""
        matches = [_DIAGNOSTIC.fullmatch(line) for line in self.stderr.split("\n")]
        return [Problem(**match.groupdict()) for match in matches if match]

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems]


def run_here(*arguments: str) -> Result:
    """Runs the command line in this process, with these arguments."""
    stdout, stderr = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["ljm", *arguments]
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            exit_code = run(cli)
    finally:
        sys.argv = before
    return Result(exit_code, stdout.getvalue(), stderr.getvalue())


def new_project(folder: Path, *arguments: str) -> Path:
    """Makes a project as `ljm init` does, by default the starter, and returns its folder."""
    result = run_here("init", str(folder), *arguments)
    assert result.exit_code == 0, result.stderr
    return folder


class ProjectFolder:
    """A bundle's folder that a test fills and runs commands in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        (path / "databricks.yml").write_text(BUNDLE, encoding="utf-8")

    def write(self, name: str, text: str) -> Path:
        """Writes a file, folders included; the text's common indentation goes."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(dedent(text).encode("utf-8"))
        return file

    def read(self, name: str) -> str:
        return (self.path / name).read_bytes().decode("utf-8")

    def generated(self) -> dict[str, str]:
        """Returns every file below the output folder by its path there."""
        root = self.path / "resources"
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes().decode("utf-8") for path in files}

    def everything(self) -> dict[str, bytes]:
        """Returns all files of the project, to show that nothing else has changed."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): path.read_bytes() for path in files}

    def ljm(self, *arguments: str) -> Result:
        """Runs the command line in this process."""
        return run_here("--project", str(self.path), *arguments)

    def inside(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Result:
        """Runs the command line in this process, as from inside the project; a databricks CLI is a process."""
        with started_in(cwd or self.path, {**os.environ, **environment}):
            return run_here(*arguments)

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Result:
        """Runs the command line as a process of its own, from inside the project."""
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow_job_meta", *arguments],
            cwd=cwd or self.path,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=60,
            env={**os.environ, **environment},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def compile(self) -> Compilation:
        """Reads and compiles all metadata, without writing anything."""
        return compile_loaded(load_project(self.path))

    def texts(self) -> dict[str, str]:
        """Returns the files that the metadata gives, by path below the output folder, without writing them."""
        return {file.path: text for file, text in self.compile().files.items()}

    def job(self, metadata: str) -> dict:
        """Returns the settings of the one job that a metadata file gives."""
        self.write("metadata/sales.yml", metadata)
        compilation = self.compile()
        assert [str(problem) for problem in compilation.diagnostics] == []
        (job,) = compilation.jobs
        return job.settings

    def problems(self, metadata: str) -> list[str]:
        """Returns what is wrong with one metadata file, as shown to the user."""
        self.write("metadata/sales.yml", metadata)
        return [str(problem) for problem in self.compile().diagnostics]


def at_caret(marked: str) -> tuple[str, str]:
    """Returns a text without its caret, and `line:column` of what the caret stood before."""
    text = dedent(marked).lstrip("\n")
    before, after = text.split(CARET)
    return before + after, f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def only(items: Sequence) -> object:
    """Returns the one item of a sequence."""
    (item,) = items
    return item


def module(name: str = "sales", *, notebook: str = "/Workspace/a", order: int = 1) -> str:
    """Returns a metadata file of one sound module."""
    return f"""\
modules:
  - module_name: {name}
    sources:
      - source_id: a
        execution_order: {order}
        transformation_config: {{notebook_path: {notebook}}}
"""
