"""`ljm skill`: prints the page for coding agents."""

from __future__ import annotations

import click

from lakeflow_job_meta.services.editor import agents_page


@click.command("skill")
def command() -> None:
    """Print how a coding agent works on a project: what the files are, what to run, what never to do.

    \b
    Examples:
      ljm skill > AGENTS.md
    """
    click.echo(agents_page(), nl=False)
