"""`ljm quality`: what the checks of the jobs found last. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timezone
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli.params import control_table_options, format_option, open_monitored_project
from lakeflow_job_meta.cli.report import aligned, echo, show_json
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.state.check_result import CheckResult, Verdict
from lakeflow_job_meta.state.quality import last_results, open_results
from lakeflow_job_meta.text.markers import one_line

_HEADER = ("CHECKED AT (UTC)", "MODULE", "SOURCE", "CHECK", "CRITICALITY", "RESULT", "ROWS")


@click.command("quality")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@control_table_options
@click.option("--failed", is_flag=True, help="Only the checks that rows failed.")
@format_option(["text", "json"])
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    modules: tuple[str, ...],
    target: str | None,
    control_table: str | None,
    warehouse_id: str | None,
    failed: bool,
    form: str,
) -> None:
    """Show what the checks of `quality` and `expect_no_rows` found last, newest run first.

    Of each source it is the newest run. Exit code 1 when rows failed a check of criticality error.

    \b
    Examples:
      ljm quality -t prod
      ljm quality sales stock -t prod --failed
      ljm quality -t prod --format json
    """
    project = open_monitored_project(folder, control_table, warehouse_id)
    named, store = target_of(project, target), open_results(project)
    results = last_results(store, named, modules)
    shown = [each for each in results if not failed or each.verdict is not Verdict.PASSED]
    if form == "json":
        show_json([_as_object(each) for each in shown])
    elif results:
        echo("\n".join([*(_table(shown) if shown else ()), _summary(results)]))
    else:
        echo(
            f"There are no results for the target {named!r} in {store.name}: the first run of a job whose sources "
            "have `quality` or `expect_no_rows` creates that table and adds them."
        )
    ctx.exit(1 if any(each.verdict is Verdict.FAILED for each in results) else 0)


def _table(results: Sequence[CheckResult]) -> Iterator[str]:
    for line in aligned([_HEADER, *map(_cells, results)]):
        yield "  ".join(line).rstrip()


def _cells(result: CheckResult) -> tuple[str, ...]:
    moment = result.checked_at
    return (
        f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}" if moment is not None else "",
        *map(one_line, (result.module, result.source, result.check_name, result.criticality)),
        result.verdict.value.upper() if result.verdict is Verdict.FAILED else result.verdict.value,
        one_line(result.message),
    )


def _summary(results: Sequence[CheckResult]) -> str:
    found = Counter(each.verdict for each in results)
    counted = ", ".join(f"{found[verdict]:,} {verdict.value}" for verdict in reversed(Verdict))
    return f"{count(len(results), 'check')}: {counted}."


def _as_object(result: CheckResult) -> dict[str, object]:
    moment = result.checked_at
    return {
        **asdict(result),
        "checked_at": moment.isoformat() if moment is not None else None,
        "verdict": result.verdict.value,
    }
