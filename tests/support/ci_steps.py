"""The shell steps of CI recipes, run as each CI runs them; what only the CI itself can do is left out.

That is checking out, installing, and asking for approval. Expressions are looked up in a table of the test: one that it
does not have is an error.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.project_folder import Result


@dataclass(frozen=True)
class Step:
    """A script, the arguments of its bash, and the variables and the folder that it has besides."""

    script: str
    shell: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."


def github_steps(steps: Sequence[dict[str, Any]], expressions: Mapping[str, Any]) -> list[Step]:
    """The steps of a job or a composite action that run in an event."""
    found: list[Step] = []
    for step in steps:
        is_met = "if" not in step or expressions[" ".join(step["if"].split())]
        if "run" not in step or not is_met:
            continue
        shell = ("--noprofile", "--norc", "-eo", "pipefail") if step.get("shell") == "bash" else ("-e",)
        texts = {name: _github_text(text, expressions) for name, text in step.get("env", {}).items()}
        folder = _github_text(step.get("working-directory", "."), expressions)
        assert "${{" not in step["run"], "an expression in a script would be code"
        found.append(Step(step["run"], shell, texts, folder))
    return _without_installation(found)


def _github_text(text: str, expressions: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: str(expressions[match[1]]), text)


def azure_steps(steps: Sequence[dict[str, Any]], expressions: Mapping[str, Any]) -> list[Step]:
    scripts = [step for step in steps if "script" in step]
    values = [{name: str(expressions[text]) for name, text in step.get("env", {}).items()} for step in scripts]
    pairs = zip(scripts, values, strict=True)
    return _without_installation(Step(step["script"], ("--noprofile", "--norc"), given) for step, given in pairs)


def gitlab_steps(job: dict[str, Any]) -> list[Step]:
    """The lines of a job: one script, which ends with the first that fails."""
    lines = [line for line in job["script"] if not _INSTALLS.search(line)]
    return [Step("\n".join(lines), ("-eo", "pipefail"), job.get("variables", {}))]


_INSTALLS = re.compile(r"pip install|setup-cli")


def _without_installation(steps: Any) -> list[Step]:
    return [step for step in steps if not _INSTALLS.search(step.script)]


def install_programs(folder: Path) -> None:
    """Puts the commands into a folder that the installation would have brought."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "ljm"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lakeflow_job_meta "$@"\n')
    program.chmod(0o755)


def run_steps(steps: Sequence[Step], folder: Path, environment: Mapping[str, str]) -> Result:
    """Runs steps until one fails; returns its exit code and the output of all."""
    stdout = stderr = ""
    for step in steps:
        done = subprocess.run(
            ["bash", *step.shell, "-c", step.script],
            cwd=folder / step.folder,
            env={**environment, **step.variables, "PWD": str(folder / step.folder)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        stdout, stderr = stdout + done.stdout, stderr + done.stderr
        if done.returncode != 0:
            return Result(done.returncode, stdout, stderr)
    return Result(0, stdout, stderr)


def without_ci(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without the variables of the CI that the tests themselves may run in."""
    names = ("GITHUB_", "GITLAB_", "CI", "TF_BUILD", "SYSTEM_", "BUILD_")
    return {name: value for name, value in environment.items() if not name.startswith(names)}


def misfits(file: Path, *schema: str) -> str:
    """Returns what one of the public schemas that check-jsonschema ships says against a file; nothing if it fits."""
    command = [sys.executable, "-W", "ignore", "-m", "check_jsonschema", "--builtin-schema", *schema, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr if done.returncode != 0 else ""
