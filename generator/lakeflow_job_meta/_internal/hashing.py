"""Digests by which contents are compared and looked up."""

from __future__ import annotations

from hashlib import blake2b

DIGEST_BYTES = 20
"""Long enough that two different contents never have one digest."""

_EMPTY = blake2b(digest_size=DIGEST_BYTES)
"""A copy is made faster than a new one."""


def content_digest(*pieces: bytes | memoryview) -> bytes:
    """Returns a digest of several pieces; the same bytes cut at another place have another digest."""
    digest = _EMPTY.copy()
    for piece in pieces:
        digest.update(b"%d:" % len(piece))
        digest.update(piece)
    return digest.digest()
