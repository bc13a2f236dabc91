"""Rules about sources and what they wait for."""

from __future__ import annotations

from lakeflow_job_meta.diagnostics.model import Rule
from lakeflow_job_meta.diagnostics.rules.examples import example

_SECOND = (
    "      - source_id: {}\n        depends_on: [{}]\n        transformation_config: {{notebook_path: /Workspace/b}}\n"
)
DUPLICATE_SOURCE = Rule(
    "duplicate-source",
    is_fixed=True,
    meaning="Two sources of a module have the same source_id. The databricks CLI merges tasks of the same key in "
    "silence, so one would be lost.",
    remedy="Give one of them another source_id, or remove it.",
    wrong=example("notebook_path: /Workspace/a", more=_SECOND.format("orders", "")),
    right=example("notebook_path: /Workspace/a", more=_SECOND.format("report", "orders")),
)
TASK_KEY_COLLISION = Rule(
    "task-key-collision",
    is_fixed=True,
    meaning="Two different source_ids of a module become the same task key, since special characters become `_`.",
    remedy="Change one of the two source_ids so that their letters and digits differ.",
    wrong=example("notebook_path: /Workspace/a", more=_SECOND.format("orders!", "")),
    right=example("notebook_path: /Workspace/a", more=_SECOND.format("orders_2", "orders")),
)
UNKNOWN_DEPENDENCY = Rule(
    "unknown-dependency",
    meaning="depends_on names a source that the module does not have; Databricks would find out when the job runs.",
    remedy="Correct the name, or remove the dependency.",
    wrong=example("notebook_path: /Workspace/a", more=_SECOND.format("report", "order")),
    right=example("notebook_path: /Workspace/a", more=_SECOND.format("report", "orders")),
)
OUTCOME_WITHOUT_CONDITION = Rule(
    "outcome-without-condition",
    meaning="A dependency waits for an outcome, but the source that it names is no condition, or it is inactive: there "
    "will never be an outcome.",
    remedy="Leave out `outcome`, or make the other source a condition task.",
    wrong=example("notebook_path: /Workspace/a", more=_SECOND.format("report", "{source_id: orders, outcome: 'true'}")),
    right=example(
        "condition_task: {op: EQUAL_TO, left: a, right: b}",
        more=_SECOND.format("report", "{source_id: orders, outcome: 'true'}"),
    ),
)
DEPENDENCY_CYCLE = Rule(
    "dependency-cycle",
    meaning="Sources wait for each other in a circle, so none of them would ever start.",
    remedy="Remove one of the dependencies in the circle.",
    wrong=example("notebook_path: /Workspace/a", more=_SECOND.format("report", "report")),
    right=example("notebook_path: /Workspace/a", more=_SECOND.format("report", "orders")),
)
