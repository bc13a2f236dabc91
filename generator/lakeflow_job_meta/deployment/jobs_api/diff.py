"""What differs between the settings that a job should have and those that the workspace says it has. Pure.

Lists of named things are compared by name, and what the workspace adds by itself is no difference. Whatever else is
there and was not asked for is one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from lakeflow_job_meta._internal.text import json_like
from lakeflow_job_meta._internal.trees import ABSENT, Difference, KeyPath, Value, diff
from lakeflow_job_meta.planning.model import Action, FieldChange

_NAMES_OF_ITEMS = {"tasks": "task_key", "depends_on": "task_key", "parameters": "name"}
_NAMES_OF_ITEMS |= {"job_clusters": "job_cluster_key", "environments": "environment_key"}
"""Lists whose order means nothing, and what names their items."""

_DEFAULTS: dict[str, tuple[Value, ...]] = {
    # Jobs API 2.2, request of `jobs/create`: "default" of each field.
    "format": ("MULTI_TASK",),
    "max_concurrent_runs": (1,),
    "timeout_seconds": (0,),
    "run_if": ("ALL_SUCCESS",),
    "max_retries": (0,),
    "min_retry_interval_millis": (0,),
    "retry_on_timeout": (False,),
    "no_alert_for_skipped_runs": (False,),
    "no_alert_for_canceled_runs": (False,),
    "alert_on_last_attempt": (False,),
    "disabled": (False,),
    # Seen in answers of `jobs/get` for jobs that were created without it.
    "edit_mode": ("EDITABLE",),
    "disable_auto_optimization": (False,),
}
_CLOUD_SETTINGS = {"aws_attributes", "azure_attributes", "gcp_attributes"}
_FILLED_IN = _CLOUD_SETTINGS | {"enable_elastic_disk", "data_security_mode", "driver_node_type_id"}
"""Clusters API, `clusters/get`: filled in with what the cloud and the workspace prefer."""

_STARTS = ("schedule", "trigger", "continuous")
"""What may be paused in the workspace."""


def digest_of(settings: Mapping[str, Value], files: Mapping[str, bytes]) -> str:
    """Returns a digest of the settings that are to be sent, and of the files, by path, that go with them."""
    contents = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    text = json.dumps([settings, contents], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def with_pauses_of(remote: Mapping[str, Value], wanted: dict[str, Value]) -> dict[str, Value]:
    """Returns the wanted settings, paused as the workspace has them wherever the metadata leaves that open."""
    result = dict(wanted)
    for name in _STARTS:
        ours, theirs = wanted.get(name), remote.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict) and "pause_status" in theirs:
            result[name] = {"pause_status": theirs["pause_status"], **ours}
    return result


def field_changes(
    remote: dict[str, Value], wanted: dict[str, Value], *, creator: str, is_as_sent: bool
) -> tuple[FieldChange, ...]:
    """Returns every setting that a reset would change.

    `run_as` may name the creator of the job without being set. `is_as_sent` says whether the same was sent last time:
    then whatever differs was edited by hand; otherwise that is unknown, and it counts as a change of the metadata.
    """
    source = "GIT" if "git_source" in wanted else "WORKSPACE"
    found = sorted(diff(_by_name(remote), _by_name(wanted)), key=lambda each: path_text(each.path))
    return tuple(_change(each, is_as_sent) for each in found if not _is_equivalent(each, source, creator))


def path_text(path: KeyPath) -> str:
    """Returns a path as the databricks CLI writes it, such as `tasks[task_key='a'].max_retries`."""
    steps = [f"[{step}]" if isinstance(step, int) else step for step in path]
    return "".join(step if step.startswith("[") else f".{step}" for step in steps).removeprefix(".")


def _change(difference: Difference, is_as_sent: bool) -> FieldChange:
    remote, wanted = _value(difference.before), _value(difference.after)
    old, reason = (wanted, "edited in the workspace") if is_as_sent else (remote, "changed")
    return FieldChange(path_text(difference.path), Action.UPDATE, reason, old, wanted, remote)


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
    return _is_default(name, _value(before if after is ABSENT else after), source)


def _is_scalar(value: object) -> bool:
    """Whether a value is one that the API takes as text as well; null is not."""
    return isinstance(value, (str, bool, int, float))


def _is_default(name: str, value: Value, source: str) -> bool:
    """Whether a setting says what its absence says; what is empty always does."""
    if value is None or (value == source and name == "source"):
        return True
    if isinstance(value, dict):
        return all(_is_default(key, item, source) for key, item in value.items())
    if isinstance(value, list):
        return not value
    return any(type(value) is type(default) and value == default for default in _DEFAULTS.get(name, ()))


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
