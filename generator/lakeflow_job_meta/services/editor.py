"""What a project has for editors and for coding agents: schemas, settings of the editor, and a page of instructions.

In: where the metadata is, and what the files say already. Out: the contents of files; only `write_editor_files` writes.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.fs import is_glob, read_file, shipped, write_atomically
from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.model import PROJECT_FILE, Project
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.schema.validator import load_schema, schema_text
from lakeflow_job_meta.sources.yaml_files import YAML_SUFFIXES
from lakeflow_job_meta.text.json_with_comments import read_json_with_comments, with_json_member
from lakeflow_job_meta.text.yaml_documents import YamlDocument

SETTINGS_FILE = ".vscode/settings.json"
SCHEMA_FILES = {"metadata": ".schemas/metadata.schema.json", "project": ".schemas/project.schema.json"}
"""Where the schemas of a project are, which its editors read."""
METADATA = ("metadata/",)
"""Where a new project has its metadata."""

_ASSOCIATIONS = "yaml.schemas"
_MODELINE = "yaml-language-server:"


class EditorAction(str, Enum):
    """What is done with a file."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class EditorFile:
    """A file for editors, by its path in the project.

    Attributes:
        before: What it holds now; None where it is not there.
        after: What it is to hold; None where only a person can add that.
        advice: What that person has to do, and the lines to add.
    """

    path: str
    before: bytes | None
    after: bytes | None
    advice: str = ""
    lines: tuple[str, ...] = ()

    @property
    def action(self) -> EditorAction:
        if self.after is None:
            return EditorAction.BY_HAND
        if self.before is None:
            return EditorAction.CREATE
        return EditorAction.KEEP if self.before == self.after else EditorAction.UPDATE


def editor_files(metadata: Iterable[str] = METADATA, policies: str | None = None) -> dict[str, bytes]:
    """Returns the files that a project without any has for editors, by their paths: schemas, and their use.

    Args:
        metadata: The files, folders and globs of YAML metadata, as the project file names them.
        policies: The file of policies, where there is one.
    """
    settings = {_ASSOCIATIONS: _associations(metadata, [policies] if policies is not None else [])}
    return {**_schemas(), SETTINGS_FILE: f"{json.dumps(settings, indent=2)}\n".encode()}


def agents_page() -> str:
    """Returns the page for coding agents: what the files are, how one works with them, and what one never does."""
    return shipped("templates", "init", "AGENTS.md").read_text(encoding="utf-8")


def plan_editor_files(project: Project, *, modelines: bool) -> list[EditorFile]:
    """Returns what a project has for editors: schemas, their use, and with `modelines` the YAML files that name them.

    Raises:
        OperationFailed: A file of these, or the folder of the metadata, cannot be read.
    """
    files = [_schema_file(project, name) for name in SCHEMA_FILES]
    files.append(_settings_file(project))
    return [*files, *(_with_modelines(project) if modelines else ())]


def write_editor_files(project: Project, files: Iterable[EditorFile]) -> None:
    """Writes those that are to be created or updated, each whole.

    Raises:
        OperationFailed: The disk refuses; the files before it in the list are written.
    """
    for file in files:
        if file.after is None or file.after == file.before:
            continue
        path = (project.folder / file.path).resolve()  # a link stays one
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, file.after, durable=False)
        except OSError as error:
            raise OperationFailed(f"{file.path!r} cannot be written: {error.strerror or error}.") from error


def outdated_schemas(project: Project) -> list[str]:
    """Returns the schemas in the project's folder that another version of this tool has written."""
    return [file.path for name in SCHEMA_FILES if (file := _schema_file(project, name)).action is EditorAction.UPDATE]


def _schemas() -> dict[str, bytes]:
    return {path: schema_text(name).encode() for name, path in SCHEMA_FILES.items()}


def _schema_file(project: Project, name: str) -> EditorFile:
    path, content = SCHEMA_FILES[name], schema_text(name).encode()
    before = _content(project, path)
    # What a schema of ours says of itself, in any version.
    if before is not None and cast(str, load_schema(name)["$id"]).encode() not in before:
        advice = f"{path} is no schema of this tool; move it away, or name it in the editor's settings yourself."
        return EditorFile(path, before, None, advice)
    return EditorFile(path, before, content)


def _settings_file(project: Project) -> EditorFile:
    """Adds to the editor's settings which schema is for which files; what they say already stays."""
    before = _content(project, SETTINGS_FILE)
    wanted = _associations(_yaml_locations(project), _policy_files(project))
    if before is None:
        return EditorFile(SETTINGS_FILE, None, f"{json.dumps({_ASSOCIATIONS: wanted}, indent=2)}\n".encode())
    text: str | None
    try:
        text = before.decode("utf-8")
        said = read_json_with_comments(text) if text.strip() else {}
    except ValueError:
        text, said = None, {}
    for schema, patterns in wanted.items():
        old = value_at(said, (_ASSOCIATIONS, schema))[1]
        own = [old] if isinstance(old, str) else old if isinstance(old, list) else []
        if text is not None and (missing := [each for each in patterns if each not in own]):
            text = with_json_member(text, (_ASSOCIATIONS, schema), cast(Value, [*own, *missing]))
    if text is None:
        advice = f"{SETTINGS_FILE} cannot be edited without a loss; add to it:"
        return EditorFile(SETTINGS_FILE, before, None, advice, tuple(_lines_to_add(wanted)))
    return EditorFile(SETTINGS_FILE, before, text.encode())


def _lines_to_add(wanted: dict[str, list[str]]) -> list[str]:
    return json.dumps({_ASSOCIATIONS: wanted}, indent=2).split("\n")[1:-1]


def _with_modelines(project: Project) -> Iterator[EditorFile]:
    """Yields the YAML files of a project, each with a line that names its schema unless it has one."""
    yield from _named(project, "project", [PROJECT_FILE, *_policy_files(project)])
    yield from _named(
        project, "metadata", [each for name in _yaml_locations(project) for each in _labels(project, name)]
    )


def _labels(project: Project, location: str) -> list[str]:
    pattern = FilePattern(project.folder, location, YAML_SUFFIXES)
    try:
        return [label for label, _ in pattern.files()] if os.path.lexists(pattern.base) else []
    except OSError as error:
        raise OperationFailed(f"{location!r} cannot be read: {error.strerror or error}.") from error


def _named(project: Project, schema: str, paths: Sequence[str]) -> Iterator[EditorFile]:
    for path in dict.fromkeys(paths):
        content = _content(project, path)
        if content is None:
            continue
        mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        end = "\r\n" if b"\r\n" in content else "\n"
        to = Path(os.path.relpath(project.folder / SCHEMA_FILES[schema], (project.folder / path).parent)).as_posix()
        line = f"# {_MODELINE} $schema={to}{end}".encode()
        is_named = _MODELINE.encode() in content
        yield EditorFile(path, content, content if is_named else mark + line + content.removeprefix(mark))


def _content(project: Project, path: str) -> bytes | None:
    try:
        return read_file(project.folder / path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperationFailed(f"{path!r} cannot be read: {error.strerror or error}.") from error


def _yaml_locations(project: Project) -> list[str]:
    return [source.location for source in project.metadata if source.kind == "yaml"]


def _policy_files(project: Project) -> list[str]:
    """Returns the files of policies that the project file names."""
    documents = (policy.origin.document for policy in project.policies)
    labels = dict.fromkeys(each.label for each in documents if isinstance(each, YamlDocument))
    return [label for label in labels if label != PROJECT_FILE]


def _associations(metadata: Iterable[str], policies: Iterable[str]) -> dict[str, list[str]]:
    """Returns which files each schema is for, as the YAML extension of VS Code wants it.

    There `*` stands for any text, also with slashes, and the end of a path is compared:
    src/languageservice/services/yamlSchemaService.ts of yaml-language-server.
    """
    return {
        SCHEMA_FILES["metadata"]: [pattern for each in metadata for pattern in _patterns(each)],
        SCHEMA_FILES["project"]: [f"/{each}" for each in (PROJECT_FILE, *policies)],
    }


def _patterns(location: str) -> list[str]:
    path = re.sub(r"^(\.{0,2}/)+", "", location.replace(os.sep, "/")).rstrip("/")
    if is_glob(path):
        return ["/" + re.sub(r"[*]+", "*", re.sub(r"\*\*/|[?]|\[!?\]?[^]]*\]", "*", path))]
    return [f"/{path}"] if path.lower().endswith(YAML_SUFFIXES) else [f"/{path}/*{suffix}" for suffix in YAML_SUFFIXES]
