"""What would end the process if the YAML reader let it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.slow import few


@pytest.mark.parametrize(
    "piece", few(["[", "- ", "a: ["], ["{", "? ", "&a ", "!!map {", "- - ", '"', "*a ", "[&a ", "? - "])
)
def test_a_hundred_thousand_of_anything_does_not_end_the_process(piece):
    code = (
        "import sys; from lakeflow_job_meta.text.yaml_reader import read_yaml\n"
        "text = sys.argv[1] * 100_000\n"
        "print(len(read_yaml(text).faults), len(read_yaml(text, with_positions=True).faults))"
    )
    done = subprocess.run([sys.executable, "-c", code, piece], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[0]) < 1000
