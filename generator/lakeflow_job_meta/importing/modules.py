"""From the settings of a job to a module: the value of a metadata file, and the file as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.text import kind_of, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.importing.model import FoundJob
from lakeflow_job_meta.importing.settings import from_project
from lakeflow_job_meta.jobs.references import REFERENCE
from lakeflow_job_meta.jobs.task_types import BY_BLOCK
from lakeflow_job_meta.parsing.keys import former_name
from lakeflow_job_meta.text.yaml_commented_writer import write_commented
from lakeflow_job_meta.text.yaml_comments import Comments, with_paths_moved

_MODULE: KeyPath = ("modules", 0)
_NOT_OF_THE_TASK = ("task_key", "depends_on")


def why_no_module(settings: Value) -> str | None:
    """Says what keeps a job from being written as a module; None if nothing does, as far as its form tells."""
    if not isinstance(settings, dict):
        return f"the job is {_shown(settings)}, and not its settings"
    tasks = settings.get("tasks")
    if not isinstance(tasks, list):
        return "it has no tasks" if tasks is None else f"'tasks' is {_shown(tasks)}: they have to be written out"
    if not tasks:
        return "it has no tasks"
    return next(_problems(tasks), None)


def _problems(tasks: list[Value]) -> Iterator[str]:
    for number, task in enumerate(tasks):
        if not isinstance(task, dict):
            yield f"task number {number + 1} is {_shown(task)}: it has to be written out"
            continue
        key = task.get("task_key")
        if not isinstance(key, str) or not key:
            yield f"task number {number + 1} has no 'task_key'"
        for name in BY_BLOCK:
            if name in task and not isinstance(task[name], dict) and task[name] is not None:
                yield f"{name!r} of the task {quoted(key)} is {_shown(task[name])}: it has to be written out"
        yield from _dependency_problems(task)


def _dependency_problems(task: dict[str, Value]) -> Iterator[str]:
    edges = task.get("depends_on")
    of_task = f"of the task {quoted(task.get('task_key'))}"
    if edges is not None and not isinstance(edges, list):
        yield f"'depends_on' {of_task} is {_shown(edges)}: it has to be written out"
    for edge in edges if isinstance(edges, list) else ():
        if not isinstance(edge, dict) or not isinstance(edge.get("task_key"), str):
            yield f"'depends_on' {of_task} holds {_shown(edge)}, and not the key of a task"
        elif others := sorted(edge.keys() - {"task_key", "outcome"}):
            yield f"'depends_on' {of_task} has the unknown setting {quoted(others[0])}"


def _shown(value: Value) -> str:
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return f"the reference {quoted(value)}"
    return quoted(value) if isinstance(value, (str, int, float)) else kind_of(value)


def module_of(job: FoundJob) -> dict[str, Value]:
    """Returns the module of a job in whose form nothing is wrong: every dependency is written, nothing is added."""
    settings = from_project(job.settings, job.folder)
    config = {name: value for name, value in settings.items() if name != "tasks"}
    if config.get("name") is None:
        config["name"] = None  # takes away the name that is made of that of the module
    tasks = settings["tasks"]
    sources: list[Value] = [
        _source(task) for task in (tasks if isinstance(tasks, list) else []) if isinstance(task, dict)
    ]
    same: dict[str, Value] = {"formerly": former_name(job.former)} if job.former else {}
    same |= {"adopt": dict(job.adopt)} if job.adopt else {}
    return {"module_name": job.name, **same, "source_parameters": "none", "job_config": config, "sources": sources}


def _source(task: dict[str, Value]) -> Value:
    edges = task.get("depends_on")
    return {
        "source_id": task["task_key"],
        "depends_on": [
            _dependency(edge) for edge in (edges if isinstance(edges, list) else []) if isinstance(edge, dict)
        ],
        "transformation_config": {name: value for name, value in task.items() if name not in _NOT_OF_THE_TASK},
    }


def _dependency(edge: dict[str, Value]) -> Value:
    outcome = edge.get("outcome")
    return edge["task_key"] if outcome is None else {"source_id": edge["task_key"], "outcome": outcome}


def text_of(job: FoundJob, module: dict[str, Value]) -> str:
    """Returns a metadata file with one module, the comments of its job, and its values as they were written."""
    moved, ends = _paths(job.settings)
    comments = with_paths_moved(job.comments, moved, ends)
    if job.heading:
        comments[()] = Comments(before=(*job.heading, ""))
    written = {_moved(path, moved): text for path, text in job.written.items()}
    return write_commented({"modules": [module]}, comments, written)


def _paths(settings: dict[str, Value]) -> tuple[dict[KeyPath, KeyPath], dict[KeyPath, KeyPath]]:
    """Returns where in the metadata each part of the settings is; and where the comments at the end of some go."""
    moved: dict[KeyPath, KeyPath] = {(): _MODULE, ("tasks",): (*_MODULE, "sources")}
    moved |= {(name,): (*_MODULE, "job_config", name) for name in settings if name != "tasks"}
    ends: dict[KeyPath, KeyPath] = {}
    tasks = settings["tasks"]
    for number, task in enumerate(tasks if isinstance(tasks, list) else []):
        source: KeyPath = (*_MODULE, "sources", number)
        of_task: KeyPath = ("tasks", number)
        ends[of_task] = (*source, "transformation_config")
        moved |= {
            of_task: source,
            (*of_task, "task_key"): (*source, "source_id"),
            (*of_task, "depends_on"): (*source, "depends_on"),
        }
        for name in task if isinstance(task, dict) else ():
            moved.setdefault((*of_task, name), (*source, "transformation_config", name))
    return moved, ends


def _moved(path: KeyPath, moved: dict[KeyPath, KeyPath]) -> KeyPath:
    length = next(n for n in range(len(path), -1, -1) if path[:n] in moved)
    return (*moved[path[:length]], *path[length:])
