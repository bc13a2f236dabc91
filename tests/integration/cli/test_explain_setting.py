"""Where a setting comes from: `ljm explain-setting` and `ljm show --origin` name the places that have to be edited."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from support.project_folder import ProjectFolder
from support.slow import one_in

JOB_META = """\
metadata:
  - yaml: metadata/
  - {csv: list.csv, blueprint: ingest}
defaults:
  job: {timeout_seconds: 101, tags: {a: of-defaults, b: of-defaults}, parameters: [{name: p, default: "1"}]}
  task: {max_retries: 102}
presets:
  - preset: all
    match: {module: "*"}
    job: {tags: {b: of-preset, c: of-preset}, parameters: [{name: q, default: "2"}]}
    task: {timeout_seconds: 103}
    sources:
      - source_id: notify
        execution_order: 9
        transformation_config: {notebook_path: /Workspace/notify}
  - preset: named
    job: {tags: {c: of-named}}
  - preset: for_prod
    match: {module: targeted, target: prod}
    job: {tags: {p: of-preset}}
"""
BLUEPRINT = """\
blueprints:
  - blueprint: ingest
    parameters: {table: {type: text}, retry: {type: number, default: 104}, more: {type: map, required: false}}
    module:
      module_name: ingest_${param.table}
      job_config: {tags: {d: of-blueprint}, parameters: [{name: r, default: "3"}]}
      sources:
        - source_id: load
          execution_order: 1
          transformation_config:
            notebook_path: /Workspace/load
            min_retry_interval_millis: 105
            max_retries: ${param.retry}
modules:
  - blueprint: ingest
    with: {table: hand, retry: 106}
    presets: [named]
    job_config: {tags: {d: of-use}, max_concurrent_runs: 107}
    sources:
      - {source_id: load, transformation_config: {min_retry_interval_millis: 108}}
"""
PLAIN = """\
modules:
  - module_name: plain
    description: of-module
    job_config: {tags: {a: of-module}, parameters: [{name: q, default: "4"}]}
    sources:
      - source_id: load
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/load, max_retries: 109}
"""
TARGETED = """\
modules:
  - module_name: targeted
    job_config: {tags: {t: of-module}, max_concurrent_runs: 111}
    sources:
      - source_id: load
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/load, max_retries: 112, base_parameters: {x: of-source}}
    targets:
      prod:
        job_config: {tags: {t: of-target}, parameters: [{name: q, default: "5"}]}
        sources: {load: {transformation_config: {max_retries: 113}}}
"""


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    """One in which every layer sets something."""
    folder = ProjectFolder(tmp_path / "project")
    folder.write("job_meta.yml", JOB_META)
    folder.write("metadata/blueprints.yml", BLUEPRINT)
    folder.write("metadata/plain.yml", PLAIN)
    folder.write("metadata/targeted.yml", TARGETED)
    folder.write("list.csv", "table,retry\nrow,110\n")
    return folder


def explained(project: ProjectFolder, *names: str) -> dict[str, Any]:
    done = project.ljm("explain-setting", *names, "--format", "json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


EACH_LAYER = [
    ("plain timeout_seconds", "defaults", 101),
    ("plain tags.b", "preset all", "of-preset"),
    ("plain tags.c", "preset all", "of-preset"),
    ("plain tags.a", "module", "of-module"),
    ("plain description", "module", "of-module"),
    ("plain load max_retries", "source", 109),
    ("plain load timeout_seconds", "preset all", 103),
    ("plain notify max_retries", "defaults", 102),
    ("plain notify notebook_task.notebook_path", "preset all", "/Workspace/notify"),
    ("ingest_hand tags.c", "preset named", "of-named"),
    ("ingest_hand tags.d", "module", "of-use"),
    ("ingest_hand max_concurrent_runs", "module", 107),
    ("ingest_hand load min_retry_interval_millis", "module", 108),
    ("ingest_hand load max_retries", "blueprint ingest", 106),
    ("ingest_row load max_retries", "blueprint ingest", 110),
    ("ingest_row load min_retry_interval_millis", "blueprint ingest", 105),
    ("ingest_row tags.d", "blueprint ingest", "of-blueprint"),
    ("ingest_row parameters[0].default", "defaults", "1"),
    ("ingest_row parameters[1].default", "preset all", "2"),
    ("ingest_row parameters[2].default", "blueprint ingest", "3"),
    ("plain parameters[1].default", "module", "4"),
    ("targeted tags.t -t prod", "module, target prod", "of-target"),
    ("targeted tags.t -t dev", "module", "of-module"),
    ("targeted tags.p -t prod", "preset for_prod", "of-preset"),
    ("targeted max_concurrent_runs -t prod", "module", 111),
    ("targeted load max_retries -t prod", "module, target prod", 113),
    ("targeted load max_retries -t dev", "source", 112),
    ("targeted load notebook_task.base_parameters.x -t prod", "source", "of-source"),
    ("targeted parameters[1].default -t prod", "module, target prod", "5"),
    ("targeted parameters[0].default -t prod", "defaults", "1"),
]


@pytest.mark.parametrize(("asked", "layer", "value"), one_in(3, EACH_LAYER), ids=[each[0] for each in EACH_LAYER])
def test_the_place_that_wins_is_the_one_to_edit(project, asked, layer, value):
    found = explained(project, *asked.split())
    first = found["layers"][0]

    assert (first["layer"], first["wins"], str(found["value"])) == (layer, True, str(value))

    lines = project.read(first["path"]).split("\n")
    line, start = lines[first["line"] - 1], first["column"] - 1
    text = str(value) if line[start] != '"' else json.dumps(value)
    assert line[start:].startswith(text)
    new = text.replace(str(value), "8" if isinstance(value, int) else "/Workspace/new")
    lines[first["line"] - 1] = line[:start] + new + line[start + len(text) :]
    project.write(first["path"], "\n".join(lines))

    assert str(explained(project, *asked.split())["value"]) == new.strip('"')


def test_every_layer_that_sets_a_value_is_listed_with_the_one_that_wins_first(project):
    done = project.ljm("explain-setting", "ingest_hand", "tags.d")

    assert done.stdout == (
        "tags.d of ingest_hand is of-use\n"
        "  of-use        module            metadata/blueprints.yml:18:28  wins\n"
        "  of-blueprint  blueprint ingest  metadata/blueprints.yml:6:30\n"
    )
    assert [each["layer"] for each in explained(project, "plain", "tags.a")["layers"]] == ["module", "defaults"]


def test_a_setting_that_is_derived_says_so(project):
    done = project.ljm("explain-setting", "plain", "notify", "depends_on")

    assert done.stdout == (
        'depends_on of task notify of plain is [{"task_key": "load"}]\n'
        "  it is derived from other settings, and written nowhere\n"
    )


@pytest.mark.parametrize(
    ("names", "exit_code", "message"),
    [
        (["plain", "max_concurrent_run"], 1, "max_concurrent_run of plain is not set"),
        (["plain", "timeout_second"], 1, "timeout_second of plain is not set; did you mean 'timeout_seconds'?"),
        (["plain", "tags.x"], 1, "tags.x of plain is not set; known: 'a', 'b', 'c'"),
        (["plain", "laod", "max_retries"], 2, "The job of 'plain' has no task 'laod'; did you mean 'load'?"),
        (["plian", "max_retries"], 2, "There is no module 'plian'; did you mean 'plain'?"),
        (["plain", "max_retries", "-t", "prdo"], 2, "databricks.yml has no target 'prdo'; did you mean 'prod'?"),
        (["plain", "a", "b", "c"], 2, "Name a module, a task where the setting is of one, and a setting."),
    ],
)
def test_what_is_not_there_is_told_with_the_closest(project, names, exit_code, message):
    done = project.ljm("explain-setting", *names)

    assert done.exit_code == exit_code
    assert message in done.stderr


def test_a_job_is_shown_with_the_place_of_each_value(project):
    done = project.ljm("show", "plain", "--origin")

    assert "      timeout_seconds: 101  # job_meta.yml:5:26" in done.stdout
    assert "          max_retries: 109  # metadata/plain.yml:8:78" in done.stdout
    assert '        b: "of-preset"  # job_meta.yml:10:21' in done.stdout
    assert yaml.safe_load(done.stdout) == yaml.safe_load(project.ljm("show", "plain").stdout)


def test_a_setting_that_differs_is_explained_for_the_default_target_unless_another_is_named(project):
    done = project.ljm("explain-setting", "targeted", "load", "max_retries", "-t", "prod")
    other = project.ljm("explain-setting", "targeted", "load", "max_retries")

    assert done.stdout == (
        "max_retries of task load of targeted in prod is 113\n"
        "  113  module, target prod  metadata/targeted.yml:11:63  wins\n"
        "  112  source               metadata/targeted.yml:7:78\n"
        "  102  defaults             job_meta.yml:6:23\n"
    )
    assert other.stdout.startswith("max_retries of task load of targeted in dev is 112\n")


def test_a_target_that_changes_nothing_is_no_obstacle(project):
    project.write("metadata/plain.yml", PLAIN.rstrip() + "\n    targets: {prod: {}}\n")

    done = project.ljm("explain-setting", "plain", "description")

    assert (done.exit_code, "of-module" in done.stdout) == (0, True), done.stderr


def test_a_job_is_shown_as_it_is_in_one_target_with_the_place_of_each_value(project):
    done = project.ljm("show", "targeted", "--target", "prod", "--origin")
    job = yaml.safe_load(done.stdout)["resources"]["jobs"]["targeted"]
    whole = yaml.safe_load(project.ljm("show", "targeted").stdout)

    assert "          max_retries: 113  # metadata/targeted.yml:11:63" in done.stdout
    assert '        p: "of-preset"  # job_meta.yml:20:21' in done.stdout
    assert whole["targets"]["prod"]["resources"]["jobs"]["targeted"] == job
    assert whole["targets"]["dev"]["resources"]["jobs"]["targeted"]["tasks"][0]["max_retries"] == 112
    assert "# metadata/targeted.yml:11:63" in project.ljm("show", "targeted", "--origin").stdout


def test_a_target_without_the_job_says_so(project):
    project.write("metadata/targeted.yml", TARGETED.replace("      prod:\n", "      dev: false\n      prod:\n"))

    done = project.ljm("show", "targeted", "-t", "dev")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "The module 'targeted' has no job in the target 'dev'." in done.stderr
