"""`ljm explain`: what a code in a diagnostic means, and what to do about it; which settings a kind of task takes."""

from __future__ import annotations

import click

from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta.diagnostics.catalog import explain, explain_all, explanations
from lakeflow_job_meta.diagnostics.rules import RULES
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.jobs.task_settings_page import task_settings_page


@click.command("explain")
@click.argument("code", required=False)
@click.option("--all", "show_all", is_flag=True, help="Explain every code; this is docs/checks.md.")
@click.option("--task-settings", is_flag=True, help="Explain which settings each kind of task takes.")
def command(code: str | None, show_all: bool, task_settings: bool) -> None:
    """Explain a code: what it means, an example, and the remedy.

    Without CODE, lists all codes.

    \b
    Examples:
      ljm explain dependency-cycle
      ljm explain
      ljm explain --task-settings
    """
    if task_settings:
        click.echo(task_settings_page(), nl=False)
    elif show_all:
        click.echo(explain_all(), nl=False)
    elif code is None:
        for each, explanation in sorted(explanations().items()):
            click.echo(f"{each:26} {explanation.meaning.split('. ')[0].split(': ')[0].rstrip('.')}.")
    elif (kind := code.strip("[]").partition(":")[0]) in RULES:
        click.echo(explain(RULES[kind]), nl=False)
    else:
        hint = did_you_mean(code, RULES) or "; `ljm explain` lists all"
        raise ConfigError(f"There is no code {quoted(code)}{hint}")
