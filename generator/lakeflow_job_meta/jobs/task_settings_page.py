"""The page of `COMMON_SETTINGS`, docs/task-settings.md: which settings each kind of task takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta.jobs.task_types import BY_BLOCK, COMMON_SETTINGS, NOT_BY_DEFAULT, REFUSED, TASK_TYPES

_INTRODUCTION = """\
# Which settings each kind of task takes

A task has one block, which says what it runs, and settings beside it. `ljm schema job` prints what a block may hold;
which settings beside it a kind of task takes stands here. This page is `ljm explain --task-settings`.

- **yes**: the kind takes it, from `defaults.task` and from [presets](presets.md) too.
- **its own**: a task may have it that sets it itself; no default and no preset gives it to one. What is repeated by a
  `for_each` task is a task of its own kind, so it gets the defaults of that kind.
- **no**: nothing gives it to such a task, and one that has it is an error
  ([conflicting-settings](checks.md#conflicting-settings)).
"""


def task_settings_page() -> str:
    """Returns the page in Markdown."""
    return "\n".join([_INTRODUCTION, *_table(), "", *_sources()]) + "\n"


def _table() -> Iterator[str]:
    yield "| Block | `task_type` | Runs on |" + "".join(f" {_names(row.names)} |" for row in COMMON_SETTINGS)
    yield "|---|---|---|" + "---|" * len(COMMON_SETTINGS)
    for block, kind in sorted(BY_BLOCK.items()):
        names = _names(each.name for each in TASK_TYPES if each.block == block)
        cells = "".join(f" {_level(block, row.names[0])} |" for row in COMMON_SETTINGS)
        yield f"| `{block}` | {names} | {kind.compute.value} |{cells}"


def _level(block: str, name: str) -> str:
    if name in REFUSED[block]:
        return "no"
    return "its own" if name in NOT_BY_DEFAULT[block] else "yes"


def _sources() -> Iterator[str]:
    yield from ("## Where this comes from", "", "| Settings | Source |", "|---|---|")
    for row in COMMON_SETTINGS:
        yield f"| {_names(row.names)} | {row.source} |"


def _names(names: tuple[str, ...] | Iterator[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
