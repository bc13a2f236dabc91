"""Databricks jobs from metadata: read, checked, rendered as bundle files.

Importing this package costs nothing: every heavy library is imported by the one module that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow_job_meta.api.manager import MetadataManager
    from lakeflow_job_meta.api.monitor import MetadataMonitor
    from lakeflow_job_meta.api.orchestrator import JobOrchestrator

__version__ = "0.1.0"
__all__ = ["JobOrchestrator", "MetadataManager", "MetadataMonitor", "__version__"]
_MODULES = {
    "JobOrchestrator": "api.orchestrator",
    "MetadataManager": "api.manager",
    "MetadataMonitor": "api.monitor",
}


def __getattr__(name: str) -> object:
    """Imports a public class when it is first asked for."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"lakeflow_job_meta.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
