"""Control tables as real Delta tables, read where they lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import arro3.core as arrow
import pytest
from deltalake import DeltaTable, write_deltalake

from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.schema import RowChanges, TableUnusable
from support.tables import ALL_COLUMNS, BOOL, INT, LONG, ORIGINAL_COLUMNS, TEXT, row, write_table

TABLE = "data/control"
SETTINGS = f"metadata: [{{delta: {TABLE}}}]\ncontrol_table: main.etl.control\n"


@pytest.fixture
def control(project):
    project.write("job_meta.yml", SETTINGS)
    return project


def job_of(project) -> dict:
    compilation = project.compile()
    assert [str(problem) for problem in compilation.diagnostics] == []
    (job,) = compilation.jobs
    return job.settings


class TestColumns:
    def test_a_table_of_the_original_format_needs_nothing_more(self, control):
        utc = arrow.DataType.timestamp("us", tz="UTC")
        stamps = {"created_timestamp": utc, "updated_timestamp": utc}
        write_table(control.path / TABLE, [row(created_timestamp=0)], {**ORIGINAL_COLUMNS, **stamps})
        assert [task["task_key"] for task in job_of(control)["tasks"]] == ["a"]

    def test_other_columns_are_the_user_s_own(self, control):
        mine = {"owner": TEXT, "cost": arrow.DataType.float64(), "data": arrow.DataType.binary()}
        write_table(control.path / TABLE, [row(owner="me", cost=1.5, data=b"x")], {**ALL_COLUMNS, **mine})
        assert len(job_of(control)["tasks"]) == 1

    def test_the_order_of_columns_does_not_matter(self, control):
        write_table(control.path / TABLE, [row()], dict(reversed(list(ALL_COLUMNS.items()))))
        assert len(job_of(control)["tasks"]) == 1

    @pytest.mark.parametrize("kind", [LONG, INT, arrow.DataType.int16(), arrow.DataType.int8()])
    def test_an_order_may_be_any_whole_number(self, control, kind):
        write_table(control.path / TABLE, [row(execution_order=7)], {**ALL_COLUMNS, "execution_order": kind})
        assert len(job_of(control)["tasks"]) == 1

    @pytest.mark.parametrize("column", list(ORIGINAL_COLUMNS))
    def test_a_missing_column_is_named_with_its_type(self, control, column):
        columns = {name: kind for name, kind in ORIGINAL_COLUMNS.items() if name != column}
        write_table(control.path / TABLE, [row()], columns)
        result = control.ljm("validate")
        (problem,) = result.errors
        assert (problem.place, problem.code) == (TABLE, "unreadable")
        assert f"the table has no column {column!r}" in problem.message
        kind = {INT: "INT", BOOL: "BOOLEAN"}.get(ORIGINAL_COLUMNS[column], "STRING")
        assert problem.message.endswith(f"add it as {kind}")

    def test_a_missing_column_with_a_near_name_is_pointed_out(self, control):
        columns = {("execution_ordr" if name == "execution_order" else name): k for name, k in ALL_COLUMNS.items()}
        write_table(control.path / TABLE, [row()], columns)
        assert "(there is 'execution_ordr')" in control.ljm("validate").stderr

    @pytest.mark.parametrize(
        ("column", "kind", "value", "words"),
        [
            ("execution_order", TEXT, "1", "but must be INT"),
            ("execution_order", arrow.DataType.float64(), 1.0, "but must be INT"),
            ("is_active", TEXT, "true", "but must be BOOLEAN"),
            ("is_active", INT, 1, "but must be BOOLEAN"),
            ("source_id", INT, 1, "but must be STRING"),
            ("job_config", LONG, 1, "but must be STRING"),
            ("depends_on", arrow.DataType.binary(), b"[]", "but must be STRING"),
        ],
    )
    def test_a_column_of_the_wrong_type_is_named(self, control, column, kind, value, words):
        write_table(control.path / TABLE, [{**row(), column: value}], {**ALL_COLUMNS, column: kind})
        (problem,) = control.ljm("validate").errors
        assert f"the column {column!r}" in problem.message
        assert words in problem.message

    def test_all_wrong_columns_are_told_at_once(self, control):
        columns = {name: kind for name, kind in ALL_COLUMNS.items() if name not in ("source_id", "is_active")}
        write_table(control.path / TABLE, [row()], columns)
        assert len(control.ljm("validate").errors) == 2


class TestTables:
    def test_the_newest_version_is_read(self, control):
        folder = control.path / TABLE
        write_table(folder, [row(job_config={"timeout_seconds": 1})])
        write_table(folder, [row(job_config={"timeout_seconds": 2})])
        assert job_of(control)["timeout_seconds"] == 2

    def test_updates_and_deletes_are_seen(self, control):
        folder = control.path / TABLE
        write_table(folder, [row("a"), row("b"), row("c")])
        table = DeltaTable(folder)
        table.delete("source_id = 'b'")
        table.update(predicate="source_id = 'c'", updates={"is_active": "false"})
        assert [task["task_key"] for task in job_of(control)["tasks"]] == ["a"]

    def test_rows_may_lie_in_many_files_and_partitions(self, control):
        folder = control.path / TABLE
        for number in range(5):
            rows = [row(f"s{number}", "sales"), row(f"s{number}", "returns")]
            data = {name: arrow.Array([each.get(name) for each in rows], kind) for name, kind in ALL_COLUMNS.items()}
            write_deltalake(folder, arrow.Table.from_pydict(data), mode="append", partition_by=["module_name"])
        jobs = {job.key: [task["task_key"] for task in job.tasks] for job in control.compile().jobs}
        tasks = ["s0", "s1", "s2", "s3", "s4"]
        assert jobs == {"returns": tasks, "sales": tasks}

    def test_the_table_is_what_generated_files_name(self, control):
        write_table(control.path / TABLE, [row()])
        control.ljm("generate")
        first = control.read("resources/jobs/sales.yml").split("\n")[0]
        assert first == f"# Generated by lakeflow-job-meta from {TABLE}. Edit the metadata, not this file."

    def test_its_name_is_what_notebooks_get_unless_the_project_gives_another(self, control):
        write_table(control.path / TABLE, [row()])
        assert job_of(control)["tasks"][0]["notebook_task"]["base_parameters"]["control_table"] == "main.etl.control"
        control.write("job_meta.yml", f"metadata: [{{delta: {TABLE}}}]\n")
        assert job_of(control)["tasks"][0]["notebook_task"]["base_parameters"]["control_table"] == TABLE

    def test_reading_changes_nothing(self, control):
        write_table(control.path / TABLE, [row()])
        before = control.everything()
        control.ljm("validate")
        assert control.everything() == before

    def test_a_table_and_files_may_be_read_together(self, control):
        control.write("job_meta.yml", f"metadata: [{{delta: {TABLE}}}, {{yaml: metadata}}]\n")
        control.write(
            "metadata/b.yml",
            "modules: [{module_name: b, sources: [{source_id: a, execution_order: 1, "
            "transformation_config: {notebook_path: /a}}]}]",
        )
        write_table(control.path / TABLE, [row()])
        assert [job.key for job in control.compile().jobs] == ["sales", "b"]

    def test_a_module_in_a_table_and_a_file_is_an_error_that_names_both(self, control):
        control.write("job_meta.yml", f"metadata: [{{delta: {TABLE}}}, {{yaml: metadata}}]\n")
        control.write(
            "metadata/b.yml",
            "modules: [{module_name: sales, sources: [{source_id: a, execution_order: 1, "
            "transformation_config: {notebook_path: /a}}]}]",
        )
        write_table(control.path / TABLE, [row()])
        in_table, in_file = control.ljm("validate").errors
        assert in_table.place == f"{TABLE}[module_name=sales, source_id=a].module_name"
        assert in_file.place == "metadata/b.yml:1:25"
        assert in_file.message.endswith(f"is also at {in_table.place}")


class TestUnreadable:
    def test_a_table_that_is_not_there(self, control):
        result = control.ljm("validate")
        (problem,) = result.errors
        assert (problem.place, problem.code, result.exit_code) == (TABLE, "unreadable", 1)
        assert "there is no Delta table here" in problem.message

    def test_a_folder_that_is_no_table(self, control):
        control.write(f"{TABLE}/a.txt", "x")
        (problem,) = control.ljm("validate").errors
        assert "there is no Delta table here" in problem.message

    def test_a_file_in_the_place_of_a_table(self, control):
        control.write(TABLE, "x")
        (problem,) = control.ljm("validate").errors
        assert problem.code == "unreadable"

    @pytest.mark.parametrize("content", ["", "{", "not json\n", '{"commitInfo": {}}\n', "\x00\x01"])
    def test_a_log_that_is_garbage_is_an_error(self, control, content):
        control.write(f"{TABLE}/_delta_log/00000000000000000000.json", content)
        (problem,) = control.ljm("validate").errors
        assert problem.code == "unreadable"

    def test_a_data_file_that_is_gone(self, control):
        write_table(control.path / TABLE, [row()])
        for file in (control.path / TABLE).glob("*.parquet"):
            file.unlink()
        (problem,) = control.ljm("validate").errors
        assert problem.code == "unreadable"
        assert "cannot be read" in problem.message

    @pytest.mark.parametrize("location", ["nothing://a/b", "file:///nowhere/x", "a\\b/c"])
    def test_a_place_that_cannot_be_reached(self, project, location):
        project.write("job_meta.yml", f"metadata: [{{delta: '{location}'}}]\n")
        result = project.ljm("validate")
        assert [problem.code for problem in result.errors] == ["unreadable"]

    def test_an_empty_table_is_fine_while_nothing_was_generated(self, control):
        write_table(control.path / TABLE, [])
        assert control.ljm("generate").exit_code == 0

    def test_a_table_that_is_empty_now_removes_nothing(self, control):
        write_table(control.path / TABLE, [row()])
        control.ljm("generate")
        write_table(control.path / TABLE, [])
        result = control.ljm("generate")
        assert result.exit_code == 3
        assert "--allow-empty" in result.stderr
        assert list(control.generated()) == ["jobs/sales.yml"]

    def test_a_table_that_cannot_be_read_now_removes_nothing(self, control):
        write_table(control.path / TABLE, [row()])
        control.ljm("generate")
        before = control.generated()
        (control.path / TABLE).rename(control.path / "elsewhere")
        assert control.ljm("generate").exit_code == 3
        assert control.ljm("generate", "--allow-empty").exit_code == 1
        assert control.generated() == before


def test_pyarrow_and_pandas_are_never_imported(control):
    write_table(control.path / TABLE, [row()])
    code = (
        "import sys; from pathlib import Path\n"
        "from lakeflow_job_meta.compiler.compile import compile_project\n"
        "from lakeflow_job_meta.config.bundle import BundleDeclarations\n"
        "from lakeflow_job_meta.config.load import load_project\n"
        "assert compile_project(load_project(Path(sys.argv[1])), BundleDeclarations()).jobs\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('pyarrow', 'pandas', 'pyspark')])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(control.path)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_without_the_extra_the_message_says_what_to_install(control, monkeypatch):
    for name in ("deltalake", "deltalake.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    (problem,) = control.ljm("validate").errors
    assert "pip install 'lakeflow-job-meta[delta]'" in problem.message


class TestWhatDeltaRsCannotDo:
    """Each with a commit of another writer that gives the table the feature, as Databricks would."""

    def table(self, tmp_path, *features: str, name="control", reader=(), columns=None, **properties: str) -> DeltaFiles:
        path = tmp_path / name
        table = DeltaFiles(str(path), CONTROL_TABLE)
        table.create()
        table.write(RowChanges([row("a")]))
        log = path / "_delta_log"
        first = [json.loads(line) for line in (log / f"{0:020}.json").read_text().splitlines()]
        (metadata,) = [action for action in first if "metaData" in action]
        metadata["metaData"]["configuration"].update(properties)
        schema = json.loads(metadata["metaData"]["schemaString"])
        for field in schema["fields"]:
            field["metadata"].update((columns or {}).get(field["name"], {}))
        metadata["metaData"]["schemaString"] = json.dumps(schema)
        actions = [metadata]
        if features or reader:
            versions = {"minReaderVersion": 3 if reader else 1, "minWriterVersion": 7}
            named = {"writerFeatures": [*features, *reader], **({"readerFeatures": [*reader]} if reader else {})}
            actions.append({"protocol": {**versions, **named}})
        (log / f"{2:020}.json").write_text("\n".join(map(json.dumps, actions)))
        return table

    def refusal(self, table: DeltaFiles) -> str:
        with pytest.raises(TableUnusable) as refused:
            table.write(RowChanges([row("a", execution_order=9)]))
        assert "somebody else" not in str(refused.value)
        return str(refused.value)

    @pytest.mark.parametrize(
        ("features", "named"),
        [
            (["identityColumns"], "'IdentityColumns'"),
            (["allowColumnDefaults"], "'AllowColumnDefaults'"),
            (["clustering", "domainMetadata"], "'ClusteredTable', 'DomainMetadata'"),
            (["rowTracking", "domainMetadata"], "'DomainMetadata', 'RowTracking'"),
            (["inCommitTimestamp"], "'InCommitTimestamp'"),
            (["ofTomorrow"], "'ofTomorrow'"),
        ],
    )
    def test_a_feature_that_it_cannot_write_is_named_with_the_way_out(self, tmp_path, features, named):
        table = self.table(tmp_path, *features)
        assert f"cannot handle these features of the table: {named}. " in self.refusal(table)
        assert "as `table:` with a warehouse_id" in self.refusal(table)
        assert len(table.read().rows) == 1

    def test_a_feature_that_it_cannot_read_is_named_too(self, tmp_path):
        table = self.table(tmp_path, reader=["ofTomorrow"])
        with pytest.raises(TableUnusable, match=r"features of the table: 'ofTomorrow'"):
            table.read()

    def test_a_path_with_the_word_feature_is_no_feature(self, tmp_path):
        table = self.table(tmp_path, name="my_feature_table", reader=["columnMapping"],
                           **{"delta.columnMapping.mode": "name"})  # fmt: skip
        with pytest.raises(TableUnusable, match=r"cannot be read or written: .*physicalName"):
            table.read()

    def test_an_append_only_table_is_told_as_such(self, tmp_path):
        assert "append-only (delta.appendOnly)" in self.refusal(self.table(tmp_path, **{"delta.appendOnly": "true"}))

    def test_a_broken_rule_is_named_with_its_column(self, tmp_path):
        rule = {"delta.constraints.small": "execution_order < 5"}
        assert "break a rule of the table: small (execution_order < 5)" in self.refusal(
            self.table(tmp_path, "checkConstraints", **rule)
        )
        of_column = {"source_type": {"delta.generationExpression": "upper(source_id)"}}
        table = self.table(tmp_path, "generatedColumns", name="other", columns=of_column)
        assert "column 'source_type' (upper(source_id))" in self.refusal(table)

    def test_a_version_whose_data_or_log_is_gone_is_told_as_such(self, tmp_path):
        table = self.table(tmp_path)
        for uri in DeltaTable(tmp_path / "control", version=1).file_uris():
            os.unlink(uri)  # noqa: PTH108
        with pytest.raises(OperationFailed, match=r"its data file 'part-\S+' is gone, as after VACUUM"):
            table.read(1)
        DeltaTable(tmp_path / "control").create_checkpoint()
        for version in (0, 1):
            (tmp_path / "control" / "_delta_log" / f"{version:020}.json").unlink()
        with pytest.raises(OperationFailed, match=r"does not keep version 1 any more: .* the newest is 2"):
            table.read(1)

    def test_a_path_that_it_would_take_for_another_one_is_refused(self, tmp_path):
        table = DeltaFiles(str(tmp_path / "a%20b"), CONTROL_TABLE)
        for act in (table.create, table.read, table.version):
            with pytest.raises(TableUnusable, match="takes '%' and two digits in a path for another character"):
                act()
        assert list(tmp_path.iterdir()) == []

    def test_a_commit_that_another_one_came_before_is_a_conflict(self, tmp_path, monkeypatch):
        table = self.table(tmp_path)
        real = DeltaTable.merge

        def slow(opened, *arguments, **named):
            DeltaTable(opened.table_uri).delete()
            return real(opened, *arguments, **named)

        monkeypatch.setattr(DeltaTable, "merge", slow)
        with pytest.raises(OperationFailed, match="somebody else changed the table at the same time"):
            table.write(RowChanges([row("a", execution_order=9)]))
