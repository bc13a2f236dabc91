"""How runs of jobs go: a test says the states, and each `runs/get` of a run moves on by one; the last one stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

States = Mapping[str, str]
"""By task, a life cycle state such as RUNNING, or a result such as SUCCESS."""

_CYCLES = ("PENDING", "QUEUED", "RUNNING", "BLOCKED", "WAITING_FOR_RETRY", "TERMINATING")
_WAITING = ("PENDING", "QUEUED", "BLOCKED")
_TASKS_IN_A_PAGE = 100
_STARTED = 4_000_000_000_000


@dataclass(slots=True)
class Course:
    """The states that a run goes through.

    Attributes:
        errors: By task, what `runs/get-output` says.
        after_repair: The states after each repair, in their order.
        repairs: The requests to repair it.
        started: When it began, in milliseconds since 1970.
        late_looks: So many looks after each repair see the run as it was before.
    """

    states: list[States]
    errors: dict[str, str] = field(default_factory=dict)
    after_repair: list[list[States]] = field(default_factory=list)
    repairs: list[Mapping[str, Any]] = field(default_factory=list)
    late_looks: int = 0
    started: int = _STARTED
    history: list[States] = field(default_factory=list)
    _still_old: int = 0

    def repaired(self, request: Mapping[str, Any]) -> int:
        """Takes a request to repair the run; returns the id of the repair."""
        self.repairs.append(request)
        self.history.append(self.states[-1])
        self.states = list(self.after_repair.pop(0))
        self._still_old = self.late_looks
        return len(self.repairs)

    def look(self, run_id: int, start: int, token: str) -> dict[str, Any]:
        """Describes the run as it is, from the task at `start` on; the next look is a state later."""
        attempts = self._attempts(moves=not start)
        now = attempts[-1]
        keys = [*now]
        tasks = [
            _task(key, run_id + at + 1 + 1000 * attempt, attempt, states[key])
            for attempt, states in enumerate(attempts)
            for at, key in enumerate(keys)
            if key in states
        ]
        body: dict[str, Any] = {
            "start_time": self.started,
            "state": described(_whole(now)),
            "tasks": tasks[start : start + _TASKS_IN_A_PAGE],
            "repair_history": [_history_item(number, states) for number, states in enumerate(attempts)],
        }
        body |= _end(body["state"])
        if len(tasks) > start + _TASKS_IN_A_PAGE:
            body["next_page_token"] = token
        return body

    def now(self) -> dict[str, Any]:
        """Describes the run as it is in a list; it does not move on."""
        state = described(_whole(self._attempts(moves=False)[-1]))
        return {"start_time": self.started, "state": state, **_end(state)}

    def _attempts(self, *, moves: bool) -> list[States]:
        if self._still_old:
            self._still_old -= moves
            return [*self.history]
        return [*self.history, self.states.pop(0) if len(self.states) > 1 and moves else self.states[0]]

    def task_of(self, run_id: int, task_run_id: int) -> str | None:
        """The key of a task by the id of its run."""
        keys, at = [*self.states[-1]], (task_run_id - run_id - 1) % 1000
        return keys[at] if 0 <= at < len(keys) else None


def described(state: str) -> dict[str, str]:
    """A `state` as the Jobs API has it."""
    if state in _CYCLES:
        return {"life_cycle_state": state, "state_message": ""}
    cycle = state if state in ("SKIPPED", "INTERNAL_ERROR") else "TERMINATED"
    return {
        "life_cycle_state": cycle,
        "result_state": "FAILED" if cycle != "TERMINATED" else state,
        "state_message": f"It ended: {state}.",
    }


def _task(key: str, run_id: int, attempt: int, state: str) -> dict[str, Any]:
    began = {} if state in _WAITING else {"start_time": _STARTED}
    task = {"task_key": key, "run_id": run_id, "attempt_number": attempt, "state": described(state), **began}
    return task if state in _CYCLES else {**task, "end_time": _STARTED + run_id % 1000}


def _end(state: Mapping[str, str]) -> dict[str, int]:
    is_over = state["life_cycle_state"] == "TERMINATED"
    return {"run_duration": 65_000, "end_time": _STARTED + 65_000} if is_over else {}


def _history_item(number: int, states: States) -> dict[str, Any]:
    state = described(_whole(states))
    item = {"type": "REPAIR", "id": number} if number else {"type": "ORIGINAL"}
    return {**item, **_end(state), "start_time": _STARTED, "state": state}


def _whole(states: States) -> str:
    going = [state for state in states.values() if state in _CYCLES]
    if going:
        return going[0] if len(going) == len(states) else "RUNNING"
    return "SUCCESS" if all(state in ("SUCCESS", "EXCLUDED") for state in states.values()) else "FAILED"
