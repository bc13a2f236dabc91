"""A project whose catalogue has something of all that it can show, and what a page has in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.state.tracking import DeployedJob, record_jobs
from support.project_folder import ProjectFolder

PROJECT = """\
metadata: [{yaml: metadata}]
defaults: {task: {max_retries: 1}}
policies:
  - {policy: timeouts, require: timeout_seconds, severity: warning}
exemptions:
  - {policy: timeouts, modules: [orders], until: 2099-12-31}
  - {policy: timeouts, modules: [mart, "run_*"], until: 2098-12-31}
"""
HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u202e\u2028 &amp;"
"""A description that no page takes for anything but text."""

METADATA = f"""\
blueprints:
  - blueprint: copy
    parameters: {{name: {{type: text}}}}
    module:
      module_name: copy_${{param.name}}
      sources: [{{source_id: a, execution_order: 1, transformation_config: {{notebook_path: /Workspace/copy}}}}]
modules:
  - {{blueprint: copy, with: {{name: a}}}}
  - {{blueprint: copy, with: {{name: b}}}}
  - module_name: orders
    description: {json.dumps(HOSTILE)}
    job_config:
      tags: {{owner: ada, domain: sales}}
      schedule: {{quartz_cron_expression: "0 30 2 ? * MON-FRI", timezone_id: Europe/Berlin}}
    sources:
      - source_id: load
        execution_order: 1
        source_config: {{catalog: main, schema: landing, table: orders}}
        target_config: {{catalog: main, schema: silver, table: orders}}
        transformation_config:
          notebook_path: /Workspace/load
          max_retries: 3
        quality:
          checks: [{{name: has_id, check: {{function: is_not_null, arguments: {{column: id}}}}}}]
          quarantine: main.silver.orders_bad
      - source_id: is_new
        execution_order: 2
        transformation_config: {{condition_task: {{op: EQUAL_TO, left: a, right: b}}}}
      - source_id: tell
        depends_on: [{{source_id: is_new, outcome: "true"}}]
        transformation_config: {{sql_task: {{sql_query: SELECT 42 AS answer, warehouse_id: abc}}}}
      - source_id: unused
        is_active: false
        execution_order: 3
        transformation_config: {{notebook_path: /Workspace/unused}}
  - module_name: mart
    after: [orders]
    job_config: {{tags: {{owner: bob}}}}
    sources:
      - source_id: build
        execution_order: 1
        source_config: {{table: MAIN.silver.`orders`}}
        target_config: {{catalog: main, schema: gold, table: mart}}
        transformation_config: {{notebook_path: /Workspace/build}}
    targets: {{prod: {{job_config: {{timeout_seconds: 7200}}}}}}
  - module_name: run_all
    runs: [orders, mart]
  - module_name: hourly
    job_config: {{schedule: {{quartz_cron_expression: "0 5 * * * ?", timezone_id: UTC, pause_status: PAUSED}}}}
    sources:
      - {{source_id: a, execution_order: 1, transformation_config: {{notebook_path: /Workspace/a}}}}
"""


def catalogue_project(project: ProjectFolder) -> ProjectFolder:
    project.write("job_meta.yml", PROJECT)
    project.write("metadata/shop.yml", METADATA)
    return project


def record_job(project: ProjectFolder, target: str, name: str, url: str) -> None:
    """Records a job, as a deployment does."""
    loaded = load_project(project.path)
    store = open_state_store(loaded, state_folder(loaded, target), JOBS)
    record_jobs(store, [], target, [DeployedJob(name, "4711", name, url)], {name: name})


def data_of(page: Path) -> dict[str, Any]:
    """Returns the data in a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


class Facts:
    """The data of a page with its numbers resolved, as the page itself does it."""

    def __init__(self, page: Path) -> None:
        self.data = data_of(page)
        self.texts: list[str] = self.data["texts"]
        self.jobs: dict[str, dict[str, Any]] = {self.texts[job["name"]]: job for job in self.data["jobs"]}

    def place(self, number: int, job: str) -> str:
        if number % 2:
            return f"{self.place(self.jobs[job]['at'], job).partition(':')[0]}:{(-1 - number) // 2}"
        at, path = (-2 - number) // 2, ""
        line = self.data["places"][3 * at + 2]
        while at >= 0:
            at, text = self.data["places"][3 * at : 3 * at + 2]
            path = self.texts[text] + path
        return f"{path}:{line}" if line > 0 else path

    def settings(self, job: str, task: str | None = None) -> dict[str, tuple[str, str]]:
        """Returns each setting with its value and where it was written."""
        found, place = {}, 0
        for number in (self.jobs[job] if task is None else self.task(job, task)).get("set", []):
            if number < 0:
                place = number
                continue
            path, value = self.data["settings"][2 * number : 2 * number + 2]
            found[self.texts[path]] = (self.texts[value], self.place(place, job))
        return found

    def task(self, job: str, key: str) -> dict[str, Any]:
        tasks: list[dict[str, Any]] = self.jobs[job]["tasks"]
        return next(task for task in tasks if self.texts[task["key"]] == key)

    def of(self, facts: dict[str, Any], name: str) -> Any:
        """Returns a fact whose value is a text or a list of them."""
        value = facts.get(name)
        return (
            [self.texts[each] for each in value]
            if isinstance(value, list)
            else None
            if value is None
            else self.texts[value]
        )
