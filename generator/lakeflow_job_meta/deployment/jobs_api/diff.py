"""What differs between the settings that a job should have and those that the workspace says it has. Pure.

Lists of named things are compared by name, and what the workspace adds by itself is no difference. Whatever else is
there and was not asked for is one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import cast

from lakeflow_job_meta._internal.text import json_like
from lakeflow_job_meta._internal.trees import ABSENT, Difference, KeyPath, Value, diff, replaced, value_at
from lakeflow_job_meta.config.model import STARTS, SettingPath
from lakeflow_job_meta.planning.defaults import is_default
from lakeflow_job_meta.planning.model import Action, FieldChange

_NAMES_OF_ITEMS = {"tasks": "task_key", "depends_on": "task_key", "parameters": "name"}
_NAMES_OF_ITEMS |= {"job_clusters": "job_cluster_key", "environments": "environment_key"}
"""Lists whose order means nothing, and what names their items."""

_CLOUD_SETTINGS = {"aws_attributes", "azure_attributes", "gcp_attributes"}
_FILLED_IN = _CLOUD_SETTINGS | {"enable_elastic_disk", "data_security_mode", "driver_node_type_id"}
"""Clusters API, `clusters/get`: filled in with what the cloud and the workspace prefer."""

OUR_TAGS = "lakeflow_job_meta_"
"""What the names of our own tags begin with; a change of those is no edit of a setting."""

_UNSURE = "perhaps edited in the workspace: what was sent last is not known"


def digest_of(settings: Mapping[str, Value], files: Mapping[str, bytes]) -> str:
    """Returns a digest of the settings that are to be sent, and of the files, by path, that go with them."""
    contents = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    text = json.dumps([settings, contents], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def with_open_pauses(remote: Mapping[str, Value], wanted: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the wanted settings, in which what starts a job is not paused where they leave that open.

    The workspace says of each start whether it is paused, and the databricks CLI deploys it like this.
    """
    result = dict(wanted)
    for name in STARTS:
        ours, theirs = wanted.get(name), remote.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict) and "pause_status" in theirs:
            result[name] = {"pause_status": "UNPAUSED", **ours}
    return result


def paused(wanted: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the wanted settings with all that starts the job paused."""
    starts = {name: each for name in STARTS if isinstance(each := wanted.get(name), dict)}
    return {**wanted, **{name: {**each, "pause_status": "PAUSED"} for name, each in starts.items()}}


def with_values_of(
    remote: Mapping[str, Value], wanted: dict[str, Value], paths: Iterable[SettingPath]
) -> dict[str, Value]:
    """Returns the wanted settings with the values of the workspace at some paths, as far as these lead somewhere."""
    result: Value = wanted
    for path in paths:
        around = value_at(result, path[:-1])[1]
        if isinstance(around, dict):
            is_there, value = value_at(remote, path)
            own = {**around, path[-1]: value} if is_there else {k: v for k, v in around.items() if k != path[-1]}
            result = replaced(result, path[:-1], cast("Value", own))
    return cast("dict[str, Value]", result)


def differ_at(path: SettingPath, one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Says whether two jobs have another setting at a path; what only means the same is none."""
    values = [cast("Value", value_at(settings, path)[1]) for settings in (one, other)]
    before, after = (_by_name({path[-1]: value}) for value in values)
    return bool(_differences(before, after, "WORKSPACE", ""))


def field_changes(
    remote: dict[str, Value], wanted: dict[str, Value], *, creator: str, base: dict[str, Value] | None
) -> tuple[FieldChange, ...]:
    """Returns every setting that a reset would change, compared three ways.

    `run_as` may name the creator of the job without being set. `base` is what was sent last: where the workspace
    differs from it, somebody has edited it. None if that is not known: then every difference may be an edit.
    """
    source = "GIT" if "git_source" in wanted else "WORKSPACE"
    there, ours, sent = _by_name(remote), _by_name(wanted), _by_name(base)
    found = _differences(there, ours, source, creator)
    if not found or base is None:
        return tuple(map(_unsure, found))
    edits = [each.path for each in _differences(there, sent, source, creator) if not _is_our_tag(each.path)]
    paths = {each.path: None for each in found}
    for each in found:
        # Of a block that is replaced as a whole, the edits inside are named one by one.
        paths |= dict.fromkeys(edit for edit in edits if edit[: len(each.path)] == each.path)
    return tuple(
        _change(path, _at(there, path), _at(ours, path), _at(sent, path), any(path[: len(e)] == e for e in edits))
        for path in paths
    )


def _differences(remote: Value, wanted: Value, source: str, creator: str) -> list[Difference]:
    found = sorted(diff(remote, wanted), key=lambda each: path_text(each.path))
    return [each for each in found if not _is_equivalent(each, source, creator)]


def _change(path: KeyPath, remote: Value, wanted: Value, sent: Value, is_edit: bool) -> FieldChange:
    old, reason = (sent, "edited in the workspace") if is_edit else (remote, "changed")
    return FieldChange(path_text(path), Action.UPDATE, reason, old, wanted, remote)


def _unsure(difference: Difference) -> FieldChange:
    remote, wanted = _value(difference.before), _value(difference.after)
    if _is_our_tag(difference.path):
        return _change(difference.path, remote, wanted, None, is_edit=False)
    return replace(_change(difference.path, remote, wanted, wanted, is_edit=True), reason=_UNSURE)


def _is_our_tag(path: KeyPath) -> bool:
    return path[0] == "tags" and str(path[-1]).startswith(OUR_TAGS)


def _at(tree: Value, path: KeyPath) -> Value:
    return cast("Value", value_at(tree, path)[1])


def path_text(path: KeyPath) -> str:
    """Returns a path as the databricks CLI writes it, such as `tasks[task_key='a'].max_retries`."""
    steps = [f"[{step}]" if isinstance(step, int) else step for step in path]
    return "".join(step if step.startswith("[") else f".{step}" for step in steps).removeprefix(".")


def _value(side: object) -> Value:
    return None if side is ABSENT else side  # type: ignore[return-value]


def _is_equivalent(difference: Difference, source: str, creator: str) -> bool:
    before, after = difference.before, difference.after
    name = str(difference.path[-1])
    if before is not ABSENT and after is not ABSENT:
        return _is_scalar(before) and _is_scalar(after) and json_like(before) == json_like(after)
    if name == "run_as" and after is ABSENT:
        return before in ({"user_name": creator}, {"service_principal_name": creator})
    if name in _FILLED_IN and after is ABSENT:
        return True
    return is_default(name, _value(before if after is ABSENT else after), source)


def _is_scalar(value: object) -> bool:
    """Whether a value is one that the API takes as text as well; null is not."""
    return isinstance(value, (str, bool, int, float))


def _by_name(value: Value, setting: str = "") -> Value:
    """Returns a value with every list of named things as a map by name."""
    if isinstance(value, dict):
        return {key: _by_name(item, key) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    name = _NAMES_OF_ITEMS.get(setting, "")
    named = {
        f"[{name}='{item[name]}']": _by_name(item)
        for item in value
        if isinstance(item, dict) and isinstance(item.get(name), str)
    }
    return [_by_name(item) for item in value] if len(named) < len(value) else named
