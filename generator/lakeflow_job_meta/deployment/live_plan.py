"""What a deployment of the generated files on disk would do in the workspace, by the databricks CLI. Writes nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

from lakeflow_job_meta._internal.parallel import run_in_threads
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.databricks_cli.client import CliFailure, DatabricksCli, explain
from lakeflow_job_meta.deployment.select_backend import cli_of_bundle
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.planning.model import BundlePlan, parse_plan


def plan_live(project: Project, cli: DatabricksCli, parallel: int) -> BundlePlan:
    """Plans a deployment of one bundle, or of all, `parallel` at a time.

    Raises:
        OperationFailed: The CLI failed.
    """
    layout, stop = layout_of(project), threading.Event()
    names = layout.bundles_in(layout.folder)
    calls = {name: partial(_plan_of, cli_of_bundle(replace(cli, stop=stop), project, name)) for name in names}
    plans, failed = run_in_threads(calls, parallel, expected=(OperationFailed,), stop=stop)
    if failed:
        raise OperationFailed("\n".join(f"{name}: {error}" if name else str(error) for name, error in failed.items()))
    resources = (resource for plan in plans.values() for resource in plan.resources)
    return BundlePlan(tuple(sorted(resources, key=lambda resource: resource.name)), None, None)


def _plan_of(cli: DatabricksCli) -> BundlePlan:
    try:
        return parse_plan(cli.bundle("plan", "-o", "json").stdout)
    except CliFailure as failure:
        raise OperationFailed(explain(failure)) from None
