"""What presets and policies cost: a project with both against the same project without.

`python -m bench.layers`. Four presets, which match by a glob of names, a tag, a column of the table's own and the kind
of a task, and five policies of five kinds that all jobs keep. Each step is a process of its own, imports included; the
two projects take turns, and the ratio is of their processor time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.estate import rows, write_table
from bench.generate import Figure, measured_step

SIZE = 10_000
_ROUNDS = 3
_PLAIN = "metadata: [{delta: control}]\ndefaults: {warehouse_id: 0123456789abcdef}\n"
_LAYERED = (
    _PLAIN
    + """\
presets:
  - preset: all
    match: {module: "module_*"}
    job: {email_notifications: {on_failure: [data@example.com]}}
  - preset: sales
    match: {tag.team: [team_1, "team_[3-5]"]}
    job: {tags: {cost_center: "4711"}}
  - preset: bronze
    match: {column.layer: bronze}
    task: {timeout_seconds: 3600}
  - preset: notebooks
    match: {task_type: notebook}
    task: {min_retry_interval_millis: 60000}
policies:
  - {policy: has-team, require: tags.team, pattern: "team_[0-9]"}
  - policy: tells-failures
    where: {has: schedule}
    require_one: [email_notifications.on_failure, webhook_notifications.on_failure]
  - {policy: our-warehouses, allow: {"tasks[*].sql_task.warehouse_id": ["0123456789abcdef"]}}
  - {policy: no-clusters, deny: {"tasks[*].existing_cluster_id": ["*"]}}
  - {policy: short, where: {task_type: sql_file}, most: {"tasks[*].timeout_seconds": 14400}}
"""
)


def run(size: int = SIZE) -> Iterator[Figure]:
    """Measures both projects, the one without presets and policies before the other; the best of each step."""
    made = [{**row, "layer": ("bronze", "silver")[number // 5 % 2]} for number, row in enumerate(rows(size))]
    with tempfile.TemporaryDirectory() as folder:
        first: dict[str, Figure] = {}
        again: dict[str, Figure] = {}
        for turn in range(_ROUNDS):
            for name, project in (("plain", _PLAIN), ("layered", _LAYERED)):
                # Nothing is deleted before the end, which would slow down what is created after it.
                at = Path(folder, f"{name}{turn}")
                at.mkdir()
                (at / "databricks.yml").write_text("bundle: {name: bench}\n", encoding="utf-8")
                (at / "job_meta.yml").write_text(project, encoding="utf-8")
                write_table(at / "control", made)
                arguments = ["--project", str(at), "generate"]
                _keep_best(first, name, measured_step(f"{name}: generate, nothing there", size, arguments, repeats=1))
                _keep_best(again, name, measured_step(f"{name}: generate, nothing changed", size, arguments))
        yield from (*first.values(), *again.values())


def _keep_best(best: dict[str, Figure], name: str, figure: Figure) -> None:
    if name not in best or figure.processor_seconds < best[name].processor_seconds:
        best[name] = figure


def show(figures: Iterable[Figure]) -> None:
    """Prints the figures as a table, each with the ratio of its processor time to that without presets and policies."""
    plain: dict[str, Figure] = {}
    print("| | seconds | processor | against plain |\n|---|---|---|---|")
    for figure in figures:
        name, step = figure.what.split(": ", 1)
        base = plain.setdefault(step, figure)
        ratio = f"{figure.processor_seconds / base.processor_seconds:.2f}"
        print(f"| {name}: {step} | {figure.seconds:.2f} | {figure.processor_seconds:.2f} | {ratio} |")


if __name__ == "__main__":
    show(run(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE))
