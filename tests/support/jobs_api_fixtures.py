"""Projects that are deployed through the Jobs API; modules that use them name this in `pytest_plugins`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.workspace.client import Workspace
from support.jobs_api_site import Site
from support.project_folder import ProjectFolder


@pytest.fixture
def site(tmp_path: Path, workspace: FakeWorkspace, connection: Workspace) -> Site:
    return Site(ProjectFolder(tmp_path / "project"), workspace, connection)


@pytest.fixture
def two_jobs(site: Site) -> Site:
    """A site with two jobs in the workspace."""
    site.module("sales")
    site.module("stock")
    assert site.deploy() == []
    assert site.changes() == {"create": 2}
    return site
