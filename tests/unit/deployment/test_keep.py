"""What the workspace decides stays in a plan of the databricks CLI, and the rest of the plan is as it was."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.config.model import PAUSES
from lakeflow_job_meta.deployment.databricks_cli.keep import KeptPlan, keep_in_plan, parsed_record
from lakeflow_job_meta.deployment.keeping import Keeping
from lakeflow_job_meta.planning.model import Action, KeptSetting, parse_plan

STATE = "/Workspace/Users/me/.bundle/test/dev/state"
KEEP = Keeping(lambda key: (*PAUSES, ("email_notifications",)))
VALUES = ("PAUSED", "UNPAUSED")


def plan_of(old: str, new: str, remote: str, **changes: dict) -> str:
    """The plan of one job with a schedule, as the CLI prints it."""
    pauses = {"schedule.pause_status": {"action": "update", "old": old, "new": new, "remote": remote}}
    if old == new == remote:
        pauses = {}
    elif new == remote:
        pauses["schedule.pause_status"]["action"] = "skip"
    found = {**pauses, **changes}
    is_update = any(each["action"] != "skip" for each in found.values())
    wanted = {"schedule": {"pause_status": new}, "deployment": {"metadata_file_path": f"{STATE}/metadata.json"}}
    entry = {"action": "update" if is_update else "skip", "new_state": {"value": wanted}, "changes": found}
    return json.dumps({"plan": {"resources.jobs.a": {**entry, "remote_state": {"schedule": {"pause_status": remote}}}}})


def kept(text: str, record: dict | None = None, keeping: Keeping = KEEP) -> KeptPlan:
    read: list[str] = []
    found = keep_in_plan(text, keeping, lambda path: read.append(path) or deepcopy(record or {}))
    assert set(read) <= {f"{STATE}/lakeflow_job_meta_kept.json"}
    return found


def entry_of(plan: KeptPlan) -> dict:
    return json.loads(plan.text)["plan"]["resources.jobs.a"]


OTHER = {"max_retries": {"action": "update", "old": 1, "new": 2, "remote": 1}}


@pytest.mark.parametrize("changes", [{}, OTHER], ids=["alone", "beside a change"])
def test_a_pause_is_kept_and_what_else_changes_is_written(changes):
    plan = kept(plan_of("UNPAUSED", "UNPAUSED", "PAUSED", **changes))

    assert plan.kept == (KeptSetting("a", "schedule.pause_status", "PAUSED", "UNPAUSED"),)
    assert entry_of(plan)["new_state"]["value"]["schedule"] == {"pause_status": "PAUSED"}
    (resource,) = parse_plan(plan.text).resources
    assert resource.action is (Action.UPDATE if changes else Action.SKIP)
    assert [field.path for field in resource.fields if field.action is not Action.SKIP] == [*changes]
    assert (plan.record, plan.is_recorded) == ({"a": {"schedule.pause_status": "UNPAUSED"}}, False)


@pytest.mark.parametrize("metadata", VALUES)
def test_it_stays_kept_until_the_metadata_says_something_else(metadata):
    record = {"a": {"schedule.pause_status": metadata}}

    plan = kept(plan_of("PAUSED", "UNPAUSED", "PAUSED"), record)

    assert bool(plan.kept) == (metadata == "UNPAUSED")
    assert plan.record == (record if plan.kept else {})
    assert [*parse_plan(plan.text).hand_edits()] == []


def test_a_plan_that_writes_nothing_is_not_touched_and_no_record_is_read():
    text = plan_of("UNPAUSED", "UNPAUSED", "UNPAUSED")

    plan = keep_in_plan(text, KEEP, lambda path: pytest.fail("it was read"))

    assert plan == KeptPlan(text)


def test_what_the_metadata_and_the_workspace_agree_in_again_is_no_longer_recorded():
    text = plan_of("UNPAUSED", "UNPAUSED", "UNPAUSED", **OTHER)

    plan = kept(text, {"a": {"schedule.pause_status": "PAUSED"}})

    assert (plan.kept, plan.record, plan.is_recorded) == ((), {}, False)
    assert json.loads(plan.text) == json.loads(text)


def test_a_setting_that_only_the_workspace_has_is_kept_as_well():
    change = {"email_notifications": {"action": "update", "remote": {"on_failure": ["me"]}}}
    root = json.loads(plan_of("UNPAUSED", "UNPAUSED", "UNPAUSED", **change))
    root["plan"]["resources.jobs.a"]["remote_state"]["email_notifications"] = {"on_failure": ["me"]}

    plan = kept(json.dumps(root))

    assert entry_of(plan)["new_state"]["value"]["email_notifications"] == {"on_failure": ["me"]}
    assert plan.kept == (KeptSetting("a", "email_notifications", {"on_failure": ["me"]}, None),)


def test_what_is_resolved_during_the_deployment_is_not_put_over_it():
    root = json.loads(plan_of("UNPAUSED", "UNPAUSED", "PAUSED", **OTHER))
    variables = {
        "schedule.pause_status": "${resources.jobs.b.x}",
        "tasks[0].run_job_task.job_id": "${resources.jobs.b.id}",
    }
    root["plan"]["resources.jobs.a"]["new_state"]["vars"] = variables

    assert [*entry_of(kept(json.dumps(root)))["new_state"]["vars"]] == ["tasks[0].run_job_task.job_id"]


def test_other_resources_stay_as_they_are():
    root = json.loads(plan_of("UNPAUSED", "UNPAUSED", "PAUSED"))
    other = {"action": "update", "changes": {"x": {"action": "update"}}}
    root["plan"] |= {"resources.jobs.a.permissions": other, "resources.schemas.s": other}

    after = json.loads(kept(json.dumps(root)).text)["plan"]

    assert (after["resources.jobs.a.permissions"], after["resources.schemas.s"]) == (other, other)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"a": 1}', "[" * 5000])
def test_a_damaged_record_says_nothing(text):
    assert parsed_record(text) == {}


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["workspace", "metadata", "deploy", "other"]), st.sampled_from(VALUES)), max_size=12
    )
)
def test_whoever_set_it_last_wins_and_the_workspace_where_both_did(steps):
    """A job, its state and the record, through any history: nothing that a person has set is written over unasked."""
    metadata = old = remote = "UNPAUSED"
    record: dict = {}
    deployed_metadata, edited = metadata, False
    for what, value in [*steps, ("deploy", "")]:
        if what == "workspace":
            edited, remote = edited or value != remote, value
        elif what == "metadata":
            metadata = value
        else:
            changes = OTHER if what == "other" else {}
            plan = kept(plan_of(old, metadata, remote, **changes), record)
            (resource,) = parse_plan(plan.text).resources
            assert [*parse_plan(plan.text).hand_edits()] == []
            sent = entry_of(plan)["new_state"]["value"]["schedule"]["pause_status"]
            assert sent == (remote if metadata == deployed_metadata or plan.kept else metadata)
            assert edited or metadata == deployed_metadata or not plan.kept
            if resource.action is Action.UPDATE:
                old = remote = sent
                record, deployed_metadata, edited = plan.record if not plan.is_recorded else record, metadata, False
