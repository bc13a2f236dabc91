"""What the jobs that check what they have written are made with: names that other rooms know them by."""

from __future__ import annotations

DQX_VERSION = "0.17.0"
"""Whose functions `schemas/dqx_checks.json` lists."""

NOTEBOOK = "ljm_quality.py"
"""The notebook that runs DQX, in the folder of generated rules."""

RULES_FOLDER = "quality"
PARAMETER = "ljm_"
"""What all parameters begin with: a parameter of the job wins over one of the same name of a task.

https://docs.databricks.com/jobs/job-parameters
"""

CHECKS_FILE = f"{PARAMETER}checks_file"
