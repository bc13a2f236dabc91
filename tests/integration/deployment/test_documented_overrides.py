"""What docs/overrides.md says of overrides in databricks.yml is what the databricks CLI makes of its example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.deployments import COMMANDS, World, new_world
from support.project_folder import REPOSITORY

PAGE = (REPOSITORY / "docs" / "overrides.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```yaml\n(.*?)```", PAGE, re.DOTALL))
(SHOWN,) = re.findall(r"<!-- not run: .*? -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(params=COMMANDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with new_world(request.param, tmp_path) as world:
        for name, text in FILES.items():
            world.project.write(name, text)
        yield world


def job_in(world: World, target: str) -> dict[str, Any]:
    result = world.databricks("bundle", "validate", "-t", target, "-o", "json")
    return json.loads(result)["resources"]["jobs"]["orders"]


def test_the_job_of_the_example_is_what_the_page_shows(world):
    assert world.ljm("generate").exit_code == 0

    job = job_in(world, "dev")

    expected = yaml.safe_load(SHOWN)
    assert {name: job[name] for name in expected} == expected


def test_in_a_target_without_overrides_it_is_as_in_its_file(world):
    world.ljm("generate")
    (file,) = (world.project.path / "resources" / "jobs").iterdir()
    written = yaml.safe_load(file.read_text(encoding="utf-8"))["resources"]["jobs"]["orders"]

    job = job_in(world, "prod")

    written["schedule"].setdefault("pause_status", job["schedule"].get("pause_status"))
    assert {name: job[name] for name in written} == written


def test_null_takes_nothing_away(world):
    text = FILES["databricks.yml"].replace("schedule: {pause_status: PAUSED}", "schedule: null")
    world.project.write("databricks.yml", text)
    assert world.ljm("generate").exit_code == 0

    assert job_in(world, "dev")["schedule"]["quartz_cron_expression"] == "0 0 2 * * ?"


def test_environments_of_an_override_come_behind_those_of_the_job(world):
    environment = "environments: [{{environment_key: e, spec: {{environment_version: '{}'}}}}]"
    metadata = FILES["metadata/shop.yml"].replace("job_config:", f"job_config:\n      {environment.format(3)}")
    world.project.write("metadata/shop.yml", metadata)
    text = FILES["databricks.yml"].replace("schedule: {pause_status: PAUSED}", environment.format(4))
    world.project.write("databricks.yml", text)
    assert world.ljm("generate").exit_code == 0

    environments = job_in(world, "dev")["environments"]

    assert [each["spec"]["environment_version"] for each in environments] == ["3", "4"]
