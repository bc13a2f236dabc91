"""Which files a path or a pattern names: the listing of the disk and the rule for labels are one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal import listing
from lakeflow_job_meta._internal.listing import FilePattern

YAML = (".yml", ".yaml")
NAMES = ("a", "b.yml", "c.YAML", ".hidden", ".d.yml", "e.txt", "m.yml")
STEPS = (*NAMES, "*", "**", "?", "*.yml", "[ab]*", ".*", ".")


def labels(folder: Path, pattern: str) -> list[str]:
    return [label for label, _ in FilePattern(folder, pattern, YAML).files()]


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


class TestOneRule:
    @given(
        st.lists(st.sampled_from(STEPS), min_size=1, max_size=4).map("/".join),
        st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple), max_size=8),
    )
    def test_what_is_listed_is_exactly_what_is_covered(self, tmp_path_factory, pattern, paths):
        folder = tmp_path_factory.mktemp("listing")
        for path in paths:
            # One name may be asked to be a file and a folder; the first has it.
            if not any((folder / Path(*path[:n])).is_file() for n in range(1, len(path))):
                write(folder, *(["/".join(path)] if not folder.joinpath(*path).exists() else []))
        rule = FilePattern(folder, pattern, YAML)
        there = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]

        try:
            found = [label for label, _ in rule.files()]
        except (FileNotFoundError, NotADirectoryError):
            found = []

        assert found == sorted(filter(rule.covers, there))

    @given(
        st.lists(st.sampled_from(["a", "b.yml", "*", "**", "a*"]), min_size=1, max_size=4),
        st.lists(st.sampled_from(["a", "b.yml", "ab", "c.yml"]), min_size=1, max_size=5),
    )
    def test_a_star_ends_at_a_slash_and_two_stand_for_any_number_of_folders(self, steps, names):
        steps = steps if any("*" in step for step in steps[:-1]) else [*steps, "*"]
        # As a regular expression over names that each end with a slash.
        parts = {"**": "(?:[^/]+/)*"} | {step: step.replace("*", "[^/]*") + "/" for step in {*steps, "*"} - {"**"}}
        last = [parts["*"]] if steps[-1] == "**" else []  # what ends in `**` means the files in those folders
        expected = re.fullmatch("".join([*(parts[step] for step in steps), *last]), "/".join([*names, ""])) is not None

        assert FilePattern(Path("/p"), "/".join(steps)).covers("/".join(names)) == expected

    @pytest.mark.parametrize(
        ("source", "label", "is_covered"),
        [
            ("metadata", "metadata/a.yml", True),
            ("metadata/", "metadata/deep/a.yaml", True),
            ("./metadata//", "metadata/A.YML", True),
            ("a/../metadata", "metadata/a.yml", True),
            (".", "a.yml", True),
            ("../other", "../other/a.yml", True),
            ("/p/metadata", "metadata/a.yml", True),
            ("/elsewhere", "../elsewhere/a.yml", True),
            ("sales.txt", "sales.txt", True),
            ("metadata/*.yml", "metadata/a.yml", True),
            ("metadata/*.yml", "metadata/deep/a.yml", False),
            ("metadata/**/*.yml", "metadata/a.yml", True),
            ("metadata/**/a.yml", "metadata/x/y/a.yml", True),
            ("metadata/?.yml", "metadata/ab.yml", False),
            ("../*/a.yml", "../other/a.yml", True),
            ("metadata", "metadata2/a.yml", False),
            ("metadata", "metadata/a.txt", False),
            ("metadata", "metadata/.a.yml", False),
            ("metadata", "metadata/.git/a.yml", False),
            (".", "../a.yml", False),
            ("metadata", "main.etl.control", False),
        ],
    )
    def test_a_label_belongs_to_a_source_or_not(self, source, label, is_covered):
        assert FilePattern(Path("/p"), source, YAML).covers(label) == is_covered


class TestLinks:
    def test_a_folder_behind_a_link_is_read(self, tmp_path):
        write(tmp_path, "elsewhere/deep/a.yml", "metadata/b.yml")
        (tmp_path / "metadata" / "team").symlink_to("../elsewhere")
        assert labels(tmp_path, "metadata") == ["metadata/b.yml", "metadata/team/deep/a.yml"]

    def test_a_folder_that_is_there_twice_is_read_once_by_its_own_path(self, tmp_path):
        write(tmp_path, "metadata/v2/a.yml")
        (tmp_path / "metadata" / "current").symlink_to("v2")
        assert labels(tmp_path, "metadata") == ["metadata/v2/a.yml"]
        assert labels(tmp_path, "metadata/*/a.yml") == ["metadata/v2/a.yml"]

    @pytest.mark.parametrize("target", [".", "..", "../..", "/", "inner"])
    def test_a_circle_of_links_ends(self, tmp_path, target):
        write(tmp_path, "p/other.yml", "p/metadata/a.yml", "p/metadata/inner/b.yml")
        (tmp_path / "p" / "metadata" / "link").symlink_to(target)
        (tmp_path / "p" / "metadata" / "inner" / "back").symlink_to("..")
        assert labels(tmp_path / "p", "metadata") == ["metadata/a.yml", "metadata/inner/b.yml"]

    def test_a_link_that_leads_nowhere_is_an_error_and_not_an_empty_folder(self, tmp_path):
        write(tmp_path, "metadata/a.yml")
        (tmp_path / "metadata" / "team").symlink_to("/not/mounted")
        with pytest.raises(FileNotFoundError):
            labels(tmp_path, "metadata")

    def test_a_link_to_itself_is_an_error(self, tmp_path):
        write(tmp_path, "metadata/a.yml")
        (tmp_path / "metadata" / "loop").symlink_to("loop")
        with pytest.raises(OSError, match="symbolic links"):
            labels(tmp_path, "metadata")

    def test_a_link_to_nowhere_that_the_pattern_does_not_lead_through_is_no_error(self, tmp_path):
        write(tmp_path, "metadata/a.yml")
        (tmp_path / "metadata" / "team").symlink_to("/not/mounted")
        assert labels(tmp_path, "metadata/*.yml") == ["metadata/a.yml"]


class TestErrors:
    @pytest.mark.parametrize("pattern", ["metadata", "metadata/**/*.yml", "metadata/*/a.yml"])
    def test_a_folder_that_cannot_be_listed_is_an_error(self, tmp_path, pattern):
        write(tmp_path, "metadata/a.yml")
        handle = os.open(tmp_path / "metadata", os.O_RDONLY)
        for _ in range(20):  # a path of more than 4096 bytes can be made step by step, and not be listed
            os.mkdir("x" * 250, dir_fd=handle)
            below = os.open("x" * 250, os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = below
        os.close(handle)
        if pattern == "metadata/*/a.yml":
            assert labels(tmp_path, pattern) == []  # it is not looked at that far down
        else:
            with pytest.raises(OSError, match="File name too long"):
                labels(tmp_path, pattern)

    def test_a_pattern_of_half_the_disk_is_an_error(self, tmp_path, monkeypatch):
        write(tmp_path, *(f"metadata/{n}/{m}.yml" for n in range(10) for m in range(10)))
        monkeypatch.setattr(listing, "MOST_ENTRIES", 109)
        with pytest.raises(OSError, match="more than 109 files and folders; name a smaller one"):
            labels(tmp_path, "metadata")
        monkeypatch.setattr(listing, "MOST_ENTRIES", 110)
        assert len(labels(tmp_path, "metadata")) == 100

    def test_a_pipe_with_the_name_of_a_file_is_not_passed_over(self, tmp_path):
        write(tmp_path, "metadata/a.yml")
        os.mkfifo(tmp_path / "metadata" / "b.yml")
        assert labels(tmp_path, "metadata") == ["metadata/a.yml", "metadata/b.yml"]
