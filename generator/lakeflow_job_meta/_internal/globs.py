"""Globs for texts that may be paths or hold references, as regular expressions. Pure."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

_PARTS = re.compile(r"/\*\*(?:/|\Z)|\*\*/?|\*|\?|\[!?\]?[^\]]*\]|\$\{[^{}]*\}|\{\{[^{}]*\}\}")


@lru_cache(maxsize=1024)
def glob(pattern: str, *, takes_references: bool) -> re.Pattern[str]:
    """Returns a glob as an expression for a whole text: `*`, `?` and `[...]` end at a slash, and `**` does not.

    A reference, such as `${var.x}` and `{{job.id}}`, may come to stand for anything. So unless `takes_references`, no
    wildcard takes one: only the same reference in the pattern does.
    """
    none = "" if takes_references else r"(?!\$\{|\{\{)"
    one, any_ = f"{none}[^/]", f"(?:{none}.)*"
    expressions = {
        "*": f"(?:{one})*",
        "?": one,
        "**": any_,
        "**/": f"(?:{any_}/)?",
        "/**/": f"/(?:{any_}/)?",
        "/**": f"/(?!\\Z){any_}",
    }
    pieces, start = [], 0
    for match in _PARTS.finditer(pattern):
        text = match.group()
        is_class = text.startswith("[")
        pieces.append(re.escape(pattern[start : match.start()]))
        pieces.append(
            f"(?={one}){fnmatch.translate(text)[:-2]}" if is_class else expressions.get(text, re.escape(text))
        )
        start = match.end()
    return re.compile("".join([*pieces, re.escape(pattern[start:])]), re.DOTALL)
