"""Derives `dqx_checks.json` beside this file: the check functions of databricks-labs-dqx, and what each takes.

    python schemas/derive_dqx.py            # --check only says whether it is stale

Needs databricks-labs-dqx in the version that `jobs/quality.py` pins; the tool itself never imports it. In the file are
the functions that DQX registers and that need no extra of it, each with a JSON Schema of its arguments. A type that
JSON has not, such as a column of Spark, is left out, and so is an argument that has no other.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict

from databricks.labs.dqx import check_funcs
from databricks.labs.dqx.geo import check_funcs as geo_check_funcs
from databricks.labs.dqx.rule import CHECK_FUNC_REGISTRY

FILE = Path(__file__).with_name("dqx_checks.json")
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

Schema = dict[str, Any]


def functions() -> dict[str, Callable[..., object]]:
    """Every function that a check may name, by its name."""
    return {
        name: function
        for module in (geo_check_funcs, check_funcs)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name in CHECK_FUNC_REGISTRY
    }


def arguments(function: Callable[..., object]) -> Schema:
    """The schema of the arguments of a function."""
    parameters = inspect.signature(function, eval_str=True).parameters
    schemas = {name: schema_of(each.annotation) for name, each in parameters.items()}
    return {
        "type": "object",
        "properties": {name: schema for name, schema in schemas.items() if schema is not None},
        "required": [name for name, each in parameters.items() if each.default is inspect.Parameter.empty],
        "additionalProperties": False,
    }


def schema_of(hint: object) -> Schema | None:
    """The schema of an annotation; None where JSON has no value for it but null."""
    options: list[Schema] = []
    for option in options_of(hint):
        if option not in options:
            options.append(option)
    if {} in options:
        return {}
    if all(each == {"type": "null"} for each in options):
        return None
    return options[0] if len(options) == 1 else {"anyOf": options}


def options_of(hint: object) -> Iterator[Schema]:
    """The schemas of which a value of an annotation has one."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for each in inside:
            yield from (option for option in options_of(each))
    elif origin is Literal:
        yield {"enum": list(inside)}
    elif hint in (Any, inspect.Parameter.empty):
        yield {}
    elif hint in SCALARS:
        yield {"type": SCALARS[hint]}  # type: ignore[index]
    elif (origin or hint) is list:
        yield {"type": "array", "items": (schema_of(inside[0]) if inside else None) or {}}
    elif (origin or hint) is dict or is_typeddict(hint):
        yield {"type": "object"}


def text() -> str:
    """The whole file, for the installed version: a line for each function."""
    checks = [f'"{name}": {json.dumps(arguments(function))}' for name, function in sorted(functions().items())]
    lines = ",\n    ".join(checks)
    return f'{{\n  "x-dqx": "{version("databricks-labs-dqx")}",\n  "$defs": {{\n    {lines}\n  }}\n}}\n'


def main() -> int:
    """Writes the file, or with `--check` only says whether it is stale."""
    is_check = "--check" in sys.argv[1:]
    is_stale = not FILE.exists() or FILE.read_text("utf-8") != text()
    if is_stale:
        print(f"schemas/{FILE.name} {'is stale' if is_check else 'written'}", file=sys.stderr)
    if is_stale and not is_check:
        FILE.write_text(text(), encoding="utf-8")
    return int(is_stale and is_check)


if __name__ == "__main__":
    sys.exit(main())
