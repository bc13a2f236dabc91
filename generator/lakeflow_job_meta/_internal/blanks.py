"""Marks in place of texts, and what came of them, cut where they stand, so that other texts can be put there. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST = 100
"""Characters of a mark, and so of the longest text that is sure to do no more than it."""

MARK_BEGINS = "ljm_blank_"
SHORTEST = len(MARK_BEGINS) + 2
"""Characters of the mark of the first text."""

CHANGED_MARK = re.compile(r"ljm.?blank", re.IGNORECASE)
_MARK = re.compile(rf"{MARK_BEGINS}0*(\d+)x")


def mark(number: int, length: int = LONGEST) -> str:
    """Returns a text of letters, digits and underscores, which is a key as it stands."""
    return f"{MARK_BEGINS}{number:0{length - len(MARK_BEGINS) - 1}}x"


class Blanks(NamedTuple):
    """A text with something at each second place that gives way, and the number of the text to put there."""

    pieces: list[str]
    numbers: list[int]

    @classmethod
    def of(cls, marked: str) -> Blanks:
        pieces = _MARK.split(marked)
        return cls(pieces, [*map(int, pieces[1::2])])

    def filled(self, texts: list[str]) -> str:
        pieces = self.pieces.copy()
        pieces[1::2] = [texts[number] for number in self.numbers]
        return "".join(pieces)
