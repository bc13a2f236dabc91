"""Through the Jobs API a job becomes what the databricks CLI makes of it by the mode and the presets of its target.

Each case has the values that are expected; with the real CLI on PATH, that one is asked for the same project too.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fakes.databricks_cli import cli_environment
from fakes.databricks_cli.fixtures import real_command
from lakeflow_job_meta.deployment.jobs_api.login import Login
from support.jobs_api_site import Site
from support.slow import one_in

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures"]

HEAD = (
    "bundle: {name: test}\ninclude: [resources/jobs/*.yml, more.yml]\n"
    "variables: {stage: {default: trial}, number: {default: 7}, pause: {default: PAUSED}, day: {}}\n"
)
STARTS = {
    "schedule": "schedule: {quartz_cron_expression: 0 0 6 * * ?, timezone_id: UTC}",
    "trigger": "trigger: {periodic: {interval: 1, unit: DAYS}}",
    "continuous": "continuous: {task_retry_mode: NEVER}",
}
OWN = (
    "max_concurrent_runs: 2, tags: {team: own, dev: mine, empty: ''}, "
    "schedule: {quartz_cron_expression: 0 0 6 * * ?, timezone_id: UTC, pause_status: UNPAUSED}"
)
HOME = "/Workspace/Users/someone@example.com"
PRODUCTION = "targets: {dev: {mode: production, workspace: {root_path: /Workspace/shop}, presets: {%s}}}"
DEVELOPMENT = "targets: {dev: {mode: development, presets: {%s}}}"
PLAIN = "targets: {dev: {presets: {%s}}}"


@dataclass(frozen=True)
class Expected:
    """What a target makes of a job that leaves everything open."""

    prefix: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    runs: int = 1
    pause: str = "UNPAUSED"


DEV = Expected("[dev someone] ", {"dev": "someone"}, 4, "PAUSED")
MINE = "${workspace.current_user.short_name}"

APPLIED = {
    "no mode": ("targets: {dev: {}}", Expected()),
    "development": ("targets: {dev: {mode: development}}", DEV),
    "production": (PRODUCTION % "", Expected()),
    "production with presets": (
        PRODUCTION % "name_prefix: 'P ', tags: {cost: 7}, jobs_max_concurrent_runs: 3, trigger_pause_status: PAUSED",
        Expected("P ", {"cost": "7"}, 3, "PAUSED"),
    ),
    "a root path that says nothing of the user": (
        "targets: {dev: {mode: development, workspace: {root_path: ~/a, file_path: '${workspace.root_path}/b'}}}",
        DEV,
    ),
    "development with a prefix of its own": (
        DEVELOPMENT % f"name_prefix: '{MINE}: ', jobs_max_concurrent_runs: 0",
        replace(DEV, prefix="someone: "),
    ),
    "development with a domain friendly name": (
        DEVELOPMENT % "name_prefix: '${workspace.current_user.domain_friendly_name} '",
        replace(DEV, prefix="someone "),
    ),
    "development with presets": (
        DEVELOPMENT % "jobs_max_concurrent_runs: 9, tags: {a: b}, trigger_pause_status: PAUSED",
        replace(DEV, runs=9, tags={"dev": "someone", "a": "b"}),
    ),
    "development with a tag of the same name": (DEVELOPMENT % "tags: {dev: us}", replace(DEV, tags={"dev": "us"})),
    "development with an empty tag of the same name": (DEVELOPMENT % "tags: {dev: ''}", replace(DEV, tags={"dev": ""})),
    "development with empty presets": (DEVELOPMENT % "name_prefix: '', trigger_pause_status: ''", DEV),
    "what is no matter for jobs": (
        PLAIN % "pipelines_development: true, source_linked_deployment: false, artifacts_dynamic_version: true",
        Expected(),
    ),
    "links outside of the workspace": (DEVELOPMENT % "source_linked_deployment: true", DEV),
    "presets of all targets": ("presets: {name_prefix: 'all ', tags: {a: b}}", Expected("all ", {"a": "b"})),
    "presets of a target over those of all": (
        "presets: {name_prefix: 'all ', tags: {a: b, c: d}, jobs_max_concurrent_runs: 5}\n"
        + PLAIN % "name_prefix: 'one ', tags: {c: e}",
        Expected("one ", {"a": "b", "c": "e"}, 5),
    ),
    "presets of all targets in development": (
        f"presets: {{name_prefix: '{MINE} ', trigger_pause_status: PAUSED}}\ntargets: {{dev: {{mode: development}}}}",
        replace(DEV, prefix="someone "),
    ),
    "presets of an included file": (
        "# MORE\n" + PLAIN % "name_prefix: 'one ', tags: {a: b}",
        Expected("one ", {"a": "b", "more": "yes"}),
    ),
    "null takes nothing away": (
        "presets: {name_prefix: 'all ', tags: {a: b}}\n" + PLAIN % "name_prefix: null, tags: {a: null, c: null}",
        Expected("all ", {"a": "b"}),
    ),
    "an empty preset takes nothing away": (
        "presets: {name_prefix: 'all ', jobs_max_concurrent_runs: 5, trigger_pause_status: PAUSED, tags: {a: b}}\n"
        + PLAIN % "name_prefix: '', jobs_max_concurrent_runs: 0, trigger_pause_status: '', tags: {}",
        Expected("all ", {"a": "b"}, 5, "PAUSED"),
    ),
    "an empty tag is a tag": ("presets: {tags: {a: b}}\n" + PLAIN % "tags: {a: ''}", Expected(tags={"a": ""})),
    "an empty mode takes nothing away": (
        "bundle: {name: test, mode: development}\ntargets: {dev: {mode: ''}}",
        DEV,
    ),
    "an empty reference": (
        "presets: {name_prefix: 'all '}\n"
        + PLAIN % "name_prefix: '${var.nothing}'"
        + "\nvariables: {nothing: {default: ''}}",
        Expected(),
    ),
    "unpaused": (PLAIN % "trigger_pause_status: UNPAUSED", Expected()),
    "paused": (PLAIN % "trigger_pause_status: PAUSED", Expected(pause="PAUSED")),
    "other scalars": (
        PLAIN % "name_prefix: 5, tags: {a: true, b: 12}, jobs_max_concurrent_runs: '6'",
        Expected("5", {"a": "true", "b": "12"}, 6),
    ),
    "references": (
        PLAIN % "name_prefix: '${var.stage}-${bundle.target} ', tags: {a: '${var.day}', b: '${bundle.name}'}, "
        "jobs_max_concurrent_runs: '${var.number}', trigger_pause_status: '${var.pause}'",
        Expected("trial-dev ", {"a": "monday", "b": "test"}, 7, "PAUSED"),
    ),
    "a variable of the target": (
        "targets: {dev: {variables: {stage: mine}, presets: {name_prefix: '${var.stage} '}}}",
        Expected("mine "),
    ),
    "a mode by reference": ("targets: {dev: {mode: '${var.mode}'}}\nvariables: {mode: {default: development}}", DEV),
    "a mode of the bundle": ("bundle: {name: test, mode: development}\ntargets: {dev: {}}", DEV),
    "production by a service principal": ("targets: {dev: {mode: production}}", Expected()),
}
NAMES = [
    *("Some.One+x@example.com", "_a__B-c@example.com", "\u00c9lodie.M\u00fcller@x.y", "\u0130stanbul\u03a3@x.y"),
    *("\u738b\u5c0f\u660e@x.y", "stra\u00dfe1\u0663@x.y", "e\u0301a@x.y"),
]
PRINCIPAL = "9F0621ee-b52b-11ea-b3de-0242ac130004"

REFUSED = {
    "development that starts by itself": (
        DEVELOPMENT % "trigger_pause_status: UNPAUSED",
        "'presets.trigger_pause_status' of the target 'dev' in the files of the bundle is UNPAUSED, which the "
        "databricks CLI refuses in development mode",
        "cannot set trigger pause status to UNPAUSED by default",
    ),
    "development with a prefix of all": (
        DEVELOPMENT % "name_prefix: 'dev '",
        "'presets.name_prefix' of the target",
        "prefix should contain the current username",
    ),
    "development in a folder of all": (
        "targets: {dev: {mode: development, workspace: {root_path: /Workspace/shop}}}",
        "'workspace.root_path' of the target 'dev' in the files of the bundle is '/Workspace/shop'",
        "root_path must start with '~/'",
    ),
    "development with state in a folder of all": (
        "targets: {dev: {mode: development, workspace: {state_path: /Workspace/shop}}}",
        "'workspace.state_path' of the target",
        "state_path must start with '~/'",
    ),
    "production wherever": (
        "targets: {dev: {mode: production}}",
        "'workspace.root_path' of the target",
        "must set 'workspace.root_path'",
    ),
    "production where all targets are": (
        "workspace: {root_path: /Workspace/shop}\ntargets: {dev: {mode: production}}",
        "'workspace.root_path' of the target",
        "must set 'workspace.root_path'",
    ),
    "production with a pipeline in development": (
        PRODUCTION % "" + "\nresources: {pipelines: {silver: {name: silver, development: true}}}",
        "'resources.pipelines.silver.development' of the target",
        "cannot include a pipeline with 'development: true'",
    ),
    "production with pipelines in development": (
        PRODUCTION % "pipelines_development: true" + "\nresources: {pipelines: {silver: {name: silver}}}",
        "'presets.pipelines_development' of the target",
        "cannot include a pipeline with 'development: true'",
    ),
    "another mode": (
        "targets: {dev: {mode: staging}}",
        "is 'staging': write 'development' or 'production'",
        "unsupported value 'staging'",
    ),
    "another pause": (
        PLAIN % "trigger_pause_status: paused",
        "is 'paused': write 'PAUSED' or 'UNPAUSED'",
        "Invalid value for trigger_pause_status",
    ),
}
"""What the CLI refuses as well, and the words that it has for that."""

NOT_DONE_HERE = {
    "a preset that is not known": (PLAIN % "name_prefx: x", "is not known; did you mean 'name_prefix'?"),
    "a number that is none": (PLAIN % "jobs_max_concurrent_runs: many", "is no whole number"),
    "a list of tags": (PLAIN % "tags: [a]", "'presets.tags' of the target 'dev' in the files of the bundle is no map"),
    "a tag that is a map": (PLAIN % "tags: {a: {b: c}}", "'presets.tags.a' of the target"),
    "a fraction": (PLAIN % "tags: {a: 1.50}", "is no plain text"),
    "a reference": (PLAIN % "name_prefix: '${bundle.git.branch} '", "'${bundle.git.branch}' can only be resolved by"),
    "a reference to a job": (PLAIN % "tags: {a: '${resources.jobs.own.id}'}", "is no plain text"),
    "a variable without a value": ("targets: {dev: {mode: '${var.none}'}}", "set BUNDLE_VAR_none"),
    "a link that is no flag": (PLAIN % "source_linked_deployment: '${var.pause}'", "is neither true nor false"),
    "run_as of the target": ("targets: {dev: {run_as: {user_name: me}}}", "'run_as' of the target 'dev'"),
    "permissions of all": ("permissions: [{level: CAN_VIEW, group_name: users}]", "'permissions' of the target 'dev'"),
    "Python code": ("python: {mutators: ['m:f']}", "'python' of the target 'dev'"),
}
"""What the CLI does or passes over."""


def filled(site: Site, bundle: str) -> Site:
    """A site with a job for each way to start, which leaves the rest open, and one that says everything itself."""
    for name, start in STARTS.items():
        site.module(name, job_config=start)
    site.module("own", job_config=OWN)
    site.project.write("databricks.yml", merged_head(bundle))
    site.project.write("more.yml", "targets: {dev: {presets: {tags: {more: 'yes'}}}}\n" if "MORE" in bundle else "{}\n")
    return site


def merged_head(bundle: str) -> str:
    head = "".join(line for line in HEAD.splitlines(keepends=True) if line.split(":")[0] not in tops(bundle))
    return f"{head}{bundle}\n" if "targets:" in bundle else f"{head}{bundle}\ntargets: {{dev: {{}}}}\n"


def tops(text: str) -> set[str]:
    return {line.split(":")[0] for line in text.splitlines()}


def shown(settings: dict[str, Any]) -> dict[str, Any]:
    """What a target can change in a job; what is not said is as Databricks has it."""
    tags = {tag: text for tag, text in (settings.get("tags") or {}).items() if not tag.startswith("lakeflow_job_meta")}
    pauses = {name: settings[name].get("pause_status", "UNPAUSED") for name in STARTS if name in settings}
    return {
        "name": settings["name"],
        "tags": tags,
        "runs": settings.get("max_concurrent_runs", 1),
        "pauses": pauses,
    }


def expected_jobs(each: Expected) -> dict[str, dict[str, Any]]:
    open_jobs = {
        name: {"name": each.prefix + name, "tags": each.tags, "runs": each.runs, "pauses": {name: each.pause}}
        for name in STARTS
    }
    own = {"empty": "", **each.tags, "team": "own", "dev": "mine"}
    said = {"name": f"{each.prefix}own", "tags": own, "runs": 2, "pauses": {"schedule": "UNPAUSED"}}
    return {**open_jobs, "own": said}


def sent(site: Site) -> dict[str, dict[str, Any]]:
    """The jobs of the workspace as far as a target changes them, by key."""
    settings = [job.settings for job in site.workspace.jobs.all()]
    return {each["tags"]["lakeflow_job_meta_key"]: shown(each) for each in settings}


@pytest.fixture
def case(request: pytest.FixtureRequest, site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    name, (bundle, *outcome) = request.param
    monkeypatch.setenv("BUNDLE_VAR_day", "monday")
    if "service principal" in name:
        site.workspace.identity.user_name = PRINCIPAL
    return (filled(site, bundle), *outcome)


def cases(*tables: dict[str, Any]) -> pytest.MarkDecorator:
    items = [pytest.param(item, id=item[0]) for table in tables for item in table.items()]
    return pytest.mark.parametrize("case", one_in(3, items), indirect=True)


class TestTheJobsApi:
    @cases(APPLIED)
    def test_sends_what_the_target_makes_of_jobs_and_then_changes_nothing(self, case):
        site, expected = case

        assert site.deploy() == []

        assert sent(site) == expected_jobs(expected)
        assert site.plan().changes_nothing()

    @cases(REFUSED, NOT_DONE_HERE)
    def test_leaves_jobs_as_they_are_and_says_why(self, case):
        site, reason, *_ = case

        problems = site.deploy()

        assert len(problems) == 4
        assert problems[0].startswith("metadata/continuous.yml:2:")
        assert all(reason in problem for problem in problems), problems[0]
        assert site.changes() == {}


@pytest.mark.real_cli
class TestTheRealCli:
    @cases(APPLIED)
    def test_makes_the_same_of_jobs(self, case, tmp_path):
        site, expected = case

        result = self.validated(site, tmp_path)

        assert result.returncode == 0, result.stderr
        jobs = json.loads(result.stdout)["resources"]["jobs"]
        assert {key: shown(job) for key, job in jobs.items()} == expected_jobs(expected)

    @cases(REFUSED)
    def test_refuses_the_same(self, case, tmp_path):
        site, _, words = case

        result = self.validated(site, tmp_path)

        assert result.returncode == 1
        assert words in result.stderr

    def test_deploys_the_same_jobs(self, site, tmp_path):
        filled(site, "targets: {dev: {mode: development}}")
        environment = cli_environment(site.workspace.url, site.workspace.token, tmp_path / "cli")
        path = f"{real_command().parent}{os.pathsep}{environment['PATH']}"

        result = site.project.run("deploy", "-t", "dev", **{**environment, "PATH": path, "BUNDLE_VAR_day": "monday"})

        assert result.exit_code == 0, result.stderr
        jobs = [shown(job.settings) for job in site.workspace.jobs.all()]
        assert {job["name"]: job for job in jobs} == {job["name"]: job for job in expected_jobs(DEV).values()}

    @pytest.mark.parametrize("name", NAMES)
    def test_names_the_user_as_we_do(self, site, tmp_path, name):
        site.workspace.identity.user_name = name
        filled(site, "targets: {dev: {mode: development}}")

        bundle = json.loads(self.validated(site, tmp_path).stdout)

        user, login = bundle["workspace"]["current_user"], Login(name, name.partition("@")[0])
        assert (user["short_name"], bundle["presets"]["tags"]["dev"]) == (login.short_name, login.tag)
        assert user["domain_friendly_name"] == login.domain_friendly_name

    def validated(self, site: Site, tmp_path: Path) -> subprocess.CompletedProcess[str]:
        """Generates, and asks the CLI for the bundle as it would deploy it."""
        site.project.ljm("generate")
        environment = cli_environment(site.workspace.url, site.workspace.token, tmp_path / "cli")
        return subprocess.run(
            [real_command(), "bundle", "validate", "-t", "dev", "-o", "json"],
            cwd=site.project.path,
            env={**environment, "BUNDLE_VAR_day": "monday"},
            capture_output=True,
            text=True,
            timeout=60,
        )
