"""Projects with blueprints at the command line: fixes, silenced checks, and the control table."""

from __future__ import annotations

import pytest

from support.blueprints import CSV, DELTA, INGEST, control, lines, table, use
from support.project_folder import ProjectFolder
from support.tables import TEXT, row, write_table

WRONG = INGEST.replace("job_config: {tags", "job_config: {max_concurent_runs: 2, tags")


def everything(project: ProjectFolder, *left_out: str) -> dict[str, bytes]:
    return {name: text for name, text in project.everything().items() if not name.startswith(left_out)}


class TestFix:
    def test_files_that_define_or_use_blueprints_are_mended(self, project):
        project.write("metadata/blueprints.yml", WRONG)
        hand = (
            "modules:\n  - blueprint: ingest # keep me\n    with: {table: hand, owner: me}\n    job_config: {%s: 3}\n"
        )
        project.write("metadata/hand.yml", hand % "timeout_secnds")

        done = project.ljm("validate", "--fix")

        assert project.read("metadata/hand.yml") == hand % "timeout_seconds"
        assert project.read("metadata/blueprints.yml") == WRONG.replace("concurent", "concurrent")
        assert done.exit_code == 0

    def test_a_mistake_of_a_blueprint_is_mended_once_for_all_rows(self, project):
        lines(project, "table,owner\na,me\nb,me\nc,me\n", blueprint=WRONG)
        before = everything(project, "metadata/")

        done = project.ljm("validate", "--fix")

        assert (done.exit_code, done.stderr) == (0, "No problems in 3 modules; 1 problem fixed in 1 file.\n")
        assert everything(project, "metadata/") == before

    @pytest.mark.parametrize("marked", ["mode\na,me,ful", "libs\na,me,", "retry\na,me,x"])
    def test_a_csv_file_is_never_touched(self, project, marked):
        lines(project, f"table,owner,{marked}\n")
        before = project.everything()

        project.ljm("validate", "--fix")

        assert project.everything() == before

    def test_a_table_and_the_values_in_it_are_never_touched(self, project):
        rows = [{"table": "a", "owner": "me", "more": '{"a": 1}'}]
        table(project, rows, dict.fromkeys(rows[0], TEXT))
        before = project.everything()

        done = project.ljm("validate", "--fix")

        assert [each.code for each in done.problems] == ["wrong-type"]
        assert project.everything() == before

    def test_a_value_by_hand_is_mended_where_it_stands(self, project):
        text = "modules: [{blueprint: ingest, with: {table: a, owner: me, more: {x: 1.50}}}]\n"
        project.write("metadata/blueprints.yml", INGEST)
        project.write("metadata/hand.yml", text)

        assert project.ljm("validate", "--fix").exit_code == 0
        assert project.read("metadata/hand.yml") == text.replace("1.50", '"1.50"')


class TestSilencedChecks:
    def test_a_comment_at_the_blueprint_silences_a_check_for_all_its_jobs(self, project):
        marked = INGEST.replace("notebook_path: /extract", "notebook_path: gone.py  # ljm: ignore[missing-file]")
        lines(project, "table,owner\na,me\nb,me\n", blueprint=marked)

        done = project.ljm("generate")

        assert (done.exit_code, done.problems, len(project.generated())) == (0, [], 2)

    def test_a_comment_at_a_parameter_silences_that_it_is_unused(self, project):
        marked = INGEST.replace(
            "      libs:   {type: list, required: false}",
            "      libs:   {type: list, required: false} # ljm: ignore[unused-parameter]",
        )
        marked = marked.replace("            libraries: ${param.libs}\n", "")
        lines(project, "table,owner\na,me\n", blueprint=marked)

        assert project.ljm("validate").problems == []

    def test_a_comment_silences_nothing_that_is_always_an_error(self, project):
        marked = INGEST.replace("default: 1}", "default: x} # ljm: ignore[bad-blueprint]")
        lines(project, "table,owner\na,me\n", blueprint=marked)

        assert project.ljm("validate").codes == ["bad-blueprint"]

    def test_the_project_file_silences_for_all(self, project):
        marked = INGEST.replace("notebook_path: /extract", "notebook_path: gone.py")
        lines(project, "table,owner\na,me\n", blueprint=marked, project_file=CSV + "checks: {missing-file: warning}\n")

        assert [each.severity for each in project.ljm("validate").problems] == ["warning"]


class TestControlTable:
    @pytest.fixture(autouse=True)
    def _in_the_project(self, project, monkeypatch):
        monkeypatch.chdir(project.path)

    def test_a_load_writes_out_what_blueprints_come_to(self, project):
        project.write("metadata/blueprints.yml", INGEST)
        project.write(
            "metadata/hand.yml", "modules: [{blueprint: ingest, with: {table: hand, owner: me, active: false}}]\n"
        )
        expected = project.texts()
        project.ljm("table", "create", "--optional-columns", "--delta", "control")

        done = project.ljm("table", "load", "metadata", "--delta", "control")

        assert (done.exit_code, done.problems) == (0, [])
        project.write("job_meta.yml", "metadata: [{delta: control}]\n")
        made = project.texts()["jobs/ingest_hand.yml"]
        strip = [line for line in made.split("\n") if "control" not in line]
        assert strip == [line for line in expected["jobs/ingest_hand.yml"].split("\n") if not line.startswith("# Gen")]

    def test_a_load_with_a_wrong_parameter_changes_nothing(self, project):
        control(project, use("x", "made", parameters={"table": "a", "owner": "me"}))
        project.write("metadata/hand.yml", "modules: [{blueprint: ingest, with: {table: hand}}]\n")
        before = project.everything()

        done = project.ljm("table", "load", "metadata", "--delta", "control")

        assert (done.exit_code, done.codes) == (1, ["missing-parameter"])
        assert project.everything() == before

    def test_rows_of_blueprints_are_not_exported_as_what_they_are_not(self, project):
        control(project, use("x", "made", parameters={"table": "a", "owner": "me"}), row("a", "plain"))

        done = project.ljm("table", "export", "--delta", "control")

        assert (done.exit_code, done.stdout) == (1, "")
        assert "rows of 'made' are made of a blueprint" in done.stderr
        assert 'module_name: "plain"' in project.ljm("table", "export", "plain", "--delta", "control").stdout

    def test_a_parameter_that_changed_is_shown_between_versions(self, project):
        control(project, use("x", "made", parameters={"table": "a", "owner": "me"}), row("a", "plain"))
        write_table(
            project.path / "control", [use("x", "made", parameters={"table": "a", "owner": "you"}), row("a", "plain")]
        )

        done = project.ljm("table", "diff", "0", "1", "--delta", "control")

        assert done.exit_code == 0
        assert "parameters.owner: 'me' -> 'you'" in done.stdout
        assert "plain" not in done.stdout


def test_a_project_of_rows_is_right_as_a_process_of_its_own(project):
    lines(project, "table,owner,retry\na,me,1\nb,me,x\n")

    done = project.run("validate")

    assert done.exit_code == 1
    assert [each.place for each in done.problems] == ["list.csv:3:6"]
    assert done.stderr.endswith("1 error, 0 warnings in 2 modules.\n")


def test_deleting_a_row_deletes_its_job_alone(project):
    lines(project, "table,owner\na,me\nb,me\n")
    project.ljm("generate")
    project.write("list.csv", "table,owner\na,me\n")

    done = project.ljm("generate")

    assert (done.exit_code, done.stdout) == (0, "delete resources/jobs/ingest_b.yml\n")


def test_rows_move_from_a_file_to_a_table_without_a_change_of_their_jobs(project):
    lines(project, "table,owner\na,me\nb,me\n")
    before = project.texts()
    table(
        project, [{"table": name, "owner": "me"} for name in "ab"], {"table": TEXT, "owner": TEXT}, project_file=DELTA
    )

    after = project.texts()

    assert {path: text.split("\n", 1)[1] for path, text in after.items()} == {
        path: text.split("\n", 1)[1] for path, text in before.items()
    }
