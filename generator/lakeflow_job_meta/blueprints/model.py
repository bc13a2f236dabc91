"""A blueprint: a module with parameters, compiled so that it can be filled many times; and all blueprints of a project.

Nothing is read or checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.hashing import content_digest

if TYPE_CHECKING:
    from lakeflow_job_meta._internal.trees import KeyPath, Value
    from lakeflow_job_meta.blueprints.parameters import Parameter
    from lakeflow_job_meta.blueprints.template import Template
    from lakeflow_job_meta.diagnostics.model import SourceRef
    from lakeflow_job_meta.parsing.arguments import Arguments


@dataclass(frozen=True, slots=True)
class Loop:
    """How the sources below an `each` become one task that Databricks repeats; see `for_each_task`."""

    concurrency: Value = None


@dataclass(frozen=True, slots=True)
class SourceTemplate:
    """One source of a blueprint.

    Attributes:
        path: Where it stands in the blueprint.
        value: As it is written, with placeholders.
        is_repeated: Whether there is one for each row of a job, or one for all of them.
        loop: Set where the rows become the inputs of one task.
    """

    path: KeyPath
    value: Value
    template: Template
    is_repeated: bool = False
    loop: Loop | None = None


@dataclass(frozen=True)  # without slots, since its names are gathered once
class Blueprint:
    """One blueprint.

    Attributes:
        origin: Where it stands in its file.
        written: As it is written.
        digest: Of the file that it stands in, and its place there.
        parameters: In an order in which the default of each depends on earlier ones alone.
        module: Everything of the module but its sources.
        shared_names: The parameters that must be the same for all rows of one job, by the field of the module that
            depends on them.
        examples: Values to check it with where nothing uses it.
    """

    name: str
    origin: SourceRef
    written: Value
    digest: bytes
    description: str | None
    parameters: tuple[Parameter, ...]
    module: Template
    sources: tuple[SourceTemplate, ...]
    shared_names: Mapping[str, frozenset[str]]
    examples: tuple[Arguments, ...]

    @cached_property
    def parameter_names(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters)

    @property
    def place(self) -> str:
        """Names it and where it stands, for messages about the rows that fill it."""
        return f"blueprint {self.name}, {self.origin.at('blueprint')}"


@dataclass(frozen=True)
class Library:
    """All blueprints of a project that could be read, by name.

    Attributes:
        is_whole: Whether every file that may define one could be read.
        broken: The names of those that are wrong, so that nothing can be made of them.
    """

    blueprints: Mapping[str, Blueprint]
    broken: frozenset[str] = frozenset()
    is_whole: bool = True

    @property
    def digest(self) -> bytes:
        """A digest of everything that users of the library depend on."""
        return self.digest_of(self.blueprints)

    def digest_of(self, names: Iterable[str]) -> bytes:
        """Returns a digest of some blueprints, and of which of them there are."""
        found = (self.blueprints.get(name) for name in sorted(names))
        parts = (b"" if each is None else each.name.encode() + b"\0" + each.digest for each in found)
        return content_digest(*parts, repr((sorted(self.broken), self.is_whole)).encode())
