"""What is said, and kept, of an exception that nobody expected: one sentence, and the traceback in a file."""

from __future__ import annotations

import traceback
from pathlib import Path

from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.state.folder import make_private, temporary_folder, write_private

_PACKAGE = Path(__file__).parents[1]
_FILE = "internal-error.txt"
_LONGEST_MESSAGE = 300


def internal_error(error: Exception, folder: Path | None = None) -> str:
    """Returns one sentence about an unexpected exception, and leaves its traceback in a file.

    It goes into `folder`, a state folder, or into the user's own for temporary files. The newest one replaces the one
    before, so that an error that comes back every minute fills no disk.
    """
    what = " ".join(without_secrets(f"{type(error).__name__}: {error}").split())[:_LONGEST_MESSAGE].rstrip(".: ")
    return f"internal error in {_place_of(error)}: {what}. {_kept(error, folder or temporary_folder())}"


def _place_of(error: Exception) -> str:
    """Returns the innermost place of this package that an exception passed, such as `monitor/loop.py:42`."""
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [f"{path.relative_to(_PACKAGE)}:{line}" for path, line in frames if path.is_relative_to(_PACKAGE)]
    return own[-1] if own else "lakeflow_job_meta"


def _kept(error: Exception, folder: Path) -> str:
    text = without_secrets("".join(traceback.format_exception(error)))
    try:
        make_private(folder)
        write_private(folder / _FILE, text.encode("utf-8", "backslashreplace"), is_durable=False)
    except OperationFailed as problem:
        return f"Please report it. Its traceback is lost: {problem}"
    return f"Please report it with its traceback, which is in {str(folder / _FILE)!r}."
