"""What one use of a blueprint gives the parameters of it, as readers hand it on. Nothing is checked here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import SourceRef


class ValueForm(str, Enum):
    """In what form values of parameters were written, and so how far they are turned into a parameter's type."""

    TYPED = "typed"
    """YAML, and JSON in a table: the type is as written."""
    COLUMNS = "columns"
    """Columns of a table: as typed, but lists and maps may be JSON text, and a whole number may serve as text."""
    TEXT = "text"
    """CSV: everything is text, and is parsed into the type that the parameter declares."""


def _no_reason(name: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What one use of a blueprint gives its parameters.

    Attributes:
        values: By the parameter's name; null counts as not given.
        origin: Where they stand; a value is at its name there.
        form: In what form they were written.
        by_name: What fills parameters of these names that `values` does not, without nulls; others are none of it.
        by_name_origin: Where those stand.
        unread: The parameters whose values could not be read, which has been reported; None for all of them.
        is_active: Whether what is made of them takes part.
        why_missing: Says, by its name, why a parameter has no value, to stand behind a message.
    """

    values: Value
    origin: SourceRef
    form: ValueForm = ValueForm.TYPED
    by_name: Mapping[str, Value] = field(default_factory=dict)
    by_name_origin: SourceRef | None = None
    unread: frozenset[str] | None = frozenset()
    is_active: bool = True
    why_missing: Callable[[str], str] = _no_reason

    def is_given(self, name: str) -> bool:
        """Whether there is a value for a parameter."""
        return (isinstance(self.values, dict) and self.values.get(name) is not None) or name in self.by_name

    def place_of(self, name: str, *inside: str | int) -> SourceRef:
        """Returns where the value of a parameter stands, or something in it."""
        is_among = isinstance(self.values, dict) and self.values.get(name) is not None
        if self.by_name_origin is not None and name in self.by_name and not is_among:
            return self.by_name_origin.at(name, *inside)
        return self.origin.at(name, *inside)
