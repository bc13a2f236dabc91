"""Presets: settings of the project file that apply to many modules, and where each setting comes from then."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from lakeflow_job_meta.compiler.cache import cache
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.errors import ConfigError
from support.project_folder import ProjectFolder, compile_loaded
from support.tables import ALL_COLUMNS, TEXT, row, write_table

MODULE = """\
modules:
  - module_name: {name}
    {more}
    sources:
      - source_id: load
        execution_order: 1
        transformation_config: {{notebook_path: /Workspace/load}}
      - source_id: query
        execution_order: 2
        transformation_config: {{sql_task: {{warehouse_id: a, sql_query: SELECT 1}}}}
"""


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project")


def write_module(project: ProjectFolder, name: str, more: str = "description: d") -> None:
    project.write(f"metadata/{name}.yml", MODULE.format(name=name, more=more))


def presets(project: ProjectFolder, text: str, defaults: str = "") -> None:
    project.write("job_meta.yml", f"{defaults}presets:\n{text}")


def job_of(project: ProjectFolder, name: str) -> dict[str, Any]:
    compilation = compile_loaded(load_project(project.path))
    assert compilation.errors == []
    texts = {file.job_key: text for file, text in compilation.files.items() if file.path.endswith(".yml")}
    return yaml.safe_load(texts[name])["resources"]["jobs"][name]


def mistakes(project: ProjectFolder) -> list[str]:
    try:
        return [str(each) for each in compile_loaded(load_project(project.path)).diagnostics]
    except ConfigError as error:
        return [str(each) for each in error.diagnostics]


class TestWhatAPresetIsFor:
    @pytest.mark.parametrize(
        "match",
        [
            "{module: 'ingest_*'}",
            "{module: [other, ingest_orders]}",
            "{file: 'metadata/ingest_*.yml'}",
            "{file: metadata/}",
            "{tag.domain: sales}",
            "{tag.domain: [stock, 'sal*'], module: ingest_orders}",
        ],
    )
    def test_a_preset_applies_to_modules_that_it_matches(self, project, match):
        write_module(project, "ingest_orders", "job_config: {tags: {domain: sales}}")
        presets(project, f"  - preset: p\n    match: {match}\n    job: {{max_concurrent_runs: 4}}\n")

        assert job_of(project, "ingest_orders")["max_concurrent_runs"] == 4

    @pytest.mark.parametrize("match", ["{module: stock}", "{tag.domain: s}", "{tag.owner: sales}", "{file: other/}"])
    def test_a_preset_applies_to_no_other_module_and_says_so_where_there_is_none(self, project, match):
        write_module(project, "ingest_orders", "job_config: {tags: {domain: sales}}")
        presets(project, f"  - preset: p\n    match: {match}\n    job: {{max_concurrent_runs: 4}}\n")

        assert "max_concurrent_runs" not in job_of(project, "ingest_orders")
        assert mistakes(project) == [
            "job_meta.yml:2:13: warning: the preset 'p' matches no module, so what it sets is nowhere [unused-preset]"
        ]

    def test_a_tag_of_the_defaults_counts_as_one_of_the_module(self, project):
        write_module(project, "a")
        presets(
            project,
            "  - preset: p\n    match: {tag.domain: sales}\n    job: {max_concurrent_runs: 4}\n",
            "defaults: {job: {tags: {domain: sales}}}\n",
        )

        assert job_of(project, "a")["max_concurrent_runs"] == 4

    def test_a_preset_without_match_applies_where_a_module_names_it(self, project):
        write_module(project, "a", "presets: [big]")
        write_module(project, "b")
        presets(project, "  - preset: big\n    task: {timeout_seconds: 60}\n")

        assert [task["timeout_seconds"] for task in job_of(project, "a")["tasks"]] == [60, 60]
        assert all("timeout_seconds" not in task for task in job_of(project, "b")["tasks"])

    @pytest.mark.parametrize("kind", ["notebook", "notebook_task"])
    def test_a_preset_for_a_kind_of_task_reaches_tasks_of_that_kind(self, project, kind):
        write_module(project, "a")
        presets(project, f"  - preset: p\n    match: {{task_type: {kind}}}\n    task: {{timeout_seconds: 60}}\n")

        assert [task.get("timeout_seconds") for task in job_of(project, "a")["tasks"]] == [60, None]

    def test_a_column_of_a_control_table_chooses_whatever_its_case(self, project):
        write_table(
            project.path / "control",
            [row("load", "gold_orders", Layer="gold")],
            {**ALL_COLUMNS, "Layer": TEXT},
        )
        project.write(
            "job_meta.yml",
            "metadata: [{delta: control}]\npresets:\n  - preset: p\n    match: {column.layer: gold}\n"
            "    job: {max_concurrent_runs: 4}\n",
        )

        assert job_of(project, "gold_orders")["max_concurrent_runs"] == 4

    def test_a_column_and_the_blueprint_of_rows_choose(self, project):
        project.write("list.csv", "name,layer\norders,gold\nitems,bronze\n")
        project.write(
            "metadata/b.yml",
            "blueprints:\n  - blueprint: ingest\n    parameters: {name: {type: text}}\n    module:\n"
            "      module_name: ${param.name}\n      sources:\n        - source_id: load\n"
            "          execution_order: 1\n"
            "          transformation_config: {notebook_path: /Workspace/load}\n",
        )
        project.write(
            "job_meta.yml",
            "metadata: [{yaml: metadata/}, {csv: list.csv, blueprint: ingest}]\npresets:\n"
            "  - preset: gold\n    match: {column.LAYER: gold}\n    job: {max_concurrent_runs: 4}\n"
            "  - preset: all\n    match: {blueprint: ingest}\n    job: {timeout_seconds: 5}\n",
        )

        assert job_of(project, "orders")["max_concurrent_runs"] == 4
        assert "max_concurrent_runs" not in job_of(project, "items")
        assert job_of(project, "items")["timeout_seconds"] == 5


class TestTheOrderOfLayers:
    def test_a_later_layer_wins_from_the_defaults_to_the_module(self, project):
        write_module(project, "a", "presets: [named]\n    job_config: {timeout_seconds: 4}")
        presets(
            project,
            "  - preset: named\n    job: {timeout_seconds: 3, max_concurrent_runs: 3}\n"
            "  - preset: first\n    match: {module: a}\n    job: {timeout_seconds: 1, max_concurrent_runs: 1}\n"
            "  - preset: second\n    match: {module: a}\n    job: {max_concurrent_runs: 2, description: second}\n",
            "defaults: {job: {timeout_seconds: 0, max_concurrent_runs: 0, description: default}}\n",
        )

        job = job_of(project, "a")

        assert (job["timeout_seconds"], job["max_concurrent_runs"], job["description"]) == (4, 3, "second")

    def test_a_schedule_of_a_module_leaves_no_trigger_of_a_preset_beside_it(self, project):
        write_module(project, "a", "job_config: {schedule: {quartz_cron_expression: 0 0 2 * * ?, timezone_id: UTC}}")
        presets(project, "  - preset: p\n    match: {module: a}\n    job: {continuous: {pause_status: PAUSED}}\n")

        assert "continuous" not in job_of(project, "a")

    def test_compute_of_a_preset_takes_the_place_of_that_of_the_defaults(self, project):
        write_module(project, "a")
        presets(
            project,
            "  - preset: p\n    match: {module: a}\n    task: {existing_cluster_id: 0101-010101-abcdefgh}\n",
            "defaults: {task: {job_cluster_key: big}, job: {job_clusters: [{job_cluster_key: big, new_cluster: "
            "{spark_version: 15.4.x-scala2.12, node_type_id: m, num_workers: 2}}]}}\n",
        )

        assert job_of(project, "a")["tasks"][0]["existing_cluster_id"] == "0101-010101-abcdefgh"
        assert "job_cluster_key" not in job_of(project, "a")["tasks"][0]


class TestSourcesOfPresets:
    NOTIFY = (
        "  - preset: p\n    match: {module: '*'}\n    sources:\n      - source_id: notify\n        execution_order: 9\n"
        "        transformation_config: {notebook_path: /Workspace/notify}\n"
    )

    def test_a_source_of_a_preset_is_a_task_of_every_job_that_it_matches(self, project):
        write_module(project, "a")
        presets(project, self.NOTIFY)

        tasks = job_of(project, "a")["tasks"]

        assert [task["task_key"] for task in tasks] == ["load", "query", "notify"]
        assert tasks[2]["depends_on"] == [{"task_key": "query"}]

    def test_a_source_of_the_module_itself_is_its_own(self, project):
        write_module(project, "a")
        project.write("metadata/a.yml", project.read("metadata/a.yml").replace("source_id: query", "source_id: notify"))
        presets(project, self.NOTIFY)

        assert [task["task_key"] for task in job_of(project, "a")["tasks"]] == ["load", "notify"]

    def test_a_module_that_is_switched_off_gets_no_job_from_a_preset(self, project):
        write_module(project, "a")
        text = project.read("metadata/a.yml").replace(
            "execution_order: ", "is_active: false\n        execution_order: "
        )
        project.write("metadata/a.yml", text)
        presets(project, self.NOTIFY)

        assert compile_loaded(load_project(project.path)).files == {}

    def test_a_mistake_in_one_is_told_once_at_its_place(self, project):
        write_module(project, "a")
        write_module(project, "b")
        presets(project, self.NOTIFY.replace("/Workspace/notify", "notebooks/nothing.py"))

        assert [each.split(": error: ")[0] for each in mistakes(project)] == ["job_meta.yml:7:48"]


class TestWhereSettingsComeFrom:
    def test_a_mistake_in_a_preset_is_told_once_at_its_place(self, project):
        write_module(project, "a")
        write_module(project, "b")
        presets(
            project,
            "  - preset: p\n    match: {module: '*'}\n"
            "    job: {schedule: {quartz_cron_expression: 0 0 25 * * ?, timezone_id: UTC}}\n",
        )

        found = mistakes(project)

        assert len(found) == 1
        assert found[0].startswith("job_meta.yml:4:46: error: ")
        assert found[0].endswith("[bad-cron]")


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                "  - preset: p\n    match: {modle: a}\n    task: {max_retries: 1}\n",
                "job_meta.yml:3:13: error: unknown condition 'modle'; did you mean 'module'? [project-file]",
            ),
            (
                "  - preset: p\n    match: {tag: a}\n    task: {max_retries: 1}\n",
                "job_meta.yml:3:13: error: unknown condition 'tag'; write 'tag.NAME' [project-file]",
            ),
            (
                "  - preset: p\n    match: {module: {a: b}}\n    task: {max_retries: 1}\n",
                "job_meta.yml:3:21: error: 'module' is a text, or a list of texts of which one must fit [project-file]",
            ),
            (
                "  - preset: p\n    match: {module: a}\n",
                "job_meta.yml:2:5: error: the preset sets nothing; give it one of 'job', 'task' and 'sources' "
                "[project-file]",
            ),
            (
                "  - preset: p\n    match: {}\n    task: {max_retries: 1}\n",
                "job_meta.yml:3:5: error: 'match' is empty; say which modules, or leave it out for a preset that "
                "modules name [project-file]",
            ),
            (
                "  - preset: p\n    match: {task_type: sql}\n    job: {max_concurrent_runs: 1}\n",
                "job_meta.yml:3:13: error: a preset for a kind of task sets 'task' alone; put the rest into another "
                "preset [project-file]",
            ),
            (
                "  - preset: p\n    task: {max_retry: 1}\n    match: {module: a}\n",
                "job_meta.yml:3:12: error: unknown field 'max_retry' in 'task'; did you mean 'max_retries'? "
                "[project-file]",
            ),
            (
                "  - preset: p\n    match: {module: a}\n    sources: [{source_id: a, execution_order: x}]\n",
                "job_meta.yml:4:47: error: 'execution_order' must be a whole number, not the text 'x' [project-file]",
            ),
        ],
    )
    def test_a_mistake_in_a_preset_is_told_at_its_place(self, project, text, expected):
        write_module(project, "a")
        presets(project, text)

        assert expected in mistakes(project)

    def test_two_presets_of_one_name_are_a_mistake(self, project):
        write_module(project, "a")
        one = "  - preset: p\n    match: {module: a}\n    task: {max_retries: 1}\n"
        presets(project, one + one)

        assert mistakes(project) == ["job_meta.yml:5:13: error: the preset 'p' is there twice [project-file]"]

    def test_a_preset_that_is_not_there_is_told_with_the_closest(self, project):
        write_module(project, "a", "presets: [bgi]")
        presets(project, "  - preset: big\n    match: {module: a}\n    task: {max_retries: 1}\n")

        assert mistakes(project) == [
            "metadata/a.yml:3:15: error: there is no preset 'bgi'; did you mean 'big'? [unknown-preset]"
        ]


class TestWithTheCache:
    def test_a_preset_that_is_used_by_cached_modules_is_used(self, project, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        write_module(project, "a")
        presets(project, "  - preset: p\n    match: {module: a}\n    task: {max_retries: 1}\n")

        assert mistakes(project) == []
        assert mistakes(project) == []
        write_module(project, "b")
        assert mistakes(project) == []

    def test_an_edit_of_a_preset_reaches_cached_modules(self, project, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        write_module(project, "a")
        text = "  - preset: p\n    match: {module: a}\n    task: {max_retries: 1}\n"
        presets(project, text)
        assert job_of(project, "a")["tasks"][0]["max_retries"] == 1

        presets(project, text.replace("max_retries: 1", "max_retries: 2"))

        assert job_of(project, "a")["tasks"][0]["max_retries"] == 2
