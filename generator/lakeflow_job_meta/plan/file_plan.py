"""The plan of a project: what its generated files say, against what its metadata makes."""

from __future__ import annotations

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.layout.on_disk import in_bundle
from lakeflow_job_meta.output.read_back import files_of_revision, files_on_disk, jobs_in_files
from lakeflow_job_meta.output.writer import Change, FileChanges
from lakeflow_job_meta.plan.compare import Plan, compare_jobs


def plan_files(project: Project, changes: FileChanges, revision: str | None = None) -> Plan:
    """Says what changes in the jobs when the metadata is generated.

    A job that must stay as it is (its module is broken, its source cannot be read) does not change.

    Args:
        project: The project.
        changes: What generating would change on disk.
        revision: A git revision to compare with; None compares with the files on disk.

    Raises:
        OperationFailed: Generated files cannot be read.
        ConfigError: There is no such revision.
    """
    on_disk = files_on_disk(project)
    after = dict(on_disk)
    # Deletions come last, and a job that moves is deleted in one bundle and written in another.
    for change in sorted(changes.changes, key=lambda change: change.kind is not Change.DELETE):
        if change.kind is Change.DELETE:
            after.pop(in_bundle(change.path), None)
        else:
            after[in_bundle(change.path)] = change.after
    before = on_disk if revision is None else files_of_revision(project, revision)
    return compare_jobs(jobs_in_files(before), jobs_in_files(after))
