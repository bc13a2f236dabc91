"""Files as a source: what cannot be read keeps the jobs that came from it, and nothing is passed over in silence."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.project_folder import ProjectFolder, module
from support.slow import one_in

NOBODY = 65534


@contextlib.contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Lets permissions bind, for root too; the folder becomes that of the user."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def project() -> Iterator[ProjectFolder]:
    """A project where every user may go: the tests' own folder is closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield ProjectFolder(folder / "project")
    finally:
        shutil.rmtree(folder)


class TestUnreadable:
    @pytest.mark.parametrize(
        "sources",
        [
            "[{yaml: metadata/pipelines}, {yaml: metadata/*.yml}]",
            "[{yaml: metadata/*.yml}, {yaml: metadata/pipelines/*.yml}]",
            "[{yaml: metadata/*.yml}, {yaml: 'metadata/*/*.yml'}]",
            "[{yaml: metadata}]",
            "[{yaml: 'metadata/**/*.yml'}]",
        ],
    )
    @pytest.mark.parametrize("flags", [[], ["--allow-empty"]])
    def test_a_folder_that_may_not_be_listed_deletes_none_of_its_jobs(self, project, sources, flags):
        project.write("job_meta.yml", f"metadata: {sources}\n")
        project.write("metadata/a.yml", module("a"))
        project.write("metadata/pipelines/b.yml", module("b"))
        assert project.ljm("generate").exit_code == 0
        before = project.generated()
        closed = project.path / "metadata" / "pipelines"
        with unprivileged(project.path):
            closed.chmod(0)
            result = project.ljm("generate", *flags)
            closed.chmod(0o755)
        assert result.exit_code in (1, 3)
        assert "Permission denied" in result.stderr
        assert "metadata/pipelines" in result.stderr
        assert project.generated() == before

    def test_a_file_that_may_not_be_read_deletes_none_of_its_jobs(self, project):
        project.write("metadata/a.yml", module("a"))
        project.write("metadata/b.yml", module("b"))
        project.ljm("generate")
        before = project.generated()
        with unprivileged(project.path):
            (project.path / "metadata" / "b.yml").chmod(0)
            result = project.ljm("generate")
        assert [(problem.place, problem.code) for problem in result.errors] == [("metadata/b.yml", "unreadable")]
        assert project.generated() == before

    def test_a_folder_behind_a_link_that_is_not_mounted_deletes_none_of_its_jobs(self, project):
        project.write("metadata/a.yml", module("a"))
        project.write("../share/b.yml", module("b"))
        link = project.path / "metadata" / "team"
        link.symlink_to("../../share")
        assert project.ljm("generate").stdout == "create resources/jobs/a.yml\ncreate resources/jobs/b.yml\n"
        before = project.generated()
        shutil.rmtree(project.path.parent / "share")
        result = project.ljm("generate", "--allow-empty")
        assert result.exit_code == 1
        assert "metadata/team" in result.stderr
        assert project.generated() == before


class TestNothingIsPassedOver:
    def test_a_file_whose_suffix_is_in_capitals_is_read(self, project):
        project.write("metadata/a.yml", module("a"))
        project.write("metadata/b.yml", module("b"))
        project.ljm("generate")
        (project.path / "metadata" / "b.yml").rename(project.path / "metadata" / "b.YML")
        assert project.ljm("generate").stdout == "update resources/jobs/b.yml\n"

    def test_a_folder_that_became_a_link_keeps_its_jobs_unchanged(self, project):
        project.write("metadata/team/a.yml", module("a"))
        project.ljm("generate")
        (project.path / "metadata" / "team").rename(project.path / "moved")
        (project.path / "metadata" / "team").symlink_to("../moved")
        result = project.ljm("generate")
        assert (result.exit_code, result.stdout) == (0, "")

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
    @pytest.mark.parametrize("command", ["generate", "validate"])
    def test_a_device_or_a_pipe_behind_a_link_is_no_metadata(self, project, target, command):
        project.write("metadata/a.yml", module("a"))
        project.write("metadata/b.yml", module("b"))
        project.ljm("generate")
        before = project.generated()
        os.mkfifo(project.path / "pipe")
        (project.path / "metadata" / "b.yml").unlink()
        (project.path / "metadata" / "b.yml").symlink_to(project.path / target)
        (problem,) = project.ljm(command).errors
        assert problem.place == "metadata/b.yml"
        assert "it is a device, a pipe or a socket, and no regular file" in problem.message
        assert project.generated() == before


class TestLabels:
    @pytest.mark.parametrize("name", [b"a\tb.yml", b"a\nb.yml", b"\xe4.yml", b"a\\u0009.yml", "ü\x85.yml".encode()])
    def test_a_file_of_any_name_that_cannot_be_parsed_keeps_its_jobs(self, project, name):
        file = project.path / "metadata" / os.fsdecode(name)
        project.write("metadata/other.yml", module("other"))
        file.write_text(module("sales"))
        assert project.ljm("generate").exit_code == 0
        before = project.generated()
        assert project.ljm("generate").stdout == ""
        file.write_text("modules: [")
        assert project.ljm("generate").exit_code == 1
        assert project.generated() == before


FILES = {
    "job_meta.yml": "metadata: [{yaml: metadata}]\ntemplates: {job: templates/job.yml.j2}\n",
    "databricks.yml": "bundle: {name: x}\ninclude: [resources/jobs/*.yml, more.yml]\n",
    "more.yml": "variables: {a: {default: b}}\n",
    "metadata/a.yml": module("a", notebook="src/nb.py"),
    "metadata/b.yml": module("b").replace(
        "notebook_path: /Workspace/a", "sql_task: {warehouse_id: w, sql_query: 'SELECT 1'}"
    ),
    "src/nb.py": "# Databricks notebook source\n",
    "templates/job.yml.j2": "{{ marker }}\n{% include 'lakeflow_job_meta/job.yml.j2' %}\n",
}


class TestWhatIsNoFile:
    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
    @pytest.mark.parametrize("name", one_in(3, [*FILES, "resources/jobs/a.yml", "resources/sql/b/a.sql"]))
    def test_a_device_or_a_pipe_in_the_place_of_any_file_ends_in_a_sentence(self, project, name, target):
        for file, text in FILES.items():
            if file not in ("templates/job.yml.j2", "job_meta.yml") or file == name:
                project.write(file, text)
        project.ljm("generate")
        os.mkfifo(project.path / "pipe")
        (project.path / name).unlink()
        (project.path / name).symlink_to(project.path / target)
        for command in (["validate"], ["generate"], ["plan", "--against", "HEAD"], ["validate", "--fix"]):
            result = project.ljm(*command)
            assert "Traceback" not in result.stderr
            assert result.exit_code in (0, 1, 2, 3)
