"""Jobs that are made of blueprints: by hand, by rows of the user's own, and by rows of a control table."""

from __future__ import annotations

import json
from textwrap import dedent, indent

import arro3.core as arrow
from deltalake import write_deltalake

from lakeflow_job_meta.compiler.result import Compilation
from support.blueprints import (
    CSV,
    DELTA,
    INGEST,
    control,
    line_of,
    lines,
    settings,
    shown,
    table,
    tasks,
    use,
)
from support.project_folder import ProjectFolder
from support.tables import BOOL, LONG, TEXT, row

AT = f"(blueprint ingest, metadata/blueprints.yml:{line_of(INGEST, 'ingest' + chr(10) + '    param')})"


def of_parameter(name: str) -> str:
    return f"(blueprint ingest, metadata/blueprints.yml:{line_of(INGEST, f'      {name}:').replace(':1', ':7')})"


EACH = """\
blueprints:
  - blueprint: group
    parameters:
      group: {type: text}
      table: {type: text}
      retry: {type: number, default: 1}
      active: {type: boolean, default: true}
    module:
      module_name: group_${param.group}
      sources:
        - {source_id: open, execution_order: 1, transformation_config: {notebook_path: /open}}
        - each:
            - source_id: load_${param.table}
              execution_order: 2
              is_active: ${param.active}
              transformation_config:
                notebook_path: /load
                max_retries: ${param.retry}
                base_parameters: {table: "${param.table}"}
        - {source_id: close, execution_order: 3, transformation_config: {notebook_path: /close}}
"""
LOOP = EACH.replace("        - each:\n", "        - each_as: loop\n          concurrency: 4\n          each:\n")
GROUPED = """\
metadata:
  - yaml: metadata/
  - csv: list.csv
    blueprint: group
    job_per: ${column.group}
"""


class TestByHand:
    def test_settings_of_its_own_are_laid_over_the_blueprint(self, project):
        compilation = project_by_hand(
            project,
            """\
              - blueprint: ingest
                with: {table: orders, owner: me, retry: 3, more: {a: b}}
                job_config: {timeout_seconds: 60, tags: {team: red}}
                sources:
                  - source_id: merge
                    transformation_config: {max_retries: 4}
                  - source_id: extra
                    execution_order: 3
                    transformation_config: {notebook_path: /extra}
            """,
        )

        assert shown(compilation) == []
        job = settings(compilation)["ingest_orders"]
        assert (job["tags"], job["timeout_seconds"]) == ({"owner": "me", "team": "red"}, 60)
        found = tasks(job)
        assert list(found) == ["extract", "merge", "extra"]
        assert found["extract"]["max_retries"] == 3
        assert found["extract"]["notebook_task"]["base_parameters"]["target"] == "main.orders"
        assert found["merge"]["notebook_task"] == {
            "notebook_path": "/merge",
            "base_parameters": {"source_id": "merge", "a": "b"},
        }
        assert found["merge"]["max_retries"] == 4

    def test_a_name_of_its_own_is_that_of_the_module(self, project):
        compilation = project_by_hand(
            project, "- {blueprint: ingest, module_name: mine, with: {table: orders, owner: me}}\n"
        )

        assert list(settings(compilation)) == ["mine"]

    def test_null_takes_away_what_the_blueprint_sets(self, project):
        compilation = project_by_hand(
            project, "- {blueprint: ingest, with: {table: orders, owner: me}, job_config: {tags: null}}\n"
        )

        assert (shown(compilation), "tags" in settings(compilation)["ingest_orders"]) == ([], False)

    def test_a_parameter_without_a_value_leaves_its_setting_out(self, project):
        compilation = project_by_hand(project, "- {blueprint: ingest, with: {table: orders, owner: me}}\n")

        assert shown(compilation) == []
        assert "libraries" not in tasks(settings(compilation)["ingest_orders"])["extract"]

    def test_a_parameter_that_is_false_switches_a_task_off(self, project):
        compilation = project_by_hand(
            project, "- {blueprint: ingest, with: {table: orders, owner: me, active: false}}\n"
        )

        assert list(tasks(settings(compilation)["ingest_orders"])) == ["extract"]

    def test_the_text_of_a_parameter_is_no_switch(self, project):
        compilation = project_by_hand(project, "- {blueprint: ingest, with: {table: orders, owner: me, active: no}}\n")

        assert compilation.diagnostics[0].message.startswith("'active' must be true or false, not the text 'no'")

    def test_all_settings_of_a_job_may_be_one_parameter(self, project):
        blueprint = INGEST.replace('{tags: {owner: "${param.owner}"}}', "${param.settings}").replace(
            "      owner:  {type: text}", "      settings: {type: map}"
        )
        project.write("metadata/b.yml", blueprint)
        project.write(
            "metadata/a.yml",
            """\
            modules:
              - {blueprint: ingest, with: {table: a, settings: {timeout_seconds: 9, tags: {x: "1"}}}}
              - blueprint: ingest
                with:
                  table: b
                  settings: {timeout_secs: 9}
            """,
        )

        compilation = project.compile()

        assert settings(compilation)["ingest_a"]["timeout_seconds"] == 9
        (problem,) = shown(compilation)
        assert problem.startswith("metadata/a.yml:6:32: error: unknown job setting 'timeout_secs'; did you mean")

    def test_anchors_and_merge_keys_work_in_blueprints(self, project):
        project.write(
            "metadata/a.yml",
            """\
            x-task: &task {notebook_path: /a, max_retries: 2}
            blueprints:
              - blueprint: b
                parameters: {t: {type: text}}
                module:
                  module_name: m_${param.t}
                  sources:
                    - source_id: a
                      execution_order: 1
                      transformation_config: {<<: *task, base_parameters: {t: "${param.t}"}}
            modules: [{blueprint: b, with: {t: x}}]
            """,
        )

        compilation = project.compile()

        assert shown(compilation) == []
        task = tasks(settings(compilation)["m_x"])["a"]
        assert (task["max_retries"], task["notebook_task"]["base_parameters"]["t"]) == (2, "x")

    def test_a_blueprint_without_parameters_is_a_module(self, project):
        project.write("metadata/b.yml", plain_blueprint())
        project.write("metadata/a.yml", "modules: [{blueprint: b}, {blueprint: b, module_name: other}]\n")

        assert list(settings(project.compile())) == ["m", "other"]

    def test_a_file_may_hold_blueprints_alone(self, project):
        project.write("metadata/b.yml", plain_blueprint())
        project.write("metadata/empty.yml", "blueprints: []\nmodules: []\n")

        compilation = project.compile()

        assert (shown(compilation), compilation.files) == ([], {})


def project_by_hand(project: ProjectFolder, modules: str) -> Compilation:
    project.write("metadata/blueprints.yml", INGEST)
    project.write("metadata/modules.yml", "modules:\n" + indent(dedent(modules), "  "))
    return project.compile()


def plain_blueprint(name: str = "b", notebook: str = "/a") -> str:
    return (
        f"blueprints:\n  - blueprint: {name}\n    module:\n      module_name: m\n      sources:\n"
        f"        - {{source_id: a, execution_order: 1, transformation_config: {{notebook_path: {notebook}}}}}\n"
    )


class TestRows:
    def test_each_line_of_a_file_becomes_a_job(self, project):
        lines(project, 'Table,OWNER,retry,active,more,ignored\norders,me,3,false,"{""a"": ""b""}",x\nitems,you,,,,\n')

        compilation = project.compile()

        assert shown(compilation) == []
        jobs = settings(compilation)
        assert [list(tasks(job)) for job in jobs.values()] == [["extract"], ["extract", "merge"]]
        assert [tasks(job)["extract"]["max_retries"] for job in jobs.values()] == [3, 1]
        assert [job["tags"] for job in jobs.values()] == [{"owner": "me"}, {"owner": "you"}]

    def test_columns_of_a_table_keep_their_types(self, project):
        rows = [{"TABLE": "orders", "Owner": "me", "Retry": 3, "Active": False, "More": '{"a": "b"}'}]
        columns = {"TABLE": TEXT, "Owner": TEXT, "Retry": LONG, "Active": BOOL, "More": TEXT}
        table(project, rows, columns)

        job = settings(project.compile())["ingest_orders"]

        assert list(tasks(job)) == ["extract"]
        assert tasks(job)["extract"]["max_retries"] == 3

    def test_columns_are_mapped_by_names_in_any_case_and_by_paths_into_json(self, project):
        settings_column = '{"loadType": "delta", "limits": [{"retry": 4}]}'
        rows = [
            {"TargetName": "orders", "Dept": "sales", "Person": "ann", "Settings": settings_column},
            {"TargetName": "items", "Dept": "sales", "Person": "bob", "Settings": None},
        ]
        project_file = (
            "metadata:\n  - yaml: metadata/\n  - delta: list\n    blueprint: ingest\n    key: [TARGETNAME]\n    with:\n"
            "      table: ${column.targetname}\n      owner: ${column.DEPT}-${column.person}\n"
            "      mode: ${column.settings.loadType}\n"
        )
        table(project, rows, dict.fromkeys(rows[0], TEXT), project_file=project_file)

        compilation = project.compile()

        assert shown(compilation) == []
        jobs = settings(compilation)
        assert jobs["ingest_orders"]["tags"] == {"owner": "sales-ann"}
        modes = [tasks(job)["extract"]["notebook_task"]["base_parameters"]["mode"] for job in jobs.values()]
        assert sorted(modes) == ["delta", "full"]

    def test_a_struct_is_gone_into_like_json(self, project):
        owner = arrow.struct_array([arrow.Array(["me"], TEXT)], fields=[arrow.Field("owner", TEXT)])
        content = arrow.Table.from_pydict({"table": arrow.Array(["orders"], TEXT), "s": owner})
        lines(project, "", project_file=DELTA + "    with: {owner: '${column.S.owner}'}\n")
        write_deltalake(project.path / "list", content)

        assert settings(project.compile())["ingest_orders"]["tags"] == {"owner": "me"}

    def test_rows_may_name_their_blueprint(self, project):
        other = INGEST.replace("blueprint: ingest", "blueprint: copy").replace("ingest_$", "copy_$")
        project_file = CSV.replace("blueprint: ingest", "blueprint: ${column.Kind}") + "    with: {owner: all}\n"
        lines(
            project,
            "table,kind\na,ingest\nb,copy\nc,inget\nd,\n",
            blueprint=INGEST + other.replace("blueprints:\n", ""),
            project_file=project_file,
        )

        compilation = project.compile()

        assert sorted(settings(compilation)) == ["copy_b", "ingest_a"]
        assert shown(compilation) == [
            "list.csv:4:3: error: there is no blueprint 'inget'; did you mean 'ingest'? [unknown-blueprint]",
            "list.csv:5:3: error: no blueprint is named here, so nothing can be made of it [unknown-blueprint]",
        ]

    def test_jobs_do_not_depend_on_the_order_of_rows_in_a_table(self, project):
        rows = [{"table": name, "owner": "me"} for name in ("b", "c", "a")]
        columns = {"table": TEXT, "owner": TEXT}
        first = table(project, rows, columns).texts()

        assert table(project, rows[::-1], columns).texts() == first

    def test_a_table_without_rows_is_an_empty_source(self, project):
        table(project, [], {"table": TEXT, "owner": TEXT})

        compilation = project.compile()

        assert shown(compilation) == []
        assert [each.source for each in compilation.missing] == ["list"]


class TestManyRowsOneJob:
    def test_rows_of_one_group_become_tasks_of_one_job(self, project):
        lines(project, "group,table,retry\na,x,2\nb,y,3\na,z,4\n", blueprint=EACH, project_file=GROUPED)

        jobs = settings(project.compile())

        assert {key: list(tasks(job)) for key, job in jobs.items()} == {
            "group_a": ["open", "load_x", "load_z", "close"],
            "group_b": ["open", "load_y", "close"],
        }
        assert tasks(jobs["group_a"])["load_z"]["max_retries"] == 4
        assert [each["task_key"] for each in tasks(jobs["group_a"])["close"]["depends_on"]] == ["load_x", "load_z"]

    def test_rows_that_disagree_in_what_stands_once_are_reported_at_both(self, project):
        blueprint = EACH.replace("notebook_path: /open", "notebook_path: '/${param.retry}'")
        lines(project, "group,table,retry\na,x,2\na,z,4\nb,y,3\n", blueprint=blueprint, project_file=GROUPED)

        compilation = project.compile()

        assert shown(compilation) == [
            "list.csv:3:5: error: 'retry' is 4 here, but 2 at list.csv:2:5; rows of one job must agree in what stands "
            "outside of 'each' [conflicting-rows]"
        ]
        assert (sorted(settings(compilation)), compilation.kept_jobs) == (["group_b"], {"group_a"})

    def test_two_groups_that_give_one_job_are_reported_at_both(self, project):
        project_file = GROUPED.replace("${column.group}", "${column.group}-${column.table}")
        lines(project, "group,table\na,x\na,z\n", blueprint=EACH, project_file=project_file)

        at = "(blueprint group, metadata/blueprints.yml:2:16) [duplicate-module]"
        assert shown(project.compile()) == [
            f"list.csv:2:1: error: the module 'group_a' is also at list.csv:3:1 {at}",
            f"list.csv:3:1: error: the module 'group_a' is also at list.csv:2:1 {at}",
        ]

    def test_rows_without_a_group_belong_to_no_job(self, project):
        lines(project, "group,table\na,x\n,z\n", blueprint=EACH, project_file=GROUPED)

        compilation = project.compile()

        assert compilation.diagnostics[0].location.start == ("list.csv", 3, 0)
        assert [each.code for each in compilation.diagnostics] == ["missing-parameter", "row-key"]
        assert str(compilation.diagnostics[1]) == (
            "list.csv:3:1: error: ${column.group} is NULL, so the row belongs to no job [row-key]"
        )
        assert list(settings(compilation)) == ["group_a"]

    def test_rows_of_a_job_that_name_two_blueprints_are_reported_at_the_column(self, project):
        project_file = GROUPED.replace("blueprint: group", "blueprint: ${column.kind}")
        lines(project, "group,table,kind\na,x,group\na,y,grp\n", blueprint=EACH, project_file=project_file)

        assert shown(project.compile()) == [
            "list.csv:3:5: error: the blueprint is 'grp' here, but 'group' in another row of the job; they must agree "
            "[conflicting-rows]"
        ]

    def test_more_tasks_than_a_job_may_have_are_reported_at_the_group(self, project):
        text = "group,table\nb,y\n" + "".join(f"a,t{number}\n" for number in range(1001))
        lines(project, text, blueprint=EACH, project_file=GROUPED)

        compilation = project.compile()

        assert shown(compilation) == [
            "list.csv:3: error: the 1,001 rows of this job make 1,003 tasks, and Databricks allows 1,000; add a column "
            "to 'job_per', or write `each_as: loop` [too-much]"
        ]
        assert list(settings(compilation)) == ["group_b"]

    def test_rows_that_are_switched_off_are_no_tasks(self, project):
        text = "group,table,active\n" + "".join(f"a,t{number},{number < 3}\n" for number in range(1001))
        lines(project, text, blueprint=EACH, project_file=GROUPED)

        compilation = project.compile()

        assert shown(compilation) == []
        assert list(tasks(settings(compilation)["group_a"])) == ["open", "load_t0", "load_t1", "load_t2", "close"]

    def test_a_wrong_row_keeps_its_own_group_alone(self, project):
        lines(project, "group,table,retry\na,x,2\na,z,many\nb,y,3\n", blueprint=EACH, project_file=GROUPED)

        compilation = project.compile()

        assert [each.location.start for each in compilation.diagnostics] == [("list.csv", 3, 5)]
        assert (list(settings(compilation)), compilation.kept_jobs) == (["group_b"], {"group_a"})


class TestLoops:
    def loop(self, project: ProjectFolder, text: str):
        compilation = lines(project, text, blueprint=LOOP, project_file=GROUPED).compile()
        assert shown(compilation) == []
        return tasks(settings(compilation)["group_a"])["load"]["for_each_task"]

    def test_rows_become_the_inputs_of_one_task(self, project):
        found = self.loop(project, "group,table,retry\na,x,2\na,y,2\n")

        assert json.loads(found["inputs"]) == [{"table": "x"}, {"table": "y"}]
        assert found["concurrency"] == 4
        assert found["task"]["max_retries"] == 2
        assert found["task"]["notebook_task"]["base_parameters"]["table"] == "{{input.table}}"

    def test_rows_that_are_switched_off_are_no_inputs(self, project):
        found = self.loop(project, "group,table,active\na,x,true\na,y,false\na,z,\n")

        assert json.loads(found["inputs"]) == [{"table": "x"}, {"table": "z"}]

    def test_a_loop_over_no_row_is_no_task(self, project):
        lines(project, "group,table,active\na,x,false\na,y,false\n", blueprint=LOOP, project_file=GROUPED)

        compilation = project.compile()

        assert (shown(compilation), list(tasks(settings(compilation)["group_a"]))) == ([], ["open", "close"])

    def test_hostile_cells_are_text_of_the_inputs(self, project):
        found = self.loop(project, 'group,table\na,"x"" , ]: {a"\na,"{{job.id}}\n- b"\n')

        assert [each["table"] for each in json.loads(found["inputs"])] == ['x" , ]: {a', "{{job.id}}\n- b"]

    def test_a_number_that_differs_is_reported_where_a_number_has_to_stand(self, project):
        lines(project, "group,table,retry\na,x,2\na,y,3\n", blueprint=LOOP, project_file=GROUPED)

        assert shown(project.compile()) == [
            "list.csv:2:5: error: 'max_retries' must be a whole number, not the text '{{input.retry}}' (blueprint "
            "group, metadata/blueprints.yml:2:16) [wrong-type]"
        ]

    def test_more_inputs_than_databricks_takes_are_reported_at_the_group(self, project):
        text = "group,table\nb,x\n" + "".join(f"a,{'x' * 95}{number:05}\n" for number in range(100))
        lines(project, text, blueprint=LOOP, project_file=GROUPED)

        compilation = project.compile()

        (problem,) = shown(compilation)
        assert problem == (
            "list.csv:3: error: 'inputs' has 11,500 characters; Databricks allows 10,000 (blueprint group, "
            "metadata/blueprints.yml:2:16) [too-much]"
        )
        assert list(settings(compilation)) == ["group_b"]

    def test_two_loops_of_one_name_are_reported_in_the_blueprint_once(self, project):
        begin, end = LOOP.index("        - each_as"), LOOP.index("        - {source_id: close")
        twice = LOOP[:end] + LOOP[begin:end] + LOOP[end:]
        lines(project, "group,table\na,x\na,y\nb,z\n", blueprint=twice, project_file=GROUPED)

        compilation = project.compile()

        assert {each.code for each in compilation.diagnostics} == {"duplicate-source"}
        assert len(compilation.diagnostics) == 1
        assert compilation.diagnostics[0].location.path == "metadata/blueprints.yml"


class TestControlTable:
    def test_rows_of_blueprints_stand_beside_others(self, project):
        control(
            project,
            row("a", "plain"),
            use("x", "made", parameters={"table": "orders", "owner": "me"}, job_config={"timeout_seconds": 5}),
            row("extra", "made", execution_order=3),
            row("merge", "made", transformation_config={"notebook_path": "/other"}, execution_order=2),
        )

        compilation = project.compile()

        assert shown(compilation) == []
        jobs = settings(compilation)
        assert list(jobs) == ["made", "plain"]
        assert (jobs["made"]["timeout_seconds"], jobs["made"]["tags"]) == (5, {"owner": "me"})
        assert {key: task["notebook_task"]["notebook_path"] for key, task in tasks(jobs["made"]).items()} == {
            "extract": "/extract",
            "merge": "/other",
            "extra": "/Workspace/a",
        }

    def test_several_rows_of_a_module_are_repeated_by_each(self, project):
        control(
            project,
            use("1", "shop", "group", parameters={"table": "x", "group": "g"}),
            use("2", "shop", "group", parameters={"table": "y", "group": "g", "retry": 4}),
            use("3", "shop", "group", parameters={"table": "z", "group": "g"}, is_active=False),
            blueprint=EACH,
        )

        compilation = project.compile()

        assert shown(compilation) == []
        assert list(tasks(settings(compilation)["shop"])) == ["open", "load_x", "load_y", "close"]

    def test_rows_of_a_module_need_not_agree_in_the_name_that_the_table_gives(self, project):
        control(
            project,
            use("1", "shop", "group", parameters={"table": "x", "group": "g"}),
            use("2", "shop", "group", parameters={"table": "y", "group": "h"}),
            blueprint=EACH,
        )

        assert shown(project.compile()) == []

    def test_columns_of_the_table_fill_parameters_of_their_names(self, project):
        blueprint = EACH.replace("param.table", "param.source_id").replace("      table: {", "      source_id: {")
        control(
            project,
            use("x", "shop", "group", parameters={"group": "g"}),
            use("y", "shop", "group", parameters={"group": "g", "source_id": "own"}),
            blueprint=blueprint,
        )

        assert list(tasks(settings(project.compile())["shop"])) == ["open", "load_x", "load_own", "close"]

    def test_a_module_of_which_no_row_is_active_has_no_job(self, project):
        control(project, use("x", "made", parameters={"table": "a", "owner": "me"}, is_active=False))

        compilation = project.compile()

        assert [each.code for each in compilation.diagnostics] == []
        assert (compilation.files, compilation.kept_jobs) == ({}, {"made"})

    def test_what_is_wrong_is_reported_at_the_column(self, project):
        blueprint = INGEST.replace(
            "      mode: ", "      source_id: {type: text, one_of: [x, y]}\n      mode: "
        ).replace("notebook_path: /merge", "notebook_path: '/${param.source_id}'")
        good = {"table": "a", "owner": "me"}
        control(
            project,
            use("x", "bad_json", parameters="{bad"),
            use("x", "bad_value", parameters={**good, "retry": "x"}),
            use("k", "by_name", parameters=good),
            use("x", "empty"),
            use("x", "fine", parameters=good),
            use("x", "no_map", parameters=[1]),
            use("x", "two", parameters=good),
            use("y", "two", "ingst", parameters=good),
            use("x", "unknown", "ingst", parameters=good),
            use("x", "unknown_parameter", parameters={**good, "onwer": "me"}),
            use("x", "wrong_task", parameters={**good, "more": {"a": 1}}),
            blueprint=blueprint,
        )

        compilation = project.compile()

        at = line_of(blueprint, "ingest\n    param")
        assert shown(compilation) == [
            "control[module_name=bad_json, source_id=x].parameters:1:2: error: not valid JSON: Expecting property name "
            "enclosed in double quotes [bad-json]",
            "control[module_name=bad_value, source_id=x].parameters:1:40: error: 'retry' must be a number, not the "
            "text 'x' (blueprint ingest, metadata/blueprints.yml:8:7) [bad-parameter]",
            "control[module_name=by_name, source_id=k].source_id: error: 'k' is not one of 'x', 'y' (blueprint ingest, "
            "metadata/blueprints.yml:6:7) [bad-parameter]",
            "control[module_name=empty, source_id=x].parameters: error: no value for 'owner' of blueprint ingest "
            "(blueprint ingest, metadata/blueprints.yml:5:7) [missing-parameter]",
            "control[module_name=empty, source_id=x].parameters: error: no value for 'table' of blueprint ingest "
            "(blueprint ingest, metadata/blueprints.yml:4:7) [missing-parameter]",
            "control[module_name=no_map, source_id=x].parameters:1:1: error: the values for a blueprint are a map of "
            "its parameters, not a list [bad-parameter]",
            "control[module_name=two, source_id=y].blueprint: error: 'blueprint' is 'ingst' here but 'ingest' in "
            "control[module_name=two, source_id=x].blueprint; rows of a module must agree [conflicting-rows]",
            "control[module_name=two, source_id=y].source_id: error: 'source_id' is 'y' here, but 'x' at "
            "control[module_name=two, source_id=x].source_id; rows of one job must agree in what stands outside of "
            "'each' [conflicting-rows]",
            "control[module_name=unknown, source_id=x].blueprint: error: there is no blueprint 'ingst'; did you mean "
            "'ingest'? [unknown-blueprint]",
            "control[module_name=unknown_parameter, source_id=x].parameters:1:31: error: blueprint ingest has no "
            "parameter 'onwer'; did you mean 'owner'? [unknown-parameter]",
            "control[module_name=wrong_task, source_id=x].parameters:1:45: error: 'a' must be text, not the number 1; "
            f"put it in quotes (blueprint ingest, metadata/blueprints.yml:{at}) [wrong-type]",
        ]
        assert list(settings(compilation)) == ["fine"]
        assert compilation.kept_jobs >= {"bad_json", "bad_value", "empty", "two", "unknown", "wrong_task"}


class TestManyRowsInStages:
    EACH = """\
blueprints:
  - blueprint: pair
    parameters: {table: {type: text}, owner: {type: text}}
    module:
      module_name: ${param.owner}
      sources:
        - each:
            - {source_id: "a_${param.table}", execution_order: 1, transformation_config: {notebook_path: /Workspace/a}}
            - {source_id: "b_${param.table}", %s, transformation_config: {notebook_path: /Workspace/b}}
"""

    def compiled(self, project, order: str):
        project.write("metadata/blueprints.yml", self.EACH % order)
        project.write("job_meta.yml", "metadata:\n  - yaml: metadata/\n  - {csv: l.csv, blueprint: pair, job_per: "
                      '"${column.owner}"}\n')  # fmt: skip
        project.write("l.csv", "table,owner\n" + "".join(f"t{number},me\n" for number in range(200)))
        return project.compile()

    def test_stages_that_all_wait_for_each_other_are_refused_with_the_way_out(self, project):
        assert [str(each) for each in self.compiled(project, "execution_order: 2").diagnostics] == [
            "metadata/blueprints.yml:6:7: error: the stages of this job make 40,000 dependencies between 400 tasks, "
            "and 25,000 are the limit; let sources say with 'depends_on' what each waits for [too-much]"
        ]

    def test_sources_that_wait_for_the_one_of_their_row_are_not(self, project):
        compilation = self.compiled(project, 'depends_on: ["a_${param.table}"]')

        assert compilation.diagnostics == ()
        assert len(settings(compilation)["me"]["tasks"]) == 400
