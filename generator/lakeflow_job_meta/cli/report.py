"""Shows results: diagnostics as text on stderr or in a format for other tools on stdout, diffs, JSON, and progress.

Progress goes to stderr: lines of what is done, and on a terminal a counter of what takes longer than a second.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import click

from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta._internal.text import cells, count, padded, printable, without_controls
from lakeflow_job_meta.diagnostics.formats import FOR_PEOPLE, FORMATS, MOST_SHOWN, Where, as_they_are
from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, errors_among, foremost
from lakeflow_job_meta.text.markers import one_line

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_WIDEST_LINE = 160
_LONGEST_MESSAGE = 2000
_LONGEST_LIST = 20
_PATIENCE_SECONDS = 1.0
_EVERY_SECONDS = 0.1
_CLEAR = "\r\x1b[K"


def echo(text: str, *, err: bool = False) -> None:
    """Writes text and a line feed; nothing in it controls the terminal, whatever the metadata or a file holds."""
    click.echo(printable(text), err=err)


@dataclass(frozen=True, slots=True)
class Styled:
    """Part of a line for people that a terminal shows in a colour, bold or dim."""

    text: str
    colour: str | None = None
    is_bold: bool = False
    is_dim: bool = False


Line = tuple["str | Styled", ...]
"""The parts of a line for people."""


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """Yields rows of a table with their texts as wide as their columns."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield [padded(text, width) for text, width in zip(row, widths, strict=True)]


def show_line(*parts: str | Styled) -> None:
    """Writes a line to stdout; nothing in its parts controls the terminal but their styles."""
    click.echo("".join(in_style(part) if isinstance(part, Styled) else printable(one_line(part)) for part in parts))


def in_style(part: Styled) -> str:
    """Returns a part of a line as a terminal gets it."""
    text = printable(one_line(part.text))
    return click.style(text, fg=part.colour, bold=part.is_bold or None, dim=part.is_dim or None)


def show_error(text: str) -> None:
    """Writes what ended the command to stderr."""
    click.echo(click.style("error: ", fg="red", bold=True) + printable(without_secrets(text)), err=True)


def show_progress(line: str) -> None:
    """Shows what is being done."""
    click.echo(click.style(printable(line), dim=True), err=True)


class ProgressBar:
    """Shows how far something is; to be used in a `with` statement. It is gone at the end."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE_SECONDS
        self._is_shown = False

    def update(self, what: str, done: int, of: int) -> None:
        now = time.monotonic()
        if now < self._next or not sys.stderr.isatty():
            return
        self._next, self._is_shown = now + _EVERY_SECONDS, True
        filled = 30 * done // max(of, 1)
        bar = click.style("#" * filled, fg="green") + "." * (30 - filled)
        click.echo(f"{_CLEAR}{what} {bar} {done:,} of {of:,}", err=True, nl=False)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_shown:
            click.echo(_CLEAR, err=True, nl=False)


def show_json(value: object) -> None:
    """Writes a value to stdout as JSON."""
    echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


FORMAT_OPTION = click.option(
    "--format",
    "form",
    type=click.Choice(["text", *FORMATS]),
    default="text",
    help="How problems are reported: text on stderr, or on stdout json, sarif, or what github, azure or gitlab shows.",
)


def show(
    diagnostics: Sequence[Diagnostic],
    modules: int,
    form: str,
    notes: Iterable[str] = (),
    closing: str = "",
    where: Where = as_they_are,
    most: int | None = MOST_SHOWN,
) -> None:
    """Shows all diagnostics and their count, as `text` or in one of `FORMATS`; `notes` are more lines for people.

    `where` finds what is for a CI in the repository; as text `most` are shown, or all.
    """
    if form == "text":
        show_text(diagnostics, most)
    elif text := FORMATS[form](diagnostics, where):
        # What is for people are commands of a CI themselves.
        click.echo(without_controls(text) if form in FOR_PEOPLE else printable(text))
    if form in FOR_PEOPLE:
        _show_left(len(diagnostics), MOST_SHOWN)
    lines = [*notes]
    for note in lines[:MOST_SHOWN]:
        echo(one_line(note), err=True)
    if len(lines) > MOST_SHOWN:
        echo(f"... and {len(lines) - MOST_SHOWN:,} more that are not applied.", err=True)
    show_count(diagnostics, modules, closing)


def show_text(diagnostics: Sequence[Diagnostic], most: int | None = MOST_SHOWN) -> None:
    """Writes one line for each diagnostic to stderr; on a terminal also the line it is about, with a caret.

    Of very many only the foremost are shown, unless `most` is None.
    """
    with_source = sys.stderr.isatty()
    for diagnostic in diagnostics if most is None else foremost(diagnostics, most):
        click.echo(_headline(diagnostic), err=True)
        if with_source:
            click.echo(_excerpt(diagnostic), err=True, nl=False)
    _show_left(len(diagnostics), most)


def _show_left(found: int, most: int | None) -> None:
    if most is not None and found > most:
        click.echo(f"... and {found - most:,} more; 'ljm validate --all' has all.", err=True)


def show_count(diagnostics: Sequence[Diagnostic], modules: int, closing: str = "") -> None:
    """Writes the closing line: how many problems, in how many modules."""
    errors = len(errors_among(diagnostics))
    warnings = len(diagnostics) - errors
    found = f"{count(errors, 'error')}, {count(warnings, 'warning')}" if diagnostics else "No problems"
    colour = "red" if errors else "yellow" if warnings else "green"
    click.echo(f"{click.style(found, fg=colour, bold=True)} in {count(modules, 'module')}{closing}.", err=True)


def show_list(lines: Sequence[tuple[str, str]]) -> None:
    """Writes lines to stdout, each a word and what it is said of; a terminal gets only so many of each word.

    The word may have colours.
    """
    found = Counter(word for word, _ in lines)
    # A line more says no less than that there is one more.
    longest = {word: _LONGEST_LIST if number > _LONGEST_LIST + 1 else number for word, number in found.items()}
    is_whole = not sys.stdout.isatty()
    seen: Counter[str] = Counter()
    for word, rest in lines:
        seen[word] += 1
        if is_whole or seen[word] <= longest[word]:
            click.echo(word + printable(rest))
    for word, number in {} if is_whole else found.items():
        if number > longest[word]:
            click.echo(f"{word}... and {number - longest[word]:,} more")


def show_diff(lines: Iterable[str], *, is_patch: bool = False) -> None:
    """Writes a unified diff to stdout; one that is to be applied as it is, where that is no terminal."""
    is_raw = is_patch and not sys.stdout.isatty()
    for line in lines:
        click.echo(click.style(line if is_raw else printable(line), fg=_DIFF_COLOURS.get(line[:1])))


def _headline(diagnostic: Diagnostic) -> str:
    location = click.style(printable(one_line(str(diagnostic.location))), bold=True)
    severity = click.style(diagnostic.severity.value, fg=_COLOURS[diagnostic.severity], bold=True)
    message = printable(one_line(diagnostic.message)[:_LONGEST_MESSAGE])
    return f"{location}: {severity}: {message} {click.style(f'[{diagnostic.code}]', dim=True)}"


def _excerpt(diagnostic: Diagnostic) -> str:
    """Returns the source line with its range underlined; nothing where there is no line."""
    line, location = diagnostic.source_line, diagnostic.location
    if not line or location.line is None or location.column is None:
        return ""
    start = max(0, location.column - _WIDEST_LINE // 2)
    # One space for each, so that the carets stand below what they are about.
    shown = "".join(each if each.isprintable() else " " for each in line[start : start + _WIDEST_LINE])
    number = f"{location.line:5d} | "
    first = location.column - 1 - start
    is_longer = location.end_line is not None and location.end_line > location.line
    end = len(line) + 1 if is_longer else location.end_column or location.column
    last = min(end - 1 - start, len(shown))
    carets = click.style("^" * max(last - first, 1), fg=_COLOURS[diagnostic.severity])
    return f"{click.style(number, dim=True)}{shown}\n{' ' * (len(number) + first)}{carets}\n"
