"""Each promise of docs/security.md names the tests that keep it; that these are there is a test of all pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from support.project_folder import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"
_NAME = re.compile(r"`test_\w+`")
_WITHOUT_TESTS = ("nobody else",)


def rows_of_promises(text: str) -> Iterator[str]:
    """Yields the rows of the tables that have the column "Kept by"."""
    for table in re.findall(r"(?m)^\|.*\| Kept by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text):
        yield from table.splitlines()


def test_every_promise_names_a_test():
    rows = [*rows_of_promises(PAGE.read_text(encoding="utf-8"))]
    assert len(rows) > 50
    bare = [row for row in rows if not _NAME.search(row)]
    assert [row for row in bare if not row.startswith(tuple(f"| {name} |" for name in _WITHOUT_TESTS))] == []
