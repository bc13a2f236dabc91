"""Generated YAML with a comment behind each value: where in the metadata it was written. Pure."""

from __future__ import annotations

from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.text.markers import one_line
from lakeflow_job_meta.text.yaml_reader import read_yaml


def with_origins(text: str, job: Job) -> str:
    """Returns the text of a job's file in which each value has its place behind it; it says the same to a YAML parser.

    A value that is derived from others, such as what a task waits for, has the place of what it was derived from.
    """
    content = read_yaml(text, with_positions=True)
    lines = text.split("\n")
    for path, at in content.positions.items():
        found = job.of_file(path)
        if found is None or not found[1] or isinstance(value_at(content.value, path)[1], (dict, list)):
            continue
        # Text of several lines begins in the line of its key, and a comment may stand behind the sign there.
        number = (at.key or at.value).start.line - 1
        lines[number] = f"{lines[number]}  # {one_line(str(found[0].origin_of(found[1])))}"
    return "\n".join(lines)
