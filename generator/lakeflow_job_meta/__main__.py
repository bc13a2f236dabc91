"""Lets `python -m lakeflow_job_meta` run the command line."""

from __future__ import annotations

import sys

from lakeflow_job_meta.cli.main import main
from lakeflow_job_meta.errors import LakeflowJobMetaError

try:
    main()
except LakeflowJobMetaError as error:  # run as a module by another program; it is told already
    sys.exit(error.exit_code)
