"""Policies: what every job must be after all layers, told at the place that set the value."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from lakeflow_job_meta.compiler.cache import cache
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError
from support.project_folder import ProjectFolder, compile_loaded
from support.tables import row, write_table

MODULE = """\
modules:
  - module_name: {name}
    job_config: {job}
    sources:
      - source_id: load
        execution_order: 1
        transformation_config: {task}
"""
NOTEBOOK = "{notebook_path: /Workspace/load}"


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project")


def write_module(project: ProjectFolder, job: str = "{}", task: str = NOTEBOOK, name: str = "a") -> None:
    project.write(f"metadata/{name}.yml", MODULE.format(name=name, job=job, task=task))


def write_policies(project: ProjectFolder, *policies: str, more: str = "") -> None:
    lines = "".join(f"  - {policy}\n" for policy in policies)
    project.write("job_meta.yml", f"policies:\n{lines}{more}")


def loaded(project: ProjectFolder, today: date = date(2026, 1, 31)) -> Project:
    return replace(load_project(project.path), today=today)


def found_in(project: ProjectFolder, **options: date) -> list[str]:
    try:
        return [str(each) for each in compile_loaded(loaded(project, **options)).diagnostics]
    except ConfigError as error:
        return [str(each) for each in error.diagnostics]


def is_kept(project: ProjectFolder, policy: str, job: str = "{}", task: str = NOTEBOOK) -> bool:
    write_module(project, job, task)
    write_policies(project, policy)
    return not any("[policy:p]" in each for each in found_in(project))


class TestWhatAPolicyWants:
    @pytest.mark.parametrize(
        ("job", "expected"),
        [
            ("{tags: {owner: data-team}}", []),
            (
                "{tags: {domain: sales}}",
                ["metadata/a.yml:2:18: error: 'tags.owner' is missing, but required (To be called.) [policy:p]"],
            ),
            (
                '{tags: {owner: " "}}',
                ["metadata/a.yml:3:32: error: 'tags.owner' is empty, but required (To be called.) [policy:p]"],
            ),
            (
                "{tags: {owner: Bob}}",
                [
                    "metadata/a.yml:3:32: error: 'tags.owner' is 'Bob', which is not like the required '[a-z.-]+' "
                    "(To be called.) [policy:p]"
                ],
            ),
            (
                "{tags: '${var.tags}'}",
                [
                    "metadata/a.yml:3:24: error: 'tags.owner' is not known, since '${var.tags}' stands in its place, "
                    "but required (To be called.) [policy:p]"
                ],
            ),
        ],
    )
    def test_a_setting_that_is_required_is_there_and_like_its_pattern(self, project, job, expected):
        write_module(project, job)
        write_policies(project, '{policy: p, require: tags.owner, pattern: "[a-z.-]+", why: To be called.}')

        assert [each for each in found_in(project) if "[policy:" in each] == expected

    @pytest.mark.parametrize(
        ("job", "is_good"),
        [
            ("{}", False),
            ("{email_notifications: {on_failure: []}}", False),
            ("{email_notifications: {on_failure: [a@example.com]}}", True),
            ("{webhook_notifications: {on_failure: [{id: x}]}}", True),
        ],
    )
    def test_one_of_some_settings_is_enough(self, project, job, is_good):
        policy = "{policy: p, require_one: [email_notifications.on_failure, webhook_notifications.on_failure]}"

        assert is_kept(project, policy, job) is is_good

    @pytest.mark.parametrize(
        ("task", "is_good"),
        [
            (NOTEBOOK, True),
            ("{sql_task: {warehouse_id: w, sql_query: SELECT 1}}", True),
            ("{pipeline_task: {pipeline_id: x}}", False),
            ("{for_each_task: {inputs: [a], task: {notebook_path: /Workspace/load}}}", True),
            ("{for_each_task: {inputs: [a], task: {pipeline_task: {pipeline_id: x}}}}", False),
        ],
    )
    def test_each_task_has_one_of_some_settings_itself(self, project, task, is_good):
        kinds = ", ".join(f"'tasks[*].{kind}'" for kind in ("notebook_task", "sql_task", "for_each_task"))

        assert is_kept(project, f"{{policy: p, require_one: [{kinds}]}}", task=task) is is_good

    @pytest.mark.parametrize(
        ("warehouse", "is_good"), [("${var.warehouse_id}", True), ("${var.other}", False), ("0123", False)]
    )
    def test_references_are_compared_as_text(self, project, warehouse, is_good):
        policy = '{policy: p, allow: {"tasks[*].sql_task.warehouse_id": ["${var.warehouse_id}"]}}'
        task = f'{{sql_task: {{warehouse_id: "{warehouse}", sql_query: SELECT 1}}}}'

        assert is_kept(project, policy, task=task) is is_good

    @pytest.mark.parametrize(
        ("path", "is_good"),
        [
            ("notebooks/load.py", True),
            ("./notebooks/deep/load.py", True),
            ("/Workspace/Shared/etl/load", True),
            ("/Workspace/Shared/etl/deep/load", True),
            ("other/load.py", False),
            ("notebooks/../other/load.py", False),
            ("../notebooks/load.py", False),
            ("/Workspace/Shared/etl", False),
            ("/Workspace/Shared/etl/../../Users/me/load", False),
            ("/Workspace/Shared/etlx/load", False),
            ("/Workspace/Shared/etl/${var.name}", False),
            ("/Workspace/Shared/etl/{{job.parameters.name}}", False),
            ("${var.folder}/notebooks/load", False),
        ],
    )
    def test_a_path_is_compared_as_it_is_written_and_cannot_leave_the_folder(self, project, path, is_good):
        policy = (
            '{policy: p, allow: {"tasks[*].notebook_task.notebook_path": ["notebooks/**", "/Workspace/Shared/etl/**"]}}'
        )

        assert is_kept(project, policy, task=f'{{notebook_path: "{path}"}}') is is_good
        repeated = f'{{for_each_task: {{inputs: [a], task: {{notebook_path: "{path}"}}}}}}'
        assert is_kept(project, policy, task=repeated) is is_good

    def test_a_path_in_the_repository_that_a_job_names_is_no_path_of_the_project(self, project):
        job = "{git_source: {git_url: https://example.com/x, git_provider: gitHub, git_branch: main}}"
        policy = '{{policy: p, allow: {{"tasks[*].notebook_task.notebook_path": ["{0}"]}}}}'

        assert not is_kept(project, policy.format("notebooks/**"), job, "{notebook_path: notebooks/load}")
        assert is_kept(project, policy.format("git:notebooks/**"), job, "{notebook_path: notebooks/load}")

    @pytest.mark.parametrize(("owner", "is_good"), [("ann", True), ("test-ann", False), ("${var.test-x}", True)])
    def test_a_value_that_is_denied_breaks_the_policy(self, project, owner, is_good):
        assert (
            is_kept(project, "{policy: p, deny: {tags.owner: ['test*']}}", f"{{tags: {{owner: {owner!r}}}}}") is is_good
        )

    @pytest.mark.parametrize(
        ("policy", "seconds", "is_good"),
        [
            ("most", "100", True),
            ("most", "101", False),
            ("least", "100", True),
            ("least", "99", False),
            ("most", "'${var.seconds}'", False),
            ("most", "null", True),
        ],
    )
    def test_a_number_stays_in_its_limits_and_must_be_known(self, project, policy, seconds, is_good):
        job = f"{{timeout_seconds: {seconds}}}"

        assert is_kept(project, f"{{policy: p, {policy}: {{timeout_seconds: 100}}}}", job) is is_good

    def test_a_warning_does_not_keep_a_job_from_being_generated(self, project):
        write_module(project, "{timeout_seconds: 20000}")
        write_policies(project, "{policy: short, most: {timeout_seconds: 14400}, severity: warning}")

        compilation = compile_loaded(loaded(project))

        assert [str(each) for each in compilation.diagnostics] == [
            "metadata/a.yml:3:35: warning: 'timeout_seconds' is 20000, but must be at most 14400 [policy:short]"
        ]
        assert compilation.broken == ()
        assert list(compilation.jobs.names) == ["a"]

    def test_a_secret_is_not_printed(self, project):
        write_module(project, task="{notebook_path: /Workspace/a, base_parameters: {password: hunter22}}")
        write_policies(
            project, '{policy: p, allow: {"tasks[*].notebook_task.base_parameters.password": ["{{secrets/*"]}}'
        )

        found = found_in(project)

        assert ["[policy:p]" in each for each in found].count(True) == 1
        assert "hunter22" not in "".join(found)


class TestWhereAViolationIsTold:
    def test_what_a_preset_sets_is_told_once_at_the_preset(self, project):
        write_module(project, name="a")
        write_module(project, name="b")
        write_policies(
            project,
            "{policy: p, most: {timeout_seconds: 10}}",
            more='presets:\n  - {preset: slow, match: {module: "*"}, job: {timeout_seconds: 20}}\n',
        )

        assert found_in(project) == [
            "job_meta.yml:4:65: error: 'timeout_seconds' is 20, but must be at most 10 [policy:p]"
        ]

    def test_what_a_row_sets_is_told_at_its_cell(self, project):
        job = json.dumps({"timeout_seconds": 20})
        write_table(project.path / "control", [row("load", "stock", job_config=job)])
        write_policies(project, "{policy: p, most: {timeout_seconds: 10}}", more="metadata: [{delta: control}]\n")

        (found,) = found_in(project)

        assert found.startswith("control[module_name=stock")
        assert ".job_config" in found.split(": error: ")[0]

    def test_what_a_row_gives_a_blueprint_is_told_at_the_row(self, project):
        project.write("list.csv", "name,seconds\norders,20\nitems,5\n")
        project.write(
            "metadata/b.yml",
            "blueprints:\n  - blueprint: ingest\n    parameters: {name: {type: text}, seconds: {type: number}}\n"
            "    module:\n      module_name: ${param.name}\n      job_config: {timeout_seconds: '${param.seconds}'}\n"
            "      sources:\n        - source_id: load\n          execution_order: 1\n"
            "          transformation_config: {notebook_path: /Workspace/load}\n",
        )
        write_policies(
            project,
            "{policy: p, most: {timeout_seconds: 10}}",
            more="metadata: [{yaml: metadata/}, {csv: list.csv, blueprint: ingest}]\n",
        )

        (found,) = found_in(project)

        assert found.startswith("list.csv:2:8: error: 'timeout_seconds' is 20, but must be at most 10")

    def test_a_setting_that_a_task_lacks_is_told_at_its_source(self, project):
        write_module(project)
        write_policies(project, '{policy: p, require: "tasks[*].timeout_seconds"}')

        assert found_in(project) == [
            "metadata/a.yml:5:20: error: 'tasks[*].timeout_seconds' is missing, but required [policy:p]"
        ]


class TestWhichJobsAPolicyIsFor:
    @pytest.mark.parametrize(
        ("where", "is_for"),
        [
            ("{module: 'a*'}", True),
            ("{module: b}", False),
            ("{file: metadata/}", True),
            ("{tag.domain: sales}", True),
            ("{tag.domain: stock}", False),
            ("{has: schedule}", True),
            ("{has: continuous}", False),
            ("{has: 'tasks[*].notebook_task'}", True),
            ("{has: [continuous, schedule]}", True),
            ("{task_type: notebook}", True),
            ("{task_type: sql}", False),
            ("{target: prod}", True),
            ("{target: 'p*', module: a}", True),
            ("{target: dev}", False),
            ("{blueprint: '*'}", False),
        ],
    )
    def test_all_its_conditions_hold(self, project, where, is_for):
        job = "{tags: {domain: sales}, schedule: {quartz_cron_expression: 0 0 2 * * ?, timezone_id: UTC}}"
        text = MODULE.format(name="a", job=job, task=NOTEBOOK)
        project.write("metadata/a.yml", text.replace("    sources:", "    targets: [prod]\n    sources:"))
        write_policies(project, f"{{policy: p, where: {where}, require: description}}")

        codes = [each.code for each in compile_loaded(loaded(project)).diagnostics]

        assert codes == (["policy:p"] if is_for else ["unused-policy"])

    def test_a_job_of_all_targets_is_in_each(self, project):
        write_module(project)
        write_policies(project, "{policy: p, where: {target: dev}, require: description}")

        assert "[policy:p]" in found_in(project)[0]

    def test_tags_of_a_preset_count_as_those_of_the_job(self, project):
        write_module(project)
        write_policies(
            project,
            "{policy: p, where: {tag.domain: sales}, require: description}",
            more='presets:\n  - {preset: s, match: {module: "*"}, job: {tags: {domain: sales}}}\n',
        )

        assert "[policy:p]" in found_in(project)[0]

    def test_tasks_of_another_kind_are_left_out(self, project):
        write_module(project, task="{sql_task: {warehouse_id: w, sql_query: SELECT 1}}")
        write_policies(project, '{policy: p, where: {task_type: sql}, require: "tasks[*].timeout_seconds"}')

        assert "[policy:p]" in found_in(project)[0]


class TestNothingElseSilencesAPolicy:
    def test_a_comment_does_not(self, project):
        write_module(project, "{timeout_seconds: 20}  # ljm: ignore[policy:p, policy]")
        write_policies(project, "{policy: p, most: {timeout_seconds: 10}}")

        assert [each.rpartition(" ")[2] for each in found_in(project)] == ["[policy:p]"]

    @pytest.mark.parametrize("code", ["policy", "policy:p"])
    def test_a_check_of_the_project_file_cannot(self, project, code):
        write_module(project)
        write_policies(project, "{policy: p, require: description}", more=f'checks: {{"{code}": "off"}}\n')

        assert found_in(project) == [
            "job_meta.yml:3:10: error: no check silences a policy; give it `severity: warning`, or some modules an "
            "exemption [project-file]"
        ]

    def test_a_warning_at_the_same_place_does_not_take_its_place(self, project):
        write_module(project, task="{sql_task: {warehouse_id: your-warehouse-id, sql_query: SELECT 1}}")
        write_policies(project, '{policy: p, allow: {"tasks[*].sql_task.warehouse_id": [abc]}}')

        assert {each.rpartition(" ")[2] for each in found_in(project)} == {"[placeholder]", "[policy:p]"}


class TestExemptions:
    POLICY = "{policy: p, require: description}"

    def exempt(self, project: ProjectFolder, modules: str = "['a*']", until: str = "2026-01-31") -> None:
        write_policies(
            project, self.POLICY, more=f"exemptions:\n  - {{policy: p, modules: {modules}, until: {until}}}\n"
        )

    def test_an_exempt_module_need_not_keep_the_policy_up_to_the_last_day(self, project):
        write_module(project)
        self.exempt(project)

        assert found_in(project, today=date(2026, 1, 31)) == []

    def test_from_the_day_after_it_is_an_error_and_exempts_nothing(self, project):
        write_module(project)
        self.exempt(project)

        assert found_in(project, today=date(2026, 2, 1)) == [
            "job_meta.yml:4:41: error: the exemption from the policy 'p' has ended on 2026-01-31; change the jobs and "
            "delete it, or agree on another day [expired-exemption]",
            "metadata/a.yml:2:18: error: 'description' is missing, but required [policy:p]",
        ]

    def test_another_module_is_not_exempt(self, project):
        write_module(project)
        write_module(project, name="b")
        self.exempt(project)

        assert [each.split(":")[0] for each in found_in(project)] == ["metadata/b.yml"]

    def test_a_module_that_is_not_there_is_a_warning(self, project):
        write_module(project, name="orders")
        self.exempt(project, "[orders, ordesr]")

        assert found_in(project) == [
            "job_meta.yml:4:35: warning: no module is named like 'ordesr'; did you mean 'orders'? [unused-exemption]"
        ]

    def test_results_in_the_cache_are_judged_again_when_the_day_has_come(self, project, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        write_module(project)
        self.exempt(project)
        assert found_in(project) == []
        before = (project.path / ".lakeflow-job-meta/cache/results").read_bytes()

        assert found_in(project, today=date(2026, 1, 30)) == []
        assert (project.path / ".lakeflow-job-meta/cache/results").read_bytes() == before
        assert len(found_in(project, today=date(2026, 2, 1))) == 2


class TestAFileOfPolicies:
    FILE = (
        "policies:\n  - {policy: p, require: description}\n"
        "exemptions:\n  - {policy: p, modules: [b], until: 2026-12-31}\n"
    )

    def test_its_policies_and_exemptions_are_those_of_the_project(self, project):
        write_module(project)
        write_module(project, name="b")
        project.write("job_meta.yml", "policies: rules/policies.yml\n")
        project.write("rules/policies.yml", self.FILE)

        assert found_in(project) == ["metadata/a.yml:2:18: error: 'description' is missing, but required [policy:p]"]

    def test_an_edit_of_it_reaches_cached_results(self, project, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        write_module(project, name="b")
        project.write("job_meta.yml", "policies: policies.yml\n")
        project.write("policies.yml", self.FILE)
        assert found_in(project) == []

        project.write("policies.yml", self.FILE.replace("[b]", "[c]"))

        assert any("[policy:p]" in each for each in found_in(project))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("policies: []\n", "policies.yml:1:1: error: a file of policies has the list 'policies', and may have"),
            ("policies: other.yml\n", "policies.yml:1:1: error: a file of policies has the list 'policies', and may"),
            (
                "policies: [{policy: p, require: description}]\ndefaults: {}\n",
                "policies.yml:2:1: error: a file of policies has no 'defaults'; only 'policies', 'exemptions'",
            ),
            ("policies: [{policy: p, requir: x}]\n", "policies.yml:1:24: error: unknown field 'requir'"),
            ("policies: [\n", "policies.yml:2:1: error: "),
        ],
    )
    def test_a_mistake_in_it_is_told_at_its_place(self, project, text, expected):
        project.write("job_meta.yml", "policies: policies.yml\n")
        project.write("policies.yml", text)

        assert any(each.startswith(expected) for each in found_in(project)), found_in(project)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("policies: nothing.yml\n", "job_meta.yml:1:11: error: there is no file 'nothing.yml' in the project"),
            (
                "policies: ../policies.yml\n",
                "job_meta.yml:1:11: error: there is no file '../policies.yml' in the project",
            ),
            ("policies: policies.txt\n", "job_meta.yml:1:11: error: a file of policies is YAML"),
            (
                "policies: policies.yml\nexemptions: [{policy: p, modules: [a], until: 2026-01-01}]\n",
                "job_meta.yml:2:1: error: exemptions stand beside their policies, in 'policies.yml'",
            ),
        ],
    )
    def test_a_name_that_is_wrong_is_told_in_the_project_file(self, project, text, expected):
        project.write("job_meta.yml", text)

        assert found_in(project)[0].startswith(expected)


class TestMistakes:
    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("{policy: p}", "2:6: error: a policy has exactly one of 'require', 'require_one', 'allow'"),
            ("{policy: p, require: a, most: {b: 1}}", "2:29: error: a policy has exactly one of"),
            ("{policy: p, require: tgas.owner}", "2:26: error: a job has no setting 'tgas'; did you mean 'tags'?"),
            (
                "{policy: p, require: 'tasks[*].notebok_task'}",
                "2:26: error: 'tasks' has no setting 'notebok_task'; did you mean 'notebook_task'?",
            ),
            ("{policy: p, require: tasks.notebook_task}", "2:26: error: 'tasks' is a list; in 'tasks.notebook_task'"),
            ("{policy: p, require: 'schedule[*]'}", "2:26: error: 'schedule' is no list, so that 'schedule[*]'"),
            ("{policy: p, require: 'tasks[0].x'}", "2:26: error: 'tasks[0].x' is no path of a setting; write it like"),
            ("{policy: p, allow: {timeout_secnds: [1]}}", "2:25: error: a job has no setting 'timeout_secnds'"),
            (
                "{policy: p, allow: {email_notifications.on_failure: [a]}}",
                "2:25: error: 'email_notifications.on_failure' is a list; write 'email_",
            ),
            ("{policy: p, allow: {schedule: [a]}}", "2:25: error: 'schedule' is a map; name a setting inside of it"),
            ("{policy: p, most: {name: 1}}", "2:24: error: 'name' is no number"),
            ("{policy: p, allow: {name: []}}", "2:25: error: no value is named for 'name'; write at least one"),
            ("{policy: p, allow: {}}", "2:17: error: 'allow' is empty; name the settings that it is about"),
            ("{policy: p, require: name, pattern: '[a'}", "2:41: error: '[a' is no regular expression: unterminated"),
            ("{policy: p, deny: {name: [a]}, pattern: a}", "2:36: error: 'pattern' belongs to 'require', and not to"),
            ("{policy: p, require: name, where: {}}", "2:32: error: 'where' is empty; say which jobs"),
            ("{policy: p, require: name, where: {modle: a}}", "2:40: error: unknown condition 'modle'; did you mean"),
            (
                "{policy: p, require: name, where: {has: schedul}}",
                "2:45: error: a job has no setting 'schedul'; did you",
            ),
            ("{policy: 'p q', require: name}", "2:14: error: 'policy' cannot be 'p q'; write it like 'owner-tag'"),
            ("{policy: p, require: name, severity: eror}", "2:42: error: 'severity' cannot be 'eror'; did you mean"),
        ],
    )
    def test_a_mistake_in_a_policy_is_told_at_its_place(self, project, policy, expected):
        write_policies(project, policy)

        found = found_in(project)

        assert [each.removeprefix("job_meta.yml:")[: len(expected)] for each in found] == [expected], found

    @pytest.mark.parametrize(
        ("exemption", "expected"),
        [
            (
                "{policy: ownr-tag, modules: [a], until: 2027-01-01}",
                "4:14: error: there is no policy 'ownr-tag'; did you",
            ),
            ("{policy: owner-tag, modules: [], until: 2027-01-01}", "4:34: error: 'modules' is empty; name those that"),
            ("{policy: owner-tag, modules: [a], until: 2027-13-01}", "4:46: error: '2027-13-01' is no day; write it"),
            ("{policy: owner-tag, modules: [a]}", "4:5: error: 'until' is missing"),
        ],
    )
    def test_a_mistake_in_an_exemption_is_told_at_its_place(self, project, exemption, expected):
        write_policies(project, "{policy: owner-tag, require: tags.owner}", more=f"exemptions:\n  - {exemption}\n")

        found = found_in(project)

        assert [each.removeprefix("job_meta.yml:")[: len(expected)] for each in found] == [expected], found

    def test_two_policies_of_one_name_are_a_mistake(self, project):
        write_policies(project, *["{policy: p, require: name}"] * 2)

        assert found_in(project) == ["job_meta.yml:3:14: error: the policy 'p' is there twice [project-file]"]

    def test_a_setting_that_is_allowed_although_it_is_unknown_may_be_in_a_policy(self, project):
        write_module(project, "{new_setting: a}")
        write_policies(project, "{policy: p, require: new_setting}", more="allow_unknown: [job.new_setting]\n")

        assert found_in(project) == []

    def test_a_target_that_the_bundle_does_not_have_is_told_with_the_closest(self, project):
        write_module(project)
        write_policies(project, "{policy: p, where: {target: [dev, prd]}, require: description}")

        assert found_in(project)[0] == (
            "job_meta.yml:2:33: error: databricks.yml has no target 'prd', so the policy is for none there; "
            "did you mean 'prod'? [unknown-target]"
        )

    def test_a_policy_that_is_for_no_job_is_a_warning_also_from_the_cache(self, project, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        write_module(project)
        write_policies(
            project, "{policy: p, where: {module: b}, require: name}", "{policy: q, where: {module: a}, require: name}"
        )
        expected = ["job_meta.yml:2:17: warning: the policy 'p' is for no job: its 'where' fits none [unused-policy]"]

        assert [found_in(project), found_in(project)] == [expected, expected]


class TestAtTheCommandLine:
    def test_a_broken_policy_ends_validate_and_generate_with_1_and_keeps_the_job(self, project):
        write_module(project)
        write_module(project, name="b")
        project.ljm("generate")
        write_policies(project, "{policy: p, where: {module: a}, require: description}")
        before = project.generated()
        write_module(project, "{timeout_seconds: 7}")
        write_module(project, "{timeout_seconds: 7}", name="b")

        validated, generated = project.ljm("validate"), project.ljm("generate")

        assert (validated.exit_code, generated.exit_code) == (1, 1)
        assert validated.codes == ["policy:p"]
        assert project.generated()["jobs/a.yml"] == before["jobs/a.yml"]
        assert "timeout_seconds: 7" in project.generated()["jobs/b.yml"]

    @pytest.mark.parametrize("form", ["json", "sarif", "github"])
    def test_all_formats_name_the_policy(self, project, form):
        write_module(project)
        write_policies(project, "{policy: owner-tag, require: tags.owner}")

        result = project.ljm("validate", "--format", form)

        assert ("policy%3Aowner-tag" if form == "github" else '"policy:owner-tag"') in result.stdout

    def test_a_policy_is_explained_by_its_code(self, project):
        assert project.ljm("explain", "policy:owner-tag").stdout.startswith("## policy\n")
