"""Whether there is anything to upload: the fingerprint of the files that a bundle takes along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.deployment.databricks_cli.fingerprint import fingerprint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")


file_names = st.text(st.sampled_from("abä "), min_size=1, max_size=3).filter(lambda name: name.strip() == name)
trees_of_files = st.dictionaries(file_names, st.binary(max_size=4), max_size=3)


def filled(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.txt").write_bytes(content)
    return folder


class TestTheFingerprint:
    @given(trees_of_files, trees_of_files)
    def test_differs_if_and_only_if_a_file_does(self, tmp_path_factory, one, other):
        folder = tmp_path_factory.mktemp("files")
        digests = [fingerprint(filled(folder / name, files)) for name, files in (("one", one), ("other", other))]

        assert (digests[0] == digests[1]) == (one == other)

    def test_content_cannot_be_taken_for_another_file(self, tmp_path):
        one = filled(tmp_path / "one", {"a": b"x\0b.txt\0y"})
        other = filled(tmp_path / "other", {"a": b"x", "b": b"y"})

        assert fingerprint(one) != fingerprint(other)

    def test_the_names_of_folders_count_for_the_fingerprint(self, project):
        before = fingerprint(project.path)
        project.write("notebooks/a.py", "1")
        first = fingerprint(project.path)
        (project.path / "notebooks").rename(project.path / "other")

        assert len({before, first, fingerprint(project.path)}) == 3

    @pytest.mark.parametrize(
        "name", [".databricks/state", ".lakeflow-job-meta/dev/x", ".git/HEAD", "__pycache__/a.pyc"]
    )
    def test_what_is_not_uploaded_does_not_count(self, project, name):
        before = fingerprint(project.path)
        project.write(name, "x")
        assert fingerprint(project.path) == before

    def test_a_link_that_leads_nowhere_and_a_pipe_are_left_out(self, project):
        (project.path / "link").symlink_to("nowhere")
        os.mkfifo(project.path / "pipe")

        assert fingerprint(project.path)
