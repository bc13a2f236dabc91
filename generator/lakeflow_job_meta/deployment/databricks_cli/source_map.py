"""Source map: position in a generated file to location in the metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.databricks_cli.output import CliDiagnostic, CliLocation, with_options_explained
from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile
from lakeflow_job_meta.text.yaml_reader import read_yaml

_JOB = re.compile(r"resources\.jobs\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Maps positions in the generated files of a compilation to the metadata."""

    project: Project
    compilation: Compilation

    def covers(self, diagnostic: CliDiagnostic) -> bool:
        """Says whether a message names a location, in the bundle's files or by the name of a job."""
        return bool(diagnostic.locations or diagnostic.settings or _JOB.search(diagnostic.message))

    def located(self, diagnostic: CliDiagnostic) -> str:
        """Returns a message of the CLI with its location in the metadata, or the CLI's own where there is none."""
        found = [self.of_location(location) or str(location) for location in diagnostic.locations]
        names = [*diagnostic.settings, *_JOB.findall(diagnostic.message)]
        found = found or [location for name in names if (location := self.of_setting(name))]
        where = next(iter([*found, *names]), "databricks")
        return f"{where}: {diagnostic.severity.lower()}: {with_options_explained(diagnostic.message)} [databricks]"

    def job_of(self, diagnostic: CliDiagnostic) -> str | None:
        """Returns the key of the job that a message is about; None where it is about something else."""
        keys = self._keys_in(diagnostic)
        (key,) = keys if len(keys) == 1 else (None,)
        return key if key in self.compilation.jobs.names else None

    def is_about_generated(self, diagnostic: CliDiagnostic) -> bool:
        """Says whether a message is about a job that was generated, among others."""
        return not self._keys_in(diagnostic).isdisjoint(self.compilation.jobs.names)

    def _keys_in(self, diagnostic: CliDiagnostic) -> set[str]:
        names = [*diagnostic.settings, *_JOB.findall(diagnostic.message)]
        files = [self._job_file(location) for location in diagnostic.locations]
        return {name.split(".")[2] for name in names if _JOB.match(name)} | {file.job_key for file in files if file}

    def of_location(self, location: CliLocation) -> str | None:
        file = self._job_file(location)
        text = self.compilation.files.get(file) if file is not None else None
        job = self.compilation.jobs.get(file.job_key) if file is not None else None
        if text is None or job is None:
            return None
        variant, path = job.of_file(_path_at(text, location)) or (job, ())
        return str(variant.origin_of(path))

    def _job_file(self, location: CliLocation) -> GeneratedFile | None:
        """Returns the file of a job that a location is in; the CLI names it from the folder of its bundle."""
        output = f"{self.project.output}/"
        file = GeneratedFile.at(location.path.removeprefix(output)) if location.path.startswith(output) else None
        if file is None or file.kind is not FileKind.JOB:
            return None
        return file.moved_to(self.compilation.bundles.get(file.job_key, ""))

    def of_setting(self, name: str) -> str | None:
        """Returns the location of the module whose job a configuration path such as `resources.jobs.sales` names."""
        steps = name.split(".")
        job = self.compilation.jobs.get(steps[2]) if steps[:2] == ["resources", "jobs"] and len(steps) > 2 else None
        return str(job.module.origin) if job is not None else None


def _path_at(text: str, location: CliLocation) -> KeyPath:
    """Returns the path of the innermost setting that begins at or before a position."""
    positions = read_yaml(text, with_positions=True).positions
    here = (location.line, location.column)
    before = [path for path, at in positions.items() if (at.key or at.value).start <= here]
    return max(before, key=lambda path: ((positions[path].key or positions[path].value).start, len(path)), default=())
