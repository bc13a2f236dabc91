"""Databricks jobs from metadata: read, checked, rendered as bundle files.

Importing this package costs nothing: every heavy library is imported by the one module that needs it.
"""

__version__ = "0.1.0"
