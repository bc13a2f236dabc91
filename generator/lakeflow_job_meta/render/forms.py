"""Texts of jobs with blanks for plain texts: of jobs that differ in nothing else, one is rendered for all. Pure.

Between double quotes, every character that can be printed stands for itself, but for the quote and the backslash; and
the built-in template looks at no text. So where a text was rendered and read back with a mark of its own in each blank,
any plain texts in their place are read back too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, cast

from lakeflow_job_meta._internal.blanks import MARK_BEGINS, Blanks, mark
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.text.yaml_writer import to_yaml_key

_MOST_CHARACTERS = 50_000
"""Of a job as JSON: a longer one is rendered, since nobody has many of those that are alike."""

_MOST_FORMS = 200
"""Where there are more, jobs are not alike, and there is nothing to save."""

_as_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class _PlainJob(NamedTuple):
    """A job of plain texts: all of it but the texts, as JSON, and the texts in their order, the job's key first."""

    form: str
    texts: list[str]


class Forms:
    """What the jobs of one project have in common, as far as they were seen.

    Args:
        render: Renders a job with the built-in template, and proves that what it returns is the job.
    """

    def __init__(self, render: Callable[[Job], str]) -> None:
        self._render = render
        self._seen: set[str] = set()
        self._known: dict[str, Blanks | None] = {}

    def text_of(self, job: Job) -> str:
        """Returns what rendering the job would; raises the same."""
        plain = _plain(job)
        blanks = self._known.get(plain.form) if plain is not None else None
        if plain is not None and blanks is not None:
            return blanks.filled(plain.texts)
        text = self._render(job)
        if plain is None or plain.form in self._known:
            return text
        # One of a kind is not worth a second rendering.
        if plain.form in self._seen:
            self._known[plain.form] = self._blanks_of(job, len(plain.texts)) if MARK_BEGINS not in plain.form else None
        elif len(self._seen) < _MOST_FORMS:
            self._seen.add(plain.form)
        return text

    def _blanks_of(self, job: Job, texts: int) -> Blanks | None:
        """Renders a job with a mark for each text; None where one stands elsewhere than alone between quotes."""
        marks = map(mark, range(texts))
        module = replace(job.module, key=next(marks))
        settings = {target: _marked(settings, marks) for target, settings in _settings_of(job).items()}
        marked = [replace(job, module=module, settings=cast(_Map, each), by_target={}) for each in settings.values()]
        by_target = dict(zip(settings, marked, strict=True)) if job.targets else {}
        blanks = Blanks.of(self._render(replace(marked[0], by_target=by_target)))
        pieces, numbers = blanks
        around = [(before[-1:], after[:1]) for before, after in zip(pieces[::2], pieces[2::2], strict=False)]
        is_right = all(
            sides == (('"', '"') if number else (" ", ":")) for number, sides in zip(numbers, around, strict=True)
        )
        return blanks if is_right and {*numbers} == {*range(texts)} else None


_Map = dict[str, Value]


def _settings_of(job: Job) -> dict[str, _Map]:
    """Returns the settings for each target; with an empty name where they are for all."""
    return {target: job.in_target(target).settings for target in job.targets} or {"": job.settings}


def _plain(job: Job) -> _PlainJob | None:
    """Takes a job apart; None where a text or the key is not plain, or it is long."""
    if to_yaml_key(job.key) != job.key:
        return None
    try:
        whole = _as_json([job.key, bool(job.targets), _settings_of(job)])
    except (ValueError, RecursionError):
        return None  # rendering says what is wrong
    # Without a backslash, each quote begins or ends a text or a name.
    if len(whole) > _MOST_CHARACTERS or "\\" in whole or not whole.isprintable():
        return None
    pieces = whole.split('"')
    places = [place for place, after in zip(range(1, len(pieces), 2), pieces[2::2], strict=True) if after[0] != ":"]
    texts = [pieces[place] for place in places]
    for place in places:
        pieces[place] = ""
    return _PlainJob('"'.join(pieces), texts)


def _marked(value: Value, marks: Iterator[str]) -> Value:
    """Returns a value with a mark in place of each text, in the order that JSON has."""
    if isinstance(value, str):
        return next(marks)
    if isinstance(value, dict):
        return {key: _marked(item, marks) for key, item in value.items()}
    return [_marked(item, marks) for item in value] if isinstance(value, list) else value
