"""What a reader of metadata gives: modules as they were written, and what could not be read.

A reader is one file beside this one. It knows one kind of source (files, a table) and nothing of what the values mean;
its `read` raises nothing, since one source that fails must not hide the mistakes in the others. It fetches everything
at once, in parts that are parsed only when somebody asks what they say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from lakeflow_job_meta.diagnostics import Diagnostic, Origin, Place, rule
from lakeflow_job_meta.metadata.contents import Contents
from lakeflow_job_meta.values import Path, Value

UNREADABLE = rule(
    "unreadable",
    is_fixed=True,
    meaning="A metadata file or table could not be read at all: it is missing, empty of text, no UTF-8, or not valid "
    "YAML. Jobs that were generated from it stay as they are.",
    remedy="Mend what the message says; nothing of this source has been used.",
    wrong="modules:\n  - module_name: [sales\n",
    right="modules:\n  - module_name: sales\n    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {notebook_path: /Workspace/a}\n",
)
DUPLICATE_KEY = rule(
    "duplicate-key",
    is_fixed=True,
    meaning="A map has the same key twice. Readers of YAML and JSON silently take the last one, so half of what was "
    "written would be ignored.",
    remedy="Remove one of the two, or join what stands below them.",
    wrong="modules:\n  - module_name: sales\n    job_config:\n      max_concurrent_runs: 1\n"
    "      max_concurrent_runs: 2\n    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {notebook_path: /Workspace/a}\n",
    right="modules:\n  - module_name: sales\n    job_config:\n      max_concurrent_runs: 2\n"
    "    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {notebook_path: /Workspace/a}\n",
)
NOT_A_VALUE = rule(
    "not-a-value",
    is_fixed=True,
    meaning="A value that a Databricks setting cannot have: a key that is not text, a YAML tag, an infinite number.",
    remedy="Put text in quotes; write `{{...}}` in quotes too, since YAML takes braces for a map.",
    wrong="modules:\n  - module_name: sales\n    description: {{job.id}}\n    sources:\n      - source_id: a\n"
    "        execution_order: 1\n        transformation_config: {notebook_path: /Workspace/a}\n",
    right='modules:\n  - module_name: sales\n    description: "{{job.id}}"\n    sources:\n      - source_id: a\n'
    "        execution_order: 1\n        transformation_config: {notebook_path: /Workspace/a}\n",
)

DIGEST_BYTES = 20
"""Long enough that two different contents never have one digest."""


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
    origin: Origin
    is_damaged: bool = False
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a part of a source says.

    Attributes:
        modules: In reading order.
        diagnostics: What is wrong with the reading itself.
        is_whole: Whether all modules of the part are among `modules`; if not, jobs that came from it must stay.
    """

    modules: tuple[RawModule, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    is_whole: bool = True


class Part:
    """A part of a source that can be read without the others: a file, or the rows of one module.

    Args:
        label: The file or table, as generated files name it.
        digest: Of everything that `read` looks at, the label too: equal digests are equal contents. None where there is
            no such digest.
        read: Reads it; called at most once, and only if somebody asks. Can be pickled, so that another process may.
        size: About how many bytes it has, at least 1.
    """

    def __init__(self, label: str, digest: bytes | None, read: Callable[[], Content], size: int = 1) -> None:
        self.label = label
        self.digest = digest
        self.size = size
        self._read = read

    @cached_property
    def content(self) -> Content:
        """What it says."""
        return self._read()


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source of metadata gave.

    Attributes:
        source: The source as the project file names it.
        parts: What it holds, in reading order.
        problems: Why it could not be read as a whole.
        failed: Whether that is so.
        covers: Says whether a label, as generated files name it, belongs to this source.
        version: Of a table, the version that was read.
    """

    source: str
    parts: tuple[Part, ...]
    problems: tuple[Diagnostic, ...]
    failed: bool
    covers: Callable[[str], bool]
    version: int | None = None

    @property
    def modules(self) -> tuple[RawModule, ...]:
        """All modules, in reading order."""
        return tuple(module for part in self.parts for module in part.content.modules)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the reading itself."""
        return (*self.problems, *(problem for part in self.parts for problem in part.content.diagnostics))

    @property
    def unreadable(self) -> frozenset[str]:
        """Labels of the files or tables whose modules are unknown; their jobs must stay."""
        return frozenset(part.label for part in self.parts if not part.content.is_whole)


def digest_of(label: str, content: bytes) -> bytes:
    """Returns a digest of a part's content and of the name that generated files give for it."""
    name = label.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(b"%d:%b%b" % (len(name), name, content), digest_size=DIGEST_BYTES).digest()


class Reader(Protocol):
    """One source of metadata."""

    @property
    def source(self) -> str:
        """The source as the project file names it."""

    def covers(self, label: str) -> bool:
        """Says whether a label, as generated files name it, belongs to this source."""

    def read(self) -> Reading:
        """Reads everything, once, as of one moment."""

    def probe(self, contents: Contents) -> str:
        """Returns a token that differs whenever the metadata does, as cheaply as that can be known.

        Args:
            contents: What is remembered of files.

        Raises:
            LakeflowJobMetaError: The source cannot be reached.
        """


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands for a file or table that cannot be opened, so that a message can name it."""

    label: str
    is_file: bool = True

    def locate(self, path: Path, *, of_key: bool) -> tuple[Place, str | None]:
        """Returns the file or table as a whole."""
        return Place(self.label, is_file=self.is_file), None
