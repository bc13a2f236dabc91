"""What `ljm monitor`, `ljm status` and `ljm history` share: which project is meant, and the history of its target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from lakeflow_job_meta.cli.project_option import open_project
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.services.adhoc_project import project_of_table
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.history import History
from lakeflow_job_meta.state.store import HISTORY, open_state_store

_Command = TypeVar("_Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Monitored:
    """A project and target that a monitor looks at."""

    target: str
    folder: Path
    history: History


def monitored_options(command: _Command) -> _Command:
    """Adds the options that say which history is meant."""
    for option in (
        click.option("--warehouse-id", metavar="ID", help="The SQL warehouse that reads --control-table."),
        click.option("--control-table", metavar="TABLE", help="As for `ljm monitor`."),
        click.option("--target", "-t", metavar="TARGET", help="The bundle's target. Default: the bundle's own."),
    ):
        command = option(command)
    return command


def open_watched_project(folder: Path | None, control_table: str | None, warehouse_id: str | None) -> Project:
    """Loads the project that a monitor looks at: of a control table where one is named, else as all commands do.

    Raises:
        ConfigError: There is none, or its file has mistakes.
    """
    return open_project(folder) if control_table is None else project_of_table(control_table, warehouse_id, folder)


def open_monitored(
    folder: Path | None, target: str | None, control_table: str | None, warehouse_id: str | None
) -> Monitored:
    """Opens the history of a target.

    Raises:
        ConfigError: There is no project.
    """
    project = open_watched_project(folder, control_table, warehouse_id)
    named = target_of(project, target)
    state = state_folder(project, named)
    return Monitored(named, state, History(open_state_store(project, state, HISTORY), named))
