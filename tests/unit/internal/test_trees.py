"""Trees of values: how one is laid over another, and how items of lists are found again by their keys."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import KEYS_OF_LISTS, by_item_key, by_item_number, merged, value_at

scalars = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"])


def items(key: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    item = st.fixed_dictionaries({key: st.sampled_from(["x", "y", "z"])}, optional={"v": scalars, "w": scalars})
    return st.lists(item, max_size=3, unique_by=lambda each: each[key])


values = st.recursive(
    scalars,
    lambda inner: (
        st.dictionaries(st.sampled_from(["k", "l", "m"]), inner, max_size=3)
        | st.fixed_dictionaries({}, optional={name: items(key) for name, key in KEYS_OF_LISTS.items()})
        | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)


def reference(default: Any, own: Any) -> Any:
    """The same, said the long way."""
    if not isinstance(default, dict) or not isinstance(own, dict):
        return own
    result = {}
    for name in [*default, *(each for each in own if each not in default)]:
        if name not in own:
            result[name] = default[name]
        elif name not in default:
            result[name] = own[name]
        elif own[name] is None:
            continue
        elif name in KEYS_OF_LISTS and isinstance(default[name], list) and isinstance(own[name], list):
            result[name] = reference_of_items(default[name], own[name], KEYS_OF_LISTS[name])
        else:
            result[name] = reference(default[name], own[name])
    return result


def reference_of_items(default: list[Any], own: list[Any], key: str) -> list[Any]:
    result = []
    for item in default:
        same = [each for each in own if each[key] == item[key]]
        if not same:
            result.append(item)
        elif len(same[0]) == 1 or any(value is not None for name, value in same[0].items() if name != key):
            result.append(reference(item, same[0]))
    known = [item[key] for item in default]
    return [*result, *(each for each in own if each[key] not in known)]


@given(values, values)
def test_laying_one_tree_over_another_is_what_the_long_way_gives(default, own):
    assert merged(default, own) == reference(default, own)


def test_an_item_of_a_list_with_keys_is_merged_added_or_taken_away():
    default = {"job_clusters": [{"job_cluster_key": "a", "new_cluster": {"num_workers": 1, "spark_version": "x"}}]}
    own = {
        "job_clusters": [
            {"job_cluster_key": "a", "new_cluster": {"num_workers": 16}},
            {"job_cluster_key": "b", "new_cluster": {}},
        ]
    }

    both = merged(default, own)

    assert both == {
        "job_clusters": [
            {"job_cluster_key": "a", "new_cluster": {"num_workers": 16, "spark_version": "x"}},
            {"job_cluster_key": "b", "new_cluster": {}},
        ]
    }
    assert merged(both, {"job_clusters": [{"job_cluster_key": "a", "new_cluster": None}]}) == {
        "job_clusters": [{"job_cluster_key": "b", "new_cluster": {}}]
    }


def test_a_list_whose_items_have_no_keys_is_replaced():
    assert merged({"parameters": ["a", "b"]}, {"parameters": ["c"]}) == {"parameters": ["c"]}
    assert merged({"parameters": [{"name": "a"}]}, {"parameters": "${var.x}"}) == {"parameters": "${var.x}"}


@given(items("name"), items("name"))
def test_an_item_is_found_in_every_layer_by_its_key(one, other):
    both = merged({"parameters": one}, {"parameters": other})
    for number, item in enumerate(both["parameters"]):
        path = by_item_key(both, ("parameters", number, "v"))
        for layer in (one, other):
            here = by_item_number({"parameters": layer}, path)
            names = [each["name"] for each in layer]
            expected = names.index(item["name"]) if item["name"] in names else -1
            assert here == ("parameters", expected, "v")
            assert value_at({"parameters": layer}, here)[0] == (expected >= 0 and "v" in layer[expected])
