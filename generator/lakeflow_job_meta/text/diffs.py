"""Unified diffs of texts, whose cost grows with their length alone, and without the secrets in them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher

from lakeflow_job_meta._internal.secret_signs import Found, may_hold_secrets
from lakeflow_job_meta._internal.secrets import secrets_of, without_found, without_values
from lakeflow_job_meta.text.yaml_reader import read_yaml

_WINDOW = 1000
_AROUND = 3


class _Matcher(SequenceMatcher[str]):
    """Compares window by window, since comparing all lines with all takes minutes where many of many differ."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        super().__init__(None, before, after)
        self._lines = before, after

    def get_matching_blocks(self) -> list[Match]:
        ours, theirs = self._lines
        blocks: list[Match] = []
        before, after, size = 0, 0, _WINDOW
        while before < len(ours) and after < len(theirs):
            one, other = ours[before : before + size], theirs[after : after + size]
            found = SequenceMatcher(None, one, other).get_matching_blocks()[:-1]
            for a, b, length in found:
                last = blocks[-1] if blocks else Match(0, 0, 0)
                if last.size and (last.a + last.size, last.b + last.size) == (before + a, after + b):
                    blocks[-1] = Match(last.a, last.b, last.size + length)
                else:
                    blocks.append(Match(before + a, after + b, length))
            if before + size >= len(ours) and after + size >= len(theirs):
                break
            if found:
                before, after = blocks[-1].a + blocks[-1].size, blocks[-1].b + blocks[-1].size
            # What was inserted may be longer than a window.
            size = _WINDOW if found else 2 * size
        return [*blocks, Match(len(ours), len(theirs), 0)]


def unified_diff(before: Sequence[str], after: Sequence[str], old: str, new: str, end: str) -> Iterator[str]:
    """Yields the lines of a unified diff, the headers with `end` behind them: as `difflib.unified_diff` does.

    Secrets are masked in them, so that a patch of a text with some cannot be applied.
    """
    secrets = secrets_of_text("\n".join(before)) | secrets_of_text("\n".join(after))
    lines = _lines(before, after, old, new, end)
    yield from (without_found(without_values(line, secrets)) for line in lines) if secrets else lines


def secrets_of_text(text: str) -> set[Found]:
    """Returns the secrets in YAML, or in SQL."""
    if not may_hold_secrets(text.encode("utf-8", "surrogatepass")):
        return set()
    return secrets_of(text, read_yaml(text).value)


def _lines(before: Sequence[str], after: Sequence[str], old: str, new: str, end: str) -> Iterator[str]:
    for number, group in enumerate(_Matcher(before, after).get_grouped_opcodes(_AROUND)):
        if number == 0:
            yield from (f"--- {old}{end}", f"+++ {new}{end}")
        (_, start, _, start_after, _), (_, _, stop, _, stop_after) = group[0], group[-1]
        yield f"@@ -{_range(start, stop)} +{_range(start_after, stop_after)} @@{end}"
        for kind, i1, i2, j1, j2 in group:
            yield from (f"{' ' if kind == 'equal' else '-'}{line}" for line in before[i1:i2])
            yield from (f"+{line}" for line in after[j1:j2] if kind != "equal")


def _range(start: int, stop: int) -> str:
    """Returns the lines from `start` as a header names them: the line before them where there are none."""
    length = stop - start
    return f"{start + 1}" if length == 1 else f"{start + 1 if length else start},{length}"
