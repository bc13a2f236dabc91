"""Which deletions of generated files are held back, so that the jobs stay and everything else goes on.

Pure: takes the changes that metadata asks for, and gives a reason for each job that stays until a person allows its
deletion. `ljm generate` and `ljm deploy` refuse as a whole instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.deploy.policy import Audience
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.layout.generated_file import FileKind
from lakeflow_job_meta.output.writer import FileChanges
from lakeflow_job_meta.text.markers import JOB_MARKER


def refused_deletions(
    changes: FileChanges, compilation: Compilation, allowed: int, *, emptying: bool
) -> Iterator[PolicyViolation]:
    """Yields the deletions of jobs that nobody has allowed.

    Args:
        changes: What the metadata asks for.
        compilation: Says which sources are missing.
        allowed: How many jobs may go.
        emptying: Whether a source, or everything, may become empty.
    """
    doomed = {
        change.file.job_key: JOB_MARKER.label_in(change.before or "") or ""
        for change in changes.deletions
        if change.file.kind is FileKind.JOB
    }
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
