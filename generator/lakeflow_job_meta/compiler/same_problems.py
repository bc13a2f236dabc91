"""Problems that modules of one form share: found in one of them, and told of each at its own place. Pure.

A module is compiled with a document that notes where something is reported. Where nothing of that document shows in the
words, the problems of a module that differs in its name and in free texts alone are the same at the same paths.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lakeflow_job_meta._internal.blanks import CHANGED_MARK, Blanks, mark
from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, Rule, SourceRef, Subject, Suggestion, errors_among
from lakeflow_job_meta.diagnostics.rules import NO_ACTIVE_SOURCE, SeverityOverrides
from lakeflow_job_meta.jobs.module_names import ModuleNames
from lakeflow_job_meta.schema.suggestions import with_text_as_written

_STEP = 1_000_003
"""Between the lines of two places: nobody counts so far from one of them, and no other text has such a number."""

_A_LINE = re.compile(r"\d{7}")


class NotingDocument:
    """A document that has a line of its own for each value that is asked for."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._asked: list[tuple[KeyPath, bool]] = []

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        self._asked.append((path, of_key))
        return Location(self.label, _STEP * len(self._asked)), None

    def subject(self, path: KeyPath) -> Subject:
        return Subject()

    def asked_at(self, location: Location) -> tuple[KeyPath, bool] | None:
        """Returns what was asked for at a location, and whether its key was; None if it is no location of this one."""
        number, rest = divmod(location.line or 0, _STEP)
        is_ours = rest == 0 and 0 < number <= len(self._asked) and location == Location(self.label, location.line)
        return self._asked[number - 1] if is_ours else None


class _Problem(NamedTuple):
    rule: Rule
    path: KeyPath
    of_key: bool
    message: Blanks
    suggestion: Suggestion | None


class SameProblems(NamedTuple):
    """What is wrong with each module of a form, and what else came of one of them."""

    problems: list[_Problem]
    result: UnitResult

    @classmethod
    def of(cls, result: UnitResult, name: str, document: NotingDocument) -> SameProblems | None:
        """Returns the problems of a module with marks, of this name, that was read from such a document.

        None if their words tell of the document, or there is no error among them.
        """
        problems = []
        for each in result.diagnostics:
            asked = document.asked_at(each.location)
            message = Blanks.of(each.message.replace(name, mark(0)))
            words = repr((message.pieces[::2], each.suggestion))
            if (
                asked is None
                or _A_LINE.search(words)
                or CHANGED_MARK.search(words)
                or each.code == NO_ACTIVE_SOURCE.code
            ):
                return None
            problems.append(_Problem(Rule(each.code, each.severity), *asked, message, each.suggestion))
        return cls(problems, result) if errors_among(result.diagnostics) and not result.files else None

    def at(self, origin: SourceRef, texts: list[str], severity: SeverityOverrides) -> UnitResult | None:
        """Returns the result of a module; None where its places are not apart, or a comment silences all errors."""
        found: list[Diagnostic] = []
        for rule, path, of_key, message, suggestion in self.problems:
            at = SourceRef(origin.document, (*origin.path, *path), of_key)
            found.append(with_text_as_written(rule.at(at, message.filled(texts), suggestion)))
        # What stands at one place may follow from another mistake there.
        if len({each.location.start for each in found}) < len(found):
            return None
        shown = severity.apply(found)
        if not errors_among(shown):
            return None
        name, result = texts[0], self.result
        return UnitResult(
            (ModuleNames(name, name, result.modules[0].blueprint),),
            {},
            result.noted,
            tuple(shown),
            frozenset((name,)),
            (name,),
            presets=result.presets,
            policies=result.policies,
        )
