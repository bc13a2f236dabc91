"""The `databricks.yml` of each bundle of a project of many. Pure.

A bundle takes along only what its own jobs need, so that it can be validated, planned and deployed alone, also by the
plain databricks CLI.
"""

from __future__ import annotations

from collections.abc import Iterable

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import PROJECT_FILE, Project
from lakeflow_job_meta.layout.common_config import CommonConfig
from lakeflow_job_meta.layout.job_summary import UP, JobSummary
from lakeflow_job_meta.text.markers import JOB_MARKER
from lakeflow_job_meta.text.yaml_writer import to_yaml


def bundle_file(project: Project, shared: CommonConfig, bundle: str, jobs: Iterable[JobSummary]) -> str:
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
