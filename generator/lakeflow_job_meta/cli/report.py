"""Shows diagnostics: as text for people on stderr, or in the forms of `report_formats` on stdout, for other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.diagnostics.formats import FORMATS
from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, errors_among
from lakeflow_job_meta.text.markers import one_line

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_WIDEST_LINE = 160
_LONGEST_MESSAGE = 2000


FORMAT_OPTION = click.option(
    "--format",
    "form",
    type=click.Choice(["text", *FORMATS]),
    default="text",
    help="How problems are told: text on stderr, or json, github (annotations) or sarif on stdout.",
)


def show(diagnostics: Sequence[Diagnostic], modules: int, form: str) -> None:
    """Shows all diagnostics and their count in one of the formats.

    Args:
        diagnostics: In the order in which they are shown.
        modules: How many modules were looked at.
        form: `text`, or one of `FORMATS`.
    """
    if form == "text":
        show_text(diagnostics)
    elif text := FORMATS[form](diagnostics):
        click.echo(text)
    show_count(diagnostics, modules)


def show_text(diagnostics: Iterable[Diagnostic]) -> None:
    """Writes one line for each diagnostic to stderr; on a terminal also the line it is about, with a caret."""
    with_source = sys.stderr.isatty()
    for diagnostic in diagnostics:
        click.echo(_headline(diagnostic), err=True)
        if with_source:
            click.echo(_excerpt(diagnostic), err=True, nl=False)


def show_count(diagnostics: Sequence[Diagnostic], modules: int) -> None:
    """Writes the closing line: how many problems, in how many modules."""
    errors = len(errors_among(diagnostics))
    warnings = len(diagnostics) - errors
    found = f"{count(errors, 'error')}, {count(warnings, 'warning')}" if diagnostics else "No problems"
    colour = "red" if errors else "yellow" if warnings else "green"
    click.echo(f"{click.style(found, fg=colour, bold=True)} in {count(modules, 'module')}.", err=True)


def _headline(diagnostic: Diagnostic) -> str:
    location = click.style(one_line(str(diagnostic.location)), bold=True)
    severity = click.style(diagnostic.severity.value, fg=_COLOURS[diagnostic.severity], bold=True)
    message = one_line(diagnostic.message)[:_LONGEST_MESSAGE]
    return f"{location}: {severity}: {message} {click.style(f'[{diagnostic.code}]', dim=True)}"


def _excerpt(diagnostic: Diagnostic) -> str:
    """Returns the source line with a caret below the location; nothing where there is no line."""
    line, location = diagnostic.source_line, diagnostic.location
    if not line or location.line is None or location.column is None:
        return ""
    start = max(0, location.column - _WIDEST_LINE // 2)
    shown = one_line(line.replace("\t", " "))[start : start + _WIDEST_LINE]
    number = f"{location.line:5d} | "
    caret = " " * (len(number) + location.column - 1 - start) + click.style("^", fg=_COLOURS[diagnostic.severity])
    return f"{click.style(number, dim=True)}{shown}\n{caret}\n"
