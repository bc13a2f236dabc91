"""Sums up a job for its bundle, by its settings. Pure."""

from __future__ import annotations

import itertools
import json
import posixpath
from collections.abc import Iterable, Iterator, Sequence

from lakeflow_job_meta._internal.trees import KeyPath, Value, texts_in, value_at
from lakeflow_job_meta.config.model import is_inside
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, Base, LocalPath, local_paths
from lakeflow_job_meta.jobs.model import with_iteration
from lakeflow_job_meta.jobs.references import JOB_REFERENCE
from lakeflow_job_meta.layout.job_summary import UP, JobSummary

_UPLOADED_APART = ("whl", "jar")
"""Libraries are uploaded by the CLI wherever they are, and need not be among the files of the bundle."""


def summarize_job(
    by: str | None, output: str, key: str, settings: Sequence[dict[str, Value]], group: str | None
) -> JobSummary:
    """Returns the summary of a job of a project of many bundles, by its settings as they stand in its file.

    They are those of each target where they differ. Its bundle is the same in all of them, and named by the value of
    the tag `by` in the first, else by the `group` of its module. `output` is the folder that `jobs/` and `sql/` are
    in, relative to the project.
    """
    tag = value_at(settings[0], ("tags", by))[1] if by else None
    libraries, uploads = set(), set()
    for found in itertools.chain.from_iterable(map(_files, settings)):
        path = found.in_project(output, lambda name: False)
        if path.startswith(f"{output}/"):
            # Relative to the bundle, so without `bundles/*/`.
            uploads.add("/".join([*output.split("/")[2:], path.removeprefix(f"{output}/").split("/", 1)[0]]))
        elif found.base is Base.JOB_FILE and _is_library(found):
            libraries.add(posixpath.dirname(path) if any(sign in path for sign in "*?[") else path)
        elif is_inside(path):
            # The first folder as a whole, since notebooks import and run what lies beside and above them.
            uploads.add(UP if path == "." else f"{UP}/{path.split('/', 1)[0]}")
    return JobSummary(
        key,
        (group or "") if tag is None else str(tag),
        tuple(dict.fromkeys(other for each in settings for _, other in references(key, each))),
        tuple(sorted(uploads)),
        tuple(sorted(libraries)),
    )


def references(key: str, settings: dict[str, Value]) -> Iterator[tuple[KeyPath, str]]:
    """Yields the keys of the other jobs that the settings of a job refer to, with the paths of the settings."""
    if "${resources.jobs." in json.dumps(settings):
        found = ((path, match.group(1)) for path, text in texts_in(settings) for match in JOB_REFERENCE.finditer(text))
        yield from ((path, other) for path, other in found if other != key)


def _is_library(found: LocalPath) -> bool:
    return found.setting[-1] in _UPLOADED_APART or (found.setting[0] == "environments" and not found.prefix)


def _files(settings: dict[str, Value]) -> Iterable[LocalPath]:
    from_git = "git_source" in settings
    yield from local_paths(settings, JOB_PATHS, from_git=from_git)
    tasks = settings.get("tasks")
    for task in tasks if isinstance(tasks, list) else []:
        if isinstance(task, dict):
            for _, each in with_iteration((), task):
                yield from local_paths(each, TASK_PATHS, from_git=from_git)
