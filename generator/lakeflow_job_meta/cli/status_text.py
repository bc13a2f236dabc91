"""The state of targets as text: a block for each, with tables of what is refused and in quarantine.

On a terminal lines are as wide as it is, and of many rows only the first are shown; elsewhere nothing is cut.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar

from lakeflow_job_meta._internal.text import cells, count, padded
from lakeflow_job_meta.cli.report import Line, Styled, show_line
from lakeflow_job_meta.cli.runs import table_of
from lakeflow_job_meta.monitor.status import Deployed, Health, Quarantined, Refused, TargetStatus
from lakeflow_job_meta.planning.waiting_lines import waiting_lines
from lakeflow_job_meta.services.run_states import ModuleRun
from lakeflow_job_meta.state.history import HistoryEntry
from lakeflow_job_meta.text.markers import one_line

_Each = TypeVar("_Each")

_LABEL = 19
_WIDEST_NAME = 32
_NARROWEST = 24
_MOST_NAMED = 10
_MOST_ROWS = 20
_MOST_MISTAKES = 3
_CODE = re.compile(r"\[([a-z-]+)(?::[^\]]*)?\]\Z")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a table: what it is about, since when, why, and the way out."""

    names: Sequence[str]
    since: datetime | None
    reasons: Sequence[str]
    way_out: str


@dataclass(frozen=True, slots=True)
class LastRuns:
    """The last runs of the jobs of a target; or why the workspace cannot be asked for them."""

    runs: tuple[ModuleRun, ...] = ()
    problem: str = ""


def show_status(statuses: Sequence[TargetStatus], now: datetime, asked: Mapping[str, LastRuns]) -> None:
    """Writes the state of targets to stdout, and the last runs of those that were asked for."""
    was_long = False
    for number, status in enumerate(statuses):
        lines = [*status_lines(status, now, is_alone=len(statuses) == 1), *_runs(asked.get(status.target))]
        if number and (was_long or len(lines) > 1):
            show_line()
        for line in lines:
            show_line(*line)
        was_long = len(lines) > 1


def status_lines(status: TargetStatus, now: datetime, *, is_alone: bool = True) -> Iterator[Line]:
    """Yields the lines of one target; one that no monitor is for has a line only, where there are others."""
    health, deployed, target = status.health, status.deployed, status.target
    if health is None:
        yield ("Target ", Styled(target, is_bold=True), ": ", Styled("cannot be read", "red"), f": {status.problem}")
        return
    if status.is_unmonitored and not is_alone:
        start = f"`ljm monitor -t {target}` starts one"
        yield ("Target ", Styled(target, is_bold=True), f": {health.absence}; {start}. {_jobs(deployed, target)}")
        return
    verdict = Styled("all is well", "green") if status.is_healthy else Styled("needs attention", "red", is_bold=True)
    yield ("Target ", Styled(target, is_bold=True), ": ", verdict, ".")
    for label, text in _facts(status, health, now):
        yield from _fact(label, text)
    yield from _tables(health, deployed)
    yield from ((one_line(line),) for line in waiting_lines(health.state.waiting, target))


def _runs(asked: LastRuns | None) -> Iterator[Line]:
    if asked is None:
        return
    if asked.problem:
        yield (Styled("Last runs: ", is_bold=True), Styled("cannot be asked for", "red"), f": {asked.problem}")
    if asked.runs:
        failed = sum(run.has_failed for run in asked.runs)
        yield (Styled(f"Last runs ({count(len(asked.runs), 'module')}, {failed:,} failed):", is_bold=True),)
        yield from (("  ", *line) for line in table_of(asked.runs))


def _facts(status: TargetStatus, health: Health, now: datetime) -> Iterator[tuple[str, str]]:
    if (beat := health.heartbeat) is not None:
        when = _moment(beat.moment, now)
        yield "Last tick", f"{when}, {beat.outcome}, by process {beat.process} on {beat.host}."
    if health.absence:
        start = "" if health.has_been_monitored else f" `ljm monitor -t {health.target}` starts one."
        yield "Monitor", f"No heartbeat: {health.absence}.{start}"
    if health.last is not None and health.last != health.deployment:
        yield "Last entry", f"{_entry(health.last, now)}."
    if health.deployment is not None:
        yield "Last deployment", f"{_entry(health.deployment, now)}."
    yield from _facts_of_jobs(status)
    if health.state.leaving:
        yield "Waiting", f"{_named(health.state.leaving)} left the metadata; deleted by the next tick unless back."


def _facts_of_jobs(status: TargetStatus) -> Iterator[tuple[str, str]]:
    deployed = status.deployed
    yield "Deployed", status.problem if deployed is None else _jobs(deployed, status.target)
    if deployed is None:
        return
    if len(deployed.bundles) == 1:
        yield "Bundle", f"{next(iter(deployed.bundles))}."
    elif deployed.bundles:
        shown = [f"{name} ({count(jobs, 'job')})" for name, jobs in deployed.bundles.items()]
        yield "Bundles", f"{_listed(shown)}."
    if deployed.paused:
        names = _listed(deployed.named(deployed.paused))
        yield "Paused", f"{names}, in the workspace at the last deployment; `ljm unpause` starts what is to run."


def _jobs(deployed: Deployed | None, target: str) -> str:
    if deployed is None or not deployed.jobs:
        return f"No job yet; `ljm deploy -t {target}` deploys."
    names = sorted({*deployed.named(job.key for job in deployed.jobs)})
    return f"{count(len(deployed.jobs), 'job')}: {_listed(names)}."


def _tables(health: Health, deployed: Deployed | None) -> Iterator[Line]:
    state = health.state
    yield from _list("Failed", health.failures)
    refusals = [_refused_row(each, deployed) for each in health.refusals]
    yield from _table(f"Refused ({count(len(refusals), 'change')})", "MODULE", refusals)
    yield from _list("Warnings of the databricks CLI", state.warnings)
    quarantine = [_quarantined_row(each) for each in health.quarantine]
    yield from _table(f"In quarantine ({count(len(quarantine), 'module')})", "MODULE", quarantine)
    others = state.mistakes().get("", ())
    yield from _list("More mistakes" if len(others) < len(state.errors) else "Mistakes", others)


def _refused_row(refused: Refused, deployed: Deployed | None) -> _Row:
    change = refused.change
    names = deployed.named(change.jobs) if deployed is not None else change.jobs
    return _Row(names, refused.since, [change.sentence], change.remedy)


def _quarantined_row(each: Quarantined) -> _Row:
    codes = list(dict.fromkeys(found[1] for text in each.mistakes if (found := _CODE.search(text))))
    shown = [*each.mistakes[:_MOST_MISTAKES]]
    if len(each.mistakes) > _MOST_MISTAKES:
        shown.append(f"And {count(len(each.mistakes) - _MOST_MISTAKES, 'more mistake')}; `ljm validate` lists them.")
    explained = f" `ljm explain {codes[0]}` tells more." if codes else ""
    way_out = f"Mend that; its job stays as it is until then.{explained}"
    return _Row([each.name], each.since, shown or ["Which of the mistakes below it has is not recorded."], way_out)


def _list(title: str, texts: Sequence[str]) -> Iterator[Line]:
    if texts:
        yield (Styled(f"{title}:", is_bold=True),)
        for text in _shortened(texts):
            yield from (("  " + line,) for line in _wrapped(text, 2))
        yield from _left_out(texts)


def _table(title: str, heading: str, rows: Sequence[_Row]) -> Iterator[Line]:
    if not rows:
        return
    names = [_listed(row.names, 3) for row in rows]
    widest = min(shutil.get_terminal_size().columns // 5, _WIDEST_NAME) if sys.stdout.isatty() else _WIDEST_NAME
    width = max(min(max(map(cells, names)), widest), len(heading))
    sinces = [f"{row.since.astimezone(timezone.utc):%Y-%m-%d %H:%M}" if row.since else "" for row in rows]
    indent = 2 + width + 2 + 16 + 2
    yield (Styled(f"{title}:", is_bold=True),)
    yield (Styled(f"  {heading:{width}}  {'SINCE (UTC)':16}  WHY, AND THE WAY OUT", is_dim=True),)
    for row, name, since in _shortened([*zip(rows, names, sinces, strict=True)]):
        if cells(name) > width:
            yield (f"  {name}",)
            name = ""
        before = f"  {padded(name, width)}  {since:16}  "
        for line in (line for reason in row.reasons for line in _wrapped(reason, indent)):
            yield (before, line)
            before = " " * indent
        for number, line in enumerate(_wrapped(f"-> {row.way_out}", indent) if row.way_out else []):
            yield (" " * indent + "   " * bool(number), Styled(line, "cyan"))
    yield from _left_out(rows)


def _fact(label: str, text: str) -> Iterator[Line]:
    first, *rest = _wrapped(text, _LABEL)
    yield (Styled(f"  {label + ':':{_LABEL - 2}}", is_dim=True), first)
    yield from ((" " * _LABEL + line,) for line in rest)


def _wrapped(text: str, indent: int) -> list[str]:
    """Returns a text in lines that fit a terminal; in one line where there is none."""
    text = one_line(text)
    if not sys.stdout.isatty():
        return [text]
    room = max(shutil.get_terminal_size().columns - indent, _NARROWEST)
    # A word too long for a line, such as an address, stays whole, so that it can be copied.
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]


def _shortened(rows: Sequence[_Each]) -> Sequence[_Each]:
    return rows[:_MOST_ROWS] if sys.stdout.isatty() else rows


def _left_out(rows: Sequence[object]) -> Iterator[Line]:
    if (more := len(rows) - len(_shortened(rows))) > 0:
        yield (f"  ... and {more:,} more; `ljm status --format json` has all.",)


def _entry(entry: HistoryEntry, now: datetime) -> str:
    version = f", {entry.metadata_version}" if entry.metadata_version else ""
    return (
        f"{_moment(entry.started, now)}, {entry.outcome.value}, {entry.created} created, {entry.changed} changed, "
        f"{entry.deleted} deleted{version}"
    )


def _moment(moment: datetime, now: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC ({_ago((now - moment).total_seconds())})"


def _ago(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{count(int(seconds // size), unit)} ago"
    return "just now" if seconds >= 0 else "in the future"


def _named(keys: Sequence[str]) -> str:
    return _listed([repr(key) for key in keys])


def _listed(names: Sequence[str], most: int = _MOST_NAMED) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(map(one_line, names[:most]))}{more}"
