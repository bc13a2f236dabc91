"""`ljm schema`: prints a JSON Schema, for editors that complete and check while one types."""

from __future__ import annotations

import click

from lakeflow_job_meta.schema.validator import schema_text

_KINDS = ("metadata", "project", "job")


@click.command("schema")
@click.argument("kind", type=click.Choice(_KINDS), default="metadata")
def command(kind: str) -> None:
    """Print a JSON Schema: of metadata files, of job_meta.yml, or of a job's settings.

    In an editor with the YAML language server, a first line `# yaml-language-server: $schema=PATH` in a metadata file
    then completes and checks every setting.

    \b
    Examples:
      ljm schema > .schemas/metadata.schema.json
      ljm schema project
    """
    click.echo(schema_text(kind), nl=False)
