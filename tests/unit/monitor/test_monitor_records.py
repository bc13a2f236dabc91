"""What a monitor remembers, and which deletions it holds back: for whatever there may be.

Pure parts with properties; the whole is tested beside this.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployOptions, Reporter
from lakeflow_job_meta.deployment.pipeline import prepare
from lakeflow_job_meta.deployment.policy import Allowance, Audience, refused_deletions
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile
from lakeflow_job_meta.layout.layout import SingleBundle
from lakeflow_job_meta.monitor.watcher import SourceVersions
from lakeflow_job_meta.output.changes import Change, FileChange, FileChanges
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.state.history import (
    History,
    HistoryEntry,
    MonitorState,
    Outcome,
    after,
    entry_of_row,
    shortened,
)
from lakeflow_job_meta.state.store import HISTORY
from lakeflow_job_meta.tables.local import LocalTable
from lakeflow_job_meta.text.markers import JOB_MARKER
from support.project_folder import compile_loaded, module

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
lists_of_texts = st.lists(texts, max_size=3).map(tuple)
maps = st.dictionaries(texts, texts, max_size=3)
states = st.builds(
    MonitorState,
    tokens=maps,
    jobs=texts,
    broken=lists_of_texts,
    errors=lists_of_texts,
    refused=st.lists(st.builds(PolicyViolation, texts, texts, lists_of_texts), max_size=2).map(tuple),
    files=maps,
    failure=texts,
    owners=lists_of_texts,
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc)).map(
    lambda moment: after(moment, None)
)
counts = st.integers(0, 100_000)
entries = st.builds(
    HistoryEntry,
    target=texts,
    started=moments,
    duration_seconds=st.integers(0, 10**7).map(lambda number: number / 1000),
    metadata_version=texts,
    outcome=st.sampled_from(Outcome),
    created=counts,
    changed=counts,
    deleted=counts,
    state=states,
)


class TestEntries:
    def test_a_refused_change_is_recorded_with_its_jobs_and_one_reason(self):
        state = MonitorState(refused=(PolicyViolation("Two jobs would be deleted.", "Allow it.", ("a", "b")),))
        entry = HistoryEntry("dev", datetime(2026, 1, 1, tzinfo=timezone.utc), 1.0, "", Outcome.REFUSED, 0, 0, 0, state)

        details = json.loads(str(entry.as_row()["details"]))

        reason = "Two jobs would be deleted. Allow it."
        assert details["refused"] == [{"jobs": ["a", "b"], "reason": reason, "remedy": "Allow it."}]

    @given(entries)
    def test_are_read_as_they_were_written(self, entry):
        assert entry_of_row(entry.as_row()) == entry

    @given(entries)
    def test_come_back_from_the_disk_as_they_were(self, tmp_path_factory, entry):
        history = History(LocalTable(tmp_path_factory.mktemp("state"), HISTORY), entry.target)
        history.add(entry, None)
        assert history.last() == entry

    @given(
        entries,
        st.none()
        | texts
        | st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda below: st.lists(below) | maps).map(
            json.dumps
        ),
    )
    def test_whose_details_are_damaged_remember_nothing(self, entry, details):
        read = entry_of_row({**entry.as_row(), "details": details})

        assert read.state == MonitorState()
        assert (read.run_id, read.started, read.created) == (entry.run_id, entry.started, entry.created)

    @given(
        entries,
        st.sampled_from(["tokens", "jobs", "broken", "errors", "refused", "files", "failure"]),
        st.none() | st.just(5),
        st.booleans(),
    )
    def test_of_which_one_detail_is_damaged_can_be_read(self, entry, name, value, is_missing):
        details = json.loads(str(entry.as_row()["details"]))
        details = {key: each for key, each in details.items() if key != name} | ({} if is_missing else {name: value})

        read = entry_of_row({**entry.as_row(), "details": json.dumps(details)})

        assert isinstance(read.state, MonitorState)
        assert not is_missing or read.state == MonitorState()

    @given(entries)
    def test_entries_without_values_can_be_read(self, entry):
        row = dict.fromkeys(entry.as_row())

        read = entry_of_row({**row, "run_id": "1", "target": "dev"})

        assert (read.outcome, read.created, read.duration_seconds) == (Outcome.FAILED, 0, 0.0)
        assert read.started.tzinfo is not None

    @given(entries, states)
    def test_say_the_same_only_when_nothing_has_happened(self, entry, state):
        again = HistoryEntry(entry.target, entry.started, 0.0, "x", entry.outcome, 0, 0, 0, state)
        assert again.repeats(entry) == (state == entry.state)
        assert not again.repeats(None)

    @given(moments, st.timedeltas(timedelta(days=-900), timedelta(days=900)), entries)
    def test_are_later_than_the_one_before_whatever_the_clock_says(self, moment, moved, last):
        assert after(moment + moved, last) > last.started

    @given(st.lists(st.text(max_size=2000), max_size=20))
    def test_entries_keep_no_endless_errors(self, errors):
        kept = shortened(errors * 100)

        assert len(kept) <= 1000
        assert max(map(len, kept), default=0) <= 500
        assert list(kept[: len(errors)]) == [error[:500] for error in errors]


tokens = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"))


class TestTokens:
    @given(tokens, tokens, st.sets(st.sampled_from("abcd")))
    def test_a_source_that_cannot_be_reached_has_not_changed_and_is_remembered(self, before, now, away):
        seen = SourceVersions(
            {source: token for source, token in now.items() if source not in away}, dict.fromkeys(away, "no")
        )

        assert not away & set(seen.changed_since(before))
        assert {source: seen.carried_over(before).get(source) for source in away} == {
            source: before.get(source) for source in away
        }

    @given(tokens, tokens)
    def test_what_is_remembered_has_not_changed(self, before, now):
        seen = SourceVersions(now, {})
        assert seen.changed_since(seen.carried_over(before)) == ()
        assert set(seen.changed_since(before)) == {
            source for source in {*before, *now} if before.get(source) != now.get(source)
        }


# Deletions --------------------------------------------------------------------------------------------------------

SOURCES = ("metadata/", "main.etl.control", "left-the-project-file")


def reading(source: str, *, failed: bool = False) -> SourceSnapshot:
    return SourceSnapshot(source, (), (), failed, lambda label: label.startswith(source))


@st.composite
def deletions(draw: st.DrawFn) -> tuple[FileChanges, Compilation, dict[str, str]]:
    """Changes that delete the files of some jobs, what was compiled, and which source each job came from."""
    origins = draw(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(SOURCES), max_size=6))
    changes = [
        change
        for key, source in sorted(origins.items())
        for change in (
            FileChange(job_file(key), JOB_MARKER.line(f"{source}{key}.yml") + "\n", None),
            FileChange(GeneratedFile("", FileKind.SQL, key, "q"), "", None),
        )
    ]
    others = [
        FileChange(job_file("x"), None, "x"),
        FileChange(job_file("y"), "1", "2"),
        FileChange(GeneratedFile("", FileKind.SQL, "y", "old"), "", None),
    ]
    states = {source: draw(st.sampled_from(["present", "empty", "failed"])) for source in SOURCES[:2]}
    readings = {source: reading(source, failed=state == "failed") for source, state in states.items()}
    jobs = (object(),) if draw(st.booleans()) else ()
    compilation = Compilation(
        jobs,  # type: ignore[arg-type]
        {},
        (),
        frozenset(),
        frozenset(),
        tuple(readings[source] for source, state in states.items() if state != "present"),
        tuple(readings[source] for source, state in states.items() if state == "present"),
        1,
    )
    kept = draw(st.sampled_from([(), (job_file("k"),)]))
    given_changes = [*draw(st.permutations(others)), *changes] if jobs else changes
    layout = SingleBundle(Project(Path(), SourceRef(UnreadableDocument("job_meta.yml"))))
    return FileChanges(layout, Path(), tuple(given_changes), kept=kept), compilation, origins


def job_file(key: str) -> GeneratedFile:
    return GeneratedFile("", FileKind.JOB, key)


def refused(case: tuple[FileChanges, Compilation, dict[str, str]], allowed: int, *, emptying: bool) -> list[str]:
    changes, compilation, _ = case
    violations = refused_deletions(changes, compilation, Allowance(allowed, emptying), Audience.COMMAND)
    return [key for violation in violations for key in violation.jobs]


class TestRefusedDeletions:
    @given(deletions(), st.integers(0, 7), st.booleans())
    def test_no_more_jobs_go_than_are_allowed(self, case, allowed, emptying):
        assert len(case[2].keys() - set(refused(case, allowed, emptying=emptying))) <= allowed

    @given(deletions(), st.integers(0, 7))
    def test_no_job_goes_that_may_be_of_a_missing_source(self, case, allowed):
        _, compilation, origins = case

        present = {reading.source for reading in compilation.present}
        going = {origins[key] for key in origins.keys() - set(refused(case, allowed, emptying=False))}
        assert not compilation.missing or going <= present

    @given(deletions(), st.integers(0, 7), st.booleans())
    def test_only_jobs_that_would_go_are_refused_and_each_once(self, case, allowed, emptying):
        found = refused(case, allowed, emptying=emptying)

        assert len(found) == len(set(found))
        assert set(found) <= case[2].keys()

    @given(deletions(), st.integers(0, 7))
    def test_the_last_jobs_of_all_stay_whatever_number_is_allowed(self, case, allowed):
        changes, compilation, origins = case

        if origins and not compilation.jobs and not changes.kept:
            assert refused(case, allowed, emptying=False)

    @given(deletions())
    def test_with_everything_allowed_nothing_is_refused(self, case):
        assert refused(case, 99, emptying=True) == []

    @pytest.mark.parametrize("settings", ["{}", "bundles: {jobs_per_bundle: 2}"])
    def test_a_refused_job_stays_with_all_of_its_files_and_everything_else_goes_on(self, project, settings):
        sql = "sql_task: {warehouse_id: w, sql_query: SELECT 1}"
        project.write("databricks.yml", "bundle: {name: etl}\ninclude: [shared.yml]\n")
        project.write("shared.yml", "targets: {dev: {}}\n")
        project.write("job_meta.yml", settings)
        for name in "abc":
            project.write(f"metadata/{name}.yml", module(name).replace("notebook_path: /Workspace/a", sql))
        project.ljm("generate")
        (project.path / "metadata" / "a.yml").unlink()
        project.write("metadata/b.yml", module("b"))
        project.write("metadata/d.yml", module("d"))

        options = DeployOptions(hold_back=True)
        prepared = prepare(load_project(project.path), options, Reporter(), compile_loaded, writes_files=True)

        assert [violation.jobs for violation in prepared.violations] == [("a",)]
        assert {(file.kind, file.job_key) for file in prepared.changes.kept} == {
            (FileKind.JOB, "a"),
            (FileKind.SQL, "a"),
        }
        assert {
            (change.kind, change.file.kind, change.file.job_key)
            for change in prepared.changes.changes
            if change.file.kind is not FileKind.BUNDLE
        } == {
            (Change.UPDATE, FileKind.JOB, "b"),
            (Change.DELETE, FileKind.SQL, "b"),
            (Change.CREATE, FileKind.JOB, "d"),
        }
