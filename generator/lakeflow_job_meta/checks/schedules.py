"""When a job starts: one way of starting it, a cron expression that Quartz takes, a time zone that exists.

Quartz has six or seven fields: seconds, minutes, hours, day of month, month, day of week, and perhaps a year. The rules
are those of its documentation of CronTrigger. Pure, but for the list of time zones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from lakeflow_job_meta._internal.text import did_you_mean, listing, quoted
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.checks.file_lookups import time_zones
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, nearest
from lakeflow_job_meta.diagnostics.rules import BAD_CRON, BAD_TIME_ZONE, SEVERAL_TRIGGERS, UNKNOWN_VALUE
from lakeflow_job_meta.jobs.build import ACTIVE_DEFAULT_EXCLUSIVE
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.neighbours import is_table_name
from lakeflow_job_meta.parsing.model import NOT_AFTER

_OFFSET = re.compile(r"(GMT|UTC)([+-]\d{1,2}(:?[0-5]\d)?)?|Z")
"""Java takes these as time zones too."""


_TRIGGERS = ("file_arrival", "table_update", "periodic", "model", "job_completion")
"""Jobs API, `TriggerSettings`; a `sql_condition` may stand beside any of them."""


def one_way_to_start(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses a schedule together with a trigger or with continuous."""
    given = [name for name in ACTIVE_DEFAULT_EXCLUSIVE if name in job.settings]
    if len(given) > 1:
        message = f"a job has one way to start, but here are {listing(given)}"
        # The trigger of `after` is not written as one.
        path = (
            ("trigger", "table_update") if given[1] == "trigger" and job.module.after is not NOT_AFTER else given[1:2]
        )
        yield SEVERAL_TRIGGERS.at(job.origin_of(tuple(path), of_key=True), message)
    trigger = job.settings.get("trigger")
    kinds = [name for name in trigger if name in _TRIGGERS] if isinstance(trigger, dict) else []
    if len(kinds) > 1:
        message = f"a trigger waits for one thing, but here are {listing(kinds)}"
        yield SEVERAL_TRIGGERS.at(job.origin_of(("trigger", kinds[1]), of_key=True), message)


_LEAST_SECONDS = 60
_SECONDS = ("min_time_between_triggers_seconds", "wait_after_last_change_seconds")


def triggers_are_right(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Checks the names of tables, and times that are too short.

    Jobs API, `TableUpdateTriggerConfiguration` and `FileArrivalTriggerConfiguration`: "The minimum allowed value is 60
    seconds"; of tables see `is_table_name`.
    """
    for kind in ("table_update", "file_arrival") if "trigger" in job.settings else ():
        names = value_at(job.settings, ("trigger", kind, "table_names"))[1]
        for number, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and not is_table_name(name):
                message = (
                    f"a table to wait for is named with catalog and schema, such as main.silver.orders, not {name!r}"
                )
                yield UNKNOWN_VALUE.at(_place_of_table(job, number, name), message)
        for field in _SECONDS:
            seconds = value_at(job.settings, ("trigger", kind, field))[1]
            if isinstance(seconds, int) and 0 < seconds < _LEAST_SECONDS:
                message = f"{field!r} must be at least {_LEAST_SECONDS}, not {seconds}"
                yield UNKNOWN_VALUE.at(job.origin_of(("trigger", kind, field)), message)


def _place_of_table(job: Job, number: int, name: str) -> SourceRef:
    """Returns where a table to wait for was written: below `after`, or in the trigger itself."""
    tables = job.module.after.tables
    if name in tables:
        return job.module.origin.at("after", "tables", tables.index(name))
    return job.origin_of(("trigger", "table_update", "table_names", number))


def schedules_are_right(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Checks the cron expression and the time zone."""
    schedule = job.settings.get("schedule")
    if not isinstance(schedule, dict):
        return
    cron, zone = schedule.get("quartz_cron_expression"), schedule.get("timezone_id")
    if isinstance(cron, str) and "${" not in cron and (problem := quartz_problem(cron)):
        yield BAD_CRON.at(job.origin_of(("schedule", "quartz_cron_expression")), problem)
    if isinstance(zone, str) and "${" not in zone and not (_OFFSET.fullmatch(zone) or context.files.is_time_zone(zone)):
        zones = sorted(time_zones())
        hint = did_you_mean(zone, zones, otherwise="; use one such as 'Europe/Berlin' or 'UTC'")
        origin = job.origin_of(("schedule", "timezone_id"))
        yield BAD_TIME_ZONE.at(origin, f"there is no time zone {quoted(zone)}{hint}", nearest(zone, zones))


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    special: str = r"(?!)"
    """What else one item may be, as a pattern."""


_FIELDS = (
    _Field("seconds", 0, 59),
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day of month", 1, 31, special=r"\?|LW?|L-([0-9]|[12][0-9]|30)W?|([1-9]|[12][0-9]|3[01])W"),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 1, 7, _DAYS, special=r"\?|L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])"),
    _Field("year", 1970, 2099),
)
_ITEM = re.compile(r"(?P<first>\*|[^-/]+|(?=/))(-(?P<last>[^-/]+))?(/(?P<step>[^/]+))?")


@lru_cache(maxsize=1024)
def quartz_problem(expression: str) -> str | None:
    """Returns what is wrong with a Quartz cron expression; None if nothing is."""
    texts, shown = expression.upper().split(), quoted(expression)
    if len(texts) == 5:
        advice = "Quartz begins with seconds, and one of the days is '?'"
        return f"{shown} has 5 fields, like cron on Unix; {advice}: {quoted(_from_unix(texts))}"
    if len(texts) not in (6, 7):
        fields = "seconds, minutes, hours, day of month, month, day of week, and perhaps a year"
        return f"{shown} has {len(texts)} fields; Quartz has 6 or 7: {fields}"
    for field, text in zip(_FIELDS, texts, strict=False):
        if (problem := _field_problem(field, text) or _problem_of_all(field, text)) is not None:
            return f"the field {field.name} of {shown} {problem}"
    if texts[3] != "?" and texts[5] != "?":
        return f"either the day of month or the day of week of {shown} must be '?'; Quartz cannot use both"
    if texts[3] == "?" and texts[5] == "?":
        return f"the day of month and the day of week of {shown} cannot both be '?'; write one of them as '*'"
    return None


def _from_unix(texts: list[str]) -> str:
    minute, hour, day, month, weekday = texts
    return f"0 {minute} {hour} {day} {month} ?" if weekday == "*" else f"0 {minute} {hour} ? {month} {weekday}"


def _field_problem(field: _Field, text: str) -> str | None:
    for item in text.split(","):
        if re.fullmatch(field.special, item):
            if item == "?" and text != "?":
                return "has '?' among other values"
            continue
        match = _ITEM.fullmatch(item)
        if match is None:
            return f"cannot be {quoted(text)}"
        if match["first"] == "*" and match["last"]:
            return f"cannot be {quoted(text)}: '*' has no range"
        for value in (match["first"], match["last"]):
            if value not in (None, "*", "") and (problem := _value_problem(field, value)):
                return problem
        step = match["step"]
        if step is not None and not (step.isdecimal() and 0 < int(step[:9]) <= field.high):
            return f"has the step {quoted(step)}; it must be a number from 1 to {field.high}"
    return None


def _problem_of_all(field: _Field, text: str) -> str | None:
    """What Quartz 2.3 refuses although each item is right: `CronExpression` says that it "is not implemented"."""
    items = text.split(",")
    if len(items) > 1 and any("L" in item and re.fullmatch(field.special, item) for item in items):
        return f"cannot be {quoted(text)}: Quartz takes 'L' alone, not in a list"
    if text.count("#") > 1:
        return f"cannot be {quoted(text)}: Quartz takes one '#', not several"
    ranges = [re.fullmatch(r"(\d{4})-(\d{4})", item) for item in items] if field.name == "year" else ()
    if any(each is not None and each[1] > each[2] for each in ranges):
        return f"cannot be {quoted(text)}: it ends before it begins"
    return None


def _value_problem(field: _Field, value: str) -> str | None:
    if value.isdecimal():
        number = int(value[:9])
        return None if field.low <= number <= field.high else f"has {number}; it goes from {field.low} to {field.high}"
    if value in field.names:
        return None
    names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    hint = did_you_mean(value, field.names, otherwise="")
    return f"has {quoted(value)}; it must be a number from {field.low} to {field.high}{names}{hint}"


JOB_CHECKS = (one_way_to_start, triggers_are_right, schedules_are_right)
