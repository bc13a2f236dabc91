"""What a project has for editors and for coding agents: schemas, settings of the editor, and a page of instructions.

In: where the project's metadata is, and what its files say already. Out: the contents of files. Nothing is written here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from lakeflow_job_meta._internal.fs import is_glob, shipped
from lakeflow_job_meta.config.model import PROJECT_FILE
from lakeflow_job_meta.schema.validator import schema_text

SETTINGS_FILE = ".vscode/settings.json"
SCHEMA_FILES = {"metadata": ".schemas/metadata.schema.json", "project": ".schemas/project.schema.json"}
"""Where the schemas of a project are, which its editors read."""
METADATA = ("metadata/",)
"""Where a new project has its metadata."""

_ASSOCIATIONS = "yaml.schemas"
_MODELINE = "# yaml-language-server: $schema="
_YAML = (".yml", ".yaml")


def editor_files(metadata: Iterable[str] = METADATA, policies: str | None = None) -> dict[str, bytes]:
    """Returns the files that a project without any has for editors, by their paths: schemas, and their use.

    Args:
        metadata: The files, folders and globs of YAML metadata, as the project file names them.
        policies: The file of policies, where there is one.
    """
    settings = {_ASSOCIATIONS: _associations(metadata, policies)}
    return {**_schemas(), SETTINGS_FILE: f"{json.dumps(settings, indent=2)}\n".encode()}


def agents_page() -> str:
    """Returns the page for coding agents: what the files are, how one works with them, and what one never does."""
    return shipped("templates", "init", "AGENTS.md").read_text(encoding="utf-8")


def _schemas() -> dict[str, bytes]:
    return {path: schema_text(name).encode() for name, path in SCHEMA_FILES.items()}


def _associations(metadata: Iterable[str], policies: str | None) -> dict[str, list[str]]:
    """Returns which files each schema is for, as the YAML extension of VS Code wants it.

    There `*` stands for any text, also with slashes, and the end of a path is compared:
    src/languageservice/services/yamlSchemaService.ts of yaml-language-server.
    """
    return {
        SCHEMA_FILES["metadata"]: [pattern for each in metadata for pattern in _patterns(each)],
        SCHEMA_FILES["project"]: [f"/{each}" for each in (PROJECT_FILE, policies) if each],
    }


def _patterns(location: str) -> list[str]:
    path = re.sub(r"^(\.{0,2}/)+", "", location.replace(os.sep, "/")).rstrip("/")
    if is_glob(path):
        return ["/" + re.sub(r"[*]+", "*", re.sub(r"\*\*/|[?]|\[!?\]?[^]]*\]", "*", path))]
    return [f"/{path}"] if path.lower().endswith(_YAML) else [f"/{path}/*{suffix}" for suffix in _YAML]
