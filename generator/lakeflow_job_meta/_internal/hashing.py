"""Digests by which contents are compared and looked up."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b

DIGEST_BYTES = 20
"""Long enough that two different contents never have one digest."""


@cache
def _empty() -> blake2b:
    """A copy is made faster than a new one; and most who know what a digest is make none."""
    from hashlib import blake2b

    return blake2b(digest_size=DIGEST_BYTES)


def content_digest(*pieces: bytes | memoryview) -> bytes:
    """Returns a digest of several pieces; the same bytes cut at another place have another digest."""
    digest = _empty().copy()
    for piece in pieces:
        digest.update(b"%d:" % len(piece))
        digest.update(piece)
    return digest.digest()


def digests_after(*pieces: bytes) -> Callable[[bytes], bytes]:
    """Returns a function that gives the digest of one piece behind some others, of which there are thousands."""
    common = _empty().copy()
    common.update(content_digest(*pieces))

    def digest(piece: bytes) -> bytes:
        whole = common.copy()
        whole.update(piece)
        return whole.digest()

    return digest
