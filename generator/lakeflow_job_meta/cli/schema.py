"""`ljm schema`: prints a JSON Schema, for editors that complete and check while one types."""

from __future__ import annotations

import click

from lakeflow_job_meta.schema.example import metadata_example
from lakeflow_job_meta.schema.validator import schema_text

_KINDS = ("metadata", "project", "job")


@click.command("schema")
@click.argument("kind", type=click.Choice(_KINDS), default="metadata")
@click.option("--example", is_flag=True, help="Print a metadata file with every property and what it is instead.")
def command(kind: str, example: bool) -> None:
    """Print a JSON Schema: of metadata files, of job_meta.yml, or of a job's settings.

    `ljm editor` writes them for editors that complete and check while one types. --example is for people, and for
    coding agents.

    \b
    Examples:
      ljm schema project
      ljm schema metadata --example
    """
    if example and kind != "metadata":
        raise click.UsageError("--example is of metadata: ljm schema metadata --example")
    click.echo(metadata_example() if example else schema_text(kind), nl=False)
