"""What is between reading and parsing: raw modules, in units that can be compiled by themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from lakeflow_job_meta._internal.hashing import DIGEST_BYTES
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef


@dataclass(frozen=True, slots=True)
class RawModule:
    """One module as somebody wrote it.

    Attributes:
        value: The map with `module_name`, `sources` and the rest; anything else if that is what was written.
        origin: Where it stands.
        is_damaged: Whether part of it could not be read, which has been reported.
        group: What its rows say in the column that names the bundles of modules.
    """

    value: Value
    origin: SourceRef
    is_damaged: bool = False
    group: str | None = None


@dataclass(frozen=True, slots=True)
class UnitContent:
    """What a part of a source says.

    Attributes:
        modules: In reading order.
        diagnostics: What is wrong with the reading itself.
        is_whole: Whether all modules of the part are among `modules`; if not, jobs that came from it must stay.
    """

    modules: tuple[RawModule, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    is_whole: bool = True


class SourceUnit:
    """A part of a source that can be read without the others: a file, or the rows of one module.

    Args:
        label: The file or table, as generated files name it.
        digest: Of everything that `read` looks at, the label too: equal digests are equal contents. None where there is
            no such digest.
        read: Reads it; called at most once, and only if somebody asks. Can be pickled, so that another process may.
        size: About how many bytes it has, at least 1.
    """

    def __init__(self, label: str, digest: bytes | None, read: Callable[[], UnitContent], size: int = 1) -> None:
        self.label = label
        self.digest = digest
        self.size = size
        self._read = read

    @cached_property
    def content(self) -> UnitContent:
        """What it says."""
        return self._read()


def digest_of(label: str, content: bytes) -> bytes:
    """Returns a digest of a part's content and of the name that generated files give for it."""
    name = label.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(b"%d:%b%b" % (len(name), name, content), digest_size=DIGEST_BYTES).digest()
