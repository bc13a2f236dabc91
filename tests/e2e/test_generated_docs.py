"""Pages that say what the code says, and pictures of the terminal, are as fresh as the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import lakeflow_job_meta
from lakeflow_job_meta.schema.validator import load_schema
from support.project_folder import REPOSITORY

DOCS = REPOSITORY / "docs"


def check(script: str) -> str:
    done = subprocess.run(
        [sys.executable, f"website/{script}", "--check"], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    return done.stdout


def test_the_pages_of_the_reference_are_what_they_would_be_written_as():
    assert check("reference.py") == ""


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of POSIX")
def test_the_pictures_of_the_terminal_show_what_the_commands_print():
    assert check("screenshots.py") == ""


@pytest.mark.parametrize("name", [name for name in dir(lakeflow_job_meta) if not name.startswith("__")])
def test_every_public_name_is_in_the_reference(name):
    page = (DOCS / "reference-python.md").read_text(encoding="utf-8")

    assert f"::: lakeflow_job_meta.{name}\n" in page


@pytest.mark.parametrize(("schema", "page"), [("metadata", "metadata"), ("project", "project-file")])
def test_every_key_at_the_top_of_a_schema_is_in_its_page(schema, page):
    text = (DOCS / f"reference-{page}.md").read_text(encoding="utf-8")

    assert [key for key in load_schema(schema)["properties"] if f"\n| `{key}` |" not in text] == []


def test_every_page_is_in_the_navigation_of_the_site_once():
    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r": ([\w/-]+\.md)$", text.split("\nnav:\n")[1], flags=re.MULTILINE)

    assert sorted(named) == sorted({*named})
    assert {page.name for page in DOCS.glob("*.md")} - {*named} == set()


@pytest.mark.parametrize("image", sorted((DOCS / "images").glob("*.svg")), ids=lambda path: path.name)
def test_no_picture_asks_another_host(image):
    text = re.sub(r"<desc>.*?</desc>", "", image.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"<text .*?</text>", "", text, flags=re.DOTALL)

    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+", text) == []
