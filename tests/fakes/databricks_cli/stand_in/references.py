"""`${...}` in a bundle: what is one, and putting values in its place."""

from __future__ import annotations

import re
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object

_SEGMENT = r"[a-zA-Z]+(?:[-_]*[a-zA-Z0-9]+)*"
REFERENCE = re.compile(rf"\$\{{({_SEGMENT}(?:\.{_SEGMENT}(?:\[[0-9]+\])*)*(?:\[[0-9]+\])*)\}}")
RESOLVED = ("bundle", "workspace", "var", "variables", "artifacts", "resources")
"""The prefixes that mean something; others stay as they are until a plan refuses them."""


class Unknown:
    """Says that a reference cannot be resolved (yet) and stays as it is."""


UNKNOWN = Unknown()
Lookup = Callable[[str], Any]


def resolve(value: Any, lookup: Lookup) -> Any:
    """The value with every reference replaced that the lookup knows; a text that is nothing else takes its type."""
    if isinstance(value, dict):
        return {name: resolve(item, lookup) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, lookup) for item in value]
    if not isinstance(value, str):
        return value
    if whole := REFERENCE.fullmatch(value):
        found = lookup(whole.group(1))
        return value if isinstance(found, Unknown) else found
    return REFERENCE.sub(lambda match: _as_text(match, lookup(match.group(1))), value)


def references_in(value: Any) -> list[str]:
    """The names of all references in a value, in their order."""
    if isinstance(value, dict):
        return [name for item in value.values() for name in references_in(item)]
    if isinstance(value, list):
        return [name for item in value for name in references_in(item)]
    return REFERENCE.findall(value) if isinstance(value, str) else []


def at(data: Any, name: str) -> Any:
    """What stands at a dotted name in nested data, or UNKNOWN."""
    for part in re.findall(r"[^.\[\]]+", name):
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return UNKNOWN
    return data


def _as_text(match: re.Match[str], found: Any) -> str:
    if isinstance(found, Unknown):
        return match.group()
    return str(found).lower() if isinstance(found, bool) else str(found)
