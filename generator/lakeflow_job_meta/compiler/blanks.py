"""Marks in place of the texts of a module, and what came of it, cut where they stand. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from lakeflow_job_meta.compiler.free_texts import LONGEST

MARK_BEGINS = "ljm_blank_"
CHANGED_MARK = re.compile(r"ljm.?blank", re.IGNORECASE)
_MARK = re.compile(rf"{MARK_BEGINS}0*(\d+)x")


def mark(number: int, length: int = LONGEST) -> str:
    """Returns a text that is plain, and a key as it stands."""
    return f"{MARK_BEGINS}{number:0{length - len(MARK_BEGINS) - 1}}x"


class Blanks(NamedTuple):
    """A text that was cut where marks stand, and the number of the one that stands at each cut."""

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
