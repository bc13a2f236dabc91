"""Where generated files are: a file and its path say the same, and a layout finds on disk what it puts there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.config.model import Bundles, Project
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile
from lakeflow_job_meta.layout.layout import BundleLayout, ManyBundles, SingleBundle, is_file, layout_of

keys = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}([_-][A-Za-z0-9]{1,3})?", fullmatch=True) | st.sampled_from(
    ["databricks", "jobs", "sql", "resources"]
)
outputs = st.sampled_from(["resources", "generated/files", "jobs", "sql/jobs"])
MANY = Bundles(jobs_per_bundle=2)


def project(folder: Path = Path(), output: str = "resources", bundles: Bundles | None = None) -> Project:
    return Project(folder, SourceRef(UnreadableDocument("job_meta.yml")), output=output, bundles=bundles)


def files_of(layout: BundleLayout) -> st.SearchStrategy[GeneratedFile]:
    bundles = keys if isinstance(layout, ManyBundles) else st.just("")
    none = st.just("")
    of_jobs = st.builds(GeneratedFile, bundles, st.just(FileKind.JOB), keys, none) | st.builds(
        GeneratedFile, bundles, st.just(FileKind.SQL), keys, keys
    )
    of_bundles = st.builds(GeneratedFile, keys, st.just(FileKind.BUNDLE), none, none)
    return of_jobs | of_bundles if isinstance(layout, ManyBundles) else of_jobs


layouts = st.builds(
    lambda output, bundles: layout_of(project(output=output, bundles=bundles)), outputs, st.sampled_from([None, MANY])
)
layouts_with_files = layouts.flatmap(lambda layout: st.tuples(st.just(layout), st.sets(files_of(layout), max_size=8)))


@given(layouts_with_files)
def test_the_path_of_a_file_leads_back_to_the_file(case):
    layout, files = case

    paths = {layout.path_of(file): file for file in files}

    assert len(paths) == len(files)
    assert {path: layout.file_at(path) for path in paths} == paths


@given(layouts, st.lists(keys | st.sampled_from([".x", "a.yml", "a.sql", ".ljm-1-1.tmp", "b.yml.bak"]), max_size=6))
def test_a_path_that_leads_to_a_file_is_the_path_of_that_file(layout, steps):
    path = "/".join(steps)

    file = layout.file_at(path)

    assert file is None or layout.path_of(file) == path


@given(layouts_with_files, st.lists(st.sampled_from(["jobs/.a.yml", "jobs/a.txt", "sql/a.sql", "b.yml", "c/d.sql"])))
def test_what_a_layout_finds_on_disk_is_what_it_puts_there(case, others):
    layout, files = case
    # A bundle has a file of its own, or one of a job.
    files = files | {GeneratedFile(file.bundle, FileKind.BUNDLE) for file in files if file.bundle}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "copy")
        paths = {layout.path_of(file) for file in files}
        paths |= {f"{layout.prefix(file.bundle)}{name}" for name in others for file in files}
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("")

        found = {file: entry.path for file, entry in layout.candidates(str(root)) if is_file(entry)}

        assert files <= set(found)
        assert {layout.path_of(file) for file in found} == {path for path in paths if layout.file_at(path) is not None}
        assert all(Path(path) == root / layout.path_of(file) for file, path in found.items())
        assert {Path(path).parent for path in found.values()} <= set(layout.folders_in(root))


@pytest.mark.parametrize(
    ("path", "single", "many"),
    [
        ("jobs/sales.yml", GeneratedFile("", FileKind.JOB, "sales"), None),
        ("jobs/databricks.yml", GeneratedFile("", FileKind.JOB, "databricks"), GeneratedFile("jobs", FileKind.BUNDLE)),
        ("sql/sales/q.sql", GeneratedFile("", FileKind.SQL, "sales", "q"), None),
        ("part_001/databricks.yml", None, GeneratedFile("part_001", FileKind.BUNDLE)),
        ("part_001/resources/jobs/sales.yml", None, GeneratedFile("part_001", FileKind.JOB, "sales")),
        ("part_001/resources/sql/sales/q.sql", None, GeneratedFile("part_001", FileKind.SQL, "sales", "q")),
        ("part_001/elsewhere/jobs/sales.yml", None, None),
        ("jobs/below/sales.yml", None, None),
        (".git/databricks.yml", None, None),
    ],
)
def test_a_path_means_what_the_layout_says(path, single, many):
    assert SingleBundle(project()).file_at(path) == single
    assert ManyBundles(project(bundles=MANY), MANY).file_at(path) == many


def test_job_files_name_others_relative_to_a_folder_that_is_as_deep_in_each_bundle():
    assert layout_of(project()).output == "resources"
    assert layout_of(project(bundles=MANY)).output == "bundles/*/resources"


def test_a_job_that_has_files_in_two_bundles_is_found_in_both(tmp_path):
    layout = layout_of(project(tmp_path, bundles=MANY))
    for bundle, key in (("b", "sales"), ("a", "sales"), ("a", "stock")):
        path = layout.folder / layout.path_of(GeneratedFile(bundle, FileKind.JOB, key))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    assert layout.jobs_on_disk() == {"sales": ("a", "b"), "stock": ("a",)}


@given(st.text(st.sampled_from("a./\ny"), max_size=6))
def test_a_name_directly_in_the_folder_of_jobs_is_the_file_of_a_job_and_no_other_is(name):
    is_name = bool(name) and name[0] != "." and "/" not in name

    assert GeneratedFile.at(f"jobs/{name}.yml") == (GeneratedFile("", FileKind.JOB, name) if is_name else None)
    assert GeneratedFile.at(f"jobs/{name}") is None or name.endswith(".yml")
