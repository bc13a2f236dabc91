"""`ljm validate --fix` and `--diff`: what is written, what is only shown, and what is never touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.services.fixes import Fixes, apply_fixes, plan_fixes
from support.project_folder import ProjectFolder, compile_loaded, module
from support.tables import row, write_table

WRONG = """\
# Sales, of every country.
modules:
  - module_name: sales   # keep me
    job_config: {max_concurent_runs: "3", tags: {cost: 1.50}}
    sources:
      - source_id: 'orders'
        execution_ordr: "1"
        is_active: "yes"

        transformation_config:   # the task
          notebook_path: /Workspace/a
          max_retry: 2
"""
RIGHT = (
    WRONG.replace('max_concurent_runs: "3"', "max_concurrent_runs: 3")
    .replace("1.50", '"1.50"')
    .replace('execution_ordr: "1"', "execution_order: 1")
    .replace('"yes"', "true")
    .replace("max_retry:", "max_retries:")
)


def metadata(project: ProjectFolder) -> bytes:
    return (project.path / "metadata" / "a.yml").read_bytes()


class TestFix:
    def test_safe_suggestions_are_applied_and_every_other_byte_stays(self, project):
        project.write("metadata/a.yml", WRONG)

        result = project.ljm("validate", "--fix")

        assert metadata(project).decode() == RIGHT
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "No problems in 1 module; 7 problems fixed in 1 file.\n"

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
    def test_line_ends_and_a_byte_order_mark_stay(self, project, mark, line_end):
        file = project.write("metadata/a.yml", WRONG)
        file.write_bytes(mark + WRONG.encode().replace(b"\n", line_end))

        assert project.ljm("validate", "--fix").exit_code == 0

        assert metadata(project) == mark + RIGHT.encode().replace(b"\n", line_end)

    def test_a_second_run_finds_nothing_to_fix_and_touches_no_file(self, project):
        file = project.write("metadata/a.yml", WRONG)
        project.ljm("validate", "--fix")
        before = file.stat()

        result = project.ljm("validate", "--fix")

        assert result.stderr == "No problems in 1 module; 0 problems fixed in 0 files.\n"
        assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)

    def test_what_is_left_is_shown_and_decides_the_exit_code(self, project):
        project.write("metadata/a.yml", module("a").replace("execution_order: 1", 'execution_order: "1"'))
        project.write("metadata/b.yml", module("b").replace("execution_order: 1", "execution_order: first"))

        result = project.ljm("validate", "--fix")

        assert (result.exit_code, result.codes) == (1, ["wrong-type"])
        assert result.problems[0].place == "metadata/b.yml:5:26"
        assert result.stderr.endswith("1 error, 0 warnings in 2 modules; 1 problem fixed in 1 file.\n")
        assert metadata(project).decode() == module("a")

    def test_a_suggestion_that_is_not_safe_is_left_to_a_person(self, project):
        text = module("a").replace("{notebook_path: /Workspace/a}", "{notebook_path: /Workspace/a, run_if: ALL_DONNE}")
        project.write("metadata/a.yml", text)
        result = project.ljm("validate", "--fix")
        assert (result.exit_code, result.codes, metadata(project).decode()) == (1, ["unknown-value"], text)

    def test_the_rest_comes_in_the_format_that_is_asked_for(self, project):
        project.write("metadata/a.yml", WRONG.replace("source_id: 'orders'", "source_id: ''"))
        result = project.ljm("validate", "--fix", "--format", "json")
        assert [problem["line"] for problem in json.loads(result.stdout)] == [6]

    @pytest.mark.skipif(os.name != "posix", reason="needs modes and links")
    def test_the_mode_of_a_file_and_a_link_to_it_stay(self, project):
        file = project.write("shared/a.yml", WRONG)
        file.chmod(0o640)
        (project.path / "metadata").mkdir()
        (project.path / "metadata" / "a.yml").symlink_to("../shared/a.yml")

        project.ljm("validate", "--fix")

        assert (project.path / "metadata" / "a.yml").is_symlink()
        assert file.read_text() == RIGHT
        assert file.stat().st_mode & 0o777 == 0o640
        assert [path.name for path in file.parent.iterdir()] == ["a.yml"]

    def test_a_disk_that_refuses_is_said_in_words_and_leaves_the_file_whole(self, project, monkeypatch):
        project.write("metadata/a.yml", WRONG)

        def full(*arguments: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        result = project.ljm("validate", "--fix")

        assert (result.exit_code, metadata(project).decode()) == (1, WRONG)
        assert result.stderr.endswith("error: 'metadata/a.yml' cannot be written: No space left on device.\n")
        assert [path.name for path in (project.path / "metadata").iterdir()] == ["a.yml"]


class TestNotApplied:
    def test_what_an_alias_repeats_is_left_alone(self, project):
        text = """\
modules:
  - module_name: a
    sources:
      - source_id: x
        execution_order: 1
        transformation_config: &task {notebook_path: /Workspace/a, max_retry: 2}
      - source_id: y
        execution_order: 1
        transformation_config: *task
"""
        project.write("metadata/a.yml", text)
        result = project.ljm("validate", "--fix")
        assert (result.exit_code, metadata(project).decode()) == (1, text)
        assert "metadata/a.yml:6:68: not applied: an alias or a merge key repeats it elsewhere\n" in result.stderr

    def test_a_row_of_a_table_is_never_changed(self, project):
        project.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
        config = '{"notebook_path": "/Workspace/a", "max_retry": 2}'
        write_table(project.path / "data/control", [row("a", "sales", transformation_config=config)])
        before = project.everything()

        result = project.ljm("validate", "--fix")

        assert result.exit_code == 1
        place = "data/control[module_name=sales, source_id=a].transformation_config:1:35"
        assert f"{place}: not applied: in a table\n" in result.stderr
        assert {name: content for name, content in project.everything().items() if name in before} == before

    def test_a_key_of_the_project_file_is_left_alone(self, project):
        project.write("job_meta.yml", "outptu: x\n")
        assert project.ljm("validate", "--fix").exit_code == 2
        assert project.read("job_meta.yml") == "outptu: x\n"


class TestFilesThatChange:
    def planned(self, project: ProjectFolder) -> Fixes:
        loaded = load_project(project.path)
        compiled = compile_loaded(loaded)
        return plan_fixes(loaded, compiled, lambda contents: compile_loaded(loaded, contents=contents))

    def test_a_file_that_changes_before_it_is_written_is_left_alone(self, project):
        file = project.write("metadata/a.yml", WRONG)
        project.write("metadata/b.yml", module("b").replace("execution_order", "execution_ordr"))
        planned = self.planned(project)
        file.write_text("modules: []  # somebody works here\n")

        done = apply_fixes(load_project(project.path), planned)

        assert file.read_text() == "modules: []  # somebody works here\n"
        assert done.not_applied == ("metadata/a.yml: not applied: the file has changed since it was read",)
        assert project.read("metadata/b.yml") == module("b")

    def test_a_file_that_changes_while_it_is_checked_is_left_alone(self, project):
        file = project.write("metadata/a.yml", module("a").replace("execution_order", "execution_ordr"))
        loaded = load_project(project.path)
        compiled = compile_loaded(loaded)
        file.write_text(f"# one line more\n{file.read_text()}")

        planned = plan_fixes(loaded, compiled, lambda contents: compile_loaded(loaded, contents=contents))

        assert planned.files == ()
        assert [line.partition(": ")[2] for line in planned.not_applied] == [
            "not applied: the file has changed since it was read"
        ]

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everything")
    def test_a_file_that_is_read_only_is_left_alone(self, project):
        file = project.write("metadata/a.yml", WRONG)
        file.chmod(0o444)
        assert "not applied: the file is read-only" in project.ljm("validate", "--fix").stderr
        assert file.read_text() == WRONG


class TestDiff:
    def test_it_shows_what_would_be_fixed_and_writes_nothing(self, project):
        project.write("metadata/a.yml", WRONG)

        result = project.ljm("validate", "--diff")

        assert metadata(project).decode() == WRONG
        assert result.exit_code == 1
        assert result.stdout.startswith("--- a/metadata/a.yml\n+++ b/metadata/a.yml\n@@ ")
        assert "-          max_retry: 2\n+          max_retries: 2\n" in result.stdout
        assert "[unknown-field]" in result.stderr
        assert result.stderr.endswith(" in 1 module; 7 problems to fix in 1 file.\n")

    def test_it_fails_where_there_is_something_to_fix_even_without_an_error(self, project):
        project.write("job_meta.yml", "checks: {unknown-value: warning}\n")
        text = module("a").replace("{notebook_path: /Workspace/a}", "{notebook_path: /Workspace/a, run_if: all_done}")
        project.write("metadata/a.yml", text)
        assert project.ljm("validate").exit_code == 0
        assert project.ljm("validate", "--diff").exit_code == 1

    def test_it_is_silent_where_nothing_is_to_fix(self, project):
        project.write("metadata/a.yml", module("a"))
        result = project.ljm("validate", "--diff")
        assert (result.exit_code, result.stdout) == (0, "")

    @pytest.mark.skipif(shutil.which("patch") is None, reason="needs patch")
    @pytest.mark.parametrize(
        "text", [WRONG, WRONG.rstrip("\n"), WRONG.replace("\n", "\r\n"), WRONG.replace("keep", "ü\x85")]
    )
    def test_patch_makes_of_it_what_fix_writes(self, project, text):
        project.write("metadata/a.yml", "").write_bytes(text.encode())
        diff = project.ljm("validate", "--diff").stdout
        subprocess.run(["patch", "-p1", "--binary"], input=diff.encode(), cwd=project.path, check=True, timeout=30)
        patched = metadata(project)
        (project.path / "metadata" / "a.yml").write_bytes(text.encode())

        project.ljm("validate", "--fix")

        assert patched == metadata(project)

    def test_together_with_fix_it_only_shows(self, project):
        project.write("metadata/a.yml", WRONG)
        project.ljm("validate", "--fix", "--diff")
        assert metadata(project).decode() == WRONG

    def test_another_format_would_be_a_second_output(self, project):
        result = project.ljm("validate", "--diff", "--format", "json")
        assert result.exit_code == 2
        assert "--diff and --format both write to stdout" in result.stderr
