"""Renders a job's files with Jinja, and proves that they hold what the job holds.

Pure, but for reading the templates. A template is code of this project or of the user; a metadata value never is.
Values reach the text through the `yaml` filters only, and the text is parsed again and compared with the job, so that
no template can change, drop or add a setting unseen; of jobs that differ in plain texts alone, one for all that the
built-in template writes (`forms.py`).
"""

from __future__ import annotations

import marshal
import traceback
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, cast

from markupsafe import Markup

from lakeflow_job_meta._internal.fs import shipped
from lakeflow_job_meta._internal.text import quoted, quoted_apart
from lakeflow_job_meta._internal.trees import ABSENT, Difference, Value, diff
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location
from lakeflow_job_meta.diagnostics.rules import TEMPLATE
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.layout.generated_file import job_path, task_file_path
from lakeflow_job_meta.render.forms import Forms
from lakeflow_job_meta.text.markers import JOB_MARKER, SQL_MARKER, one_line
from lakeflow_job_meta.text.yaml_reader import misread_by_go_yaml, read_yaml
from lakeflow_job_meta.text.yaml_writer import Unwritable, to_yaml, to_yaml_key

if TYPE_CHECKING:
    from lakeflow_job_meta.render.sandbox import OverLimit, Sandbox

OWN_TEMPLATE = "job.yml.j2"
SHIPPED_PREFIX = "lakeflow_job_meta"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files of one job, by path below the output folder, or the reason why there are none."""

    files: dict[str, str]
    diagnostics: tuple[Diagnostic, ...] = ()


class _Wrong(Exception):
    """The template or its result is wrong; the message says how."""


class Renderer:
    """Renders the jobs of one project, whose folder is where its own templates are found.

    Attributes:
        project_templates: The text of every template of the project that was used; None where there is none.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._name = project.job_template or f"{SHIPPED_PREFIX}/{OWN_TEMPLATE}"
        self.project_templates: dict[str, str | None] = {}
        self._over_limit: OverLimit | None = None
        self._forms = Forms(self._proven)

    def render(self, job: Job) -> Rendered:
        """Renders one job: its YAML file, and each file of its tasks."""
        marker = JOB_MARKER.line(job.module.label)
        try:
            body = self._proven(job) if self._project.job_template is not None else self._forms.text_of(job)
        except _Wrong as error:
            location = Location(self._name, _line_in_template(error.__cause__ or error, self._name))
            return Rendered({}, (Diagnostic(TEMPLATE.severity, TEMPLATE.code, str(error), location),))
        except Unwritable as error:
            return Rendered({}, (TEMPLATE.at(job.module.origin, f"a value cannot be written as YAML: {error}"),))
        files = {job_path(job.key): f"{marker}\n{body}"}
        for file in job.files:
            body = file.text if file.text.endswith("\n") else file.text + "\n"
            line = (SQL_MARKER if file.folder == "sql" else JOB_MARKER).line(job.module.label)
            files[task_file_path(file.folder, job.key, file.name)] = f"{line}\n{body}"
        return Rendered(files)

    def _proven(self, job: Job) -> str:
        """Returns what the file of a job has behind the marker; raises _Wrong where that is not the job."""
        marker = JOB_MARKER.line(job.module.label)
        text = self._render(job, marker)
        self._compare(text, marker, _document(job))
        return text[len(marker) + 1 :]

    @cached_property
    def _sandbox(self) -> Sandbox:
        # Most runs find all files in the cache, and do without Jinja.
        from lakeflow_job_meta.render.sandbox import Sandbox

        sandbox = Sandbox(self._source)
        sandbox.filters["yaml"] = lambda value, indent=0: Markup(to_yaml(value, indent))
        sandbox.filters["yaml_key"] = lambda value: Markup(to_yaml_key(value))
        sandbox.filters["comment"] = lambda value: Markup(f"# {one_line(str(value))}")
        return sandbox

    def _source(self, name: str) -> tuple[str, str] | None:
        """Finds a template: one of ours, or one of the project's, which is kept and stays the same for the run."""
        from lakeflow_job_meta.render.sandbox import read_template

        ours = shipped("templates")
        if name == f"{SHIPPED_PREFIX}/{OWN_TEMPLATE}":
            return (ours / OWN_TEMPLATE).read_text(encoding="utf-8"), str(ours / OWN_TEMPLATE)
        if name not in self.project_templates:
            is_named = name == self._name
            self.project_templates[name] = read_template(self._project.folder, name, is_named=is_named)
        known = self.project_templates[name]
        return None if known is None else (known, str(self._project.folder / name))

    def _render(self, job: Job, marker: str) -> str:
        from jinja2 import TemplateError, TemplateNotFound

        from lakeflow_job_meta.render.sandbox import OverLimit, TemplateRefused

        view = {
            "key": job.key,
            "settings": job.settings,
            "tasks": job.tasks,
            "targets": list(job.targets),
            "settings_in": {target: job.in_target(target).settings for target in job.targets},
            "module_name": job.module.module_name,
            "source": job.module.label,
        }
        try:
            if self._over_limit is not None:
                # What takes so long for one job would take that long for each.
                raise _Wrong(str(self._over_limit)) from self._over_limit
            return self._sandbox.render_within_limits(self._name, job=view, marker=Markup(marker))
        except (Unwritable, _Wrong):
            raise
        except TemplateRefused as error:
            self._over_limit = error if isinstance(error, OverLimit) else None
            raise _Wrong(str(error)) from error
        except TemplateNotFound as error:
            raise _Wrong(f"there is no template {quoted(error.name)}") from error
        except TemplateError as error:
            raise _Wrong(f"the template failed: {error.message or error}") from error
        except Exception as error:  # a template is the user's code and may fail in any way
            raise _Wrong(f"the template failed: {type(error).__name__}: {error}") from error

    def _compare(self, text: str, marker: str, expected: Value) -> None:
        """Proves that the text is the job, or raises _Wrong."""
        if not text.startswith(marker + "\n"):
            raise _Wrong("the first line must be the marker, {{ marker }}: by it the file is known to be generated")
        if self._project.job_template is None:
            import yaml12

            # Our own template writes nothing but what the filters wrote; the fast reader is enough for that.
            actual, faults = cast(Value, yaml12.parse_yaml(text)), []
        else:
            read = read_yaml(text)
            actual, faults = read.value, read.faults or list(islice(misread_by_go_yaml(text), 1))
        if faults:
            raise _Wrong(f"the result cannot be read: line {faults[0].mark.line}: {faults[0].message}")
        # Only written, never read back: the fastest form in which different values, and 1 and true, are different.
        is_same = marshal.dumps(actual, 2) == marshal.dumps(expected, 2)
        if not is_same and (difference := next(diff(expected, actual), None)) is not None:
            raise _Wrong(f"the template does not write the job as it is: {_in_words(difference)}")


def _document(job: Job) -> Value:
    """Returns what the file of a job must hold."""
    if not job.targets:
        return {"resources": _resources(job)}
    return {"targets": {target: {"resources": _resources(job.in_target(target))} for target in job.targets}}


def _resources(job: Job) -> Value:
    return {"jobs": {job.key: job.settings}}


def _in_words(difference: Difference) -> str:
    path = difference.path
    around, name = (".".join(map(str, steps)) or "the document" for steps in (path[:-1], path))
    if difference.after is ABSENT:
        return f"{around} lacks {path[-1]!r}"
    if difference.before is ABSENT:
        return f"{around} has {path[-1]!r}, which the job does not have"
    before, after = quoted_apart(*difference.shown)
    return f"{name} is {after}, but the job has {before}"


def _line_in_template(error: BaseException, name: str) -> int | None:
    line: int | None = getattr(error, "lineno", None)
    if line is not None:
        return line
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(name)]
    return frames[-1].lineno if frames else None
