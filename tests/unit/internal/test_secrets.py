"""What is masked: values under names that speak of secrets, and secrets that stand in texts."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.secrets import (
    MASK,
    is_secret_name,
    is_secret_path,
    masked,
    without_login,
    without_secrets,
)
from lakeflow_job_meta._internal.trees import diff
from lakeflow_job_meta.deployment.policy import Allowance, policy_violations
from lakeflow_job_meta.output.changes import Change
from lakeflow_job_meta.planning.changes import JobChange, Plan
from lakeflow_job_meta.planning.explain import FORMATS
from lakeflow_job_meta.planning.model import parse_plan
from support.strategies import trees

SECRET, OTHER = "hunter2", "correct-horse"

SECRET_NAMES = [
    *("password", "Password", "db_password", "dbPassword", "DB_PASSWORD", "passwd", "passphrase", "pwd"),
    *("token", "API_TOKEN", "accessToken", "tokens", "secret", "client-secret", "clientSecret", "credentials"),
    *("key", "api_key", "apiKey", "apikey", "API_KEY", "storage_account_key", "fs.azure.account.key", "ssh_keys"),
]
OTHER_NAMES = [
    *("task_key", "job_cluster_key", "environment_key", "primary_key", "merge_keys", "business_key", "partition_key"),
    *("keys_of_all", "path", "monkey", "turkey", "keyboard", "compass", "max_retries", "", "5"),
]


class TestNames:
    @pytest.mark.parametrize("name", SECRET_NAMES)
    def test_that_speak_of_secrets_are_recognised(self, name):
        assert is_secret_name(name)

    @pytest.mark.parametrize("name", OTHER_NAMES)
    def test_that_speak_of_something_else_are_left_alone(self, name):
        assert not is_secret_name(name)

    @pytest.mark.parametrize(
        ("path", "is_secret"),
        [
            ("tasks[task_key='a'].notebook_task.base_parameters.password", True),
            ("job_clusters[job_cluster_key='c'].new_cluster.spark_env_vars.API_TOKEN", True),
            ("parameters[name='db_password'].default", True),
            (("tasks", 0, "notebook_task", "base_parameters", "password", 0), True),
            ("tasks[task_key='load_tokens'].max_retries", False),
            ("tasks[0].depends_on[0].task_key", False),
            ((), False),
        ],
    )
    def test_of_any_step_of_a_path_count(self, path, is_secret):
        assert is_secret_path(path) == is_secret


class TestValues:
    def test_under_such_a_name_are_masked_wherever_they_are(self):
        value = {
            "base_parameters": {"password": SECRET, "path": "/a", "nested": {"api_key": {"deep": [SECRET, 5]}}},
            "parameters": [{"name": "token", "default": SECRET}, {"name": "day", "default": "monday"}],
            "arguments": ["--password", SECRET, "--day", "monday", f"--token={SECRET}"],
        }

        assert masked(value) == {
            "base_parameters": {"password": MASK, "path": "/a", "nested": {"api_key": {"deep": [MASK, MASK]}}},
            "parameters": [{"name": "token", "default": MASK}, {"name": "day", "default": "monday"}],
            "arguments": ["--password", MASK, "--day", "monday", f"--token={MASK}"],
        }

    @pytest.mark.parametrize("value", ["{{secrets/etl/db}}", "${var.password}", None, True, [], {}])
    def test_that_only_say_where_a_secret_is_stay(self, value):
        assert masked(value, "password") == value

    @pytest.mark.parametrize("value", [f"{{{{a}}}}{SECRET}", SECRET, 5, 1.5, f" ${{var.a}}{SECRET}"])
    def test_that_are_more_than_a_reference_are_masked(self, value):
        assert masked(value, ("password",)) == MASK

    def test_of_a_job_that_is_only_named_after_secrets_stay(self):
        job = {"name": "Rotate tokens", "max_concurrent_runs": 5, "tags": {"team": "etl"}}

        (difference,) = diff(job, job | {"max_concurrent_runs": 7})

        assert masked(job) == job
        assert str(difference) == "max_concurrent_runs: 5 -> 7"

    @given(trees())
    def test_of_any_form_keep_their_form(self, value):
        def form(value: object) -> object:
            if isinstance(value, dict):
                return {key: form(item) for key, item in value.items()}
            return [form(item) for item in value] if isinstance(value, list) else None

        assert form(masked(value)) == form(value)
        assert masked(masked(value)) == masked(value)

    @given(trees(st.just(SECRET), st.sampled_from(["a", "b"])))
    def test_under_such_a_name_never_show(self, value):
        assert SECRET not in json.dumps(masked({"password": value}))


class TestTexts:
    @given(st.text())
    @example("password=password=password=x")
    def test_are_the_same_when_they_are_looked_through_again(self, text):
        assert without_secrets(without_secrets(text)) == without_secrets(text)

    @pytest.mark.parametrize(
        ("url", "shown", "usable"),
        [
            (f"https://me:{SECRET}@host.com/jobs/1", "https://***@host.com/jobs/1", "https://host.com/jobs/1"),
            (f"https://me:p@{SECRET}@host.com", "https://***@host.com", "https://host.com"),
            ("https://host.com/?mail=a@b.com", "https://host.com/?mail=a@b.com", "https://host.com/?mail=a@b.com"),
            ("someone@example.com", "someone@example.com", "someone@example.com"),
        ],
    )
    def test_have_no_login_in_a_url(self, url, shown, usable):
        assert without_secrets(f"Cannot reach {url}") == f"Cannot reach {shown}"
        assert without_login(url) == usable


def plan_with_edits(*paths: str) -> str:
    edited = {"action": "update", "old": OTHER, "new": OTHER, "remote": SECRET}
    changed = {"action": "update", "old": SECRET, "new": OTHER, "remote": SECRET}
    changes = dict.fromkeys(paths, edited) | {f"{paths[0]}_and_password": changed}
    return json.dumps({"plan": {"resources.jobs.a": {"action": "update", "changes": changes}}})


EDITS = plan_with_edits(
    "tasks[task_key='a'].notebook_task.base_parameters.password",
    "parameters[name='api_key'].default",
    "job_clusters[job_cluster_key='c'].new_cluster.spark_env_vars",
)
for _value in (SECRET, OTHER):
    EDITS = EDITS.replace(f'"{_value}"', f'{{"TOKEN": "{_value}"}}')


class TestPlans:
    def test_the_gate_names_an_edited_secret_and_does_not_show_it(self):
        plan = parse_plan(plan_with_edits("tasks[task_key='a'].notebook_task.base_parameters.password"))

        (violation,) = policy_violations(plan, Allowance())

        assert "base_parameters.password is '***'" in violation.reason
        assert SECRET not in violation.reason

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("said", [EDITS, plan_with_edits("run_as.token", "parameters[name='password'].default")])
    def test_the_plan_of_a_deployment_shows_no_secret_in_any_format(self, form, said):
        shown = FORMATS[form](Plan((), 0), parse_plan(said))

        assert "name='" in shown
        assert SECRET not in shown
        assert OTHER not in shown

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({"password": SECRET}, {"password": OTHER}),
            ({"password": SECRET}, {}),
            ({}, {"spark_env_vars": {"TOKEN": OTHER}}),
            ({"parameters": [{"name": "key", "default": SECRET}]}, {"parameters": [{"name": "key", "default": OTHER}]}),
            ({"parameters": ["--password", SECRET]}, {"parameters": ["--password", OTHER]}),
            ({"parameters": ["--password", SECRET]}, {"parameters": ["--password", OTHER, "x"]}),
            ({"a": f"token={SECRET}"}, {"a": f"token={OTHER}"}),
        ],
    )  # fmt: skip
    def test_the_plan_of_the_metadata_shows_no_secret_in_any_format(self, form, before, after):
        change = JobChange("a", Change.UPDATE, tuple(diff(before, after)))

        shown = FORMATS[form](Plan((change,), 0), None)

        assert SECRET not in shown
        assert OTHER not in shown
