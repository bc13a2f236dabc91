"""Which bundle a job goes to: a pure function."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.layout.partitioning import assign, bundle_name, numbered

keys = st.text("abcdefgh", min_size=1, max_size=2)
estates = st.fixed_dictionaries(
    {
        "placed": st.dictionaries(keys, st.integers(1, 4).map(numbered)),
        "new": st.sets(keys, max_size=12),
        "runs": st.dictionaries(keys, st.sets(keys, max_size=2), max_size=3),
        "limit": st.integers(1, 5),
    }
)


class TestAssignment:
    @given(estates, st.randoms())
    def test_the_bundle_of_a_job_depends_on_no_order(self, estate, random):
        new = sorted(estate["new"] - estate["placed"].keys())
        first = assign(estate["placed"], new, estate["runs"], estate["limit"])
        random.shuffle(new)
        shuffled = dict(sorted(estate["runs"].items(), key=lambda entry: random.random()))

        assert assign(estate["placed"], new, shuffled, estate["limit"]) == first
        assert set(first) == set(new)

    @given(estates)
    def test_never_fills_a_bundle_beyond_its_limit_with_jobs_that_stand_alone(self, estate):
        new = estate["new"] - estate["placed"].keys()
        found = assign(estate["placed"], new, {}, estate["limit"])
        before, after = Counter(estate["placed"].values()), Counter([*estate["placed"].values(), *found.values()])

        assert all(after[name] <= max(estate["limit"], before[name]) for name in after)

    @given(estates)
    def test_jobs_that_run_each_other_share_a_bundle(self, estate):
        new = estate["new"] - estate["placed"].keys()
        runs = {key: others for key, others in estate["runs"].items() if key in new}
        found = assign({}, new, runs, estate["limit"])

        assert all(found[key] == found[other] for key, others in runs.items() for other in others if other in new)

    def test_a_new_job_goes_to_the_bundle_of_the_one_that_it_runs_although_it_is_full(self):
        placed = {"a": "part_001", "b": "part_002", "c": "part_002"}

        assert assign(placed, ["new"], {"new": ["b"]}, 2) == {"new": "part_002"}
        assert assign(placed, ["new"], {"b": ["new"]}, 2) == {"new": "part_002"}
        assert assign(placed, ["new"], {}, 2) == {"new": "part_001"}

    def test_room_that_became_free_is_used_again(self):
        assert assign({"b": "part_002"}, ["x", "y"], {}, 1) == {"x": "part_001", "y": "part_003"}

    def test_a_group_that_is_too_big_for_any_bundle_gets_one_of_its_own(self):
        assert assign({"a": "part_001"}, ["x", "y", "z"], {"x": ["y", "z"]}, 2) == dict.fromkeys("xyz", "part_002")

    @pytest.mark.parametrize(("tag", "name"), [("Sales EU", "Sales_EU"), ("a/b", "a_b"), ("§", ""), ("", "")])
    def test_a_tag_becomes_the_name_of_a_folder(self, tag, name):
        assert bundle_name(tag) == name
