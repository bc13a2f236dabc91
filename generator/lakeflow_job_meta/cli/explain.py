"""`ljm explain`: what a code in a diagnostic means, and what to do about it; which settings a kind of task takes."""

from __future__ import annotations

import click

from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta.cli.report import show_json
from lakeflow_job_meta.diagnostics.catalog import explain, explain_all, explanation_object, explanations
from lakeflow_job_meta.diagnostics.rules import RULES
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.jobs.task_settings_page import task_settings_page


@click.command("explain")
@click.argument("code", required=False)
@click.option("--all", "show_all", is_flag=True, help="Explain every code; this is docs/checks.md.")
@click.option("--task-settings", is_flag=True, help="Explain which settings each kind of task takes.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="As text in Markdown, or JSON, which without CODE has every code whole.",
)
def command(code: str | None, show_all: bool, task_settings: bool, form: str) -> None:
    """Explain a code: what it means, an example, and the remedy.

    Without CODE, lists all codes.

    \b
    Examples:
      ljm explain dependency-cycle
      ljm explain dependency-cycle --format json
      ljm explain
      ljm explain --task-settings
    """
    kind = None if code is None else code.strip("[]").partition(":")[0]
    if kind is not None and kind not in RULES:
        hint = did_you_mean(str(code), RULES) or "; `ljm explain` lists all"
        raise ConfigError(f"There is no code {quoted(code)}{hint}")
    if task_settings:
        if form == "json":
            raise click.UsageError("--task-settings is a page in Markdown; leave out --format.")
        click.echo(task_settings_page(), nl=False)
    elif form == "json":
        show_json(
            [explanation_object(RULES[each]) for each in sorted(RULES)]
            if kind is None
            else explanation_object(RULES[kind])
        )
    elif show_all:
        click.echo(explain_all(), nl=False)
    elif kind is None:
        for each, explanation in sorted(explanations().items()):
            click.echo(f"{each:26} {explanation.meaning.split('. ')[0].split(': ')[0].rstrip('.')}.")
    else:
        click.echo(explain(RULES[kind]), nl=False)
