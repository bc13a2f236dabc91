"""Gives jobs of the workspace their places in a bundle of the databricks CLI, or takes them from it.

`bundle deployment unbind` lets only a job go that the configuration has, and the file of a renamed job is gone. So for
the time of such a call there is a file for its former key, which says what the job's file says under the new one. By
the marker in it the next run takes it away, should this one be killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import write_atomically
from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.jobs_api.client import RemoteJob
from lakeflow_job_meta.deployment.jobs_api.diff import field_changes
from lakeflow_job_meta.deployment.takeovers import Takeover
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.planning.model import Action, BundlePlan, FieldChange, ResourceChange
from lakeflow_job_meta.text.markers import JOB_MARKER
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.text.yaml_writer import to_yaml

_NOBODY = "deploy.removed in job_meta.yml"


@dataclass(frozen=True, slots=True)
class FormerKeys:
    """The files of former keys in one bundle of a project."""

    project: Project
    compilation: Compilation
    bundle: str

    @contextmanager
    def written(self, takeovers: list[Takeover]) -> Iterator[None]:
        """Has a file for each former key that the bundle's state still has."""
        layout = layout_of(self.project)
        files = {GeneratedFile(self.bundle, FileKind.JOB, each.former): self._text(each) for each in takeovers}
        paths = {layout.folder / layout.path_of(file): text for file, text in files.items()}
        if there := [path for path in paths if path.exists()]:
            raise OperationFailed(f"{str(there[0])!r} is in the way of a job that is renamed; remove it and run again.")
        try:
            for path, text in paths.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, text.encode("utf-8"))
            yield
        except OSError as error:
            raise OperationFailed(f"{error.filename!r} cannot be written: {error.strerror}.") from error
        finally:
            for path in paths:
                _remove(path)

    def _text(self, takeover: Takeover) -> str:
        text = self.compilation.files.get(GeneratedFile(self.bundle, FileKind.JOB, takeover.key))
        root = read_yaml(text).value if text is not None else None
        label = JOB_MARKER.label_in(text) if text is not None else None
        if isinstance(root, dict):
            content = _under_former_key(root, takeover.key, takeover.former)
        else:
            content = {"resources": {"jobs": {takeover.former: {"name": takeover.former}}}}
        return f"{JOB_MARKER.line(label or _NOBODY)}\n{to_yaml(content)}\n"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be removed: {error.strerror}. Remove it by hand.") from error


def _under_former_key(root: dict[str, Value], key: str, former: str) -> dict[str, Value]:
    targets = root.get("targets")
    if isinstance(targets, dict):
        inside = {
            name: _under_former_key(each, key, former) for name, each in targets.items() if isinstance(each, dict)
        }
        root = {**root, "targets": {**targets, **inside}}
    jobs = value_at(root, ("resources", "jobs"))[1]
    resources = root.get("resources")
    if isinstance(jobs, dict) and isinstance(resources, dict):
        renamed: dict[str, Value] = {former if name == key else name: each for name, each in jobs.items()}
        root = {**root, "resources": {**resources, "jobs": renamed}}
    return root


def renamed_changes(takeovers: list[Takeover], plan: BundlePlan) -> Iterator[ResourceChange]:
    """Yields what a plan does with renamed jobs, from one that was made with their new settings under former keys."""
    for each in takeovers:
        old, new = f"resources.jobs.{each.former}", f"resources.jobs.{each.key}"
        for change in plan.resources:
            if change.name == old:
                yield each.change(change)
            elif change.name.startswith(f"{old}."):
                yield replace(change, name=change.name.replace(old, new, 1))


def adopted_change(takeover: Takeover, remote: RemoteJob, wanted: Mapping[str, Value]) -> ResourceChange:
    """Returns what a plan does with a job that no bundle has had: what it is now counts as deployed last."""
    settings = {name: value for name, value in wanted.items() if name not in ("permissions", "lifecycle")}
    there = {name: value for name, value in remote.settings.items() if name not in ("permissions",)}
    fields = field_changes(there, settings, creator=remote.creator, base=there)
    like = ResourceChange("", Action.UPDATE if fields else Action.SKIP, tuple(fields), False)
    return takeover.change(like)


def settings_digest(remote: RemoteJob | None) -> str:
    """Returns a digest of all settings of a job; empty for one that is gone."""
    if remote is None:
        return ""
    return content_digest(json.dumps(remote.settings, sort_keys=True).encode()).hex()


def settled(plan: BundlePlan, fresh: frozenset[str]) -> BundlePlan:
    """Returns a plan in which what jobs were before they got their places is no edit made by hand.

    The CLI takes the configuration of a job that it binds for what was deployed last.
    """
    changes = (change for change in plan.resources if change.job_key in fresh)
    return plan.with_changes([replace(change, fields=tuple(map(_as_deployed, change.fields))) for change in changes])


def _as_deployed(field: FieldChange) -> FieldChange:
    return replace(field, old=field.remote)
