"""In an environment of Databricks the wheel upgrades nothing that it need not: the table of docs/install.md."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from support.project_folder import REPOSITORY

NOT_THERE = "-"


def requirements() -> dict[str, Requirement]:
    """Returns what the package itself and its extra `databricks` need, by name."""
    found = [Requirement(each) for each in requires("lakeflow-job-meta") or ()]
    return {each.name: each for each in found if each.marker is None or each.marker.evaluate({"extra": "databricks"})}


def environments() -> dict[str, dict[str, str]]:
    """Returns the versions of each environment, as the page has them."""
    lines = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| Environment |"))
    heads, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines[start : lines.index("", start)]
    ]
    return {row[0]: dict(zip(heads[1:], row[1:], strict=True)) for row in rows}


@pytest.mark.parametrize("name", environments())
def test_what_is_there_is_kept_but_for_what_the_page_says(name):
    versions = environments()[name]
    needed = requirements()

    upgraded = {
        each
        for each, found in versions.items()
        if each in needed and found != NOT_THERE and not needed[each].specifier.contains(found.strip("*"))
    }

    assert upgraded == {each for each, found in versions.items() if found.startswith("*")}


def test_the_page_has_a_column_for_all_that_may_be_there():
    (columns,) = {tuple(each) for each in environments().values()}
    assert {*requirements()} - {*columns} == {"jsonschema-rs", "py-yaml12"}


def test_what_is_added_needs_nothing_that_would_be_upgraded():
    for name in ("jsonschema-rs", "py-yaml12"):
        assert [each for each in requires(name) or () if "extra ==" not in each] == []


def test_each_environment_has_a_python_that_is_supported():
    supported = re.search(r'requires-python = "(.+)"', Path(REPOSITORY, "pyproject.toml").read_text(encoding="utf-8"))
    assert all(SpecifierSet(supported[1]).contains(each["Python"]) for each in environments().values())
