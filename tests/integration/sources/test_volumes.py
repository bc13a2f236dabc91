"""Metadata in YAML files of a Unity Catalog volume: over the Files API, and where the volume is mounted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.workspace import FakeWorkspace, Fault, FaultKind
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.sources.volume import FilesApi, MountedFiles, VolumeFile, VolumeFiles, VolumeReader, volume_files
from lakeflow_job_meta.workspace.client import ResourceMissing
from support.connections import VOLUME
from support.examples import examples
from support.project_folder import ProjectFolder, module

pytest_plugins = ["support.workspace_fixtures"]

DIRECTORIES = "/api/2.0/fs/directories*"
FILES = "/api/2.0/fs/files/*"
NAMES = (
    "with space.yml", "größe.yml", "表/データ.yaml", "100%.yml", "a+b&c=d.yml", "#1?.yml", "e\u0301.yml",
    "\U0001f600.yml", "it's.yml", "x..yml",
)  # fmt: skip


@pytest.fixture
def read(connection) -> Callable[..., SourceSnapshot]:
    """Reads the volume as a project does."""
    return lambda folder=VOLUME: VolumeReader(folder, FilesApi(connection)).read()


def names(reading: SourceSnapshot) -> list[str]:
    assert [str(problem) for problem in reading.diagnostics] == []
    return [raw.value["module_name"] for raw in reading.modules]  # type: ignore[index, call-overload, misc]


def fill(volume: Path, *paths: str) -> None:
    """Writes a module per file; it is called `m0`, `m1`, ..."""
    for number, path in enumerate(paths):
        (volume / path).parent.mkdir(parents=True, exist_ok=True)
        (volume / path).write_text(module(f"m{number}"), encoding="utf-8")


class TestListing:
    def test_yaml_files_are_read_in_the_order_of_their_paths(self, volume, read):
        fill(volume, "b.yml", "a.yaml", "c/a.yml")
        (volume / "notes.txt").write_text("no metadata")
        assert names(read()) == ["m1", "m0", "m2"]

    def test_folders_are_listed_to_any_depth(self, volume, read):
        fill(volume, "a.yml", "x/b.yml", "x/y/z/c.yml", "w/d.yml")
        (volume / "empty").mkdir()
        assert sorted(names(read())) == ["m0", "m1", "m2", "m3"]

    @pytest.mark.parametrize("folder", [f"{VOLUME}/x", f"{VOLUME}/x/", f"{VOLUME}/x//"])
    def test_a_folder_in_a_volume_may_be_named(self, volume, read, folder):
        fill(volume, "a.yml", "x/b.yml")
        assert names(read(folder)) == ["m1"]

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
    def test_a_listing_of_many_pages_is_read_whole(self, workspace, volume, read, size):
        workspace.files.page_limit = size
        fill(volume, *(f"{number}.yml" for number in range(7)))
        assert len(names(read())) == 7

    def test_a_page_that_fails_is_an_error_never_fewer_files(self, workspace, volume, read):
        workspace.files.page_limit = 1
        fill(volume, "a.yml", "b.yml")
        workspace.faults.add(Fault("GET", DIRECTORIES, FaultKind.INTERNAL_ERROR, after=1))
        reading = read()
        assert (reading.is_unreadable, reading.modules) == (True, ())
        (problem,) = reading.diagnostics
        assert str(problem).startswith(f"{VOLUME}: error: cannot be read: ")

    def test_a_folder_inside_that_fails_is_an_error(self, workspace, volume, read):
        fill(volume, "a.yml", "x/b.yml")
        workspace.faults.add(Fault("GET", f"{DIRECTORIES}/x", FaultKind.FORBIDDEN))
        assert (read().is_unreadable, read().is_unreadable) == (True, False)

    @pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE, FaultKind.TOO_MANY_REQUESTS, FaultKind.CONNECTION_RESET],
                             ids=lambda kind: kind.name)  # fmt: skip
    def test_a_listing_waits_for_what_passes(self, workspace, volume, read, kind):
        fill(volume, "a.yml", "b.yml")
        workspace.faults.add(Fault("GET", DIRECTORIES, kind))
        workspace.faults.add(Fault("GET", FILES, kind))
        assert len(names(read())) == 2

    @pytest.mark.parametrize("path", ["/Volumes/main/etl/nope", f"{VOLUME}/nope"])
    def test_what_is_not_there_is_an_error(self, volume, read, path):
        reading = read(path)
        assert reading.is_unreadable
        assert path in str(reading.diagnostics[0])

    def test_an_empty_volume_is_empty_not_failed(self, volume, read):
        reading = read()
        assert (reading.modules, reading.is_unreadable, reading.diagnostics) == ((), False, ())


class TestFiles:
    def test_names_may_hold_spaces_and_any_unicode(self, volume, read):
        fill(volume, *NAMES)
        reading = read()
        assert sorted(names(reading)) == [f"m{number}" for number in range(len(NAMES))]
        assert {raw.origin.document.label for raw in reading.modules} == {f"{VOLUME}/{name}" for name in NAMES}

    @settings(max_examples=examples(25))
    @given(st.sets(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1,
                           max_size=20), min_size=1, max_size=3))  # fmt: skip
    def test_any_name_that_a_disk_takes_can_be_read(self, volume, read, stems):
        shutil.rmtree(volume)
        fill(volume, *(f"m{stem}.yml" for stem in stems))
        assert len(names(read())) == len(stems)

    def test_a_file_that_vanishes_means_that_the_folder_is_listed_again(self, volume, connection):
        fill(volume, "a.yml", "b.yml", "c.yml")
        vanishing = Vanishing(FilesApi(connection), lambda: (volume / "b.yml").rename(volume / "d.yml"))
        reading = VolumeReader(VOLUME, vanishing).read()
        assert names(reading) == ["m0", "m2", "m1"]
        assert vanishing.listings == 2

    def test_files_that_vanish_again_and_again_are_an_error(self, volume, connection):
        fill(volume, "a.yml")
        files = sorted((volume / f"{number}.yml") for number in range(10))

        def move() -> None:
            (found,) = volume.iterdir()
            found.rename(files.pop())

        reading = VolumeReader(VOLUME, Vanishing(FilesApi(connection), move, times=10)).read()
        assert reading.is_unreadable
        assert "files vanish while they are read" in reading.diagnostics[0].message

    def test_a_volume_that_vanishes_is_an_error(self, volume, connection):
        fill(volume, "a.yml")
        reading = VolumeReader(VOLUME, Vanishing(FilesApi(connection), lambda: shutil.rmtree(volume))).read()
        assert reading.is_unreadable

    @pytest.mark.parametrize("kind", [FaultKind.INTERNAL_ERROR, FaultKind.FORBIDDEN, FaultKind.TRUNCATED_BODY,
                                      FaultKind.BAD_GATEWAY], ids=lambda kind: kind.name)  # fmt: skip
    def test_a_file_that_cannot_be_read_is_an_error_of_the_whole_volume(self, workspace, volume, read, kind):
        fill(volume, "a.yml", "b.yml")
        workspace.faults.add(Fault("GET", f"{FILES}b.yml", kind))
        reading = read()
        assert (reading.is_unreadable, reading.modules) == (True, ())
        assert workspace.token not in str(reading.diagnostics[0])

    def test_a_file_that_is_not_utf_8_is_told_and_the_others_are_read(self, volume, read):
        fill(volume, "a.yml")
        (volume / "b.yml").write_bytes(b"modules:\n# \xfc\n")
        reading = read()
        (problem,) = reading.diagnostics
        assert str(problem) == (
            f"{VOLUME}/b.yml: error: the byte 0xfc at line 2 is not UTF-8; save the file as UTF-8 [unreadable]"
        )
        assert reading.unreadable_labels == {f"{VOLUME}/b.yml"}
        assert len(reading.modules) == 1

    def test_a_byte_order_mark_and_windows_lines_are_fine(self, volume, read):
        (volume / "a.yml").write_bytes(b"\xef\xbb\xbf" + module("m0").replace("\n", "\r\n").encode())
        assert names(read()) == ["m0"]

    @pytest.mark.parametrize("content", [b"", b"modules: [", b"- a", b"\x00"])
    def test_a_file_without_metadata_is_told_with_its_path(self, volume, read, content):
        (volume / "a.yml").write_bytes(content)
        assert [problem.location.path for problem in read().diagnostics] == [f"{VOLUME}/a.yml"]


class Vanishing:
    """The files of a volume in which something happens between a listing and the reading of files."""

    def __init__(self, files: VolumeFiles, happens: Callable[[], object], times: int = 1) -> None:
        self._files = files
        self._happens = happens
        self._times = times
        self.listings = 0

    def listing(self, folder: str) -> list[VolumeFile]:
        found = self._files.listing(folder)
        self.listings += 1
        if self.listings <= self._times:
            self._happens()
        return found

    def read(self, path: str) -> bytes:
        return self._files.read(path)


def paths_in(files: VolumeFiles, folder: str) -> list[str]:
    return [file.path for file in files.listing(folder)]


class TestMounted:
    def test_the_mounted_path_is_taken_where_there_is_one(self, tmp_path, connection):
        assert isinstance(volume_files(str(tmp_path)), MountedFiles)
        assert isinstance(volume_files(str(tmp_path), connection), FilesApi)

    def test_it_gives_the_same_as_the_files_api(self, volume, connection):
        fill(volume, "b.yml", "größe x.yaml", "deep/er/a.yml")
        mounted, remote = MountedFiles(), FilesApi(connection)
        here = {path.removeprefix(str(volume)): mounted.read(path) for path in paths_in(mounted, str(volume))}
        there = {path.removeprefix(VOLUME): remote.read(path) for path in paths_in(remote, VOLUME)}
        assert here == there
        assert len(here) == 3

    def test_what_is_not_there_is_missing(self, tmp_path):
        with pytest.raises(ResourceMissing):
            MountedFiles().listing(str(tmp_path / "nope"))
        with pytest.raises(ResourceMissing):
            MountedFiles().read(str(tmp_path / "nope.yml"))

    def test_what_cannot_be_read_is_an_error(self, tmp_path):
        (tmp_path / "a.yml").mkdir()
        with pytest.raises(OperationFailed):
            MountedFiles().read(str(tmp_path / "a.yml"))


@pytest.fixture
def volume_project(
    project: ProjectFolder, workspace: FakeWorkspace, volume: Path, environment, monkeypatch
) -> ProjectFolder:
    """A project that reads the volume."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    project.write("job_meta.yml", f"metadata: [{{volume: {VOLUME}}}]\n")
    return project


class TestGenerate:
    def test_jobs_come_from_the_volume_and_their_files_say_so(self, volume_project, volume):
        fill(volume, "a.yml", "x/b.yml")
        assert volume_project.ljm("generate").exit_code == 0
        assert f"from {VOLUME}/x/b.yml" in volume_project.read("resources/jobs/m1.yml")

    def test_a_mistake_has_the_place_in_the_volume(self, volume_project, volume):
        (volume / "a.yml").write_text("modules:\n  - module_name: sales\n    sourcs: []\n")
        result = volume_project.ljm("validate")
        assert result.exit_code == 1
        assert {problem.place.rpartition(":")[0].rpartition(":")[0] for problem in result.errors} == {f"{VOLUME}/a.yml"}

    def test_a_volume_that_is_empty_now_removes_nothing(self, volume_project, volume):
        fill(volume, "a.yml")
        volume_project.ljm("generate")
        before = volume_project.generated()
        (volume / "a.yml").unlink()
        result = volume_project.ljm("generate")
        assert (result.exit_code, volume_project.generated()) == (3, before)
        assert "--allow-empty" in result.stderr

    def test_a_volume_that_cannot_be_listed_now_removes_nothing(self, volume_project, volume, workspace):
        workspace.files.page_limit = 1
        fill(volume, "a.yml", "b.yml")
        volume_project.ljm("generate")
        before = volume_project.generated()
        workspace.faults.add(Fault("GET", DIRECTORIES, FaultKind.INTERNAL_ERROR, after=1, times=9))
        result = volume_project.ljm("generate")
        assert (result.exit_code != 0, volume_project.generated()) == (True, before)

    def test_a_file_that_is_gone_removes_its_job(self, volume_project, volume):
        fill(volume, "a.yml", "b.yml")
        volume_project.ljm("generate")
        (volume / "a.yml").unlink()
        assert volume_project.ljm("generate").exit_code == 0
        assert list(volume_project.generated()) == ["jobs/m1.yml"]

    def test_a_file_that_cannot_be_parsed_keeps_its_jobs(self, volume_project, volume):
        fill(volume, "a.yml", "b.yml")
        volume_project.ljm("generate")
        (volume / "a.yml").write_text("modules: [")
        assert volume_project.ljm("generate").exit_code == 1
        assert list(volume_project.generated()) == ["jobs/m0.yml", "jobs/m1.yml"]
