"""Tells which modules wait for approval, since which version, by whom, and the command that approves them. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta.control_table.waiting import WaitingModule

_MOST_NAMED = 20
"""A command names so many modules; more are approved all at once."""


def approve_commands(
    waiting: Iterable[WaitingModule], target: str | None, *, with_table: bool = False
) -> Iterator[str]:
    """Yields the command that approves what waits, one for each control table.

    `with_table` names the table, as a project of several has to.
    """
    ordered = sorted(waiting, key=lambda each: each.table)
    for table, group in groupby(ordered, key=lambda each: each.table):
        modules = [*group]
        names = [each.module for each in modules]
        words = ["ljm", "approve", "--version", str(max(each.version for each in modules))]
        words += ["-t", target] if target is not None else []
        words += ["--table", table] if with_table else []
        # A name with a comma stands for itself, behind the options.
        listed = ["--", *names] if any("," in name for name in names) else ["--modules", ",".join(names)]
        yield shlex.join([*words, *(listed if len(names) <= _MOST_NAMED else [])])


def waiting_lines(waiting: Sequence[WaitingModule], target: str | None) -> Iterator[str]:
    """Yields what waits, a line for each module, and how to approve it; nothing where nothing does."""
    if not waiting:
        return
    yield f"Waiting for approval{f' in {target}' if target is not None else ''}:"
    for each in waiting[:_MOST_NAMED]:
        yield f"  {each.module}: {_what(each)}"
        yield from (f"    {objection}" for objection in each.objections)
    if len(waiting) > _MOST_NAMED:
        yield f"  and {len(waiting) - _MOST_NAMED} more"
    yield from (f"  {command}" for command in _commands(waiting, target))


def _commands(waiting: Sequence[WaitingModule], target: str | None) -> list[str]:
    return [*approve_commands(waiting, target, with_table=len({each.table for each in waiting}) > 1)]


def _what(module: WaitingModule) -> str:
    change = "gone in version" if module.is_gone else "version"
    by = f" by {listing(module.authors)}" if module.authors else ""
    approved = "nothing of it is approved" if module.approved is None else f"version {module.approved} is approved"
    return f"{change} {module.version}{by}; {approved}"


def waiting_sentence(waiting: Sequence[WaitingModule], target: str | None) -> str:
    """Returns what waits in one sentence, and how to approve it."""
    names = listing(each.module for each in waiting)
    authors = sorted({name for each in waiting for name in each.authors})
    verb = "waits" if len(waiting) == 1 else "wait"
    by = f", changed by {listing(authors)}" if authors else ""
    return f"{names} {verb} for approval{by}: {'; '.join(_commands(waiting, target))}"


def waiting_objects(waiting: Iterable[WaitingModule], target: str | None) -> list[dict[str, object]]:
    """Returns what waits for JSON, each module with its command."""
    return [
        {
            **{name: value for name, value in asdict(each).items() if name not in ("digest", "objections")},
            "authors": [*each.authors],
            "objections": [*each.objections],
            "command": next(approve_commands([each], target, with_table=True)),
        }
        for each in waiting
    ]
