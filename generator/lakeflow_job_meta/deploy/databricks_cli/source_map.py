"""From a place in a generated file to the place in the metadata that it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deploy.databricks_cli.output import CliDiagnostic, CliLocation
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.layout.paths import job_of_path
from lakeflow_job_meta.text.yaml_reader import read_yaml

_JOB = re.compile(r"resources\.jobs\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Knows the generated files of a compilation.

    Attributes:
        compilation: Its jobs know where each setting was written.
    """

    project: Project
    compilation: Compilation

    def knows(self, diagnostic: CliDiagnostic) -> bool:
        """Says whether a message names a place, in the bundle's files or by the name of a job."""
        return bool(diagnostic.locations or diagnostic.settings or _JOB.search(diagnostic.message))

    def tell(self, diagnostic: CliDiagnostic) -> str:
        """Returns a message of the CLI with the place in the metadata, or the CLI's own where there is none."""
        places = [self.of_location(location) or _shown(location) for location in diagnostic.locations]
        names = [*diagnostic.settings, *_JOB.findall(diagnostic.message)]
        places = places or [place for name in names if (place := self.of_setting(name))]
        where = next(iter([*places, *names]), "databricks")
        return f"{where}: {diagnostic.severity.lower()}: {diagnostic.message} [databricks]"

    def job_of(self, diagnostic: CliDiagnostic) -> str | None:
        """Returns the key of the job that a message is about; None where it is about something else."""
        names = [*diagnostic.settings, *_JOB.findall(diagnostic.message)]
        keys = {name.split(".")[2] for name in names if _JOB.match(name)}
        prefix = f"{self.project.output}/jobs/"
        in_files = [location.path for location in diagnostic.locations]
        keys |= {path.removeprefix(prefix).removesuffix(".yml") for path in in_files if path.startswith(prefix)}
        (key,) = keys if len(keys) == 1 else (None,)
        return key if key in self.compilation.jobs.names else None

    def of_location(self, location: CliLocation) -> str | None:
        """Returns the place in the metadata of a position in a generated file."""
        prefix = f"{self.project.output}/"
        name = location.path.removeprefix(prefix)
        text = self.compilation.files.get(name)
        is_of_job = text is not None and location.path.startswith(prefix) and name.startswith("jobs/")
        job = self.compilation.jobs.get(job_of_path(name)) if is_of_job else None
        if text is None or job is None:
            return None
        return str(job.origin_of(_setting_at(text, job, location)))

    def of_setting(self, name: str) -> str | None:
        """Returns the place of the module whose job a configuration path such as `resources.jobs.sales` names."""
        steps = name.split(".")
        job = self.compilation.jobs.get(steps[2]) if steps[:2] == ["resources", "jobs"] and len(steps) > 2 else None
        return str(job.module.origin) if job is not None else None


def _setting_at(text: str, job: Job, location: CliLocation) -> KeyPath:
    """Returns the path of the innermost setting that begins at or before a position."""
    positions = read_yaml(text, with_positions=True).positions
    here = (location.line, location.column)
    before = [path for path, at in positions.items() if (at.key or at.value).start <= here]
    path = max(before, key=lambda path: ((positions[path].key or positions[path].value).start, len(path)), default=())
    start = next((number for number, step in enumerate(path) if step == job.key and path[number - 1] == "jobs"), None)
    return () if start is None else path[start + 1 :]


def _shown(location: CliLocation) -> str:
    return f"{location.path}:{location.line}:{location.column}"
