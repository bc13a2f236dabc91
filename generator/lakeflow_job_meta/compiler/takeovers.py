"""Modules that take over jobs: what they say with `adopt` and `formerly` must fit together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import ADOPTED_TWICE, FORMER_NAME
from lakeflow_job_meta.jobs.module_names import ModuleNames
from lakeflow_job_meta.parsing.keys import former_key

if TYPE_CHECKING:
    from lakeflow_job_meta.parsing.modules import ParsedModule


def modules_at_odds(modules: Collection[ModuleNames]) -> frozenset[str]:
    """Returns the keys of modules that take over what others take over too, or what others are."""
    taking = [each for each in modules if each.adopt or each.formerly]
    if not taking:
        return frozenset()
    existing = {each.key.casefold() for each in modules if each.key is not None}
    jobs = Counter(job for each in taking for job in each.adopt)
    former = Counter(name for each in taking for name in _keys(each.formerly))
    return frozenset(
        each.key
        for each in taking
        if each.key is not None
        and (
            any(jobs[job] > 1 for job in each.adopt)
            or any(former[name] > 1 or name in existing for name in _keys(each.formerly))
        )
    )


def _keys(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(former_key(name).casefold() for name in names))


@dataclass(frozen=True, slots=True)
class Takeovers:
    """What is at odds.

    Attributes:
        existing: The names of all modules, by the keys of their jobs in small letters.
        at_odds: The modules that take over what others take over too, or what others are.
    """

    existing: Mapping[str, str] = field(default_factory=dict)
    at_odds: Sequence[ParsedModule] = ()

    def problems_of(self, module: ParsedModule) -> Iterator[Diagnostic]:
        """Yields why a module cannot take over what it says."""
        if not any(each is module for each in self.at_odds) or module.module is None:
            return
        for target, job_id in module.module.adopt.items():
            origin = module.origin.at("adopt", target)
            for other in self._others(module):
                if other.module is not None and other.module.adopt.get(target) == job_id:
                    where = other.origin.at("adopt", target)
                    message = f"the job {job_id} of {quoted(target)} is also taken over by {quoted(other.name)}, at"
                    yield ADOPTED_TWICE.at(origin, f"{message} {where}; a job belongs to one module")
                    break
        for number, name in enumerate(module.module.formerly):
            yield from self._former(module, name, number)

    def _others(self, module: ParsedModule) -> Iterator[ParsedModule]:
        return (each for each in self.at_odds if each is not module)

    def _former(self, module: ParsedModule, name: str, number: int) -> Iterator[Diagnostic]:
        key = former_key(name).casefold()
        origin = module.origin.at("formerly")
        if module.origin.at("formerly", number).location() != origin.location():
            origin = module.origin.at("formerly", number)
        if key in self.existing:
            yield FORMER_NAME.at(origin, self._still_there(module, name, key))
            return
        for other in self._others(module):
            if other.module is not None and key in _keys(other.module.formerly):
                where = other.origin.at("formerly")
                message = f"{quoted(name)} is also what {quoted(other.name)} was formerly, at {where}"
                yield FORMER_NAME.at(origin, f"{message}; one module takes its job over")
                break

    def _still_there(self, module: ParsedModule, name: str, key: str) -> str:
        if module.key is not None and key == module.key.casefold():
            return f"{quoted(name)} is the module's own name; name the one that it had before"
        swapped = next((each for each in self.at_odds if (each.key or "").casefold() == key), None)
        own = (module.key or "").casefold()
        if swapped is not None and swapped.module is not None and own in _keys(swapped.module.formerly):
            return (
                f"{quoted(module.name)} and {quoted(name)} swap their names, which would mix their run histories up; "
                "give one of them a name that nothing has had"
            )
        return (
            f"there still is a module {quoted(self.existing[key])}, which has that job; rename or remove it in the "
            "same deployment, or take the line out"
        )
