"""What the gate of a deployment refuses and lets pass: a pure function over parsed plans."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.deployment.policy import Allowance, policy_violations, refuse, resources_of
from lakeflow_job_meta.errors import PolicyRefused
from lakeflow_job_meta.planning.model import Action, BundlePlan, parse_plan


def plan_of(**jobs: str | dict) -> BundlePlan:
    """Returns a plan: the action of each job, or all that the CLI says of it."""
    entries = {key: {"action": said} if isinstance(said, str) else said for key, said in jobs.items()}
    return parse_plan(json.dumps({"plan": {f"resources.jobs.{key}": entry for key, entry in entries.items()}}))


def refusal(plan: BundlePlan, **allowed: object) -> str:
    with pytest.raises(PolicyRefused) as raised:
        refuse([*policy_violations(plan, Allowance(**allowed))])
    assert str(raised.value).endswith("Nothing was changed in the workspace.")
    assert raised.value.exit_code == 3
    return str(raised.value)


EDITED = {"action": "update", "changes": {"max_retries": {"action": "update", "old": 1, "new": 1, "remote": 5}}}


class TestTheGate:
    @pytest.mark.parametrize(
        "plan",
        [
            plan_of(),
            plan_of(a="create", b="update", c="skip"),
            plan_of(a="skip", b={"action": "delete", "gone": True}),
            plan_of(a={"action": "update", "changes": {"x": {"action": "update", "old": 1, "new": 2, "remote": 1}}}),
            plan_of(a={"action": "skip", "changes": {"run_if": {"action": "skip", "remote": "ALL_SUCCESS"}}}),
            parse_plan('{"plan": {"resources.jobs.a.permissions": {"action": "delete"}}}'),
        ],
        ids=["nothing", "creations and updates", "gone already", "a change", "a default of Databricks", "permissions"],
    )
    def test_the_gate_lets_pass_what_the_metadata_asks_for(self, plan):
        refuse([*policy_violations(plan, Allowance())])

    def test_refuses_a_deletion_and_names_the_job_and_the_flag(self):
        text = refusal(plan_of(sales="delete", stock="skip"))

        assert text.startswith("This deployment would delete 1 job ('sales'); 0 allowed.")
        assert "--max-deletes 1" in text

    def test_refuses_more_deletions_than_allowed_and_names_the_number(self):
        plan = plan_of(a="delete", b="delete", c="delete", d="skip")

        assert "would delete 3 jobs ('a', 'b', 'c'); 2 allowed" in refusal(plan, deletions=2)
        assert "--max-deletes 3" in refusal(plan, deletions=2)
        refuse([*policy_violations(plan, Allowance(deletions=3))])

    def test_refuses_to_leave_no_job_however_many_deletions_are_allowed(self):
        plan = plan_of(a="delete", b="delete")

        text = refusal(plan, deletions=100)

        assert "no job at all" in text
        assert "--allow-empty" in text
        assert "--max-deletes" not in text
        refuse([*policy_violations(plan, Allowance(deletions=2, emptying=True))])

    def test_permission_to_empty_is_no_permission_to_delete(self):
        assert "--max-deletes 1" in refusal(plan_of(a="delete"), emptying=True)

    def test_refuses_to_overwrite_what_was_edited_and_lists_job_field_and_value(self):
        text = refusal(plan_of(a=EDITED))

        assert "1 setting changed in the workspace since the last deployment would be overwritten" in text
        assert "(a: max_retries is 5)" in text
        assert "--overwrite-drift" in text
        refuse([*policy_violations(plan_of(a=EDITED), Allowance(overwriting=True))])

    def test_many_edits_are_counted_and_not_all_listed(self):
        text = refusal(plan_of(**{f"job_{number}": EDITED for number in range(30)}))

        assert "30 settings" in text
        assert "and 20 more" in text
        assert len(text) < 2_000

    def test_what_is_deleted_anyway_has_no_edits_to_keep(self):
        refuse([*policy_violations(plan_of(a={**EDITED, "action": "delete"}, b="skip"), Allowance(deletions=1))])

    def test_refuses_to_make_a_job_again_whatever_is_allowed(self):
        text = refusal(plan_of(a="recreate"), deletions=9, emptying=True, overwriting=True)

        assert "delete and create again 'a'" in text
        assert "run history would be lost" in text

    def test_refuses_to_delete_what_is_no_job(self):
        plan = parse_plan('{"plan": {"resources.schemas.gold": {"action": "delete"}}}')

        assert "resources that are not jobs ('resources.schemas.gold')" in refusal(plan, deletions=9, emptying=True)

    def test_the_gate_gives_all_reasons_at_once(self):
        text = refusal(plan_of(a="delete", b="recreate", c=EDITED))

        assert [word in text for word in ("--max-deletes 1", "create again 'b'", "--overwrite-drift")] == [True] * 3

    @given(
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["skip", "create", "update", "delete"])),
        st.integers(0, 7),
        st.booleans(),
    )
    def test_the_gate_never_lets_more_jobs_go_than_allowed(self, actions, deletions, emptying):
        doomed = [*actions.values()].count("delete")
        is_fine = doomed <= deletions and (emptying or doomed == 0 or doomed < len(actions))

        if is_fine:
            refuse([*policy_violations(plan_of(**actions), Allowance(deletions, emptying))])
        else:
            refusal(plan_of(**actions), deletions=deletions, emptying=emptying)


class TestOtherResources:
    @pytest.mark.parametrize("action", ["delete", "recreate"])
    @pytest.mark.parametrize("name", ["secret_scopes.keys", "apps.shop", "registered_models.churn", "schemas.raw"])
    def test_what_is_no_job_is_neither_deleted_nor_deleted_and_created_again(self, name, action):
        plan = parse_plan(json.dumps({"plan": {f"resources.{name}": {"action": action}}}))

        text = refusal(plan, deletions=9, emptying=True, overwriting=True, doubling=True)

        assert f"would delete resources that are not jobs ('resources.{name}')" in text

    @pytest.mark.parametrize("name", ["jobs.a.permissions", "schemas.raw.grants"])
    def test_who_may_use_a_resource_may_change(self, name):
        plan = parse_plan(json.dumps({"plan": {f"resources.{name}": {"action": "delete"}}}))

        refuse([*policy_violations(plan, Allowance())])

    @pytest.mark.parametrize("name", ["schemas.grants", "volumes.permissions"])
    def test_a_resource_named_like_that_is_one(self, name):
        plan = parse_plan(json.dumps({"plan": {f"resources.{name}": {"action": "delete"}}}))

        assert f"resources.{name}" in refusal(plan)


WHOLE = {"task_key": "a", "notebook_task": {"notebook_path": "/Workspace/a"}}


class TestAJobOfWhichOnlyAnOverrideIsLeft:
    """What the databricks CLI plans as a plain update: it trusts the configuration, which has lost the rest."""

    def plan(self, action: str, *tasks: dict) -> BundlePlan:
        return plan_of(stock={"action": action, "new_state": {"value": {"tasks": list(tasks)}}}, sales="skip")

    @pytest.mark.parametrize("action", ["create", "update", "update_id", "resize"])
    def test_is_refused_whatever_is_allowed(self, action):
        allowed = {"deletions": 9, "emptying": True, "overwriting": True, "doubling": True}

        assert "write 1 job that cannot run ('stock' without any task)" in refusal(self.plan(action), **allowed)
        text = refusal(self.plan(action, WHOLE, {"task_key": "b", "max_retries": 2}), **allowed)
        assert "('stock' without what its task 'b' would do)" in text
        assert "Take the override of what is no longer there out of the bundle's own files" in text

    @pytest.mark.parametrize("action", ["skip", "delete"])
    def test_is_nobodys_concern_where_nothing_is_written(self, action):
        refuse([*policy_violations(self.plan(action), Allowance(deletions=1))])

    def test_is_left_out_where_the_rest_goes_on(self):
        plan = self.plan("update")

        held = plan.leaving_out(resources_of([*policy_violations(plan, Allowance())]))

        refuse([*policy_violations(held, Allowance())])
        assert held.jobs(Action.SKIP) == ["sales", "stock"]

    @given(st.lists(st.sampled_from(["notebook_task", "sql_task", "new_kind_task", "task_key", "max_retries"])))
    def test_a_whole_job_passes_and_no_other(self, names):
        task = {name: {} for name in names}
        found = [*policy_violations(self.plan("update", task), Allowance())]

        assert bool(found) is not any(name.endswith("_task") for name in names)


def there(action: str, job_id: int, **changes: dict) -> dict:
    return {"action": action, "remote_state": {"job_id": job_id}, "changes": changes}


class TestTakeovers:
    def test_a_job_that_another_key_has_too_is_deleted_whatever_is_allowed_never(self):
        text = refusal(plan_of(old=there("delete", 5), new=there("skip", 5)), deletions=9, emptying=True)

        assert "would delete 1 job that another key has, too: old and new: job 5." in text

    def test_two_jobs_of_different_ids_are_no_matter(self):
        refuse([*policy_violations(plan_of(old=there("delete", 5), new=there("skip", 6)), Allowance(deletions=1))])

    def test_a_removed_module_needs_no_other_allowance_and_gives_none(self):
        removed = frozenset({"a"})

        refuse([*policy_violations(plan_of(a="delete", c="skip"), Allowance(removed=removed))])
        assert "1 job ('b'); 0 allowed" in refusal(plan_of(a="delete", b="delete", c="skip"), removed=removed)

    @pytest.mark.parametrize(
        ("path", "change"),
        [
            ("deployment", {"old": None, "new": {"kind": "BUNDLE"}, "remote": {"kind": "else"}}),
            ("deployment.metadata_file_path", {"old": "/a", "new": "/a", "remote": "/b"}),
            ("edit_mode", {"old": "UI_LOCKED", "new": "UI_LOCKED", "remote": "EDITABLE"}),
            ("format", {"old": "MULTI_TASK", "new": "MULTI_TASK", "remote": "SINGLE_TASK"}),
            ("queue", {"old": {"enabled": True}, "new": {"enabled": True}, "remote": None}),
        ],
    )
    def test_what_the_cli_writes_by_itself_is_no_edit(self, path, change):
        plan = plan_of(a=there("update", 5, **{path: {"action": "update", **change}}))

        refuse([*policy_violations(plan, Allowance())])

    def test_a_queue_that_somebody_switched_off_is_an_edit(self):
        change = {"action": "update", "old": {"enabled": True}, "new": {"enabled": True}, "remote": {"enabled": False}}

        assert "1 setting changed in the workspace" in refusal(plan_of(a=there("update", 5, queue=change)))
