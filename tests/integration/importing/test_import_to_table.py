"""`ljm import ... --to-table`: the modules go into the control table, with the same proof."""

from __future__ import annotations

import pytest

from support.handwritten_bundle import KEYS, PATTERNS, write_bundle
from support.project_folder import ProjectFolder, Result


@pytest.fixture
def with_table(project: ProjectFolder) -> ProjectFolder:
    write_bundle(project)
    project.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
    assert (
        project.ljm("table", "create", "--optional-columns", "--delta", str(project.path / "data/control")).exit_code
        == 0
    )
    return project


def importing(project: ProjectFolder, *options: str) -> Result:
    files = [str(project.path / each) for each in PATTERNS]
    return project.ljm("import", "bundle", *files, "--to-table", *options)


def test_the_jobs_come_out_of_the_table_as_they_were(with_table):
    in_files = ProjectFolder(with_table.path.parent / "in_files")
    write_bundle(in_files)
    in_files.ljm("import", "bundle", *(str(in_files.path / each) for each in PATTERNS), "--replace")
    in_files.ljm("generate")

    result = importing(with_table, "--replace")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("data/control  ") == len(KEYS)
    assert "Rows have no place for comments, and so lose those of 'root_job', 'flow_two', 'nightly'" in result.stderr
    assert with_table.ljm("generate").exit_code == 0
    ours, theirs = with_table.generated(), in_files.generated()
    assert ours.keys() == theirs.keys()
    for key in KEYS:
        # Tasks of rows stand by their ids where they wait for nothing; the tasks themselves are the same.
        one, other = (sorted(each[f"jobs/{key}.yml"].splitlines()[1:]) for each in (ours, theirs))
        assert one == other


def test_a_second_time_nothing_is_changed_and_another_module_is_not_overwritten(with_table):
    importing(with_table)
    before = with_table.ljm("table", "export", "single").stdout
    assert importing(with_table).exit_code == 0
    with_table.write(
        "resources/single.job.yml", with_table.read("resources/single.job.yml").replace("name: single", "name: x")
    )
    result = importing(with_table)
    assert result.exit_code == 1
    assert "data/control has another module 'single' already; nothing is overwritten" in result.stderr
    assert with_table.ljm("table", "export", "single").stdout == before


def test_an_emptied_file_with_comments_of_its_own_stays(with_table):
    with_table.write("resources/flow.yml", "# Ask the team.\n\n" + with_table.read("resources/flow.yml"))
    assert importing(with_table, "--replace").exit_code == 0
    assert with_table.read("resources/flow.yml").strip() == "# Ask the team."


def test_a_dry_run_leaves_the_table_as_it_is(with_table):
    assert importing(with_table, "--dry-run").stdout.count("data/control") == len(KEYS)
    assert with_table.ljm("table", "show").stdout == ""


def test_a_table_without_the_optional_columns_is_told_of(project):
    write_bundle(project)
    project.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
    project.ljm("table", "create", "--original", "--delta", str(project.path / "data/control"))
    result = importing(project, "--replace")
    assert result.exit_code == 1
    assert "optional columns" in result.stderr
    assert "root_job" in project.read("databricks.yml")


@pytest.mark.parametrize(
    ("project_file", "options", "said"),
    [
        ("metadata: [{yaml: metadata}]\n", [], "has none"),
        ("metadata: [{delta: a}, {delta: b}]\n", [], "has 2"),
        ("metadata: [{delta: a}]\n", ["--to", "metadata/x"], "give one of them"),
    ],
)
def test_one_table_is_needed_and_no_folder(project, project_file, options, said):
    project.write("job_meta.yml", project_file)
    project.write("resources/a.yml", "resources: {}\n")
    result = importing(project, *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_table_that_is_not_there_is_told_how_to_make_it(project):
    project.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
    project.write("resources/a.yml", "resources: {}\n")
    result = importing(project)
    assert result.exit_code == 1
    assert "`ljm table create`" in result.stderr
