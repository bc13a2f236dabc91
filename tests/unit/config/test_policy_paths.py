"""The paths of settings that policies speak of."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.config.policies import path_in


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("schedule", ("schedule",)),
        ("tags.owner", ("tags", "owner")),
        ("tasks[*].max_retries", ("tasks", "*", "max_retries")),
        ("a[*][*]", ("a", "*", "*")),
        ('tags["cost.center"].x', ("tags", "cost.center", "x")),
        ("", None),
        (".a", None),
        ("a.", None),
        ("a..b", None),
        ("[*].a", None),
        ("tasks[0]", None),
        ("tasks[*]max_retries", None),
        ("a['b']", None),
        ('a[""]', None),
        ("a]", None),
    ],
)
def test_a_path_is_read_or_refused(text, path):
    assert path_in(text) == path
