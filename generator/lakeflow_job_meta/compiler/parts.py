"""Parts of a unit, and what becomes of them together: so that one huge file is shared with workers as well. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lakeflow_job_meta._internal.secret_signs import may_hold_secrets
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.parsing.units import SourceUnit, UnitContent

LARGE = 300_000
"""Bytes; a smaller unit is not worth that a worker reads it once more."""

MODULES = 100
"""Of a part."""


class _PartReader:
    """Reads some modules of a unit: where it was made from what is read already, elsewhere by reading all of the unit.

    Args:
        read: Reads the whole unit.
        digest: Of the whole unit.
        start: The number of the first module; `stop` is that behind the last one.
        content: Of the whole unit, which stays in this process.
    """

    _last: tuple[bytes, UnitContent] | None = None

    def __init__(
        self, read: Callable[[], UnitContent], digest: bytes, start: int, stop: int, content: UnitContent | None = None
    ) -> None:
        self._read, self._digest, self._start, self._stop, self._content = read, digest, start, stop, content

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self._read, self._digest, self._start, self._stop)

    def __call__(self) -> UnitContent:
        content = self._content
        if content is None:
            # A worker gets one part after the other.
            if _PartReader._last is None or _PartReader._last[0] != self._digest:
                _PartReader._last = self._digest, self._read()
            content = _PartReader._last[1]
        return UnitContent(content.modules[self._start : self._stop])


def parts_of(unit: SourceUnit) -> list[SourceUnit]:
    """Returns the parts of a large unit in which there is nothing but modules that could be read; of others, itself."""
    if unit.size < LARGE or unit.digest is None:
        return [unit]
    content = unit.content
    of_all = len(content.modules)
    if of_all < 2 * MODULES or content != UnitContent(content.modules):
        return [unit]
    size = max(1, unit.size * MODULES // of_all)
    readers = (
        _PartReader(unit.read, unit.digest, start, start + MODULES, content) for start in range(0, of_all, MODULES)
    )
    return [SourceUnit(unit.label, None, read, size) for read in readers]


def may_tell_of_secrets(rest: UnitContent) -> bool:
    """Whether there may be secrets in some of a unit, which are masked wherever in the unit they are told."""
    values = repr([each.value for each in rest.modules]).encode("utf-8", "surrogatepass")
    return replace(rest, modules=()) != UnitContent(()) or may_hold_secrets(values)


def together(results: Sequence[UnitResult]) -> UnitResult:
    """Returns the result of a unit by those of its parts, in their order."""
    return UnitResult(
        tuple([module for each in results for module in each.modules]),
        {path: text for each in results for path, text in each.files.items()},
        tuple(dict(noted for each in results for noted in each.noted).items()),
        tuple([problem for each in results for problem in each.diagnostics]),
        frozenset().union(*(each.kept_jobs for each in results)),
        tuple([name for each in results for name in each.broken]),
        all(each.is_whole for each in results),
        tuple([summary for each in results for summary in each.summaries]),
        frozenset().union(*(each.loose_tasks for each in results)),
        frozenset().union(*(each.presets for each in results)),
        frozenset().union(*(each.policies for each in results)),
    )
