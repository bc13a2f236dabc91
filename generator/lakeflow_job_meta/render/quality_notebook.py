"""The notebook that checks rows with DQX, as it is generated once for the jobs of a bundle."""

from __future__ import annotations

from functools import cache

from lakeflow_job_meta._internal.fs import shipped
from lakeflow_job_meta.config.model import PROJECT_FILE
from lakeflow_job_meta.text.markers import JOB_MARKER


@cache
def quality_notebook() -> str:
    """Returns the text of the notebook: the shipped one, with our marker behind the line that makes it a notebook."""
    header, _, rest = shipped("bundle", "notebooks", "quality.py").read_text(encoding="utf-8").partition("\n")
    return f"{header}\n{JOB_MARKER.line(PROJECT_FILE)}\n{rest}"
