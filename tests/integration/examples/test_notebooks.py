"""The notebooks that visitors copy first: every cell of them runs, in front of a fake workspace."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import MetadataManager
from support.project_folder import REPOSITORY, module
from support.slow import few

pytest_plugins = ["support.workspace_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file locks are those of POSIX")

CONTROL = "main.etl.etl_control"


class Widgets:
    """The widgets of a notebook whose job gives it parameters."""

    def __init__(self, **given: str) -> None:
        self._values = dict(given)

    def text(self, name: str, default: str) -> None:
        self._values.setdefault(name, default)

    def get(self, name: str) -> str:
        return self._values[name]


class Utilities:
    def __init__(self, **given: str) -> None:
        self.widgets = Widgets(**given)


@pytest.fixture
def run(workspace: FakeWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs an example notebook as a job would; the folder is empty, and the login is that of the environment."""
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", workspace.warehouse_id)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run_notebook(name: str, *, has_widgets: bool, **parameters: str) -> None:
        cells = json.loads((REPOSITORY / "examples" / name).read_text(encoding="utf-8"))["cells"]
        scope = {"dbutils": Utilities(**parameters)} if has_widgets else {}
        for code in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
            for parameter, value in () if has_widgets else parameters.items():
                code = re.sub(f'"{parameter}": "[^"]*"', f'"{parameter}": "{value}"', code)
            exec(code, scope)

    return run_notebook


@pytest.mark.parametrize("has_widgets", few([True], [False]))
def test_the_notebook_of_jobs_on_demand_creates_and_runs_the_jobs(has_widgets, run, workspace, tmp_path, capsys):
    metadata = tmp_path / "pipelines.yml"
    metadata.write_text(module("sales", notebook="/Workspace/sales"), encoding="utf-8")

    parameters = {"control_table": CONTROL, "yaml_path": str(metadata), "auto_run": "true"}
    run("orchestrator_example.ipynb", has_widgets=has_widgets, **parameters)

    assert workspace.jobs.names() == ["sales"]
    assert len(workspace.jobs.runs) == 1
    assert f"sales: job {workspace.jobs.by_name('sales').job_id}" in capsys.readouterr().out


@pytest.mark.parametrize("has_widgets", few([True], [False]))
def test_the_notebook_of_the_monitor_loads_the_volume_and_creates_the_jobs(has_widgets, run, workspace):
    volume = workspace.files.create_volume("main", "etl", "metadata")
    (volume / "pipelines.yml").write_text(module("sales", notebook="/Workspace/sales"), encoding="utf-8")

    run(
        "monitor_example.ipynb",
        has_widgets=has_widgets,
        control_table=CONTROL,
        volume_path="/Volumes/main/etl/metadata",
        check_interval_seconds="1",
        max_iterations="2",
    )

    assert workspace.jobs.names() == ["sales"]
    assert MetadataManager(CONTROL).get_all_modules() == ["sales"]
