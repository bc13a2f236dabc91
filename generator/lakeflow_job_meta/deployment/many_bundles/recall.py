"""What a fresh checkout can know of the bundles of a project: the notes of their last deployments, in the workspace.

Where a note is, the databricks CLI says of a bundle that includes what all of them include, and has no jobs: that
takes it no time, however many bundles there are, and however many jobs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.model import BUNDLE_FILE, Project
from lakeflow_job_meta.deployment.databricks_cli.client import CliFailure, DatabricksCli
from lakeflow_job_meta.deployment.many_bundles.records import bundle_state_folder
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.layout.bundle_file import CommonConfig
from lakeflow_job_meta.text.yaml_writer import to_yaml

_ANY = "ljm_any_bundle"
"""Stands for the name of a bundle in a path of the workspace."""
_ASKING = ".asking"


def state_folders(
    cli: DatabricksCli, project: Project, common: CommonConfig, folder: Path, names: Iterable[str]
) -> dict[str, str]:
    """Returns where in the workspace the states of bundles are, by name; none where the CLI does not say so.

    `folder` is the state folder of the target.
    """
    stub = write_bundle_like(project, common, bundle_state_folder(folder, _ASKING), _ANY)
    try:
        answer = replace(cli, folder=stub, on_line=lambda line: None).bundle("summary", "-o", "json").stdout
        path = value_at(json.loads(answer), ("workspace", "state_path"))[1]
    except (CliFailure, ValueError, RecursionError):
        return {}
    if not isinstance(path, str) or _ANY not in path:
        return {}
    return {name: path.replace(_ANY, f"{common.name}_{name}") for name in names}


def write_bundle_like(
    project: Project, common: CommonConfig, folder: Path, name: str, jobs: Iterable[str] = ()
) -> Path:
    """Writes a bundle of some name, with what all bundles of a project include, and jobs that do nothing.

    Raises OperationFailed where the disk refuses.
    """
    up = os.path.relpath(project.folder, folder).replace(os.sep, "/")
    content: Value = {
        "bundle": {"name": name},
        "include": [f"{up}/{path}" for path in common.include],
        "sync": {"paths": []},
        "resources": {"jobs": {key: {"name": key} for key in jobs}},
    }
    try:
        # What the CLI remembers there may be of another bundle.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / BUNDLE_FILE).write_text(to_yaml(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise OperationFailed(f"{str(folder)!r} cannot be written: {error.strerror}.") from error
    return folder
