"""Files of the project that jobs name: they exist, and a notebook is one that Databricks takes for one.

Also the names of those that are generated.
"""

from __future__ import annotations

import marshal
import os
import posixpath
import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from lakeflow_job_meta._internal.fs import is_glob
from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import is_inside
from lakeflow_job_meta.config.sync import SyncRules
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import MISSING_FILE, NOT_A_NOTEBOOK, NOT_UPLOADED, RESERVED_NAME
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, Base, LocalPath, Patterns, local_paths
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.quality_names import RULES_FOLDER

_COMMENTS = {".py": "#", ".r": "#", ".sql": "--", ".scala": "//"}
_HEADERS = {suffix: f"{comment} Databricks notebook source" for suffix, comment in _COMMENTS.items()}
_PLAIN: dict[KeyPath, str] = {("spark_python_task", "python_file"): "Python", ("file", "path"): "SQL"}
_BUILT = (".whl", ".jar", ".egg", ".zip", ".tar.gz")
"""These are often made by the bundle's own build, so they need not exist yet."""
_RESERVED = re.compile(r"(?i)con|prn|aux|nul|(com|lpt)[1-9]")
"""https://learn.microsoft.com/windows/win32/fileio/naming-a-file"""


def local_files_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Looks at each file of the project that the job names."""
    from_git = "git_source" in job.settings
    for path, settings, patterns in _holders(job):
        for found in local_paths(settings, patterns, from_git=from_git):
            origin = job.origin_of((*path, *found.setting))
            yield from [*_problems(found, origin, context)] or _not_uploaded(found, origin, context, job.targets)


def paths_in_variables_are_clear(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses a path that begins with a variable that holds a relative path, unless the databricks CLI finds the file.

    To the CLI it is relative to the file of the reference, here a generated one, and never to that of the variable
    (libs/dyn/dynvar/resolve.go keeps the location of the reference).
    """
    together = marshal.dumps(job.settings, 2)
    if b"${var." not in together and b"${bundle." not in together:
        return
    from_git = "git_source" in job.settings
    targets: list[str | None] = [*sorted(job.targets or context.bundle.targets or ())]
    for target in targets or [None]:
        resolve = partial(_resolved, bundle=context.bundle, target=target)
        for path, settings, patterns in _holders(job):
            for found in local_paths(settings, patterns, from_git=from_git, resolve=resolve):
                file = found.in_project(context.output, context.files.is_file)
                if found.base is Base.UPLOADED or not _may_be_found(file, context):
                    at = (*path, *found.setting)
                    yield MISSING_FILE.at(job.origin_of(at), _misread(str(value_at(job.settings, at)[1]), found, file))


def _may_be_found(file: str, context: CheckContext) -> bool:
    is_built_elsewhere = _is_known_later(file) and not file.startswith(f"{context.output}/jobs/")
    return is_built_elsewhere or context.files.is_file(file) or context.files.is_folder(file)


_BEGINS_WITH_VARIABLE = re.compile(
    r"(?P<option>(?:-\S+\s+)?['\"]?)\$\{(?:var\.(?P<name>[\w-]+)\}|bundle\.(?:target|name|environment)\}(?=/))"
)
"""The bundle's name and target are never absolute paths."""


def _resolved(text: str, bundle: BundleDeclarations, target: str | None) -> str:
    """Returns a text with the value of the variable that it begins with; empty where that is not known."""
    match = _BEGINS_WITH_VARIABLE.match(text)
    if match is not None and match["name"] is None:
        return f"{match['option']}./{text[match.end('option') :]}"
    value = bundle.value_of(match["name"], target) if match is not None else None
    if match is None or value is None or not value.text or "${" in value.text:
        return ""
    return f"{match['option']}{value.text}{text[match.end() :]}"


def _misread(text: str, found: LocalPath, file: str) -> str:
    variable, advice = text.find("${"), "for a path from the project folder write "
    what = (
        f"{quoted(found.path)}, which is not translated" if found.base is Base.UPLOADED else f"the file {quoted(file)}"
    )
    written = f"{text[:variable]}./{text[variable:]}"
    return f"to the databricks CLI {quoted(text)} is {what}, and not there; {advice}{quoted(written)}"


def _holders(job: Job) -> Iterator[tuple[KeyPath, dict[str, Value], Patterns]]:
    """Yields what may name files: each task, and the job, with their paths."""
    yield from ((*each, TASK_PATHS) for each in job.all_tasks)
    yield (), job.settings, JOB_PATHS


def _not_uploaded(
    found: LocalPath, origin: SourceRef, context: CheckContext, targets: Collection[str]
) -> Iterator[Diagnostic]:
    """Reports a file that the databricks CLI does not upload although it is there: no task would find it."""
    path, is_dbt = found.in_project(context.output, context.files.is_file), found.setting[-1] == "project_directory"
    if not _is_generated(path, context) and (_is_known_later(path) or (found.is_folder and not is_dbt)):
        return
    # Of generated files there are as many folders as jobs, and nobody else writes into them.
    known = path[: path.index("/", len(context.output) + 1)] if _is_generated(path, context) else path
    file = posixpath.join(path, "dbt_project.yml") if is_dbt else path
    full = os.path.normpath(context.project.folder / file)
    for rules in context.bundle.sync or ():
        if rules.target is not None and targets and rules.target not in targets:
            continue
        reason = _link_problem(known, rules, context)
        if not reason:
            reason = rules.missing(full, context.files.ignoring(known if known != path else posixpath.dirname(file)))
        if reason:
            where = "" if rules.target is None else f" for the target {quoted(rules.target)}"
            yield NOT_UPLOADED.at(origin, f"{quoted(path)} is not uploaded{where}: {reason}")
            return


def _is_known_later(path: str) -> bool:
    """Whether a path is of what is built first, or is known to the deployment or to Databricks alone."""
    return path.lower().endswith(_BUILT) or is_glob(path) or "${" in path or "{{" in path


def _is_generated(path: str, context: CheckContext) -> bool:
    return path.startswith((f"{context.output}/sql/", f"{context.output}/{RULES_FOLDER}/"))


def _link_problem(path: str, rules: SyncRules, context: CheckContext) -> str:
    """The CLI passes over links, to files and to folders, but follows one that `sync.paths` names."""
    link = context.files.link_in(path)
    if not link:
        return ""
    full = os.path.normpath(context.project.folder / link)
    starts = (os.path.normpath(Path(rules.root, start)) for start in rules.paths)
    if any(f"{start}/".startswith(f"{full}/") for start in starts):
        return ""
    return f"{quoted(link)} is a symbolic link, which the databricks CLI passes over; put the file itself there"


def _problems(found: LocalPath, origin: SourceRef, context: CheckContext) -> Iterator[Diagnostic]:
    files = context.files
    path = found.in_project(context.output, files.is_file)
    if found.base is Base.UPLOADED and (problem := _unknown_folder(path, context)) is not None:
        yield MISSING_FILE.at(origin, problem)
        return
    if _is_generated(path, context) or _is_known_later(path):
        return
    if not is_inside(path) and not _is_synced(path, context):
        if context.bundle.synced is not None:
            yield MISSING_FILE.at(origin, f"{quoted(path)} is outside the project, {_outside(path, found, context)}")
        return
    what = "folder" if found.is_folder else "file"
    if not (files.is_folder(path) if what == "folder" else files.is_file(path)):
        beside = files.beside(path) if is_inside(path) else []
        hint = did_you_mean(path, beside, otherwise="; paths are relative to the project folder")
        yield MISSING_FILE.at(origin, f"there is no {what} {quoted(path)} in the project{hint}")
    elif found.setting[-2:] == ("notebook_task", "notebook_path"):
        if (problem := _notebook_problem(path, context)) is not None:
            yield NOT_A_NOTEBOOK.at(origin, f"{quoted(path)} is no notebook: {problem}")
    elif (plain := _PLAIN.get(found.setting[-2:])) is not None and _looks_like_a_notebook(path, context):
        message = f"{quoted(path)} is a notebook, but this task runs a plain {plain} file; use notebook_path"
        yield NOT_A_NOTEBOOK.at(origin, message)


def _outside(path: str, found: LocalPath, context: CheckContext) -> str:
    """Says what to do about a path outside the project, which may be relative to the folder of the metadata."""
    inside = re.sub(r"^(\.\./)+", "", path)
    is_there = context.files.is_folder if found.is_folder else context.files.is_file
    if inside != path and is_inside(inside) and is_there(inside):
        return f"whose folder paths are relative to; did you mean {quoted(inside)}?"
    how = "move it there, or name its folder below 'sync: {paths: [...]}' in databricks.yml"
    return f"which is all that is deployed; {how}"


def _looks_like_a_notebook(path: str, context: CheckContext) -> bool:
    """Whether the CLI takes a file for a notebook, by its suffix and first line, or fails on it (libs/notebook)."""
    suffix = posixpath.splitext(path)[1].lower()
    return suffix == ".ipynb" or (suffix in _HEADERS and context.files.first_line(path) == _HEADERS[suffix])


def _unknown_folder(path: str, context: CheckContext) -> str | None:
    """Says why nobody can know where a file will be in the workspace; None if it is known."""
    many = _is_generated(path, context) and context.project.bundles is not None
    if not many and all(map(is_inside, context.bundle.synced or ())):
        return None
    where = "the project is split into many bundles" if many else "'sync: {paths: [...]}' names folders outside"
    return (
        f"the databricks CLI does not translate {quoted(path)} here, and where in the workspace it will be is not "
        f"known, since {where}; write the full path, such as '/Workspace/...'"
    )


def _is_synced(path: str, context: CheckContext) -> bool:
    """Whether a path outside the project is in a folder that the bundle takes along; others are not looked at."""
    folder = context.project.folder
    full = Path(os.path.normpath(folder / path))
    return any(full.is_relative_to(os.path.normpath(folder / each)) for each in context.bundle.synced or ())


def suits_every_disk(name: str) -> bool:
    """Says whether a file may have a name, whatever its suffix, on Windows too."""
    return _RESERVED.fullmatch(name) is None


def names_suit_every_disk(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Warns of generated files that Windows cannot have, whatever their suffix."""
    if not suits_every_disk(job.key):
        yield _reserved(job.module.origin.at("module_name"), f"jobs/{job.key}.yml", "module")
    written = {file.name for file in job.files}
    for path, task in job.all_tasks:
        name = str(task.get("task_key"))
        if name in written and not suits_every_disk(name):
            yield _reserved(job.origin_of((*path, "task_key")), f"sql/{job.key}/{name}.sql", "source")


def _reserved(origin: SourceRef, file: str, what: str) -> Diagnostic:
    return RESERVED_NAME.at(origin, f"Windows can have no file {file!r}; rename the {what} if anybody is to work there")


def _notebook_problem(path: str, context: CheckContext) -> str | None:
    suffix = posixpath.splitext(path)[1].lower()
    if suffix == ".ipynb":
        return None if context.files.is_jupyter(path) else "it is no JSON with 'cells', 'metadata' and 'nbformat: 4'"
    if suffix not in _HEADERS:
        return f"its name must end in one of {', '.join(['.ipynb', *_HEADERS])}"
    header, line = _HEADERS[suffix], context.files.first_line(path)
    if line == f"\ufeff{header}":
        return "it begins with a byte order mark; save it as UTF-8 without one"
    return None if line == header else f"its first line must be {header!r}"


JOB_CHECKS = (local_files_exist, paths_in_variables_are_clear, names_suit_every_disk)
