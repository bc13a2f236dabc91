"""Proposes a blueprint for rows that nobody has written one for. Pure.

In: columns and values of a table. Out: the parameters of the blueprint, the columns that fill them, and what names a
row's job. It is a start for a person to change: whatever is not text is left to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.parsing.arguments import ValueForm
from lakeflow_job_meta.parsing.keys import is_job_key, job_key
from lakeflow_job_meta.text.json_columns import read_json

_ACTIVE = re.compile(r"(is_?)?(active|enabled)|\w*(_active|_enabled|Enabled|Active)", re.IGNORECASE)
_NAMING = (
    r".*target.*(table|name|object)|target",
    r".*(table|object|entity|feed|dataset|pipeline).*",
    r".*name",
    r".*(id|key)",
)
"""Names of columns that may name a row, the likeliest first."""
_MOST_KEYS = 8
"""Columns of which two are tried together."""
_DEEPEST = 3
_TRUTHS = ("true", "false")


@dataclass(frozen=True, slots=True)
class ProposedParameter:
    """A parameter of the blueprint.

    Attributes:
        column: What fills it, such as `load_type`, or `Settings.table` for a value in the JSON of a column.
    """

    name: str
    column: str
    type: str
    is_required: bool

    @property
    def is_mapped(self) -> bool:
        """Whether its column has another name, so that it has to be named."""
        return self.name.casefold() != self.column.casefold()


@dataclass(frozen=True, slots=True)
class RowProposal:
    """A blueprint for the rows of one table or file.

    Attributes:
        key: The columns that name a row, and by their values its job.
        active: The parameter that switches a row off; None where no column looks like it.
        unused: Columns that fill nothing, since a notebook's parameters are text and their values are not.
    """

    parameters: tuple[ProposedParameter, ...]
    key: tuple[str, ...]
    active: str | None
    unused: tuple[str, ...]

    @property
    def key_parameters(self) -> tuple[str, ...]:
        """The parameters that the key fills."""
        return tuple(each.name for column in self.key for each in self.parameters if each.column == column)


def propose_blueprint(
    source: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], form: ValueForm = ValueForm.COLUMNS
) -> RowProposal:
    """Proposes a blueprint for a table.

    Args:
        source: The table or file, for messages.
        columns: As they are spelled there.
        rows: Their values.
        form: In what form they are.

    Raises:
        ConfigError: There are no rows, or no column names each of them.
    """
    if not rows:
        raise ConfigError(f"{source} has no rows, from which a blueprint could be proposed. Fill in one or two first.")
    found = {
        reference: values
        for number, name in enumerate(columns)
        for reference, values in _values_of(name, [row[number] for row in rows], 1)
    }
    types = {reference: _type_of(reference, values, form) for reference, values in found.items()}
    key = _key(source, {name: found[name] for name in columns if types.get(name) == "text"})
    parameters: list[ProposedParameter] = []
    for reference, kind in types.items():
        if kind is not None:
            taken = {each.name.casefold() for each in parameters}
            name = _parameter_name(reference, taken)
            parameters.append(ProposedParameter(name, reference, kind, None not in found[reference]))
    active = next((each.name for each in parameters if each.type == "boolean"), None)
    return RowProposal(tuple(parameters), key, active, tuple(each for each, kind in types.items() if kind is None))


def _values_of(reference: str, values: list[Value], depth: int) -> Iterator[tuple[str, list[Value]]]:
    """Yields a column, or where all of its values are maps, or JSON of maps, each key of them."""
    given = [each for each in values if each is not None]
    maps = [_as_map(each) for each in given]
    if not given or depth > _DEEPEST or not all(maps):
        yield reference, values
        return
    by_row = iter(maps)
    rows = [next(by_row) if value is not None else None for value in values]
    keys = dict.fromkeys(key for each in maps for key in each or {})
    for key in keys:
        inside = [row.get(key) if row is not None else None for row in rows]
        yield from _values_of(f"{reference}.{key}", inside, depth + 1)


def _as_map(value: Value) -> dict[str, Value] | None:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value, _ = read_json(value)
    return value if isinstance(value, dict) and value and not any(re.search("[.{}]", key) for key in value) else None


def _type_of(reference: str, values: Sequence[Value], form: ValueForm) -> str | None:
    """Returns the type of a parameter; None for a column that no text and no switch comes from."""
    given = [each for each in values if each is not None]
    if re.search("[{}]", reference):
        return None
    truths = _TRUTHS if form is ValueForm.TEXT else ()
    is_truth = all(isinstance(each, bool) or str(each).lower() in truths for each in given)
    if given and is_truth and _ACTIVE.fullmatch(reference.rsplit(".", 1)[-1]):
        return "boolean"
    is_text = all(isinstance(each, (str, int)) and not isinstance(each, bool) for each in given)
    return "text" if is_text else None


def _parameter_name(reference: str, taken: set[str]) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", reference).strip("_-") or "column"
    name = name if re.match("[A-Za-z_]", name) else f"column_{name}"
    number = 2
    unique = name
    while unique.casefold() in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _key(source: str, texts: dict[str, list[Value]]) -> tuple[str, ...]:
    """Returns the column, or the two, by whose values each row has a job of its own."""
    likely = sorted((name for name, values in texts.items() if None not in values), key=_unlikeliness)
    candidates = [*((name,) for name in likely), *combinations(likely[:_MOST_KEYS], 2)]
    for names in candidates:
        keys = [
            job_key("load_" + "_".join(map(str, row))) for row in zip(*(texts[name] for name in names), strict=True)
        ]
        if len({each.casefold() for each in keys}) == len(keys) and all(map(is_job_key, keys)):
            return names
    raise ConfigError(
        f"No column of {source}, and no two of them, have another value in each row, by which its job could be named. "
        "Add one, or write the blueprint by hand (docs/own-table.md)."
    )


def _unlikeliness(column: str) -> int:
    matches = (number for number, pattern in enumerate(_NAMING) if re.fullmatch(pattern, column, re.IGNORECASE))
    return next(matches, len(_NAMING))
