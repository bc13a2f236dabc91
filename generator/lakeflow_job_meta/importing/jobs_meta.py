"""The metadata of lakeflow-jobs-meta 0.2, `jobs:` with `tasks:` in YAML or in its control table, as what it deploys.

Reads files and tables, and changes nothing. What that tool adds by itself (names, time limits) is part of the jobs, so
that the jobs that come out are those that are in the workspace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.text import count, listing, quoted
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.importing.model import FoundJob, NotImported
from lakeflow_job_meta.importing.settings import with_types
from lakeflow_job_meta.parsing.keys import is_job_key, job_key
from lakeflow_job_meta.sources.yaml_files import YAML_SUFFIXES
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import ANY_TABLE
from lakeflow_job_meta.text.yaml_comments import CommentedYaml
from lakeflow_job_meta.text.yaml_documents import YamlDocument, decode_yaml, read_bytes
from lakeflow_job_meta.workspace.client import Workspace

_PREFIX = "[Lakeflow Jobs Meta] "
"""What stands before the name of each of its jobs in the workspace."""

_JOB_DEFAULTS: dict[str, Value] = {"timeout_seconds": 7200, "max_concurrent_runs": 1}
_TASK_SECONDS = 3600
_JOB_SETTINGS = (
    *("tags", "environments", "parameters", "timeout_seconds", "max_concurrent_runs", "queue", "continuous", "trigger"),
    *("schedule", "job_clusters", "notification_settings"),
)
_TASK_SETTINGS = ("run_if", "environment_key", "job_cluster_key", "existing_cluster_id", "notification_settings")
_OF_EVERY_TASK = ("task_key", "task_type", "depends_on", "disabled", "timeout_seconds", *_TASK_SETTINGS)
_BLOCKS: dict[str, tuple[str, dict[str, str]]] = {
    "notebook": ("notebook_task", {"file_path": "notebook_path", "parameters": "base_parameters"}),
    "sql_query": (
        "sql_task",
        {"warehouse_id": "warehouse_id", "sql_query": "sql_query", "query_id": "query_id", "parameters": "parameters"},
    ),
    "sql_file": ("sql_task", {"warehouse_id": "warehouse_id", "file_path": "file", "parameters": "parameters"}),
    "python_wheel": (
        "python_wheel_task",
        {name: name for name in ("package_name", "entry_point", "parameters")},
    ),
    "spark_jar": ("spark_jar_task", {name: name for name in ("main_class_name", "parameters")}),
    "pipeline": ("pipeline_task", {"pipeline_id": "pipeline_id"}),
    "dbt": (
        "dbt_task",
        {
            name: name
            for name in ("commands", "warehouse_id", "profiles_directory", "project_directory", "catalog", "schema")
        },
    ),
}
"""The block of each task type, and what its fields are called there."""

_INVALID = re.compile(r"[^A-Za-z0-9_]")


@dataclass(slots=True)
class FoundJobs:
    """What was found; `ignored` are fields that the tool takes no notice of, so that they are in no job."""

    jobs: list[FoundJob] = field(default_factory=list)
    not_imported: list[NotImported] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ignored: dict[str, None] = field(default_factory=dict)
    saved_queries: int = 0


def find_jobs_meta(
    project: Project,
    sources: Sequence[str],
    warehouse_id: str | None = None,
    workspace: Workspace | None = None,
    *,
    target: str | None = None,
) -> FoundJobs:
    """Finds the jobs of YAML files and folders, and of control tables by path or name.

    The bundle's `target` is the one that takes over the jobs whose ids are known; None where it has none.

    Raises:
        ConfigError: A file is not there, or a name is that of nothing.
        OperationFailed: A table cannot be read.
    """
    found = FoundJobs()
    for source in sources:
        path = Path(source)
        if path.suffix.lower() in YAML_SUFFIXES or (path.is_dir() and not (path / "_delta_log").is_dir()):
            _find_in_files(project, source, found)
        else:
            _find_in_table(source, found, warehouse_id, workspace, target)
    if found.ignored:
        found.notes.append(f"Left out, since lakeflow-jobs-meta takes no notice of it: {listing(found.ignored)}.")
    if found.saved_queries:
        queries = count(found.saved_queries, "task")
        found.notes.append(
            f"{queries} ran SQL from saved queries of that tool; it is a file of the bundle from now on."
        )
    return found


def _find_in_files(project: Project, pattern: str, found: FoundJobs) -> None:
    try:
        files = FilePattern(project.folder, str(Path(pattern).absolute()), YAML_SUFFIXES).files()
    except OSError as error:
        raise ConfigError(f"{pattern!r} cannot be read: {error.strerror}.") from None
    for label, path in files:
        content, problems = read_bytes(Path(path), label)
        document, problems = decode_yaml(content, label) if content is not None else (None, problems)
        if document is None:
            found.not_imported.append(NotImported("", label, "; ".join(each.message for each in problems)))
            continue
        yaml = CommentedYaml(document.text)
        if not yaml.is_right:
            faults = (document.report(fault) for fault in YamlDocument(label, document.text).faults())
            found.not_imported += (NotImported("", str(each.location), each.message) for each in faults)
        jobs = value_at(yaml.value, ("jobs",))[1] if yaml.is_right else {}
        if not isinstance(jobs, dict):
            found.not_imported.append(NotImported("", label, "it has no map 'jobs:'"))
            continue
        for key, job in jobs.items():
            where = f"{label}:{yaml.line_of(('jobs', key))}" if ("jobs", key) not in yaml.repeated else label
            made = _found(key, job, where, found)
            if made is not None:
                comments = {} if ("jobs", key) in yaml.repeated else yaml.comments_of(("jobs", key))
                found.jobs.append(FoundJob(made.name, where, made.settings, comments=comments))


def _find_in_table(
    name: str, found: FoundJobs, warehouse_id: str | None, workspace: Workspace | None, target: str | None
) -> None:
    rows = _rows(name, warehouse_id, workspace)
    ids = _ids(name, found, warehouse_id, workspace)
    by_job: dict[str, list[dict[str, Value]]] = {}
    for row in rows:
        by_job.setdefault(str(row.get("resource_id")), []).append(row)
    for key, tasks in by_job.items():
        where = f"{name}[resource_id={key}]"
        try:
            job = {"name": tasks[0].get("job_name"), **_json(tasks[0], "job_config")}
            job["tasks"] = [_task_of(row) for row in tasks]
        except ValueError as error:
            found.not_imported.append(NotImported(key, where, str(error)))
            continue
        if "_job_environments" in job:
            job["environments"] = job.pop("_job_environments")
        made = _found(key, job, where, found)
        if made is not None:
            heading = (f"# Job {ids[key]} of lakeflow-jobs-meta",) if key in ids else ()
            adopt = {target: ids[key]} if target is not None and key in ids else {}
            found.jobs.append(FoundJob(made.name, where, made.settings, adopt=adopt, heading=heading))


def _ids(name: str, found: FoundJobs, warehouse_id: str | None, workspace: Workspace | None) -> dict[str, int]:
    """Returns the ids of the jobs that the tool has deployed, as its own record beside the table has them."""
    try:
        rows = _rows(f"{name}_jobs", warehouse_id, workspace)
    except OperationFailed as error:
        found.notes.append(f"The ids of the jobs are not known: {error}")
        return {}
    written = {str(row.get("resource_id")): str(row.get("job_id")) for row in rows}
    return {key: int(job_id) for key, job_id in written.items() if job_id.isascii() and job_id.isdigit()}


def _rows(name: str, warehouse_id: str | None, workspace: Workspace | None) -> list[dict[str, Value]]:
    table = open_table(name, ANY_TABLE, warehouse_id, folder=Path.cwd(), workspace=workspace).read_whole()
    columns = [column.lower() for column in table.columns]
    return [dict(zip(columns, row, strict=True)) for row in table.rows]


def _task_of(row: dict[str, Value]) -> Value:
    kept = {name: row.get(name) for name in ("task_key", "task_type", "disabled") if row.get(name) is not None}
    written = row.get("depends_on")
    depends_on = _read(written, "depends_on") if isinstance(written, str) and written else written
    return {**kept, "depends_on": depends_on or [], **_json(row, "task_config")}


def _json(row: dict[str, Value], column: str) -> dict[str, Value]:
    written = row.get(column)
    value = _read(written, column) if isinstance(written, str) and written else {}
    if not isinstance(value, dict):
        raise ValueError(f"{column!r} is no JSON object")
    return value


def _read(written: str, column: str) -> Value:
    try:
        return cast(Value, json.loads(written))
    except (ValueError, RecursionError):
        raise ValueError(f"{column!r} is no JSON") from None


def _found(key: str, job: Value, where: str, found: FoundJobs) -> FoundJob | None:
    """Returns a job as that tool deploys it; None where there is none, which is noted."""
    name = job_key(key)
    reason = None if is_job_key(name) and "${" not in key else "its key cannot be that of a module; rename it"
    if isinstance(job, dict) and reason is None:
        tasks = job.get("tasks")
        reason = next(_task_problems(tasks), None) if isinstance(tasks, list) and tasks else "it has no tasks"
        if reason is None and isinstance(tasks, list):
            made = [_task(task, found) for task in tasks if isinstance(task, dict)]
            settings = with_types({**_job_settings(key, job, found), "tasks": list[Value](made)})
            return FoundJob(name, where, settings if isinstance(settings, dict) else {})
    found.not_imported.append(NotImported(key, where, reason or "it is no map of settings"))
    return None


def _task_problems(tasks: list[Value]) -> Iterator[str]:
    for number, task in enumerate(tasks, 1):
        if not isinstance(task, dict) or not isinstance(task.get("task_key"), str):
            yield f"task number {number} has no 'task_key'"
        elif task.get("task_type") not in _BLOCKS:
            yield f"{quoted(task.get('task_type'))} of the task {quoted(task['task_key'])} is no task type that it has"
        elif not isinstance(task.get("depends_on") or [], list):
            yield f"'depends_on' of the task {quoted(task['task_key'])} is no list"


def _job_settings(key: str, job: dict[str, Value], found: FoundJobs) -> dict[str, Value]:
    kept = {name: job[name] for name in _JOB_SETTINGS if job.get(name) is not None}
    found.ignored |= dict.fromkeys(name for name in job if name not in (*_JOB_SETTINGS, "name", "tasks"))
    return {"name": f"{_PREFIX}{job.get('name') or key}", **_JOB_DEFAULTS, **_without_mail(kept, found)}


def _without_mail(settings: dict[str, Value], found: FoundJobs) -> dict[str, Value]:
    """Leaves out mail addresses among `notification_settings`, where the Jobs API has none."""
    wanted = settings.get("notification_settings")
    if not isinstance(wanted, dict) or "email_notifications" not in wanted:
        return settings
    found.ignored["notification_settings.email_notifications"] = None
    flags: dict[str, Value] = {name: value for name, value in wanted.items() if name != "email_notifications"}
    others = {name: value for name, value in settings.items() if name != "notification_settings"}
    return {**others, "notification_settings": flags} if flags else others


def _task(task: dict[str, Value], found: FoundJobs) -> Value:
    block, fields = _BLOCKS[str(task["task_type"])]
    found.ignored |= dict.fromkeys(name for name in task if name not in (*_OF_EVERY_TASK, *fields))
    edges = task.get("depends_on")
    made: dict[str, Value] = {"task_key": _task_key(str(task["task_key"]))}
    if isinstance(edges, list) and edges:
        made["depends_on"] = [{"task_key": _task_key(str(each))} for each in edges]
    if task.get("disabled") is True:
        made["disabled"] = True
    kept = {name: task[name] for name in _TASK_SETTINGS if task.get(name) is not None}
    written = {fields[name]: task[name] for name in fields if task.get(name) not in (None, "", {}, [])}
    seconds = task.get("timeout_seconds", _TASK_SECONDS)
    return {**made, block: _block(block, written, found), "timeout_seconds": seconds, **_without_mail(kept, found)}


def _block(block: str, written: dict[str, Value], found: FoundJobs) -> dict[str, Value]:
    parameters = written.get("parameters")
    if block == "sql_task":
        if "file" in written:
            written["file"] = {"path": written["file"], "source": "WORKSPACE"}
        if "query_id" in written:
            written.pop("sql_query", None)
            written["query"] = {"query_id": written.pop("query_id")}
        found.saved_queries += "sql_query" in written
        if isinstance(parameters, dict):
            written["parameters"] = {name: str(value) for name, value in parameters.items()}
    elif isinstance(parameters, dict):
        written["parameters"] = list(parameters.values())
    if isinstance(written.get("commands"), str):
        written["commands"] = [written["commands"]]
    return written


def _task_key(written: str) -> str:
    """Returns the key that the tool gives a task: `_` for whatever is neither letter nor digit."""
    starts_badly = not (written[:1].isalnum() or written[:1] == "_")
    key = re.sub("_+", "_", _INVALID.sub("_", written)).strip("_")
    return f"task_{key}" if starts_badly and key else key
