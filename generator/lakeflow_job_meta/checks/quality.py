"""What checks the rows of tables: there is a table, DQX has each check and its arguments, queries are queries."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, texts_in, value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, nearest
from lakeflow_job_meta.diagnostics.rules import (
    BAD_CHECK,
    BAD_SQL,
    CONFLICTING_SETTINGS,
    DUPLICATE_KEY,
    MISSING_FIELD,
    UNKNOWN_VALUE,
)
from lakeflow_job_meta.jobs.expectations_sql import query_problem
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.quality_names import DQX_VERSION
from lakeflow_job_meta.jobs.references import REFERENCE
from lakeflow_job_meta.jobs.task_types import kind_of_task
from lakeflow_job_meta.parsing.model import Expectation, Source
from lakeflow_job_meta.schema.validator import Finding, compare_arguments, dqx_functions

_WRITES_NO_TABLE = ("condition_task", "dashboard_task", "alert_task", "power_bi_task")


def tasks_that_are_checked_write_a_table(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses checks behind a task that writes nothing, and rules of which nobody knows for which table they are."""
    for task, made_of in zip(job.tasks, job.task_origins, strict=True):
        source, kind = made_of.source, kind_of_task(task)
        if source.follows is not None or not (source.quality or source.expectations):
            continue
        setting = "quality" if source.quality else "expect_no_rows"
        if kind is not None and kind.block in _WRITES_NO_TABLE:
            message = f"{setting!r} is for a task that writes a table, and a {kind.name!r} task writes none"
            yield CONFLICTING_SETTINGS.at(source.origin.key(setting), message)
        elif source.quality is not None and source.quality.table is None:
            message = (
                "'table' is missing: nothing says which table is checked; write it here, or 'catalog', 'schema' and "
                "'table' in 'target_config'"
            )
            yield MISSING_FIELD.at(source.quality.origin.key(), message)
        elif source.quality is not None and not (source.quality.checks or source.quality.checks_table):
            message = "'checks' is empty, and there is no 'checks_table', so nothing would be checked"
            yield MISSING_FIELD.at(source.quality.origin.at("checks"), message)


def checks_are_those_of_dqx(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses checks that DQX would refuse once the job runs: functions that it has not, and wrong arguments."""
    for source in job.module.sources:
        if source.quality is not None and source.follows is None and source.is_active:
            for number, check in enumerate(source.quality.checks):
                origin = source.quality.origin.at("checks", number)
                if isinstance(check, dict) and isinstance(call := check.get("check"), dict):
                    yield from _references(check, origin)
                    yield from call_problems(call, origin.at("check"))


def _references(check: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    for path, text in texts_in(check):
        if (match := REFERENCE.search(text)) is not None:
            message = (
                f"{quoted(match.group())} inside of a check is not resolved; write what it stands for, below 'targets' "
                "where that is not the same in all"
            )
            yield BAD_CHECK.at(origin.at(*path), message)


def call_problems(call: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    """Yields what is wrong in the `check` of a check: its function, and what that is given."""
    name, functions = call.get("function"), dqx_functions()
    if not isinstance(name, str):
        return  # its form has been reported
    if name not in functions:
        message = f"unknown check function {quoted(name)}"
        hint = did_you_mean(name, functions) or f"; DQX {DQX_VERSION} has none of that name"
        yield BAD_CHECK.at(origin.at("function"), message + hint, nearest(name, functions))
        return
    written = call.get("arguments")
    arguments = written if isinstance(written, dict) else {}
    columns = call.get("for_each_column")
    if columns == []:
        yield BAD_CHECK.at(
            origin.at("for_each_column"), "'for_each_column' is empty; name the columns, or leave it out"
        )
    repeated = "columns" if "columns" in functions[name]["properties"] else "column"
    seen: set[tuple[KeyPath, str]] = set()
    each_given = [{**arguments, repeated: each} for each in columns] if isinstance(columns, list) else []
    is_repeated = bool(each_given)
    for number, given in enumerate(each_given or [arguments]):
        for finding in _argument_findings(name, given):
            of_column = is_repeated and finding.path[1:2] == (repeated,)
            path = ("for_each_column", number, *finding.path[2:]) if of_column else ("arguments", *finding.path[1:])
            if (path, finding.message) not in seen:
                seen.add((path, finding.message))
                yield finding.report(SourceRef(origin.document, (*origin.path, *path), finding.of_key), BAD_CHECK)


def _argument_findings(function: str, given: dict[str, Value]) -> list[Finding]:
    """Returns what is wrong in the arguments of a function; DQX wants at least one of a function that takes any."""
    found = compare_arguments(function, given)
    if not given and not found:
        return [Finding(BAD_CHECK, (function,), True, f"{function!r} is given no argument")]
    return found


def expectations_are_queries(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses two expectations of one name, bundle references, and SQL that asks for no rows."""
    for source in job.module.sources:
        if source.follows is None and source.is_active:
            yield from _expectation_problems(source)


def _expectation_problems(source: Source) -> Iterator[Diagnostic]:
    names: set[str] = set()
    for each in source.expectations:
        if each.name in names:
            yield DUPLICATE_KEY.at(each.origin.at("name"), f"there is an expectation {quoted(each.name)} already")
        names.add(each.name)
        if not each.sql or not each.name:
            empty = "sql" if each.name else "name"
            yield MISSING_FIELD.at(each.origin.at(empty), f"{empty!r} is empty")
        elif (problem := query_problem(each.sql)) is not None:
            message = f"'sql' must be one query that can stand in parentheses: {problem}"
            yield UNKNOWN_VALUE.at(each.origin.at("sql"), message)
        elif find_spec("sqlglot") is not None:
            yield from _sql_problems(each)


def _sql_problems(expectation: Expectation) -> Iterator[Diagnostic]:
    """Reports what sqlglot says of a query; it lags behind Databricks, so that it is no more than a warning."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    at = expectation.origin.at("sql")
    try:
        statements = [each for each in sqlglot.parse(expectation.sql, read="databricks") if each is not None]
    except SqlglotError as error:
        found = value_at(getattr(error, "errors", []), (0,))[1]
        place = (
            f", line {found['line']}, column {found['col']}" if isinstance(found, dict) and found.get("line") else ""
        )
        what = str(found["description"]) if isinstance(found, dict) else str(error).splitlines()[0]
        yield BAD_SQL.at(at, f"this does not look like SQL of Databricks{place}: {what.rstrip('.')}")
        return
    if len(statements) != 1:
        yield UNKNOWN_VALUE.at(at, f"'sql' must be one query, and here are {len(statements)} statements")
    elif not isinstance(statements[0], sqlglot.exp.Query):
        kind = statements[0].key.upper()
        yield UNKNOWN_VALUE.at(at, f"'sql' must be a query whose rows are the failures, and this is {kind}")


JOB_CHECKS = (tasks_that_are_checked_write_a_table, checks_are_those_of_dqx, expectations_are_queries)
