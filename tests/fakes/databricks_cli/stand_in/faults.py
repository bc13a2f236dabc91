"""What goes wrong in the stand-in on demand, by environment variables.

| variable `LJM_FAKE_CLI_...` | what happens |
|---|---|
| `VERSION=0.200.0` | `version` says so, plans are stamped with it |
| `HANG=plan` | that command (`version`, `validate`, `plan`, `deploy`, `summary`, `run`, `me`) never ends (15 minutes) |
| `CRASH_AFTER=7` | the process kills itself (SIGKILL) when the answer to its seventh API call has come |
| `GARBAGE=plan` | that command prints only half of its stdout, and exits as if all were well |
| `FAIL_JOB=sales` | the API refuses this job (resource key) on create, reset and delete; the others go on |
| `SLOW=0.2` | each API call takes so many seconds longer |
"""

from __future__ import annotations

import os
import time

HANG_SECONDS = 900


def setting(name: str) -> str:
    """The value of `LJM_FAKE_CLI_<name>`, or the empty text."""
    return os.environ.get(f"LJM_FAKE_CLI_{name}", "")


def hang(command: str) -> None:
    """Stays, if this command is to hang."""
    if setting("HANG") == command:
        time.sleep(HANG_SECONDS)


def garbled(command: str, output: str) -> str:
    """The output, or half of it."""
    return output[: len(output) // 2] if setting("GARBAGE") == command else output


def before_call() -> None:
    """Waits before an API call."""
    if seconds := setting("SLOW"):
        time.sleep(float(seconds))


def after_call(number: int) -> None:
    """Ends the process after the answer to an API call."""
    if setting("CRASH_AFTER") == str(number):
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
