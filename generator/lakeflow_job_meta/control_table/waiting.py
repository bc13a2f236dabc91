"""A module of a control table that waits for approval. Nothing is looked up here."""

from __future__ import annotations

from dataclasses import dataclass

NO_ROWS = ""
"""The digest of a module that is not there."""


@dataclass(frozen=True, slots=True)
class WaitingModule:
    """A module whose rows are others than those that are approved.

    Attributes:
        table: The control table, as the project names it.
        version: The newest one of the table, which would have to be approved.
        approved: The one that is; None where none is.
        authors: Who changed it since, as far as the table's history says so.
        is_gone: Whether it has no rows any more.
        objections: Why approvals of it do not count, a sentence each.
        digest: Of its newest rows.
    """

    table: str
    module: str
    version: int
    approved: int | None
    authors: tuple[str, ...] = ()
    is_gone: bool = False
    objections: tuple[str, ...] = ()
    digest: str = NO_ROWS
