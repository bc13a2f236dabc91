"""What readers return and the parser takes: raw modules, in units that can be compiled by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.hashing import content_digest

if TYPE_CHECKING:
    from lakeflow_job_meta._internal.trees import Value
    from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
    from lakeflow_job_meta.parsing.arguments import Arguments
    from lakeflow_job_meta.parsing.model import Module


@dataclass(frozen=True, slots=True)
class RawModule:
    """One module as it was written.

    Attributes:
        value: The map with `module_name`, `sources` and the rest; anything else if that is what was written.
        is_damaged: Whether some of it could not be read, which has been reported.
        group: Its value in the column of the control table that names the bundles of modules.
        use: The blueprint that it is made of, over which `value` is laid; None for a module that is written out.
        blueprint: The name of the blueprint that it was made of.
        columns: Of a module from a table, columns of the user's own that presets ask for: what its rows agree in.
    """

    value: Value
    origin: SourceRef
    is_damaged: bool = False
    group: str | None = None
    use: BlueprintUse | None = None
    blueprint: str | None = None
    columns: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlueprintUse:
    """What a module is to be made of.

    Attributes:
        blueprint: The name of the blueprint, as it was written.
        origin: Where that stands.
        arguments: The values of its parameters; several where rows of a table become one module.
    """

    blueprint: Value
    origin: SourceRef
    arguments: tuple[Arguments, ...]


@dataclass(frozen=True, slots=True)
class RawBlueprint:
    """One blueprint as it was written.

    Attributes:
        digest: Of the file that it stands in.
        is_damaged: Whether some of it could not be read, which has been reported.
    """

    value: Value
    origin: SourceRef
    digest: bytes
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class UnitContent:
    """The content of a unit: its modules in reading order, and what could not be read.

    Attributes:
        is_whole: Whether all modules of the unit are among `modules`; if not, jobs that came from it must stay.
        loose_sources: The ids of sources whose module is not known.
        blueprints: Those that are defined in it.
        examples: Modules that are checked, and never become jobs: a blueprint with the values of its examples.
        drafts: Blueprints as they are written, with placeholders: what is no placeholder is checked.
    """

    modules: tuple[RawModule, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    is_whole: bool = True
    loose_sources: tuple[str, ...] = ()
    blueprints: tuple[RawBlueprint, ...] = ()
    examples: tuple[RawModule, ...] = ()
    drafts: tuple[Module, ...] = ()


class Blueprints(Enum):
    """What a unit may have to do with blueprints, as far as that is seen without reading it."""

    NONE = "none"
    USED = "used"
    DEFINED = "defined"


def _no_rows() -> tuple[str, ...]:
    return ()


class SourceUnit:
    """What can be read of a source without the rest: a file, or the rows of one module.

    Args:
        label: The file or table, as generated files name it.
        digest: Of everything that `read` uses, the label too: equal digests mean equal contents. None where there is
            no such digest.
        read: Reads it; called at most once, and only if it is needed. Can be pickled, so that another process may.
        size: About how many bytes it has, at least 1.
        blueprints: Whether it may define blueprints, or use one.
        text_digest: Of its text alone, where it is one file whose text users edit.
        rows: Returns the names of the rows that fill a blueprint in it, as messages name them, without reading it.
    """

    def __init__(
        self,
        label: str,
        digest: bytes | None,
        read: Callable[[], UnitContent],
        size: int = 1,
        blueprints: Blueprints = Blueprints.NONE,
        text_digest: bytes | None = None,
        rows: Callable[[], tuple[str, ...]] = _no_rows,
    ) -> None:
        self.label = label
        self.digest = digest
        self.size = size
        self.blueprints = blueprints
        self.text_digest = text_digest
        self.rows = rows
        self.read = read

    @cached_property
    def content(self) -> UnitContent:
        """Its content, read when it is first needed."""
        return self.read()


def digest_of(label: str, content: bytes) -> bytes:
    """Returns a digest of a unit's content and of the name that generated files give for it."""
    return content_digest(label.encode("utf-8", "surrogatepass"), content)
