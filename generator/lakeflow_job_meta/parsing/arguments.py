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
        by_name: What fills parameters of these names that `values` does not; others are none of it.
        is_active: Whether what is made of them takes part.
        why_missing: Says, by its name, why a parameter has no value, to stand behind a message.
    """

    values: Value
    origin: SourceRef
    form: ValueForm = ValueForm.TYPED
    by_name: Mapping[str, Value] = field(default_factory=dict)
    is_active: bool = True
    why_missing: Callable[[str], str] = _no_reason
