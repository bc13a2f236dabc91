"""What the databricks CLI warns of: an error where it is about a generated job, else shown, and in nobody's way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployments import COMMANDS, World, new_world
from support.project_folder import BUNDLE

MONITOR = ("monitor", "-t", "dev", "--deployer", "cli", "--once")
ABOUT_NOTHING = (
    '[ "$2" = plan ] && printf "Warning: unknown field: excludes\\n  at sync\\n  in databricks.yml:6:13\\n\\n" >&2'
)
SHOWN = "databricks.yml:6:13: warning: unknown field: excludes [databricks]"
OF_VALIDATE_ALONE = (
    '[ "$2" = validate ] && printf "Warning: Pattern nothing/** does not match any files\\n'
    '  at sync.exclude[0]\\n  in databricks.yml:6:13\\n\\n" >&2'
)
TASK = "{task_key: a, notebook_task: {notebook_path: /Workspace/x}}"
UNKNOWN = "resources: {jobs: {by_hand: {name: by_hand, nope: 1, tasks: []}}}\n"


@pytest.fixture(params=COMMANDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The module `one`, never deployed."""
    with new_world(request.param, tmp_path) as found:
        found.module("one")
        yield found


class TestAWarningElsewhere:
    def test_it_is_shown_and_blocks_nothing(self, world: World):
        world.disturb(ABOUT_NOTHING)

        result = world.deploy_well()

        assert "unknown field: excludes" in result.stderr
        assert world.changes == {"create": 1}

    def test_one_about_a_job_written_by_hand_blocks_nothing(self, world: World):
        world.project.write("databricks.yml", BUNDLE.replace("include: [", "include: [hand.yml, "))
        world.project.write(
            "hand.yml",
            UNKNOWN.replace("tasks: []", f"tasks: [{TASK}]"),
        )

        result = world.deploy("--dry-run")

        assert result.exit_code == 0, result.stderr
        assert "unknown field: nope" in result.stderr

    def test_its_text_is_in_the_log_the_status_and_the_history_of_a_monitor(self, world: World):
        world.disturb(ABOUT_NOTHING)

        tick = world.ljm(*MONITOR)

        assert tick.exit_code == 0, tick.stderr
        assert f"notice: {SHOWN}" in tick.stderr
        status = json.loads(world.ljm("status", "-t", "dev", "--format", "json").stdout)
        (entry,) = json.loads(world.ljm("history", "-t", "dev", "--format", "json").stdout)
        assert (status["warnings"], entry["warnings"]) == ([SHOWN], [SHOWN])
        assert status["healthy"]
        assert SHOWN in world.ljm("status", "-t", "dev").stdout

    @pytest.mark.slow
    def test_it_is_reported_once_and_goes_with_what_it_was_about(self, world: World):
        world.disturb(ABOUT_NOTHING)
        world.ljm(*MONITOR)
        world.module("two")
        again = world.ljm(*MONITOR)
        world.disturb("")
        world.module("three")
        world.ljm(*MONITOR)

        assert "notice:" not in again.stderr
        assert json.loads(world.ljm("status", "-t", "dev", "--format", "json").stdout)["warnings"] == []

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (ABOUT_NOTHING, "unknown field: excludes"),
            (OF_VALIDATE_ALONE, "Pattern nothing/** does not match any files"),
        ],
        ids=["of-the-plan", "of-validate-alone"],
    )
    def test_a_strict_project_is_not_deployed_and_the_error_has_its_text(self, world: World, body: str, text: str):
        world.project.write("job_meta.yml", "deploy: {strict: true}\n")
        world.disturb(body)

        result = world.deploy()
        tick = world.ljm(*MONITOR)

        assert (result.exit_code, tick.exit_code, world.changes) == (1, 1, {})
        for said in (result.stderr, tick.stderr):
            assert f"error: {text} [databricks]" in said
            assert "`deploy.strict` in job_meta.yml" in said


class TestAWarningAboutAGeneratedJob:
    BODY = (
        '[ "$2" = plan ] && [ -e resources/jobs/one.yml ] && printf "Warning: unknown field: nope\\n'
        '  at resources.jobs.one\\n  in resources/jobs/one.yml:6:7\\n\\n" >&2'
    )

    def test_it_is_an_error_at_the_place_in_the_metadata(self, world: World):
        world.disturb(self.BODY)

        result = world.deploy()

        assert (result.exit_code, world.changes) == (1, {})
        assert "error: unknown field: nope [databricks]" in result.stderr
        assert "metadata/one.yml:" in result.stderr

    @pytest.mark.slow
    def test_in_the_monitor_that_job_alone_stays_as_it_is(self, world: World):
        world.module("two")
        world.disturb(self.BODY)

        tick = world.ljm(*MONITOR)

        assert (tick.exit_code, world.workspace.jobs.names()) == (1, ["two"])
        assert "unknown field: nope" in tick.stderr


def test_an_option_that_only_the_cli_has_is_said_to_be_its_own(world: World):
    words = "not on the right Git branch. To deploy from this branch anyway, use --force."
    world.disturb(f'[ "$2" = plan ] && {{ echo "Error: {words}" >&2; exit 1; }}')

    result = world.deploy()

    assert result.exit_code == 1
    assert f"{words} (--force is an option of the databricks CLI itself, and not of ljm.)" in result.stderr
    assert "--force-lock" not in result.stderr
