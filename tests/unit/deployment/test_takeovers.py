"""Which jobs change their places, by a plan, the metadata and what is recorded: a pure function but for one record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.takeovers import (
    FoundTakeovers,
    Takeover,
    asks_for_takeovers,
    find_takeovers,
    forget_takeovers,
    note_takeovers,
)
from lakeflow_job_meta.planning.model import parse_plan
from lakeflow_job_meta.state.tracking import DeployedJob
from support.project_folder import ProjectFolder, compile_loaded, module


def there(action: str, job_id: int) -> dict:
    return {"action": action, "remote_state": {"job_id": job_id}}


@pytest.fixture
def found(project: ProjectFolder, tmp_path: Path):
    """Finds what `new` takes over, which says a line, with a plan of some jobs and a record of others."""

    def find(line: str, plan: dict[str, object], target: str = "dev", **recorded: int) -> FoundTakeovers:
        project.write("metadata/new.yml", module("new").replace("    sources:", f"    {line}\n    sources:"))
        loaded = load_project(project.path)
        entries = {
            f"resources.jobs.{key}": said if isinstance(said, dict) else {"action": said} for key, said in plan.items()
        }
        jobs = [DeployedJob(key, str(job_id), key, "") for key, job_id in recorded.items()]
        text = json.dumps({"plan": entries})
        return find_takeovers(parse_plan(text), loaded, compile_loaded(loaded), target, jobs, tmp_path)

    return find


RENAMED = Takeover("new", "5", "old", is_held=True)


class TestARename:
    def test_takes_the_job_that_the_plan_deletes(self, found):
        assert found("formerly: old", {"new": "create", "old": there("delete", 5)}).takeovers == (RENAMED,)

    def test_takes_the_recorded_job_that_the_bundle_has_forgotten(self, found):
        assert found("formerly: old", {"new": "create"}, old=5).takeovers == (Takeover("new", "5", "old"),)

    def test_takes_the_job_that_an_earlier_run_has_noted(self, found, tmp_path):
        note_takeovers(tmp_path, [RENAMED])

        assert found("formerly: old", {"new": "create"}).takeovers == (Takeover("new", "5", "old"),)

    def test_forgets_what_it_noted_but_for_what_is_not_finished(self, found, tmp_path):
        note_takeovers(tmp_path, [RENAMED])
        forget_takeovers(tmp_path, ["new"])
        assert found("formerly: old", {"new": "create"}).takeovers
        forget_takeovers(tmp_path, [])

        assert found("formerly: old", {"new": "create"}) == FoundTakeovers()

    @pytest.mark.parametrize("names", ["[older, old]", "[old, older]"])
    def test_of_several_names_takes_the_one_that_this_target_has(self, found, names):
        assert found(f"formerly: {names}", {"new": "create", "old": there("delete", 5)}).takeovers == (RENAMED,)

    def test_of_several_names_that_have_jobs_is_refused(self, found):
        plan = {"new": "create", "old": there("delete", 5), "older": there("delete", 4)}

        (violation,) = found("formerly: [old, older]", plan).violations

        assert violation.jobs == ("new",)
        assert "('5 of old', '4 of older')" in violation.sentence

    def test_takes_what_the_bundle_has_before_what_is_only_recorded(self, found):
        plan = {"new": "create", "old": there("delete", 5)}

        assert found("formerly: [older, old]", plan, older=4).takeovers == (RENAMED,)

    def test_takes_nothing_where_the_job_is_gone_or_never_was(self, found):
        gone = {"action": "delete", "gone": True}

        assert found("formerly: old", {"new": "create", "old": gone}) == FoundTakeovers()
        assert found("formerly: old", {"new": "create"}) == FoundTakeovers()

    def test_is_over_once_the_target_has_it(self, found):
        assert found("formerly: old", {"new": there("skip", 5)}, new=5) == FoundTakeovers()

    def test_is_refused_while_the_bundle_keeps_the_old_key(self, found):
        (violation,) = found("formerly: old", {"new": "create", "old": there("skip", 5)}).violations

        assert "'old', which it was formerly, is still in the bundle, and keeps the job 5" in violation.sentence

    def test_that_was_bound_by_hand_forgets_the_old_key(self, found):
        plan = {"new": there("update", 5), "old": there("delete", 5)}

        assert found("formerly: old", plan).takeovers == (Takeover("", "5", "old", is_held=True),)

    def test_that_is_not_deployed_yet_is_fresh(self, found):
        assert found("formerly: old", {"new": there("update", 5)}, old=5).fresh == {"new"}
        assert found("formerly: old", {"new": there("update", 5)}, old=5, new=5).fresh == frozenset()


class TestAnAdoption:
    def test_is_of_one_target(self, found):
        assert found("adopt: {dev: 7, prod: 8}", {"new": "create"}).takeovers == (Takeover("new", "7"),)
        assert found("adopt: {prod: 8}", {"new": "create"}) == FoundTakeovers()

    def test_of_a_job_that_the_plan_deletes_frees_its_key_first(self, found):
        plan = {"new": "create", "other": there("delete", 7)}

        assert found("adopt: {dev: 7}", plan).takeovers == (Takeover("new", "7", "other", is_held=True),)

    def test_of_the_job_of_another_key_is_refused(self, found):
        (violation,) = found("adopt: {dev: 7}", {"new": "create", "other": there("skip", 7)}).violations

        assert "the job 7, which it is to take over, is the one of 'other'" in violation.sentence

    def test_knows_a_job_that_is_recorded_for_the_module(self, found):
        assert found("adopt: {dev: 7}", {"new": "create"}, new=7).takeovers[0].is_recorded

    def test_in_a_checkout_without_a_record_is_not_taken_for_fresh(self, found):
        assert found("adopt: {dev: 7}", {"new": there("update", 7)}) == FoundTakeovers()


def test_metadata_that_says_nothing_of_it_costs_nothing(project: ProjectFolder):
    project.write("metadata/a.yml", module("a"))
    loaded = load_project(project.path)

    assert not asks_for_takeovers(loaded, compile_loaded(loaded))
