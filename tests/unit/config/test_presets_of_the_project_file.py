"""The presets of a project file are read once: what is wrong with one keeps nothing of the others from being said."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.config import presets
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.errors import ConfigError
from support.project_folder import ProjectFolder

SOURCE = "sources: [{source_id: s, execution_order: 1, transformation_config: {notebook_path: /Workspace/s}}]"


def test_the_sources_of_a_preset_are_compared_with_the_schema_once(project: ProjectFolder, monkeypatch):
    compared: list[object] = []
    real = presets.compare_module

    def compare(value, hints_at):
        compared.append(value)
        return real(value, hints_at)

    monkeypatch.setattr(presets, "compare_module", compare)
    project.write(
        "job_meta.yml", f"presets:\n  - {{preset: a, {SOURCE}}}\n  - {{preset: b, task: {{max_retries: 1}}}}\n"
    )

    found = load_project(project.path).presets

    assert [(each.name, [source.source_id for source in each.sources]) for each in found] == [("a", ["s"]), ("b", [])]
    assert len(compared) == len(found)


def test_every_preset_with_a_mistake_is_reported_and_the_others_of_the_file_too(project: ProjectFolder):
    wrong = SOURCE.replace("1", "first")
    project.write("job_meta.yml", f"output: ../x\npresets:\n  - {{preset: a, {wrong}}}\n  - {{preset: a, {wrong}}}\n")

    with pytest.raises(ConfigError) as error:
        load_project(project.path)

    found = [(each.location.line, each.message.split(":")[0][:40]) for each in error.value.diagnostics]
    assert [line for line, _ in found] == [1, 3, 4, 4]
    assert "the preset 'a' is there twice" in [message for _, message in found]
