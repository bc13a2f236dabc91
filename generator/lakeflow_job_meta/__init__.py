"""Databricks jobs from metadata: read, checked, rendered as bundle files.

Importing this package costs nothing: every heavy library is imported by the one module that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow_job_meta.metadata_manager import MetadataManager

__version__ = "0.1.0"
__all__ = ["MetadataManager", "__version__"]


def __getattr__(name: str) -> object:
    """Imports a public class when it is first asked for."""
    if name == "MetadataManager":
        from lakeflow_job_meta.metadata_manager import MetadataManager

        return MetadataManager
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
