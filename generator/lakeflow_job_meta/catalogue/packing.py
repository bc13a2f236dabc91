"""The facts of a catalogue as compact JSON: texts, settings, places and layouts once each, numbers for the rest. Pure.

The page has it in a `script` element. Nothing in it is taken for markup, and the same facts give the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence

from lakeflow_job_meta.catalogue.entries import JobEntry, Place, Setting, TaskEntry
from lakeflow_job_meta.catalogue.graph_layout import boxes_of
from lakeflow_job_meta.diagnostics.model import Diagnostic

_UNSAFE = re.compile("[<>&\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff\\ud800-\\udfff]")
"""What could end the element, a line of it, or turn the text around it; and halves of characters."""

_STEPS_OF_ROW = re.compile(r"(?=, |\])")

Packed = dict[str, object]


def as_json_in_html(value: object) -> str:
    """Returns JSON that is the same text inside of a `script` element, whatever is in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def packed(entries: Sequence[JobEntry], problems: Iterable[Diagnostic]) -> Packed:
    """Returns the facts of all jobs, in the order of their names, and what is wrong with the metadata."""
    packer = _Packer()
    ordered = sorted(entries, key=lambda entry: (entry.name.casefold(), entry.name))
    numbers = {entry.key: number for number, entry in enumerate(ordered)}
    names = {entry.name: number for number, entry in enumerate(ordered)}
    jobs = [packer.job(entry, numbers, names) for entry in ordered]
    told = [packer.problem(each, names) for each in problems]
    return {
        "texts": list(packer.texts),
        "places": [number for place in packer.places for number in place],
        "settings": [number for setting in packer.settings for number in setting],
        "starts": [json.loads(each) for each in packer.starts],
        "layouts": [list(each) for each in packer.layouts],
        "jobs": jobs,
        "problems": told,
    }


class _Packer:
    """Gives each thing that is there often a number, in the order in which they come."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self.places: dict[tuple[int, int, int], int] = {}
        self.settings: dict[tuple[int, int], int] = {}
        self.starts: dict[str, int] = {}
        self.layouts: dict[tuple[int, ...], int] = {}
        self._of_shape: dict[Hashable, int] = {}

    def text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def place(self, place: Place, own_file: str = "") -> int:
        """Returns a place as a number below 0: odd for a line of the job's own file, else that of what is in `places`.

        A row of a table is there as what it has of its own, behind what it shares with others. A line is there for a
        file alone; 0 is a file as a whole, and -1 what is no file.
        """
        if place.is_file and place.path == own_file:
            return -1 - 2 * (place.line or 0)
        line = (place.line or 0) if place.is_file else -1
        found = -1
        for piece in [place.path] if place.is_file else _STEPS_OF_ROW.split(place.path):
            found = self.places.setdefault((found, self.text(piece), line), len(self.places))
        return -2 - 2 * found

    def set(self, settings: Iterable[Setting], own_file: str) -> list[int]:
        """Returns settings, each place once before all that are written there."""
        numbers: list[int] = []
        before = 0
        for setting in settings:
            if (place := self.place(setting.place, own_file)) != before:
                numbers.append(place)
                before = place
            pair = (self.text(setting.path), self.text(setting.value))
            numbers.append(self.settings.setdefault(pair, len(self.settings)))
        return numbers

    def job(self, entry: JobEntry, numbers: Mapping[str, int], names: Mapping[str, int]) -> Packed:
        deployed, own_file = entry.deployed, entry.place.path
        of_task = {task.key: number for number, task in enumerate(entry.tasks)}
        starts = json.dumps(entry.starts, ensure_ascii=False)
        facts: Packed = {
            "key": self.text(entry.key),
            "name": self.text(entry.name),
            "about": self._text_or_none(entry.description),
            "owner": self._text_or_none(entry.owner),
            "tags": [self.text(each) for pair in entry.tags.items() for each in pair],
            "targets": self._texts(entry.targets),
            "blueprint": self._text_or_none(entry.blueprint),
            "presets": self._texts(entry.presets),
            "starts": self.starts.setdefault(starts, len(self.starts)) if entry.starts else None,
            "set": self.set(entry.settings, own_file),
            "at": self.place(entry.place),
            "layout": self._layout(entry.tasks),
            "tasks": [self._task(task, of_task, own_file) for task in entry.tasks],
            "runs": [numbers[key] for key in entry.runs if key in numbers],
            "after": [names[name] for name in entry.after if name in names],
            "waits": self._texts(entry.reads),
            "exempt": [[self.text(policy), until.isoformat()] for policy, until in entry.exemptions],
            "off": self._texts(entry.switched_off),
            "differs": [
                [self.text(each.path), *((self.text(target), self._text_or_none(text)) for target, text in each.values)]
                for each in entry.differences
            ],
            "job": None if deployed is None else [deployed.job_id, deployed.url],
        }
        return _without_nothing(facts)

    def problem(self, diagnostic: Diagnostic, names: Mapping[str, int]) -> Packed:
        facts: Packed = {
            "severity": diagnostic.severity.value,
            "text": diagnostic.message,
            "code": diagnostic.code,
            "module": diagnostic.module,
            "job": names.get(diagnostic.module or ""),
            "at": self.place(Place.of(diagnostic.location)),
        }
        return _without_nothing(facts)

    def _task(self, task: TaskEntry, numbers: Mapping[str, int], own_file: str) -> Packed:
        waits = [(numbers[key], outcome) for key, outcome in task.waits if key in numbers]
        facts: Packed = {
            "key": self.text(task.key),
            "kind": self.text(task.kind),
            "repeats": self._text_or_none(task.repeats),
            "waits": [number if outcome is None else [number, outcome] for number, outcome in waits],
            "set": self.set(task.settings, own_file),
            "at": self.place(task.place, own_file),
            "writes": self._texts(task.writes),
            "reads": self._texts(task.reads),
            "checks": [[each.name, each.text, int(each.is_error)] for each in task.checks],
            "sql": self._text_or_none(task.sql),
        }
        return _without_nothing(facts)

    def _layout(self, tasks: Sequence[TaskEntry]) -> int:
        """Returns the number of the layout of a job; jobs whose tasks wait for each other in the same way share one."""
        numbers = {task.key: number for number, task in enumerate(tasks)}
        shape = tuple(tuple(numbers[key] for key, _ in task.waits if key in numbers) for task in tasks)
        if shape not in self._of_shape:
            corners = _corners(shape)
            self._of_shape[shape] = self.layouts.setdefault(corners, len(self.layouts))
        return self._of_shape[shape]

    def _texts(self, texts: Iterable[str]) -> list[int]:
        return [self.text(each) for each in texts]

    def _text_or_none(self, text: str | None) -> int | None:
        return None if text is None else self.text(text)


def _corners(shape: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Returns the upper left corners of the boxes of tasks, by what each waits for."""
    boxes = boxes_of({str(number): [str(each) for each in waits] for number, waits in enumerate(shape)})
    found = {int(box.key): (box.x, box.y) for box in boxes}
    return tuple(each for number in range(len(shape)) for each in found[number])


def _without_nothing(facts: Packed) -> Packed:
    """Leaves out what is not there: it would be half of the page."""
    return {name: value for name, value in facts.items() if value is not None and value != []}
