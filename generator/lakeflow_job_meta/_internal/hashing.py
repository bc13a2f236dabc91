"""Digests by which contents are compared and looked up."""

from __future__ import annotations

from collections.abc import Callable
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


def digests_after(*pieces: bytes) -> Callable[[bytes], bytes]:
    """Returns a function that gives the digest of one piece behind some others, of which there are thousands."""
    common = _EMPTY.copy()
    common.update(content_digest(*pieces))

    def digest(piece: bytes) -> bytes:
        whole = common.copy()
        whole.update(piece)
        return whole.digest()

    return digest
