"""Shows diagnostics: as text for people on stderr, or on stdout in a format that other tools read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.diagnostics.formats import FORMATS
from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, errors_among
from lakeflow_job_meta.text.markers import one_line

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_WIDEST_LINE = 160
_LONGEST_MESSAGE = 2000


FORMAT_OPTION = click.option(
    "--format",
    "form",
    type=click.Choice(["text", *FORMATS]),
    default="text",
    help="How problems are reported: text on stderr, or json, github (annotations) or sarif on stdout.",
)


def show(
    diagnostics: Sequence[Diagnostic], modules: int, form: str, notes: Iterable[str] = (), closing: str = ""
) -> None:
    """Shows all diagnostics and their count in one of the formats.

    Args:
        diagnostics: In the order in which they are shown.
        modules: How many modules were checked.
        form: `text`, or one of `FORMATS`.
        notes: More lines for people.
        closing: What the closing line adds to the count.
    """
    if form == "text":
        show_text(diagnostics)
    elif text := FORMATS[form](diagnostics):
        click.echo(text)
    for note in notes:
        click.echo(one_line(note), err=True)
    show_count(diagnostics, modules, closing)


def show_text(diagnostics: Iterable[Diagnostic]) -> None:
    """Writes one line for each diagnostic to stderr; on a terminal also the line it is about, with a caret."""
    with_source = sys.stderr.isatty()
    for diagnostic in diagnostics:
        click.echo(_headline(diagnostic), err=True)
        if with_source:
            click.echo(_excerpt(diagnostic), err=True, nl=False)


def show_count(diagnostics: Sequence[Diagnostic], modules: int, closing: str = "") -> None:
    """Writes the closing line: how many problems, in how many modules."""
    errors = len(errors_among(diagnostics))
    warnings = len(diagnostics) - errors
    found = f"{count(errors, 'error')}, {count(warnings, 'warning')}" if diagnostics else "No problems"
    colour = "red" if errors else "yellow" if warnings else "green"
    click.echo(f"{click.style(found, fg=colour, bold=True)} in {count(modules, 'module')}{closing}.", err=True)


def show_diff(lines: Iterable[str]) -> None:
    """Writes a unified diff to stdout."""
    for line in lines:
        click.echo(click.style(line, fg=_DIFF_COLOURS.get(line[:1])))


def _headline(diagnostic: Diagnostic) -> str:
    location = click.style(one_line(str(diagnostic.location)), bold=True)
    severity = click.style(diagnostic.severity.value, fg=_COLOURS[diagnostic.severity], bold=True)
    message = one_line(diagnostic.message)[:_LONGEST_MESSAGE]
    return f"{location}: {severity}: {message} {click.style(f'[{diagnostic.code}]', dim=True)}"


def _excerpt(diagnostic: Diagnostic) -> str:
    """Returns the source line with its range underlined; nothing where there is no line."""
    line, location = diagnostic.source_line, diagnostic.location
    if not line or location.line is None or location.column is None:
        return ""
    start = max(0, location.column - _WIDEST_LINE // 2)
    shown = one_line(line.replace("\t", " "))[start : start + _WIDEST_LINE]
    number = f"{location.line:5d} | "
    first = location.column - 1 - start
    is_longer = location.end_line is not None and location.end_line > location.line
    end = len(line) + 1 if is_longer else location.end_column or location.column
    last = min(end - 1 - start, len(shown))
    carets = click.style("^" * max(last - first, 1), fg=_COLOURS[diagnostic.severity])
    return f"{click.style(number, dim=True)}{shown}\n{' ' * (len(number) + first)}{carets}\n"
