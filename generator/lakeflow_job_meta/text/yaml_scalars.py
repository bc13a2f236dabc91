"""Plain YAML scalars as every reader takes them: go-yaml, YAML 1.1 and YAML 1.2. Pure.

`09`, `0123`, `1_000` and `12:30` are not the same number to all of them, and stay text.
"""

from __future__ import annotations

import math
import re

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import Scalar

LONGEST_NUMBER = 30
"""Longer digits are never a number of 64 bits, and Python refuses to read very long ones."""

CORE = "tag:yaml.org,2002:"
_TYPES = {CORE + "str": str, CORE + "int": int, CORE + "float": float, CORE + "bool": bool}
KNOWN_TAGS = {*_TYPES, CORE + "null", CORE + "map", CORE + "seq", "!"}

_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
OTHER_THAN_TEXT = frozenset("+-.0123456789~nNtTfF")
"""First characters of the plain scalars that may be something else than text, but for the empty one."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class UnusableScalar(ValueError):
    """A scalar that no job can have; its text says why."""


def plain_scalar(text: str) -> Scalar:
    """Returns the value of a scalar without quotes and tag; raises UnusableScalar for a number that no job can have."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in OTHER_THAN_TEXT:
        return text
    if _NOT_FINITE.fullmatch(text):
        raise UnusableScalar(f"{quoted(text)} is no number that a job can have; quote it if text is meant")
    if _INTEGER.fullmatch(text):
        number = int(text, 0 if text[:2] in ("0x", "0o") else 10) if len(text) <= LONGEST_NUMBER else 2**63
        if -(2**63) <= number < 2**63:
            return number
    elif not _FLOAT.fullmatch(text):
        return text
    elif math.isfinite(fraction := float(text)):
        return fraction
    raise UnusableScalar(f"the number {quoted(text)} is too large; quote it if text is meant")


# The CLI reads with go.yaml.in/yaml/v3 (`resolve` in its resolve.go), and takes dates from it (libs/dyn/yamlloader).
_GO_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)|0b[-+]?[01]+|0o[-+]?[0-7]+")
_GO_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_GO_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}.*)?")


def is_text_to_go_yaml(text: str) -> bool:
    """Says whether the databricks CLI takes a scalar without quotes and tag for text, as `plain_scalar` may do.

    What only looks like a date, or is a number out of its range, counts as one.
    """
    if text in _CONSTANTS or text == "<<":
        return False
    if text[0] not in "+-.0123456789":
        return True
    digits = text.replace("_", "")
    numbers = (_GO_INTEGER.fullmatch(digits), _GO_FLOAT.fullmatch(digits), _NOT_FINITE.fullmatch(text))
    return not any(numbers) and not _GO_DATE.fullmatch(text)


def tagged_scalar(value: Scalar, text: str, tag: str) -> Scalar:
    """Returns `value`, which `text` has without its tag, as the tag demands it; raises UnusableScalar if it cannot."""
    expected = _TYPES.get(tag)
    if expected is float and type(value) is int:
        return float(value)
    if expected is not None and type(value) is not expected:
        raise UnusableScalar(f"{quoted(text)} is not what the tag !!{tag.removeprefix(CORE)} says")
    return value
