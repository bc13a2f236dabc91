"""The command line: what to do, and what to print where. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import _signal
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from stand_in import configuration, faults
from stand_in.configuration import Bundle
from stand_in.deployment import bind, deploy, unbind
from stand_in.diagnostics import Diagnostic, Failed, failed, say
from stand_in.http_api import Api, ApiFailure
from stand_in.plan import make_plan
from stand_in.state import State, StateStore, local_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

VERSION = "1.13.0"


def main(arguments: Sequence[str]) -> int:
    """Runs a command; gives the exit code."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # ends at once, as by SIGTERM: a lock stays
    options = _options(arguments)
    faults.hang(options.command)
    try:
        output, exit_code = options.run(options)
    except Failed as failure:
        _print(failure.diagnostics)
        return 1
    except ApiFailure as failure:
        _print(failure.failed().diagnostics)
        return 1
    sys.stdout.write(faults.garbled(options.command, output))
    sys.stdout.flush()
    return int(exit_code)


Outcome = tuple[str, int]


class Options:
    """What the command line says."""

    def __init__(
        self,
        run: Callable[[Options], Outcome],
        command: str,
        values: dict[str, str],
        variables: list[str],
        switches: list[str],
        named: dict[str, str],
    ) -> None:
        self.run, self.command, self.var = run, command, variables
        self.output, self.target, self.plan = values.get("output"), values.get("target", ""), values.get("plan", "")
        self.name = values.get("name", "")
        self.strict, self.force_lock = "--strict" in switches, "--force-lock" in switches
        self.expand_tasks = "--expand-tasks" in switches
        self.key, self.id = named.get("key", ""), named.get("id", "")
        self.path, self.file = named.get("path", ""), values.get("file", "")
        self.json = values.get("json", "")


def _version(options: Options) -> Outcome:
    version = _cli_version()
    major, minor, patch = version.split("-")[0].split(".")
    if options.output != "json":
        return f"Databricks CLI v{version}\n", 0
    numbers = {"Major": int(major), "Minor": int(minor), "Patch": int(patch)}
    return _json({"ProjectName": "cli", "Version": version, **numbers, "Prerelease": "", "IsSnapshot": False}), 0


def _me(options: Options) -> Outcome:
    try:
        return _json(_api().me()[0]), 0
    except ApiFailure as failure:
        say(f"Error: {failure.message}\n\n\nNext steps:\n  - Check your identity: databricks auth describe")
        return "", 1


def _validate(options: Options) -> Outcome:
    session = _Session(options)
    try:
        session.load()
        folder = session.bundle.workspace["file_path"]
        if not session.api.exists(folder):
            session.api.post("/api/2.0/workspace/mkdirs", {"path": folder})
        errors: list[Diagnostic] = []
    except Failed as failure:
        errors = list(failure.diagnostics)
    except ApiFailure as failure:
        errors = list(failure.failed().diagnostics)
    warnings = session.bundle.warnings if session.bundle else []
    _print([*warnings, *errors])
    refused = options.strict and warnings and not errors
    if refused:
        were = "warning was" if len(warnings) == 1 else "warnings were"
        say(f"Error: {len(warnings)} {were} found. Warnings are not allowed in strict mode")
    output = _json(session.shown()) if options.output == "json" else session.headline(errors, warnings)
    return output, 1 if errors or refused else 0


def _plan(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    _print(session.bundle.warnings)
    plan = make_plan(session.bundle, session.state(), session.api, _cli_version())
    if options.output == "json":
        return _json(plan), 0
    actions = {name.removeprefix("resources."): node["action"] for name, node in plan["plan"].items()}
    lines = [f"{action} {name}" for name, action in actions.items() if action != "skip"]
    count = Counter(actions.values())
    last = (
        f"Plan: {count['create']} to add, {count['update']} to change, {count['delete']} to delete, "
        f"{count['skip']} unchanged"
    )
    return "\n".join([*lines, *([""] if lines else []), last]) + "\n", 0


def _deploy(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    _print(session.bundle.warnings)
    deploy(session.bundle, session.api, options.plan, options.force_lock, _cli_version())
    return "", 0


def _bind(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    bind(session.bundle, session.api, options.key, options.id, options.force_lock, _cli_version())
    return "", 0


def _unbind(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    unbind(session.bundle, session.api, options.key, options.force_lock, _cli_version())
    return "", 0


def _summary(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    _print(session.bundle.warnings)
    state = session.state()
    jobs = session.bundle.data.setdefault("resources", {}).setdefault("jobs", {})
    for name in state.resources:
        if not name.endswith(".permissions"):
            jobs.setdefault(name.removeprefix("resources.jobs."), {"modified_status": "deleted"})
    for key, job in jobs.items():
        identity = state.id_of(f"resources.jobs.{key}")
        if identity:
            job |= {"id": identity, "url": f"{session.api.host}/jobs/{identity}?w={session.workspace_id}"}
        else:
            job["modified_status"] = "created"
    if options.output == "json":
        return _json(session.shown()), 0
    lines = ["Resources:", "  Jobs:"] if jobs else []
    for key, job in sorted(jobs.items()):
        url = job.get("url", "(not deployed)")
        lines += [f"    {key}:", f"      Name: {job.get('name', '')}", f"      URL:  {url}"]
    return "\n".join([*session.head(), *lines]) + "\n", 0


def _run(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    state = session.state()
    key = options.key.removeprefix("jobs.")
    if key not in session.bundle.jobs:
        raise failed(f'resource with key "{options.key}" not found')
    identity = state.id_of(f"resources.jobs.{key}")
    if not identity:
        raise failed("deployment not found or incomplete, please run 'databricks bundle deploy' first")
    run = session.api.post("/api/2.2/jobs/run-now", {"job_id": int(identity)})["run_id"]
    session.api.get("/api/2.2/jobs/runs/get", run_id=str(run))
    say(f"Run URL: {session.api.host}/jobs/{identity}/runs/{run}?o={session.workspace_id}\n")
    return "", 0


def _jobs_list(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    jobs: list[Any] = []
    query = {"limit": "100", **({"expand_tasks": "true"} if options.expand_tasks else {})}
    query |= {"name": options.name} if options.name else {}
    while True:
        page = session.api.get("/api/2.2/jobs/list", **query)
        jobs += page.get("jobs") or []
        if not page.get("next_page_token"):
            return _json(jobs), 0
        query["page_token"] = page["next_page_token"]


def _jobs_get(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    try:
        return _json(session.api.get("/api/2.2/jobs/get", job_id=options.id)), 0
    except ApiFailure as failure:
        say(f"Error: {failure.message}")
        return "", 1


def _jobs_update(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    session.api.post("/api/2.2/jobs/update", json.loads(options.json))
    return "", 0


def _workspace_export(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    content = session.api.download(options.path)
    if content is None:
        say(f"Error: Path ({options.path}) doesn't exist.")
        return "", 1
    return content.decode(), 0


def _workspace_import(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    session.api.upload(options.path, Path(options.file).read_bytes(), overwrite=True)
    return "", 0


def _workspace_mkdirs(options: Options) -> Outcome:
    session = _Session(options)
    session.load()
    session.api.post("/api/2.0/workspace/mkdirs", {"path": options.path})
    return "", 0


class _Session:
    """One command in one bundle."""

    bundle: Bundle

    def __init__(self, options: Options) -> None:
        self._options = options
        self.bundle = configuration.load(configuration.find_root(Path.cwd()))
        self.workspace_id = ""
        self.api: Api

    def load(self) -> None:
        """Reads and resolves the configuration."""
        bundle = self.bundle
        configuration.include(bundle)
        configuration.select_target(bundle, self._options.target or os.environ.get("DATABRICKS_BUNDLE_TARGET", ""))
        given = [item for text in self._options.var for item in text.split(",")]
        configuration.set_variables(bundle, given, os.environ)
        self.api = _api((bundle.data.get("workspace") or {}).get("host", ""))
        me, self.workspace_id = self.api.me()
        configuration.set_workspace(bundle, me)
        configuration.resolve_references(bundle)
        configuration.shape_jobs(bundle)
        configuration.translate_paths(bundle)
        configuration.merge_tasks(bundle)
        configuration.apply_mode(bundle)

    def state(self) -> State:
        """The state of the deployment."""
        workspace = self.bundle.workspace
        folder = local_folder(self.bundle.root, self.bundle.target)
        return StateStore(self.api, workspace["state_path"], folder, _cli_version()).read()

    def shown(self) -> dict[str, Any]:
        """The configuration as far as it got."""
        if self.bundle.data:
            return self.bundle.data
        return {**self.bundle.source.data, "include": self.bundle.includes}

    def head(self) -> list[str]:
        """The first lines of what people read."""
        lines = [f"Name: {self.bundle.name}"]
        if self.bundle.target:
            lines.append(f"Target: {self.bundle.target}")
        workspace = self.bundle.data.get("workspace") or {}
        if "current_user" in workspace:
            user, path = workspace["current_user"]["userName"], workspace["root_path"]
            lines += ["Workspace:", f"  User: {user}", f"  Path: {path}"]
        return lines

    def headline(self, errors: Sequence[Diagnostic], warnings: Sequence[Diagnostic]) -> str:
        """What `validate` says."""
        found = [_count(len(errors), "error"), _count(len(warnings), "warning")]
        verdict = f"Found {' and '.join(filter(None, found))}" if any(found) else "Validation OK!"
        return "\n".join([*self.head(), "", verdict]) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number > 1)}" if number else ""


def _print(diagnostics: Sequence[Diagnostic]) -> None:
    for diagnostic in diagnostics:
        say(str(diagnostic))


def _json(data: object) -> str:
    return json.dumps(data, indent=2, sort_keys=False) + "\n"


def _cli_version() -> str:
    return faults.setting("VERSION") or VERSION


def _api(host: str = "") -> Api:
    host, token = host or os.environ.get("DATABRICKS_HOST", ""), os.environ.get("DATABRICKS_TOKEN", "")
    if not host or not token:
        page = "https://docs.databricks.com/en/dev-tools/auth.html#databricks-client-unified-authentication"
        raise failed(
            f"default auth: cannot configure default credentials, please check {page} "
            "to configure credentials for your preferred authentication method"
        )
    return Api(host, token)


_COMMON = {
    "-o": "output",
    "--output": "output",
    "-t": "target",
    "--target": "target",
    "-p": "profile",
    "--profile": "profile",
    "--var": "var",
    "--debug": "",
}
_LOCKING = {"--auto-approve": "", "--force-lock": ""}
_COMMANDS: dict[str, tuple[Callable[[Options], Outcome], tuple[str, ...], dict[str, str]]] = {
    "version": (_version, (), {}),
    "current-user me": (_me, (), {}),
    "jobs list": (_jobs_list, (), {"--expand-tasks": "", "--name": "name"}),
    "jobs get": (_jobs_get, ("id",), {}),
    "jobs update": (_jobs_update, (), {"--json": "json"}),
    "workspace export": (_workspace_export, ("path",), {}),
    "workspace import": (_workspace_import, ("path",), {"--file": "file", "--format": "format", "--overwrite": ""}),
    "workspace mkdirs": (_workspace_mkdirs, ("path",), {}),
    "bundle validate": (_validate, (), {"--strict": ""}),
    "bundle plan": (_plan, (), {}),
    "bundle summary": (_summary, (), {}),
    "bundle deploy": (_deploy, (), {**_LOCKING, "--plan": "plan", "--force": "", "--fail-on-active-runs": ""}),
    "bundle deployment bind": (_bind, ("key", "id"), _LOCKING),
    "bundle deployment unbind": (_unbind, ("key",), {"--force-lock": ""}),
    "bundle run": (_run, ("key",), {"--no-wait": ""}),
}
"""Function, positional arguments, and options with the names of their values; those without one are switches."""


def _options(arguments: Sequence[str]) -> Options:
    """Reads the command line; argparse would take a fifth of the command's time to load."""
    rest, words, switches = [*arguments], list[str](), list[str]()
    values: dict[str, str] = {}
    variables: list[str] = []
    known = {**_COMMON, **{flag: name for *_, flags in _COMMANDS.values() for flag, name in flags.items()}}
    while rest:
        word = rest.pop(0)
        flag, has_value, value = word.partition("=")
        if not word.startswith("-"):
            words.append(word)
        elif flag not in known or (has_value and not known[flag]):
            _refuse(f"unknown flag: {word}")
        elif not known[flag]:
            switches.append(flag)
        elif not has_value and not rest:
            _refuse(f"flag needs an argument: {flag}")
        else:
            value = value if has_value else rest.pop(0)
            values[known[flag]] = value
            variables += [value] if flag == "--var" else []
    length = next((n for n in range(len(words), 0, -1) if " ".join(words[:n]) in _COMMANDS), 0)
    if not length:
        _refuse(f"unknown command: {' '.join(words)}")
    run, names, flags = _COMMANDS[" ".join(words[:length])]
    if strange := [each for each in switches if each not in {**_COMMON, **flags}]:
        _refuse(f"unknown flag: {strange[0]}")
    if len(words) - length != len(names) or values.get("output") not in (None, "text", "json"):
        _refuse(f"accepts {len(names)} arg(s), received {len(words) - length}")
    return Options(run, words[length - 1], values, variables, switches, dict(zip(names, words[length:], strict=True)))


def _refuse(message: str) -> NoReturn:
    """Ends as the real command does: exit code 1."""
    say(f"Error: {message}\n\nUsage:\n  databricks [flags]")
    sys.exit(1)
