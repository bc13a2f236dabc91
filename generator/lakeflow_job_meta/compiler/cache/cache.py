"""The cache of one project: what each part of the metadata came to, by what it depends on.

A result is taken only if the part's content, the circumstances and what was asked of the project's files are all the
same as they were; times of files say nothing here. It lies in `.lakeflow-job-meta/cache/`. Where it cannot be read or
written, everything works as without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from lakeflow_job_meta._internal.hashing import DIGEST_BYTES
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.cache.codec import CacheContent, decode, encode
from lakeflow_job_meta.compiler.cache.key import cache_key
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.state.folder import FOLDER, make_state_root

LEAST_MODULES = 100
"""Fewer are compiled in less time than anybody notices, and their projects stay free of a cache."""


class CompilationCache:
    """Remembers results from one run to the next.

    Args:
        project: Its folder holds the cache.
        bundle: What the rest of the bundle declares.
        files: Asked again what was asked of it before.
    """

    def __init__(self, project: Project, bundle: BundleDeclarations, files: FileLookups) -> None:
        self._project = project
        self._bundle = bundle
        self._files = files
        self._stored = self._load()
        self._kept: dict[bytes, UnitResult] = {}

    def recall(self, part: SourceUnit) -> UnitResult | None:
        """Returns what a part came to before, None if that is not known or may be different now."""
        if part.digest is None or not self._stored.results:
            return None
        result = self._stored.results.get(self._key(part.digest))
        if result is None or not self._files.still_say(result.noted):
            return None
        self._kept[part.digest] = result
        return result

    def keep(self, part: SourceUnit, result: UnitResult) -> None:
        """Remembers what a part came to by itself, if there is nothing to say of it."""
        if part.digest is not None and result.is_good:
            self._kept[part.digest] = result

    def save(self, templates: Iterable[Mapping[str, str | None]]) -> None:
        """Writes what was recalled and kept, if it is not what stands there already.

        Args:
            templates: The texts of the project's templates by name, as each renderer of this run has seen them.
        """
        if sum(len(result.modules) for result in self._kept.values()) < LEAST_MODULES:
            return
        kept = {self._key(digest): result for digest, result in self._kept.items()}
        before = self._stored.templates
        used = {(name, _template_digest(text)) for seen in templates for name, text in seen.items()}
        together = {**before, **dict(used)}
        # A template that was edited while this ran has two texts, of which only one could be named.
        if kept == self._stored.results or any(together[name] != digest for name, digest in (*before.items(), *used)):
            return
        with contextlib.suppress(OSError, LakeflowJobMetaError):
            make_state_root(self._project)
            _write(self._path, encode(CacheContent(kept, together)))

    @property
    def _path(self) -> Path:
        return self._project.folder / FOLDER / "cache" / "results"

    @cached_property
    def _circumstances(self) -> bytes:
        return cache_key(self._project, self._bundle)

    def _key(self, digest: bytes) -> str:
        return hashlib.blake2b(self._circumstances + digest, digest_size=DIGEST_BYTES).hexdigest()

    def _load(self) -> CacheContent:
        try:
            stored = decode(self._path.read_bytes())
        except OSError:
            return CacheContent()
        same = all(digest == self._digest_of_template(name) for name, digest in stored.templates.items())
        return stored if same else CacheContent()

    def _digest_of_template(self, name: str) -> str | None:
        try:
            return _template_digest((self._project.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def _template_digest(text: str | None) -> str | None:
    return None if text is None else hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Writes the file whole; of two runs at once, the last one wins."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f"{path.name}-{os.getpid()}.tmp")
    try:
        for leftover in path.parent.glob(f"{path.name}-*.tmp"):
            leftover.unlink(missing_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
