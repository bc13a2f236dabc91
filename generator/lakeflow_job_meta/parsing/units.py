"""What readers return and the parser takes: raw modules, in units that can be compiled by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef


@dataclass(frozen=True, slots=True)
class RawModule:
    """One module as it was written.

    Attributes:
        value: The map with `module_name`, `sources` and the rest; anything else if that is what was written.
        is_damaged: Whether some of it could not be read, which has been reported.
        group: Its value in the column of the control table that names the bundles of modules.
    """

    value: Value
    origin: SourceRef
    is_damaged: bool = False
    group: str | None = None


@dataclass(frozen=True, slots=True)
class UnitContent:
    """The content of a unit: its modules in reading order, and what could not be read.

    Attributes:
        is_whole: Whether all modules of the unit are among `modules`; if not, jobs that came from it must stay.
        loose_sources: The ids of sources whose module is not known.
    """

    modules: tuple[RawModule, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    is_whole: bool = True
    loose_sources: tuple[str, ...] = ()


class SourceUnit:
    """What can be read of a source without the rest: a file, or the rows of one module.

    Args:
        label: The file or table, as generated files name it.
        digest: Of everything that `read` uses, the label too: equal digests mean equal contents. None where there is
            no such digest.
        read: Reads it; called at most once, and only if it is needed. Can be pickled, so that another process may.
        size: About how many bytes it has, at least 1.
    """

    def __init__(self, label: str, digest: bytes | None, read: Callable[[], UnitContent], size: int = 1) -> None:
        self.label = label
        self.digest = digest
        self.size = size
        self._read = read

    @cached_property
    def content(self) -> UnitContent:
        """Its content, read when it is first needed."""
        return self._read()


def digest_of(label: str, content: bytes) -> bytes:
    """Returns a digest of a unit's content and of the name that generated files give for it."""
    return content_digest(label.encode("utf-8", "surrogatepass"), content)
