"""Databricks jobs from metadata: read, checked, rendered as bundle files, deployed behind a safety gate.

The names in `dir(lakeflow_job_meta)` are public; see docs/python.md. Importing this package costs nothing: every heavy
library is imported by the one module that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow_job_meta.api.functions import compile as compile
    from lakeflow_job_meta.api.functions import deploy as deploy
    from lakeflow_job_meta.api.functions import load_project as load_project
    from lakeflow_job_meta.api.functions import plan as plan
    from lakeflow_job_meta.api.functions import quality as quality
    from lakeflow_job_meta.api.functions import validate as validate
    from lakeflow_job_meta.api.manager import MetadataManager as MetadataManager
    from lakeflow_job_meta.api.monitor import MetadataMonitor as MetadataMonitor
    from lakeflow_job_meta.api.moving import import_bundle as import_bundle
    from lakeflow_job_meta.api.moving import import_jobs as import_jobs
    from lakeflow_job_meta.api.moving import import_jobs_meta as import_jobs_meta
    from lakeflow_job_meta.api.moving import pull as pull
    from lakeflow_job_meta.api.moving import unpause as unpause
    from lakeflow_job_meta.api.orchestrator import JobOrchestrator as JobOrchestrator
    from lakeflow_job_meta.api.results import PlanResult as PlanResult
    from lakeflow_job_meta.api.results import PullResult as PullResult
    from lakeflow_job_meta.api.results import ValidationResult as ValidationResult
    from lakeflow_job_meta.api.reviewing import approve as approve
    from lakeflow_job_meta.api.reviewing import blame as blame
    from lakeflow_job_meta.api.reviewing import write_catalogue as write_catalogue
    from lakeflow_job_meta.api.running import last_runs as last_runs
    from lakeflow_job_meta.api.running import repair_module as repair_module
    from lakeflow_job_meta.api.running import run_module as run_module
    from lakeflow_job_meta.compiler.result import Compilation as Compilation
    from lakeflow_job_meta.config.model import Project as Project
    from lakeflow_job_meta.deployment.backend import Unpaused as Unpaused
    from lakeflow_job_meta.deployment.result import DeployResult as DeployResult
    from lakeflow_job_meta.diagnostics.model import Diagnostic as Diagnostic
    from lakeflow_job_meta.diagnostics.model import Location as Location
    from lakeflow_job_meta.diagnostics.model import Severity as Severity
    from lakeflow_job_meta.errors import ConfigError as ConfigError
    from lakeflow_job_meta.errors import InvalidMetadata as InvalidMetadata
    from lakeflow_job_meta.errors import LakeflowJobMetaError as LakeflowJobMetaError
    from lakeflow_job_meta.errors import OperationFailed as OperationFailed
    from lakeflow_job_meta.errors import PolicyRefused as PolicyRefused
    from lakeflow_job_meta.errors import PolicyViolation as PolicyViolation
    from lakeflow_job_meta.importing.model import Import as Import
    from lakeflow_job_meta.layout.generated_file import GeneratedFile as GeneratedFile
    from lakeflow_job_meta.services.approval_plan import ApprovalPlan as ApprovalPlan
    from lakeflow_job_meta.services.blamed import Blame as Blame
    from lakeflow_job_meta.services.rollback import Rollback as Rollback
    from lakeflow_job_meta.services.run_states import ModuleRun as ModuleRun
    from lakeflow_job_meta.services.run_states import TaskRun as TaskRun
    from lakeflow_job_meta.state.check_result import CheckResult as CheckResult

__version__ = "0.1.0"
_MODULES = {
    "api.functions": ("compile", "deploy", "load_project", "plan", "quality", "validate"),
    "api.manager": ("MetadataManager",),
    "api.moving": ("import_bundle", "import_jobs", "import_jobs_meta", "pull", "unpause"),
    "api.monitor": ("MetadataMonitor",),
    "api.orchestrator": ("JobOrchestrator",),
    "api.results": ("PlanResult", "PullResult", "ValidationResult"),
    "api.reviewing": ("approve", "blame", "write_catalogue"),
    "api.running": ("last_runs", "repair_module", "run_module"),
    "compiler.result": ("Compilation",),
    "config.model": ("Project",),
    "deployment.backend": ("Unpaused",),
    "deployment.result": ("DeployResult",),
    "diagnostics.model": ("Diagnostic", "Location", "Severity"),
    "importing.model": ("Import",),
    "layout.generated_file": ("GeneratedFile",),
    "services.approval_plan": ("ApprovalPlan",),
    "services.blamed": ("Blame",),
    "services.rollback": ("Rollback",),
    "services.run_states": ("ModuleRun", "TaskRun"),
    "state.check_result": ("CheckResult",),
    "errors": (
        "ConfigError",
        "InvalidMetadata",
        "LakeflowJobMetaError",
        "OperationFailed",
        "PolicyRefused",
        "PolicyViolation",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
