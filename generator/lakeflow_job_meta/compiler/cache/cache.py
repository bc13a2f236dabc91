"""The cache of one project: the result of each compilation unit, by everything that the result depends on.

A result is taken only if the unit's content, the cache key and what was looked up in the project's files are all the
same as they were; times of files mean nothing here. It lies in `.lakeflow-job-meta/cache/`. Where it cannot be read or
written, everything works as without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, read_file, write_atomically
from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.compiler.cache.codec import CacheContent, decode, encode
from lakeflow_job_meta.compiler.cache.key import cache_key
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.unit import CompilePass, OnDone, UnitCompiler
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.state.folder import FOLDER, make_state_root

LEAST_MODULES = 100
"""Fewer are compiled in less time than anybody notices, and their projects stay free of a cache."""


class CompilationCache:
    """Compiles units like another pass, but for those that an earlier run has compiled.

    Args:
        inner: Compiles the others.
        compiler: Its project's folder holds the cache; its files are looked up again as they were before.
    """

    def __init__(self, inner: CompilePass, compiler: UnitCompiler) -> None:
        self._inner = inner
        self._project = compiler.project
        self._bundle = compiler.bundle
        self._files = compiler.files

    @property
    def templates(self) -> set[tuple[str, str | None]]:
        return self._inner.templates

    def compile_units(self, units: Sequence[SourceUnit], on_done: OnDone) -> dict[SourceUnit, UnitResult]:
        stored = self._load({unit.digest.hex() for unit in units if unit.digest is not None})
        results = self._recalled(units, stored)
        # When all is as it was, which is nearly always, nothing is compiled and nothing written.
        if len(results) < len(units) or len(results) < len(stored.results) + stored.others:
            results |= self._inner.compile_units([unit for unit in units if unit not in results], on_done)
            self._save(results, stored)
        return results

    def _recalled(self, units: Sequence[SourceUnit], stored: CacheContent) -> dict[SourceUnit, UnitResult]:
        """Returns the results of the units that are as they were, and so are the files that were looked up for them."""
        results: dict[SourceUnit, UnitResult] = {}
        # Most units share what was looked up for them.
        still: dict[int, bool] = {}
        for unit in units if stored.results else ():
            result = stored.results.get(unit.digest.hex()) if unit.digest is not None else None
            if result is None:
                continue
            number = id(result.noted)
            if number not in still:
                still[number] = self._files.still_answer(result.noted)
            if still[number]:
                results[unit] = result
        return results

    def _save(self, results: Mapping[SourceUnit, UnitResult], stored: CacheContent) -> None:
        """Writes the results that need no diagnostics, if they are not what stands there already."""
        good = {
            unit.digest.hex(): result for unit, result in results.items() if unit.digest is not None and result.is_good
        }
        if sum(len(result.modules) for result in good.values()) < LEAST_MODULES:
            return
        used = [*stored.templates.items(), *((name, _template_digest(text)) for name, text in self.templates)]
        templates = dict(used)
        # A template that was edited while this ran has two texts, of which only one could be named.
        if (good == stored.results and not stored.others) or any(templates[name] != digest for name, digest in used):
            return
        with contextlib.suppress(OSError, LakeflowJobMetaError):
            make_state_root(self._project)
            self._path.parent.mkdir(exist_ok=True)
            for leftover in self._path.parent.glob(f"{self._path.name}-*.tmp"):
                leftover.unlink(missing_ok=True)
            write_atomically(
                self._path, encode(CacheContent(good, templates), self._cache_key), durable=False, is_private=True
            )

    @property
    def _path(self) -> Path:
        return self._project.folder / FOLDER / "cache" / "results"

    @cached_property
    def _cache_key(self) -> bytes:
        return cache_key(self._project, self._bundle)

    def _load(self, wanted: Container[str]) -> CacheContent:
        try:
            stored = decode(read_file(self._path, MAX_BYTES_OF_ANY), self._cache_key, wanted)
        except OSError:
            return CacheContent()
        same = all(digest == self._digest_of_template(name) for name, digest in stored.templates.items())
        return stored if same else CacheContent()

    def _digest_of_template(self, name: str) -> str | None:
        try:
            return _template_digest(read_file(self._project.folder / name).decode("utf-8"))
        except (OSError, ValueError):
            return None


def _template_digest(text: str | None) -> str | None:
    return None if text is None else content_digest(text.encode()).hex()
