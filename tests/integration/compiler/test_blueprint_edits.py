"""Edits of rows and blueprints change their own jobs alone, with a cache, without one, and in worker processes."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lakeflow_job_meta.compiler.cache import cache
from lakeflow_job_meta.compiler.parallel import Workers
from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.config.load import load_project
from support.blueprints import INGEST, lines, use
from support.compiling import noting_compiled
from support.examples import examples
from support.project_folder import ProjectFolder, compile_loaded
from support.tables import BOOL, LONG, TEXT, row, write_table

PROJECT = """\
metadata:
  - yaml: metadata/
  - csv: list.csv
    blueprint: ingest
  - delta: list
    blueprint: ${column.kind}
    key: [id]
    with: {owner: "${column.data.owner}", retry: "${column.tries}"}
  - delta: grouped
    blueprint: group
    key: id
    job_per: ${column.team}
  - delta: control
"""
GROUP = """\
  - blueprint: group
    parameters:
      team: {type: text}
      id: {type: text}
      tries: {type: number, default: 1}
    module:
      module_name: group_${param.team}
      sources:
        - each:
            - source_id: load_${param.id}
              execution_order: 1
              transformation_config: {notebook_path: notebooks/load.py, max_retries: "${param.tries}"}
        - {source_id: close, execution_order: 2, transformation_config: {notebook_path: /close}}
"""
BLUEPRINTS = [
    INGEST + GROUP,
    INGEST.replace("notebook_path: /extract", "notebook_path: notebooks/load.py") + GROUP,
    INGEST.replace("notebook_path: /extract", "notebook_path: notebooks/gone.py") + GROUP,
    INGEST.replace("one_of: [full, delta]", "one_of: [full]") + GROUP,
    INGEST.replace("/extract", "your-notebook  # ljm: ignore[placeholder]")
    + GROUP.replace("        - each:", "        - each_as: loop\n          each:"),
    INGEST.replace('${param.mode}"', '${param.mod}"') + GROUP,
    INGEST + GROUP + INGEST.replace("blueprints:\n", ""),
    GROUP.replace("  - blueprint", "blueprints:\n  - blueprint", 1),
    "blueprints: [\n",
    "modules: []\n",
]
HAND = [
    "modules: [{blueprint: ingest, with: {table: hand, owner: me}}]\n",
    "modules: [{blueprint: ingest, with: {table: hand, owner: you, mode: delta}, job_config: {timeout_seconds: 9}}]\n",
    "modules: [{blueprint: ingest, module_name: ingest_a, with: {table: hand}}]\n",
    "modules: [{blueprint: nothing}]\n",
    "modules: []\n",
]
names = st.sampled_from(["a", "b", "c", "A", None])
numbers = st.sampled_from([1, 2, 9, None])
csv_texts = st.builds(
    lambda header, found: header + "".join(f"{','.join(each)}\n" for each in found),
    st.sampled_from(["table,owner,mode\n", "Table,OWNER,x\n", "owner,table,mode\n", "onwer,table,mode\n"]),
    st.lists(st.tuples(*[st.sampled_from(["a", "b", "c", "", "delta", '"x\ny"'])] * 3), max_size=4),
)
LIST = {"id": TEXT, "table": TEXT, "kind": TEXT, "data": TEXT, "tries": LONG}
list_rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": names,
            "table": names,
            "kind": st.sampled_from(["ingest", "ingest", "group", None]),
            "data": st.sampled_from(['{"owner": "me"}', '{"owner": 1}', "{", "{}", None]),
            "tries": numbers,
        }
    ),
    max_size=4,
)
GROUPED = {"id": TEXT, "team": TEXT, "tries": LONG}
grouped_rows = st.lists(
    st.fixed_dictionaries({"id": names, "team": st.sampled_from(["x", "y", None]), "tries": numbers}), max_size=5
)
control_rows = st.lists(
    st.builds(
        use,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["made", "other", "ingest_a"]),
        st.sampled_from(["ingest", "group", None, "nothing"]),
        is_active=st.booleans(),
        parameters=st.sampled_from(
            ['{"table": "t", "owner": "me"}', '{"team": "x", "id": "1"}', '{"team": "x", "id": "2"}', "{", None]
        ),
        transformation_config=st.sampled_from([None, '{"notebook_path": "/own"}']),
        execution_order=st.sampled_from([None, 1]),
    ),
    max_size=4,
)
SOUND_LIST = [{"id": name, "table": name, "kind": "ingest", "data": '{"owner": "me"}', "tries": 1} for name in "xyz"]
SOUND_GROUPS = [{"id": name, "team": team, "tries": 2} for name, team in ("au", "bu", "cv")]
SOUND_CONTROL = [use("x", "made", parameters={"table": "m", "owner": "me"}), row("a", "plain")]


def write_sound(project: ProjectFolder) -> None:
    project.write("job_meta.yml", PROJECT)
    project.write("notebooks/load.py", "# Databricks notebook source\n")
    project.write("metadata/blueprints.yml", BLUEPRINTS[0])
    project.write("metadata/hand.yml", HAND[0])
    project.write("list.csv", "table,owner,mode\na,me,full\nb,me,delta\n")
    write_table(project.path / "list", SOUND_LIST, LIST)
    write_table(project.path / "grouped", SOUND_GROUPS, GROUPED)
    write_table(project.path / "control", SOUND_CONTROL)


class Edits(RuleBasedStateMachine):
    """Edits two projects in the same way; one of them loses its cache after every run."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.remembering, self.forgetful = (ProjectFolder(self.top / name / "p") for name in ("r", "f"))

    @initialize()
    def begin(self) -> None:
        for project in (self.remembering, self.forgetful):
            write_sound(project)

    def write(self, name: str, text: str) -> None:
        for project in (self.remembering, self.forgetful):
            project.write(name, text)

    @rule(text=st.sampled_from(BLUEPRINTS))
    def edit_the_blueprints(self, text: str) -> None:
        self.write("metadata/blueprints.yml", text)

    @rule(text=st.sampled_from(HAND))
    def edit_a_use_by_hand(self, text: str) -> None:
        self.write("metadata/hand.yml", text)

    @rule(text=csv_texts)
    def edit_the_lines(self, text: str) -> None:
        self.write("list.csv", text)

    @rule(found=list_rows)
    def edit_the_rows(self, found: list[dict]) -> None:
        for project in (self.remembering, self.forgetful):
            write_table(project.path / "list", found, LIST)

    @rule(found=grouped_rows)
    def edit_the_groups(self, found: list[dict]) -> None:
        for project in (self.remembering, self.forgetful):
            write_table(project.path / "grouped", found, GROUPED)

    @rule(found=control_rows)
    def edit_the_control_table(self, found: list[dict]) -> None:
        for project in (self.remembering, self.forgetful):
            write_table(project.path / "control", found)

    @rule(is_there=st.booleans())
    def edit_a_notebook(self, is_there: bool) -> None:
        if is_there:
            self.write("notebooks/load.py", "# Databricks notebook source\n")
        else:
            for project in (self.remembering, self.forgetful):
                (project.path / "notebooks/load.py").unlink(missing_ok=True)

    @invariant()
    def a_run_is_the_same_with_and_without(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cache, "LEAST_MODULES", 0)
            with_cache = self.remembering.ljm("generate")
            shutil.rmtree(self.forgetful.path / ".lakeflow-job-meta", ignore_errors=True)
            assert with_cache == self.forgetful.ljm("generate")
            assert self.remembering.generated() == self.forgetful.generated()
            one, other = self.remembering.compile(), self.forgetful.compile()
        for each in fields(one):
            if each.name not in ("jobs", "missing", "present", "units", "library", "bundle"):
                assert getattr(one, each.name) == getattr(other, each.name), each.name
        assert [(job.key, job.settings) for job in one.jobs] == [(job.key, job.settings) for job in other.jobs]
        assert one.kept_jobs.isdisjoint(job.key for job in one.jobs)

    def teardown(self) -> None:
        shutil.rmtree(self.top)


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=examples(25), stateful_step_count=examples(15), deadline=None)


@given(
    st.lists(
        st.tuples(st.sampled_from(["me", "you", "", "${var.x}"]), st.sampled_from(["1", "9", "x", ""])),
        min_size=2,
        max_size=5,
    ),
    st.data(),
)
def test_an_edit_of_one_line_changes_its_own_job_alone(tmp_path_factory, found, data):
    project = ProjectFolder(tmp_path_factory.mktemp("lines") / "p")
    text = ["".join(f"t{chr(97 + number)},{owner},{retry}\n") for number, (owner, retry) in enumerate(found)]
    lines(project, "table,owner,retry\n" + "".join(text))
    before = project.compile()
    place = data.draw(st.integers(0, len(found) - 1))
    key = f"ingest_t{chr(97 + place)}"
    text[place] = data.draw(
        st.sampled_from([f"t{chr(97 + place)},other,3\n", f"t{chr(97 + place)},,\n", f"t{chr(97 + place)},x,bad\n"])
    )
    project.write("list.csv", "table,owner,retry\n" + "".join(text))

    after = project.compile()

    assert {file: text for file, text in before.files.items() if file.job_key != key} == {
        file: text for file, text in after.files.items() if file.job_key != key
    }
    assert before.kept_jobs - {key} == after.kept_jobs - {key}
    changed = {str(each) for each in before.diagnostics} ^ {str(each) for each in after.diagnostics}
    assert all(each.startswith(f"list.csv:{place + 2}") for each in changed)


class TestCache:
    @pytest.fixture
    def project(self, project, monkeypatch) -> ProjectFolder:
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        write_sound(project)
        assert project.ljm("generate").exit_code == 0
        return project

    @pytest.fixture
    def compiled(self, project, monkeypatch) -> list[str]:
        """The names of the modules that are compiled from now on."""
        return noting_compiled(monkeypatch)

    def test_nothing_is_built_when_nothing_changed(self, project, compiled):
        assert (project.ljm("generate").exit_code, compiled) == (0, [])

    def test_of_rows_only_the_job_of_the_row_that_changed_is_built(self, project, compiled):
        project.write("list.csv", "table,owner,mode\na,me,full\nb,you,delta\n")
        write_table(project.path / "list", [{**SOUND_LIST[0], "tries": 2}, *SOUND_LIST[1:]], LIST)
        write_table(project.path / "grouped", [*SOUND_GROUPS, {"id": "d", "team": "v", "tries": 1}], GROUPED)

        done = project.ljm("generate")

        assert compiled == ["ingest_b", "ingest_x", "group_v"]
        assert done.stdout.split("\n")[:-1] == [
            f"update resources/jobs/{name}.yml" for name in ("group_v", "ingest_b", "ingest_x")
        ]

    def test_a_column_that_nothing_uses_and_the_order_of_rows_count_for_nothing(self, project, compiled):
        rows = [{**each, "note": each["id"] * 3} for each in SOUND_LIST[::-1]]
        write_table(project.path / "list", rows, {**LIST, "note": TEXT})

        assert (project.ljm("generate").exit_code, compiled) == (0, [])

    def test_a_line_that_moves_is_not_built_again(self, project, compiled):
        project.write("list.csv", "table,owner,mode\n\nb,me,delta\na,me,full\n")

        assert (project.ljm("generate").exit_code, compiled) == (0, [])

    def test_a_column_of_another_type_counts(self, project, compiled):
        rows = [{**each, "tries": True} for each in SOUND_GROUPS]
        write_table(project.path / "grouped", rows, {**GROUPED, "tries": BOOL})

        done = project.ljm("generate")

        assert compiled == ["group_u", "group_v"]
        assert {each.code for each in done.problems} == {"bad-parameter"}

    def test_an_edit_of_a_blueprint_builds_the_jobs_of_all_its_users(self, project, compiled):
        project.write("metadata/blueprints.yml", BLUEPRINTS[0].replace("/extract", "/other"))

        project.ljm("generate")

        assert set(compiled) >= {"ingest_a", "ingest_b", "ingest_x", "ingest_hand", "made"}
        assert "plain" not in compiled


UNITS = 3 + 150 + 3 + 2 + 2
"""Of the project of the next test: files, lines, rows, groups, and modules of the control table."""


@pytest.mark.slow
def test_worker_processes_change_nothing(project, monkeypatch):
    write_sound(project)
    project.write("list.csv", "table,owner,retry\n" + "".join(f"t{'x' * n},me,{n}\n" for n in range(150)))
    project.write("metadata/wrong.yml", "modules: [{blueprint: ingest, with: {table: w}}, {blueprint: nothing}]\n")
    here: list[str] = []
    real = UnitCompiler.compile_alone
    monkeypatch.setattr(UnitCompiler, "compile_alone", lambda self, unit: here.append(unit.label) or real(self, unit))

    together = compile_loaded(load_project(project.path), workers=lambda: Workers(2, 0, 0, 60))

    assert 0 < len(here) < UNITS - 10
    alone = project.compile()
    assert {each.code for each in alone.diagnostics} == {"bad-parameter", "missing-parameter", "unknown-blueprint"}
    for each in fields(alone):
        if each.name not in ("jobs", "missing", "present", "units", "library", "bundle"):
            assert getattr(together, each.name) == getattr(alone, each.name), each.name
    assert [job.settings for job in together.jobs] == [job.settings for job in alone.jobs]
