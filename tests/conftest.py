"""What all tests share: a project in a folder of its own, and how hypothesis runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.examples import FEW, THOROUGH
from support.project_folder import ProjectFolder

# Modules that are no tests, and assert.
pytest.register_assert_rewrite(
    "fakes.databricks_cli.fixtures",
    *(f"support.{name}_contract" for name in ("control_table", "record_table")),
    *(f"support.monitor_{name}" for name in ("fixtures", "process")),
)

# Hundreds of processes would compile the package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tables of a few rows: more threads of delta-rs cost each process its start of them, and gain nothing.
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")

# Thousands of small files, each written, read and removed: memory takes a fraction of what a disk takes for them.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
    memory = os.statvfs(MEMORY)
    if memory.f_bavail * memory.f_frsize > 4 * 2**30 and not memory.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# A shell that starts the tests in the background ignores Ctrl-C for them, and for all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

for profile, count in (("fast", FEW), ("thorough", THOROUGH)):
    settings.register_profile(
        profile,
        deadline=None,
        max_examples=count,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
settings.load_profile("fast")

SLOW = Path(__file__).parent / "slow"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project")
