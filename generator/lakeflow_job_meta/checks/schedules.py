"""When a job starts: one way of starting it, a cron expression that Quartz takes, a time zone that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lakeflow_job_meta._internal.text import closest, listing, quoted
from lakeflow_job_meta._internal.timezones import time_zones
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.checks.quartz import quartz_problem
from lakeflow_job_meta.diagnostics.model import Diagnostic, nearest
from lakeflow_job_meta.diagnostics.rules import BAD_CRON, BAD_TIME_ZONE, SEVERAL_TRIGGERS
from lakeflow_job_meta.jobs.build import ACTIVE_DEFAULT_EXCLUSIVE
from lakeflow_job_meta.jobs.model import Job

_OFFSET = re.compile(r"(GMT|UTC)([+-]\d{1,2}(:?[0-5]\d)?)?|Z")
"""Java takes these as time zones too."""


def one_way_to_start(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses a schedule together with a trigger or with continuous."""
    given = [name for name in ACTIVE_DEFAULT_EXCLUSIVE if name in job.settings]
    if len(given) > 1:
        message = f"a job has one way to start, but here are {listing(given)}"
        yield SEVERAL_TRIGGERS.at(job.origin_of((given[1],), of_key=True), message)


def schedules_are_right(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Checks the cron expression and the time zone."""
    schedule = job.settings.get("schedule")
    if not isinstance(schedule, dict):
        return
    cron, zone = schedule.get("quartz_cron_expression"), schedule.get("timezone_id")
    if isinstance(cron, str) and "${" not in cron and (problem := quartz_problem(cron)):
        yield BAD_CRON.at(job.origin_of(("schedule", "quartz_cron_expression")), problem)
    if isinstance(zone, str) and "${" not in zone and not (_OFFSET.fullmatch(zone) or context.files.is_time_zone(zone)):
        near = closest(zone, time_zones())
        hint = f"; did you mean {near!r}?" if near else "; use one such as 'Europe/Berlin' or 'UTC'"
        yield BAD_TIME_ZONE.at(
            job.origin_of(("schedule", "timezone_id")),
            f"there is no time zone {quoted(zone)}{hint}",
            nearest(zone, [near] if near else []),
        )


JOB_CHECKS = (one_way_to_start, schedules_are_right)
