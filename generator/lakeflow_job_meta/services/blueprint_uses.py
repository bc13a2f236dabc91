"""Blueprints of a project and what is made of them: modules that are written by hand, and rows of tables and files.

Pure. Nothing is built for it: what a unit came to says which blueprint its modules are made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakeflow_job_meta.compiler.result import Compilation


@dataclass(slots=True)
class BlueprintUses:
    """What is made of one blueprint, broken modules among it.

    Attributes:
        modules: The names of the modules that name it by hand, each with its file; None for one without a name.
        rows: How many rows fill it, by the table or file that they are in.
    """

    modules: list[tuple[str | None, str]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.modules or self.rows)


def uses_of_blueprints(compilation: Compilation) -> Mapping[str, BlueprintUses]:
    """Returns what is made of each blueprint of a project, by its name; also of those that nothing is made of."""
    found = {name: BlueprintUses() for name in compilation.library.blueprints}
    for unit, result in compilation.units.items():
        names = [each for each in result.modules if each.blueprint in found]
        rows = len(unit.rows()) if names else 0
        for module in names:
            uses = found[str(module.blueprint)]
            if rows:
                uses.rows[unit.label] = uses.rows.get(unit.label, 0) + rows
            else:
                uses.modules.append((module.name, unit.label))
    return found
