"""The state that the databricks CLI keeps of a bundle, the note beside it, and which jobs both together show."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.deployment.databricks_cli.bundle_state import (
    BundleState,
    DeploymentNote,
    JobPages,
    PlannedJobs,
    StateJob,
    pages_like,
    parsed_note,
    parsed_note_text,
    parsed_state,
)
from lakeflow_job_meta.state.tracking import DeployedJob

FOLDER = "/Workspace/Users/me/.bundle/etl/dev/state"
ENTRY = {"__id__": "11", "state": {"name": "one", "deployment": {"metadata_file_path": f"{FOLDER}/metadata.json"}}}
STATE = {
    "state_version": 2,
    "cli_version": "1.14.0",
    "lineage": "abc",
    "serial": 4,
    "state": {"resources.jobs.one": ENTRY, "resources.jobs.one.permissions": {"__id__": "/jobs/11"}},
}
ONE = DeployedJob("one", "11", "one", "https://adb-1.net/jobs/11?w=5")
NOTE = DeploymentNote("digest", True, "abc", 4, (ONE,))
PAGES = JobPages("https://adb-1.net/jobs/", "?w=5")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["state", "serial", "lineage", "state_version", "jobs", "files", "resources.jobs.one"]),
            inner,
        )
    ),
    max_leaves=12,
)


def state_with(**values: object) -> BundleState | None:
    return parsed_state(json.dumps({**STATE, **values}))


def sound_state() -> BundleState:
    state = state_with()
    assert state is not None
    return state


class TestTheState:
    def test_it_has_the_ids_and_names_of_jobs_and_where_it_is_itself(self):
        assert state_with() == BundleState("abc", 4, {"one": StateJob("11", "one")}, FOLDER)

    @pytest.mark.parametrize("changed", [{"state_version": 3}, {"features": {"new": {}}}])
    def test_of_another_form_only_lineage_and_serial_are_known(self, changed):
        assert state_with(**changed) == BundleState("abc", 4, None, "")

    @pytest.mark.parametrize(
        "changed",
        [
            {"lineage": ""},
            {"lineage": None},
            {"serial": "4"},
            {"serial": True},
            {"state": [1]},
            {"state": {"resources.jobs.one": {"__id__": "x"}}},
            {"state": {"resources.jobs.one": None}},
        ],
    )
    def test_what_is_not_as_it_should_be_is_none(self, changed):
        assert state_with(**changed) is None

    @given(JSON)
    def test_any_json_and_any_text_is_a_state_or_none(self, value):
        parsed_state(json.dumps(value))
        parsed_state(json.dumps({**STATE, "state": value}))
        parsed_state(str(value))


class TestTheNote:
    def test_it_is_read_as_it_was_written(self):
        assert parsed_note_text(json.dumps(NOTE.as_record())) == NOTE

    def test_the_state_that_it_names_confirms_it(self):
        assert NOTE.is_confirmed_by(sound_state())

    @pytest.mark.parametrize(
        "note",
        [
            replace(NOTE, serial=5),
            replace(NOTE, lineage="other"),
            replace(NOTE, jobs=(replace(ONE, job_id="12"),)),
            replace(NOTE, jobs=(replace(ONE, key="two"),)),
        ],
    )
    def test_another_state_or_other_jobs_do_not(self, note):
        assert not note.is_confirmed_by(sound_state())

    def test_no_state_confirms_anything(self):
        assert not DeploymentNote().is_confirmed_by(None)
        assert not NOTE.is_confirmed_by(BundleState("abc", 4, None))

    @given(JSON)
    def test_of_any_json_nothing_is_known_that_a_state_would_confirm(self, value):
        assert not parsed_note(value).is_confirmed_by(sound_state())
        assert not parsed_note({**NOTE.as_record(), "jobs": [value]}).is_confirmed_by(sound_state())

    def test_without_a_text_nothing_is_known(self):
        assert parsed_note_text(None) == DeploymentNote() == parsed_note_text("{")


class TestThePages:
    def test_they_are_like_that_of_a_job_which_is_still_the_same(self):
        assert pages_like([ONE], sound_state(), "https://adb-1.net/") == PAGES
        assert pages_like([ONE], sound_state(), None) == PAGES
        assert PAGES.page_of("12") == "https://adb-1.net/jobs/12?w=5"

    @pytest.mark.parametrize(
        ("job", "address"),
        [
            (replace(ONE, job_id="12", url="https://adb-1.net/jobs/12"), None),
            (replace(ONE, key="two"), None),
            (replace(ONE, url=""), None),
            (ONE, "https://adb-2.net"),
            (ONE, "adb-1.net:8443"),
        ],
    )
    def test_of_another_job_or_another_workspace_nothing_is_known(self, job, address):
        assert pages_like([job], sound_state(), address) is None


class TestTheJobs:
    def listed(self, entry: dict, *, written: frozenset[str] = frozenset(), keys: tuple[str, ...] = ("one",)):
        state = state_with(state={"resources.jobs.one": ENTRY})
        assert state is not None
        return PlannedJobs({"resources.jobs.one": entry}, written).listed(keys, state, PAGES)

    def test_one_that_stays_has_the_name_that_it_was_deployed_with(self):
        assert self.listed({"action": "skip", "remote_state": {"job_id": 11, "name": "by hand"}}) == (ONE,)

    def test_one_that_the_configuration_names_anew_has_that_name(self):
        entry = {"action": "update", "new_state": {"value": {"name": "new"}}, "remote_state": {"job_id": 11}}

        assert self.listed(entry) == (replace(ONE, name="new"),)

    def test_one_that_the_configuration_no_longer_has_is_not_listed(self):
        assert self.listed({"action": "delete", "remote_state": {"job_id": 11}}) == ()
        assert self.listed({"action": "skip"}, keys=("other",)) == ()

    def test_one_that_was_created_over_another_that_is_gone_has_its_new_id(self):
        assert self.listed({"action": "create", "new_state": {"value": {"name": "one"}}}) == (ONE,)

    def test_an_id_that_the_workspace_does_not_have_for_it_is_a_doubt(self):
        assert self.listed({"action": "skip", "remote_state": {"job_id": 12}}) is None

    @pytest.mark.parametrize(("written", "expected"), [(frozenset(), ()), (frozenset({"two"}), None)])
    def test_one_without_an_id_was_left_out_or_is_a_doubt(self, written, expected):
        entries = {"resources.jobs.two": {"action": "create", "new_state": {"value": {"name": "two"}}}}

        assert PlannedJobs(entries, written).listed(("two",), sound_state(), PAGES) == expected

    def test_a_state_of_unknown_form_is_a_doubt(self):
        entries = {"resources.jobs.one": {"action": "skip", "remote_state": {"job_id": 11}}}

        assert PlannedJobs(entries).listed(("one",), BundleState("abc", 4, None), PAGES) is None
