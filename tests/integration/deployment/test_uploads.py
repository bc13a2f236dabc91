"""Files that jobs name and the databricks CLI does not upload are reported, and no others.

What is said of each case is what the real CLI did; where it is on PATH, it is asked again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.deployments import World, new_world
from support.project_folder import ProjectFolder, Result

pytestmark = pytest.mark.skipif(os.name != "posix", reason="symbolic links")

BUNDLE = "bundle: {name: shop}\ninclude: [resources/jobs/*.yml]\ntargets: {dev: {default: true}}\n"
FILES = (
    *("src/a.py", "src/a1.py", "src/deep/b.py", "src/deep/lib/c.py", "build/x.py", "build/keep.py"),
    *("sub/src/d.py", "sub/build/e.py", ".hidden/f.py", "top.py"),
)
ALL = frozenset(FILES)


def below(*folders: str) -> set[str]:
    return {file for file in FILES if any(f"/{folder}/" in f"/{file}" for folder in folders)}


IGNORED = {
    "nothing": ("", set()),
    "a folder, wherever it is": ("build/\n", below("build")),
    "a folder at the top": ("/build\n", {"build/x.py", "build/keep.py"}),
    "a folder by its path, which holds at any depth": ("src/deep\n", below("deep")),
    "all in a folder but one file, in vain": ("build/*\n!build/keep.py\n", below("build")),
    "files in a folder but one": ("build/*.py\n!build/keep.py\n", {"build/x.py"}),
    "a folder, and a file in it that is taken back in vain": ("build/\n!build/keep.py\n", below("build")),
    "files by their suffix at the top of a folder": ("src/*.py\n", {"src/a.py", "src/a1.py"}),
    "all files": ("*.py\n", ALL),
    "all but those that are taken back": ("*.py\n!src/**\n", ALL - below("src")),
    "folders at any depth": ("**/deep/\n", below("deep")),
    "all below a folder": ("src/deep/**\n", below("deep")),
    "steps between two": ("src/**/lib\n", below("lib")),
    "a question mark, which is a plain character": ("a?.py\n", set()),
    "a set of characters": ("a[0-9].py\n", {"src/a1.py"}),
    "comments, spaces and ends of lines of Windows": ("# *.py\n\n  top.py  \r\n", {"top.py"}),
    "what is no expression": ("[z-a].py\ntop.py\n", {"top.py"}),
}
SYNC = {
    "what is excluded": ("{exclude: [build]}", "", below("build")),
    "what is excluded and included": ("{exclude: [top.py], include: [top.py]}", "", {"top.py"}),
    "what is included though ignored": ("{include: [src/deep/*.py]}", "src\n", below("src") - {"src/deep/b.py"}),
    "what is below the paths": (
        "{paths: [src, ./build/x.py]}",
        "",
        {"build/keep.py", "sub/src/d.py", "sub/build/e.py", ".hidden/f.py", "top.py"},
    ),
    "a path in an ignored folder": ("{paths: [build/keep.py]}", "build/\n", ALL),
    "no paths": ("{paths: []}", "", ALL),
    "paths above": ("{paths: [..], exclude: [build/x.py]}", "", {"build/x.py"}),
}


def write(project: ProjectFolder, files: dict[str, str]) -> None:
    for path, text in {"databricks.yml": BUNDLE, **files}.items():
        project.write(path, text)
    for path in FILES:
        project.write(path, "print(1)\n")
    name(project, FILES)


def name(project: ProjectFolder, files) -> None:
    """Lets a job name files."""
    sources = "".join(
        f"      - source_id: s{number}\n        execution_order: 1\n        transformation_config:\n"
        f"          spark_python_task: {{python_file: '{file}'}}\n          existing_cluster_id: c\n"
        for number, file in enumerate(files)
    )
    project.write("metadata/sales.yml", f"modules:\n  - module_name: sales\n    sources:\n{sources}")


def reported(result: Result) -> set[str]:
    assert "[missing-file]" not in result.stdout + result.stderr
    return set(re.findall(r"'([^']+)' is not uploaded", result.stdout + result.stderr))


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    (tmp_path / "home").mkdir()
    return ProjectFolder(tmp_path / "above" / "project")


@pytest.fixture
def validate(project: ProjectFolder, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return lambda: project.ljm("validate")


@pytest.mark.parametrize("case", IGNORED)
def test_what_gitignore_names_is_reported(project, validate, case):
    text, expected = IGNORED[case]
    write(project, {".gitignore": text})

    assert reported(validate()) == expected


@pytest.mark.parametrize("case", SYNC)
def test_what_the_bundle_does_not_take_along_is_reported(project, validate, case):
    sync, ignored, expected = SYNC[case]
    write(project, {"databricks.yml": f"{BUNDLE}sync: {sync}\n", ".gitignore": ignored})

    assert reported(validate()) == expected


class TestWhereItIsSaid:
    def test_a_file_of_a_folder_below_counts(self, project, validate):
        write(project, {"sub/.gitignore": "src\n"})

        assert reported(validate()) == {"sub/src/d.py"}

    @pytest.mark.parametrize("is_repository", [True, False])
    def test_a_file_of_a_folder_above_counts_inside_of_a_repository(self, project, validate, is_repository):
        write(project, {"../.gitignore": "/project/build\n"})
        if is_repository:
            project.write("../.git/HEAD", "ref: refs/heads/main\n")

        assert reported(validate()) == ({"build/x.py", "build/keep.py"} if is_repository else set())

    @pytest.mark.parametrize("file", ["../.git/info/exclude", "../../home/.config/git/ignore", "../../home/mine"])
    def test_those_of_the_machine_count(self, project, validate, file):
        write(project, {file: "top.py\n", "../.git/HEAD": "ref: refs/heads/main\n"})
        if file.endswith("mine"):
            project.write("../../home/.gitconfig", "[user]\n\tname = x\n[core]\n\texcludesFile = ~/mine\n")

        assert reported(validate()) == {"top.py"}

    def test_a_linked_worktree_shares_that_of_its_repository(self, project, validate):
        write(project, {"../main/info/exclude": "top.py\n", "../main/worktrees/w/commondir": "../..\n"})
        project.write(".git", "gitdir: ../main/worktrees/w\n")

        assert reported(validate()) == {"top.py"}

    def test_the_message_names_the_file_the_pattern_and_the_way_out(self, project, validate):
        write(project, {".gitignore": "top.py\n"})

        (line,) = [line for line in validate().stderr.splitlines() if "not-uploaded" in line]
        assert line.endswith(
            "error: 'top.py' is not uploaded: .gitignore has 'top.py'; name it below 'sync: {include: [...]}' in "
            "databricks.yml, or change that [not-uploaded]"
        )


class TestTargets:
    TWO = (
        "bundle: {name: shop}\ninclude: [resources/jobs/*.yml]\n"
        "targets: {dev: {default: true}, prod: {sync: {exclude: [top.py]}}}\n"
    )

    def test_a_file_that_one_target_lacks_is_reported_with_the_target(self, project, validate):
        write(project, {"databricks.yml": self.TWO})

        result = validate()

        assert reported(result) == {"top.py"}
        assert "is not uploaded for the target 'prod': 'sync.exclude' of the bundle has 'top.py'" in result.stderr

    def test_a_module_for_other_targets_may_name_it(self, project, validate):
        write(project, {"databricks.yml": self.TWO})
        text = (project.path / "metadata/sales.yml").read_text()
        project.write("metadata/sales.yml", text.replace("    sources:", "    targets: [dev]\n    sources:"))

        assert reported(validate()) == set()

    def test_what_depends_on_a_variable_is_not_judged(self, project, validate):
        sync = "variables: {x: {}}\nsync: {exclude: ['${var.x}', top.py]}\n"
        write(project, {"databricks.yml": f"{BUNDLE}{sync}"})

        assert reported(validate()) == set()


class TestLinks:
    def test_a_link_to_a_file_and_one_to_a_folder_are_reported(self, project, validate):
        write(project, {})
        (project.path / "one.py").symlink_to("top.py")
        (project.path / "linked").symlink_to("src")
        name(project, ["one.py", "linked/a.py", "src/a.py"])

        result = validate()

        assert reported(result) == {"one.py", "linked/a.py"}
        assert "'linked' is a symbolic link, which the databricks CLI passes over" in result.stderr

    def test_a_link_that_the_paths_name_is_followed(self, project, validate):
        write(project, {"databricks.yml": f"{BUNDLE}sync: {{paths: [linked]}}\n"})
        (project.path / "linked").symlink_to("src")
        name(project, ["linked/a.py"])

        assert reported(validate()) == set()


class TestOtherFiles:
    def test_inline_sql_counts_although_it_is_written_by_this_tool(self, project, validate):
        write(project, {".gitignore": "resources/\n"})
        project.write(
            "metadata/sales.yml",
            "modules:\n  - module_name: sales\n    sources:\n      - source_id: a\n        execution_order: 1\n"
            "        transformation_config:\n          sql_task: {warehouse_id: w, sql_query: select 1}\n",
        )

        assert reported(validate()) == {"resources/sql/sales/a.sql"}

    def test_a_folder_of_dbt_and_requirements_count_but_no_wheel(self, project, validate):
        write(project, {".gitignore": "/dbt\n*.txt\n*.whl\n", "dbt/dbt_project.yml": "", "req.txt": "", "a.whl": ""})
        project.write(
            "metadata/sales.yml",
            "modules:\n  - module_name: sales\n    sources:\n      - source_id: a\n        execution_order: 1\n"
            "        transformation_config:\n          existing_cluster_id: c\n"
            "          dbt_task: {project_directory: dbt, commands: [dbt run]}\n"
            "          libraries: [{requirements: req.txt}, {whl: a.whl}]\n",
        )

        assert reported(validate()) == {"dbt", "req.txt"}

    def test_without_a_bundle_nothing_is_uploaded_by_the_cli_and_nothing_is_said(self, project, validate):
        write(project, {".gitignore": "*.py\n", "job_meta.yml": "{}\n"})
        (project.path / "databricks.yml").unlink()

        assert reported(validate()) == set()

    def test_a_change_of_what_is_ignored_is_seen_by_the_next_run(self, project, validate):
        write(project, {".gitignore": ""})
        assert reported(validate()) == set()

        project.write(".gitignore", "top.py\n")
        assert reported(validate()) == {"top.py"}

        project.write(".gitignore", "src/a.py\n")
        assert reported(validate()) == {"src/a.py"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with new_world("real", tmp_path_factory.mktemp("uploads") / "above") as world:
        yield world


@pytest.mark.real_cli
class TestTheRealCli:
    @pytest.mark.parametrize("case", [*IGNORED, *SYNC])
    def test_uploads_what_is_not_reported(self, world, case):
        sync, text, expected = SYNC[case] if case in SYNC else ("{}", *IGNORED[case])
        write(world.project, {"databricks.yml": f"{BUNDLE}sync: {sync}\n", ".gitignore": text})

        uploaded = deployed(world, case)

        assert ALL - {file.removeprefix("project/") for file in uploaded} == expected

    def test_passes_over_links_and_follows_those_that_are_named(self, world):
        (world.project.path / "one.py").symlink_to("top.py")
        (world.project.path / "linked").symlink_to("src")
        names = {"one.py", "linked/a.py"}

        write(world.project, {".gitignore": ""})
        assert names & deployed(world, "links") == set()

        write(world.project, {"databricks.yml": f"{BUNDLE}sync: {{paths: [linked]}}\n"})
        assert names & deployed(world, "a link that is named") == {"linked/a.py"}


def deployed(world: World, name: str) -> set[str]:
    """Deploys what is there as a bundle of its own, and returns the files that the workspace has of it then."""
    name = re.sub(r"\W", "_", name)
    path = world.project.path / "databricks.yml"
    path.write_text(path.read_text().replace("shop", name))
    world.databricks("bundle", "deploy")
    start = f"/{name}/dev/files/"
    return {path.partition(start)[2] for path in world.workspace.tree.paths() if start in path}
