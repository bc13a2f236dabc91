"""What a project has for editors: schemas, which files they are for, and that nothing of the user's is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from lakeflow_job_meta.cli.main import cli
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.schema.validator import schema_text
from lakeflow_job_meta.services.editor import (
    SCHEMA_FILES,
    SETTINGS_FILE,
    EditorAction,
    agents_page,
    editor_files,
    outdated_schemas,
    plan_editor_files,
    write_editor_files,
)
from lakeflow_job_meta.text.json_with_comments import read_json_with_comments
from support.project_folder import ProjectFolder, module

METADATA, PROJECT = SCHEMA_FILES.values()


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    folder = ProjectFolder(tmp_path / "shop")
    folder.write("metadata/a.yml", module("a"))
    return folder


def applied(project: ProjectFolder, *, modelines: bool = False) -> dict[str, EditorAction]:
    loaded = load_project(project.path)
    files = plan_editor_files(loaded, modelines=modelines)
    write_editor_files(loaded, files)
    return {file.path: file.action for file in files}


def associations(project: ProjectFolder) -> dict[str, list[str]]:
    return read_json_with_comments(project.read(SETTINGS_FILE))["yaml.schemas"]


def matches(pattern: str, path: str) -> bool:
    """Compares as the YAML language server does: `*` is any text, and the end of the address counts."""
    expression = ".*".join(map(re.escape, pattern.split("*")))
    return re.search(f"{expression}$", f"file:///home/me/shop/{path}") is not None


def test_a_new_project_gets_what_a_project_without_anything_gets(project):
    assert set(applied(project).values()) == {EditorAction.CREATE}

    assert {path: project.read(path).encode() for path in (*SCHEMA_FILES.values(), SETTINGS_FILE)} == editor_files()


def test_a_second_time_changes_nothing(project):
    applied(project, modelines=True)
    before = project.everything()

    assert set(applied(project, modelines=True).values()) == {EditorAction.KEEP}
    assert project.everything() == before


@pytest.mark.parametrize(
    ("location", "named", "others"),
    [
        ("metadata/", ["metadata/a.yml", "metadata/x/b.yaml"], ["other/metadata.yml", "my_metadata/a.yml", "a.yml"]),
        ("metadata/**/*.yml", ["metadata/a.yml", "metadata/x/b.yml"], ["other/a.yml"]),
        ("./teams/?[a-z]/jobs.yml", ["teams/ab/jobs.yml"], ["teams/jobs.txt"]),
        ("first.yml", ["first.yml"], ["second.yml", "a-first.yml"]),
        ("../shared/meta", ["../shared/meta/a.yml"], ["shared/a.yml"]),
    ],
)
def test_each_file_of_metadata_has_its_schema_and_no_other_file_has(location, named, others):
    settings = json.loads(editor_files([location])[SETTINGS_FILE])
    patterns = settings["yaml.schemas"][METADATA]

    assert [path for path in named if not any(matches(each, path) for each in patterns)] == []
    assert [path for path in others if any(matches(each, path) for each in patterns)] == []


def test_the_project_file_and_a_file_of_policies_have_the_schema_of_projects(project):
    project.write("policies.yml", "policies: [{policy: owner, require: tags.owner}]\n")
    project.write("job_meta.yml", "policies: policies.yml\n")

    applied(project)

    assert associations(project)[PROJECT] == ["/job_meta.yml", "/policies.yml"]


class TestSettingsThatAreThere:
    def test_keep_all_that_they_say_and_their_comments(self, project):
        text = '{\n  // mine\n  "editor.tabSize": 2,\n  "yaml.schemas": {"a.json": "b.yml"}, // also mine\n}\n'
        project.write(SETTINGS_FILE, text)

        assert applied(project)[SETTINGS_FILE] is EditorAction.UPDATE

        assert associations(project)["a.json"] == "b.yml"
        assert associations(project)[METADATA] == ["/metadata/*.yml", "/metadata/*.yaml"]
        assert [
            line for line in text.split("\n") if "//" in line and line.split("{")[0] not in project.read(SETTINGS_FILE)
        ] == []
        assert applied(project)[SETTINGS_FILE] is EditorAction.KEEP

    @pytest.mark.parametrize("own", ['"/mine.yml"', '["/mine.yml"]'])
    def test_get_what_they_lack_of_files_beside_those_that_a_person_has_added(self, project, own):
        project.write(SETTINGS_FILE, f'{{"yaml.schemas": {{"{METADATA}": {own}}}}}')

        applied(project)

        assert associations(project)[METADATA] == ["/mine.yml", "/metadata/*.yml", "/metadata/*.yaml"]

    @pytest.mark.parametrize(
        "text", ["{", "[]", '{"yaml.schemas": []}', '{"yaml.schemas": {"x": 1, "x": 2}}', "\udcff"]
    )
    def test_stay_where_they_cannot_be_edited_and_the_lines_to_add_are_shown(self, project, text):
        (project.path / ".vscode").mkdir()
        (project.path / SETTINGS_FILE).write_bytes(text.encode("utf-8", "surrogateescape"))

        files = plan_editor_files(load_project(project.path), modelines=False)
        settings = next(file for file in files if file.path == SETTINGS_FILE)
        write_editor_files(load_project(project.path), files)

        assert settings.action is EditorAction.BY_HAND
        assert json.loads("".join(["{", *settings.lines, "}"])) == json.loads(editor_files()[SETTINGS_FILE])
        assert (project.path / SETTINGS_FILE).read_bytes() == text.encode("utf-8", "surrogateescape")


class TestSchemas:
    def test_of_another_version_are_known_and_written_anew(self, project):
        applied(project)
        project.write(METADATA, schema_text("metadata").replace("x-databricks-sdk", "x-older"))

        assert outdated_schemas(load_project(project.path)) == [METADATA]
        assert applied(project)[METADATA] is EditorAction.UPDATE
        assert project.read(METADATA) == schema_text("metadata")

    def test_of_somebody_else_stay(self, project):
        project.write(METADATA, '{"type": "object"}\n')

        assert applied(project)[METADATA] is EditorAction.BY_HAND
        assert project.read(METADATA) == '{"type": "object"}\n'
        assert outdated_schemas(load_project(project.path)) == []


class TestModelines:
    def test_name_the_schema_from_the_folder_of_each_file(self, project):
        project.write("job_meta.yml", "metadata: [{yaml: metadata/}]\n")
        project.write("metadata/team/b.yaml", module("b"))
        before = {path: project.read(path) for path in ("job_meta.yml", "metadata/a.yml", "metadata/team/b.yaml")}

        applied(project, modelines=True)

        for path, up, schema in zip(before, ("", "../", "../../"), (PROJECT, METADATA, METADATA), strict=True):
            assert project.read(path) == f"# yaml-language-server: $schema={up}{schema}\n{before[path]}"
        assert project.compile().diagnostics == ()

    @pytest.mark.parametrize(
        "text",
        [
            "# yaml-language-server: $schema=https://mine/schema.json\n" + module("a"),
            "# Copyright\n# yaml-language-server: $schema=x.json\n" + module("a"),
        ],
    )
    def test_that_are_there_stay(self, project, text):
        project.write("metadata/a.yml", text)

        applied(project, modelines=True)

        assert project.read("metadata/a.yml") == text

    def test_have_the_line_ends_of_the_file_and_come_behind_its_byte_order_mark(self, project):
        content = module("a").replace("\n", "\r\n").encode()
        (project.path / "metadata/a.yml").write_bytes(b"\xef\xbb\xbf" + content)

        applied(project, modelines=True)

        assert (project.path / "metadata/a.yml").read_bytes() == (
            b"\xef\xbb\xbf# yaml-language-server: $schema=../.schemas/metadata.schema.json\r\n" + content
        )

    def test_are_written_into_the_file_that_a_link_leads_to(self, project):
        (project.path / "metadata/a.yml").rename(project.path / "a.yml")
        (project.path / "metadata/a.yml").symlink_to("../a.yml")

        applied(project, modelines=True)

        assert (project.path / "metadata/a.yml").is_symlink()
        assert project.read("a.yml").startswith("# yaml-language-server: ")


def options_of(command: click.Command) -> set[str]:
    inside = command.commands.values() if isinstance(command, click.Group) else ()
    return {name for each in command.params for name in each.opts}.union(*map(options_of, inside))


def test_the_page_for_agents_names_only_commands_and_options_that_exist():
    commands = set(re.findall(r"`ljm ([a-z]+)", agents_page()))
    known = {name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))}
    options = set().union(*map(options_of, known.values()))

    assert {"validate", "plan", "generate"} <= commands <= known.keys()
    assert set(re.findall(r"(?<=[` ])(--[a-z-]+)", agents_page())) - options == set()
