"""What a deployment may do that nobody has allowed explicitly: nothing.

The gate takes a parsed plan, the deletion guard the changes of generated files; both take what was allowed, and return
or refuse every violation. Pure: nothing here talks to Databricks, or changes a plan or a file. The databricks CLI
itself deletes a job that left the configuration without a question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from lakeflow_job_meta._internal.text import count, listing, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.errors import PolicyRefused, PolicyViolation
from lakeflow_job_meta.layout.generated_file import FileKind
from lakeflow_job_meta.output.writer import FileChanges
from lakeflow_job_meta.planning.model import Action, BundlePlan, job_names
from lakeflow_job_meta.text.markers import JOB_MARKER


class Audience(str, Enum):
    """Who reads a remedy, and how they can follow it."""

    COMMAND = "run again with"
    MONITOR = "run `ljm deploy` with"
    PYTHON = "call `deploy` with"

    def naming(self, **options: int | bool) -> str:
        """Returns options as they are given, such as `--max-deletes 1` or `max_deletes=1`."""
        if self is Audience.PYTHON:
            return ", ".join(f"{name}={value}" for name, value in options.items())
        flags = (f"--{name.replace('_', '-')}{'' if value is True else f' {value}'}" for name, value in options.items())
        return " ".join(flags)

    def allowing(self, **options: int | bool) -> str:
        """Returns how to allow something, such as `run again with --max-deletes 1`."""
        return f"{self.value} {self.naming(**options)}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a person has allowed: how many deletions, deleting all jobs at once, overwriting edits made by hand."""

    deletions: int = 0
    emptying: bool = False
    overwriting: bool = False


def refuse_violations(plan: BundlePlan, allowed: Allowance, audience: Audience = Audience.COMMAND) -> None:
    """Raises PolicyRefused, with every reason and what would allow it, for a plan that does what nobody has allowed."""
    violations = list(policy_violations(plan, allowed, audience))
    if violations:
        reasons = " ".join(violation.reason for violation in violations)
        raise PolicyRefused(f"{reasons} Nothing was changed in the workspace.", violations)


def policy_violations(
    plan: BundlePlan, allowed: Allowance, audience: Audience = Audience.COMMAND
) -> Iterator[PolicyViolation]:
    """Yields what a plan does that nobody has allowed."""
    yield from _job_deletions(plan, allowed, audience)
    yield from _other_losses(plan)
    edits = [] if allowed.overwriting else list(plan.hand_edits())
    if edits:
        shown = "; ".join(f"{owner.shown}: {field.path} is {quoted(field.shown.remote)}" for owner, field in edits[:10])
        more = f" and {len(edits) - 10} more" if len(edits) > 10 else ""
        yield PolicyViolation(
            f"{count(len(edits), 'setting')} changed in the workspace since the last deployment would be overwritten "
            f"({shown}{more}).",
            f"Take them into the metadata, or {audience.allowing(overwrite_drift=True)}.",
            tuple(dict.fromkeys(owner.shown for owner, _ in edits)),
        )


def _job_deletions(plan: BundlePlan, allowed: Allowance, audience: Audience) -> Iterator[PolicyViolation]:
    doomed = tuple(plan.jobs(Action.DELETE))
    if len(doomed) > allowed.deletions:
        shown = f"{count(len(doomed), 'job')} ({listing(doomed)}); {allowed.deletions} allowed."
        remedy = f"If that is meant, {audience.allowing(max_deletes=len(doomed))}."
        yield PolicyViolation(f"This deployment would delete {shown}", remedy, doomed)
    staying = plan.jobs(*(action for action in Action if action is not Action.DELETE))
    if doomed and not staying and not allowed.emptying:
        sentence = "This deployment would leave no job at all, as if a source of metadata had become empty."
        yield PolicyViolation(sentence, f"If that is meant, {audience.allowing(allow_empty=True)}.", doomed)


def _other_losses(plan: BundlePlan) -> Iterator[PolicyViolation]:
    """Yields what no option allows."""
    deleted = [each for each in plan.resources if each.action is Action.DELETE and each.job_key is None]
    if others := tuple(each.name for each in deleted if ".permissions" not in each.name):
        sentence = f"This deployment would delete resources that are not jobs ({listing(others)})."
        yield PolicyViolation(sentence, "Deploy that by hand with the databricks CLI.", others)
    if again := tuple(plan.jobs(Action.RECREATE)):
        sentence = (
            f"This deployment would delete and create again {listing(again)}, and their run history would be lost."
        )
        yield PolicyViolation(sentence, "Deploy that by hand with the databricks CLI if it is meant.", again)


def resources_of(violations: Iterable[PolicyViolation]) -> set[str]:
    """Returns the names of the resources that violations are about, as a plan has them."""
    keys = {key for violation in violations for key in violation.jobs}
    return {key for key in keys if "." in key} | {*job_names(key for key in keys if "." not in key)}


def refused_deletions(changes: FileChanges, compilation: Compilation, allowed: Allowance) -> Iterator[PolicyViolation]:
    """Yields the deletions of generated job files that are held back, so that the jobs stay and the rest goes on.

    `ljm generate` and `ljm deploy` refuse as a whole instead. `compilation` knows which sources are missing.
    """
    doomed = {
        change.file.job_key: JOB_MARKER.label_in(change.before or "") or ""
        for change in changes.deletions
        if change.file.kind is FileKind.JOB
    }
    orphaned = () if allowed.emptying else tuple(key for key in doomed if compilation.may_be_of_missing(doomed[key]))
    if orphaned:
        empty = listing([snapshot.source for snapshot in compilation.missing if not snapshot.is_unreadable])
        yield _emptying(f"{empty} holds no module", orphaned)
    others = tuple(key for key in doomed if key not in orphaned)
    if len(others) > allowed.deletions:
        shown = f"{count(len(others), 'job')} ({listing(others)})"
        sentence = f"{shown} left the metadata and would be deleted; {allowed.deletions} allowed."
        remedy = f"If that is meant, {Audience.MONITOR.allowing(max_deletes=len(others))}."
        yield PolicyViolation(sentence, remedy, others)
    elif others and not allowed.emptying and not orphaned and not changes.kept and not compilation.jobs:
        yield _emptying("No module is left", others)


def _emptying(reason: str, jobs: tuple[str, ...]) -> PolicyViolation:
    sentence = f"{reason}, so {count(len(jobs), 'job')} ({listing(jobs)}) would be deleted."
    how = Audience.MONITOR.allowing(allow_empty=True, max_deletes=len(jobs))
    return PolicyViolation(sentence, f"If everything is meant to go, {how}.", jobs)
