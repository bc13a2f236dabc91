"""What differs between what was last deployed, what the configuration wants and what the workspace has.

Pure. Paths are written as plans write them: `tasks[task_key='one'].max_retries`, `tags['team']`, `libraries[0]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stand_in.settings_schema import is_map
from stand_in.yaml_source import DataPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object


class Missing:
    """Stands where there is no value."""


MISSING = Missing()
Triple = tuple[Any, Any, Any]
Change = dict[str, Any]

_KEYS_OF_LISTS = {
    "tasks": "task_key",
    "depends_on": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "parameters": "name",
}
_BACKEND_DEFAULTS: dict[str, tuple[str, ...]] = {"run_if": ("ALL_SUCCESS",), "source": ("WORKSPACE", "GIT")}
_EMPTY: tuple[Any, ...] = ({}, [], "", 0, False)


def job_changes(old: Any, new: Any, remote: Any) -> dict[str, Change]:
    """The changes of a job by their paths."""
    return dict(_changes((old, new, remote), "", ()))


def permission_changes(old: Any, new: Any, remote: Any) -> dict[str, Change]:
    """The changes of a job's permissions by their paths: the object they are for, and each entry."""
    changes = {}
    if entry := _entry(tuple(side.get("object_id", MISSING) for side in (old, new, remote)), ""):
        changes["object_id"] = entry
    lists = tuple(_by(_principal, side["__embed__"]) for side in (old, new, remote))
    for key in _all_keys(lists):
        sides = tuple(side.get(key, MISSING) for side in lists)
        if entry := _entry(sides, ""):
            changes[f"[{key}]"] = entry
    return changes


def is_update(changes: dict[str, Change]) -> bool:
    """Whether any change asks for something to be done."""
    return any(change["action"] != "skip" for change in changes.values())


def _changes(sides: Triple, text: str, path: DataPath) -> Iterator[tuple[str, Change]]:
    present = [side for side in sides if side is not MISSING]
    if len(present) == 3 or (len(present) == 2 and sides[0] is MISSING and path):
        if all(isinstance(side, dict) for side in present):
            yield from _in_maps(sides, text, path)
            return
        if all(isinstance(side, list) for side in present):
            yield from _in_lists(sides, text, path)
            return
    if entry := _entry(sides, str(path[-1]) if path else ""):
        yield text, entry


def _in_maps(sides: Triple, text: str, path: DataPath) -> Iterator[tuple[str, Change]]:
    own_keys = is_map(path)
    for key in _all_keys(sides):
        inner = f"{text}['{key}']" if own_keys else f"{text}.{key}" if text else key
        yield from _changes(_inner(sides, key), inner, (*path, key))


def _in_lists(sides: Triple, text: str, path: DataPath) -> Iterator[tuple[str, Change]]:
    items = [item for side in sides if side is not MISSING for item in side]
    key = _KEYS_OF_LISTS.get(str(path[-1]))
    if key and all(isinstance(item, dict) for item in items):
        keyed = tuple(
            MISSING if side is MISSING else _by(lambda item: f"{key}='{item.get(key, '')}'", side) for side in sides
        )
        for name in _all_keys(keyed):
            yield from _changes(_inner(keyed, name), f"{text}[{name}]", (*path, 0))
    elif len({len(side) for side in sides if side is not MISSING}) == 1:
        length = max(len(side) for side in sides if side is not MISSING)
        for index in range(length):
            inner = tuple(MISSING if side is MISSING else side[index] for side in sides)
            yield from _changes(inner, f"{text}[{index}]", (*path, index))
    elif entry := _entry(sides, ""):
        yield text, entry


def _entry(sides: Triple, name: str) -> Change | None:
    old, new, remote = sides
    if old == new and new == remote:
        return None
    values = zip(("old", "new", "remote"), sides, strict=True)
    change: Change = {"action": "update"}
    if reason := _reason_to_skip(old, new, remote, name):
        change = {"action": "skip", "reason": reason}
    return change | {side: value for side, value in values if value is not MISSING}


def _reason_to_skip(old: Any, new: Any, remote: Any, name: str) -> str:
    if new is MISSING:
        if remote is MISSING or remote in _EMPTY:
            return "empty"
        if old is MISSING and remote in _BACKEND_DEFAULTS.get(name, ()):
            return "backend_default"
        return ""
    if remote is MISSING:
        return "empty" if old == new and new in _EMPTY else ""
    return "remote_already_set" if new == remote else ""


def _inner(sides: Any, key: str) -> Triple:
    old, new, remote = (MISSING if side is MISSING else side.get(key, MISSING) for side in sides)
    return old, new, remote


def _all_keys(sides: Any) -> list[str]:
    return sorted({key for side in sides if side is not MISSING for key in side})


def _by(key_of: Callable[[Any], str], items: list[Any]) -> dict[str, Any]:
    return {key_of(item): item for item in items}


def _principal(entry: dict[str, str]) -> str:
    kind = next(name for name in ("group_name", "user_name", "service_principal_name") if name in entry)
    return f"{kind}='{entry[kind]}'"
