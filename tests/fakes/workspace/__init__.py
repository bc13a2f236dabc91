"""A fake Databricks workspace for tests: loopback HTTP that the real databricks-sdk talks to.

    with FakeWorkspace(tmp_path) as workspace:
        client = workspace.client()
        client.statement_execution.execute_statement("SELECT 1", workspace.warehouse_id)

Tables are Delta tables on disk (`root/tables`), volumes are folders (`root/volumes`); SQL is parsed and run,
not matched. What the fake does not know it refuses, and the test fails: it never guesses. To teach it another
API, add a module with a class that has `routes()` and name it in `fake.py`.
"""

from .clock import SleeplessClock
from .engine import SqlError
from .fake import FakeWorkspace
from .faults import Fault, FaultKind
from .jobs import Job, Jobs
from .server import LoggedRequest
from .statements import State
from .tree import Tree
from .warehouses import Warehouse

__all__ = [
    "FakeWorkspace",
    "Fault",
    "FaultKind",
    "Job",
    "Jobs",
    "LoggedRequest",
    "SleeplessClock",
    "SqlError",
    "State",
    "Tree",
    "Warehouse",
]
