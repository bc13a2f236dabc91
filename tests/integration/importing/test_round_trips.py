"""Jobs drawn from the job schema become modules that say the same, or are refused with what `ljm validate` says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lakeflow_job_meta._internal.trees import diff
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.importing.destinations import metadata_files
from lakeflow_job_meta.importing.imports import import_bundle
from lakeflow_job_meta.importing.model import Import
from lakeflow_job_meta.jobs.task_types import BY_BLOCK, COMPUTE_FIELDS, Compute
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.text.yaml_writer import to_yaml
from support.examples import examples
from support.job_settings import jobs, tasks
from support.project_folder import ProjectFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    return ProjectFolder(tmp_path_factory.mktemp("round_trips"))


def imported(folder: ProjectFolder, job: dict[str, Any]) -> Import:
    folder.write("resources/hand.yml", to_yaml({"resources": {"jobs": {"sales": job}}}) + "\n")
    project = load_project(folder.path)
    return import_bundle(project, [str(folder.path / "resources/hand.yml")], metadata_files(project, None))


def job_of(folder: ProjectFolder, found: Import) -> dict[str, Any]:
    """The job that the new module generates, as it stands in the file."""
    file = folder.write("metadata/sales.yml", found.modules[0].text)
    try:
        return read_yaml(folder.texts()["jobs/sales.yml"]).value["resources"]["jobs"]["sales"]
    finally:
        file.unlink()


def same(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    def by_key(job: dict[str, Any]) -> dict[str, Any]:
        return {**job, "tasks": {task["task_key"]: task for task in job["tasks"]}}

    return list(map(str, diff(by_key(one), by_key(other))))


BY_THE_API = {"edit_mode", "format", "deployment"}


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(job=jobs())
def test_a_job_comes_back_as_it_was_or_is_refused_for_what_is_wrong_with_it(folder: ProjectFolder, job):
    found = imported(folder, job)
    if found.modules:
        assert found.is_exact
        assert same(job, job_of(folder, found)) == []
    else:
        (refused,) = found.refused
        assert "would differ" not in refused.reason
        assert refused.reason


@pytest.mark.parametrize("block", sorted(BY_BLOCK))
def test_every_kind_of_task_comes_back_as_it_was(folder: ProjectFolder, block):
    counted = {"imported": 0}
    reasons: set[str] = set()

    @settings(max_examples=examples(50), suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None)
    @given(tasks("a", block))
    def run(task: dict[str, Any]) -> None:
        needs_compute = BY_BLOCK[block].compute in (Compute.ENVIRONMENT, Compute.CLUSTER)
        on_cluster = {"existing_cluster_id": "c"} if needs_compute and not task.keys() & set(COMPUTE_FIELDS) else {}
        job = {"name": "sales", "tasks": [{**task, **on_cluster}]}
        found = imported(folder, job)
        if found.modules:
            counted["imported"] += 1
            assert same(job, job_of(folder, found)) == []
        else:
            reasons.add(found.refused[0].reason)
            assert "would differ" not in found.refused[0].reason

    run()
    assert counted["imported"] > 0, reasons
