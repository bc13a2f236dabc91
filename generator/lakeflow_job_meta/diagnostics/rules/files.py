"""Rules about files: the project file, templates, and files that jobs name."""

from __future__ import annotations

from lakeflow_job_meta.diagnostics.model import Rule
from lakeflow_job_meta.diagnostics.rules.examples import example

PROJECT_FILE_MISTAKE = Rule(
    "project-file",
    is_fixed=True,
    meaning="A mistake in job_meta.yml. Nothing is read or generated before it is mended, and the exit code is 2.",
    remedy="See `ljm schema project`, or docs/project-file.md, for what the file may hold.",
    wrong=example("notebook_path: /Workspace/a"),
    right=example("notebook_path: /Workspace/a"),
    files=(("job_meta.yml", "outputs: resources\n"),),
    files_when_right=(("job_meta.yml", "output: resources\n"),),
)


MISSING_FILE = Rule(
    "missing-file",
    meaning="A notebook, SQL file, Python file or requirements file is given by a path in the project, and there is no "
    "such file. Such paths are relative to the project folder, wherever the metadata is.",
    remedy="Correct the path. A file that is in the workspace already is named by its absolute path (/Workspace/...).",
    wrong=example("notebook_path: notebooks/ingst.py"),
    right=example("notebook_path: notebooks/ingest.py"),
    files=(("notebooks/ingest.py", "# Databricks notebook source\n"),),
)
NOT_A_NOTEBOOK = Rule(
    "not-a-notebook",
    meaning="A notebook_task names a source file without the first line by which Databricks knows a notebook, or a "
    "python script task names a notebook.",
    remedy="Begin the file with `# Databricks notebook source` (`--` in SQL, `//` in Scala), or use python_script.",
    wrong=example("notebook_path: notebooks/plain.py"),
    right=example("notebook_path: notebooks/ingest.py"),
    files=(("notebooks/plain.py", "print(1)\n"), ("notebooks/ingest.py", "# Databricks notebook source\n")),
)


TEMPLATE = Rule(
    "template",
    is_fixed=True,
    meaning="The job's template failed, or what it wrote differs from the job. Nothing is written for the job.",
    remedy="Correct the template named in job_meta.yml. Write values with the filters `yaml`, `yaml_key` and `comment` "
    "only, and do not leave out, change or add settings; docs/templates.md has an example.",
    wrong=example("notebook_path: /Workspace/a"),
    right=example("notebook_path: /Workspace/a"),
    files=(
        ("job_meta.yml", "templates: {job: mine.yml.j2}\n"),
        ("mine.yml.j2", "{{ marker }}\nresources:\n  jobs:\n    {{ job.key | yaml_key }}:\n      name: other\n"),
    ),
    files_when_right=(
        ("job_meta.yml", "templates: {job: mine.yml.j2}\n"),
        ("mine.yml.j2", '{% extends "lakeflow_job_meta/job.yml.j2" %}\n'),
    ),
)


FOREIGN_FILE = Rule(
    "foreign-file",
    is_fixed=True,
    meaning="A file that this tool did not write is where a generated file has to go. It is not touched.",
    remedy="Rename or remove that file, or rename the module.",
    wrong=example("notebook_path: /Workspace/a"),
    right=example("notebook_path: /Workspace/a"),
    files=(("resources/jobs/sales.yml", "# written by hand\n"),),
    files_when_right=(("resources/jobs/other.yml", "# written by hand\n"),),
)
