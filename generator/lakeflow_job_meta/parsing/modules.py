"""From raw modules to the model, for YAML and rows alike.

Pure. Every mistake in the form of the metadata is reported, none is raised: names, kinds of values, missing and unknown
fields. What the settings of jobs and tasks mean is checked later, on the job that they make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lakeflow_job_meta._internal.text import closest, did_you_mean, kind_of, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, Rule, SourceRef, errors_among
from lakeflow_job_meta.diagnostics.rules.metadata import MISSING_FIELD, UNKNOWN_FIELD, UNUSABLE_NAME, WRONG_TYPE
from lakeflow_job_meta.parsing.keys import MAX_JOB_KEY, MAX_TASK_KEY, is_job_key, job_key, task_key
from lakeflow_job_meta.parsing.model import Dependency, Module, Source
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import job_settings, task_settings


@dataclass(frozen=True, slots=True)
class ParsedModule:
    """What became of one raw module.

    Attributes:
        module: As far as it could be read, so that its settings can be checked too; None if there is nothing to check.
        is_broken: Whether no job may be made of it.
        is_damaged: Whether part of it could not be read.
        name: The module's name, known even for many broken modules.
        key: The key of its job, likewise.
        origin: Where it stands.
        diagnostics: What is wrong with it.
    """

    module: Module | None
    is_broken: bool
    is_damaged: bool
    name: str | None
    key: str | None
    origin: SourceRef
    diagnostics: tuple[Diagnostic, ...]


@dataclass(slots=True)
class _Fields:
    """Takes the fields of one map one by one, and remembers what is wrong with them."""

    value: dict[str, Value]
    origin: SourceRef
    problems: list[Diagnostic] = field(default_factory=list)

    def report(self, found: Rule, origin: SourceRef, message: str) -> None:
        self.problems.append(found.at(origin, message))

    def _take(self, name: str, kind: type | tuple[type, ...], words: str) -> Value:
        value = self.value.get(name)
        if value is None or type(value) is kind or (isinstance(value, kind) and not isinstance(value, bool)):
            return value
        self.report(
            WRONG_TYPE,
            self.origin.at(name),
            f"{name!r} must be {words}, not {kind_of(value)}{_advice(value, kind)}",
        )
        return None

    def text(self, name: str) -> str | None:
        value = self._take(name, str, "text")
        return value if isinstance(value, str) else None

    def name(self, name: str) -> str | None:
        value = self.text(name)
        if value is None and self.value.get(name) is None:
            self.report(MISSING_FIELD, self.origin.key(name), f"{name!r} is missing")
        return value

    def number(self, name: str) -> int | None:
        value = self._take(name, int, "a whole number")
        return value if isinstance(value, int) else None

    def flag(self, name: str, default: bool) -> bool:
        value = self._take(name, bool, "true or false")
        return value if isinstance(value, bool) else default

    def mapping(self, name: str) -> dict[str, Value]:
        value = self._take(name, dict, "a map")
        return value if isinstance(value, dict) else {}

    def items(self, name: str) -> list[Value] | None:
        value = self._take(name, list, "a list")
        return value if isinstance(value, list) else None

    def refuse_unknown(self, known: Iterable[str], what: str, elsewhere: Callable[[str], str | None]) -> None:
        known = tuple(known)
        for name in self.value:
            if name not in known:
                hint = elsewhere(name)
                advice = f"; {hint}" if hint else did_you_mean(name, known)
                if "did you mean" not in advice and not hint:
                    meant = closest(name, [*job_settings(), *task_settings()])
                    advice = f"; did you mean {meant!r}? {elsewhere(meant)}" if meant and elsewhere(meant) else advice
                self.report(UNKNOWN_FIELD, self.origin.key(name), f"unknown field {quoted(name)} in a {what}{advice}")


def _advice(value: Value, kind: type | tuple[type, ...]) -> str:
    if kind is str and isinstance(value, (int, float)):
        return "; put it in quotes"
    if kind is int and isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return "; write it without quotes"
    return ""


# In the order in which files are written.
MODULE_FIELDS = ("module_name", "description", "job_config", "targets", "sources")
SOURCE_FIELDS = (
    "source_id",
    "source_type",
    "execution_order",
    "depends_on",
    "is_active",
    "source_config",
    "target_config",
    "transformation_config",
)


def parse_module(raw: RawModule) -> ParsedModule:
    """Reads one raw module.

    Returns:
        The module and what is wrong with it.
    """
    if not isinstance(raw.value, dict):
        problem = WRONG_TYPE.at(raw.origin, f"a module must be a map, not {kind_of(raw.value)}")
        return ParsedModule(None, True, raw.is_damaged, None, None, raw.origin, (problem,))
    fields = _Fields(raw.value, raw.origin)
    fields.refuse_unknown(MODULE_FIELDS, "module", _belongs_below_module)
    name = fields.name("module_name")
    key = _checked_job_key(fields, name)
    description = fields.text("description")
    job_config = fields.mapping("job_config")
    targets = _targets(fields)
    sources = _sources(fields)
    problems = tuple(fields.problems)
    module = Module(name or "?", key or "unnamed", description, job_config, targets, sources, raw.origin, raw.group)
    is_broken = raw.is_damaged or bool(errors_among(problems))
    return ParsedModule(module, is_broken, raw.is_damaged, name, key, raw.origin, problems)


def _checked_job_key(fields: _Fields, name: str | None) -> str | None:
    if name is None:
        return None
    key = job_key(name)
    if is_job_key(key):
        return key
    if not key:
        why, instead = (
            "nothing is left of it when special characters are replaced",
            "a name that starts with a letter",
        )
    elif len(key) > MAX_JOB_KEY:
        why, instead = f"it has {len(key)} characters; the limit is {MAX_JOB_KEY}", "a shorter name"
    else:
        why, instead = f"{quoted(key)} does not start with a letter", quoted(f"m_{key}")
    fields.report(
        UNUSABLE_NAME,
        fields.origin.at("module_name"),
        f"no job key can be made of {quoted(name)}: {why}; {instead} would do",
    )
    return None


def _targets(fields: _Fields) -> tuple[str, ...]:
    targets = fields.items("targets") or []
    for number, target in enumerate(targets):
        if not isinstance(target, str) or not target:
            at = fields.origin.at("targets", number)
            fields.report(WRONG_TYPE, at, f"a target must be the name of a target, not {kind_of(target)}")
    return tuple(dict.fromkeys(target for target in targets if isinstance(target, str)))


def _sources(fields: _Fields) -> tuple[Source, ...]:
    items = fields.items("sources")
    if items is None:
        if fields.value.get("sources") is None:
            fields.report(
                MISSING_FIELD,
                fields.origin.key("sources"),
                "'sources' is missing: the list of what the module runs",
            )
        return ()
    return tuple(
        source
        for number, item in enumerate(items)
        if (source := _source(item, fields.origin.at("sources", number), fields.problems)) is not None
    )


def _source(value: Value, origin: SourceRef, problems: list[Diagnostic]) -> Source | None:
    if not isinstance(value, dict):
        problems.append(WRONG_TYPE.at(origin, f"a source must be a map, not {kind_of(value)}"))
        return None
    fields = _Fields(value, origin, problems)
    fields.refuse_unknown(SOURCE_FIELDS, "source", _belongs_beside_source)
    source_id = fields.name("source_id")
    key = task_key(source_id or "")
    if source_id is not None and not key:
        message = f"no task key can be made of {quoted(source_id)}: it has neither letters nor digits"
        fields.report(UNUSABLE_NAME, origin.at("source_id"), message)
    elif len(key) > MAX_TASK_KEY:
        message = f"the task key of this source has {len(key)} characters; Databricks allows {MAX_TASK_KEY}"
        fields.report(UNUSABLE_NAME, origin.at("source_id"), message)
    depends_on = _dependencies(fields)
    order = fields.number("execution_order")
    if depends_on is None and value.get("execution_order") is None and value.get("depends_on") is None:
        message = "'execution_order' is missing: the stage in which the source runs, such as 1 (or give 'depends_on')"
        fields.report(MISSING_FIELD, origin.key("execution_order"), message)
    if value.get("transformation_config") is None:
        message = "'transformation_config' is missing: what the task runs, such as {notebook_path: ...}"
        fields.report(MISSING_FIELD, origin.key("transformation_config"), message)
    return Source(
        source_id=source_id or "",
        task_key=key,
        source_type=fields.text("source_type"),
        execution_order=order,
        depends_on=depends_on,
        is_active=fields.flag("is_active", True),
        source_config=fields.mapping("source_config"),
        target_config=fields.mapping("target_config"),
        transformation_config=fields.mapping("transformation_config"),
        origin=origin,
    )


def _dependencies(fields: _Fields) -> tuple[Dependency, ...] | None:
    items = fields.items("depends_on")
    if items is None:
        return None
    found = (_dependency(item, fields.origin.at("depends_on", i), fields) for i, item in enumerate(items))
    return tuple(dependency for dependency in found if dependency is not None)


def _dependency(item: Value, origin: SourceRef, fields: _Fields) -> Dependency | None:
    if isinstance(item, str):
        return Dependency(item, None, origin)
    if not isinstance(item, dict):
        fields.report(
            WRONG_TYPE,
            origin,
            f"a dependency must be a source_id or {{source_id, outcome}}, not {kind_of(item)}",
        )
        return None
    inner = _Fields(item, origin, fields.problems)
    inner.refuse_unknown(("source_id", "outcome"), "dependency", lambda name: None)
    source_id = inner.name("source_id")
    outcome = item.get("outcome")
    if isinstance(outcome, bool):
        outcome = "true" if outcome else "false"
    if outcome not in (None, "true", "false"):
        inner.report(WRONG_TYPE, origin.at("outcome"), f'\'outcome\' must be "true" or "false", not {kind_of(outcome)}')
        return None
    return None if source_id is None else Dependency(source_id, outcome, origin)


def _belongs_below_module(name: str) -> str | None:
    """Says where a field belongs that somebody wrote directly into a module."""
    if name in ("modules", "metadata_version"):
        return "it belongs at the top of the file"
    if name in job_settings():
        return "it is a job setting: write it in 'job_config'"
    if name in SOURCE_FIELDS:
        return "it belongs in a source, below 'sources'"
    if name in task_settings():
        return "it is a task setting: write it in the 'transformation_config' of a source"
    return None


def _belongs_beside_source(name: str) -> str | None:
    """Says where a field belongs that somebody wrote directly into a source."""
    if name in task_settings():
        return "it is a task setting: write it in 'transformation_config'"
    if name in ("job_config", "targets"):
        return "it belongs to the module, beside 'sources'"
    if name in job_settings():
        return "it is a job setting: write it in the 'job_config' of the module"
    return None
