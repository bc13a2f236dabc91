"""A project of many bundles: its own files, and where its jobs are."""

from __future__ import annotations

from support.project_folder import ProjectFolder

ROOT = "bundle: {name: etl}\ninclude: [shared.yml]\n"
SHARED = "variables: {x: {default: a}}\ntargets: {dev: {default: true}, prod: {}}\n"


def places(project: ProjectFolder) -> dict[str, str]:
    """Returns the bundle of each job that has a file."""
    return {path.stem: path.parts[-4] for path in sorted(project.path.glob("bundles/*/resources/jobs/*.yml"))}
