"""Other modules as one sees them that waits for them or runs them: their tables, and whether they have a job. Pure.

Modules are read and parsed only where one is asked for; nothing is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.jobs.references import REFERENCE
from lakeflow_job_meta.parsing.keys import TaskKeys
from lakeflow_job_meta.parsing.model import RUNS, Module, Source
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.targets import in_target
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit

_PARTS = ("catalog", "schema", "table")
_QUOTED = re.compile(r"`[^`]+`")


class NeedsOthers(Exception):
    """The other modules are needed while a unit is compiled alone.

    An exception, since whether a job depends on others is decided deep inside, for one setting among many; a flag would
    have to be passed up through every build and every check, and tested after each.
    """


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A module as others see it.

    Attributes:
        tables: What its active sources write, as far as they name it in their `target_config`.
        has_job: Whether it has a job there: it is not left out of the target, and some source is active.
        is_broken: Whether something is wrong with it, so that not all of it may be known.
    """

    tables: tuple[str, ...]
    has_job: bool
    is_broken: bool


@dataclass(frozen=True)
class Neighbours:
    """All modules of a project by name, each with the unit that it is in.

    `others` are names of modules that exist without being read.
    """

    units: Mapping[str, SourceUnit] = field(default_factory=dict)
    style: TaskKeys = TaskKeys.AS_WRITTEN
    others: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        return [*self.units, *self.others]

    def get(self, name: str, target: str | None) -> Neighbour | None:
        """Returns a module as it is in a target, or in all of them; None for one that is not known."""
        raw = self._raw(name)
        if raw is None:
            return None
        written = parse_module(raw, self.style)
        found = parse_module(in_target(raw, target), self.style) if target is not None else written
        if found.module is None or written.module is None:
            return Neighbour((), True, True)
        is_there = target is None or target in written.module.targets_among([target])
        return Neighbour(tables_of(found.module), is_there and has_active_source(found.module), written.is_broken)

    def differ(self, names: Iterable[str]) -> bool:
        """Says whether some of these modules are not the same in all targets."""
        values = (raw.value for name in names if (raw := self._raw(name)) is not None)
        return any(isinstance(value, dict) and bool(value.get("targets")) for value in values)

    def _raw(self, name: str) -> RawModule | None:
        unit = self.units.get(name)
        modules = unit.content.modules if unit is not None else ()
        return next((raw for raw in modules if value_at(raw.value, ("module_name",))[1] == name), None)


NO_NEIGHBOURS = Neighbours()


def names_of_others(module: Module) -> list[str]:
    """Returns the names of the modules whose tables a module waits for, and of those that `runs` names."""
    return [*(name for name, _ in module.after.modules), *(name for _, name in runs_of(module))]


def runs_of(module: Module) -> Iterator[tuple[Source, str]]:
    """Yields the sources that stand for other modules, with the names of these."""
    for source in module.sources:
        name = value_at(source.transformation_config, ("run_job_task", "module_name"))[1]
        if source.source_type == RUNS and isinstance(name, str):
            yield source, name


def has_active_source(module: Module) -> bool:
    """Says whether a module has anything to run besides its last tasks."""
    return any(source.is_active and source.run_if is None for source in module.sources)


def tables_of(module: Module) -> tuple[str, ...]:
    """Returns the tables that the active sources of a module name in their `target_config`, each once."""
    active = (source for source in module.sources if source.is_active)
    return tuple(dict.fromkeys(table for each in active if (table := target_table(each.target_config)) is not None))


def target_table(target_config: Mapping[str, Value]) -> str | None:
    """Returns the table of a `target_config` with its catalog and schema; None where it does not say all of it.

    It has `catalog`, `schema` and `table`, or all three of them in `table`.
    """
    parts = [target_config.get(name) for name in _PARTS]
    texts = [each for each in parts if isinstance(each, str) and each]
    name = ".".join(texts) if len(texts) == len(_PARTS) else parts[-1]
    return name if isinstance(name, str) and is_table_name(name) else None


@lru_cache(maxsize=4096)
def is_table_name(name: str) -> bool:
    """Says whether a name has three parts; any of them may be a reference, or stand in backticks.

    Jobs API, `table_names`: "The table name must be in the format `catalog_name.schema_name.table_name`."
    """
    if REFERENCE.fullmatch(name):
        return True
    plain = _QUOTED.sub("x", REFERENCE.sub("x", name))
    return re.fullmatch(r"[^.\s/]+(\.[^.\s/]+){2}", plain) is not None
