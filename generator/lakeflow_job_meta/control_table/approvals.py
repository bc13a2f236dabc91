"""Approved versions of a control table: what an approval is, which ones count, and which rows come of them.

Each module has the rows that it had in the newest version that was approved for it. What is approved is known by a
digest, so that rows that have not changed since need no old version: Delta keeps those for a while only. Pure: versions
and authors are asked for.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import groupby

from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS
from lakeflow_job_meta.control_table.waiting import NO_ROWS, WaitingModule
from lakeflow_job_meta.tables.schema import Column, Row, TableSchema

EVERY_TARGET = "*"
"""What an approval has for a target that is for all of them."""

APPROVALS = TableSchema(
    suffix="_approvals",
    columns=(
        Column("module_name", "STRING"),
        Column("version", "BIGINT"),
        Column("target", "STRING"),
        Column("approved_by", "STRING"),
        Column("approved_at", "TIMESTAMP"),
        Column("comment", "STRING"),
        Column("rows_digest", "STRING"),
        Column("authors", "STRING"),
    ),
    key=("module_name", "version", "target", "approved_by"),
    order="approved_at",
)
"""Who approved which version of the control table beside it, for which module and target; `authors` is JSON."""

ModuleRows = Mapping[str, Sequence[Row]]
"""The rows of one version by module."""

Author = str | None
"""Who made a commit; None where the table's history does not say."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One row of the table of approvals.

    Attributes:
        version: Of the control table.
        target: One, or `EVERY_TARGET`.
        digest: Of the module's rows in that version; None in a row that somebody has written by hand.
        authors: Who changed them since the version that was approved before, as known when it was approved.
    """

    module: str
    version: int
    target: str
    approved_by: str
    approved_at: datetime
    comment: str | None = None
    digest: str | None = None
    authors: tuple[Author, ...] | None = None

    def as_row(self) -> Row:
        return {
            "module_name": self.module,
            "version": self.version,
            "target": self.target,
            "approved_by": self.approved_by,
            "approved_at": self.approved_at,
            "comment": self.comment,
            "rows_digest": self.digest,
            "authors": None if self.authors is None else json.dumps(self.authors, ensure_ascii=False),
        }

    def is_for(self, target: str) -> bool:
        return self.target in (target, EVERY_TARGET)


def approval_of_row(row: Row) -> Approval | None:
    """Reads one row; None for one without a module or version, which approves nothing."""
    module, version, moment = row["module_name"], row["version"], row["approved_at"]
    if not isinstance(module, str) or not isinstance(version, int):
        return None
    comment, digest = (text if isinstance(text := row[name], str) else None for name in ("comment", "rows_digest"))
    return Approval(
        module,
        version,
        str(row["target"] or EVERY_TARGET),
        str(row["approved_by"] or ""),
        moment if isinstance(moment, datetime) else datetime.fromtimestamp(0, timezone.utc),
        comment,
        digest,
        _authors_in(row["authors"]),
    )


def _authors_in(text: object) -> tuple[Author, ...] | None:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return tuple(None if each is None else str(each) for each in found) if isinstance(found, list) else None


def rows_by_module(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns rows by module; those without one belong to none."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if isinstance(name := row.get("module_name"), str) and name:
            found[name].append(row)
    return dict(found)


_METADATA = tuple(column.name for column in METADATA_COLUMNS)
_cell_text = json.JSONEncoder(default=str).encode
"""JSON in ASCII, which is the same text everywhere and always: tables keep digests of it."""


def rows_digest(rows: Sequence[Row], own_columns: Sequence[str] = ()) -> str:
    """Returns a digest of a module's rows: of the columns of metadata, and behind a `+` of those of the user's own."""
    if not rows:
        return NO_ROWS
    parts = [_METADATA, *([tuple(own_columns)] if own_columns else [])]
    return "+".join(_digest(rows, names) for names in parts)


def _digest(rows: Sequence[Row], names: Sequence[str]) -> str:
    # What a row lacks is as NULL: a column that is added changes nothing.
    texts = [_cell_text([(name, row[name]) for name in names if row.get(name) is not None]) for row in rows]
    return content_digest("\n".join(sorted(texts)).encode("ascii")).hex()[:32]


def _is_same_metadata(one: str, other: str) -> bool:
    return one.partition("+")[0] == other.partition("+")[0]


@dataclass(frozen=True, slots=True)
class Authors:
    """Who changed the rows of a module between two versions.

    Attributes:
        known: Those of whom the history says so; None among them where it does not say who.
        possible: Those of commits of which nobody can say any more what they changed; likewise.
    """

    known: frozenset[Author] = frozenset()
    possible: frozenset[Author] = frozenset()

    @property
    def recorded(self) -> tuple[Author, ...]:
        """What an approval keeps of them for when the history is gone; what is older than that says nothing."""
        return tuple(sorted(self.known | self.possible - {None}, key=lambda each: (each is None, each)))

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(sorted(each for each in self.known | self.possible if each is not None))


FindAuthors = Callable[[str, int, str | None, int, str | None], Authors]
"""Returns who changed a module's rows from one version, and digest, to another; the first is -1 for no rows at all."""


def objection(approval: Approval, authors: Authors) -> str:
    """Returns why an approval does not count where it must be somebody else's than the author's; empty if it does."""
    approver = approval.approved_by.casefold()
    if not approver:
        return "it does not say who gave it"

    def is_one_of(names: Collection[Author]) -> bool:
        return any(each is not None and each.casefold() == approver for each in names)

    recorded = approval.authors
    if is_one_of(authors.known) or (is_one_of(authors.possible) and is_one_of(recorded or ())):
        return f"{approval.approved_by} wrote some of it"
    if None in authors.known:
        return "the table's history does not say who wrote it"
    if is_one_of(authors.possible) or None in authors.possible:
        if recorded is None or None in recorded:
            return "the table's history does not say any more who wrote it"
        if is_one_of(recorded):
            return f"{approval.approved_by} wrote some of it"
    return ""


@dataclass(frozen=True, slots=True)
class Counted:
    """The approvals of a module that count, newest version first, and why others do not, a sentence each."""

    approvals: tuple[Approval, ...] = ()
    objections: tuple[str, ...] = ()


def counted(
    approvals: Iterable[Approval], authors_of: Callable[[Approval, Approval | None], Authors] | None
) -> Counted:
    """Returns which approvals of one module count.

    Where they have to be somebody else's than the author's, `authors_of` returns who wrote what is approved since what
    was approved before, as far as that is a matter; None where they need not.
    """
    found: list[Approval] = []
    objections: list[str] = []
    ordered = sorted(approvals, key=lambda each: (each.version, each.approved_at, each.approved_by))
    for _, same in groupby(ordered, key=lambda each: each.version):
        before = found[-1] if found else None
        reasons = {each: objection(each, authors_of(each, before)) if authors_of else "" for each in same}
        found += [each for each, reason in reasons.items() if not reason][:1]
        objections += [_objected(each, reason) for each, reason in reasons.items() if reason]
    return Counted(tuple(reversed(found)), tuple(objections))


def _objected(approval: Approval, reason: str) -> str:
    return f"the approval of version {approval.version} by {approval.approved_by} does not count, since {reason}"


@dataclass(frozen=True, slots=True)
class ApprovedRows:
    """A control table as it is approved for one target.

    Attributes:
        held: The modules that stay as they are deployed, since no rows of them are approved, or can be read.
        removed: The modules of which it is approved that they are gone.
        unreadable: For modules whose approved version cannot be read any more: that version, and why.
    """

    rows: tuple[Row, ...]
    waiting: tuple[WaitingModule, ...]
    held: frozenset[str]
    removed: frozenset[str]
    unreadable: Mapping[str, tuple[int, str]]


ReadVersion = Callable[[int], "ModuleRows | str"]
"""Returns the rows of a version, or why it cannot be read any more."""


@dataclass(frozen=True, slots=True)
class NewestRows:
    """The rows of the newest version of a table, whose number is `version`, by module; and their digests."""

    table: str
    version: int
    rows: ModuleRows
    own_columns: tuple[str, ...] = ()
    digests: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = {name: rows_digest(rows, self.own_columns) for name, rows in self.rows.items()}
        object.__setattr__(self, "digests", found)

    def digest_of(self, module: str) -> str:
        return self.digests.get(module, NO_ROWS)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The approval that decides about a module, its rows and their digest; or why they cannot be read any more."""

    approval: Approval
    rows: Sequence[Row] = ()
    digest: str | None = None
    unreadable: str = ""


def compose(
    newest: NewestRows, of_modules: Mapping[str, Counted], read_version: ReadVersion, find_authors: FindAuthors
) -> ApprovedRows:
    """Puts the approved rows together; each older version that is needed is read once, and not kept.

    Args:
        newest: The table as it is.
        of_modules: The approvals of each module, and of those that are gone.
        read_version: Reads an older version.
        find_authors: Asked for what waits.
    """
    chosen, others = _chosen(newest, of_modules, read_version)
    names = sorted({*newest.rows, *of_modules})
    usable = {name: each.rows for name, each in chosen.items() if not each.unreadable}
    waiting = [name for name in names if name not in usable or chosen[name].digest != newest.digest_of(name)]
    return ApprovedRows(
        tuple(row for name in names for row in usable.get(name, ())),
        tuple(_waiting(name, newest, chosen.get(name), others.get(name, ()), find_authors) for name in waiting),
        frozenset(names).difference(usable),
        frozenset(name for name, rows in usable.items() if not rows),
        {name: (each.approval.version, each.unreadable) for name, each in chosen.items() if each.unreadable},
    )


def _chosen(
    newest: NewestRows, of_modules: Mapping[str, Counted], read_version: ReadVersion
) -> tuple[dict[str, _Chosen], dict[str, tuple[str, ...]]]:
    """Returns what decides about each module with an approval that counts, and why other approvals do not."""
    chosen: dict[str, _Chosen] = {}
    left: dict[str, list[Approval]] = {}
    objections = {name: each.objections for name, each in of_modules.items() if each.objections}
    for name, each in of_modules.items():
        if each.approvals and each.approvals[0].digest == newest.digest_of(name):
            chosen[name] = _Chosen(each.approvals[0], newest.rows.get(name, ()), newest.digest_of(name))
        elif each.approvals:
            left[name] = [*each.approvals]
    while left:
        version = max(approvals[0].version for approvals in left.values())
        rows = newest.rows if version == newest.version else read_version(version)
        for name in [name for name, approvals in left.items() if approvals[0].version == version]:
            approval = left[name].pop(0)
            if isinstance(rows, str):
                chosen[name] = _Chosen(approval, unreadable=rows)
                continue
            digest = rows_digest(rows.get(name, ()), newest.own_columns)
            if approval.digest is None or _is_same_metadata(digest, approval.digest):
                chosen[name] = _Chosen(approval, rows.get(name, ()), digest)
            else:
                # The table was dropped and made again: its versions are others.
                reason = _objected(approval, "that version has other rows now")
                objections[name] = (*objections.get(name, ()), reason)
        left = {name: approvals for name, approvals in left.items() if approvals and name not in chosen}
    return chosen, objections


def _waiting(
    name: str, newest: NewestRows, chosen: _Chosen | None, objections: tuple[str, ...], find_authors: FindAuthors
) -> WaitingModule:
    version, digest = (-1, NO_ROWS) if chosen is None else (chosen.approval.version, chosen.approval.digest)
    authors = find_authors(name, version, digest, newest.version, newest.digest_of(name)).named
    return WaitingModule(
        newest.table,
        name,
        newest.version,
        None if chosen is None else version,
        authors,
        name not in newest.rows,
        objections,
        newest.digest_of(name),
    )
