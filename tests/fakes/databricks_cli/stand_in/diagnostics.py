"""What the stand-in has to say about a bundle, as text on stderr: severity, summary, paths, places, a blank line."""

from __future__ import annotations

import os
import sys
from collections import namedtuple


class Place(namedtuple("Place", ("file", "line", "column"))):
    """A place in a file; line and column count from 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Diagnostic(namedtuple("Diagnostic", ("severity", "summary", "paths", "places", "detail"), defaults=((), (), ""))):
    """One message about a bundle, with the paths and the places that it is about."""

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.summary}"]
        for word, items in (("at", self.paths), ("in", self.places)):
            lines += [f"  {word if index == 0 else '  '} {item}" for index, item in enumerate(items)]
        lines += ["", self.detail] if self.detail else []
        return "\n".join(lines) + "\n"


class Failed(Exception):
    """The command cannot go on; holds what to print."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(diagnostic.summary for diagnostic in diagnostics))
        self.diagnostics = diagnostics


def failed(summary: str) -> Failed:
    """A failure with one message and no place."""
    return Failed(Diagnostic("Error", summary))


def say(text: str) -> None:
    """Prints a line on stderr; where nobody reads any more, that is the end, with no time to clean up."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        import signal

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
