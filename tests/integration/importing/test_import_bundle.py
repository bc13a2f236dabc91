"""`ljm import bundle`: hand-written jobs become modules, nothing is lost, and nothing is silent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakeflow_job_meta._internal.trees import diff
from lakeflow_job_meta.text.yaml_reader import read_yaml
from support.handwritten_bundle import FILES, KEYS, NOTEBOOK, PATTERNS, write_bundle
from support.project_folder import ProjectFolder, Result

JOB = """\
resources:
  jobs:
    nightly:
      name: nightly
      tasks:
        - task_key: a
          notebook_task: {notebook_path: /Workspace/a}
"""


def importing(project: ProjectFolder, *arguments: str) -> Result:
    """Imports from files of the project, which are named from its folder."""
    shown = [str(project.path / each) if each in PATTERNS or "/" in each else each for each in arguments]
    return project.ljm("import", "bundle", *shown)


def bundle_of(project: ProjectFolder, text: str, *arguments: str) -> Result:
    project.write("resources/hand.yml", text)
    return importing(project, "resources/hand.yml", *arguments)


def changed(text: str, before: str, after: str) -> str:
    assert before in text
    return text.replace(before, after)


class TestTwentyJobs:
    def test_all_are_imported_with_their_keys_and_names_and_leave_their_files(self, project):
        write_bundle(project)
        result = importing(project, *PATTERNS, "--replace")
        assert (result.exit_code, result.problems) == (0, [])
        assert result.stdout.count("metadata/imported/") == len(KEYS)
        assert project.ljm("generate").exit_code == 0
        jobs = {name: read_yaml(text).value for name, text in project.generated().items() if name.startswith("jobs/")}
        found = {key: job["name"] for each in jobs.values() for key, job in each["resources"]["jobs"].items()}
        assert sorted(found) == sorted(KEYS)
        assert found["nightly"] == "[${bundle.target}] nightly load"
        assert project.ljm("validate").exit_code == 0

    def test_emptied_files_go_but_one_that_is_included_by_name_stays_empty(self, project):
        write_bundle(project)
        importing(project, *PATTERNS, "--replace")
        assert sorted(name for name in project.everything() if name.startswith("resources/")) == [
            "resources/many.yml",
            "resources/single.job.yml",
        ]
        assert read_yaml(project.read("resources/single.job.yml")).value is None
        assert "Copyright of the team." in project.read("resources/single.job.yml")

    def test_every_comment_is_there_once(self, project):
        write_bundle(project)
        importing(project, *PATTERNS, "--replace")
        after = "\n".join(text.decode() for name, text in project.everything().items() if name.endswith(".yml"))
        comments = [
            line.split("# ", 1)[1]
            for name, text in FILES.items()
            if name.endswith(".yml")
            for line in text.splitlines()
            if "# " in line
        ]
        assert len(comments) > 12
        assert {comment: after.count(f"# {comment}") for comment in comments} == dict.fromkeys(comments, 1)

    def test_without_replace_the_old_files_stay_and_are_named(self, project):
        write_bundle(project)
        before = project.everything()
        result = importing(project, *PATTERNS)
        assert result.exit_code == 0
        assert {name: project.everything()[name] for name in before} == before
        assert "The jobs stand in databricks.yml, resources/deep/settings.yml" in result.stderr
        assert "--replace" in result.stderr

    def test_a_dry_run_writes_nothing_and_says_the_same(self, project):
        write_bundle(project)
        before = project.everything()
        dry = importing(project, *PATTERNS, "--replace", "--dry-run")
        assert project.everything() == before
        assert dry.stdout == importing(project, *PATTERNS, "--replace").stdout

    def test_what_is_said_of_one_target_stays_where_it_is(self, project):
        write_bundle(project)
        result = importing(project, *PATTERNS, "--replace")
        assert "databricks.yml: what it says of nightly for the target dev stays there" in result.stderr
        assert "max_concurrent_runs: 4" in project.read("databricks.yml")

    def test_the_same_import_goes_on_where_it_was_stopped(self, project):
        write_bundle(project)
        bundle_files = {name: text for name, text in project.everything().items() if name.endswith(".yml")}
        importing(project, *PATTERNS, "--replace")
        done = project.everything()
        for name, text in bundle_files.items():
            (project.path / name).parent.mkdir(exist_ok=True)
            (project.path / name).write_bytes(text)
        (project.path / "metadata/imported/wide.yml").unlink()
        assert importing(project, *PATTERNS, "--replace").exit_code == 0
        assert project.everything() == done


NAME, KEY = "      name: nightly\n", "- task_key: a\n"
BLOCK, TASKS = "notebook_task: {notebook_path: /Workspace/a}", JOB[JOB.index("      tasks:") :]
SCHEDULE = "      schedule: {quartz_cron_expression: x, timezone_id: UTC}\n"
NULL = "notebook_task: {notebook_path: /Workspace/a, base_parameters: {source_id: null}}"
DEPENDS = "- task_key: a\n          depends_on: "
REFUSED = [
    (TASKS, "      tasks: ${var.tasks}\n", "'tasks' is the reference '${var.tasks}': they have to be written out"),
    (TASKS, "", "it has no tasks"),
    (TASKS, "      tasks:\n        - ${var.task}\n", "task number 1 is the reference '${var.task}'"),
    ("- task_key: a\n          ", "- ", "task number 1 has no 'task_key'"),
    (BLOCK, "notebook_task: ${var.n}", "'notebook_task' of the task 'a' is the reference"),
    (KEY, f"{DEPENDS}${{var.d}}\n", "'depends_on' of the task 'a' is the reference"),
    (KEY, f"{DEPENDS}[b]\n", "holds 'b', and not the key of a task"),
    (KEY, f"{DEPENDS}[{{task_key: b}}]\n", "a: 'a' depends on 'b', which the module does not have"),
    (KEY, "- task_key: ${var.key}\n", "holds a reference"),
    (KEY, f"{KEY}          max_retry: 1\n", "unknown task setting 'max_retry'; did you mean 'max_retries'?"),
    ("nightly:\n", "night.ly:\n", "no module can keep its key"),
    (f"nightly:\n{NAME}", f"nightly: ${{var.job}}\n    x:\n{NAME}", "the job is the reference '${var.job}'"),
    ("/Workspace/a", "../src/gone.py", "there is no file 'src/gone.py' in the project"),
    (BLOCK, NULL, "the generated job would differ: tasks.a.notebook_task.base_parameters"),
    (NAME, f"{NAME}{SCHEDULE}", "'x'"),
]


@pytest.mark.parametrize(("before", "after", "reason"), REFUSED)
def test_what_cannot_be_a_module_is_refused_by_name_and_stays(project, before, after, reason):
    text = changed(JOB, before, after)
    result = bundle_of(project, text, "--replace")
    assert result.exit_code == 1
    assert "Refused: resources/hand.yml:" in result.stderr
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    # Where there are two jobs, the other one is imported.
    key = "x" if "    x:\n" in text else None
    assert (project.path / "metadata/imported").exists() == (key is not None)
    if key is None:
        assert project.read("resources/hand.yml") == text


KEYED = changed(JOB, "nightly:\n", "night__ly:\n")


class TestAKeyThatNoModuleCanHave:
    def test_becomes_another_one_that_says_what_it_was(self, project):
        result = bundle_of(project, KEYED, "--replace")
        assert result.exit_code == 0, result.stderr
        assert "resources/hand.yml:3: night__ly: no module can have this key, so it becomes night_ly" in result.stderr
        text = project.read("metadata/imported/night_ly.yml")
        assert "  - module_name: night_ly\n    formerly: resources.jobs.night__ly\n" in text
        assert not (project.path / "resources/hand.yml").exists()
        assert project.ljm("validate").exit_code == 0

    def test_gets_a_name_that_no_other_job_has(self, project):
        other = changed(JOB, "nightly:\n", "Night_ly:\n").removeprefix("resources:\n  jobs:\n")
        assert bundle_of(project, KEYED + other).exit_code == 0
        assert sorted(path.stem for path in (project.path / "metadata/imported").iterdir()) == [
            "Night_ly",
            "night_ly_2",
        ]

    def test_that_jobs_of_the_same_import_refer_to_is_changed_there_too(self, project):
        other = changed(
            changed(JOB, "nightly:\n", "other:\n"), BLOCK, 'run_job_task: {job_id: "${resources.jobs.night__ly.id}"}'
        )
        assert bundle_of(project, KEYED + other.removeprefix("resources:\n  jobs:\n"), "--replace").exit_code == 0
        assert "${resources.jobs.night_ly.id}" in project.read("metadata/imported/other.yml")

    @pytest.mark.parametrize(
        "more",
        [
            "targets:\n  dev:\n    resources: {jobs: {night__ly: {max_concurrent_runs: 3}}}\n",
            'resources: {pipelines: {p: {name: "${resources.jobs.night__ly.id}"}}}\n',
        ],
    )
    def test_that_is_named_elsewhere_is_refused(self, project, more):
        project.write(
            "databricks.yml", f"bundle: {{name: b}}\ninclude: [resources/*.yml, resources/jobs/*.yml]\n{more}"
        )
        result = bundle_of(project, KEYED, "--replace")
        assert result.exit_code == 1
        assert (
            "Refused: resources/hand.yml:3: night__ly: no module can keep its key, by which databricks.yml names it"
            in (result.stderr)
        )
        assert project.read("resources/hand.yml") == KEYED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("resources: ${var.all}\n", "'resources' is '${var.all}': the jobs have to be written out"),
        ("resources: {jobs: '${var.jobs}'}\n", "'jobs' is '${var.jobs}'"),
        ("resources: {jobs: {a: [}}\n", "resources/hand.yml:1:"),
        ("a: 1\na: 2\n", "given twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(project, text, reason):
    result = bundle_of(project, text)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert "0 modules written" in result.stderr


def test_a_job_that_cannot_be_taken_out_of_its_file_is_refused_with_replace_only(project):
    text = "resources: {jobs: {nightly: {name: n, tasks: [{task_key: a, notebook_task: {notebook_path: /a}}]}}}\n"
    result = bundle_of(project, text, "--replace")
    assert result.exit_code == 1
    assert "it cannot be taken out of resources/hand.yml" in result.stderr
    assert project.read("resources/hand.yml") == text
    assert bundle_of(project, text).exit_code == 0


def test_an_anchor_that_others_use_keeps_its_job_in_the_file(project):
    text = JOB.replace("nightly:\n", "nightly: &job\n") + "  pipelines:\n    p: {x: *job}\n"
    result = bundle_of(project, text, "--replace")
    assert result.exit_code == 1
    assert "repeat it by an anchor" in result.stderr
    assert project.read("resources/hand.yml") == text


def test_two_jobs_of_one_key_are_both_refused(project):
    project.write("resources/a.yml", JOB)
    project.write("resources/b.yml", JOB)
    result = importing(project, "resources/a.yml", "resources/b.yml")
    assert result.exit_code == 1
    assert result.stderr.count("there are several jobs of this key") == 2


def test_a_job_of_one_target_is_left_alone(project):
    text = "targets:\n  dev:\n" + "".join(f"    {line}\n" for line in JOB.splitlines())
    result = bundle_of(project, text, "--replace")
    assert result.exit_code == 0
    assert "Left alone: 1 job (nightly): is there for the target dev alone" in result.stderr
    assert project.read("resources/hand.yml") == text


def test_a_module_that_is_there_already_is_refused(project):
    project.write(
        "metadata/a.yml",
        """\
        modules:
          - module_name: nightly
            sources: [{source_id: b, execution_order: 1, transformation_config: {notebook_path: /b}}]
        """,
    )
    result = bundle_of(project, JOB)
    assert result.exit_code == 1
    assert "Refused: resources/hand.yml:3: nightly: " in result.stderr
    assert "metadata/a.yml" in result.stderr


def test_a_file_that_is_there_is_not_overwritten(project):
    project.write("metadata/imported/nightly.yml", "# mine\nmodules: []\n")
    result = bundle_of(project, JOB)
    assert result.exit_code == 1
    assert "'metadata/imported/nightly.yml' is there already and says something else" in result.stderr
    assert project.read("metadata/imported/nightly.yml") == "# mine\nmodules: []\n"


class TestWhatTheProjectChanges:
    def test_settings_from_defaults_are_listed_with_their_place(self, project):
        project.write("job_meta.yml", "defaults: {task: {max_retries: 2}, job: {max_concurrent_runs: 3}}\n")
        result = bundle_of(project, JOB)
        assert result.exit_code == 1
        assert "~ nightly: max_concurrent_runs: 3 (new)  (job_meta.yml:1:" in result.stderr
        assert "~ nightly: tasks.a.max_retries: 2 (new)  (job_meta.yml:1:" in result.stderr
        assert "1 module written, 0 refused." in result.stderr

    def test_a_preset_that_adds_a_task_is_a_difference(self, project):
        source = "{source_id: audit, execution_order: 9, transformation_config: {notebook_path: /audit}}"
        project.write("job_meta.yml", f"presets: [{{preset: p, match: {{module: '*'}}, sources: [{source}]}}]\n")
        result = bundle_of(project, JOB)
        assert result.exit_code == 1
        assert "~ nightly: tasks.audit: " in result.stderr

    def test_other_task_keys_than_the_jobs_are_refused(self, project):
        project.write("job_meta.yml", "naming: {task_key: underscores}\n")
        result = bundle_of(project, JOB.replace("task_key: a", "task_key: load-a"))
        assert result.exit_code == 1
        assert "the generated job would differ: tasks.load-a" in result.stderr

    def test_the_pattern_of_names_and_source_parameters_change_nothing(self, project):
        project.write("job_meta.yml", "naming: {job_name: 'x_{module_name}'}\ncontrol_table: a.b.c\n")
        assert bundle_of(project, JOB).exit_code == 0


class TestWhere:
    def test_modules_go_where_to_says(self, project):
        result = bundle_of(project, JOB, "--to", str(project.path / "metadata/team"))
        assert result.stdout == "metadata/team/nightly.yml  nightly  resources/hand.yml:3\n"

    @pytest.mark.parametrize("place", ["elsewhere", "../outside"])
    def test_a_folder_that_nothing_reads_is_refused(self, project, place):
        result = bundle_of(project, JOB, "--to", str(project.path / place))
        assert result.exit_code == 2
        assert "'metadata:' in job_meta.yml does not read" in result.stderr

    def test_a_project_whose_metadata_is_a_table_needs_a_folder(self, project):
        project.write("job_meta.yml", "metadata: [{delta: data/t}]\n")
        result = bundle_of(project, JOB)
        assert result.exit_code == 2
        assert "names no folder of YAML files" in result.stderr

    def test_replace_needs_the_generated_files_to_be_included(self, project):
        project.write(
            "databricks.yml", project.read("databricks.yml").replace("resources/jobs/*.yml", "resources/*.yml")
        )
        result = bundle_of(project, JOB, "--replace")
        assert result.exit_code == 2
        assert "does not include the generated files" in result.stderr

    def test_a_file_that_is_not_there_is_wrong_usage(self, project):
        result = importing(project, "resources/nowhere.yml")
        assert result.exit_code == 2
        assert "resources/nowhere.yml' cannot be read: No such file or directory." in result.stderr
        assert "The jobs of this bundle stand in 'databricks.yml'" in result.stderr
        assert "name files, folders or globs of these" in result.stderr

    def test_a_folder_without_files_of_a_bundle_is_wrong_usage_with_the_same_way_out(self, project):
        project.write("notes/a.txt", "")
        result = importing(project, str(project.path / "notes"))
        assert result.exit_code == 2
        assert "notes' names no file of a bundle, which are YAML or JSON. The jobs of this bundle" in result.stderr

    def test_a_project_of_many_bundles_says_how_its_jobs_come_in(self, project):
        project.write("job_meta.yml", "bundles: {jobs_per_bundle: 1}\n")
        result = bundle_of(project, JOB)
        assert result.exit_code == 2
        for way in ("Leave 'bundles:' out", "ljm bundles move", "bundle deployment unbind KEY", "ljm import jobs ID"):
            assert way in result.stderr

    def test_a_file_outside_the_project_is_none_of_its_files(self, project, tmp_path):
        outside = tmp_path / "outside.yml"
        outside.write_text(JOB)
        result = project.ljm("import", "bundle", str(outside))
        assert result.exit_code == 2
        assert "is outside the project" in result.stderr

    def test_generated_files_are_passed_over(self, project):
        bundle_of(project, JOB, "--replace")
        project.ljm("generate")
        result = importing(project, "resources")
        assert (result.exit_code, result.stdout) == (0, "")

    def test_a_json_file_is_read_too(self, project):
        job = {"name": "n", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "../src/a.py"}}]}
        project.write("src/a.py", NOTEBOOK)
        project.write("resources/x.json", json.dumps({"resources": {"jobs": {"from_json": job}}}))
        result = importing(project, "resources/x.json")
        assert result.exit_code == 0, result.stderr
        assert "notebook_path: src/a.py" in project.read("metadata/imported/from_json.yml")


def test_the_result_as_json(project):
    project.write("job_meta.yml", "defaults: {task: {max_retries: 2}}\n")
    result = bundle_of(project, JOB + "    bad: {name: bad, tasks: []}\n", "--format", "json")
    found = json.loads(result.stdout)
    assert found["modules"] == [
        {
            "module": "nightly",
            "file": "metadata/imported/nightly.yml",
            "from": "resources/hand.yml:3",
            "differences": ["tasks.a.max_retries: 2 (new)  (job_meta.yml:1:32)"],
        }
    ]
    assert [each["name"] for each in found["not_imported"]] == ["bad"]
    assert found["changed_files"] == []


def test_settings_that_databricks_sets_are_left_out_with_a_word(project):
    result = bundle_of(
        project, changed(JOB, "      name: nightly\n", "      name: nightly\n      format: MULTI_TASK\n")
    )
    assert result.exit_code == 0
    assert "nightly: left out, since Databricks sets it: 'format'" in result.stderr


def test_a_disk_that_refuses_is_told_in_a_sentence(project):
    project.write("metadata/imported", "a file in the place of the folder\n")
    result = bundle_of(project, JOB)
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert "metadata/imported" in result.stderr


def test_the_modules_say_exactly_what_the_jobs_said(project: ProjectFolder, tmp_path: Path):
    """The proof, once more and without the code that proves: as plain values, for jobs without paths."""
    text = JOB.replace("nightly:\n", "nightly:\n      tags: {a: b}\n      queue: {enabled: true}\n")
    bundle_of(project, text, "--replace")
    project.ljm("generate")
    before = read_yaml(text).value
    assert list(diff(before, read_yaml(project.generated()["jobs/nightly.yml"]).value)) == []


class TestSeveralBundles:
    @pytest.fixture
    def bundles(self, project):
        """Two bundles below one folder, each with a job of the same key."""
        (project.path / "databricks.yml").unlink(missing_ok=True)
        for name in ("a", "b"):
            include = "include: [resources/*.yml, resources/jobs/*.yml]"
            project.write(f"{name}/databricks.yml", f"bundle: {{name: {name}}}\n{include}\n")
            project.write(f"{name}/resources/hand.yml", JOB)
        return project

    @pytest.mark.parametrize("patterns", [("*/resources/*.yml",), ("a", "b"), ("a/resources/hand.yml", "b")])
    def test_become_a_project_each(self, bundles, patterns):
        result = bundles.inside("import", "bundle", "--replace", *patterns)
        assert result.exit_code == 0, result.stderr
        assert [line for line in result.stderr.splitlines() if line in ("a:", "b:")] == ["a:", "b:"]
        for name in ("a", "b"):
            assert "module_name: nightly" in bundles.read(f"{name}/metadata/imported/nightly.yml")
            assert not (bundles.path / name / "resources/hand.yml").exists()

    @pytest.mark.parametrize("option", [("--to", "metadata"), ("--format", "json")])
    def test_have_no_place_and_no_object_in_common(self, bundles, option):
        assert bundles.inside("import", "bundle", "a", "b", *option).exit_code == 2

    def test_are_not_imported_into_the_project_around_them(self, bundles):
        bundles.write("databricks.yml", "bundle: {name: around}\n")
        bundles.write("job_meta.yml", "metadata: [{yaml: metadata/}]\n")
        refused = bundles.inside("--project", ".", "import", "bundle", "a/resources/hand.yml")
        assert refused.exit_code == 2
        assert "is of another bundle than" in refused.stderr
        assert bundles.inside("import", "bundle", "a/resources/hand.yml").exit_code == 0
        assert (bundles.path / "a/metadata/imported/nightly.yml").exists()
