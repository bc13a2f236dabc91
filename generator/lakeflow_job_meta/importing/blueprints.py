"""Modules that differ in few values become one blueprint and a CSV file of rows: anti-unification. Pure.

What is the same in all of them stays as it is; what differs becomes a parameter. Texts are compared piece by piece, so
that one parameter serves wherever the same values differ: `orders` in `ingest_orders` and in `/Volumes/in/orders`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lakeflow_job_meta._internal.text import json_like
from lakeflow_job_meta._internal.trees import KeyPath, Value, replaced, value_at
from lakeflow_job_meta.text.yaml_commented_writer import write_commented

_PIECES = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")
_MOST_PARAMETERS = 8
_NAMES_OF_ALL = ("module_name", "name", "source_id")
"""Settings whose names say little of what differs in them."""

_Tuple = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class BlueprintOfModules:
    """A blueprint, and the values of its parameters for each module, in the order of these."""

    name: str
    text: str
    rows: str
    modules: tuple[str, ...]


@dataclass(slots=True)
class _Difference:
    """What differs at one path: the text around it, and the values."""

    path: KeyPath
    prefix: str
    values: _Tuple
    suffix: str


@dataclass(slots=True)
class _Group:
    members: list[dict[str, Value]]
    differences: list[_Difference] = field(default_factory=list)


def blueprints_of_modules(modules: Sequence[dict[str, Value]]) -> list[BlueprintOfModules]:
    """Returns the blueprints that some modules can be made of; those that are alone are in none."""
    by_shape: dict[object, list[dict[str, Value]]] = {}
    for module in modules:
        by_shape.setdefault(_shape(module), []).append(module)
    found: list[BlueprintOfModules] = []
    for alike in by_shape.values():
        for group in _groups(alike):
            found.append(_blueprint(group, {each.name for each in found}))
    return found


def _shape(value: Value) -> object:
    if isinstance(value, dict):
        return tuple(sorted((key, _shape(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", *map(_shape, value))
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def _groups(alike: list[dict[str, Value]]) -> Iterator[_Group]:
    """Yields modules of one shape that differ in few values from the first of each group."""
    left = alike
    while len(left) > 1:
        group = _Group(left[:1])
        others = []
        for module in left[1:]:
            differences = list(_differences([*group.members, module]))
            if _are_few(differences, group.members[0]):
                group.members.append(module)
                group.differences = differences
            else:
                others.append(module)
        if len(group.members) > 1:
            yield group
        left = others


def _are_few(differences: Sequence[_Difference], module: dict[str, Value]) -> bool:
    """Whether few values differ; none that a CSV file cannot hold, or that would look like a placeholder."""
    texts = [value for each in differences for value in each.values]
    is_writable = all(value not in ("", None) and "\r" not in str(value) for value in texts)
    different = {each.values for each in differences}
    leaves = list(_leaves(module))
    has_placeholder = any(isinstance(value, str) and "${param." in value for _, value in leaves)
    return is_writable and not has_placeholder and len(different) <= min(_MOST_PARAMETERS, max(2, len(leaves) // 2))


def _leaves(value: Value, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Value]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
    for step, item in items or ():
        yield from _leaves(item, (*path, step))


def _differences(modules: Sequence[dict[str, Value]]) -> Iterator[_Difference]:
    for path, first in _leaves(modules[0]):
        values: list[Value] = [value_at(module, path)[1] for module in modules]  # type: ignore[misc]
        if all(type(value) is type(first) and value == first for value in values):
            continue
        yield _Difference(path, *_split([value for value in values if isinstance(value, str)], tuple(values)))


def _split(texts: Sequence[str], values: _Tuple) -> tuple[str, _Tuple, str]:
    """Returns what all texts begin with, in what they differ, and what they end with; never within a reference."""
    if len(texts) < len(values):
        return "", values, ""
    pieces = [_PIECES.findall(text) for text in texts]
    shortest = min(map(len, pieces))
    start = next((n for n in range(shortest) if len({each[n] for each in pieces}) > 1), shortest)
    end = next((n for n in range(shortest - start) if len({each[-1 - n] for each in pieces}) > 1), shortest - start)
    middles = ["".join(each[start : len(each) - end]) for each in pieces]
    prefix = "".join(pieces[0][:start])
    is_in_reference = prefix.count("{") != prefix.count("}") or any(brace in text for text in middles for brace in "{}")
    if is_in_reference or not all(middles):
        return "", values, ""
    return prefix, tuple(middles), "".join(pieces[0][len(pieces[0]) - end :])


def _blueprint(group: _Group, taken: set[str]) -> BlueprintOfModules:
    names = _parameter_names(group.differences)
    module: Value = group.members[0]
    for each in group.differences:
        placeholder = f"{each.prefix}${{param.{names[each.values]}}}{each.suffix}"
        module = replaced(module, each.path, placeholder)
    modules = tuple(str(member["module_name"]) for member in group.members)
    name = _free(_common_name(modules), taken)
    parameters: Value = {names[values]: {"type": _type_of(values)} for values in names}
    text = write_commented({"blueprints": [{"blueprint": name, "parameters": parameters, "module": module}]}, {})
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names.values())
    writer.writerows(zip(*([_cell(value) for value in values] for values in names), strict=True))
    return BlueprintOfModules(name, text, written.getvalue(), modules)


def _cell(value: Value) -> str:
    return value if isinstance(value, str) else json_like(value)


def _type_of(values: _Tuple) -> str:
    if all(isinstance(value, str) for value in values):
        return "text"
    return "boolean" if all(isinstance(value, bool) for value in values) else "number"


def _parameter_names(differences: Sequence[_Difference]) -> dict[_Tuple, str]:
    """Names each parameter after the setting that it is the whole of, as far as that says something."""
    found: dict[_Tuple, str] = {}
    taken: set[str] = set()
    for each in differences:
        if each.values in found:
            continue
        same = [other for other in differences if other.values == each.values]
        telling = [other for other in same if not (other.prefix or other.suffix) and _key(other) not in _NAMES_OF_ALL]
        found[each.values] = _free(_key((telling or same)[0]), taken)
        taken.add(found[each.values])
    return found


def _key(difference: _Difference) -> str:
    last = next((str(step) for step in reversed(difference.path) if isinstance(step, str)), "value")
    cleaned = re.sub(r"[^A-Za-z0-9_]+", "_", last).strip("_")
    return cleaned if re.match("[A-Za-z_]", cleaned) else f"value_{cleaned}"


def _free(name: str, taken: set[str]) -> str:
    names = (name if number == 1 else f"{name}_{number}" for number in range(1, len(taken) + 2))
    return next(each for each in names if each not in taken)


def _common_name(modules: Sequence[str]) -> str:
    prefix, _, _ = _split(modules, tuple(modules))
    name = prefix.strip("_-")
    return name if re.fullmatch("[A-Za-z_][A-Za-z0-9_-]*", name) else f"like_{modules[0]}"
