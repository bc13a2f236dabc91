"""The plan of the databricks CLI: what it is taken for, and that whatever is not understood is refused."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.planning.model import Action, parse_plan
from support.strategies import texts, trees

PLAN = json.dumps(
    {
        "plan_version": 2,
        "cli_version": "1.13.0",
        "lineage": "abc",
        "serial": 3,
        "plan": {
            "resources.jobs.a": {"action": "skip"},
            "resources.jobs.b": {"action": "create", "new_state": {"value": {"name": "b"}}},
            "resources.jobs.c": {
                "action": "update",
                "changes": {
                    "max_retries": {"action": "update", "old": 1, "new": 1, "remote": 5},
                    "description": {"action": "update", "old": "x", "new": "y", "remote": "x"},
                    "run_if": {"action": "skip", "reason": "backend_default", "remote": "ALL_SUCCESS"},
                },
            },
            "resources.jobs.d": {"action": "delete"},
            "resources.jobs.e": {"action": "delete", "gone": True},
            "resources.jobs.c.permissions": {"action": "delete"},
        },
    }
)


class TestItsPlan:
    def test_is_read_with_its_state_and_its_jobs(self):
        plan = parse_plan(PLAN)

        assert (plan.lineage, plan.serial) == ("abc", 3)
        assert plan.jobs(Action.CREATE, Action.UPDATE) == ["b", "c"]
        assert not plan.changes_nothing()

    def test_permissions_are_no_job_and_what_is_gone_already_is_not_deleted(self):
        assert parse_plan(PLAN).jobs(Action.DELETE) == ["d"]

    def test_only_what_differs_from_both_sides_was_edited_by_hand(self):
        ((owner, field),) = parse_plan(PLAN).hand_edits()

        assert (owner.shown, field.path, field.remote) == ("c", "max_retries", 5)

    def test_one_from_before_the_first_deployment_has_no_state(self):
        plan = parse_plan('{"plan": {"resources.jobs.a": {"action": "create"}}}')

        assert (plan.lineage, plan.serial) == (None, None)

    def test_one_without_any_resource_changes_nothing(self):
        assert parse_plan('{"plan_version": 2, "plan": {}}').changes_nothing()

    @pytest.mark.parametrize("length", range(0, len(PLAN) - 1, 37))
    def test_a_truncated_one_is_one_sentence_and_nothing_is_deployed(self, length):
        with pytest.raises(OperationFailed, match=r"cannot be understood .*nothing was deployed") as raised:
            parse_plan(PLAN[:length])

        assert len(str(raised.value)) < 400

    @pytest.mark.parametrize(
        "text",
        [
            *("", "null", "[]", "3", '"x"', "{}", '{"plan": null}', '{"plan": []}', '{"plan": {"a": null}}'),
            *('{"plan": {"a": {}}}', '{"plan": {"resources.jobs.a": {"action": "explode"}}}'),
            '{"plan": {"resources.jobs.a": {"action": "update", "changes": ["x"]}}}',
            '{"plan": {"resources.jobs.a": {"action": "update", "changes": {"x": null}}}}',
            '{"plan": {"resources.jobs.a": {"action": "update", "changes": {"x": {"action": "melt"}}}}}',
            '{"plan": {"a": ' + "[" * 100_000,
        ],
        ids=lambda text: text[:60],
    )
    def test_one_that_is_not_understood_is_one_sentence(self, text):
        with pytest.raises(OperationFailed, match=r"cannot be understood .*nothing was deployed"):
            parse_plan(text)

    @given(trees() | st.fixed_dictionaries({"plan": st.dictionaries(texts, trees())}))
    def test_any_json_is_a_plan_or_one_sentence(self, value):
        with suppress(OperationFailed):
            plan = parse_plan(json.dumps(value))
            assert len(plan.resources) == len(value["plan"])
            assert len(list(plan.hand_edits())) >= 0
