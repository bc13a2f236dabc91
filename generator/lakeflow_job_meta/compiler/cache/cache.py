"""The cache of one project: the result of each compilation unit, by everything that the result depends on.

A result is taken only if the unit's content, the cache key and what was looked up in the project's files are all the
same as they were; times of files mean nothing here. It lies in `.lakeflow-job-meta/cache/`: all results in `results`,
and in `changes` those that a few edits have changed since, so that an edit does not write everything again. Where it
cannot be read or written, everything works as without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, read_file, write_atomically
from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.compiler.cache.codec import CacheContent, checksum_in, decode, encode
from lakeflow_job_meta.compiler.cache.key import cache_key
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.state.folder import FOLDER, make_state_root

if TYPE_CHECKING:
    from lakeflow_job_meta.checks.file_lookups import FileLookups
    from lakeflow_job_meta.compiler.unit import CompilePass, OnDone
    from lakeflow_job_meta.config.bundle import BundleDeclarations
    from lakeflow_job_meta.config.model import Project

LEAST_MODULES = 100
"""Fewer are compiled in less time than anybody notices, and their projects stay free of a cache."""

MOST_CHANGES = 1 / 8
"""The part of all results that may have changed or gone before all are written again."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the cache holds.

    Attributes:
        whole: All results, as they were once written.
        changes: Those that have taken the place of others since, or come to them.
        key_of_changes: The key of changes of just that whole.
    """

    whole: CacheContent = field(default_factory=CacheContent)
    changes: CacheContent = field(default_factory=CacheContent)
    key_of_changes: bytes = b""

    @property
    def results(self) -> dict[str, UnitResult]:
        return self.whole.results | self.changes.results

    @property
    def templates(self) -> dict[str, str | None]:
        return self.whole.templates | self.changes.templates

    def may_change(self, results: int) -> bool:
        """Returns whether that many results may have changed or gone without all being written again."""
        return results <= MOST_CHANGES * self.whole.size


class CompilationCache:
    """Compiles units, but for those that an earlier run has compiled.

    Args:
        project: Its folder holds the cache.
        bundle: What the rest of the bundle declares.
        files: Are looked up again as they were before.
        inner: Returns what compiles the others.
    """

    def __init__(
        self, project: Project, bundle: BundleDeclarations, files: FileLookups, inner: Callable[[], CompilePass]
    ) -> None:
        self._project = project
        self._bundle = bundle
        self._files = files
        self._inner = inner

    def compile_units(self, units: Sequence[SourceUnit], on_done: OnDone) -> dict[SourceUnit, UnitResult]:
        wanted = {unit.digest.hex() for unit in units if unit.digest is not None}
        stored = self._load(wanted)
        results = self._recalled(units, stored.results)
        # When all is as it was, which is nearly always, nothing is compiled and nothing written.
        if len(results) < len(units) or not stored.may_change(stored.whole.size + stored.changes.size - len(wanted)):
            results |= self._inner().compile_units([unit for unit in units if unit not in results], on_done)
            self._save(results, stored)
        return results

    def _recalled(self, units: Sequence[SourceUnit], stored: Mapping[str, UnitResult]) -> dict[SourceUnit, UnitResult]:
        """Returns the results of the units that are as they were, and so are the files that were looked up for them."""
        results: dict[SourceUnit, UnitResult] = {}
        # Most units share what was looked up for them.
        still: dict[int, bool] = {}
        for unit in units if stored else ():
            result = stored.get(unit.digest.hex()) if unit.digest is not None else None
            if result is None:
                continue
            number = id(result.noted)
            if number not in still:
                still[number] = self._files.still_answer(result.noted)
            if still[number]:
                results[unit] = result
        return results

    def _save(self, results: Mapping[SourceUnit, UnitResult], stored: _Stored) -> None:
        """Writes the results that need no diagnostics, if they are not what stands there already."""
        good = {
            unit.digest.hex(): result for unit, result in results.items() if unit.digest is not None and result.is_good
        }
        if sum(len(result.modules) for result in good.values()) < LEAST_MODULES:
            return
        seen = self._inner().templates
        used = [*stored.templates.items(), *((name, _template_digest(text)) for name, text in seen)]
        templates = dict(used)
        # A template that was edited while this ran has two texts, of which only one could be named.
        if any(templates[name] != digest for name, digest in used):
            return
        fresh = {digest: result for digest, result in good.items() if stored.whole.results.get(digest) is not result}
        gone = stored.whole.size - (len(good) - len(fresh))
        if not stored.may_change(len(fresh) + gone):
            self._write(self._path, encode(CacheContent(good, templates), self._cache_key))
            with contextlib.suppress(OSError):
                self._path_of_changes.unlink(missing_ok=True)
        elif fresh != stored.changes.results or stored.changes.others:
            self._write(self._path_of_changes, encode(CacheContent(fresh, templates), stored.key_of_changes))

    def _write(self, path: Path, content: bytes) -> None:
        with contextlib.suppress(OSError, LakeflowJobMetaError):
            make_state_root(self._project)
            path.parent.mkdir(exist_ok=True)
            for leftover in path.parent.glob(f"{path.name}-*.tmp"):
                leftover.unlink(missing_ok=True)
            write_atomically(path, content, durable=False, is_private=True)

    @property
    def _path(self) -> Path:
        return self._project.folder / FOLDER / "cache" / "results"

    @property
    def _path_of_changes(self) -> Path:
        return self._path.with_name("changes")

    @cached_property
    def _cache_key(self) -> bytes:
        return cache_key(self._project, self._bundle)

    def _load(self, wanted: Container[str]) -> _Stored:
        content = _content_of(self._path)
        whole = self._decoded(content, self._cache_key, wanted)
        if not whole.size:
            return _Stored()
        key = content_digest(self._cache_key, checksum_in(content))
        return _Stored(whole, self._decoded(_content_of(self._path_of_changes), key, wanted), key)

    def _decoded(self, content: bytes, key: bytes, wanted: Container[str]) -> CacheContent:
        stored = decode(content, key, wanted)
        same = all(digest == self._digest_of_template(name) for name, digest in stored.templates.items())
        return stored if same else CacheContent()

    def _digest_of_template(self, name: str) -> str | None:
        try:
            return _template_digest(read_file(self._project.folder / name).decode("utf-8"))
        except (OSError, ValueError):
            return None


def _content_of(path: Path) -> bytes:
    try:
        return read_file(path, MAX_BYTES_OF_ANY)
    except OSError:
        return b""


def _template_digest(text: str | None) -> str | None:
    return None if text is None else content_digest(text.encode()).hex()
