"""Assigns the jobs of a compilation to bundles, and reports what stands against it. Pure.

A job stays in the bundle where its file is, whatever else changes, until somebody moves it: another bundle would delete
and recreate it. Nothing depends on the order in which metadata is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from lakeflow_job_meta._internal.graphs import reachable
from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.config.model import Bundles
from lakeflow_job_meta.diagnostics.model import Diagnostic, Rule
from lakeflow_job_meta.diagnostics.rules import BUNDLE_NAME, JOB_IN_OTHER_BUNDLE, STAYS_IN_BUNDLE, TWO_PLACES
from lakeflow_job_meta.jobs.all_jobs import Jobs
from lakeflow_job_meta.layout.job_summary import JobSummary

OTHER = "other"
"""The bundle of jobs without the tag."""

_LONGEST_NAME = 100
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_RESERVED = ("jobs",)


@dataclass(frozen=True, slots=True)
class Partitioning:
    """The bundle of each job by its key, jobs that stay as they are among them; the problems, each with a job's key."""

    bundles: Mapping[str, str]
    problems: tuple[tuple[str, Diagnostic], ...]


def bundle_name(tag: str) -> str:
    """Returns the name of the bundle for the value of a tag; empty if no character is left."""
    return _NOT_IN_NAME.sub("_", tag).strip("_-")[:_LONGEST_NAME]


def numbered(number: int) -> str:
    """Returns the name of a bundle that is known by its number, from 1."""
    return f"part_{number:03}"


def partition(
    setting: Bundles,
    on_disk: Mapping[str, Sequence[str]],
    summaries: Sequence[JobSummary],
    jobs: Jobs,
    moving: Mapping[str, str],
) -> Partitioning:
    """Assigns the jobs without an error to bundles.

    By the key of a job, `on_disk` are the bundles that hold a file of it, `moving` is the new one of a job that is
    being moved.
    """
    assigned = {**{key: bundles[0] for key, bundles in on_disk.items()}, **moving}
    new = {each.key: each for each in summaries if each.key not in assigned}
    problems = [*_in_two_bundles(jobs, {key: found for key, found in on_disk.items() if key not in moving})]
    if setting.by is None:
        runs = {each.key: each.refers_to for each in summaries if each.refers_to}
        bundles = {**assigned, **assign(assigned, new, runs, setting.jobs_per_bundle or 1)}
    else:
        # What cannot be a name is reported, and the job is not written.
        bundles = {**assigned, **{key: bundle_name(each.group) or OTHER for key, each in new.items()}}
        problems += _group_problems(jobs, summaries, setting.by, assigned, moving)
    problems += _references_across(jobs, summaries, bundles)
    return Partitioning(bundles, tuple(problems))


def assign(
    assigned: Mapping[str, str], new: Collection[str], runs: Mapping[str, Collection[str]], limit: int
) -> dict[str, str]:
    """Returns a bundle for each new job: the first with room, and one for all jobs that run each other.

    `assigned` are the bundles of the other jobs, and `runs` the jobs that a job refers to. Only jobs that must stay
    together may exceed the limit of a bundle.
    """
    filled = Counter(assigned.values())
    linked: dict[str, set[str]] = {key: set() for key in new}
    for key, others in runs.items():
        for other in others:
            if key in linked:
                linked[key].add(other)
            if other in linked:
                linked[other].add(key)
    found: dict[str, str] = {}
    first = 1
    for key in (key for key in sorted(linked) if key not in found):
        # What has a bundle leads no further.
        connected = reachable([key], linked)
        group = [each for each in connected if each in linked]
        beside = {assigned[each] for each in connected if each in assigned}
        while not beside and filled[numbered(first)] >= limit:
            first += 1
        bundle = min(beside) if beside else _with_room(filled, len(group), limit, first)
        found |= dict.fromkeys(group, bundle)
        filled[bundle] += len(group)
    return found


def _with_room(filled: Counter[str], size: int, limit: int, first: int) -> str:
    return next(name for name in map(numbered, count(first)) if not filled[name] or filled[name] + size <= limit)


def _references_across(
    jobs: Jobs, summaries: Sequence[JobSummary], bundles: Mapping[str, str]
) -> Iterator[tuple[str, Diagnostic]]:
    crossing = {
        each.key
        for each in summaries
        if any(bundles.get(other, bundles[each.key]) != bundles[each.key] for other in each.refers_to)
    }
    if not crossing:
        return
    from lakeflow_job_meta.layout.summarize_job import references  # which needs all that builds jobs

    for job in jobs.only(crossing):
        ours = bundles[job.key]
        found = [(each, *reference) for each in job.variants for reference in references(job.key, each.settings)]
        for each, path, other in found:
            theirs = bundles.get(other, ours)
            if theirs != ours:
                message = (
                    f"the job {other!r} is in the bundle {theirs!r} and this one in {ours!r}, and a bundle knows its "
                    f"own jobs only; move one of them, as by `ljm bundles move {other} {ours} -t TARGET`"
                )
                yield job.key, JOB_IN_OTHER_BUNDLE.at(each.origin_of(path), message)


def _in_two_bundles(jobs: Jobs, on_disk: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Diagnostic]]:
    for job in jobs.only({key for key, bundles in on_disk.items() if len(bundles) > 1}):
        message = (
            f"the bundles {listing(on_disk[job.key])} hold a file of the job {job.key!r}; run `ljm bundles move "
            f"{job.key} BUNDLE -t TARGET` with the one where it is meant to be"
        )
        yield job.key, TWO_PLACES.at(job.module.origin.at("module_name"), message)


def _group_problems(
    jobs: Jobs, summaries: Sequence[JobSummary], by: str, assigned: Mapping[str, str], moving: Mapping[str, str]
) -> Iterator[tuple[str, Diagnostic]]:
    groups: dict[str, set[str]] = {}
    for each in summaries:
        groups.setdefault(bundle_name(each.group).casefold(), set()).add(each.group)
    found: dict[str, tuple[Rule, str]] = {}
    for each in summaries:
        if each.key not in assigned:
            problem = _name_problem(each.group, by, groups[bundle_name(each.group).casefold()])
        else:
            problem = None if each.key in moving else _stays(each, by, assigned[each.key])
        if problem is not None:
            found[each.key] = problem
    for job in jobs.only(found):
        rule, message = found[job.key]
        is_column = job.module.group is not None and not value_at(job.settings, ("tags", by))[0]
        yield job.key, rule.at(job.module.origin.at(by) if is_column else job.origin_of(("tags", by)), message)


def _stays(job: JobSummary, by: str, bundle: str) -> tuple[Rule, str] | None:
    wanted = bundle_name(job.group) or OTHER
    problem = (
        f"the job stays in the bundle {bundle!r} although its {by!r} is {quoted(job.group)}; move it with "
        f"`ljm bundles move {job.key} {wanted} -t TARGET`"
    )
    return (STAYS_IN_BUNDLE, problem) if bundle != wanted else None


def _name_problem(group: str, by: str, same_name: Collection[str]) -> tuple[Rule, str] | None:
    """Returns what is wrong with what names the bundle of a new job; names may differ in case only on some disks."""
    name, others = bundle_name(group), {*same_name} - {group}
    if group and (not name or "${" in group or name in _RESERVED):
        return BUNDLE_NAME, f"{quoted(group)} cannot be the name of a bundle; give {by!r} another value"
    if group and others:
        problem = f"{quoted(group)} and {quoted(min(others))} become the same bundle {name!r}; give one another value"
        return BUNDLE_NAME, problem
    return None
