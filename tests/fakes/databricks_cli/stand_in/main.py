"""The command line: what to do, and what to print where. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from stand_in import configuration, faults
from stand_in.configuration import Bundle
from stand_in.deployment import bind, deploy, unbind
from stand_in.diagnostics import Diagnostic, Failed, failed, say
from stand_in.http_api import Api, ApiFailure
from stand_in.plan import make_plan
from stand_in.state import State, StateStore, local_folder

VERSION = "1.13.0"


def main(arguments: Sequence[str]) -> int:
    """Runs a command; gives the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends at once, as by SIGTERM: a lock stays
    options = _parser().parse_args(arguments)
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


def _version(options: argparse.Namespace) -> Outcome:
    version = _cli_version()
    major, minor, patch = version.split("-")[0].split(".")
    if options.output != "json":
        return f"Databricks CLI v{version}\n", 0
    numbers = {"Major": int(major), "Minor": int(minor), "Patch": int(patch)}
    return _json({"ProjectName": "cli", "Version": version, **numbers, "Prerelease": "", "IsSnapshot": False}), 0


def _me(options: argparse.Namespace) -> Outcome:
    try:
        return _json(_api().me()[0]), 0
    except ApiFailure as failure:
        say(f"Error: {failure.message}\n\n\nNext steps:\n  - Check your identity: databricks auth describe")
        return "", 1


def _validate(options: argparse.Namespace) -> Outcome:
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


def _plan(options: argparse.Namespace) -> Outcome:
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


def _deploy(options: argparse.Namespace) -> Outcome:
    session = _Session(options)
    session.load()
    _print(session.bundle.warnings)
    deploy(session.bundle, session.api, options.plan, options.force_lock, _cli_version())
    return "", 0


def _bind(options: argparse.Namespace) -> Outcome:
    session = _Session(options)
    session.load()
    bind(session.bundle, session.api, options.key, options.id, _cli_version())
    return "", 0


def _unbind(options: argparse.Namespace) -> Outcome:
    session = _Session(options)
    session.load()
    unbind(session.bundle, session.api, options.key, _cli_version())
    return "", 0


def _summary(options: argparse.Namespace) -> Outcome:
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


def _run(options: argparse.Namespace) -> Outcome:
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


def _jobs_list(options: argparse.Namespace) -> Outcome:
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


def _jobs_get(options: argparse.Namespace) -> Outcome:
    session = _Session(options)
    session.load()
    try:
        return _json(session.api.get("/api/2.2/jobs/get", job_id=options.id)), 0
    except ApiFailure as failure:
        say(f"Error: {failure.message}")
        return "", 1


class _Session:
    """One command in one bundle."""

    bundle: Bundle

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.bundle = configuration.load(configuration.find_root(Path.cwd()))
        self.workspace_id = ""
        self.api: Api

    def load(self) -> None:
        """Reads and resolves the configuration."""
        bundle = self.bundle
        configuration.include(bundle)
        configuration.select_target(bundle, self._options.target or os.environ.get("DATABRICKS_BUNDLE_TARGET", ""))
        given = [item for text in self._options.var or [] for item in text.split(",")]
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Ends as the real command does: exit code 1."""
        say(f"Error: {message}\n\nUsage:\n  {self.prog} [flags]")
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    common = _Parser(add_help=False)
    for flags, settings in (
        (("-o", "--output"), {"choices": ["text", "json"]}),
        (("-t", "--target"), {}),
        (("-p", "--profile"), {}),
        (("--var",), {"action": "append"}),
        (("--debug",), {"action": "store_true"}),
    ):
        common.add_argument(*flags, default=argparse.SUPPRESS, **settings)
    parser = _Parser("databricks", parents=[common])
    commands = parser.add_subparsers(required=True)

    def add(group: Any, name: str, run: Callable[[argparse.Namespace], Outcome]) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = group.add_parser(name, parents=[common])
        command.set_defaults(run=run, command=name, output=None, target="", var=None)
        return command

    add(commands, "version", _version)
    add(commands.add_parser("current-user").add_subparsers(required=True), "me", _me)
    jobs = commands.add_parser("jobs").add_subparsers(required=True)
    listing = add(jobs, "list", _jobs_list)
    listing.add_argument("--expand-tasks", action="store_true")
    listing.add_argument("--name", default="")
    add(jobs, "get", _jobs_get).add_argument("id")
    bundle = commands.add_parser("bundle", parents=[common]).add_subparsers(required=True)
    add(bundle, "validate", _validate).add_argument("--strict", action="store_true")
    add(bundle, "plan", _plan)
    add(bundle, "summary", _summary)
    deployment = add(bundle, "deploy", _deploy)
    deployment.add_argument("--plan", default="")
    for flag in ("--auto-approve", "--force-lock", "--force", "--fail-on-active-runs"):
        deployment.add_argument(flag, action="store_true")
    binding = bundle.add_parser("deployment").add_subparsers(required=True)
    bound = add(binding, "bind", _bind)
    bound.add_argument("key")
    bound.add_argument("id")
    for flag in ("--auto-approve", "--force-lock"):
        bound.add_argument(flag, action="store_true")
    add(binding, "unbind", _unbind).add_argument("key")
    run = add(bundle, "run", _run)
    run.add_argument("key")
    run.add_argument("--no-wait", action="store_true")
    return parser
