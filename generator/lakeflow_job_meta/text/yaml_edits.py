"""Applies suggestions to YAML text at their exact ranges; every other character stays as it is. Pure.

Text and diagnostics come in; the new text, what was fixed, and why the rest was not go out. The new text is read again:
it has no fault that the old one did not have, and its value differs in the fixed keys and values only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import KeyPath, Scalar, Value, diff, value_at
from lakeflow_job_meta.diagnostics.model import Diagnostic, SuggestionKind
from lakeflow_job_meta.text.yaml_documents import LINE_END, YamlDocument
from lakeflow_job_meta.text.yaml_errors import Mark, Span
from lakeflow_job_meta.text.yaml_reader import read_yaml


@dataclass(frozen=True, slots=True)
class FixedText:
    """A text with the suggestions of some diagnostics applied, and the others with the reasons why not."""

    text: str
    fixed: tuple[Diagnostic, ...] = ()
    left: tuple[tuple[Diagnostic, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Edit:
    """One change: the characters from `start` to `end` become `new`, and so the key or value `becomes` another.

    A key has the path of the value behind it.
    """

    start: int
    end: int
    new: str
    path: KeyPath
    is_key: bool
    becomes: Scalar


def fix_yaml(text: str, diagnostics: Sequence[Diagnostic]) -> FixedText:
    """Applies the suggestions of diagnostics to the text that they are of, which has no byte order mark.

    What an alias or a merge key repeats elsewhere is left alone, since all of its places would change.
    """
    document = _Document(text)
    edits: dict[_Edit, Diagnostic] = {}
    left: list[tuple[Diagnostic, str]] = []
    for diagnostic in diagnostics:
        edit = document.edit_for(diagnostic)
        if isinstance(edit, _Edit):
            edits.setdefault(edit, diagnostic)
        else:
            left.append((diagnostic, edit))
    good = document.applicable(sorted(edits, key=lambda edit: edit.start))
    left += ((diagnostic, "more than this would change") for edit, diagnostic in edits.items() if edit not in good)
    return FixedText(document.with_edits(good), tuple(edits[edit] for edit in good), tuple(left))


class _Document(YamlDocument):
    """A text with the paths of its keys and values by their positions."""

    def __init__(self, text: str) -> None:
        super().__init__("", text)
        self.value = self._with_positions.value
        self._line_starts = [0, *(match.end() for match in LINE_END.finditer(text))]
        self._spans: dict[tuple[bool, Mark], tuple[KeyPath, Span]] = {}
        for path, (key, value) in self._with_positions.positions.items():
            if key is not None:
                self._spans[True, key.start] = path, key
            if not isinstance(value_at(self.value, path)[1], (dict, list)):
                self._spans[False, value.start] = path, value
        self._repeated = set(self._with_positions.links.values())

    def edit_for(self, diagnostic: Diagnostic) -> _Edit | str:
        """Returns the change that a diagnostic suggests, or the reason why it cannot be applied."""
        at, suggestion = diagnostic.location, diagnostic.suggestion
        is_key = suggestion is not None and suggestion.kind is SuggestionKind.RENAME_KEY
        path, span = self._spans.get((is_key, Mark(at.line or 0, at.column or 0)), ((), None))
        is_meant = self._is_meant(path, diagnostic.setting)
        if suggestion is None or span is None or not is_meant or not self._with_positions.is_usable:
            return "it is no single key or value"
        if any(path[:length] in self._repeated for length in range(len(path) + 1)):
            return "an alias or a merge key repeats it elsewhere"
        start, end = self._offset(span.start), self._offset(span.end)
        new = suggestion.written_for(self.text[start:end]) if span.start.line == span.end.line else None
        becomes = suggestion.replacement
        if new is None or isinstance(becomes, (dict, list)):
            return "it has an anchor, an alias, a tag or several lines"
        if is_key and becomes != path[-1] and value_at(self.value, (*path[:-1], str(becomes)))[0]:
            return f"the key {quoted(becomes)} is there already"
        return _Edit(start, end, new, path, is_key, becomes)

    def _is_meant(self, path: KeyPath, setting: str | None) -> bool:
        """Whether a diagnostic is about what stands at its position.

        What is missing is reported at what would hold it, and that is not meant. A fault has the path of its map. Of
        a mistake in a blueprint, or in a value for one, the setting is that of the module that is made of it.
        """
        if setting in [self.subject(own).setting for own in (path, path[:-1])]:
            return True
        if not (path[:1] == ("blueprints",) or path[2:3] == ("with",)):
            return False
        step = path[-1]
        return f".{setting}".endswith(f"[{step}]" if isinstance(step, int) else f".{step}")

    def _offset(self, mark: Mark) -> int:
        return self._line_starts[mark.line - 1] + mark.column - 1

    def applicable(self, edits: Sequence[_Edit], accepted: Sequence[_Edit] = ()) -> Sequence[_Edit]:
        """Returns the edits that change together what they mean to, and nothing else; found by halving."""
        if not edits or self._is_exact([*accepted, *edits]):
            return [*accepted, *edits]
        if len(edits) == 1:
            return accepted
        half = len(edits) // 2
        return self.applicable(edits[half:], self.applicable(edits[:half], accepted))

    def _is_exact(self, edits: Sequence[_Edit]) -> bool:
        new = read_yaml(self.with_edits(edits))
        both = self._with_positions, new
        before, after = (Counter((fault.kind, fault.message) for fault in each.faults) for each in both)
        return not after - before and not any(diff(_edited(self.value, edits), new.value))

    def with_edits(self, edits: Sequence[_Edit]) -> str:
        pieces, end = [], 0
        for edit in edits:
            pieces += [self.text[end : edit.start], edit.new]
            end = edit.end
        return "".join([*pieces, self.text[end:]])


def _edited(root: Value, edits: Sequence[_Edit]) -> Value:
    """Returns a value as it is meant to be after all edits."""
    keys = {edit.path: str(edit.becomes) for edit in edits if edit.is_key}
    values = {edit.path: edit.becomes for edit in edits if not edit.is_key}
    touched = {edit.path[:length] for edit in edits for length in range(len(edit.path) + 1)}

    def edited(value: Value, path: KeyPath) -> Value:
        if path not in touched:
            return value
        if path in values:
            return values[path]
        if isinstance(value, dict):
            return {keys.get((*path, key), key): edited(item, (*path, key)) for key, item in value.items()}
        return [edited(item, (*path, n)) for n, item in enumerate(value)] if isinstance(value, list) else value

    return edited(root, ())
