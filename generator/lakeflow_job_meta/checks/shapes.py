"""The shape of a job: all of it that checks may look at but for plain texts where any text may stand. Pure.

Thousands of jobs of a project have the same shape, such as those of a blueprint, and what looks at nothing else need
not look again.
"""

from __future__ import annotations

import marshal
import re
from typing import Any, cast

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.jobs.model import Job

_ANY_TEXT = (
    ("notebook_task", "base_parameters"),
    ("sql_task", "parameters"),
    ("python_wheel_task", "named_parameters"),
)
"""Maps of a task whose values may be any text."""

_PLAIN = re.compile(r"[\w./: -]{1,100}", re.ASCII)
"""A text without a reference, quotes or line breaks, and short; one of another kind is part of the shape."""


def shape_of(job: Job) -> bytes:
    """Returns what two jobs have in common whose settings, sources and targets differ in plain texts alone."""
    module, settings = job.module, job.settings
    shaped: dict[str, Value] = {**settings, "tasks": [_shape_of_task(task) for task in job.tasks]}
    for key in ("name", "description"):
        if key in settings:
            shaped[key] = _without_text(settings[key])
    if isinstance(tags := settings.get("tags"), dict):
        shaped["tags"] = _without_texts(tags)
    sources = [
        (
            each.source_id,
            each.run_if,
            each.execution_order,
            each.is_active,
            each.follows is not None,
            each.quality is not None,
            bool(each.expectations),
            None if each.depends_on is None else [(other.source_id, other.outcome) for other in each.depends_on],
            _written_keys(each.transformation_config),
        )
        for each in module.sources
    ]
    return marshal.dumps((cast(Any, shaped), sources, tuple(module.job_config), job.targets), 2)


def _written_keys(config: dict[str, Value]) -> Value:
    """Returns what tells whether a setting of a task, or of what it repeats, was written or comes from below."""
    return config if "for_each_task" in config else [*config]


def _shape_of_task(task: dict[str, Value]) -> dict[str, Value]:
    for block, name in _ANY_TEXT:
        inside = task.get(block)
        if isinstance(inside, dict) and isinstance(given := inside.get(name), dict):
            return {**task, block: {**inside, name: _without_texts(given)}}
    return task


def _without_texts(values: dict[str, Value]) -> dict[str, Value]:
    return {key: _without_text(value) for key, value in values.items()}


def _without_text(value: Value) -> Value:
    return "x" if isinstance(value, str) and _PLAIN.fullmatch(value) else value
