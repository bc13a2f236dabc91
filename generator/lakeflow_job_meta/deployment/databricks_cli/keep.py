"""A plan of the databricks CLI in which what the project leaves to the workspace stays as it is there.

The plan itself is changed before it reaches the gate, and what passes is what `bundle deploy --plan` carries out; no
file of the bundle says anything else for it. The state of the bundle then has the kept values as its own, so a record
beside it in the workspace says what the metadata had: where it has something new, that is deployed. Pure.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from lakeflow_job_meta._internal.trees import ABSENT, Value, value_at
from lakeflow_job_meta.config.model import PAUSES, SettingPath
from lakeflow_job_meta.deployment.keeping import Keeping
from lakeflow_job_meta.planning.model import (
    WRITTEN_OVER,
    Action,
    BundlePlan,
    FieldChange,
    KeptSetting,
    job_key_in,
    workspace_wins,
)
from lakeflow_job_meta.planning.setting_paths import leads_into, steps_of

Record = dict[str, dict[str, Value]]
"""What the metadata had, by job and setting, when something else was kept."""

_RECORD = "lakeflow_job_meta_kept.json"
_Changes = dict[str, dict[str, Value]]


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan of the CLI, as it is to be deployed.

    Attributes:
        text: As JSON.
        record_path: Where the record is in the workspace; empty where nothing is to be recorded.
        record: As it is to be when the plan is deployed.
        is_recorded: Whether it is so already.
    """

    text: str
    kept: tuple[KeptSetting, ...] = ()
    first_paused: tuple[str, ...] = ()
    record_path: str = ""
    record: Record = field(default_factory=dict)
    is_recorded: bool = True

    def with_kept(self, plan: BundlePlan) -> BundlePlan:
        """Returns the parsed plan with what is kept in it."""
        return replace(plan, kept=self.kept, first_paused=self.first_paused)


def keep_in_plan(text: str, keeping: Keeping, read_record: Callable[[str], Record]) -> KeptPlan:
    """Returns the plan in which settings are kept; `read_record` is called only where that matters."""
    root = json.loads(text)
    entries = cast("dict[str, dict[str, Value]]", root.get("plan") or {})
    jobs = [(key, entry) for name, entry in entries.items() if (key := job_key_in(name)) is not None]
    matter = [(key, entry, paths) for key, entry in jobs if (paths := _paths_that_matter(key, entry, keeping))]
    # What is written may agree with the workspace again: then nothing is kept any more, and the record is to say so.
    written = [(key, entry) for key, entry in jobs if entry["action"] != Action.SKIP.value]
    if not matter and not any(keeping.settings(key) for key, _ in written):
        return KeptPlan(text)
    path = path_beside_state(entries, _RECORD)
    before = read_record(path) if path else {}
    kept = [each for key, entry, paths in matter for each in _kept(key, entry, paths, before.get(key, {}))]
    record: Record = {}
    for each in kept:
        record.setdefault(each.job, {})[each.setting] = each.metadata
    created = {key for key, entry, _ in matter if entry["action"] == Action.CREATE.value}
    return KeptPlan(
        json.dumps(root),
        tuple(each for each in kept if each.job not in created),
        tuple(sorted(created)),
        path,
        record,
        is_recorded=record == before,
    )


def parsed_record(text: str) -> Record:
    """Reads a record; one that is damaged says nothing."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {key: each for key, each in entries if isinstance(each, dict)}


def path_beside_state(entries: Mapping[str, Value], name: str) -> str:
    """Returns where a file is beside the state of a bundle, as its jobs name it; empty where none does."""
    paths = (
        value_at(entry, ("new_state", "value", "deployment", "metadata_file_path"))[1] for entry in entries.values()
    )
    state = next((path for path in paths if isinstance(path, str) and "/" in path), "")
    return posixpath.join(posixpath.dirname(state), name) if state else ""


def _paths_that_matter(key: str, entry: Mapping[str, Value], keeping: Keeping) -> list[SettingPath]:
    """Returns the settings in which a plan writes something else than the workspace has, or would have."""
    wanted = value_at(entry, ("new_state", "value"))[1]
    if entry["action"] == Action.CREATE.value:
        running: list[SettingPath] = [path for path in PAUSES if value_at(wanted, path)[1] == "UNPAUSED"]
        return running if keeping.pauses(key) else []
    if entry["action"] not in [each.value for each in WRITTEN_OVER] or not entry.get("remote_state"):
        return []
    written = [steps_of(path) for path, change in _changes(entry).items() if change.get("action") != Action.SKIP.value]
    paths = [path for path in keeping.settings(key) if value_at(wanted, path[:-1])[0] or len(path) == 1]
    gone = [path for path in keeping.settings(key) if path not in paths]
    return [
        *(path for path in paths if any(leads_into(each, path) or leads_into(path, each) for each in written)),
        *(path for path in gone if any(leads_into(path, each) for each in written)),
    ]


def _changes(entry: Mapping[str, Value]) -> _Changes:
    return cast("_Changes", entry.get("changes") or {})


def _kept(
    key: str, entry: dict[str, Value], paths: list[SettingPath], before: Mapping[str, Value]
) -> Iterator[KeptSetting]:
    """Puts into an entry of a plan what is kept of a job; `before` is what the metadata had of it when it was kept."""
    if entry["action"] == Action.CREATE.value:
        yield from (_put_kept(key, entry, path, True, "PAUSED") for path in paths)
        return
    changes, is_kept = _changes(entry), False
    for path in paths:
        for name, change in changes.items():
            _forget_edit(change, path[len(steps_of(name)) :] if leads_into(path, steps_of(name)) else ())
        inside = {name: each for name, each in changes.items() if leads_into(steps_of(name), path)}
        written = {name: each for name, each in inside.items() if each.get("action") != Action.SKIP.value}
        is_there, value = value_at(entry["remote_state"], path)
        metadata, setting = value_at(_wanted(entry), path)[1], ".".join(path)
        is_edited = any(_is_edit(*each) for each in written.items())
        stays = workspace_wins(value, metadata, before.get(setting, ABSENT), is_edited)
        if written and stays:
            yield _put_kept(key, entry, path, is_there, cast(Value, value))
            is_kept = True
        for change in written.values():
            change |= {"action": Action.SKIP.value, "reason": "kept"} if stays else {"old": change.get("remote")}
    if is_kept and all(change.get("action") == Action.SKIP.value for change in changes.values()):
        entry["action"] = Action.SKIP.value


def _put_kept(key: str, entry: dict[str, Value], path: SettingPath, is_there: bool, value: Value) -> KeptSetting:
    metadata = cast(Value, value_at(_wanted(entry), path)[1])
    _put(_wanted(entry), path, is_there, value)
    # What is resolved during the deployment would be put over it.
    references = cast("dict[str, Value]", value_at(entry, ("new_state", "vars"))[1] or {})
    for each in [name for name in references if leads_into(steps_of(name), path)]:
        del references[each]
    return KeptSetting(key, ".".join(path), value, metadata)


def _is_edit(name: str, change: Mapping[str, Value]) -> bool:
    values = map(change.get, ("old", "new", "remote"))
    return FieldChange(name, Action(str(change.get("action"))), "", *values).was_edited_by_hand


def _forget_edit(change: dict[str, Value], path: SettingPath) -> None:
    """Makes a change of what is around a kept setting no edit by hand because of that setting."""
    is_there, value = value_at(change.get("remote"), path) if path else (False, None)
    if is_there and isinstance(change.get("old"), dict) and value_at(change["old"], path)[0]:
        change["old"] = json.loads(json.dumps(change["old"]))
        _put(cast("dict[str, Value]", change["old"]), path, True, cast(Value, value))


def _wanted(entry: Mapping[str, Value]) -> dict[str, Value]:
    return cast("dict[str, Value]", value_at(entry, ("new_state", "value"))[1])


def _put(tree: dict[str, Value], path: SettingPath, is_there: bool, value: Value) -> None:
    """Puts a value at a path, whose last step alone may be missing, or takes it away."""
    inside = cast("dict[str, Value]", value_at(tree, path[:-1])[1])
    if is_there:
        inside[path[-1]] = value
    else:
        inside.pop(path[-1], None)
