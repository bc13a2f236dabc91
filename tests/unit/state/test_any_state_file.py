"""State files in any form: whatever is in them, they are read as nothing or lead to one sentence."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.cli import status
from lakeflow_job_meta.cli.history import _line
from lakeflow_job_meta.cli.status_text import status_lines
from lakeflow_job_meta.deployment.databricks_cli.client import CliResult, DatabricksCli, check_version
from lakeflow_job_meta.deployment.databricks_cli.deployer import jobs_in_summary
from lakeflow_job_meta.deployment.many_bundles.records import BundleRecord, read_bundle_record
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.monitor.status import TargetStatus, health_of
from lakeflow_job_meta.monitor.volume_sync import _still_to_load
from lakeflow_job_meta.planning.model import parse_plan
from lakeflow_job_meta.state.folder import read_record
from lakeflow_job_meta.state.history import Heartbeat, History, after, read_heartbeat, write_heartbeat
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.state.store import HISTORY, JOBS
from lakeflow_job_meta.state.tracking import DeployedJob, known_jobs, record_jobs
from lakeflow_job_meta.tables.local import LocalTable
from support.examples import examples
from support.strategies import trees

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
DEEP = 100_000 * "["
any_number = st.integers() | st.sampled_from([10**30, -(10**30), 10**400, 2**63, -1, 0]) | st.floats()
dates = st.sampled_from(
    [
        *("", "x", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00Z", "99999-01-01", "0001-01-01"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9998-12-31T23:59:59.999+00:00"),
    ]
)
leaves = st.none() | st.booleans() | any_number | st.text() | dates
values = trees(leaves, st.text())
"""What JSON can hold."""


def with_keys_of(names: list[str]) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))


def texts(form: st.SearchStrategy[object]) -> st.SearchStrategy[bytes]:
    """Contents of a file: of the right form, another JSON, or no JSON at all."""
    return (form | values).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)


rows = {schema.suffix: st.lists(with_keys_of([each.name for each in schema.columns])) for schema in (HISTORY, JOBS)}
entry = st.fixed_dictionaries(
    {"run_id": st.text(), "target": st.just("dev")},
    optional={
        "started_timestamp": dates,
        "outcome": st.sampled_from(["deployed", "x"]),
        "created": st.integers(0, 2**31 - 1),
        "duration_seconds": st.floats(0, 1e300),
        "details": with_keys_of(["tokens", "jobs", "broken", "errors", "refused", "files", "failure"]).map(json.dumps),
    },
)
beats = st.fixed_dictionaries(
    {"moment": dates, "outcome": leaves, "failure": leaves, "failures_in_a_row": any_number, "process": any_number},
    optional={"interval_seconds": any_number, "host": leaves | st.just(os.uname().nodename)},
)


def beat(**changes: object) -> bytes:
    """The heartbeat of a monitor of this machine."""
    whole = {
        "moment": NOW.isoformat(),
        "outcome": "idle",
        "failure": "",
        "failures_in_a_row": 0,
        "process": os.getpid(),
    }
    whole |= {"process": os.getpid(), "interval_seconds": 60, "host": os.uname().nodename}
    return json.dumps(whole | changes).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("state")


many = settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])


class TestAnyContent:
    @many
    @given(texts(rows["_history"] | st.lists(entry)), texts(beats))
    @example(DEEP.encode(), DEEP.encode())
    @example(b"[]", beat())
    @example(b"[]", beat(moment="2026-01-31T12:00:00"))
    @example(b"[]", beat(moment="0001-01-01T00:00:00+14:00"))
    @example(b"[]", beat(process=10**30))
    @example(b"[]", beat(interval_seconds=10**400))
    def test_of_history_and_heartbeat_has_a_status_or_is_one_sentence(self, folder, history, heartbeat):
        (folder / "history.json").write_bytes(history)
        (folder / "monitor.json").write_bytes(heartbeat)
        entries = History(LocalTable(folder, HISTORY), "dev")

        with suppress(OperationFailed):
            found = TargetStatus("project", "dev", health_of(entries, folder, "dev", NOW))
            assert [*status_lines(found, NOW)]
            assert json.dumps(status._as_object(found))
            for each in entries.newest(100):
                assert _line(each)
                assert after(NOW, each) > each.started

    @many
    @given(texts(rows["_jobs"]))
    @example(DEEP.encode())
    def test_of_the_record_of_jobs_is_carried_on_or_is_one_sentence(self, folder, content):
        (folder / "jobs.json").write_bytes(content)
        store = LocalTable(folder, JOBS)

        with suppress(OperationFailed):
            known_jobs(store, "dev")
            record_jobs(store, store.rows(), "dev", [DeployedJob("sales", "1", "sales", "https://x/1")], {})
            assert [job.job_id for job in known_jobs(store, "dev")] == ["1"]

    @many
    @given(texts(with_keys_of(["digest", "jobs", "files"])))
    @example(DEEP.encode())
    @example(b'{"digest": 1, "jobs": [{"key": "a", "job_id": "x", "name": "", "url": ""}]}')
    def test_of_a_record_is_read_as_something_or_nothing(self, folder, content):
        (folder / "bundle.json").write_bytes(content)

        record = read_bundle_record(folder)

        assert isinstance(read_record(folder / "bundle.json"), dict)
        assert isinstance(record, BundleRecord)
        assert all(int(job.job_id) >= 0 for job in record.jobs)

    @many
    @given(st.binary(max_size=400))
    def test_of_a_lock_says_who_holds_it_on_one_line_and_is_no_obstacle(self, folder, content):
        (folder / "lock").write_bytes(content)
        told: list[str] = []
        with deployment_lock(folder, wait_seconds=0):
            (folder / "lock").write_bytes(content)
            with pytest.raises(OperationFailed) as raised, deployment_lock(folder, wait_seconds=0, on_wait=told.append):
                pass

        assert all(len(text) < 500 and "\n" not in text and "\x1b" not in text for text in [*told, str(raised.value)])

    @given(st.text(), st.text() | values.map(json.dumps))
    @example("", DEEP)
    def test_of_what_is_left_of_a_volume_is_a_list_of_modules_or_all(self, digest, rest):
        found = _still_to_load(f"{digest} without {rest}", digest)
        assert found is None or all(isinstance(name, str) for name in found)


class TestAnyAnswerOfTheCli:
    @many
    @given(
        texts(st.fixed_dictionaries({"resources": with_keys_of(["jobs"])}, optional={"bundle": values})).map(
            lambda content: content.decode("utf-8", "replace")
        )
    )
    @example(DEEP)
    @example('{"jobs": [1]}')
    @example('{"resources": {"jobs": [1]}}')
    @example('{"resources": {"jobs": {"a": 1}}}')
    @example('{"resources": {"jobs": {"a": {"id": [[]]}}}}')
    @example('{"resources": {"jobs": {"a": {"id": "x"}}}}')
    @example('{"resources": [1]}')
    def test_about_the_jobs_lists_jobs_or_is_one_sentence(self, text):
        with suppress(OperationFailed):
            assert all(int(job.job_id) == int(job.job_id) for job in jobs_in_summary(text))

    @many
    @given(texts(st.fixed_dictionaries({"plan": st.dictionaries(st.text(), with_keys_of(["action", "changes"]))})))
    @example(DEEP.encode())
    def test_about_a_plan_is_a_plan_or_one_sentence(self, content):
        with suppress(OperationFailed):
            parse_plan(content.decode("utf-8", "replace"))

    @many
    @given(texts(with_keys_of(["Version", "Major", "Minor", "Patch"])))
    @example(DEEP.encode())
    @example(b'{"Version": "1", "Major": 1e999, "Minor": 1, "Patch": 1}')
    def test_about_its_version_is_one_or_one_sentence(self, content):
        class Cli(DatabricksCli):
            def run(self, arguments: object, limit_seconds: float) -> CliResult:
                return CliResult(0, content.decode("utf-8", "replace"), "")

        with suppress(ConfigError):
            assert isinstance(check_version(Cli("databricks", Path())), str)


class TestTheStateFolder:
    def test_heartbeats_come_back_in_universal_time(self, tmp_path):
        beat = Heartbeat(NOW, "idle", "", 0, 60.0)
        write_heartbeat(tmp_path, beat)
        assert read_heartbeat(tmp_path) == beat
