"""The text that a suggestion puts in the place of a key or value, for YAML and JSON alike. Pure."""

from __future__ import annotations

import json
import re

from lakeflow_job_meta.diagnostics.model import Diagnostic, Suggestion

_BARE = re.compile(r"(?!(?:true|false|yes|no|on|off|y|n|null)\Z)[a-z_][a-z0-9_.-]*", re.IGNORECASE)
"""Text that every reader of YAML takes for text without quotes."""


def replaced_text(diagnostic: Diagnostic) -> str | None:
    """Returns what a diagnostic's suggestion writes in the place of its location.

    None where there is no suggestion, or where the location is no key or value in one line.
    """
    old, suggestion = diagnostic.text, diagnostic.suggestion
    return written_for(old, suggestion) if old is not None and suggestion is not None else None


def written_for(old: str, suggestion: Suggestion) -> str | None:
    """Returns what a suggestion writes for a key or value, in quotes of the same kind.

    Args:
        old: As it is written now, quotes included.
        suggestion: The change.

    Returns:
        The new text; None for what is not written in place: a map, a list, a block of text, an alias, or something
        with an anchor or a tag.
    """
    new = suggestion.replacement
    if not old or old[0] in "{[|>*&!?" or isinstance(new, (dict, list)):
        return None
    if not isinstance(new, str):
        return json.dumps(new)
    if old[0] == "'" and new.isprintable() and "'" not in new:
        return f"'{new}'"
    if old[0] not in "'\"" and _BARE.fullmatch(new):
        return new
    return '"' + "".join(map(_in_quotes, new)) + '"'


def _in_quotes(character: str) -> str:
    if not character.isprintable():
        return f"\\U{ord(character):08x}"
    return f"\\{character}" if character in '"\\' else character
