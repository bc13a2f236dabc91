"""The form of the cache on disk: a checksum, one line of JSON, and the texts of all files behind each other.

Pure. What is damaged, or not of this form, is read as nothing; nothing that stands in it is ever run.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from lakeflow_job_meta.checks.file_lookups import LOOKUPS
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.layout.job_summary import JobSummary

_FORM = b"lakeflow-job-meta cache 2\n"
_CHECKSUM_LENGTH = 64
_KEY = "[A-Za-z][A-Za-z0-9_-]*"
_PATH = re.compile(rf"jobs/{_KEY}\.yml|sql/{_KEY}/[A-Za-z0-9_]+\.sql")
"""What a job's files are called; no other name is taken from a cache, whoever wrote it."""

_CODING = ("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class CacheContent:
    """The content of a cache.

    Attributes:
        results: By part; only of parts of which there is nothing to say.
        templates: Digests of the project's templates that the files were written with; None for one that was looked
            for and not there.
    """

    results: dict[str, UnitResult] = field(default_factory=dict)
    templates: dict[str, str | None] = field(default_factory=dict)


def encode(stored: CacheContent) -> bytes:
    """Returns the content of a cache file."""
    texts: list[bytes] = []
    index = {
        "templates": stored.templates,
        "parts": {key: _entry(result, texts) for key, result in stored.results.items()},
    }
    body = b"\n".join((json.dumps(index, separators=(",", ":")).encode(), b"".join(texts)))
    return _FORM + _checksum(body) + body


def _entry(result: UnitResult, texts: list[bytes]) -> list[object]:
    sizes = {}
    for path, text in result.files.items():
        texts.append(text.encode(*_CODING))
        sizes[path] = len(texts[-1])
    outlines = [[each.key, each.group, each.refers_to, each.uploads, each.libraries] for each in result.outlines]
    return [result.modules, sizes, result.noted, outlines]


def decode(content: bytes) -> CacheContent:
    """Reads the content of a cache file; one that is damaged or of another form holds nothing."""
    start = len(_FORM) + _CHECKSUM_LENGTH
    # There may be tens of megabytes, so nothing is copied before it is text.
    body = memoryview(content)[start:]
    if not content.startswith(_FORM) or content[len(_FORM) : start] != _checksum(body):
        return CacheContent()
    end = content.find(b"\n", start)
    try:
        return _read(json.loads(content[start:end]), body[end + 1 - start :])
    # The checksum was right, so this is what somebody else has put there.
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return CacheContent()


def _read(index: dict[str, Any], texts: memoryview) -> CacheContent:
    results = {}
    at = 0
    for key, (modules, sizes, noted, outlines) in index["parts"].items():
        files = {}
        for path, size in sizes.items():
            if not _PATH.fullmatch(path):
                raise ValueError(path)
            files[path] = str(texts[at : at + size], *_CODING)
            at += size
        results[key] = UnitResult(
            tuple((name, job) for name, job in modules),
            files,
            tuple(((question, what), answer) for (question, what), answer in noted if question in LOOKUPS),
            outlines=tuple(
                JobSummary(job, group, tuple(others), tuple(uploads), tuple(libraries))
                for job, group, others, uploads, libraries in outlines
            ),
        )
    return CacheContent(results, dict(index["templates"]))


def _checksum(body: bytes | memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM_LENGTH // 2).hexdigest().encode()
