"""Reads the table or CSV file that a new project is to begin with. Changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.services.new_project import RowsChoice, example_csv
from lakeflow_job_meta.services.row_proposal import propose_blueprint
from lakeflow_job_meta.sources.csv_files import read_csv
from lakeflow_job_meta.sources.row_reader import told_apart_by_case_alone
from lakeflow_job_meta.sources.volume import read_anywhere
from lakeflow_job_meta.tables.names import is_location, is_url
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import ANY_TABLE

CSV_FOLDER = "data"
"""Where a CSV file goes that is not in the project yet."""


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """Rows, and what is proposed for them.

    Attributes:
        choice: As a project anywhere reads them.
        path: Where they lie on this machine; None for what is elsewhere.
    """

    choice: RowsChoice
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    path: Path | None = None


def rows_of_table(table: str, warehouse_id: str | None, on_wait: Callable[[str], None]) -> ChosenRows:
    """Reads a Delta table by its path or URL, or a table or view over a warehouse or in Spark.

    Raises:
        ConfigError: It is no name of a table, there is no way to it, or nothing can be proposed for it.
        OperationFailed: It cannot be read.
    """
    is_file = is_location(table)
    path = Path(table).absolute() if is_file and not is_url(table) else None
    location = str(path) if path is not None else table
    found = open_table(location, ANY_TABLE, warehouse_id, by_location=is_file, on_wait=on_wait).read_whole()
    if (twice := told_apart_by_case_alone(found.columns)) is not None:
        raise OperationFailed(f"{table}: {twice}.")
    proposal = propose_blueprint(table, found.columns, found.rows)
    choice = RowsChoice("delta" if is_file else "table", location, proposal, warehouse_id)
    return ChosenRows(choice, found.columns, tuple(found.rows), path)


def rows_of_csv(name: str) -> ChosenRows:
    """Reads a CSV file of this machine or of a volume.

    Raises:
        ConfigError: Nothing can be proposed for it.
        OperationFailed: It cannot be read, or not all of it.
    """
    if name.startswith("/Volumes/"):
        return _csv(name, name, read_anywhere(name), None)
    path = Path(name).absolute()
    try:
        content = read_file(path)
    except OSError as error:
        raise OperationFailed(f"{name} cannot be read: {error.strerror}.") from None
    return _csv(name, f"{CSV_FOLDER}/{re.sub('[][*?]', '_', path.name)}", content, path)


def example_rows() -> ChosenRows:
    """Returns the rows that ship with the package, which become a CSV file of the project."""
    location = f"{CSV_FOLDER}/tables.csv"
    return _csv(location, location, example_csv(), None)


def _csv(name: str, location: str, content: bytes, path: Path | None) -> ChosenRows:
    read = read_csv(name, content)
    if read.rows is None or read.problems:
        raise ConfigError(f"{name} is not read as a CSV file.", read.problems)
    rows = tuple(row.values for row in read.rows.rows)
    proposal = propose_blueprint(name, read.rows.columns, rows, read.rows.form)
    is_of_volume = name.startswith("/Volumes/")
    choice = RowsChoice("csv", location, proposal, content=None if is_of_volume else content)
    return ChosenRows(choice, read.rows.columns, rows, path)


def in_project(rows: ChosenRows, folder: Path, written: str) -> RowsChoice:
    """Returns the rows as the project of a folder reads them.

    Args:
        rows: What was chosen.
        folder: The project's, which need not be there yet.
        written: How the user has named them; a path that is relative stays so.
    """
    choice, path = rows.choice, rows.path
    if path is None:
        return choice
    root = folder.absolute()
    if choice.kind == "csv" and not path.is_relative_to(root):
        return choice
    is_kept = choice.kind == "delta" and Path(written).is_absolute()
    location = str(path) if is_kept else os.path.relpath(path, root).replace(os.sep, "/")
    return RowsChoice(choice.kind, location, choice.proposal, choice.warehouse_id)
