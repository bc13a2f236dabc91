"""Each promise of docs/security.md names tests, and these tests are there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from support.project_folder import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"
_NAME = re.compile(r"`(test_\w+)`")
_WITHOUT_TESTS = ("nobody else",)


def rows_of_promises(text: str) -> Iterator[str]:
    """Yields the rows of the tables that have the column "Kept by"."""
    for table in re.findall(r"(?m)^\|.*\| Kept by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text):
        yield from table.splitlines()


def lost(text: str) -> set[str]:
    """Returns the names of tests in a page that no file of tests has."""
    files = (path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("*.py"))
    there = {name for file in files for name in re.findall(r"(?m)^\s*def (test_\w+)\(", file)}
    return {*_NAME.findall(text)} - there


def test_every_test_that_the_page_names_is_there():
    assert lost(PAGE.read_text(encoding="utf-8")) == set()


def test_a_name_that_is_lost_is_found():
    gone = "test_that_is_" + "nowhere"  # not in one piece, for this file is looked through too
    assert lost(f"| a promise | `{gone}` |") == {gone}


def test_every_promise_names_a_test():
    rows = [*rows_of_promises(PAGE.read_text(encoding="utf-8"))]
    assert len(rows) > 50
    bare = [row for row in rows if not _NAME.search(row)]
    assert [row for row in bare if not row.startswith(tuple(f"| {name} |" for name in _WITHOUT_TESTS))] == []
