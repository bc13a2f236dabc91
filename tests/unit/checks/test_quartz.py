"""Cron expressions against what Quartz says to them; tests/slow/test_spark.py asks it."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.checks.schedules import quartz_problem
from support.cron_expressions import REFUSED, TAKEN, WITHOUT_MEANING


@pytest.mark.parametrize("expression", TAKEN)
def test_what_quartz_takes_is_right(expression):
    assert quartz_problem(expression) is None


@pytest.mark.parametrize("expression", REFUSED)
def test_what_quartz_refuses_is_reported(expression):
    assert quartz_problem(expression) is not None


@pytest.mark.parametrize("expression", WITHOUT_MEANING)
def test_what_quartz_takes_by_accident_is_reported(expression):
    assert quartz_problem(expression) is not None
