"""Brings the settings of a job into the shape of the Jobs API: types made right, unknown fields warned of and dropped.

The fields and types come from the project's job schema (from `databricks-sdk`).
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from stand_in.diagnostics import Diagnostic
from stand_in.yaml_source import DataPath, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SCHEMA = Path(__file__).resolve().parents[4] / "schemas" / "job.schema.json"
_OWN_FIELDS = {"deployment": {"type": "object"}, "edit_mode": {"type": "string"}, "format": {"type": "string"}}
_REFERENCE = re.compile(r"\$\{[A-Za-z][^}]*\}")


class Shaper:
    """Shapes settings; collects what it has to say."""

    def __init__(self, source: Source) -> None:
        self.warnings: list[Diagnostic] = []
        self._source = source

    def job(self, settings: Any, path: DataPath) -> Any:
        """The settings of one job, shaped."""
        return self._shape(settings, _definition("JobSettings"), path)

    def _shape(self, value: Any, schema: dict[str, Any], path: DataPath) -> Any:
        schema = _resolved(schema)
        kind = schema.get("type")
        if isinstance(value, str) and _REFERENCE.fullmatch(value) and kind != "string":
            return value
        if kind == "object" and isinstance(value, dict):
            return self._mapping(value, schema, path)
        if kind == "array" and isinstance(value, list):
            return [self._shape(item, schema.get("items", {}), (*path, index)) for index, item in enumerate(value)]
        if kind in ("object", "array") and value is not None:
            return self._wrong(f"expected {'map' if kind == 'object' else 'sequence'}, found {_kind(value)}", path)
        return self._scalar(value, kind, path)

    def _mapping(self, value: dict[str, Any], schema: dict[str, Any], path: DataPath) -> dict[str, Any]:
        known = schema.get("properties")
        shaped = {}
        for name, item in value.items():
            if known is None or name in known:
                inner = known[name] if known else schema.get("additionalProperties") or {}
                result = self._shape(item, inner if isinstance(inner, dict) else {}, (*path, name))
                if result is not None:
                    shaped[name] = result
            elif not (len(path) == 3 and name in _OWN_FIELDS):
                there = (*path, name)
                place = self._source.keys[there]
                self.warnings.append(Diagnostic("Warning", f"unknown field: {name}", [dotted(path)], [place]))
        return shaped

    def _scalar(self, value: Any, kind: str | None, path: DataPath) -> Any:
        if value is None or kind is None:
            return value
        if isinstance(value, (dict, list)):
            return self._wrong(f"expected {kind}, found {_kind(value)}", path)
        if kind == "string":
            return _text(value)
        if kind == "boolean" and not isinstance(value, bool):
            return self._wrong(f"cannot parse {_quoted(value)} as a boolean", path)
        if kind in ("integer", "number") and (isinstance(value, (bool, str))):
            try:
                return int(str(value))
            except ValueError:
                return self._wrong(f"cannot parse {_quoted(value)} as {'an' if kind[0] == 'i' else 'a'} {kind}", path)
        return value

    def _wrong(self, summary: str, path: DataPath) -> None:
        self.warnings.append(Diagnostic("Warning", summary, [dotted(path)], [self._source.values[path]]))


def dotted(path: DataPath) -> str:
    """A path as messages show it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def is_map(path: DataPath) -> bool:
    """Whether a path within a job leads to a map whose keys are the user's own (tags, parameters, ...)."""
    schema = _definition("JobSettings")
    for part in path:
        schema = _resolved(schema)
        if isinstance(part, str):
            schema = schema.get("properties", {}).get(part) or schema.get("additionalProperties") or {}
        else:
            schema = schema.get("items") or {}
        if not isinstance(schema, dict):
            return False
    schema = _resolved(schema)
    return schema.get("type") == "object" and "properties" not in schema


def zero_of(path: DataPath) -> Any:
    """What stands for a value that is not known yet: 0 where the API wants a number, else the empty text."""
    schema = _definition("JobSettings")
    for part in path:
        schema = _resolved(schema)
        inner = schema.get("properties", {}).get(part) if isinstance(part, str) else schema.get("items")
        schema = inner if isinstance(inner, dict) else {}
    return 0 if _resolved(schema).get("type") in ("integer", "number") else ""


@cache
def _definitions() -> dict[str, Any]:
    definitions: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))["$defs"]
    return definitions


def _definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = _definitions()[name]
    return found


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without `$ref`, and without the alternative "or a reference"."""
    while True:
        if "$ref" in schema:
            schema = _definition(schema["$ref"].rpartition("/")[2])
        elif "anyOf" in schema:
            (schema, *_) = [one for one in schema["anyOf"] if one.get("$ref") != "#/$defs/reference"]
        else:
            return schema


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _quoted(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else _text(value)


def _kind(value: Any) -> str:
    return "map" if isinstance(value, dict) else "sequence" if isinstance(value, list) else type(value).__name__
