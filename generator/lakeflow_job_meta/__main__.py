"""Lets `python -m lakeflow_job_meta` run the command line."""

from __future__ import annotations

from lakeflow_job_meta.cli.main import main

main()
