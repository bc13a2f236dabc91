"""Opens the sources of metadata that a project names, and reads those that are tables.

Nothing is connected to before it is read. Of a table one version is read, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.fs import read_file
from lakeflow_job_meta.config.model import MetadataSource, Project, RowMapping
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.diagnostics.model import Location, Subject
from lakeflow_job_meta.diagnostics.rules import NEAR_COLUMN
from lakeflow_job_meta.errors import LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.sources.fingerprints import FileFingerprints
from lakeflow_job_meta.sources.interface import Reader, SourceSnapshot
from lakeflow_job_meta.sources.yaml_files import YamlReader
from lakeflow_job_meta.tables.plain import WholeTable
from lakeflow_job_meta.tables.schema import ANY_TABLE, TableSchema, TableUnusable
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.workspace.client import Workspace

if TYPE_CHECKING:
    from lakeflow_job_meta.control_table.approvals import Approval
    from lakeflow_job_meta.sources.approved_rows import ApprovalReader


def _ignore(message: str) -> None:
    pass


def open_readers(
    project: Project,
    on_wait: Callable[[str], None] = _ignore,
    workspace: Workspace | None = None,
    proposed: Mapping[str, tuple[Approval, ...]] = MappingProxyType({}),
) -> list[Reader]:
    """Returns a reader for each source of metadata, in the order of the project file.

    Tables and volumes are in the workspace of the environment by default; `on_wait` is called when a warehouse makes
    one wait. `proposed` are approvals by table that count besides those that are there.
    """
    return [
        _open_reader(project, source, on_wait, workspace, proposed.get(source.location, ()))
        for source in project.metadata
    ]


def _open_reader(
    project: Project,
    source: MetadataSource,
    on_wait: Callable[[str], None],
    workspace: Workspace | None,
    proposed: tuple[Approval, ...],
) -> Reader:
    if source.kind == "yaml":
        return YamlReader(project.folder, source.location)
    if source.rows is not None:
        return _open_rows(project, source, source.rows, on_wait, workspace)
    if source.kind == "volume":
        from lakeflow_job_meta.sources.volume import VolumeReader, volume_files

        return VolumeReader(source.location, None if workspace is None else volume_files(source.location, workspace))
    group_column = project.bundles.by if project.bundles is not None else None
    open_it = partial(open_table_source, source, project.folder, workspace=workspace, on_wait=on_wait)
    rule, approvals = project.approval_in_force, None
    if rule is not None and project.target is not None:
        from lakeflow_job_meta.control_table.approvals import APPROVALS  # most projects need none
        from lakeflow_job_meta.sources.approved_rows import ApprovalReader

        approvals = ApprovalReader(project.target, rule.other_than_author, partial(open_it, APPROVALS), proposed)
    return TableReader(source.location, open_it, group_column, project.own_columns, approvals)


def _open_rows(
    project: Project,
    source: MetadataSource,
    mapping: RowMapping,
    on_wait: Callable[[str], None],
    workspace: Workspace | None,
) -> Reader:
    from lakeflow_job_meta.blueprints.rows import RowSource  # most projects have no rows of their own
    from lakeflow_job_meta.sources.row_reader import RowReader

    group_column = project.bundles.by if project.bundles is not None else None
    origin = project.origin.at("metadata", project.metadata.index(source))
    rows = RowSource((), mapping, origin, group_column, project.own_columns)
    if source.kind == "csv":
        from lakeflow_job_meta.sources.csv_files import CsvReader, files_of

        return CsvReader(source.location, files_of(project.folder, source.location, workspace), rows)
    if source.kind == "query":
        read = partial(_run_query, project.folder, source, mapping, on_wait, workspace)
        return RowReader(source.location, read, lambda: read().fingerprint, rows)
    open_it = partial(open_table_source, source, project.folder, ANY_TABLE, workspace=workspace, on_wait=on_wait)
    return RowReader(source.location, lambda: open_it().read_whole(), lambda: open_it().fingerprint(), rows)


def _run_query(
    folder: Path,
    source: MetadataSource,
    mapping: RowMapping,
    on_wait: Callable[[str], None],
    workspace: Workspace | None,
) -> WholeTable:
    from lakeflow_job_meta.tables.open import open_executor
    from lakeflow_job_meta.tables.query import query_problem, run_local_query, run_query

    try:
        text = read_file(folder / source.location).decode("utf-8-sig")
    except OSError as error:
        raise OperationFailed(f"{error.strerror}") from None
    except UnicodeDecodeError:
        raise OperationFailed("it is not UTF-8") from None
    if (problem := query_problem(text, is_local=bool(mapping.tables))) is not None:
        raise OperationFailed(problem)
    if mapping.tables:
        return run_local_query(text, mapping.tables, folder)
    return run_query(text, open_executor(source.location, source.warehouse_id, workspace, on_wait))


def open_table_source(
    source: MetadataSource,
    folder: Path,
    schema: TableSchema = CONTROL_TABLE,
    *,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = _ignore,
) -> VersionedTable:
    """Opens a control table that a project reads, one of `Project.table_sources`, or a table beside it."""
    from lakeflow_job_meta.tables.open import open_table

    return open_table(
        source.location,
        schema,
        source.warehouse_id,
        by_location=source.kind == "delta",
        folder=folder,
        workspace=workspace,
        on_wait=on_wait,
    )


def table_identities(project: Project, labels: Container[str], workspace: Workspace | None = None) -> frozenset[str]:
    """Returns what tells the control tables of a project from all others, of those with some labels.

    Raises OperationFailed if one is not there, or cannot be reached.
    """
    tables = (source for source in project.table_sources if source.location in labels)
    return frozenset(open_table_source(each, project.folder, workspace=workspace).identity() for each in tables)


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads the modules of a control table, of whatever kind.

    Attributes:
        open_table: Opens it; what that raises is a problem of this source alone.
        group_column: The column that names the bundles of modules, if one does.
        own_columns: Columns of the user's own that are read besides, that one among them.
        approvals: Reads what is approved, where only that counts.
    """

    source: str
    open_table: Callable[[], VersionedTable]
    group_column: str | None = None
    own_columns: tuple[str, ...] = ()
    approvals: ApprovalReader | None = None

    def read(self) -> SourceSnapshot:
        try:
            table = self.open_table()
            snapshot, approved = table.read(also=self.own_columns), None
            if self.approvals is not None:
                approved = self.approvals.approved_rows(self.source, table, snapshot, self.own_columns)
        except TableUnusable as error:
            return SourceSnapshot.unreadable(self, *error.problems, is_file=False)
        except LakeflowJobMetaError as error:
            return SourceSnapshot.unreadable(self, f"cannot be read: {error}", is_file=False)
        rows = snapshot.rows if approved is None else approved.rows
        units = units_of_rows(self.source, rows, self.group_column, self.own_columns)
        problems = tuple(
            NEAR_COLUMN.report(
                Location(self.source, is_file=False),
                None,
                Subject(),
                f"the column {near!r} is not read; if it is meant to be the optional column {name!r}, rename it",
            )
            for name, near in CONTROL_TABLE.nearly_optional(snapshot.columns)
        )
        if approved is not None:
            from lakeflow_job_meta.sources.approved_rows import unreadable_approvals

            problems += tuple(unreadable_approvals(self.source, approved))
        return SourceSnapshot(
            self.source, tuple(units), problems, False, self.contains, snapshot.version.number, approved=approved
        )

    def probe(self, fingerprints: FileFingerprints) -> str:
        """Returns the newest version, and which table of that name it is of; the same of its approvals that count."""
        own = self.open_table().fingerprint()
        return own if self.approvals is None else f"{own}, approvals {self.approvals.fingerprint()}"

    def contains(self, label: str) -> bool:
        return label == self.source
