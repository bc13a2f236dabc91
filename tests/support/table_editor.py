"""Edits a control table at random: inserts, changes, deactivates, breaks, repairs and deletes modules.

    python -m support.table_editor TABLE SEED SECONDS PAUSE_SECONDS

Each edit is one version of the table, after a pause of up to so many seconds. Prints how many edits it made.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.tables import row, write_table

MISTAKES = ("", '{"notebook_path": ', '{"notebok_path": "/Workspace/a"}', "[]")
"""Values of `transformation_config` that no task can be made of."""

Rows = list[dict[str, Any]]


class Table:
    """The rows of a table, by module."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._modules: dict[str, Rows] = {}
        self._edits = 0
        for _ in range(5):
            self.insert()

    def rows(self) -> Rows:
        found = [each for rows in self._modules.values() for each in rows]
        self._random.shuffle(found)
        return found

    def edit(self) -> None:
        """Makes one edit."""
        edits: list[Callable[[], None]] = [self.insert, *[self.change] * 4, self.deactivate]
        edits += [self.break_one, self.repair, self.repair, self.delete]
        self._random.choice(edits)()

    def insert(self) -> None:
        name = f"module_{self._random.randrange(12)}"
        sources = range(1, self._random.randint(2, 4))
        self._modules[name] = [row(f"s{number}", name, **self._sound(number)) for number in sources]

    def change(self) -> None:
        source = self._any_source()
        source.update(row(source["source_id"], source["module_name"], **self._sound(int(source["source_id"][1:]))))

    def deactivate(self) -> None:
        source = self._any_source()
        source["is_active"] = not source["is_active"]

    def break_one(self) -> None:
        source = self._any_source()
        if self._random.random() < 0.3:
            source["execution_order"] = None
        else:
            source["transformation_config"] = self._random.choice(MISTAKES)

    def repair(self) -> None:
        for rows in self._modules.values():
            for source in rows:
                if source["transformation_config"] in MISTAKES or source["execution_order"] is None:
                    source.update(self._row_like(source))
                    return

    def delete(self) -> None:
        if len(self._modules) > 2:
            del self._modules[self._random.choice(sorted(self._modules))]

    def _row_like(self, source: dict[str, Any]) -> dict[str, Any]:
        return row(source["source_id"], source["module_name"], **self._sound(int(source["source_id"][1:])))

    def _any_source(self) -> dict[str, Any]:
        return self._random.choice(self._modules[self._random.choice(sorted(self._modules))])

    def _sound(self, number: int) -> dict[str, Any]:
        self._edits += 1
        return {
            "execution_order": number,
            "transformation_config": {"notebook_path": f"/Workspace/{self._edits}"},
            "is_active": True,
        }


def main(folder: Path, seed: int, seconds: float, pause_seconds: float) -> None:
    table, pauses = Table(seed), random.Random(seed)
    end, edits = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        table.edit()
        write_table(folder, table.rows())
        edits += 1
        time.sleep(pauses.uniform(0, pause_seconds))
    print(edits)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
