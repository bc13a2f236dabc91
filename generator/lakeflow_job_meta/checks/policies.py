"""The policies of the project: what every job must be after all layers, whoever wrote its settings.

They are the organisation's own rules, and part of its security: what cannot be known before the bundle's references are
resolved is no reason to let a value pass that only some values are allowed for.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from lakeflow_job_meta._internal.globs import glob
from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import either, json_like, listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import EVERY_ITEM, Condition, Policy, Project, SettingPath, WantedSetting
from lakeflow_job_meta.config.policies import path_in
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import POLICY
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, is_from_git, local_paths
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.presets import applies_to, holds, is_like
from lakeflow_job_meta.jobs.task_types import BY_BLOCK, TASK_TYPES

_Task = tuple[KeyPath, dict[str, Value]]
"""A task and its path in the job."""

_NAMES_OF_BLOCK = {block: [kind.name for kind in TASK_TYPES if kind.block == block] for block in BY_BLOCK}
_FILES = frozenset(pattern[-1] if pattern[-1] != "*" else pattern[-2] for pattern in (*TASK_PATHS, *JOB_PATHS))
"""Names of the settings that may name files of the project."""


class _Found(NamedTuple):
    """What is at a path of a policy; None where nothing is. One is made for each setting of each job.

    Attributes:
        is_around: Whether it is a text that stands for a map or list in which the setting would be.
    """

    path: KeyPath
    value: Value
    is_around: bool = False

    @property
    def is_set(self) -> bool:
        """Whether there is something; what is empty is nothing."""
        value = self.value.strip() if isinstance(self.value, str) else self.value
        return not (self.is_around or value is None or value in ("", [], {}))


def policies_are_kept(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Compares the job with each policy that is for it."""
    project = context.project
    for policy in project.policies:
        if policy.where and not _is_for(policy, job, project, context.bundle):
            continue
        # Those from which its module is exempt are for it as well.
        context.policies.add(policy.name)
        if not _is_exempt(job, policy, project):
            for origin, message in _CHECKS[policy.kind](policy, job, context):
                rule = POLICY.named(policy.name, policy.severity)
                yield rule.at(origin, f"{message}{f' ({policy.why})' if policy.why else ''}")


def _is_exempt(job: Job, policy: Policy, project: Project) -> bool:
    return bool(project.exemptions) and any(
        exemption.policy == policy.name
        and not exemption.is_over(project.today)
        and any(fnmatchcase(job.module.module_name, each) for each in exemption.modules)
        for exemption in project.exemptions
    )


def _is_for(policy: Policy, job: Job, project: Project, bundle: BundleDeclarations) -> bool:
    return all(_holds(each, policy, job, project, bundle) for each in policy.where)


def _holds(condition: Condition, policy: Policy, job: Job, project: Project, bundle: BundleDeclarations) -> bool:
    if condition.kind == "target":
        return _is_in(job, condition, bundle)
    if condition.kind == "has":
        return any(_is_set(path_in(each) or (), policy, job) for each in condition.values)
    if condition.kind == "task_type":
        return bool(_tasks_for(policy, job))
    tags = job.settings.get("tags")
    return holds(condition, job.module, project, tags if isinstance(tags, dict) else {})


def _is_set(path: SettingPath, policy: Policy, job: Job) -> bool:
    return any(found.is_set for task in _places(path, policy, job) for found in _at(path, job, task))


def _is_in(job: Job, condition: Condition, bundle: BundleDeclarations) -> bool:
    """Says whether the job exists in a target as it is here."""
    targets = job.targets or bundle.targets
    if targets is None:
        return True
    # What the databricks CLI calls the target of a bundle that declares none.
    return any(is_like(target, condition.values) for target in targets or ("default",))


def _tasks_for(policy: Policy, job: Job) -> Sequence[_Task]:
    """Returns the tasks that a policy is for, those that are repeated among them."""
    blocks = _blocks_for(policy.where) if policy.where else None
    return job.all_tasks if blocks is None else [each for each in job.all_tasks if not blocks.isdisjoint(each[1])]


@lru_cache(maxsize=1024)
def _blocks_for(where: tuple[Condition, ...]) -> frozenset[str] | None:
    """Returns the blocks of the kinds of tasks that conditions let pass; None where none of them is about tasks."""
    if not any(each.kind == "task_type" for each in where):
        return None
    names = ((block, name) for block, names in _NAMES_OF_BLOCK.items() for name in names)
    return frozenset(block for block, name in names if applies_to(where, name, block))


def _places(path: SettingPath, policy: Policy, job: Job) -> Sequence[_Task | None]:
    """Returns the tasks in which a path leads to a setting; None alone for a setting of the job."""
    return _tasks_for(policy, job) if path[:2] == ("tasks", EVERY_ITEM) else [None]


def _at(path: SettingPath, job: Job, task: _Task | None) -> list[_Found]:
    """Returns what is at a path: of a task, where it is about tasks and one is given, or of the job."""
    if task is not None and path[:2] == ("tasks", EVERY_ITEM):
        return _below(task[1], path[2:], task[0])
    return _below(job.settings, path, ())


def _below(value: Value, path: SettingPath, at: KeyPath) -> list[_Found]:
    for number, step in enumerate(path):
        if isinstance(value, str):
            return [_Found((*at, *path[:number]), value, is_around=True)]
        if step == EVERY_ITEM:
            items = enumerate(value if isinstance(value, list) else ())
            inner, outer = path[number + 1 :], (*at, *path[:number])
            return [found for n, item in items for found in _below(item, inner, (*outer, n))]
        value = value.get(step) if isinstance(value, dict) else None
    return [_Found(at + path, value)]


_Violations = Iterator[tuple[SourceRef, str]]
"""Where each is, and what is wrong."""


def _each(policy: Policy, job: Job) -> Iterator[tuple[WantedSetting, _Task | None, _Found]]:
    for wanted in policy.settings:
        if wanted.is_of_tasks:
            path = wanted.path[2:]
            for task in _tasks_for(policy, job):
                for found in _below(task[1], path, task[0]):
                    yield wanted, task, found
        else:
            for found in _below(job.settings, wanted.path, ()):
                yield wanted, None, found


def _require(policy: Policy, job: Job, context: CheckContext) -> _Violations:
    for wanted, task, found in _each(policy, job):
        if not found.is_set:
            yield _place(job, task, found), f"{_missing(wanted, found)}, but required"
        elif policy.pattern is not None and not re.fullmatch(policy.pattern, _text(found, job, context)):
            message = f"{_shown(wanted, found, job, context)}, which is not like the required {quoted(policy.pattern)}"
            yield job.origin_of(found.path), message


def _require_one(policy: Policy, job: Job, context: CheckContext) -> _Violations:
    of_tasks = [wanted.path for wanted in policy.settings if wanted.is_of_tasks]
    for task in _places(of_tasks[0], policy, job) if of_tasks else [None]:
        found = {wanted.written: _at(wanted.path, job, task) for wanted in policy.settings}
        if not any(each and all(one.is_set for one in each) for each in found.values()):
            nothing = _Found((), None)
            yield _place(job, task, nothing), f"nothing is set of {either(found)}, but one of them is required"


def _allow(policy: Policy, job: Job, context: CheckContext) -> _Violations:
    for wanted, _, found in _each(policy, job):
        if found.value is not None and not _fits_one(_text(found, job, context), wanted.values):
            message = f"{_shown(wanted, found, job, context)}, but only {listing(wanted.values)} may be there"
            yield job.origin_of(found.path), message


def _deny(policy: Policy, job: Job, context: CheckContext) -> _Violations:
    for wanted, _, found in _each(policy, job):
        if found.value is None:
            continue
        text = _text(found, job, context)
        denied = [each for each in wanted.values if each == text or glob(each, takes_references=True).fullmatch(text)]
        if denied:
            yield job.origin_of(found.path), f"{_shown(wanted, found, job, context)}, but {quoted(denied[0])} is denied"


def _most(policy: Policy, job: Job, context: CheckContext) -> _Violations:
    yield from _limited(policy, job, context, "most", lambda number, limit: number <= limit)


def _least(policy: Policy, job: Job, context: CheckContext) -> _Violations:
    yield from _limited(policy, job, context, "least", lambda number, limit: number >= limit)


def _limited(
    policy: Policy, job: Job, context: CheckContext, word: str, is_inside: Callable[[float, float], bool]
) -> _Violations:
    for wanted, _, found in _each(policy, job):
        value = found.value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (is_number and is_inside(value, wanted.limit)):  # type: ignore[arg-type]
            message = f"{_shown(wanted, found, job, context)}, but must be at {word} {json_like(wanted.limit)}"
            yield job.origin_of(found.path), message


_CHECKS: dict[str, Callable[[Policy, Job, CheckContext], _Violations]] = {
    "require": _require,
    "require_one": _require_one,
    "allow": _allow,
    "deny": _deny,
    "most": _most,
    "least": _least,
}


def _place(job: Job, task: _Task | None, found: _Found) -> SourceRef:
    """Returns where something empty was written; where it is missing, its module or source."""
    if found.value is not None:
        return job.origin_of(found.path)
    if task is not None:
        return job.task_origins[int(task[0][1])].source.origin.at("source_id")
    return job.module.origin.at("module_name")


def _missing(wanted: WantedSetting, found: _Found) -> str:
    if found.is_around:
        return f"{quoted(wanted.written)} is not known, since {quoted(found.value)} stands in its place"
    return f"{quoted(wanted.written)} is {'missing' if found.value is None else 'empty'}"


def _shown(wanted: WantedSetting, found: _Found, job: Job, context: CheckContext) -> str:
    value = _text(found, job, context) if isinstance(found.value, str) else found.value
    return f"{quoted(wanted.written)} is {quoted(masked(value, found.path))}"


def _text(found: _Found, job: Job, context: CheckContext) -> str:
    """Returns a value as it is compared: a path of the project as metadata writes it, in its shortest form.

    One of the repository that the job names has `git:` in front: it is no file that was reviewed here.
    """
    value = found.value
    if not isinstance(value, str) or _FILES.isdisjoint(map(str, found.path[-2:])) or found.is_around:
        return json_like(value)
    return _path_text(value, found.path, job, context)


def _path_text(value: str, path: KeyPath, job: Job, context: CheckContext) -> str:
    around = ((at, task) for at, task in reversed(job.all_tasks) if path[: len(at)] == at)
    at, settings = next(around, ((), job.settings))
    inside, from_git = path[len(at) :], job.settings.get("git_source") is not None
    found = local_paths(settings, TASK_PATHS if at else JOB_PATHS, from_git=from_git)
    local = next((each for each in found if each.setting == inside), None)
    if local is not None:
        return f"{local.prefix}{local.in_project(context.output, context.files.is_file)}{local.suffix}"
    if at and is_from_git(settings, inside, from_git):
        return f"git:{posixpath.normpath(value)}"
    return posixpath.normpath(value) if value.startswith("/") else value


def _fits_one(text: str, globs: tuple[str, ...]) -> bool:
    """Says whether a value is one of those that are allowed; what leaves the folder of a glob does not fit it."""
    if text in globs or ".." in text.split("/"):
        return text in globs
    return any(glob(each, takes_references=False).fullmatch(text) for each in globs)


JOB_CHECKS = (policies_are_kept,)
