"""Names of tables from users: split, checked and quoted part by part; and locations, told from names. Pure.

A name cannot be a parameter of a SQL statement, so this is the only text from outside that gets into one.
"""

from __future__ import annotations

import os
import re

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.errors import ConfigError

_PART = re.compile(r"`(?P<quoted>(?:[^`]|``)+)`|(?P<bare>[A-Za-z0-9_-]+)")
_NAME = re.compile(r"(?:`(?:[^`]|``)+`|[\w-]+)(?:\.(?:`(?:[^`]|``)+`|[\w-]+)){0,2}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f/]")
MAX_PART = 255
"""Unity Catalog: names have at most 255 characters, and no `/`, control characters or DELETE."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def split_name(name: str) -> tuple[str, ...]:
    """Splits `catalog.schema.table`, parts of which may be in backticks; raises ConfigError if it is no such name."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{quoted(name)} is no name of a table. Write it as catalog.schema.table; a part with other characters "
            "than letters, digits, '_' and '-' goes in backticks."
        )
    parts = tuple((match["quoted"] or match["bare"]).replace("``", "`") for match in _PART.finditer(name))
    if any(_CONTROL.search(part) or len(part) > MAX_PART for part in parts):
        raise ConfigError(
            f"{quoted(name)} is no name of a table: a part has at most {MAX_PART} characters, and neither '/' nor "
            "control characters."
        )
    return parts


def name_beside(name: str, suffix: str) -> str:
    """Returns the name of a table beside another: the suffix goes onto the last part, inside its backticks.

    Raises:
        ConfigError: It is no name of a table, or would be too long.
    """
    split_name(name)
    beside = f"{name[:-1]}{suffix}`" if name.endswith("`") else name + suffix
    split_name(beside)
    return beside


def name_problem(name: str) -> str | None:
    """Returns what is wrong with a table's name; None if nothing is."""
    try:
        split_name(name)
    except ConfigError as error:
        return str(error)
    return None


def quote_name(name: str) -> str:
    """Returns a table's name as SQL takes it, every part in backticks; raises ConfigError if it is no such name."""
    return ".".join(quote_part(part) for part in split_name(name))


def quote_part(part: str) -> str:
    """Returns one identifier in backticks."""
    return f"`{part.replace('`', '``')}`"


def is_url(location: str) -> bool:
    """Returns whether a location is a URL such as `s3://...` rather than a path."""
    return bool(_URL.match(location))


def is_location(name: str) -> bool:
    """Returns whether a table is named by a path or a URL rather than as a table of a catalog."""
    return is_url(name) or "/" in name.replace("`/`", "") or os.sep in name or name.startswith(".")
