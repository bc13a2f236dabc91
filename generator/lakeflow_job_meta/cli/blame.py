"""`ljm blame`: who set each value of a module, and when. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from lakeflow_job_meta._internal.secrets import masked, secrets_of, without_values
from lakeflow_job_meta._internal.text import json_like
from lakeflow_job_meta.cli.params import compile_metadata, format_option, open_project, target_option
from lakeflow_job_meta.cli.report import ProgressBar, aligned, echo
from lakeflow_job_meta.cli.show import job_of
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.services.blame import blame, sources_of
from lakeflow_job_meta.services.blamed import MOST_VERSIONS, Blame, BlamedValue
from lakeflow_job_meta.text.markers import one_line

_HEADER = ("SOURCE", "SETTING", "VALUE", "SET BY", "WHEN (UTC)", "WHO", "WHERE")
_LONGEST_VALUE = 40


@click.command("blame")
@click.argument("module")
@click.argument("names", nargs=-1, metavar="[SOURCE] [SETTING]")
@target_option
@click.option(
    "--versions",
    type=click.IntRange(1),
    default=MOST_VERSIONS,
    show_default=True,
    metavar="N",
    help="How many versions of a table are looked at.",
)
@format_option(["text", "json"])
@click.pass_obj
def command(
    folder: Path | None, module: str, names: tuple[str, ...], target: str | None, versions: int, form: str
) -> None:
    """Show who set each value of a module, and when: the version of the control table, or the git commit.

    A single name is that of a source, by its source_id or the key of its task, or else of a setting of the job. With a
    setting, those below it are shown too. What comes from a blueprint, a preset or the defaults is looked for there.

    \b
    Examples:
      ljm blame ingest_orders
      ljm blame ingest_orders extract max_retries
      ljm blame ingest_orders tags.owner --format json
    """
    if len(names) > 2:
        raise ConfigError("Name a module, a source where a value is of one, and a setting.")
    project = open_project(folder)
    compilation = compile_metadata(project)
    job, _ = job_of(compilation, module, target)
    is_source = len(names) == 2 or (len(names) == 1 and names[0] in sources_of(job))
    source, setting = (names[0] if is_source else None), (names[-1] if names[int(is_source) :] else None)
    with ProgressBar() as progress:
        found = blame(
            project,
            job,
            source,
            setting,
            most_versions=versions,
            on_progress=lambda done, of: progress.update("Versions", done, of),
        )
    text = json.dumps(_as_json(module, found), indent=2, ensure_ascii=False) if form == "json" else _table(found)
    # The value of a setting may stand in a name or a place as well.
    echo(without_values(text, secrets_of(job.settings, *(source.only_kept for source in job.module.sources))))
    for note in found.notes:
        echo(note, err=True)


def _table(found: Blame) -> str:
    return "\n".join(_lines([_HEADER, *map(_cells, found.values)]))


def _lines(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    # What is nowhere said, such as sources of a question about the job alone, needs no column.
    shown = [number for number, column in enumerate(zip(*rows[1:], strict=True)) if any(column)]
    for row in aligned([[row[number] for number in shown] for row in rows]):
        yield "  ".join(row).rstrip()


def _cells(value: BlamedValue) -> tuple[str, ...]:
    change = value.change
    where = str(value.location) if value.layer in ("module", "source", "row") else f"{value.location} ({value.layer})"
    if change is None:
        set_by, when, who = value.note, "", ""
    else:
        name = f"version {change.version}" if change.version is not None else str(change.commit)[:10]
        set_by = name if change.is_exact else f"{name} or before"
        when, who = f"{change.time:%Y-%m-%d %H:%M:%S}", (change.user or "") if change.is_exact else ""
    cells = (value.source or "", value.setting, _written(masked(value.value, value.path)), set_by, when, who, where)
    return tuple(map(one_line, cells))


def _written(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else json_like(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _as_json(module: str, found: Blame) -> dict[str, object]:
    return {"module": module, "values": [_value_as_json(value) for value in found.values], "notes": [*found.notes]}


def _value_as_json(value: BlamedValue) -> dict[str, object]:
    change, at = value.change, value.location
    return {
        "source": value.source,
        "setting": value.setting,
        "value": masked(value.value, value.path),
        "layer": value.layer,
        "path": at.path,
        "line": at.line,
        "column": at.column,
        "is_file": at.is_file,
        "version": change.version if change is not None else None,
        "commit": change.commit if change is not None else None,
        "time": change.time.isoformat() if change is not None else None,
        "user": change.user if change is not None else None,
        "is_exact": change.is_exact if change is not None else None,
        "note": value.note or None,
    }
