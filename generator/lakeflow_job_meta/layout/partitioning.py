"""Puts the jobs of a compilation into bundles, and says what stands against it. Of files it reads the names only.

Where the file of a job is, the job is: it moves only when somebody moves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, Rule
from lakeflow_job_meta.diagnostics.rules.bundles import BUNDLE_NAME, JOB_IN_OTHER_BUNDLE, STAYS_IN_BUNDLE, TWO_PLACES
from lakeflow_job_meta.jobs.units import Jobs
from lakeflow_job_meta.layout.assignment import OTHER, assign, bundle_name
from lakeflow_job_meta.layout.job_summary import JobSummary, references
from lakeflow_job_meta.layout.on_disk import jobs_on_disk

_RESERVED = ("jobs",)


@dataclass(frozen=True, slots=True)
class Partitioning:
    """Which job is in which bundle.

    Attributes:
        bundles: The bundle of each job that has one, by the job's key; jobs that stay as they are among them.
        problems: The key of the job, and what is wrong with it.
    """

    bundles: dict[str, str]
    problems: tuple[tuple[str, Diagnostic], ...]


def partition(project: Project, outlines: Sequence[JobSummary], jobs: Jobs, moving: Mapping[str, str]) -> Partitioning:
    """Puts jobs into bundles.

    Args:
        project: A project of many bundles.
        outlines: Of the jobs without an error.
        jobs: The same jobs, for the places of what is wrong with them.
        moving: Keys of jobs that are being moved, with the bundles that they go to.
    """
    if project.bundles is None:
        raise AssertionError("a project of one bundle has nothing to place")
    located = jobs_on_disk(project)
    placed = {**{key: bundles[0] for key, bundles in located.items()}, **moving}
    new = {outline.key: outline for outline in outlines if outline.key not in placed}
    if project.bundles.by is None:
        runs = {outline.key: outline.refers_to for outline in outlines if outline.refers_to}
        bundles = {**placed, **assign(placed, new, runs, project.bundles.jobs_per_bundle or 1)}
    else:
        # What cannot be a name is told, and the job is not written.
        bundles = {**placed, **{key: bundle_name(outline.group) or OTHER for key, outline in new.items()}}
    in_two_places = {key for key, places in located.items() if len(places) > 1 and key not in moving}
    problems = [*_in_two_places(jobs.only(in_two_places), located)]
    if project.bundles.by is not None:
        problems += _group_problems(jobs, outlines, project.bundles.by, placed, moving)
    problems += _crossing(jobs.only({outline.key for outline in outlines if _crosses(outline, bundles)}), bundles)
    return Partitioning(bundles, tuple(problems))


def _crosses(outline: JobSummary, bundles: Mapping[str, str]) -> bool:
    return any(bundles.get(other, bundles[outline.key]) != bundles[outline.key] for other in outline.refers_to)


def _crossing(jobs: Jobs, bundles: Mapping[str, str]) -> Iterator[tuple[str, Diagnostic]]:
    for job in jobs:
        ours = bundles[job.key]
        for path, other in references(job.key, job.settings):
            theirs = bundles.get(other, ours)
            if theirs != ours:
                message = (
                    f"the job {other!r} is in the bundle {theirs!r} and this one in {ours!r}, and a bundle knows its "
                    f"own jobs only; move one of them, as by `ljm bundles move {other} {ours} -t TARGET`"
                )
                yield job.key, JOB_IN_OTHER_BUNDLE.at(job.origin_of(path), message)


def _in_two_places(jobs: Jobs, located: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Diagnostic]]:
    for job in jobs:
        message = (
            f"the bundles {listing(located[job.key])} hold a file of the job {job.key!r}; run `ljm bundles move "
            f"{job.key} BUNDLE -t TARGET` with the one where it is meant to be"
        )
        yield job.key, TWO_PLACES.at(job.module.origin.at("module_name"), message)


def _group_problems(
    jobs: Jobs, outlines: Sequence[JobSummary], by: str, placed: Mapping[str, str], moving: Mapping[str, str]
) -> Iterator[tuple[str, Diagnostic]]:
    groups = {outline.key: outline.group for outline in outlines}
    values: dict[str, set[str]] = {}
    for group in groups.values():
        values.setdefault(bundle_name(group).casefold(), set()).add(group)
    found = {key: _group_problem(key, group, by, values, placed, moving) for key, group in groups.items()}
    for job in jobs.only({key for key, problem in found.items() if problem is not None}):
        kind, message = found[job.key] or (BUNDLE_NAME, "")
        has_tag = value_at(job.settings, ("tags", by))[0]
        in_column = job.module.group is not None and not has_tag
        yield job.key, kind.at(job.module.origin.at(by) if in_column else job.origin_of(("tags", by)), message)


def _group_problem(
    key: str,
    group: str,
    by: str,
    values: Mapping[str, set[str]],
    placed: Mapping[str, str],
    moving: Mapping[str, str],
) -> tuple[Rule, str] | None:
    """Returns what is wrong with what names the bundle of a job, if anything is."""
    name = bundle_name(group)
    if key in placed:
        if placed[key] == (name or OTHER) or key in moving:
            return None
        return (
            STAYS_IN_BUNDLE,
            f"the job stays in the bundle {placed[key]!r} although its {by!r} is {quoted(group)}; move it with "
            f"`ljm bundles move {key} {name or OTHER} -t TARGET`",
        )
    others = values[name.casefold()] - {group}
    if group and (not name or "${" in group or name in _RESERVED):
        return BUNDLE_NAME, f"{quoted(group)} cannot be the name of a bundle; give {by!r} another value"
    if group and others:
        return (
            BUNDLE_NAME,
            f"{quoted(group)} and {quoted(min(others))} become the same bundle {name!r}; give one another value",
        )
    return None
