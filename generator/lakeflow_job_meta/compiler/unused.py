"""What the project file has for nothing: presets and policies for no job, exemptions that are over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Condition, Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import (
    EXPIRED_EXEMPTION,
    PROJECT_FILE_MISTAKE,
    UNKNOWN_TARGET,
    UNUSED_EXEMPTION,
    UNUSED_POLICY,
    UNUSED_PRESET,
)
from lakeflow_job_meta.errors import ConfigError


def _are_all_known(compilation: Compilation) -> bool:
    """Says whether all modules could be read."""
    return not (any(each.is_unreadable for each in compilation.missing) or compilation.kept_labels)


def preset_problems(project: Project, bundle: BundleDeclarations, compilation: Compilation) -> Iterator[Diagnostic]:
    """Yields presets for targets that are not there, and those from which no job takes anything.

    None of the latter where not all modules are known.
    """
    used = frozenset().union(*(result.presets for result in compilation.units.values()))
    for number, preset in enumerate(project.presets):
        origin = project.origin.at("presets", number)
        unknown = [*_unknown_targets(preset.match or (), origin.at("match", "target"), "preset", bundle)]
        yield from unknown
        if preset.name not in used and not unknown and _are_all_known(compilation):
            what = "matches no module" if preset.match is not None else "is named by no module"
            message = f"the preset {quoted(preset.name)} {what}, so what it sets is nowhere"
            yield UNUSED_PRESET.at(origin.at("preset"), message)


def policy_problems(project: Project, bundle: BundleDeclarations, compilation: Compilation) -> Iterator[Diagnostic]:
    """Yields what is wrong with policies and exemptions once the bundle and all modules are known."""
    for exemption in project.over():
        message = (
            f"the exemption from the policy {quoted(exemption.policy)} has ended on {exemption.until}; change the jobs "
            "and delete it, or agree on another day"
        )
        yield EXPIRED_EXEMPTION.at(exemption.origin.at("until"), message)
    unknown = [
        (policy.name, problem)
        for policy in project.policies
        for problem in _unknown_targets(policy.where, policy.origin.at("where", "target"), "policy", bundle)
    ]
    yield from (problem for _, problem in unknown)
    if project.policies and _are_all_known(compilation):
        yield from _unused_policies(project, compilation, {name for name, _ in unknown})
        yield from _unused_exemptions(project, compilation)


def refuse_unknown_targets(project: Project, bundle: BundleDeclarations) -> None:
    """Raises ConfigError where approvals are needed for a target that is not there: the one that is meant needs none.

    It is no diagnostic of the metadata, since a deployment may go on without what has errors.
    """
    for number, target in enumerate(project.approval.targets if project.approval is not None else ()):
        if bundle.targets is not None and target not in bundle.targets:
            hint = did_you_mean(target, sorted(bundle.targets))
            message = f"databricks.yml has no target {quoted(target)}, so none of its deployments needs approvals{hint}"
            origin = project.origin.at("deploy", "approval", "targets", number)
            problem = PROJECT_FILE_MISTAKE.at(origin, message)
            raise ConfigError(f"1 mistake in {problem.location.path}.", (problem,))


def _unknown_targets(
    conditions: Iterable[Condition], origin: SourceRef, what: str, bundle: BundleDeclarations
) -> Iterator[Diagnostic]:
    """Yields the targets of a preset or policy that the bundle does not have."""
    wanted = [target for condition in conditions if condition.kind == "target" for target in condition.values]
    if wanted and bundle.targets is None and what == "preset":
        message = "a preset for a target needs a databricks.yml that can be read, with its 'targets'"
        yield UNKNOWN_TARGET.at(origin, message)
    if not (wanted and bundle.targets):
        return
    from lakeflow_job_meta.jobs.presets import is_like  # which needs all that parses modules

    for target in wanted:
        if not any(is_like(known, (target,)) for known in bundle.targets):
            hint = did_you_mean(target, sorted(bundle.targets))
            message = f"databricks.yml has no target {quoted(target)}, so the {what} is for none there{hint}"
            yield UNKNOWN_TARGET.at(origin, message)


def _unused_policies(project: Project, compilation: Compilation, reported: set[str]) -> Iterator[Diagnostic]:
    used = reported.union(*(result.policies for result in compilation.units.values()))
    for policy in project.policies:
        if policy.name not in used:
            message = f"the policy {quoted(policy.name)} is for no job: its 'where' fits none"
            yield UNUSED_POLICY.at(policy.origin.key("where") if policy.where else policy.origin.at("policy"), message)


def _unused_exemptions(project: Project, compilation: Compilation) -> Iterator[Diagnostic]:
    names = [name for result in compilation.units.values() for name, *_ in result.modules if name]
    for exemption in project.exemptions:
        for number, pattern in enumerate(exemption.modules):
            if not any(fnmatchcase(name, pattern) for name in names):
                message = f"no module is named like {quoted(pattern)}{did_you_mean(pattern, names, otherwise='')}"
                yield UNUSED_EXEMPTION.at(exemption.origin.at("modules", number), message)
