"""Where each generated file of a project goes: below the output folder, or into one of many bundles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import BUNDLE_FILE, Project
from lakeflow_job_meta.layout.bundle_file import bundle_file
from lakeflow_job_meta.layout.common_config import read_common_config
from lakeflow_job_meta.layout.job_summary import JobSummary, summarize_job
from lakeflow_job_meta.layout.on_disk import in_bundle, is_bundle_file
from lakeflow_job_meta.layout.paths import job_of_path
from lakeflow_job_meta.output.read_back import jobs_in_files


def placed_files(project: Project, compilation: Compilation) -> dict[str, str]:
    """Returns the files of the jobs by their paths below the folder of generated files."""
    if project.bundles is None:
        return compilation.files
    bundles = compilation.bundles
    return {f"{bundles[job_of_path(path)]}/{project.output}/{path}": text for path, text in compilation.files.items()}


def bundle_files(
    project: Project, compilation: Compilation, kept: Mapping[str, str], on_disk: Iterable[str]
) -> dict[str, str]:
    """Returns the file of each bundle of a project of many.

    A bundle that has lost its last job keeps its file: by it the next deployment knows that the job is to go.

    Args:
        project: The project.
        compilation: Its jobs.
        kept: The texts of files that no job asks for and that stay, by path.
        on_disk: The paths of all generated files.

    Raises:
        ConfigError: What the bundles share is not right for each.
    """
    if project.bundles is None:
        return {}
    shared = read_common_config(project)
    jobs: dict[str, list[JobSummary]] = {path.split("/")[0]: [] for path in on_disk if is_bundle_file(path)}
    ours = ((compilation.bundles[job.key], job) for job in compilation.outlines)
    for bundle, job in [*ours, *_kept_jobs(project, kept)]:
        jobs.setdefault(bundle, []).append(job)
    return {f"{name}/{BUNDLE_FILE}": bundle_file(project, shared, name, found) for name, found in jobs.items()}


def _kept_jobs(project: Project, kept: Mapping[str, str]) -> Iterator[tuple[str, JobSummary]]:
    for path, text in kept.items():
        for key, job in jobs_in_files({in_bundle(path): text}).items():
            yield path.split("/")[0], summarize_job(project, key, job.settings)
