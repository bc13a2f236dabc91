"""What presets and policies cost: a project with both against the same without, and against the same jobs written out.

`python -m bench.layers`. Four presets, which match by a glob of names, a tag, a column of the table's own and the kind
of a task, and five policies of five kinds that all jobs keep. Written out, the rows themselves say what the presets do.
Each step is a process of its own, imports included; the projects take turns, and the ratios are of processor time.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.estate import Row, rows, write_table
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
    """Measures the projects, those without presets and policies before the other; the best of each step."""
    made = [{**row, "layer": ("bronze", "silver")[number // 5 % 2]} for number, row in enumerate(rows(size))]
    written = [_written_out(row) for row in made]
    projects = {"plain": (_PLAIN, made), "written out": (_PLAIN, written), "layered": (_LAYERED, made)}
    first: dict[str, Figure] = {}
    again: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(_ROUNDS):
            for name, (project, table) in projects.items():
                # Nothing is deleted before the end, which would slow down what is created after it.
                at = Path(folder, f"{name}{turn}")
                at.mkdir()
                (at / "databricks.yml").write_text("bundle: {name: bench}\n", encoding="utf-8")
                (at / "job_meta.yml").write_text(project, encoding="utf-8")
                write_table(at / "control", table)
                arguments = ["--project", str(at), "generate"]
                _keep_best(first, name, measured_step(f"{name}: generate, nothing there", size, arguments, repeats=1))
                _keep_best(again, name, measured_step(f"{name}: generate, nothing changed", size, arguments))
    yield from (*first.values(), *again.values())


def _written_out(row: Row) -> Row:
    """Returns a row that says by itself what the presets of `_LAYERED` say."""
    task = json.loads(str(row["transformation_config"]))
    more = {"timeout_seconds": 3600} if row["layer"] == "bronze" else {}
    more |= {"min_retry_interval_millis": 60000} if "notebook_path" in task else {}
    changed = {"transformation_config": json.dumps({**more, **task})}
    if row["job_config"] is not None:
        job = json.loads(str(row["job_config"]))
        tags = {"cost_center": "4711"} if job["tags"]["team"][-1] in "1345" else {}
        job |= {"email_notifications": {"on_failure": ["data@example.com"]}, "tags": {**job["tags"], **tags}}
        changed["job_config"] = json.dumps(job)
    return {**row, **changed}


def _keep_best(best: dict[str, Figure], name: str, figure: Figure) -> None:
    if name not in best or figure.processor_seconds < best[name].processor_seconds:
        best[name] = figure


def show(figures: Iterable[Figure]) -> None:
    """Prints the figures as a table, each with the ratios of its processor time to the other projects'."""
    known: dict[str, dict[str, float]] = {}
    print("| | seconds | processor | against plain | against written out |\n|---|---|---|---|---|")
    for figure in figures:
        name, step = figure.what.split(": ", 1)
        known.setdefault(step, {})[name] = figure.processor_seconds
        bases = [known[step].get(each) for each in ("plain", "written out")]
        ratios = " | ".join(f"{figure.processor_seconds / base:.2f}" if base else "" for base in bases)
        print(f"| {figure.what} | {figure.seconds:.2f} | {figure.processor_seconds:.2f} | {ratios} |")


if __name__ == "__main__":
    show(run(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE))
