"""Modules that differ in names and in free texts alone: one is compiled for all of them. Pure.

Such a module is compiled once more with a mark in place of its name, of each id of a source and of each free text, as
long as any of them may be. Where that is right, and each mark stands where a plain text stands for itself, the results
of others are the same with their own texts. What presets and policies ask of names is part of what must be the same,
and where they ask for more, each module is compiled.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from lakeflow_job_meta._internal.blanks import CHANGED_MARK, LONGEST, MARK_BEGINS, SHORTEST, Blanks, mark
from lakeflow_job_meta._internal.secret_signs import may_hold_secrets
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.blueprints.expansion import ExpandedModule
from lakeflow_job_meta.checks.local_files import suits_every_disk
from lakeflow_job_meta.compiler.free_texts import (
    Map,
    Replacements,
    conditions_of,
    has_free_tags,
    has_free_texts,
    is_for_itself,
)
from lakeflow_job_meta.compiler.parts import may_tell_of_secrets, together
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.same_problems import NotingDocument, SameProblems
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.diagnostics.rules import SeverityOverrides
from lakeflow_job_meta.jobs.module_names import ModuleNames
from lakeflow_job_meta.jobs.presets import is_like
from lakeflow_job_meta.layout.job_summary import JobSummary
from lakeflow_job_meta.parsing.keys import is_job_key, job_key, task_key, task_key_problem
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit, UnitContent
from lakeflow_job_meta.text.markers import JOB_MARKER, SQL_MARKER, Marker
from lakeflow_job_meta.text.yaml_writer import to_yaml_key

_LONGEST_ID = 80
"""Of a source: what a task repeats has a key that is longer than its own."""

_MOST_FORMS = 1000
"""Where there are more, modules are not alike, and there is nothing to save."""

_BLANK = b""
"""Stands for a text in a form, as any bytes do: metadata has none."""


class _TakenApart(NamedTuple):
    """A module: all of it but its texts, and these: its name, the ids of its sources, sorted, and the free ones.

    There are no ids where one of them is not the key of a task as it stands. `asked` says which globs fit the name.
    """

    form: bytes
    texts: list[str]
    ids: list[str]
    asked: list[bool]


class _Common(NamedTuple):
    """What the results of modules of one form have in common, and of each file its path, marker, and what is below."""

    result: UnitResult
    files: list[tuple[Blanks, Marker, Blanks]]

    def filled(self, texts: list[str], label: str) -> UnitResult:
        name, result = texts[0], self.result
        return UnitResult(
            (ModuleNames(name, name, result.modules[0].blueprint),),
            {path.filled(texts): f"{marker.line(label)}\n{below.filled(texts)}" for path, marker, below in self.files},
            result.noted,
            summaries=tuple([replace(each, key=name) for each in result.summaries]),
            presets=result.presets,
            policies=result.policies,
        )


class _Marked(NamedTuple):
    """What a module with marks came to, under which name, and the document that it was read from."""

    name: str
    document: NotingDocument
    result: UnitResult


class Alike:
    """The forms of the modules of one project, as they were seen so far.

    Args:
        project: The project.
        bundle: What the rest of the bundle declares.
        compile_alone: Compiles a unit without the others; None if that cannot be done.
    """

    def __init__(
        self, project: Project, bundle: BundleDeclarations, compile_alone: Callable[[SourceUnit], UnitResult | None]
    ) -> None:
        self._compile_alone = compile_alone
        self._project = project
        conditions = conditions_of(project)
        self._globs = [each.values for each in conditions if each.kind == "module"]
        self._globs += [each.modules for each in project.exemptions]
        self._asks_for_files = any(each.kind == "file" for each in conditions)
        self._has_free_tags = has_free_tags(project)
        of_jobs = (job for (_, job), _ in bundle.added_tags if job is not None)
        self._said_of = frozenset([*(key for _, key in bundle.resources or ()), *of_jobs])
        self._added = frozenset(each.source_id for preset in project.presets for each in preset.sources)
        given = repr((project.defaults, project.presets, project.job_name))
        self._is_possible = has_free_texts(project) and not CHANGED_MARK.search(given)
        self._severity = SeverityOverrides(dict(project.checks))
        # What is a secret there is masked wherever it is told.
        self._may_mask = may_hold_secrets(given.encode("utf-8", "surrogatepass"))
        self._seen: set[bytes] = set()
        self._known: dict[bytes, _Common | None] = {}
        self._problems: dict[tuple[bytes, tuple[str, ...]], SameProblems | None] = {}

    def compile(self, unit: SourceUnit) -> UnitResult | None:
        """Compiles a unit without the others; None if that cannot be done."""
        if not self._is_possible or (len(self._seen) == _MOST_FORMS and not any(self._known.values())):
            return self._compile_alone(unit)
        content = unit.content
        found = [self._filled(raw) for raw in content.modules]
        others = tuple([raw for raw, each in zip(content.modules, found, strict=True) if each is None])
        if len(others) == len(found):
            return self._compile_alone(unit)
        rest = replace(content, modules=others)
        if any(each is not None and each.diagnostics for each in found) and may_tell_of_secrets(rest):
            return self._compile_alone(unit)
        if len(found) == 1 and rest == _NOTHING:
            return found[0]
        result = self._compile_alone(SourceUnit(unit.label, None, lambda: rest))
        return None if result is None else _in_order(found, result)

    def _filled(self, raw: RawModule) -> UnitResult | None:
        """Returns the result of a module by that of one that is like it, if one is known."""
        taken = self._taken_apart(raw)
        if taken is None:
            return None
        if taken.form not in self._known:
            # One of a kind is not worth that it is compiled twice.
            if taken.form not in self._seen:
                if len(self._seen) < _MOST_FORMS:
                    self._seen.add(taken.form)
                return None
            self._known[taken.form] = self._common(raw, taken)
        common = self._known[taken.form]
        if common is not None:
            return common.filled(taken.texts, raw.origin.document.label)
        same = self._same_problems(raw, taken)
        return None if same is None else same.at(raw.origin, taken.texts, self._severity)

    def _taken_apart(self, raw: RawModule) -> _TakenApart | None:
        """Takes a module apart; None where others could not be like it."""
        value = raw.value
        if raw.is_damaged or raw.use is not None or not isinstance(value, dict) or not is_for_itself(value):
            return None
        name = value.get("module_name")
        if not isinstance(name, str) or not self._is_free_key(name):
            return None
        ids = self._ids_of(value)
        texts = [name, *ids]

        def take(text: str) -> object:
            texts.append(text)
            return _BLANK

        # As numbers, since which one waits for which is part of the form.
        numbers = {each: str(number).encode() for number, each in enumerate(ids)}
        shaped = Replacements(_BLANK, numbers, take, self._has_free_tags).in_module(value)
        asked = self._asked_of(name)
        label = raw.origin.document.label if self._asks_for_files else None
        whole = shaped, raw.group, raw.blueprint, dict(raw.columns), asked, label
        try:
            form = marshal.dumps(cast(Any, whole), 2)
        except ValueError:  # a column of a table is no plain value
            return None
        return None if may_hold_secrets("\n".join(texts).encode()) else _TakenApart(form, texts, ids, asked)

    def _asked_of(self, name: str) -> list[bool]:
        return [is_like(name, each) for each in self._globs]

    def _is_free_key(self, name: str) -> bool:
        """Whether a name is a key as it stands, of which nothing else is said in the project."""
        is_key = len(name) <= LONGEST and name == job_key(name) == to_yaml_key(name) and is_job_key(name)
        return is_key and name not in self._said_of and suits_every_disk(name)

    def _ids_of(self, module: Map) -> list[str]:
        """Returns the ids of the sources, sorted; none where one of them is no key of a task of its own."""
        if isinstance(module.get("targets"), dict):
            return []  # it may say something of a source by its id
        sources = cast("list[Map]", module["sources"])
        ids = [name for each in sources if isinstance(name := each.get("source_id"), str) and self._is_free_id(name)]
        return sorted(ids) if len({each.casefold() for each in ids}) == len(sources) else []

    def _is_free_id(self, name: str) -> bool:
        is_key = len(name) <= _LONGEST_ID and name == task_key(name, self._project.task_keys)
        return is_key and task_key_problem(name, name) is None and name not in self._added and suits_every_disk(name)

    def _common(self, raw: RawModule, taken: _TakenApart) -> _Common | None:
        """Compiles a module with marks; None where that is not right, or a mark stands where not any text might."""
        marked = self._compiled_marked(
            raw, taken, [mark(number, _LONGEST_ID) for number in range(1, 1 + len(taken.ids))]
        )
        if marked is None or not marked.result.is_good:
            return None
        name, found, label = marked.name, marked.result, marked.document.label
        # Policies may ask for the path of a file, in which the key of the job is.
        if self._project.policies and len(found.files) > 1:
            return None
        files: list[tuple[Blanks, Marker, Blanks]] = []
        for path, text in found.files.items():
            first, _, below = text.replace(name, mark(0)).partition("\n")
            marker = next(each for each in (JOB_MARKER, SQL_MARKER) if each.line(label) == first)
            if not all(map(_may_be_any_text, below.split("\n"))):
                return None
            files.append((Blanks.of(path.replace(name, mark(0))), marker, Blanks.of(below)))
        names, *more = found.modules
        same = [names._replace(name=None, key=None), more, found.noted, *map(_rest_of, found.summaries)]
        same += [piece for path, _, below in files for piece in (*path.pieces[::2], *below.pieces[::2])]
        has_secrets = may_hold_secrets(taken.form + "".join(found.files.values()).encode())
        return None if has_secrets or CHANGED_MARK.search(repr(same)) else _Common(found, files)

    def _compiled_marked(self, raw: RawModule, taken: _TakenApart, ids: Sequence[str]) -> _Marked | None:
        """Compiles a module with another name, other ids, and a mark for each free text; None where that cannot be.

        In its document no comment silences a check.
        """
        name = self._name_like(taken.asked)
        if name is None or MARK_BEGINS.encode() in taken.form:
            return None
        document = NotingDocument(raw.origin.document.label)
        marks = map(mark, range(1 + len(taken.ids), len(taken.texts)))
        other_ids = dict(zip(taken.ids, ids, strict=True))
        marking = Replacements(name, other_ids, lambda text: next(marks), self._has_free_tags)
        value = cast(Value, marking.in_module(cast(Map, raw.value)))
        marked = replace(raw, value=value, origin=SourceRef(document))
        found = self._compile_alone(SourceUnit(document.label, None, lambda: UnitContent((marked,))))
        return None if found is None or found.loose_tasks else _Marked(name, document, found)

    def _same_problems(self, raw: RawModule, taken: _TakenApart) -> SameProblems | None:
        """Returns what is wrong with each module of a form and of the same ids, of which words may speak."""
        key = taken.form, tuple(taken.ids)
        if key not in self._problems:
            self._problems[key] = self._found_problems(raw, taken) if len(self._problems) < _MOST_FORMS else None
        return self._problems[key]

    def _found_problems(self, raw: RawModule, taken: _TakenApart) -> SameProblems | None:
        if self._may_mask or may_hold_secrets(taken.form) or isinstance(raw.origin.document, ExpandedModule):
            return None
        marked = self._compiled_marked(raw, taken, taken.ids)
        if marked is None or marked.result.modules[0].key != marked.name:
            return None
        return SameProblems.of(marked.result, marked.name, marked.document)

    def _name_like(self, asked: list[bool]) -> str | None:
        """Returns a name with a mark in it that fits the same globs."""
        fitting = (glob for globs, fits in zip(self._globs, asked, strict=True) if fits for glob in globs)
        for before, star, after in (glob.partition("*") for glob in ("*", *fitting)):
            length = LONGEST - len(before) - len(after)
            if not star or length < SHORTEST:
                continue
            name = f"{before}{mark(0, length)}{after}"
            if self._is_free_key(name) and self._asked_of(name) == asked:
                return name
        return None


_NOTHING = UnitContent(())


def _in_order(found: Sequence[UnitResult | None], others: UnitResult) -> UnitResult:
    """Returns the result of a unit: those of some modules, and what all others came to."""
    result = together([*filter(None, found), others])
    rest = iter(others.modules)
    modules = tuple([next(rest) if each is None else each.modules[0] for each in found])
    places = {each.key: place for place, each in enumerate(modules)}
    broken = dict.fromkeys(result.broken)
    in_order = [each.name for each in modules if each.name in broken]
    return result._replace(
        modules=modules,
        files=dict(sorted(result.files.items(), key=lambda file: places[_key_in(file[0])])),
        broken=tuple(dict.fromkeys([*in_order, *broken])),
        summaries=tuple(sorted(result.summaries, key=lambda summary: places[summary.key])),
    )


def _key_in(path: str) -> str:
    """Returns the key of the job whose file is at a path below the output folder."""
    return path.split("/")[1].removesuffix(".yml")


def _rest_of(summary: JobSummary) -> JobSummary:
    return replace(summary, key="")


def _may_be_any_text(line: str) -> bool:
    """Whether each mark in a line is in a text in double quotes in which nothing is escaped, or is the job's key."""
    if MARK_BEGINS not in line or line.strip() == f"{mark(0)}:":
        return True
    return "\\" not in line and not any(MARK_BEGINS in outside for outside in line.split('"')[::2])
