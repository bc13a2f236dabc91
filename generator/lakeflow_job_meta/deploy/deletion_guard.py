"""Which deletions of generated files are held back, so that the jobs stay and everything else goes on.

Pure: takes the changes that metadata asks for, and gives those that may happen without a person's word, with a reason
for each job that stays. `ljm generate` and `ljm deploy` refuse as a whole instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.deploy.policy import Audience
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.output.writer import FileChanges, is_job_file, job_key_of
from lakeflow_job_meta.text.markers import JOB_MARKER


def guard_deletions(
    changes: FileChanges, compilation: Compilation, allowed: int, *, emptying: bool
) -> tuple[FileChanges, tuple[PolicyViolation, ...]]:
    """Takes out the deletions that nobody has allowed.

    Args:
        changes: What the metadata asks for.
        compilation: Says which sources are missing.
        allowed: How many jobs may go.
        emptying: Whether a source, or everything, may become empty.

    Returns:
        The changes that may happen, and what was refused.
    """
    doomed = {
        job_key_of(change.path): JOB_MARKER.label_in(change.before) or ""
        for change in changes.deletions
        if is_job_file(change.path)
    }
    refusals = tuple(_refusals(doomed, changes, compilation, allowed, emptying))
    held = {key for refusal in refusals for key in refusal.jobs}
    # The inline SQL of a job that stays, stays with it.
    staying = {change.path for change in changes.deletions if job_key_of(change.path) in held}
    going_on = tuple(change for change in changes.changes if change.path not in staying)
    return replace(changes, changes=going_on, kept=tuple(sorted({*changes.kept, *staying}))), refusals


def _refusals(
    doomed: Mapping[str, str], changes: FileChanges, compilation: Compilation, allowed: int, emptying: bool
) -> Iterator[PolicyViolation]:
    orphaned = [key for key, label in doomed.items() if compilation.may_be_of_missing(label)] if not emptying else []
    if orphaned:
        empty = listing([snapshot.source for snapshot in compilation.missing if not snapshot.is_unreadable])
        yield PolicyViolation(
            f"{empty} holds no module, so {count(len(orphaned), 'job')} ({listing(orphaned)}) would be deleted.",
            f"If everything is meant to go, {Audience.MONITOR.allowing(allow_empty=True, max_deletes=len(orphaned))}.",
            tuple(orphaned),
        )
    others = [key for key in doomed if key not in orphaned]
    if len(others) > allowed:
        yield PolicyViolation(
            f"{count(len(others), 'job')} ({listing(others)}) left the metadata and would be deleted; {allowed} "
            "allowed.",
            f"If that is meant, {Audience.MONITOR.allowing(max_deletes=len(others))}.",
            tuple(others),
        )
    elif others and not emptying and not orphaned and not changes.kept and not compilation.jobs:
        yield PolicyViolation(
            f"No module is left, so {count(len(others), 'job')} ({listing(others)}) would be deleted.",
            f"If everything is meant to go, {Audience.MONITOR.allowing(allow_empty=True, max_deletes=len(others))}.",
            tuple(others),
        )
