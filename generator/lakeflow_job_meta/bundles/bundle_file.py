"""The `databricks.yml` of each bundle of a project of many. Pure.

A bundle takes along only what its own jobs need, so that it can be validated, planned and deployed alone, also by the
plain databricks CLI.
"""

from __future__ import annotations

from collections.abc import Iterable

from lakeflow_job_meta.bundles.outline import UP, JobOutline
from lakeflow_job_meta.bundles.shared import Shared
from lakeflow_job_meta.output.markers import JOB_MARKER
from lakeflow_job_meta.output.yaml_writer import to_yaml
from lakeflow_job_meta.project import PROJECT_FILE, Project
from lakeflow_job_meta.values import Value


def bundle_file(project: Project, shared: Shared, bundle: str, jobs: Iterable[JobOutline]) -> str:
    """Returns the text of a bundle's file.

    Args:
        project: The project.
        shared: What the bundles have in common.
        bundle: The bundle's name within the project.
        jobs: Its jobs.
    """
    paths = {path for job in jobs for path in job.uploads}
    content: Value = {
        "bundle": {"name": f"{shared.name}_{bundle}"},
        "include": [f"{project.output}/jobs/*.yml", *(f"{UP}/{path}" for path in shared.include)],
        "sync": {"paths": [*sorted(paths)]},
    }
    return f"{JOB_MARKER.line(PROJECT_FILE)}\n{to_yaml(content)}\n"
