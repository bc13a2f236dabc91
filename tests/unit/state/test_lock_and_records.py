"""The lock of a deployment, and what is recorded in the folder of a project."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.state.folder import read_record, state_folder, write_record
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.state.store import JOBS
from lakeflow_job_meta.state.tracking import DeployedJob, known_jobs, record_jobs
from lakeflow_job_meta.tables.local import LocalTable
from lakeflow_job_meta.tables.schema import RowChanges

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")


class TestTheLock:
    def test_the_lock_says_who_holds_it_once_and_goes_on_when_it_is_free(self, tmp_path):
        told: list[str] = []
        with deployment_lock(tmp_path) as handle:
            copy = os.dup(handle)  # as a CLI that outlives us has it

        def sleep(seconds: float) -> None:
            if len(slept) == 3:
                os.close(copy)
            slept.append(seconds)

        slept: list[float] = []
        with deployment_lock(tmp_path, on_wait=told.append, sleep=sleep):
            pass

        assert len(slept) == 4
        (message,) = told
        assert re.fullmatch(
            rf"Waiting for the deployment of process {os.getpid()} on \S+, begun \d{{4}}-\d\d-\d\d .* UTC\.", message
        )

    def test_the_lock_gives_up_after_its_time_and_says_what_to_do(self, tmp_path):
        slept: list[float] = []
        with (
            deployment_lock(tmp_path),
            pytest.raises(
                OperationFailed, match=rf"process {os.getpid()} on .* for more than 60 seconds\. Wait for its end"
            ),
            deployment_lock(tmp_path, wait_seconds=60, sleep=slept.append),
        ):
            pass

        assert sum(slept) == 60

    def test_the_lock_is_free_after_an_error_and_whatever_the_file_says(self, tmp_path):
        (tmp_path / "lock").write_bytes(b"\xff" * 10_000)
        with pytest.raises(RuntimeError), deployment_lock(tmp_path):
            raise RuntimeError

        with deployment_lock(tmp_path, wait_seconds=0):
            assert (tmp_path / "lock").read_text().startswith(f"the deployment of process {os.getpid()} on ")

    def test_a_lock_file_that_cannot_be_opened_is_one_sentence(self, tmp_path):
        (tmp_path / "lock").mkdir()

        with pytest.raises(OperationFailed, match="lock"), deployment_lock(tmp_path):
            pass


class TestRecords:
    def test_records_are_written_whole(self, tmp_path):
        path = tmp_path / "jobs.json"
        write_record(path, {"a": "ä"})

        assert read_record(path) == {"a": "ä"}
        assert [each.name for each in tmp_path.iterdir()] == ["jobs.json"]

    def test_a_crash_while_writing_leaves_the_old_record(self, tmp_path):
        path = tmp_path / "jobs.json"
        write_record(path, {"old": 1})

        with pytest.raises(TypeError):
            write_record(path, {"new": object()})

        assert read_record(path) == {"old": 1}

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"x"'])
    def test_a_damaged_record_says_nothing(self, tmp_path, content):
        (tmp_path / "jobs.json").write_bytes(content)
        assert read_record(tmp_path / "jobs.json") == {}

    def test_a_disk_that_refuses_a_record_is_one_sentence(self, tmp_path):
        (tmp_path / "jobs.json").mkdir()
        with pytest.raises(OperationFailed, match=r"jobs\.json' cannot be written: "):
            write_record(tmp_path / "jobs.json", {})

    def test_a_job_keeps_when_it_was_made_and_is_updated_only_when_it_differs(self, tmp_path):
        records = LocalTable(tmp_path, JOBS)
        names = {"sales": "Sales"}
        made, long_ago = datetime(2000, 1, 1, tzinfo=timezone.utc), datetime(2001, 1, 1, tzinfo=timezone.utc)
        job = DeployedJob("sales", "1", "sales", "https://x/1")
        (first,) = record_jobs(records, records.rows(), "dev", [job], names, metadata_version="t@1")
        old = {**first.as_row(), "created_timestamp": made, "updated_timestamp": long_ago}
        records.write(RowChanges([old]))

        (same,) = record_jobs(records, records.rows(), "dev", [job], names, metadata_version="t@2")
        (sent,) = record_jobs(records, records.rows(), "dev", [job], names, {"sales"}, "t@3")
        (renamed,) = record_jobs(
            records, records.rows(), "dev", [DeployedJob("sales", "1", "new", "u")], {"sales": "Sales"}
        )
        (other,) = record_jobs(
            records, records.rows(), "dev", [DeployedJob("sales", "2", "new", "u")], {"sales": "Sales"}
        )

        assert same.as_row() == old
        assert (sent.created_timestamp, sent.metadata_version) == (made, "t@3")
        assert (renamed.created_timestamp, renamed.job_name) == (made, "new")
        assert renamed.updated_timestamp > long_ago
        assert other.created_timestamp > long_ago
        assert [row["job_id"] for row in records.rows()] == [2]

    def test_a_target_keeps_its_jobs_when_another_one_is_recorded(self, tmp_path):
        records = LocalTable(tmp_path, JOBS)
        record_jobs(records, records.rows(), "dev", [DeployedJob("sales", "1", "sales", "u")], {})

        record_jobs(records, records.rows(), "prod", [DeployedJob("sales", "2", "sales", "u")], {})
        record_jobs(records, records.rows(), "prod", [], {})

        assert [(job.key, job.job_id) for job in known_jobs(records, "dev")] == [("sales", "1")]
        assert known_jobs(records, "prod") == ()

    @pytest.mark.parametrize("target", [None, "dev", "a b", "a/b", "ä", ".", ".."])
    def test_records_are_in_a_folder_of_the_project_that_git_ignores(self, project, target):
        folder = state_folder(load_project(project.path), target)

        root = project.path / ".lakeflow-job-meta"
        assert folder.resolve().parent == root
        assert (root / ".gitignore").read_text() == "*\n"
