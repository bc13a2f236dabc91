"""What a reader of metadata gives: modules as they were written, and what could not be read.

A reader is one file beside this one. It knows one kind of source (files, a table) and nothing of what the values mean;
its `read` raises nothing, since one source that fails must not hide the mistakes in the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class RawModule:
    """One module as somebody wrote it.

    Attributes:
        value: The map with `module_name`, `sources` and the rest; anything else if that is what was written.
        origin: Where it stands.
        is_damaged: Whether part of it could not be read, which has been reported.
    """

    value: Value
    origin: Origin
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source of metadata gave.

    Attributes:
        source: The source as the project file names it.
        modules: What it holds, in reading order.
        diagnostics: What is wrong with the reading itself.
        unreadable: Labels of the files or tables whose modules are unknown; their jobs must stay.
        failed: Whether the source as a whole could not be read.
        covers: Says whether a label, as generated files name it, belongs to this source.
        version: Of a table, the version that was read.
    """

    source: str
    modules: tuple[RawModule, ...]
    diagnostics: tuple[Diagnostic, ...]
    unreadable: frozenset[str]
    failed: bool
    covers: Callable[[str], bool]
    version: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it was read, and there is nothing in it."""
        return not self.failed and not self.modules and not self.unreadable


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
