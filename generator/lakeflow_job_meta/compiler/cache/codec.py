"""The format of the cache on disk: a checksum, the key, one line of JSON, and the texts of all files one after another.

The JSON has a digest of each text, so that nobody has to make it again to look whether a file holds that text.

Pure. What is damaged, or of another format, is read as nothing; nothing in it is ever run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from lakeflow_job_meta._internal.hashing import DIGEST_BYTES, content_digest
from lakeflow_job_meta.checks.file_lookups import LOOKUPS
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.jobs.module_names import ModuleNames
from lakeflow_job_meta.layout.job_summary import JobSummary

_FORMAT = b"lakeflow-job-meta cache 8\n"
_CHECKSUM_LENGTH = 40
_KEY_LENGTH = 2 * DIGEST_BYTES
_KEY = "[A-Za-z][A-Za-z0-9_-]*"
_PATH = re.compile(rf"jobs/{_KEY}\.yml|(sql/{_KEY}/[A-Za-z0-9_-]+\.sql|quality/{_KEY}/[A-Za-z0-9_-]+\.yml)")
"""What a job's files are called; no other name is taken from a cache."""

_ENCODING = ("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class CacheContent:
    """The content of a cache.

    Attributes:
        results: By the digest of the unit, as hexadecimal digits; only of units without a diagnostic.
        templates: Digests of the project's templates that the files were written with; None for one that was looked
            for and not found.
        others: How many results there are besides, which nobody asked for.
    """

    results: dict[str, UnitResult] = field(default_factory=dict)
    templates: dict[str, str | None] = field(default_factory=dict)
    others: int = 0

    @property
    def size(self) -> int:
        """How many results there are."""
        return len(self.results) + self.others


def encode(stored: CacheContent, key: bytes) -> bytes:
    """Returns the content of a cache file; `key` is a digest of all that every result depends on."""
    texts: list[bytes] = []
    alike: dict[str, int] = {}
    units = {digest: _entry(result, texts, alike) for digest, result in stored.results.items()}
    index = {"templates": stored.templates, "alike": [*alike], "units": units}
    body = b"".join((key.hex().encode(), json.dumps(index, separators=(",", ":")).encode(), b"\n", *texts))
    return _FORMAT + _checksum(body) + body


def checksum_in(content: bytes) -> bytes:
    """Returns the checksum of a cache file that was decoded: no other one has the same."""
    return content[len(_FORMAT) : len(_FORMAT) + _CHECKSUM_LENGTH]


def _entry(result: UnitResult, texts: list[bytes], alike: dict[str, int]) -> list[object]:
    """Returns the entry of a unit; `alike` numbers what most units have in common, as JSON."""
    contents = [text.encode(*_ENCODING) for text in result.files.values()]
    digests = result.digests or [content_digest(content).hex() for content in contents]
    sizes = zip(map(len, contents), digests, strict=True)
    texts += contents
    summaries = [[each.key, each.group, each.refers_to, each.uploads, each.libraries] for each in result.summaries]
    rest = json.dumps([result.noted, sorted(result.presets), sorted(result.policies)], separators=(",", ":"))
    return [result.modules, dict(zip(result.files, sizes, strict=True)), summaries, alike.setdefault(rest, len(alike))]


def decode(content: bytes, key: bytes, wanted: Container[str]) -> CacheContent:
    """Reads the wanted results of a cache file; one that is damaged, of another format or another key holds nothing."""
    start = len(_FORMAT) + _CHECKSUM_LENGTH
    index = start + _KEY_LENGTH
    if not content.startswith(_FORMAT) or content[start:index] != key.hex().encode():
        return CacheContent()
    # There may be tens of megabytes, so nothing is copied before it is text.
    whole = memoryview(content)
    if content[len(_FORMAT) : start] != _checksum(whole[start:]):
        return CacheContent()
    end = content.find(b"\n", index)
    try:
        return _read(json.loads(content[index:end]), whole[end + 1 :], wanted)
    # The checksum was right, so this was written by something else.
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return CacheContent()


def _read(index: dict[str, Any], texts: memoryview, wanted: Container[str]) -> CacheContent:
    results = {}
    alike = [
        (tuple(((kind, name), answer) for (kind, name), answer in noted if kind in LOOKUPS), *map(frozenset, names))
        for noted, *names in map(json.loads, index["alike"])
    ]
    start = 0
    for digest, (modules, found, summaries, number) in index["units"].items():
        if digest not in wanted:
            start += sum(size for size, _ in found.values())
            continue
        files = {}
        for path, (size, _) in found.items():
            if not _PATH.fullmatch(path):
                raise ValueError(path)
            files[path] = str(texts[start : start + size], *_ENCODING)
            start += size
        noted, presets, policies = alike[number]
        results[digest] = UnitResult(
            tuple(
                [
                    ModuleNames(name, job, blueprint, tuple(map(tuple, adopt)) if adopt else (), tuple(formerly))
                    for name, job, blueprint, adopt, formerly in modules
                ]
            ),
            files,
            noted,
            summaries=tuple([JobSummary(job, group, *map(tuple, rest)) for job, group, *rest in summaries]),
            presets=presets,
            policies=policies,
            digests=tuple([each for _, each in found.values()]),
        )
    return CacheContent(results, dict(index["templates"]), len(index["units"]) - len(results))


def _checksum(body: bytes | memoryview) -> bytes:
    """Returns what tells damage; processors have instructions for it, so that it takes half the time of a digest."""
    return sha1(body, usedforsecurity=False).hexdigest().encode()
