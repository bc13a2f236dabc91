"""The arguments of the functions and classes: checked before anything is done, in every form that Python people use.

And what is told meanwhile: to the log where one is set up, else as plain lines, as a notebook shows them.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.errors import ConfigError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from lakeflow_job_meta.workspace.client import Workspace

    WorkspaceLike: TypeAlias = Workspace | WorkspaceClient | str
    """A connection, a client of databricks-sdk, or the name of a profile of its configuration file."""

_PACKAGE = logging.getLogger("lakeflow_job_meta")


def workspace_of(given: WorkspaceLike | None) -> Workspace | None:
    """Returns the connection that is meant; None for that of the environment.

    Raises:
        ConfigError: It is nothing of all that.
    """
    if given is None:
        return None
    from lakeflow_job_meta.workspace.client import Workspace

    if isinstance(given, Workspace):
        return given
    if isinstance(given, str):
        return Workspace.of_profile(given)
    if not hasattr(given, "config"):
        raise ConfigError(
            "workspace must be a WorkspaceClient of databricks-sdk or the name of a profile, not "
            f"{type(given).__name__}."
        )
    client = given
    return Workspace(lambda: client)


def table_name(given: str | os.PathLike[str]) -> str:
    """Returns the name, path or URL of a control table as text; a path in a `Path` is never taken for a name."""
    if isinstance(given, str):
        return given
    if not isinstance(given, os.PathLike):
        raise ConfigError(f"control_table must be a text or a Path, not {type(given).__name__}.")
    return str(Path(given).absolute())


def check_number(name: str, value: int | None, least: int) -> None:
    """Raises ConfigError unless an argument is None or a whole number that is large enough."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise ConfigError(f"{name} must be a whole number from {least}, not {quoted(value)}.")


def tell(log: logging.Logger, level: int, text: str) -> None:
    """Logs a line, or prints it to stderr where nobody has set up logging, so that it would be lost."""
    if _PACKAGE.level or (log.isEnabledFor(level) and log.hasHandlers()):
        log.log(level, "%s", text)
    else:
        print(text, file=sys.stderr, flush=True)
