"""The settings of a job as the workspace takes them: references resolved, files by their paths there.

Resolves `${...}` where no databricks CLI does: variables, the target, the user, and jobs of the metadata. What it
cannot resolve it never guesses: such a job needs the databricks CLI. `{{...}}` is Databricks' own and passed on. Reads
the files that the settings name; inline SQL is taken from the compilation. Uploads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, read_file
from lakeflow_job_meta._internal.text import json_like, quoted
from lakeflow_job_meta._internal.trees import Scalar, Value, value_at
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project, is_inside
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, LocalPath, with_paths
from lakeflow_job_meta.jobs.quality_names import CHECKS_FILE, RULES_FOLDER
from lakeflow_job_meta.jobs.references import JOB_ID, REFERENCE, REFERENCE_KINDS
from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.render.quality_notebook import quality_notebook

_NOTEBOOKS = (("notebook_task", "notebook_path"),)
_FOLDERS = (("dbt_task", "project_directory"),)
_FILES = tuple(pattern for pattern in TASK_PATHS if pattern not in (*_NOTEBOOKS, *_FOLDERS))
_SUFFIX_OF_NOTEBOOK = re.compile(r"\.(py|sql|scala|r|ipynb)$", re.IGNORECASE)


class NeedsCli(Exception):
    """A job holds something that only the databricks CLI can deploy; the text is a sentence that says what."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves references by the values that they stand for, by what is between the braces, such as `var.catalog`."""

    values: Mapping[str, Scalar]

    def resolved(self, value: Value, job_ids: Mapping[str, int]) -> Value:
        """Returns a value without references; those of jobs that have no id yet stay as they are.

        Raises NeedsCli if a reference stands for something that is not known here.
        """
        if isinstance(value, dict):
            return {key: self.resolved(item, job_ids) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolved(item, job_ids) for item in value]
        return self._text(value, job_ids) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, job_ids: Mapping[str, int]) -> Value:
        whole = REFERENCE.fullmatch(text)
        if whole is not None:
            return self._stands_for(whole, job_ids)
        return REFERENCE.sub(lambda match: json_like(self._stands_for(match, job_ids)), text)

    def _stands_for(self, match: re.Match[str], job_ids: Mapping[str, int]) -> Scalar:
        name = match.group(1)
        job = JOB_ID.fullmatch(match.group())
        if job is not None:
            return job_ids.get(job.group(1), match.group())
        if name in self.values:
            return self.values[name]
        if re.split(r"[.\[]", name)[0] not in REFERENCE_KINDS:
            return match.group()
        raise NeedsCli(f"{quoted(match.group())} can only be resolved by the databricks CLI: {_remedy(name)}.")


def _remedy(name: str) -> str:
    if name.startswith("var."):
        variable = name.removeprefix("var.")
        return f"set BUNDLE_VAR_{variable}, give it a plain default in databricks.yml, or deploy with `ljm deploy`"
    return "write the value itself, or deploy with `ljm deploy`"


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Finds the files of a project that go below a folder of the workspace (`root`).

    Attributes:
        is_linked: Whether files of the project are used where they are; what is generated is uploaded all the same.
        has_new_wheels: Whether the databricks CLI would give wheels another name.
    """

    project: Project
    compilation: Compilation
    root: str
    is_linked: bool = False
    has_new_wheels: bool = False

    def of_job(self, settings: dict[str, Value]) -> tuple[dict[str, Value], dict[str, bytes]]:
        """Returns the settings of a job with paths in the workspace, and the contents of these files by path.

        Raises NeedsCli if a file cannot be uploaded.
        """
        files: dict[str, bytes] = {}
        from_git = settings.get("git_source") is not None

        def file(found: LocalPath) -> str:
            local = self._in_project(found)
            if self.has_new_wheels and local.endswith(".whl"):
                raise NeedsCli(
                    f"{quoted(local)} gets a version of its own from the databricks CLI, by the preset "
                    "'artifacts_dynamic_version': leave that out for this target, or deploy with `ljm deploy`."
                )
            if self.is_linked and self._generated(local) is None:
                self._content(local)
                return (self.project.folder / local).as_posix()
            files[f"{self.root}/{local}"] = self._content(local)
            return f"{self.root}/{local}"

        def rules(task: dict[str, Value]) -> None:
            """Adds the file that only a parameter of the notebook that checks rows names."""
            path = value_at(task, ("notebook_task", "base_parameters", CHECKS_FILE))[1]
            if isinstance(path, str) and path:
                local = f"{self.project.output}/{RULES_FOLDER}/{path}"
                files[f"{self.root}/{local}"] = self._content(local)

        def of_task(task: dict[str, Value]) -> dict[str, Value]:
            rules(task)
            task = with_paths(
                task, _NOTEBOOKS, lambda found: _SUFFIX_OF_NOTEBOOK.sub("", file(found)), from_git=from_git
            )
            task = with_paths(with_paths(task, _FILES, file, from_git=from_git), _FOLDERS, _refuse, from_git=from_git)
            loop = task.get("for_each_task")
            inner = loop.get("task") if isinstance(loop, dict) else None
            if isinstance(loop, dict) and isinstance(inner, dict):
                task = {**task, "for_each_task": {**loop, "task": of_task(inner)}}
            return task

        changed = with_paths(settings, JOB_PATHS, file, from_git=from_git)
        tasks = changed.get("tasks")
        if isinstance(tasks, list):
            changed = {**changed, "tasks": [of_task(task) if isinstance(task, dict) else task for task in tasks]}
        return changed, files

    def _in_project(self, found: LocalPath) -> str:
        """Returns what a generated file names, relative to the project."""
        output = layout_of(self.project).output
        local = found.in_project(output, lambda name: (self.project.folder / name).is_file())
        if local.startswith(f"{output}/"):
            local = f"{self.project.output}{local.removeprefix(output)}"
        if not is_inside(local) or "*" in local:
            raise NeedsCli(
                f"{quoted(local)} is no single file of the project, and only such can be uploaded without the "
                "databricks CLI: name one in the project, or one of the workspace by its full path."
            )
        return local

    def _generated(self, local: str) -> str | None:
        """Returns the text of a generated file; None for another one."""
        output = f"{self.project.output}/"
        if not local.startswith(output):
            return None
        file = GeneratedFile.at(local.removeprefix(output))
        if file is not None and file.kind is FileKind.NOTEBOOK:
            return quality_notebook()
        return (
            self.compilation.files.get(file.moved_to(self.compilation.bundles.get(file.job_key, ""))) if file else None
        )

    def _content(self, local: str) -> bytes:
        if (text := self._generated(local)) is not None:
            return text.encode("utf-8")
        try:
            return read_file(self.project.folder / local, MAX_BYTES_OF_ANY)
        except OSError as error:
            raise NeedsCli(
                f"{quoted(local)} cannot be read ({error.strerror}), so it cannot be uploaded: name a file of the "
                "project, or one of the workspace by its full path."
            ) from None


def _refuse(found: LocalPath) -> str:
    raise NeedsCli(
        f"{quoted(found.path)} is a folder, and only the databricks CLI can upload those: deploy with `ljm deploy`, or "
        "name a folder of the workspace by its full path."
    )
