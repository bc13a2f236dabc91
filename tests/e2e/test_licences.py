"""Everything that is installed with this project, and everything that it is made with, may be used by anybody.

The licence of a distribution is what its own metadata says. What says nothing, or something unknown, is a failure: a
person has to look at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

USED = ("", "databricks", "delta", "sql")
"""Extras that users install; `spark` stands in an environment of its own."""

PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC|0BSD|Zlib|Unlicense)\b", re.IGNORECASE)
FILE_BY_FILE = re.compile(r"\b(MPL|Mozilla Public License)\b", re.IGNORECASE)
"""Such a licence is about changes of the package's own files alone; nobody changes them here."""

OF_FILES = {
    "certifi": "a list of certificates, which requests needs, which databricks-sdk needs",
    "hypothesis": "for tests",
    "pathspec": "for mypy",
}


def licence_of(found: Distribution) -> str:
    """Returns what a distribution says of its licence: the expression, or else its classifiers, or else the text."""
    about = found.metadata
    classifiers = [each.rsplit(" :: ", 1)[-1] for each in about.get_all("Classifier") or () if "License ::" in each]
    named = [str(about.get(name) or "").split("\n", 1)[0] for name in ("License-Expression", "License")]
    return named[0] or ", ".join(classifiers) or named[1]


def needed(name: str, extras: Iterable[str]) -> dict[str, Distribution]:
    """Returns all distributions that one needs here, with some of its extras, however far away; itself among them."""
    found: dict[str, Distribution] = {}
    left = [(name, frozenset(extras) | {""})]
    seen = set[tuple[str, frozenset[str]]]()
    while left:
        at = left.pop()
        if at in seen:
            continue
        seen.add(at)
        try:
            one = found[canonicalize_name(at[0])] = distribution(at[0])
        except PackageNotFoundError:
            raise AssertionError(f"{at[0]} is needed and not installed, so nothing is known of its licence") from None
        left += [
            (each.name, frozenset(each.extras) | {""})
            for each in map(Requirement, one.requires or ())
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in at[1])
        ]
    return found


def is_free(found: Distribution) -> bool:
    """Says whether everybody may use a distribution, in whatever they make."""
    licence = licence_of(found)
    return bool(PERMISSIVE.search(licence)) or (
        bool(FILE_BY_FILE.search(licence)) and canonicalize_name(found.metadata["Name"]) in OF_FILES
    )


@pytest.mark.parametrize("extras", [USED, ("dev",)], ids=["what users install", "what it is made with"])
def test_each_licence_is_permissive(extras):
    wrong = {name: licence_of(found) for name, found in needed("lakeflow-job-meta", extras).items()}
    assert {name: said for name, said in wrong.items() if not is_free(distribution(name))} == {}


def test_what_databricks_licenses_is_not_among_what_is_installed():
    assert {"databricks-bundles", "databricks-connect", "databricks-cli"}.isdisjoint(
        needed("lakeflow-job-meta", (*USED, "dev"))
    )


@pytest.mark.parametrize("said", ["GPL-3.0-or-later", "Databricks License", "Proprietary", ""])
def test_another_licence_is_found(said, tmp_path):
    about = tmp_path / "strange-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: strange\nVersion: 1.0\nLicense: {said}\n")

    assert not is_free(Distribution.at(about))
