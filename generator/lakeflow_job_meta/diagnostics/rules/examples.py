"""Small metadata files for the examples of rules."""

from __future__ import annotations


def example(task: str, job: str = "", *, more: str = "", module: str = "") -> str:
    """Returns a small metadata file, for the examples of rules.

    Args:
        task: Inside of the `transformation_config` of a source `orders`.
        job: Inside of the `job_config`.
        more: Further lines of the list of sources, indented by six.
        module: Further lines of the list of modules, indented by two.
    """
    job_config = f"    job_config: {{{job}}}\n" if job else ""
    return (
        f"modules:\n  - module_name: sales\n{job_config}    sources:\n      - source_id: orders\n"
        f"        execution_order: 1\n        transformation_config: {{{task}}}\n{more}{module}"
    )
