"""Databricks jobs from metadata: read, checked, rendered as bundle files.

Importing this package costs nothing: every heavy library is imported by the one module that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow_job_meta.job_orchestrator import JobOrchestrator
    from lakeflow_job_meta.metadata_manager import MetadataManager
    from lakeflow_job_meta.metadata_monitor import MetadataMonitor

__version__ = "0.1.0"
__all__ = ["JobOrchestrator", "MetadataManager", "MetadataMonitor", "__version__"]
_MODULES = {
    "JobOrchestrator": "job_orchestrator",
    "MetadataManager": "metadata_manager",
    "MetadataMonitor": "metadata_monitor",
}


def __getattr__(name: str) -> object:
    """Imports a public class when it is first asked for."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"lakeflow_job_meta.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
