"""The `databricks.yml` of each bundle of a project of many, and what all of them share.

What `databricks.yml` of the project and the shared files declare must be right for every bundle: refused is what the
bundles would not see, and what would make them overwrite each other. A bundle takes along only what its own jobs need,
so that it can be validated, planned and deployed alone, also by the plain databricks CLI.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.bundle import BundleDeclarations, BundleFile, holds_resources
from lakeflow_job_meta.config.model import BUNDLE_FILE, PROJECT_FILE, Project
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.layout.job_summary import UP, JobSummary
from lakeflow_job_meta.text.markers import JOB_MARKER
from lakeflow_job_meta.text.yaml_writer import to_yaml

_OF_THE_ROOT = ("bundle", "include", "resources", "sync")
"""What `databricks.yml` may say for itself alone."""

_WORKSPACE_PATHS = ("root_path", "state_path", "file_path", "artifact_path")
_OWN = ("${bundle.name}", "${workspace.root_path}")
"""A path in the workspace with one of these in it is another one for each bundle."""


@dataclass(frozen=True, slots=True)
class CommonConfig:
    """What the bundles share: what their names begin with, and files that they include, relative to the project."""

    name: str
    include: tuple[str, ...]


def bundle_file(output: str, common: CommonConfig, bundle: str, jobs: Iterable[JobSummary]) -> str:
    """Returns the text of a bundle's file; `output` is the folder for generated files in each bundle."""
    uploads = {path for job in jobs for path in job.uploads}
    content: Value = {
        "bundle": {"name": f"{common.name}_{bundle}"},
        "include": [f"{output}/jobs/*.yml", *(f"{UP}/{path}" for path in common.include)],
        "sync": {"paths": [*sorted(uploads)]},
    }
    return f"{JOB_MARKER.line(PROJECT_FILE)}\n{to_yaml(content)}\n"


def common_config(project: Project, declared: BundleDeclarations) -> CommonConfig:
    """Returns what the bundles of a project share; raises ConfigError where it is not right for every bundle."""
    root = declared.root
    if root is None:
        raise ConfigError(f"'bundles' in job_meta.yml needs a {BUNDLE_FILE}, and there is none that can be read.")
    name = value_at(root, ("bundle", "name"))[1]
    if not isinstance(name, str) or not name or "${" in name:
        raise ConfigError(
            f"{BUNDLE_FILE} has no plain name below 'bundle:'; the names of all bundles of the project begin with it."
        )
    files = dict(_inside(project, declared.files))
    unread = [path for path, content in files.items() if content is None]
    if unread:
        raise ConfigError(f"{listing(unread)} cannot be read, and all bundles of the project include it.")
    contents = {path: content for path, content in files.items() if content is not None}
    problems = [*_not_shared(root, contents), *(problem for file in contents.items() for problem in _mistakes(*file))]
    if problems:
        raise ConfigError(" ".join(problems))
    return CommonConfig(name, tuple(files))


def _inside(project: Project, files: Iterable[BundleFile]) -> Iterator[tuple[str, dict[str, Value] | None]]:
    for file in files:
        if not file.path.resolve().is_relative_to(project.folder):
            raise ConfigError(f"{str(file.path)!r} is outside the project, and cannot be included by its bundles.")
        yield file.path.resolve().relative_to(project.folder).as_posix(), file.content


def _not_shared(root: dict[str, Value], files: dict[str, dict[str, Value]]) -> Iterator[str]:
    lost = [key for key in root if key not in _OF_THE_ROOT and not any(key in file for file in files.values())]
    if lost:
        yield (
            f"{BUNDLE_FILE} itself says {listing(lost)}, which the bundles of the project would not see. Move that to "
            f"a file of its own, such as shared.yml, and name the file below 'include:' in {BUNDLE_FILE}."
        )


def _mistakes(path: str, file: dict[str, Value]) -> Iterator[str]:
    if holds_resources(file):
        yield f"{path} holds resources, which every bundle would deploy; take it out of 'bundles.include'."
    for where, workspace in _workspaces(file):
        for key in _WORKSPACE_PATHS:
            value = workspace.get(key)
            if isinstance(value, str) and not any(own in value for own in _OWN):
                yield (
                    f"{path}: {where}.{key} is {quoted(value)} for every bundle, so that they would overwrite each "
                    "other. Put ${bundle.name} into it."
                )


def _workspaces(file: dict[str, Value]) -> Iterator[tuple[str, dict[str, Value]]]:
    targets = file.get("targets")
    owners = {f"targets.{name}.": target for name, target in targets.items()} if isinstance(targets, dict) else {}
    for where, owner in {"": file, **owners}.items():
        workspace = owner.get("workspace") if isinstance(owner, dict) else None
        if isinstance(workspace, dict):
            yield f"{where}workspace", workspace
