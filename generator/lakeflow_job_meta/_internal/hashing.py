"""Digests of content."""

from __future__ import annotations

DIGEST_BYTES = 20
"""Long enough that two different contents never have one digest."""
