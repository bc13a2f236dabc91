"""The project file `job_meta.yml`: which metadata, where to, with which defaults.

Reads `job_meta.yml` of a project folder into a frozen `Project`. Everything has a default, so that a folder with
`metadata/` and `databricks.yml` needs no file. Every mistake in the file is reported at its location.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.fs import kind_of_path
from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config import model
from lakeflow_job_meta.config.checks import project_mistakes
from lakeflow_job_meta.config.policies import path_in, with_own_policies
from lakeflow_job_meta.config.presets import with_presets
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, UnreadableDocument, in_reading_order
from lakeflow_job_meta.diagnostics.rules import PROJECT_FILE_MISTAKE, UNKNOWN_FIELD
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.parsing.keys import SourceParameters, TaskKeys
from lakeflow_job_meta.schema.validator import Finding, compare
from lakeflow_job_meta.text.yaml_documents import open_yaml

_PAUSES = "pauses"
"""Stands for the pauses of all that starts a job."""


def find_project_folder(start: Path) -> Path:
    """Returns the nearest folder upwards that holds a project.

    Raises:
        ConfigError: There is none.
    """
    for folder in (start, *start.parents):
        if kind_of_path(folder / model.PROJECT_FILE) == "file" or model.bundle_file_in(folder) is not None:
            return folder
    raise ConfigError(
        f"No project here: neither {str(start)!r} nor a folder above it holds {model.PROJECT_FILE} or "
        f"{model.BUNDLE_FILE}. Go to the bundle's folder, or name it with --project DIR (in Python as an argument); "
        "`ljm init` makes a new project."
    )


def load_project(folder: Path) -> model.Project:
    """Reads the project file of a folder; without one, the defaults hold.

    Raises:
        ConfigError: With every mistake in the file as a diagnostic.
    """
    if kind_of_path(folder) != "folder":
        raise ConfigError(f"There is no folder {str(folder)!r}; name the bundle's folder with --project DIR.")
    folder = folder.resolve()
    path = folder / model.PROJECT_FILE
    try:
        is_there = path.exists()
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    if not is_there:
        return model.Project(folder, SourceRef(UnreadableDocument(model.PROJECT_FILE)))
    document, problems = open_yaml(path, model.PROJECT_FILE)
    if document is None:
        raise _config_error(problems)
    content = document.content
    if content.faults:
        raise _config_error([document.report(fault) for fault in document.faults()])
    value: Value = {} if content.value is None else content.value
    findings = [finding for finding in compare(value, "project", "key") if not _is_allowed(finding, value)]
    problems = [each.report(SourceRef(document, each.path, each.of_key), PROJECT_FILE_MISTAKE) for each in findings]
    if problems or not isinstance(value, dict):
        raise _config_error(problems)
    project, of_presets = with_presets(_project(folder, SourceRef(document), value), value)
    project, of_policies = with_own_policies(project, value)
    if problems := [*project_mistakes(project, value), *of_presets, *of_policies]:
        raise _config_error(problems)
    return project


def _is_allowed(finding: Finding, value: Value) -> bool:
    """Says whether an unknown default is one that `allow_unknown` lets pass."""
    allowed = value.get("allow_unknown") if isinstance(value, dict) else None
    if finding.rule is not UNKNOWN_FIELD or finding.path[:1] != ("defaults",) or len(finding.path) != 3:
        return False
    return isinstance(allowed, list) and f"{finding.path[1]}.{finding.path[2]}" in allowed


def _config_error(problems: list[Diagnostic]) -> ConfigError:
    files = ", ".join(dict.fromkeys(problem.location.path for problem in problems))
    return ConfigError(f"{count(len(problems), 'mistake')} in {files}.", in_reading_order(problems))


def _project(folder: Path, origin: SourceRef, value: dict[str, Value]) -> model.Project:
    def section(name: str) -> dict[str, Value]:
        return cast("dict[str, Value]", value.get(name) or {})

    defaults = section("defaults")
    sources = cast("list[dict[str, Value]]", value.get("metadata") or [])
    kinds = ((entry, kind) for entry in sources for kind in model.SOURCE_KINDS if kind in entry)
    metadata = tuple(
        model.MetadataSource(kind, str(entry[kind]), cast("str | None", entry.get("warehouse_id")), _rows(entry))
        for entry, kind in kinds
    )
    tables = (source.location for source in metadata if source.kind in model.TABLE_KINDS and source.rows is None)
    return model.Project(
        folder,
        origin,
        metadata=metadata or model.DEFAULT_METADATA,
        output=os.path.normpath(str(value.get("output") or "resources")).replace(os.sep, "/"),
        control_table=cast("str | None", value.get("control_table")) or next(tables, None),
        job_name=str(section("naming").get("job_name") or "{module_name}"),
        task_keys=TaskKeys(section("naming").get("task_key") or TaskKeys.AS_WRITTEN),
        source_parameters=SourceParameters(value.get("source_parameters") or SourceParameters.ALL),
        defaults=model.Defaults(
            warehouse_id=cast("str | None", defaults.get("warehouse_id")),
            job=cast("dict[str, Value]", defaults.get("job") or {}),
            task=cast("dict[str, Value]", defaults.get("task") or {}),
        ),
        job_template=cast("str | None", section("templates").get("job")),
        allow_unknown=frozenset(cast("list[str]", value.get("allow_unknown") or [])),
        checks=tuple(cast("dict[str, str]", section("checks")).items()),
        max_deletes=cast(int, section("deploy").get("max_deletes") or 0),
        strict=section("deploy").get("strict") is True,
        keep=tuple(map(_keep_rule, _kept(section("deploy")))),
        hand_edits=model.HandEdits(section("deploy").get("hand_edits") or model.HandEdits.HOLD_BACK),
        first_pause=section("deploy").get("first_pause") is True,
        approval=_approval(section("deploy").get("approval")),
        removed=tuple(map(_removal, cast("list[Value]", section("deploy").get("removed") or []))),
        bundles=_bundles(section("bundles")) if value.get("bundles") is not None else None,
    )


def _kept(section: dict[str, Value]) -> list[Value]:
    found = section.get("keep")
    return found if isinstance(found, list) else [_PAUSES]


def _keep_rule(entry: Value) -> model.KeepRule:
    """Reads an entry of `keep`; one whose setting is none is reported by `project_mistakes`."""
    if not isinstance(entry, dict):
        return model.KeepRule(model.PAUSES)
    settings = model.PAUSES if entry["setting"] == _PAUSES else (path_in(str(entry["setting"])) or (),)
    return model.KeepRule(settings, tuple(cast("list[str]", entry.get("modules") or ["*"])))


def _approval(entry: Value) -> model.ApprovalRule | None:
    if not isinstance(entry, dict):
        return None
    targets = tuple(cast("list[str]", entry.get("targets") or []))
    return model.ApprovalRule(targets, entry.get("other_than_author") is True)


def _removal(entry: Value) -> model.Removal:
    if isinstance(entry, dict):
        return model.Removal(str(entry["module"]), entry.get("keep_job") is True)
    return model.Removal(str(entry))


def _bundles(section: dict[str, Value]) -> model.Bundles:
    include = cast("list[str] | None", section.get("include"))
    return model.Bundles(
        cast("int | None", section.get("jobs_per_bundle")),
        cast("str | None", section.get("by")),
        None if include is None else tuple(os.path.normpath(path).replace(os.sep, "/") for path in include),
    )


def _rows(entry: dict[str, Value]) -> model.RowMapping | None:
    if "blueprint" not in entry:
        return None
    key, job_per = entry.get("key"), cast("str | None", entry.get("job_per"))
    return model.RowMapping(
        str(entry["blueprint"]),
        cast("dict[str, Value]", entry.get("with") or {}),
        (key,) if isinstance(key, str) else tuple(cast("list[str]", key or [])),
        None if job_per == "row" else job_per,
        cast("dict[str, str]", entry.get("tables") or {}),
    )
