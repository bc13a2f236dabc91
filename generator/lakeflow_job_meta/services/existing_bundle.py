"""What a bundle that exists lacks for jobs from metadata. Reads its files, and changes nothing."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakeflow_job_meta.config.bundle import BundleDeclarations, includes, read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import BUNDLE_FILE, PROJECT_FILE, Project, bundle_file_in
from lakeflow_job_meta.errors import ConfigError

_METADATA = "metadata/"


@dataclass(frozen=True, slots=True)
class ExistingBundle:
    """A bundle, with or without a project file.

    Attributes:
        warehouse: What SQL tasks get: its variable for a SQL warehouse, such as `${var.sql_warehouse}`.
        production: Its target for production, which policies speak of.
        includes: The pattern of generated files that its root file lacks below `include`; None where it lacks none.
    """

    project: Project
    root_file: str
    warehouse: str | None
    production: str | None
    includes: str | None

    def lacking(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """Returns those files of a new project that it does not have; examples only where it has no metadata."""
        folder, examples = self.project.folder, {path for path in files if path.startswith((_METADATA, "notebooks/"))}
        left_out = examples if (folder / _METADATA).exists() else set()
        return {
            path: content for path, content in files.items() if path not in left_out and not (folder / path).exists()
        }

    def to_add(self, policies: str | None, written: Container[str]) -> Iterator[tuple[str, str]]:
        """Yields what a person has to add to a file that was there: the file, and the lines.

        Args:
            policies: The file of policies that the project should have.
            written: The files that are new.
        """
        if self.includes is not None:
            yield self.root_file, f"include:\n  - {self.includes}"
        has_policies = bool(self.project.policies) or PROJECT_FILE in written
        if policies is not None and not has_policies:
            yield PROJECT_FILE, f"policies: {policies}"


def look_into_bundle(folder: Path) -> ExistingBundle:
    """Reads the bundle of a folder.

    Raises:
        ConfigError: There is none, or a file of it, or its project file, cannot be read.
    """
    root_file = bundle_file_in(folder)
    if root_file is None:
        raise ConfigError(
            f"There is no {BUNDLE_FILE} in {str(folder)!r}; `ljm init --from starter` makes a new bundle."
        )
    project = load_project(folder)
    bundle = read_bundle_declarations(project)
    if bundle.problems:
        raise ConfigError(f"The bundle in {str(folder)!r} cannot be read.", bundle.problems)
    wanted = f"{project.output}/jobs/*.yml"
    is_included = project.bundles is not None or includes(folder, bundle.root or {}, f"{project.output}/jobs/x.yml")
    return ExistingBundle(
        project, root_file.name, _warehouse(bundle), _production(bundle), None if is_included else wanted
    )


def _production(bundle: BundleDeclarations) -> str | None:
    targets = sorted(bundle.targets or ())
    return next((each for each in targets if bundle.said_for(each)[1].get("mode") == "production"), None)


def _warehouse(bundle: BundleDeclarations) -> str | None:
    named = sorted(name for name in bundle.variables or () if "warehouse" in name.lower())
    return f"${{var.{named[0]}}}" if named else None
