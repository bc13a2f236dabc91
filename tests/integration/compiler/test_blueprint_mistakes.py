"""What is wrong with a blueprint, a row or a cell is reported at its place, once, and takes down nothing else."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from support.blueprints import CSV, DELTA, INGEST, lines, settings, shown, table, tasks
from support.project_folder import CARET, ProjectFolder, at_caret
from support.slow import one_in
from support.strategies import any_text, words_that_look_like_something_else
from support.tables import TEXT

csv_cells = st.text(st.sampled_from('ab ,;|\t"\n\u2028\x0bé'), max_size=4)
FIFTY = "table,owner\n" + "".join(f"t{chr(97 + n // 26)}{chr(97 + n % 26)},me\n" for n in range(50))
"""Lines of fifty tables."""


def of(name: str) -> str:
    """The parameter of the blueprint, as messages about its values name it."""
    before = INGEST[: INGEST.index(f"      {name}:")]
    return f"(blueprint ingest, metadata/blueprints.yml:{before.count(chr(10)) + 1}:7)"


INGESTED = "(blueprint ingest, metadata/blueprints.yml:2:16)"


class TestCells:
    """A message begins with the row, since that is where it is mended."""

    @pytest.mark.parametrize(
        ("column", "cell", "message"),
        [
            ("mode", "ful", "'ful' is not one of 'full', 'delta'; did you mean 'full'?"),
            ("mode", "7", "'7' is not one of 'full', 'delta'"),
            ("retry", "x", "'retry' must be a number, not the text 'x'"),
            ("retry", "1e999", "'retry' must be a number, not the text '1e999'"),
            ("retry", "nan", "'retry' must be a number, not the text 'nan'"),
            ("retry", "1_000", "'retry' must be a number, not the text '1_000'"),
            ("retry", "6", "'retry' must be at most 5, not 6"),
            ("retry", "-1", "'retry' must be at least 0, not -1"),
            ("active", "yes", "'active' must be true or false, not the text 'yes'"),
            ("active", "1", "'active' must be true or false, not the text '1'"),
            ("more", "[1]", "'more' must be a map, not the text '[1]'"),
            (
                "more",
                "{]",
                "'more' must be a map, not the text '{]' "
                "(not valid JSON: Expecting property name enclosed in double quotes)",
            ),
            ("libs", "a", "'libs' must be a list, not the text 'a'"),
            ("target", "", None),
        ],
    )
    def test_a_value_that_a_parameter_does_not_take_is_reported_at_its_cell(self, project, column, cell, message):
        lines(project, f"table,owner,{column}\ngood,me,\norders,me,{cell}\n")

        compilation = project.compile()

        expected = [f"list.csv:3:11: error: {message} {of(column)} [bad-parameter]"] if message else []
        assert shown(compilation) == expected
        assert list(settings(compilation)) == ["ingest_good", *([] if message else ["ingest_orders"])]
        assert compilation.kept_jobs == ({"ingest_orders"} if message else set())

    def test_a_pattern_holds_for_all_of_the_text(self, project):
        lines(project, "table,owner\nOrders,me\n")

        assert shown(project.compile()) == [
            f"list.csv:2:1: error: 'Orders' does not match the pattern '[a-z]+' of 'table' {of('table')} "
            "[bad-parameter]"
        ]

    def test_a_default_that_depends_on_a_cell_is_checked_and_reported_there(self, project):
        blueprint = INGEST.replace('default: "main.${param.table}"', 'default: "main.${param.table}", max: 10')
        lines(project, "table,owner\nab,me\nabcdefg,me\n", blueprint=blueprint)

        assert shown(project.compile()) == [
            "list.csv:3:1: error: by its default, 'target' must be at most 10 characters, not 12 "
            f"{of('target')} [bad-parameter]"
        ]

    def test_null_for_a_required_parameter_is_reported_at_the_row_with_its_column(self, project):
        rows = [{"TargetName": "orders", "data_owner": None}, {"TargetName": "items", "data_owner": "me"}]
        mapping = "    with: {owner: '${column.data_owner}', table: '${column.TargetName}'}\n"
        project_file = DELTA.replace("key: table", "key: TargetName") + mapping
        table(project, rows, {"TargetName": TEXT, "data_owner": TEXT}, project_file=project_file)

        compilation = project.compile()

        assert shown(compilation) == [
            "list[TargetName=orders]: error: no value for 'owner' of blueprint ingest: the column 'data_owner' is NULL "
            f"{of('owner')} [missing-parameter]"
        ]
        assert (list(settings(compilation)), compilation.kept_jobs) == (["ingest_items"], {"ingest_orders"})

    def test_a_setting_that_a_cell_gives_is_reported_at_the_cell(self, project):
        lines(project, "table,owner,retry\ngood,me,2\norders,me,1.5\n")

        assert shown(project.compile()) == [
            f"list.csv:3:11: error: 'max_retries' must be a whole number, not the number 1.5 {INGESTED} [wrong-type]"
        ]

    def test_a_cell_of_several_lines_is_reported_where_it_begins(self, project):
        lines(project, 'note,table,owner,mode\n"a\nb\n""c""",orders,me,"x"\n')

        assert [each.location.start for each in project.compile().diagnostics] == [("list.csv", 4, 19)]

    @given(
        st.sampled_from(",;\t|"),
        st.lists(st.lists(csv_cells, min_size=3, max_size=3), min_size=1, max_size=3),
        st.sampled_from(["\n", "\r\n"]),
    )
    def test_every_cell_of_a_file_is_found(self, tmp_path_factory, delimiter, cells, end):
        project = ProjectFolder(tmp_path_factory.mktemp("cells") / "p")
        declared = "".join(f"      {name}: {{type: text, required: false, one_of: [never]}}\n" for name in "abc")
        body = "module_name: m\n      sources: []\n      description: ${param.a}${param.b}${param.c}\n"
        blueprint = f"blueprints:\n  - blueprint: b\n    parameters:\n{declared}    module:\n      {body}"
        written = io.StringIO()
        csv.writer(written, delimiter=delimiter, lineterminator=end).writerows([["a", "b", "c"], *cells])
        project_file = "metadata: [{yaml: metadata/}, {csv: list.csv, blueprint: b}]\n"
        lines(project, "", blueprint=blueprint, project_file=project_file)
        (project.path / "list.csv").write_bytes(written.getvalue().encode())

        found = [each for each in project.compile().diagnostics if each.code == "bad-parameter"]

        text = io.StringIO(written.getvalue(), newline="").readlines()
        there = [text[(each.location.line or 0) - 1][(each.location.column or 0) - 1 :] for each in found]
        expected = [cell.replace('"', '""').split("\n")[0] for row in cells for cell in row if cell]
        assert len(there) == len(expected)
        assert all(one.startswith(other) for one, other in zip(there, expected, strict=True))

    def test_what_the_project_file_sets_for_all_rows_is_reported_there_once(self, project):
        lines(project, FIFTY, project_file=CSV + "    with: {mode: ful, more: {a: '${column.owner}', b: 5}}\n")

        assert shown(project.compile()) == [
            "job_meta.yml:6:18: error: 'ful' is not one of 'full', 'delta'; did you mean 'full'? "
            f"{of('mode')} [bad-parameter]"
        ]

    def test_of_a_map_that_mixes_cells_and_constants_each_has_its_place(self, project):
        mapping = "    with: {more: {a: '${column.owner}', b: 5}}\n"
        lines(project, "table,owner\norders,me\n", project_file=CSV + mapping)

        (problem,) = project.compile().diagnostics
        assert (problem.location.start, problem.message.split(";")[0]) == (
            ("job_meta.yml", 6, 44),
            "'b' must be text, not the number 5",
        )

    def test_json_that_cannot_be_read_is_reported_at_its_position(self, project):
        rows = [{"table": "a", "s": '{"owner": "me"}'}, {"table": "b", "s": '{"owner" "me"}'}, {"table": "c"}]
        project_file = DELTA + "    with: {owner: '${column.s.owner}'}\n"
        table(project, rows, {"table": TEXT, "s": TEXT}, project_file=project_file)

        assert sorted(shown(project.compile())) == [
            "list[table=b].s:1:10: error: not valid JSON: Expecting ':' delimiter [bad-json]",
            "list[table=c]: error: no value for 'owner' of blueprint ingest: the column 's.owner' is NULL "
            f"{of('owner')} [missing-parameter]",
        ]


class TestKeys:
    def test_a_key_that_is_null_or_there_twice_is_reported_at_its_rows(self, project):
        rows = [
            {"table": name, "owner": "me", "id": key} for name, key in zip("abcd", ["1", "2", "2", None], strict=True)
        ]
        table(project, rows, dict.fromkeys(rows[0], TEXT), project_file=DELTA.replace("key: table", "key: ID"))

        compilation = project.compile()

        assert shown(compilation) == [
            "list[id=2].id: error: the key 'id' is the same in 2 rows; it must name one [row-key]",
            "list[id=NULL].id: error: the key 'id' is NULL, so nothing names this row [row-key]",
        ]
        assert list(settings(compilation)) == ["ingest_a"]
        assert compilation.kept_jobs == {"ingest_b", "ingest_c", "ingest_d"}

    def test_a_key_of_several_columns_is_one(self, project):
        lines(project, "table,owner\na,x\nb,x\n", project_file=CSV.replace("key: table", "key: [owner, TABLE]"))

        assert shown(project.compile()) == []

    def test_a_key_goes_into_no_column(self, project):
        rows = [{"table": "a", "owner": "me"}]
        table(project, rows, dict.fromkeys(rows[0], TEXT), project_file=DELTA.replace("key: table", "key: table.x"))

        assert shown(project.compile()) == [
            "job_meta.yml:5:10: error: the table has no column 'table.x'; did you mean 'table'? [unknown-column]"
        ]

    def test_two_rows_that_give_one_job_are_reported_at_both_and_keep_it(self, project):
        lines(project, "table,owner\nx,me\na,me\na,you\n", project_file=CSV.replace("    key: table\n", ""))

        compilation = project.compile()

        assert shown(compilation) == [
            f"list.csv:3:1: error: the module 'ingest_a' is also at list.csv:4:1 {INGESTED} [duplicate-module]",
            f"list.csv:4:1: error: the module 'ingest_a' is also at list.csv:3:1 {INGESTED} [duplicate-module]",
        ]
        assert (list(settings(compilation)), compilation.kept_jobs) == (["ingest_x"], {"ingest_a"})

    def test_a_row_and_a_module_by_hand_that_give_one_job_are_reported_at_both(self, project):
        project.write("metadata/hand.yml", "modules: [{blueprint: ingest, with: {table: a, owner: me}}]\n")
        lines(project, "table,owner\na,me\n")

        assert [each.location.path for each in project.compile().diagnostics] == ["list.csv", "metadata/hand.yml"]


class TestMapping:
    @pytest.mark.parametrize(
        ("marked", "message"),
        [
            (
                f"blueprint: {CARET}ingst\n    key: table",
                "there is no blueprint 'ingst'; did you mean 'ingest'? [unknown-blueprint]",
            ),
            (
                f"blueprint: {CARET}nothing_like_it\n    key: table",
                "there is no blueprint 'nothing_like_it'; known: 'ingest' [unknown-blueprint]",
            ),
            (
                f"blueprint: ingest\n    key: {CARET}tabel",
                "the file has no column 'tabel'; did you mean 'table'? [unknown-column]",
            ),
            (
                f"blueprint: ingest\n    key: [table, {CARET}q]",
                "the file has no column 'q'; known: 'table', 'owner' [unknown-column]",
            ),
            (
                f"blueprint: ingest\n    with: {{mode: {CARET}'${{column.ownr}}'}}",
                "the file has no column 'ownr'; did you mean 'owner'? [unknown-column]",
            ),
            (
                f"blueprint: ingest\n    with: {{more: {{a: [{CARET}'x ${{column.ownr}}']}}}}",
                "the file has no column 'ownr'; did you mean 'owner'? [unknown-column]",
            ),
            (
                f"blueprint: ingest\n    with: {{{CARET}mod: full}}",
                "blueprint ingest has no parameter 'mod'; did you mean 'mode'? [unknown-parameter]",
            ),
            (
                f"blueprint: ingest\n    job_per: {CARET}${{column.owners}}",
                "the file has no column 'owners'; did you mean 'owner'? [unknown-column]",
            ),
            (
                f"blueprint: {CARET}'${{column.kind}}'",
                "the file has no column 'kind'; known: 'table', 'owner' [unknown-column]",
            ),
            (
                f"blueprint: {CARET}ingest\n    with: {{owner: null}}",
                "nothing fills the parameter 'owner' of blueprint ingest, which has no default: no column has this "
                "name; map one below 'with'; did you mean 'owner'? [missing-parameter]",
            ),
        ],
    )
    def test_what_is_wrong_with_it_is_reported_once_in_the_project_file_and_keeps_all_jobs(
        self, project, marked, message
    ):
        text, at = at_caret(f"metadata:\n  - yaml: metadata/\n  - csv: list.csv\n    {marked}\n")
        lines(project, "table,owner\na,me\nb,me\n", project_file=CSV)
        assert project.ljm("generate").exit_code == 0
        before = project.generated()
        project.write("job_meta.yml", text)

        done = project.ljm("generate")

        assert [str(each) for each in done.problems] == [f"job_meta.yml:{at}: error: {message}"]
        assert project.generated() == before

    def test_a_required_parameter_that_no_column_fills_is_reported_once(self, project):
        lines(project, FIFTY.replace("owner", "onwer"))

        assert shown(project.compile()) == [
            "job_meta.yml:4:16: error: nothing fills the parameter 'owner' of blueprint ingest, which has no default: "
            "no column has this name; map one below 'with'; did you mean 'onwer'? [missing-parameter]"
        ]

    def test_columns_that_differ_by_case_alone_are_refused(self, project):
        lines(project, "table,owner,Owner\na,me,you\n")

        (problem,) = shown(project.compile())
        assert problem.startswith("list.csv:1: error: the columns 'owner' and 'Owner' differ by case alone")


class TestOneBadRow:
    def test_takes_down_its_own_job_alone_and_its_file_stays(self, project):
        lines(project, "table,owner,retry\na,me,1\nb,me,1\nc,me,1\n")
        assert project.ljm("generate").exit_code == 0
        before = project.generated()
        project.write("list.csv", "table,owner,retry\na,me,2\nb,me,x\nd,me,1\n")

        done = project.ljm("generate")

        assert done.exit_code == 1
        after = project.generated()
        assert after["jobs/ingest_b.yml"] == before["jobs/ingest_b.yml"]
        assert "max_retries: 2" in after["jobs/ingest_a.yml"]
        assert sorted(after) == ["jobs/ingest_a.yml", "jobs/ingest_b.yml", "jobs/ingest_d.yml"]

    def test_whose_job_is_not_known_lets_no_file_go(self, project):
        lines(project, "table,owner\na,me\nb,me\nc,me\n")
        project.ljm("generate")
        project.write("list.csv", "table,owner\na,me\n,me\n")

        project.ljm("generate")

        assert sorted(project.generated()) == ["jobs/ingest_a.yml", "jobs/ingest_b.yml", "jobs/ingest_c.yml"]

    def test_of_a_source_that_is_gone_or_empty_all_files_stay(self, project):
        lines(project, "table,owner\na,me\nb,me\n")
        project.ljm("generate")
        before = project.generated()
        for break_it in (lambda: project.write("list.csv", "table,owner\n"), (project.path / "list.csv").unlink):
            break_it()

            assert project.ljm("generate").exit_code in (1, 3)
            assert project.generated() == before


MISTAKES = [
    (
        '"${param.mode}"',
        f'{CARET}"${{param.mod}}"',
        "blueprint ingest has no parameter 'mod'; did you mean 'mode'? [unknown-parameter]",
    ),
    (
        '"main.${param.table}"',
        f'{CARET}"main.${{param.tabel}}"',
        "blueprint ingest has no parameter 'tabel'; did you mean 'table'? [unknown-parameter]",
    ),
    (
        '"${param.mode}"',
        f'{CARET}"${{param.libs}} x"',
        "the parameter 'libs' is a list, which cannot stand within text; let it be all of it [bad-blueprint]",
    ),
    (
        'mode: "${param.mode}"',
        f'{CARET}"${{param.mode}}": x',
        "a placeholder stands for a value, and not for a key; use a parameter of type map for the whole map "
        "[bad-blueprint]",
    ),
    (
        "default: 1}",
        f"default: {CARET}x}}",
        "the default is wrong: 'retry' must be a number, not the text 'x' [bad-blueprint]",
    ),
    (
        "default: 1}",
        f"default: {CARET}7}}",
        "the default is wrong: 'retry' must be at most 5, not 7 [bad-blueprint]",
    ),
    (
        "default: 1}",
        f"default: {CARET}'${{param.mode}}'}}",
        "the default is wrong: 'retry' is of type number, and this comes to text [bad-blueprint]",
    ),
    (
        "default: full",
        f"default: {CARET}ful",
        "the default is wrong: 'ful' is not one of 'full', 'delta'; did you mean 'full'? [bad-blueprint]",
    ),
    (
        "[full, delta]",
        f"[full, {CARET}7]",
        "'mode' must be text, not the number 7 [bad-blueprint]",
    ),
    (
        'pattern: "[a-z]+"',
        f'pattern: {CARET}"[a-z"',
        "not a regular expression: unterminated character set at position 0 [bad-blueprint]",
    ),
    ("min: 0,", f"min: {CARET}9,", "'min' 9 is above 'max' 5 [bad-blueprint]"),
    (
        "{type: boolean,",
        f"{{type: boolean, {CARET}min: 1,",
        "'min' says nothing of a parameter of type boolean [bad-blueprint]",
    ),
    (
        "{type: number,",
        f"{{type: number, {CARET}pattern: x,",
        "'pattern' says nothing of a parameter of type number [bad-blueprint]",
    ),
    (
        "{type: boolean,",
        f"{{type: boolean, {CARET}required: true,",
        "a parameter with a default needs no value; leave out one of 'required' and 'default' [bad-blueprint]",
    ),
    (
        "{type: boolean,",
        f"{{type: {CARET}bool,",
        "'type' cannot be 'bool'; did you mean 'boolean'? [unknown-value]",
    ),
    (
        "type: list,",
        f"{CARET}typ: list, type: list,",
        "unknown field 'typ' in a parameter; did you mean 'type'? [unknown-field]",
    ),
    (
        "      module_name: ",
        f"      {CARET}blueprint: ingest\n      module_name: ",
        "a blueprint cannot be made of another one; write its module out [bad-blueprint]",
    ),
    (
        "      module_name: ",
        f"      {CARET}with: {{}}\n      module_name: ",
        "unknown field 'with' in a module; known: 'module_name', 'description', 'job_config', 'targets', "
        "'presets', 'source_parameters', 'adopt', 'formerly', 'after', 'sources', 'runs', 'on_failure', 'finally' "
        "[unknown-field]",
    ),
    (
        "      sources:\n",
        f"      sources: {CARET}'${{param.libs}}'\n      x:\n",
        "'sources' must be a list, not the text '${param.libs}'; write it as a list, such as [...] [wrong-type]",
    ),
    (
        "        - source_id: extract\n",
        f"        - each: {CARET}5\n        - source_id: extract\n",
        "'each' must be a list, not the number 5 [wrong-type]",
    ),
    (
        "        - source_id: extract\n",
        f"        - {{each: [], each_as: {CARET}lop}}\n        - source_id: extract\n",
        "'each_as' cannot be 'lop'; did you mean 'loop'? [unknown-value]",
    ),
    (
        "        - source_id: extract\n",
        f"        - {{each_as: loop, {CARET}each: []}}\n        - source_id: extract\n",
        "'each_as: loop' repeats one source, and there are 0; give each one an 'each' of its own [bad-blueprint]",
    ),
    (
        "        - source_id: extract\n",
        f"        - {{each: [], {CARET}concurrency: 4}}\n        - source_id: extract\n",
        "'concurrency' is for 'each_as: loop' alone [bad-blueprint]",
    ),
    (
        "        - source_id: extract\n",
        f"        - {{each: [], {CARET}is_active: false}}\n        - source_id: extract\n",
        "'is_active' cannot stand beside 'each'; write it in the sources below 'each' [bad-blueprint]",
    ),
    (
        "      libs:   {type: list, required: false}",
        f"      {CARET}1libs:   {{type: list, required: false}}\n      libs:   {{type: list, required: false}}",
        "'1libs' is no name of a parameter: a letter, then letters, digits, '_' and '-' [bad-blueprint]",
    ),
]


class TestBlueprints:
    """What is wrong with one is told at its place, once, and keeps the jobs of all its users."""

    @pytest.mark.parametrize(
        ("old", "marked", "message"),
        one_in(3, MISTAKES),
    )
    def test_a_mistake_in_one_is_told_once_and_keeps_all_its_jobs(self, project, old, marked, message):
        lines(project, FIFTY)
        project.write("metadata/hand.yml", "modules: [{blueprint: ingest, with: {table: hand, owner: me}}]\n")
        assert project.ljm("generate").exit_code == 0
        before = project.generated()
        assert INGEST.count(old) == 1
        text, at = at_caret(INGEST.replace(old, marked))
        project.write("metadata/blueprints.yml", text)

        done = project.ljm("generate")

        found = [str(each) for each in done.errors]
        assert f"metadata/blueprints.yml:{at}: error: {message}" in found
        assert {each.place.split(":")[0] for each in done.errors} <= {"metadata/blueprints.yml", "job_meta.yml"}
        assert len(found) == len(set(found)) <= 2
        assert (len(before), project.generated()) == (51, before)

    def test_defaults_that_depend_on_each_other_are_named_in_a_circle(self, project):
        blueprint = INGEST.replace("{type: text}\n      mode", '{type: text, default: "${param.target}"}\n      mode')
        blueprint = blueprint.replace("main.${param.table}", "${param.owner}")

        lines(project, FIFTY, blueprint=blueprint)

        assert shown(project.compile()) == [
            "metadata/blueprints.yml:5:37: error: the defaults of these parameters depend on each other: owner -> "
            "target -> owner [bad-blueprint]"
        ]

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("notebook_path: /extract", "notebook_path: gone.py", "missing-file"),
            ("notebook_path: /extract", "notebook_path: '${var.gone}'", "unknown-reference"),
            (
                "job_config: {",
                'job_config: {schedule: {quartz_cron_expression: "0 0 2 * *", timezone_id: UTC}, ',
                "bad-cron",
            ),
            ("max_retries:", "max_retrys:", "unknown-field"),
            ("notebook_path: /extract", "notebook_path: 7", "wrong-type"),
            ("execution_order: 2", "depends_on: [extrct]", "unknown-dependency"),
            (
                "notebook_path: /extract",
                "notebook_path: /extract\n            existing_cluster_id: your-id",
                "placeholder",
            ),
        ],
    )
    def test_a_setting_that_is_wrong_in_one_is_told_once_for_fifty_rows(self, project, old, new, code):
        lines(project, FIFTY, blueprint=INGEST.replace(old, new))

        (problem,) = project.compile().diagnostics

        assert (problem.code, problem.location.path) == (code, "metadata/blueprints.yml")

    def test_a_parameter_that_nothing_uses_is_a_warning(self, project):
        lines(project, FIFTY, blueprint=INGEST.replace(', mode: "${param.mode}"', ""))

        compilation = project.compile()

        assert shown(compilation) == [
            "metadata/blueprints.yml:6:7: warning: the parameter 'mode' is used nowhere [unused-parameter]"
        ]
        assert len(compilation.files) == 50

    def test_a_blueprint_that_is_there_twice_is_reported_at_both(self, project):
        project.write("metadata/again.yml", INGEST)
        lines(project, FIFTY)

        message = "2:16: error: the blueprint 'ingest' is defined more than once; rename or remove one"
        assert shown(project.compile()) == [
            f"metadata/again.yml:{message} [duplicate-blueprint]",
            f"metadata/blueprints.yml:{message} [duplicate-blueprint]",
        ]

    @pytest.mark.parametrize("broken", ["blueprints: [\n", "blueprints: [5]\n", "blueprints:\n  - {module: {}}\n"])
    def test_a_file_that_may_define_one_and_cannot_be_read_is_told_and_no_user_of_it(self, project, broken):
        project.write("metadata/hand.yml", "modules: [{blueprint: ingest, with: {table: hand, owner: me}}]\n")
        lines(project, FIFTY)
        project.ljm("generate")
        before = project.generated()
        project.write("metadata/blueprints.yml", broken)

        done = project.ljm("generate")

        assert {each.place.split(":")[0] for each in done.problems} == {"metadata/blueprints.yml"}
        assert (len(before), project.generated()) == (51, before)

    def test_a_second_source_that_cannot_be_read_hides_no_blueprint(self, project):
        """It may define the one that is missed."""
        project.write("metadata/hand.yml", "modules: [{blueprint: ingest, with: {table: hand, owner: me}}]\n")
        project.write("job_meta.yml", "metadata: [{yaml: metadata/}, {yaml: shared/}]\n")
        project.write("shared/blueprints.yml", INGEST)
        project.ljm("generate")
        before = project.generated()
        (project.path / "shared/blueprints.yml").unlink()
        (project.path / "shared").rmdir()

        done = project.ljm("generate")

        assert [(each.place, each.code) for each in done.problems] == [("shared/", "unreadable")]
        assert (len(before), project.generated()) == (1, before)

    def test_a_use_that_names_nothing_sensible_is_reported(self, project):
        project.write(
            "metadata/a.yml", "blueprints: []\nmodules: [{blueprint: null}, {blueprint: [a]}, {blueprint: b}]\n"
        )

        assert shown(project.compile()) == [
            "metadata/a.yml:2:23: error: no blueprint is named here, so nothing can be made of it [unknown-blueprint]",
            "metadata/a.yml:2:42: error: 'blueprint' must be the name of one, not a list [unknown-blueprint]",
            "metadata/a.yml:2:60: error: there is no blueprint 'b'; write it below 'blueprints:' in a metadata file "
            "[unknown-blueprint]",
        ]

    def test_the_keys_are_written_without_escapes(self, project):
        """Files are looked through for them as bytes."""
        project.write("metadata/a.yml", '"blueprint\\x73": [{blueprint: b, module: {}}]\n')
        project.write("metadata/b.yml", 'modules: [{"blueprin\\x74": b}]\n')

        assert [str(each).split(": ")[2] for each in project.compile().diagnostics] == [
            "write the key 'blueprints' without escapes [unreadable]",
            "write the key 'blueprint' without escapes [unreadable]",
        ]


class TestExamples:
    def examples(self, project: ProjectFolder, examples: str, blueprint: str = INGEST) -> list[str]:
        project.write("metadata/b.yml", blueprint.replace("    module:\n", f"    examples: {examples}\n    module:\n"))
        compilation = project.compile()
        assert (compilation.files, compilation.kept_jobs) == ({}, frozenset())
        return shown(compilation)

    def test_of_a_blueprint_that_nothing_uses_are_checked(self, project):
        blueprint = INGEST.replace("notebook_path: /extract", "notebook_path: gone.py")

        assert self.examples(project, "[{table: a, owner: me}, {table: b, owner: me}]", blueprint) == [
            "metadata/b.yml:20:28: error: there is no file 'gone.py' in the project; paths are relative to the project "
            "folder [missing-file]"
        ]

    def test_that_are_wrong_are_reported_at_their_place(self, project):
        found = self.examples(
            project, "[{table: A, owner: me}, {table: b, onwer: me}, {table: b, owner: me, retry: 2.5}]"
        )

        assert [each.replace("metadata/b.yml:", "") for each in found] == [
            "12:24: error: 'A' does not match the pattern '[a-z]+' of 'table' (blueprint ingest, 4:7) [bad-parameter]",
            "12:39: error: no value for 'owner' of blueprint ingest (blueprint ingest, 5:7) [missing-parameter]",
            "12:50: error: blueprint ingest has no parameter 'onwer'; did you mean 'owner'? [unknown-parameter]",
            "12:91: error: 'max_retries' must be a whole number, not the number 2.5 (blueprint ingest, 2:16) "
            "[wrong-type]",
        ]

    def test_of_a_blueprint_whose_uses_name_the_module_need_no_name(self, project):
        blueprint = INGEST.replace("      module_name: ingest_${param.table}\n", "")

        assert self.examples(project, "[{table: a, owner: me}]", blueprint) == []


class TestHostileCells:
    """A cell is only ever text, or refused by the same check as in a file of metadata."""

    @staticmethod
    def parameter(project: ProjectFolder, key: str) -> object:
        text = next(text for path, text in project.texts().items() if path == f"jobs/{key}.yml")
        (job,) = yaml.safe_load(text)["resources"]["jobs"].values()
        return tasks(job)["extract"]["notebook_task"]["base_parameters"]["target"]

    @pytest.mark.parametrize(
        "cell",
        one_in(
            4,
            [
                *(
                    "{{job.id}}",
                    "{% raw %}",
                    "a: b",
                    "- a",
                    "# no comment",
                    "'",
                    '"',
                    '""',
                    "a\nb",
                    "a\r\nb",
                    "\ta ",
                    "null",
                ),
                *(
                    "true",
                    "1",
                    "1.0",
                    "0x1F",
                    "2024-01-01",
                    "~",
                    "<<",
                    "*a",
                    "&a",
                    "!!str a",
                    "|",
                    ">",
                    "---",
                    "...",
                    "%YAML",
                ),
                *("\u2028", "\x85", "\ufeff", "\U0001f600", "日本", "\\n", "$", "$$", "${", "${}", "${x", "x" * 5000),
            ],
        ),
    )
    def test_whatever_it_holds_is_text_in_the_generated_file(self, project, cell):
        table(project, [{"table": "a", "owner": "me", "target": cell}], {"table": TEXT, "owner": TEXT, "target": TEXT})

        assert shown(project.compile()) == []
        assert self.parameter(project, "ingest_a") == cell

    @pytest.mark.parametrize(
        "cell", ["${param.table}", "${param.gone}", "${column.owner}", "${var.gone}", "a ${x.y} b"]
    )
    def test_a_reference_that_nothing_resolves_is_refused_as_in_a_file(self, project, cell):
        table(project, [{"table": "a", "owner": "me", "target": cell}], {"table": TEXT, "owner": TEXT, "target": TEXT})
        (problem,) = project.compile().diagnostics
        other = ProjectFolder(project.path / "other")
        other.write(
            "metadata/a.yml",
            "modules: [{module_name: a, sources: [{source_id: a, execution_order: 1, transformation_config: "
            f"{{notebook_path: /a, base_parameters: {{target: {json.dumps(cell)}}}}}}}]}}]\n",
        )
        (same,) = other.compile().diagnostics

        assert (problem.code, problem.message) == (same.code, f"{same.message} {INGESTED}")
        assert problem.location.path == "list[table=a].target"

    def test_a_reference_that_the_bundle_resolves_passes_as_in_a_file(self, project):
        cell = "${var.warehouse_id}"
        table(project, [{"table": "a", "owner": "me", "target": cell}], {"table": TEXT, "owner": TEXT, "target": TEXT})

        assert self.parameter(project, "ingest_a") == cell

    @given(any_text | words_that_look_like_something_else)
    def test_no_text_becomes_anything_else(self, tmp_path_factory, cell: str):
        project = ProjectFolder(tmp_path_factory.mktemp("hostile"))
        module = {"blueprint": "ingest", "with": {"table": "a", "owner": "me", "target": cell}}
        project.write("metadata/b.yml", INGEST)
        project.write("metadata/a.yml", "x")
        (project.path / "metadata/a.yml").write_bytes(json.dumps({"modules": [module]}).encode())

        compilation = project.compile()

        if not compilation.diagnostics:
            assert self.parameter(project, "ingest_a") == cell
        assert {each.code for each in compilation.diagnostics} <= {"unknown-reference", "not-a-value", "unreadable"}

    @pytest.mark.parametrize("cell", ["../up", "a/b", "{{x}}", "a b", "é", ".", "-", "con"])
    def test_a_name_that_is_made_of_one_names_no_file_elsewhere(self, project, cell):
        blueprint = INGEST.replace(', pattern: "[a-z]+"', "")
        table(project, [{"table": cell, "owner": "me"}], {"table": TEXT, "owner": TEXT}, blueprint=blueprint)

        assert project.ljm("generate").exit_code in (0, 1)
        assert all(path.count("/") == 1 and ".." not in path for path in project.generated())
