"""From raw modules to the model, for YAML and rows alike.

Pure. What is wrong with the form of a module is found by comparing it with the schema, and none of it is raised; a
module is then built of the values that are right. What the settings of jobs and tasks mean is checked later, on the
job that is built of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from lakeflow_job_meta._internal.trees import KeyPath, Value, merged, replaced
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, errors_among
from lakeflow_job_meta.diagnostics.rules import UNUSABLE_NAME
from lakeflow_job_meta.parsing.keys import (
    SourceParameters,
    TaskKeys,
    job_key,
    job_key_problem,
    task_key,
    task_key_problem,
)
from lakeflow_job_meta.parsing.model import (
    LAST_TASKS,
    NOT_AFTER,
    RUNS,
    After,
    Dependency,
    Expectation,
    Module,
    Quality,
    Source,
    table_of,
)
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import KeyHints, compare_module, fields_of


@dataclass(frozen=True, slots=True)
class ParsedModule:
    """What became of one raw module.

    Attributes:
        module: As far as it could be read, so that its settings can be checked too; None if there is nothing to check.
        is_broken: Whether no job may be built of it.
        is_damaged: Whether some of it could not be read.
        name: The module's name, known even for many broken modules; likewise the key of its job.
        blueprint: As in `RawModule`.
    """

    module: Module | None
    is_broken: bool
    is_damaged: bool
    name: str | None
    key: str | None
    origin: SourceRef
    diagnostics: tuple[Diagnostic, ...]
    blueprint: str | None = None


def parse_module(raw: RawModule, style: TaskKeys = TaskKeys.AS_WRITTEN) -> ParsedModule:
    """Validates one raw module and builds what is right of it, with task keys of this style."""
    origin = raw.origin
    findings = compare_module(raw.value, hints_at)
    problems = [each.report(replace(origin.at(*each.path), of_key=each.of_key)) for each in findings]
    value = raw.value
    for finding in findings:
        if not finding.of_key:
            # A dependency that is wrong anywhere is no dependency, and likewise a check.
            depth = 5 if finding.path[2:4] == ("quality", "checks") else 4
            value = replaced(value, finding.path[:depth], None)
    if not isinstance(value, dict):
        return ParsedModule(None, True, raw.is_damaged, None, None, origin, tuple(problems))
    name = cast("str | None", value.get("module_name"))
    key = job_key(name) if name is not None else None
    if name is not None and (reason := job_key_problem(name)) is not None:
        key = None
        problems.append(UNUSABLE_NAME.at(origin.at("module_name"), reason))
    module = Module(
        module_name=name or "?",
        key=key or "unnamed",
        description=cast("str | None", value.get("description")),
        job_config=_map(value, "job_config"),
        targets=tuple(dict.fromkeys(cast(str, each) for each in _items(value, "targets") if each is not None)),
        by_target={name: each for name, each in _by_target(value).items() if each is not None},
        sources=_sources(value, origin, problems, style),
        origin=origin,
        group=raw.group,
        presets=tuple(dict.fromkeys(cast(str, each) for each in _items(value, "presets") if each is not None)),
        blueprint=raw.blueprint,
        columns=raw.columns,
        parameters=_parameters(value),
        adopt={target: each for target, each in _map(value, "adopt").items() if isinstance(each, int)},
        formerly=_names(value, "formerly"),
        after=_after(value.get("after"), origin.at("after")),
    )
    is_broken = raw.is_damaged or bool(errors_among(problems))
    return ParsedModule(module, is_broken, raw.is_damaged, name, key, origin, tuple(problems), raw.blueprint)


def _map(value: dict[str, Value], name: str) -> dict[str, Value]:
    return cast("dict[str, Value]", value.get(name) or {})


def _items(value: dict[str, Value], name: str) -> list[Value]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _names(value: dict[str, Value], name: str) -> tuple[str, ...]:
    """Returns one name, or a list of some."""
    found = value.get(name)
    return tuple(dict.fromkeys(str(each) for each in (found if isinstance(found, list) else [found]) if each))


def _after(value: Value, origin: SourceRef) -> After:
    if not value:
        return NOT_AFTER
    written: dict[str, Value] = value if isinstance(value, dict) else {"modules": value}
    place = origin.at("modules") if isinstance(value, dict) else origin
    modules = ((each, place.at(number)) for number, each in enumerate(_items(written, "modules")))
    tables = (each for each in _items(written, "tables") if isinstance(each, str))
    return After(
        tuple(dict.fromkeys(tables)),
        tuple((name, ref) for name, ref in modules if isinstance(name, str)),
        str(written.get("when") or NOT_AFTER.when),
    )


def _by_target(value: dict[str, Value]) -> dict[str, Value]:
    found = value.get("targets")
    return found if isinstance(found, dict) else {}


def parse_sources(holder: dict[str, Value], origin: SourceRef, style: TaskKeys) -> tuple[Source, ...]:
    """Returns the sources of what stands at `origin` and is no module; their form has been compared before."""
    return _sources(holder, origin, [], style)


def written_sources(module: dict[str, Value]) -> Iterator[tuple[dict[str, Value], KeyPath]]:
    """Yields all sources of a module as if each stood below `sources`, with their paths.

    What its job runs as other jobs and as its last tasks is told by the `source_type`, as in rows of a table.
    """
    for number, item in enumerate(_items(module, RUNS)):
        run = {"module": item} if isinstance(item, str) else item
        if isinstance(run, dict):
            name, settings = run.get("module"), run.get("transformation_config")
            yield (
                {
                    **{key: run[key] for key in ("is_active", "execution_order") if key in run},
                    "source_id": name,
                    "source_type": RUNS,
                    "depends_on": run.get("depends_on", run.get("after")) or [],
                    "transformation_config": merged({"run_job_task": {"module_name": name}}, settings or {}),
                },
                (RUNS, number),
            )
    yield from ((each, ("sources", n)) for n, each in enumerate(_items(module, "sources")) if isinstance(each, dict))
    for field in LAST_TASKS:
        last = module.get(field)
        paths = enumerate(last) if isinstance(last, list) else [(None, last)]
        for place, each in paths:
            if isinstance(each, dict):
                yield {**each, "source_type": field}, (field,) if place is None else (field, place)


def _sources(
    module: dict[str, Value], origin: SourceRef, problems: list[Diagnostic], style: TaskKeys
) -> tuple[Source, ...]:
    found = []
    for value, path in written_sources(module):
        source = _source(value, origin.at(*path), style)
        found.append(source)
        reason = task_key_problem(source.source_id, source.task_key)
        if reason is not None and value.get("source_id") is not None:
            problems.append(UNUSABLE_NAME.at(source.origin.at("source_id"), reason))
    return tuple(found)


def _source(value: dict[str, Value], origin: SourceRef, style: TaskKeys) -> Source:
    source_id = cast("str | None", value.get("source_id")) or ""
    order = cast("int | float | None", value.get("execution_order"))
    depends_on = value.get("depends_on")
    return Source(
        source_id=source_id,
        task_key=task_key(source_id, style),
        source_type=cast("str | None", value.get("source_type")),
        execution_order=int(order) if order is not None else None,
        depends_on=_dependencies(depends_on, origin) if isinstance(depends_on, list) else None,
        is_active=value.get("is_active") is not False,
        source_config=_map(value, "source_config"),
        target_config=_map(value, "target_config"),
        transformation_config=_map(value, "transformation_config"),
        origin=origin,
        parameters=_parameters(value),
        quality=_quality(value, origin.at("quality")) if isinstance(value.get("quality"), dict) else None,
        expectations=tuple(_expectations(_items(value, "expect_no_rows"), origin.at("expect_no_rows"))),
    )


def _quality(source: dict[str, Value], origin: SourceRef) -> Quality:
    value = _map(source, "quality")
    table, checks_table, quarantine = (
        cast("str | None", value.get(name) or None) for name in ("table", "checks_table", "quarantine")
    )
    return Quality(
        table or table_of(_map(source, "target_config")),
        tuple(_items(value, "checks")),
        checks_table,
        quarantine,
        value.get("on_error") != "go_on",
        origin,
    )


def _expectations(items: list[Value], origin: SourceRef) -> Iterator[Expectation]:
    for number, item in enumerate(items):
        name, sql = (item.get("name"), item.get("sql")) if isinstance(item, dict) else (None, None)
        if isinstance(item, dict) and isinstance(name, str) and isinstance(sql, str):
            is_error = item.get("severity") != "warn"
            yield Expectation(name, sql.strip().rstrip(";").rstrip(), is_error, origin.at(number))


def _parameters(value: dict[str, Value]) -> SourceParameters | None:
    written = value.get("source_parameters")
    return None if written is None else SourceParameters(written)


def _dependencies(items: list[Value], origin: SourceRef) -> tuple[Dependency, ...]:
    found = []
    for number, item in enumerate(items):
        source_id, outcome = (item.get("source_id"), item.get("outcome")) if isinstance(item, dict) else (item, None)
        if isinstance(source_id, str):
            if isinstance(outcome, bool):
                outcome = "true" if outcome else "false"
            at = origin.at("after" if RUNS in origin.path[-2:-1] else "depends_on", number)
            found.append(Dependency(source_id, cast("str | None", outcome), at))
    return tuple(found)


def hints_at(path: KeyPath) -> KeyHints:
    """Says where a key belongs that stands directly in a module or in a source."""
    if not path:
        of_task = "it is a task setting: write it in the 'transformation_config' of a source"
        return KeyHints(
            dict.fromkeys(fields_of("Task"), of_task)
            | dict.fromkeys(fields_of("source"), "it belongs in a source, below 'sources'")
            | dict.fromkeys(fields_of("JobSettings"), "it is a job setting: write it in 'job_config'")
            | dict.fromkeys(("modules", "metadata_version"), "it belongs at the top of the file")
        )
    if path[0] == "targets":
        return _hints_in_target(path)
    if len(path) > 2 or path[0] == "after":
        return KeyHints()
    is_last = dict.fromkeys(("execution_order", "depends_on"), "it runs after all other tasks: leave that out")
    return KeyHints(
        dict.fromkeys(fields_of("JobSettings"), "it is a job setting: write it in the 'job_config' of the module")
        | dict.fromkeys(_OF_MODULES, "it belongs to the module, beside 'sources'")
        | dict.fromkeys(fields_of("Task"), "it is a task setting: write it in 'transformation_config'")
        | (is_last if path[0] in LAST_TASKS else {})
    )


_OF_MODULES = ("job_config", "targets", "presets", "adopt", "formerly", "after", RUNS, *LAST_TASKS)


def _hints_in_target(path: KeyPath) -> KeyHints:
    """Says where a key belongs that stands directly in what a module says for one target, or in a source there."""
    if len(path) == 2:
        return KeyHints(
            dict.fromkeys(fields_of("JobSettings"), "it is a job setting: write it in 'job_config'")
            | dict.fromkeys(
                ("module_name", *(each for each in _OF_MODULES if each != "job_config")),
                "it is the same in all targets: write it above",
            )
        )
    if len(path) == 4 and path[2] == "sources":
        return KeyHints(
            dict.fromkeys(fields_of("Task"), "it is a task setting: write it in 'transformation_config'")
            | dict.fromkeys(("source_id", "source_type"), "it is the same in all targets: write it in the source")
        )
    return KeyHints()
