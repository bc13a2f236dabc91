"""Settings that are merged from layers, and where each of them was written. Pure.

A layer is what one place sets, such as the project's defaults, a module or a source. The layers are kept as they were
merged, so that the origin of a setting is looked up in exactly what the setting was taken from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lakeflow_job_meta._internal.trees import KeyPath, Value, by_item_key, by_item_number, merged, value_at
from lakeflow_job_meta.blueprints.expansion import ExpandedModule
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.parsing.targets import TargetedModule

Moves = tuple[tuple[KeyPath, KeyPath], ...]
"""Paths of settings, each with the path at which metadata may write that setting."""


class Layer(NamedTuple):
    """Settings as they were written at one place; a tuple, since each task has several.

    Attributes:
        name: What sets them, such as `defaults` or `source`.
        prefix: The path in the result at which the value is merged.
        moves: Settings that may be written in another form than that of the Jobs API.
        is_derived: Whether the setting is only made from the value that is written there.
    """

    name: str
    ref: SourceRef
    value: Value
    prefix: KeyPath = ()
    moves: Moves = ()
    is_derived: bool = False


def as_written(layer: Layer) -> list[Layer]:
    """Returns a layer of a module as what it was put together of, so that null takes away what defaults set, too.

    In one target that is what is written for all of them, and for that one; of a blueprint, what it makes, and what a
    use takes away of that.
    """
    document, path = layer.ref.document, layer.ref.path
    if layer.is_derived:
        return [layer]
    if isinstance(document, ExpandedModule):
        gone = document.taken_away(path)
        return [layer] if gone is None else [layer, layer._replace(ref=gone[0], value=gone[1])]
    if not isinstance(document, TargetedModule):
        return [layer]
    is_there, value = document.value_below(path)
    below = as_written(layer._replace(ref=document.below(path), value=value)) if is_there else []
    own = document.own(path)
    if own is None:
        return below
    return [*below, layer._replace(name=f"module, target {document.target}", ref=own[0], value=own[1])]


def merge_layers(layers: Iterable[Layer], below: KeyPath = ()) -> dict[str, Value]:
    """Lays each layer over those before it; null takes away what an earlier one has set.

    The prefix of each begins with `below`, which is the path in the job of the map that is returned.
    """
    result: Value = {}
    for layer in layers:
        value = layer.value
        for step in reversed(layer.prefix[len(below) :]):
            value = {str(step): value}
        result = merged(result, value)
    return {key: value for key, value in result.items() if value is not None} if isinstance(result, dict) else {}


def origin_in(layers: Sequence[Layer], path: KeyPath, settings: Value, *, of_key: bool) -> SourceRef | None:
    """Returns where a setting was written, or the key of the nearest setting around it that was; None if none was.

    `settings` are what the layers were merged to, into which the path leads.
    """
    nearest: SourceRef | None = None
    fewest_missing = len(path)
    for layer in reversed(layers):
        if path[: len(layer.prefix)] != layer.prefix:
            continue
        if layer.is_derived:
            return layer.ref
        written = written_in(layer, path, settings)
        missing = next(n for n in range(len(written) + 1) if value_at(layer.value, written[: len(written) - n])[0])
        if missing == 0:
            return SourceRef(layer.ref.document, (*layer.ref.path, *written), of_key)
        if missing < fewest_missing:
            nearest, fewest_missing = layer.ref.key(*written[: len(written) - missing]), missing
    return nearest


def written_in(layer: Layer, path: KeyPath, settings: Value) -> KeyPath:
    """Returns where a layer would write the setting at `path`, below its own prefix."""
    if any(isinstance(step, int) for step in path):
        path = by_item_number(layer.value, by_item_key(settings, path)[len(layer.prefix) :])
    else:
        path = path[len(layer.prefix) :]
    for of_job, of_metadata in layer.moves:
        if path[: len(of_job)] == of_job and value_at(layer.value, of_metadata)[0]:
            return (*of_metadata, *path[len(of_job) :])
    return path
