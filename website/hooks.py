"""What mkdocs does not know of this repository: pages outside docs/, links to its files, marks of the tests.

Reads pages and changes their text on the way into the site; no file is written.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md")
"""Pages of the repository that are pages of the site too."""

_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
_PIPE = r"\|"
_CODE_WITH_A_PIPE = re.compile(r"`([^`\n]*\\\|[^`\n]*)`")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that stand beside the code."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leaves out what tests read, and lets links lead to pages of the site or become plain names of files."""
    parts = _FENCED.split(_COMMENT.sub("", markdown))
    return "".join(part if part.startswith("```") else _with_links(_with_pipes(part), page, files) for part in parts)


def _with_pipes(text: str) -> str:
    """Writes code that has an escaped pipe, as GitHub wants it in tables, so that Markdown in Python shows it too."""
    return _CODE_WITH_A_PIPE.sub(
        lambda match: f"<code>{html.escape(match.group(1)).replace(_PIPE, '&#124;')}</code>", text
    )


def _with_links(text: str, page: Page, files: Files) -> str:
    name = page.file.src_uri
    folder = (ROOT if name in OUTSIDE else ROOT / "docs") / Path(name).parent

    def of_the_site(match: re.Match[str]) -> str:
        words, link, anchor = match.group(1), match.group(2), match.group(3) or ""
        if re.match(r"[a-z]+:", link):
            return match.group(0)
        path = Path(os.path.normpath(folder / link))
        if not path.is_relative_to(ROOT):
            return match.group(0)
        uri = path.relative_to(ROOT).as_posix().removeprefix("docs/")
        if uri == "README.md":
            uri = "index.md"
        if files.get_file_from_path(uri) is None:
            # A file of the repository, which is no page: its name says where it is.
            return words if not path.exists() or path.name in words else f"{words} (`{uri}`)"
        if words.removeprefix("docs/") == path.name:  # on the site a page is known by its title
            words = path.read_text(encoding="utf-8").partition("# ")[2].partition("\n")[0]
        return f"[{words}]({os.path.relpath(uri, Path(name).parent)}{anchor})"

    return _LINK.sub(of_the_site, text)
