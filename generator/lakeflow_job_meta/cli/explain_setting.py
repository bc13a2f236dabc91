"""`ljm explain-setting`: where a setting of a job comes from. Changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import click

from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import did_you_mean, json_like, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.cli.params import compile_metadata, format_option, open_project, target_option
from lakeflow_job_meta.cli.report import aligned, echo
from lakeflow_job_meta.cli.show import job_of
from lakeflow_job_meta.diagnostics.model import steps_of
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.setting_layers import SettingLayer, layers_of


@dataclass(frozen=True, slots=True)
class _Asked:
    """A setting that somebody asks for: its path in the job, and its name below the job or task."""

    task: str | None
    name: str
    path: KeyPath
    target: str | None = None


@click.command("explain-setting")
@click.argument("module")
@click.argument("names", nargs=-1, required=True, metavar="[TASK] SETTING")
@target_option
@format_option(["text", "json"])
@click.pass_obj
def command(folder: Path | None, module: str, names: tuple[str, ...], target: str | None, form: str) -> None:
    """Show which places set a setting of a job or task, the one that wins first.

    A setting below another one is written with dots, an item of a list with its number: `tags.owner`,
    `email_notifications.on_failure[0]`. To change the setting, edit the place that wins.

    \b
    Examples:
      ljm explain-setting ingest_orders max_concurrent_runs
      ljm explain-setting ingest_orders extract max_retries
      ljm explain-setting ingest_orders extract max_retries -t prod
    """
    if len(names) > 2:
        raise ConfigError("Name a module, a task where the setting is of one, and a setting.")
    project = open_project(folder)
    compilation = compile_metadata(project)
    job, target = job_of(compilation, module, target)
    asked = _asked(job, names)
    asked = replace(asked, target=target)
    is_there, value = value_at(job.settings, asked.path)
    value = masked(value, asked.path)
    layers = [replace(each, value=cast(Value, masked(each.value, asked.path))) for each in layers_of(job, asked.path)]
    if not is_there and not layers:
        raise OperationFailed(_not_set(job, asked))
    if form == "json":
        echo(json.dumps(_as_json(job, asked, value, layers), indent=2, ensure_ascii=False))
    else:
        _show(job, asked, value, layers, is_there=is_there)


def _asked(job: Job, names: tuple[str, ...]) -> _Asked:
    setting = names[-1]
    steps = steps_of(setting)
    if len(names) == 1:
        return _Asked(None, setting, steps)
    task = names[0]
    for number, origin in enumerate(job.task_origins):
        if task in (origin.source.source_id, origin.source.task_key):
            return _Asked(origin.source.task_key, setting, ("tasks", number, *steps))
    known = [origin.source.task_key for origin in job.task_origins]
    raise ConfigError(
        f"The job of {quoted(job.module.module_name)} has no task {quoted(task)}{did_you_mean(task, known)}"
    )


def _subject(job: Job, asked: _Asked) -> str:
    of_task = f" of task {asked.task}" if asked.task is not None else ""
    in_target = f" in {asked.target}" if asked.target is not None else ""
    return f"{asked.name}{of_task} of {job.module.module_name}{in_target}"


def _not_set(job: Job, asked: _Asked) -> str:
    length = next(n for n in range(len(asked.path) - 1, -1, -1) if value_at(job.settings, asked.path[:n])[0])
    around = value_at(job.settings, asked.path[:length])[1]
    near = did_you_mean(str(asked.path[length]), around) if isinstance(around, dict) else ""
    return f"{_subject(job, asked)} is not set{near}"


def _show(job: Job, asked: _Asked, value: object, layers: list[SettingLayer], *, is_there: bool) -> None:
    echo(f"{_subject(job, asked)} is {_written(value)}" if is_there else f"{_subject(job, asked)} is not set")
    if not layers:
        echo("  it is derived from other settings, and written nowhere")
    shown = [(_written(each.value), each.name, str(each.ref)) for each in layers]
    for number, row in enumerate(aligned(shown)):
        echo(f"  {'  '.join(row)}{'  wins' if number == 0 else ''}".rstrip())


def _written(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else json_like(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _as_json(job: Job, asked: _Asked, value: object, layers: list[SettingLayer]) -> dict[str, object]:
    return {
        "module": job.module.module_name,
        "target": asked.target,
        "task": asked.task,
        "setting": asked.name,
        "value": value,
        "layers": [
            {
                "layer": each.name,
                "value": each.value,
                "wins": number == 0,
                "path": at.path,
                "line": at.line,
                "column": at.column,
                "is_file": at.is_file,
            }
            for number, each in enumerate(layers)
            for at in [each.ref.location()]
        ],
    }
