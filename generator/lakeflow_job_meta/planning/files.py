"""The plan of a project: what changes in its jobs when its generated files change, and where that comes from.

Reads generated files. Few jobs are built for it: those made of rows that change in a way of their own.
"""

from __future__ import annotations

from dataclasses import replace

from lakeflow_job_meta._internal.trees import ABSENT, Difference, KeyPath, value_at
from lakeflow_job_meta.blueprints.row_document import origins_of
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.jobs.all_jobs import Jobs
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.output.changes import Change, FileChanges
from lakeflow_job_meta.output.read_back import jobs_in, scan
from lakeflow_job_meta.output.revisions import removals_of_revision, texts_of_revision
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.planning.changes import JobChange, Plan, TaskChange
from lakeflow_job_meta.planning.compare import compare_jobs
from lakeflow_job_meta.planning.fold import fold_jobs

TRACED_JOBS = 200
"""Of so many jobs the origins of changed settings are looked up; more nobody reads, and each has to be built for it."""


def compare_files(changes: FileChanges, jobs: Jobs, revision: str | None = None) -> Plan:
    """Returns what changes in the jobs when files change, against the files on disk or those of a git revision.

    A job that must stay as it is (its module is broken, its source cannot be read) does not change. `jobs` are those
    of the metadata.

    Raises:
        OperationFailed: Generated files cannot be read.
        ConfigError: There is no such revision.
    """
    on_disk, _ = scan(changes.layout)
    before = on_disk if revision is None else texts_of_revision(changes.layout.project, revision)
    after = changes.applied_to(on_disk)
    edited = {file.job_key for file in {**before, **after} if before.get(file) != after.get(file)}
    read = jobs_in(before)
    # Reading takes most of the time of a plan, so what is the same is read once.
    same = {key: job for key, job in read.items() if key not in edited}
    plan = compare_jobs(
        read,
        same | jobs_in({file: text for file, text in after.items() if file.job_key in edited}),
        jobs.renamed,
    )
    project = changes.layout.project
    plan = plan.allowed_by(project)
    if revision is not None and project.removed:
        known = removals_of_revision(project, revision)
        there = {file.job_key for file in {**before, **after}}
        new = (each for each in project.removed if each.module_name not in known)
        plan = replace(plan, released=tuple(each for each in new if job_key(each.module_name) not in there))
    return with_origins(plan, jobs)


def with_origins(plan: Plan, jobs: Jobs) -> Plan:
    """Returns a plan that names blueprints and rows, and where the changed settings of jobs made of rows were written.

    Jobs that change alike are told together, and so without the latter.
    """
    if all(source.blueprint is None for source in jobs.sources.values()):
        return plan
    changes = [_of_blueprint(change, jobs) for change in plan.changes]
    alone = [group[0] for group in fold_jobs(changes) if len(group) == 1]
    own = [change for change in alone if change.rows and change.kind is Change.UPDATE]
    traced = {change.key: _traced(change, jobs) for change in own[:TRACED_JOBS]}
    return replace(plan, changes=tuple(traced.get(change.key, change) for change in changes))


def _of_blueprint(change: JobChange, jobs: Jobs) -> JobChange:
    source = jobs.sources.get(change.key)
    if source is None or source.blueprint is None:
        return change
    return replace(change, blueprint=source.blueprint, rows=source.unit.rows())


def _traced(change: JobChange, jobs: Jobs) -> JobChange:
    job = jobs.get(change.key)
    if job is None:
        return change

    def traced(task: TaskChange) -> TaskChange:
        variant = job.in_target(task.target)
        keys = [each.get("task_key") for each in variant.tasks]
        if task.key not in keys:
            return task
        path = ("tasks", keys.index(task.key))
        return replace(
            task, differences=tuple(_located(each, variant, (*path, *each.path)) for each in task.differences)
        )

    return replace(
        change,
        settings=tuple(_located_setting(each, job) for each in change.settings),
        tasks=tuple(map(traced, change.tasks)),
    )


def _located_setting(difference: Difference, job: Job) -> Difference:
    path = difference.path
    is_of_target = path[0] == "targets" and len(path) > 2
    variant = job.in_target(str(path[1])) if is_of_target else job
    return _located(difference, variant, path[2:] if is_of_target else path)


def _located(difference: Difference, job: Job, path: KeyPath) -> Difference:
    is_there, value = value_at(job.settings, path)
    # A job that must stay as it is has other settings than the metadata, which tell nothing of them.
    is_same = (value if is_there else ABSENT) == difference.after
    return replace(difference, origin=_origin(job.origin_of(path))) if is_same else difference


def _origin(ref: SourceRef) -> str:
    return ", ".join(dict.fromkeys(str(place) for place in origins_of(ref)))
