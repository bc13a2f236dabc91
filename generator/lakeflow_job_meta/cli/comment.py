"""`ljm comment`: a text as the one comment on the pull request that a CI runs for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import click

from lakeflow_job_meta.cli.params import open_project
from lakeflow_job_meta.cli.report import echo
from lakeflow_job_meta.services.pull_requests import renew_comment


@click.command("comment")
@click.argument("file", type=click.File("rb"))
@click.pass_obj
def command(folder: Path | None, file: BinaryIO) -> None:
    """Comment on the pull request of this CI run, and renew that comment with each later run.

    FILE holds Markdown; - is stdin. Runs in GitHub Actions (with GITHUB_TOKEN), Azure Pipelines (SYSTEM_ACCESSTOKEN)
    and GitLab CI (GITLAB_TOKEN), and finds the pull request by their variables.

    \b
    Examples:
      ljm plan --against origin/main --format markdown > plan.md
      ljm comment plan.md
    """
    text = file.read().decode("utf-8", "replace")
    was_there = renew_comment(text, open_project(folder).folder, os.environ)
    echo(f"The comment was {'renewed' if was_there else 'written'}.", err=True)
