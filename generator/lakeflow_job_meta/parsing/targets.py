"""What a module says for one target of the bundle, laid over what it says for all of them. Pure.

The module that comes out looks as if it had been written for that target alone. Its document knows of every value
whether it stands below `targets`, or in the module itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from lakeflow_job_meta._internal.trees import KeyPath, Value, by_item_key, by_item_number, merged, value_at
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, Subject, steps_of_source
from lakeflow_job_meta.parsing.model import LAST_TASKS, RUNS
from lakeflow_job_meta.parsing.units import RawModule


def in_target(raw: RawModule, target: str) -> RawModule:
    """Returns the module that a module is in one target; what is there of the wrong form says nothing."""
    module = _map(raw.value)
    own = _map(_map(module.get("targets")).get(target))
    by_id = _map(own.get("sources"))
    below = {key: value for key, value in module.items() if key != "targets"}
    made = cast("dict[str, Value]", merged(below, {key: value for key, value in own.items() if key != "sources"}))
    for field in _FIELDS_OF_SOURCES if by_id else ():
        if field in below:
            made[field] = _laid_over(below[field], by_id)
    return replace(raw, value=made, origin=SourceRef(TargetedModule(raw.origin, module, made, target, own)))


def _laid_over(sources: Value, by_id: dict[str, Value]) -> Value:
    """Returns one source, or a list of some, with what is written for those of these names."""
    if isinstance(sources, list):
        return [_laid_over(each, by_id) for each in sources]
    name = _id_of(sources)
    if name not in by_id:
        return sources
    return merged({"module": sources} if isinstance(sources, str) else sources, by_id[name])


def _map(value: object) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


_FIELDS_OF_SOURCES = ("sources", RUNS, *LAST_TASKS)


def _id_of(source: Value) -> str:
    """Returns what names a source below a target: of one of `runs` the module; a source without a name has none."""
    fields = _map(source)
    found = source if isinstance(source, str) else fields.get("source_id", fields.get("module"))
    return found if isinstance(found, str) else ""


class TargetedModule:
    """A module as it is in one target, as the document that holds its values.

    Args:
        origin: Where the module stands.
        module: As it is written for all targets.
        made: As it is in this one.
        target: The target's name.
        own: What is written for it alone.
    """

    def __init__(
        self, origin: SourceRef, module: dict[str, Value], made: dict[str, Value], target: str, own: dict[str, Value]
    ) -> None:
        self.label = origin.document.label
        self.target = target
        self._origin, self._module, self._made, self._own = origin, module, made, own

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        ref = self.ref(path, of_key=of_key)
        return ref.document.locate(ref.path, of_key=ref.of_key)

    def subject(self, path: KeyPath) -> Subject:
        below = self.below(path)
        return below.document.subject(below.path)

    def ref(self, path: KeyPath, *, of_key: bool = False) -> SourceRef:
        """Returns the place of a value in the document that it was written in."""
        found = self.own(path)
        return (self.below(path) if found is None else found[0])._replace(of_key=of_key)

    def own(self, path: KeyPath) -> tuple[SourceRef, Value] | None:
        """Returns what is written for the target alone at a path, and where; None if nothing is."""
        written = self._own_path(path)
        is_there, value = value_at(self._own, written) if written is not None else (False, None)
        if written is None or not is_there:
            return None
        return self._origin.at("targets", self.target, *written), cast("Value", value)

    def below(self, path: KeyPath) -> SourceRef:
        """Returns where a value is written for all targets, or would be."""
        return self._origin.at(*by_item_number(self._module, by_item_key(self._made, path)))

    def value_below(self, path: KeyPath) -> tuple[bool, Value]:
        """Returns whether a value is written for all targets, and that value."""
        is_there, value = value_at(self._module, by_item_number(self._module, by_item_key(self._made, path)))
        return is_there, cast("Value", value)

    def _own_path(self, path: KeyPath) -> KeyPath | None:
        if path[:1] == ("targets",):
            return None
        steps = by_item_key(self._made, path)
        if lead := steps_of_source(path):
            source_id = _id_of(cast("Value", value_at(self._made, path[:lead])[1]))
            steps = ("sources", source_id, *steps[lead:])
        return by_item_number(self._own, steps)
