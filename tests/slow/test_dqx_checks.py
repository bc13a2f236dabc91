"""What `ljm validate` says of checks is what DQX itself says of them, without Spark."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.checks.quality import call_problems
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.quality_names import DQX_VERSION
from lakeflow_job_meta.schema.validator import dqx_functions
from support.project_folder import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.spark]
dqx = pytest.importorskip("databricks.labs.dqx.checks_validator", reason="DQX is in the environment of make test-spark")
ORIGIN = SourceRef(UnreadableDocument("test.yml"))
VALUES = [None, True, 0, 1.5, "a", "", [], ["a"], ["a", "b"], [1], [["a"]], {}, {"a": 1}]


def dqx_accepts(call: dict) -> bool:
    return not dqx.ChecksValidator.validate_checks([{"check": call}]).has_errors


def we_accept(call: dict) -> bool:
    return not list(call_problems(call, ORIGIN))


def test_the_functions_are_those_of_the_pinned_version():
    spec = importlib.util.spec_from_file_location("derive_dqx", REPOSITORY / "schemas" / "derive_dqx.py")
    derive = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(derive)

    assert derive.version("databricks-labs-dqx") == DQX_VERSION
    assert derive.FILE.read_text("utf-8") == derive.text(), "run `python schemas/derive_dqx.py` and review the diff"


def given_to(function: str) -> st.SearchStrategy:
    names = [*dqx_functions()[function]["properties"], "no_such_argument"]
    return st.dictionaries(st.sampled_from(names), st.sampled_from(VALUES), max_size=len(names))


def holds_a_bool(value: object) -> bool:
    items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
    return any(isinstance(each, bool) for each in items)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=3000, deadline=None)
@given(st.sampled_from(sorted(dqx_functions())), st.data())
def test_dqx_and_we_say_the_same_of_arguments(function, data):
    """But for true in the place of a number, which DQX lets pass, and which is a mistake."""
    arguments = data.draw(given_to(function))
    call = {"function": function, "arguments": arguments}
    if data.draw(st.booleans()):
        call["for_each_column"] = data.draw(st.lists(st.sampled_from(VALUES), max_size=2))
    if holds_a_bool(arguments) or holds_a_bool(call.get("for_each_column")):
        assert dqx_accepts(call) or not we_accept(call)
    else:
        assert we_accept(call) == dqx_accepts(call), call


@pytest.mark.parametrize("function", ["is_not_nul", "", "Any", "register_rule"])
def test_what_is_no_check_function_is_refused(function):
    assert not we_accept({"function": function, "arguments": {"column": "a"}})
