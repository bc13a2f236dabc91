"""What all tests share: a project in a folder of its own, and how hypothesis runs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.project_folder import ProjectFolder

# Some modules import these fixtures before they name them as a plugin.
pytest.register_assert_rewrite("fakes.databricks_cli.fixtures", "support.monitor_fixtures")

# A shell that starts the tests in the background ignores Ctrl-C for them, and for all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "tests",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project")
