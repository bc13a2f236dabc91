"""The fake workspace's jobs and files, as the real SDK sees them and as tests do."""

from __future__ import annotations

import base64
import io

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    NotFound,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service import jobs
from databricks.sdk.service.iam import AccessControlRequest, PermissionLevel
from databricks.sdk.service.workspace import ImportFormat, ObjectType

from fakes.workspace import FakeWorkspace

NOTEBOOK = jobs.NotebookTask("/Workspace/a")


def create(client: WorkspaceClient, name: str = "sales", tasks: int = 1, **settings: object) -> int:
    """Creates a job of some tasks."""
    given = [jobs.Task(f"t{number}", notebook_task=NOTEBOOK) for number in range(tasks)]
    job_id = client.jobs.create(name=name, tasks=given, **settings).job_id  # type: ignore[arg-type]
    assert job_id is not None
    return job_id


# Jobs


def test_a_job_is_read_with_the_defaults_that_databricks_adds(
    workspace: FakeWorkspace, client: WorkspaceClient
) -> None:
    job = client.jobs.get(create(client))

    assert job.creator_user_name == workspace.identity.user_name
    assert job.settings is not None
    assert (job.settings.timeout_seconds, job.settings.max_concurrent_runs) == (0, 1)
    (task,) = job.settings.tasks or []
    assert task.run_if is jobs.RunIf.ALL_SUCCESS
    assert task.notebook_task is not None
    assert task.notebook_task.source is jobs.Source.WORKSPACE
    assert workspace.jobs.by_name("sales").settings == {
        "name": "sales",
        "tasks": [{"task_key": "t0", "notebook_task": {"notebook_path": "/Workspace/a"}}],
    }


def test_tasks_come_a_hundred_at_a_time(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    job_id = create(client, tasks=250)
    workspace.requests.clear()

    job = client.jobs.get(job_id)

    assert job.settings is not None
    assert len(job.settings.tasks or []) == 250
    assert len(workspace.calls("GET", "/api/2.2/jobs/get")) == 3


def test_reset_replaces_and_update_merges(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    job_id = create(client, tasks=2, description="old")

    new = jobs.Task("t1", notebook_task=jobs.NotebookTask("/Workspace/b"))
    client.jobs.update(job_id, new_settings=jobs.JobSettings(tasks=[new]), fields_to_remove=["description"])

    settings = workspace.jobs.by_name("sales").settings
    assert [task["notebook_task"]["notebook_path"] for task in settings["tasks"]] == ["/Workspace/a", "/Workspace/b"]
    assert "description" not in settings
    client.jobs.reset(job_id, new_settings=jobs.JobSettings(name="other"))
    assert workspace.jobs.by_name("other").settings == {"name": "other"}
    assert workspace.jobs.writes == {"create": 1, "update": 1, "reset": 1}


def test_jobs_are_listed_newest_first_in_pages_and_by_name(client: WorkspaceClient) -> None:
    for number in range(5):
        create(client, f"job {number}", tags={"n": str(number)})

    listed = list(client.jobs.list(limit=2))

    assert [job.settings.name for job in listed if job.settings] == [f"job {number}" for number in (4, 3, 2, 1, 0)]
    assert next(job.settings.tags for job in listed if job.settings) == {"n": "4"}
    assert [job.settings.name for job in client.jobs.list(name="JOB 3") if job.settings] == ["job 3"]


def test_a_job_that_is_gone(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    job_id = create(client)
    client.jobs.delete(job_id)

    with pytest.raises(ResourceDoesNotExist):
        client.jobs.get(job_id)
    with pytest.raises(InvalidParameterValue, match=f"Job {job_id} does not exist"):
        client.jobs.reset(job_id, new_settings=jobs.JobSettings(name="x"))
    assert workspace.jobs.all() == []


def test_a_job_that_is_asked_for_twice_is_there_twice(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    body = {"name": "sales", "idempotency_token": "abc"}

    answers = [client.api_client.do("POST", "/api/2.2/jobs/create", body=body) for _ in range(2)]

    assert answers[0] != answers[1]
    assert workspace.jobs.names() == ["sales", "sales"]


def test_settings_that_cannot_be_are_refused(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    waits = jobs.Task("a", depends_on=[jobs.TaskDependency("nope")], notebook_task=NOTEBOOK)
    workspace.jobs.refusals["bad"] = "Not this one."

    with pytest.raises(BadRequest, match="'nope' does not exist"):
        client.jobs.create(name="x", tasks=[waits])
    with pytest.raises(BadRequest, match="be unique"):
        client.jobs.create(name="x", tasks=[jobs.Task("a"), jobs.Task("a")])
    with pytest.raises(BadRequest, match="Not this one"):
        create(client, "bad")
    assert workspace.jobs.writes == {}


def test_runs_are_started_once_for_each_token(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    job_id = create(client)

    first, second = (client.jobs.run_now(job_id, idempotency_token="t").response.run_id for _ in range(2))

    assert first == second
    assert [run.job_id for run in workspace.jobs.runs] == [job_id]
    assert client.jobs.get_run(int(first or 0)).job_id == job_id


def test_permissions_are_replaced_or_added_and_need_an_owner(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    job_id = str(create(client))
    owner = AccessControlRequest(user_name="a@b.c", permission_level=PermissionLevel.IS_OWNER)
    viewer = AccessControlRequest(group_name="users", permission_level=PermissionLevel.CAN_VIEW)

    client.permissions.set("jobs", job_id, access_control_list=[owner])
    client.permissions.update("jobs", job_id, access_control_list=[viewer])

    assert workspace.jobs.by_name("sales").access == [
        {"user_name": "a@b.c", "permission_level": "IS_OWNER"},
        {"group_name": "users", "permission_level": "CAN_VIEW"},
    ]
    inherited = [entry.group_name for entry in client.permissions.get("jobs", job_id).access_control_list or []]
    assert "admins" in inherited
    with pytest.raises(BadRequest, match="exactly one owner"):
        client.permissions.set("jobs", job_id, access_control_list=[viewer])


def test_tests_edit_and_remove_jobs_without_a_write(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    job_id = create(client)
    workspace.jobs.writes.clear()

    workspace.jobs.edit(job_id, name="by hand", description="x")
    workspace.jobs.edit(job_id, description=None)
    workspace.jobs.edit_task(job_id, "t0", max_retries=3)

    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert (settings.name, settings.description, (settings.tasks or [])[0].max_retries) == ("by hand", None, 3)
    workspace.jobs.remove(job_id)
    assert workspace.jobs.names() == []
    assert workspace.jobs.writes == {}
    with pytest.raises(LookupError, match="0 jobs are named 'sales'"):
        workspace.jobs.by_name("sales")


# Files and folders


def test_a_file_goes_into_a_folder_that_is_there(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match="parent folder"):
        client.workspace.upload("/Shared/new/a.txt", io.BytesIO(b"a"), format=ImportFormat.AUTO)

    client.workspace.mkdirs("/Workspace/Shared/new")
    client.workspace.upload("/Shared/new/a.txt", io.BytesIO(b"a"), format=ImportFormat.AUTO)

    assert client.workspace.get_status("/Workspace/Shared/new/a.txt").object_type is ObjectType.FILE
    assert workspace.tree.paths() == ["/Shared/new/a.txt"]
    assert workspace.tree.read("/Workspace/Shared/new/a.txt") == b"a"
    with client.workspace.download("/Shared/new/a.txt") as content:
        assert content.read() == b"a"


def test_a_file_is_overwritten_only_where_that_is_said(client: WorkspaceClient) -> None:
    first, second = (base64.b64encode(text).decode() for text in (b"1", b"2"))
    client.workspace.import_("/Shared/a", content=first, format=ImportFormat.AUTO)

    with pytest.raises(ResourceAlreadyExists, match="already exists"):
        client.workspace.import_("/Shared/a", content=second, format=ImportFormat.AUTO)
    client.workspace.import_("/Shared/a", content=second, format=ImportFormat.AUTO, overwrite=True)

    exported = client.workspace.export("/Shared/a").content
    assert base64.b64decode(exported or "") == b"2"


def test_a_file_that_says_so_is_a_notebook_and_loses_its_extension(client: WorkspaceClient) -> None:
    content = io.BytesIO(b"# Databricks notebook source\nprint(1)\n")

    client.workspace.upload("/Shared/n.py", content, format=ImportFormat.AUTO)

    status = client.workspace.get_status("/Shared/n")
    assert (status.object_type, str(status.language)) == (ObjectType.NOTEBOOK, "Language.PYTHON")


def test_folders_are_listed_and_deleted_with_what_is_in_them(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    workspace.tree.write("/Shared/f/a", b"a")
    workspace.tree.write("/Shared/f/inner/b", b"b")

    assert [item.path for item in client.workspace.list("/Shared/f")] == ["/Shared/f/a", "/Shared/f/inner"]
    with pytest.raises(BadRequest, match="not empty"):
        client.workspace.delete("/Shared/f")
    client.workspace.delete("/Shared/f", recursive=True)
    with pytest.raises(ResourceDoesNotExist):
        client.workspace.get_status("/Shared/f")
