"""Reads a control table as it is approved for a target: the approvals, the table's history, older versions.

Changes nothing. What is decided about them is in `control_table/approvals.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lakeflow_job_meta.control_table.approvals import (
    Approval,
    ApprovedRows,
    Author,
    Authors,
    Counted,
    ModuleRows,
    NewestRows,
    approval_of_row,
    compose,
    counted,
    rows_by_module,
    rows_digest,
)
from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS
from lakeflow_job_meta.control_table.versions import MOST_COMMITS
from lakeflow_job_meta.control_table.waiting import NO_ROWS
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, Subject
from lakeflow_job_meta.diagnostics.rules import UNREADABLE_APPROVAL
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.store import Snapshot, TableDamaged, TableMissing, VersionedTable, VersionUnreadable

_FEW_VERSIONS = 20
"""Over so many versions it is found out who changed a module that waits; else it is one of all who wrote the table."""


@dataclass(frozen=True)  # without slots, since what was read is kept
class TableHistory:
    """Who changed which module of a control table; what is asked twice is read once."""

    table: VersionedTable
    own_columns: tuple[str, ...] = ()
    _digests: dict[int, Mapping[str, str] | None] = field(default_factory=dict)
    _users_between: dict[tuple[int, int], Authors] = field(default_factory=dict)

    def rows(self, version: int) -> ModuleRows | str:
        """Returns the rows of a version by module, or why it cannot be read any more."""
        try:
            found = self.table.read(version, also=self.own_columns).rows
        except VersionUnreadable as error:
            self._digests[version] = None
            return str(error)
        rows = rows_by_module(map(self._read_row, found))
        self._digests[version] = {name: rows_digest(each, self.own_columns) for name, each in rows.items()}
        return rows

    def _read_row(self, row: Row) -> Row:
        """Returns the columns that are read of the newest version, too."""
        wanted = (*(column.name for column in METADATA_COLUMNS), *self.own_columns)
        return {name: row[name] for name in wanted if name in row}

    @cached_property
    def users(self) -> dict[int, Author]:
        """Who made each commit, as far as the history goes back."""
        return {commit.version: commit.user for commit in self.table.history(MOST_COMMITS)}

    @cached_property
    def _versions_of(self) -> dict[Author, list[int]]:
        """The commits of each user, whose name is in small letters."""
        found: defaultdict[Author, list[int]] = defaultdict(list)
        for version, user in sorted(self.users.items()):
            found[user.casefold() if user is not None else None].append(version)
        return dict(found)

    @cached_property
    def _oldest(self) -> int:
        return min(self.users, default=0)

    def _wrote(self, user: Author, since: int, until: int) -> bool:
        versions = self._versions_of.get(user, [])
        next_one = bisect_right(versions, since)
        return next_one < len(versions) and versions[next_one] <= until

    def authors_of(self, approval: Approval, before: Approval | None) -> Authors:
        """Returns who changed what is approved since what was approved before, as far as the approver may be of them.

        Without a commit of theirs, and with the history going back far enough, nothing has to be read.
        """
        since, digest = (-1, NO_ROWS) if before is None else (before.version, before.digest)
        names = (approval.approved_by.casefold(), None)
        is_known = self._oldest <= since + 1
        if is_known and not any(self._wrote(name, since, approval.version) for name in names):
            return Authors()
        return self.authors(approval.module, since, digest, approval.version, approval.digest)

    def digest_of(self, module: str, version: int) -> str | None:
        """Returns the digest of a module's rows in a version; None if that cannot be read any more."""
        if version < 0:
            return NO_ROWS
        if version < self._oldest:
            return None
        if version not in self._digests:
            self.rows(version)
        digests = self._digests[version]
        return None if digests is None else digests.get(module, NO_ROWS)

    def authors(
        self, module: str, since: int, since_digest: str | None, until: int, until_digest: str | None
    ) -> Authors:
        """Returns who changed a module from one version to another.

        Versions in which its rows are the same are not looked between: what was changed there was changed back.
        """
        since_digest = self.digest_of(module, since) if since_digest is None else since_digest
        until_digest = self.digest_of(module, until) if until_digest is None else until_digest
        if since_digest == until_digest and since_digest is not None:
            return Authors()
        if since_digest is None or until_digest is None:
            return self._anybody(since, until)
        if until - since <= 1:
            is_known = until in self.users
            user = frozenset([self.users.get(until)])
            return Authors(known=user) if is_known else Authors(possible=user)
        middle = (since + until) // 2
        while (digest := self.digest_of(module, middle)) is None and middle < until - 1:
            middle = (middle + until + 1) // 2  # what is gone are the older versions
        if digest is None:
            return self._anybody(since, until)
        before = self.authors(module, since, since_digest, middle, digest)
        after = self.authors(module, middle, digest, until, until_digest)
        return Authors(before.known | after.known, before.possible | after.possible)

    def _anybody(self, since: int, until: int) -> Authors:
        if (since, until) not in self._users_between:
            users = frozenset(self.users.get(version) for version in range(since + 1, until + 1))
            self._users_between[since, until] = Authors(possible=users)
        return self._users_between[since, until]

    def likely_authors(
        self, module: str, since: int, since_digest: str | None, until: int, until_digest: str | None
    ) -> Authors:
        """Returns the same of a few versions; of many all who wrote the table meanwhile, without reading them."""
        if until - since > _FEW_VERSIONS:
            return self._anybody(max(since, self._oldest - 1), until)
        return self.authors(module, since, since_digest, until, until_digest)


def read_approvals(table: VersionedTable) -> list[Approval]:
    """Reads a table of approvals; none while there is no such table."""
    return [each for row in table.rows() if (each := approval_of_row(row)) is not None]


@dataclass(frozen=True, slots=True)
class ApprovalReader:
    """Reads the approvals of a control table that count for one target.

    Attributes:
        other_than_author: Whether they have to be somebody else's than the author's.
        open_approvals: Opens the table of approvals.
        proposed: Approvals that are to count besides.
    """

    target: str
    other_than_author: bool
    open_approvals: Callable[[], VersionedTable]
    proposed: tuple[Approval, ...] = ()

    def fingerprint(self) -> str:
        """Returns what differs whenever the approvals do."""
        try:
            return self.open_approvals().fingerprint()
        except TableDamaged:
            raise
        except TableMissing:
            return "none"

    def approvals(self) -> list[Approval]:
        """Returns all approvals for the target, whether they count or not; none while there is no table of them."""
        found = (*read_approvals(self.open_approvals()), *self.proposed)
        return [each for each in found if each.is_for(self.target)]

    def counted(self, history: TableHistory, newest: int) -> dict[str, Counted]:
        """Returns the approvals of each module; those of versions that are not there are of another table."""
        by_module: defaultdict[str, list[Approval]] = defaultdict(list)
        for each in self.approvals():
            if 0 <= each.version <= newest:
                by_module[each.module].append(each)
        authors_of = history.authors_of if self.other_than_author else None
        return {module: counted(each, authors_of) for module, each in by_module.items()}

    def approved_rows(
        self, source: str, table: VersionedTable, snapshot: Snapshot, own_columns: tuple[str, ...]
    ) -> ApprovedRows:
        """Returns the approved rows of a table, whose newest version was read; `source` is what the project calls it.

        Raises LakeflowJobMetaError if approvals, history or an older version cannot be reached.
        """
        history = TableHistory(table, own_columns)
        newest = NewestRows(source, snapshot.version.number, rows_by_module(snapshot.rows), own_columns)
        of_modules = self.counted(history, newest.version)
        return compose(newest, of_modules, history.rows, history.likely_authors)


def unreadable_approvals(source: str, approved: ApprovedRows) -> Iterator[Diagnostic]:
    """Yields the modules whose approved version cannot be read any more."""
    for module, (version, reason) in sorted(approved.unreadable.items()):
        message = (
            f"version {version} is approved for this module, and cannot be read any more, so that its job stays as it "
            f"is; approve a newer version of it ({reason})"
        )
        location = Location(f"{source}[module_name={module}]", is_file=False)
        yield UNREADABLE_APPROVAL.report(location, None, Subject(module), message)
