"""Approves a version of a control table for targets that need it: what that changes, who may, and the rows that say so.

What is approved is the version that somebody has seen, and never whatever the newest one is by then. Nothing but the
table of approvals is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from lakeflow_job_meta._internal.text import count, did_you_mean, listing, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import ApprovalRule, MetadataSource, Project
from lakeflow_job_meta.control_table.approvals import APPROVALS, EVERY_TARGET, Approval, Authors, objection, rows_digest
from lakeflow_job_meta.control_table.waiting import NO_ROWS
from lakeflow_job_meta.diagnostics.model import errors_among
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata, OperationFailed, PolicyRefused, PolicyViolation
from lakeflow_job_meta.output.read_back import jobs_in
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.planning.changes import Plan
from lakeflow_job_meta.planning.compare import compare_jobs
from lakeflow_job_meta.services.approval_plan import ApprovalPlan
from lakeflow_job_meta.sources.approved_rows import ApprovalReader, TableHistory
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.tables.schema import RowChanges
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.workspace.client import Workspace

Proposed = Mapping[str, tuple[Approval, ...]]
"""Approvals by the control table that they are of."""

CompileWith = Callable[[Project, Proposed], Compilation]
"""Compiles a project for its target, with approvals that count besides those that are there."""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What somebody wants to approve.

    Attributes:
        modules: Their names; by default all whose rows in that version are others than those that are approved.
        target: By default all that need approvals.
        table: The control table, where the project has several.
    """

    version: int
    modules: tuple[str, ...] = ()
    target: str | None = None
    comment: str | None = None
    table: str | None = None


def approve(
    project: Project,
    request: ApprovalRequest,
    compile_with: CompileWith,
    *,
    dry_run: bool = False,
    workspace: Workspace | None = None,
) -> ApprovalPlan:
    """Approves a version of a control table, by one commit to the table of approvals beside it.

    Raises:
        ConfigError: No target needs approvals, or the one that is named.
        OperationFailed: There is no such version or module, or the version cannot be read any more.
        PolicyRefused: Who approves has written some of it, and that is to be somebody else.
        InvalidMetadata: A module has errors in that version.
    """
    rule, source = _rule(project, request.target), _source(project, request.table)
    targets = [request.target] if request.target is not None else [*rule.targets]
    store = open_table_source(source, project.folder, APPROVALS, workspace=workspace)
    table = open_table_source(source, project.folder, workspace=workspace)
    history = TableHistory(table, project.own_columns)
    approved = _approved_now(store, history, rule, targets)
    modules = _chosen(table, history, request, approved)
    approvals = _approvals(table, request, modules)
    authors = {each: _authors(history, each, approved) for each in approvals}
    if rule.other_than_author:
        _refuse_authors(authors)
    approvals = tuple(replace(each, authors=found.recorded) for each, found in authors.items())
    plans = {target: _plan(project.for_target(target), source, approvals, compile_with) for target in targets}
    if approvals and not dry_run:
        store.write(RowChanges([each.as_row() for each in approvals]))
    return ApprovalPlan(store.name, approvals, plans)


def _rule(project: Project, target: str | None) -> ApprovalRule:
    if project.approval is None:
        raise ConfigError("No target needs approvals: job_meta.yml has no `deploy: {approval: {targets: [...]}}`.")
    if target is not None and target not in project.approval.targets:
        hint = did_you_mean(target, project.approval.targets)
        raise ConfigError(f"The target {quoted(target)} needs no approvals, as job_meta.yml has it{hint}")
    return project.approval


def _source(project: Project, table: str | None) -> MetadataSource:
    names = [source.location for source in project.table_sources]
    if table is None and len(names) > 1:
        raise ConfigError(f"The project has several control tables; name one with --table: {listing(names)}.")
    found = [source for source in project.table_sources if table in (None, source.location)]
    if not found:
        raise ConfigError(f"{quoted(table)} is no control table of this project{did_you_mean(table or '', names)}")
    return found[0]


_Approved = Mapping[str, Mapping[str, Approval]]
"""By target and module, the approval that decides now."""


def _approved_now(
    store: VersionedTable, history: TableHistory, rule: ApprovalRule, targets: Sequence[str]
) -> _Approved:
    newest = history.table.version().number
    found: dict[str, dict[str, Approval]] = {}
    for target in targets:
        of_modules = ApprovalReader(target, rule.other_than_author, lambda: store).counted(history, newest)
        found[target] = {name: each.approvals[0] for name, each in of_modules.items() if each.approvals}
    return found


def _chosen(
    table: VersionedTable, history: TableHistory, request: ApprovalRequest, approved: _Approved
) -> dict[str, str]:
    """Returns the digests of the modules that are to be approved, by their names."""
    version, rows = request.version, history.rows(request.version)
    if isinstance(rows, str):
        raise OperationFailed(f"Version {version} of {table.name} cannot be approved: {rows}")
    digests = {name: rows_digest(each, history.own_columns) for name, each in rows.items()}
    known = {*digests, *(name for modules in approved.values() for name in modules)}
    if unknown := [name for name in request.modules if name not in known]:
        hint = did_you_mean(unknown[0], sorted(known))
        raise OperationFailed(f"Version {version} of {table.name} has no module {quoted(unknown[0])}{hint}")
    newer = {name for modules in approved.values() for name, each in modules.items() if each.version > version}
    if late := [name for name in request.modules if name in newer]:
        raise OperationFailed(
            f"A newer version than {version} of {listing(late)} is approved, and the newest one counts: put the rows "
            f"back with `ljm table rollback {late[0]} --to {version}`, and approve the version that makes."
        )
    names = request.modules or sorted(
        name for name in known - newer if _differs(name, digests.get(name, NO_ROWS), history, approved)
    )
    return {name: digests.get(name, NO_ROWS) for name in dict.fromkeys(names)}


def _differs(name: str, digest: str, history: TableHistory, approved: _Approved) -> bool:
    """Says whether a module is another one than is approved for some target."""
    decided = [modules.get(name) for modules in approved.values()]
    return any(each is None or _digest_of(each, history) != digest for each in decided)


def _digest_of(approval: Approval, history: TableHistory) -> str | None:
    return history.digest_of(approval.module, approval.version) if approval.digest is None else approval.digest


def _approvals(table: VersionedTable, request: ApprovalRequest, modules: Mapping[str, str]) -> tuple[Approval, ...]:
    user, now = table.current_user() if modules else "", datetime.now(timezone.utc)
    target, comment = request.target or EVERY_TARGET, request.comment
    return tuple(
        Approval(name, request.version, target, user, now, comment, digest) for name, digest in modules.items()
    )


def _authors(history: TableHistory, approval: Approval, approved: _Approved) -> Authors:
    """Returns who changed a module since it was approved last for any of the targets."""
    known: set[str | None] = set()
    possible: set[str | None] = set()
    for before in {modules.get(approval.module) for modules in approved.values()}:
        since, digest = (-1, NO_ROWS) if before is None else (before.version, before.digest)
        found = history.authors(approval.module, since, digest, approval.version, approval.digest)
        known |= found.known
        possible |= found.possible
    return Authors(frozenset(known), frozenset(possible))


def _refuse_authors(authors: Mapping[Approval, Authors]) -> None:
    """Raises PolicyRefused where an approval, without authors of its own yet, does not count for those that it has."""
    reasons = {each.module: reason for each, found in authors.items() if (reason := objection(each, found))}
    if reasons:
        shown = "; ".join(f"{name}: {reason}" for name, reason in [*reasons.items()][:10])
        violation = PolicyViolation(
            f"{count(len(reasons), 'module')} cannot be approved by {next(iter(authors)).approved_by} ({shown}).",
            "Somebody else has to approve it; what nobody can say the author of is approved once with "
            "`other_than_author: false` in job_meta.yml.",
            tuple(map(job_key, reasons)),
        )
        raise PolicyRefused(f"{violation.reason} Nothing was approved.", [violation])


def _plan(project: Project, source: MetadataSource, approvals: tuple[Approval, ...], compile_with: CompileWith) -> Plan:
    """Returns what the jobs become of what is approved now; raises InvalidMetadata where they do not."""
    before = compile_with(project, {})
    after = compile_with(project, {source.location: approvals}) if approvals else before
    names = {each.module for each in approvals}
    if wrong := [each for each in errors_among(after.diagnostics) if each.module in names]:
        version = approvals[0].version
        raise InvalidMetadata(
            f"{count(len(wrong), 'error')} in version {version}, so nothing was approved.", tuple(wrong)
        )
    plan = compare_jobs(jobs_in(before.files), jobs_in(after.files), after.jobs.renamed)
    return replace(plan.allowed_by(project), waiting=after.waiting, target=project.target)
