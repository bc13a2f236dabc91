"""Where a setting of a job comes from: every layer that sets it, the one that wins first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.blueprints.expansion import ExpandedModule
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.jobs.layers import Layer, written_in
from lakeflow_job_meta.jobs.model import Job


@dataclass(frozen=True, slots=True)
class SettingLayer:
    """What one layer sets a setting to.

    Attributes:
        name: Such as `defaults`, `preset sales`, `blueprint ingest`, `row` or `module`.
        value: As it is written there; null takes away what is below.
    """

    name: str
    value: Value
    ref: SourceRef


def layers_of(job: Job, path: KeyPath) -> list[SettingLayer]:
    """Returns the layers that set what is at a path of the job's settings, the highest first; none if none does."""
    if path[:1] == ("tasks",) and len(path) > 1:
        return list(_found(job.task_origins[int(path[1])].layers, path[2:], None))
    return list(_found(job.layers, path, job.settings))


def _found(layers: Sequence[Layer], path: KeyPath, settings: Value) -> Iterator[SettingLayer]:
    for layer in reversed(layers):
        if path[: len(layer.prefix)] != layer.prefix:
            continue
        if layer.is_derived:
            is_there, value = value_at(layer.value, path[len(layer.prefix) :])
            if is_there:
                yield from _parts(layer, layer.ref, value)  # type: ignore[arg-type]
            continue
        written = written_in(layer, path, settings)
        is_there, value = value_at(layer.value, written)
        if is_there:
            ref = SourceRef(layer.ref.document, (*layer.ref.path, *written))
            yield from _parts(layer, ref, value)  # type: ignore[arg-type]


def _parts(layer: Layer, ref: SourceRef, value: Value) -> Iterator[SettingLayer]:
    """Yields what a layer sets; what a blueprint made is of the blueprint, of a row, or laid over it by hand."""
    document = ref.document
    if not isinstance(document, ExpandedModule):
        yield SettingLayer(layer.name, value, ref)
        return
    of_target = layer.name.partition(", ")[2]
    for name, found, at in document.parts(ref.path, value):
        yield SettingLayer(f"{name}, {of_target}" if of_target else name, found, at)
