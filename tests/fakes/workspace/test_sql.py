"""SQL on the fake workspace, as a specification; spoken to by the real SDK only."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import DatabricksError
from databricks.sdk.service.sql import ColumnInfoTypeName
from deltalake import CommitProperties, DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.workspace import FakeWorkspace
from fakes.workspace.answers import ErrorOf, Rows, RunSql
from support.examples import examples

CONTROL = "main.etl.control"
CREATE_CONTROL = f"""
CREATE TABLE IF NOT EXISTS {CONTROL} (
  source_id STRING NOT NULL COMMENT 'unique in its module', module_name STRING, execution_order INT,
  is_active BOOLEAN, updated_timestamp TIMESTAMP
) USING DELTA COMMENT 'what runs when' TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')
"""
MERGE_CONTROL = f"""
MERGE INTO {CONTROL} AS t
USING (SELECT inline(from_json(:rows,
  'ARRAY<STRUCT<source_id: STRING, execution_order: INT, is_active: BOOLEAN, gone: BOOLEAN>>'))) AS s
ON t.source_id <=> s.source_id
WHEN MATCHED AND coalesce(s.gone, false) THEN DELETE
WHEN MATCHED AND NOT (t.execution_order <=> s.execution_order) THEN
  UPDATE SET execution_order = s.execution_order, t.updated_timestamp = current_timestamp()
WHEN NOT MATCHED AND NOT coalesce(s.gone, false) THEN
  INSERT (source_id, execution_order, is_active)
  VALUES (s.source_id, s.execution_order, coalesce(s.is_active, true))
"""


@pytest.fixture
def control(rows: Rows) -> str:
    rows(CREATE_CONTROL)
    return CONTROL


def version_of(rows: Rows, table: str) -> int:
    return int(rows(f"DESCRIBE HISTORY {table} LIMIT 1")[0][0] or -1)


# Definitions


def test_a_table_is_a_delta_table_on_disk(workspace: FakeWorkspace, control: str) -> None:
    table = DeltaTable(workspace.table_path(control))

    assert [field.name for field in table.schema().fields][:2] == ["source_id", "module_name"]
    assert table.metadata().configuration == {"delta.enableChangeDataFeed": "true"}


def test_create_if_not_exists_leaves_a_table_alone(rows: Rows, control: str) -> None:
    rows(f"CREATE TABLE IF NOT EXISTS {control} (other STRING)")

    assert version_of(rows, control) == 0
    assert rows(f"DESCRIBE TABLE {control}")[0] == ["source_id", "string", "unique in its module"]


def test_create_refuses_a_table_that_exists(error_of: ErrorOf, control: str) -> None:
    message = error_of(f"CREATE TABLE {control} (other STRING)")

    assert message.startswith("[TABLE_OR_VIEW_ALREADY_EXISTS]")
    assert message.endswith("SQLSTATE: 42P07")


@pytest.mark.parametrize("name", ["a b", "a,b", "a=b", "a(b"])
def test_create_refuses_a_column_that_delta_cannot_have(error_of: ErrorOf, name: str) -> None:
    message = error_of(f"CREATE TABLE main.etl.t (`{name}` STRING)")

    assert message.startswith("[DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES]")


def test_create_refuses_a_schema_that_does_not_exist(workspace: FakeWorkspace, error_of: ErrorOf) -> None:
    workspace.engine.tables.missing_schemas.add("main.nope")

    assert error_of("CREATE TABLE main.nope.t (a STRING)").startswith("[SCHEMA_NOT_FOUND]")


def test_added_columns_are_null_in_old_rows_and_one_commit(rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id) VALUES ('a')")

    rows(f"ALTER TABLE {control} ADD COLUMNS (depends_on STRING COMMENT 'JSON list', `job-config` STRING)")

    assert rows(f"SELECT source_id, depends_on, `job-config` FROM {control}") == [["a", None, None]]
    assert rows(f"DESCRIBE HISTORY {control} LIMIT 1")[0][4] == "ADD COLUMNS"
    assert ["depends_on", "string", "JSON list"] in rows(f"DESCRIBE TABLE {control}")


def test_adding_a_column_that_is_there_fails_in_any_case_of_letters(error_of: ErrorOf, control: str) -> None:
    assert error_of(f"ALTER TABLE {control} ADD COLUMN SOURCE_ID STRING").startswith("[COLUMN_ALREADY_EXISTS]")


def test_a_table_dropped_and_made_again_starts_at_version_0_with_another_id(rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id) VALUES ('a')")
    before = rows(f"DESCRIBE DETAIL {control}")[0]

    rows(f"DROP TABLE {control}")
    rows(CREATE_CONTROL)

    after = rows(f"DESCRIBE DETAIL {control}")[0]
    assert version_of(rows, control) == 0
    assert before[0] == after[0] == "delta"
    assert before[1] != after[1]
    assert before[2] == after[2] == control


# Queries and their results


def test_all_values_are_strings_and_null_is_null(rows: Rows) -> None:
    rows("CREATE TABLE main.etl.kinds (s STRING, i INT, l BIGINT, b BOOLEAN, t TIMESTAMP, d DATE, n STRING)")
    rows("INSERT INTO main.etl.kinds VALUES ('x', 1, 5000000000, true, '2024-01-01T00:00:00Z', '2024-02-03', NULL)")

    assert rows("SELECT * FROM main.etl.kinds") == [
        ["x", "1", "5000000000", "true", "2024-01-01T00:00:00.000Z", "2024-02-03", None]
    ]


def test_the_manifest_names_the_columns_and_their_types(run_sql: RunSql, control: str) -> None:
    names = "source_id, module_name, execution_order, is_active, updated_timestamp"

    response = run_sql(f"SELECT *, count(*) AS n FROM {control} GROUP BY {names}")

    columns = response.columns
    assert [(column.position, column.name, column.type_name, column.type_text) for column in columns] == [
        (0, "source_id", ColumnInfoTypeName.STRING, "STRING"),
        (1, "module_name", ColumnInfoTypeName.STRING, "STRING"),
        (2, "execution_order", ColumnInfoTypeName.INT, "INT"),
        (3, "is_active", ColumnInfoTypeName.BOOLEAN, "BOOLEAN"),
        (4, "updated_timestamp", ColumnInfoTypeName.TIMESTAMP, "TIMESTAMP"),
        (5, "n", ColumnInfoTypeName.LONG, "BIGINT"),
    ]


def test_a_query_without_a_table(rows: Rows, run_sql: RunSql, workspace: FakeWorkspace) -> None:
    assert rows("SELECT 1") == [["1"]]
    assert rows("SELECT current_user()") == [[workspace.identity.user_name]]
    assert run_sql("SELECT 1").columns[0].name == "1"


def test_conditions_orders_and_limits(rows: Rows, control: str) -> None:
    rows(
        f"INSERT INTO {control} (source_id, module_name, execution_order, is_active) VALUES "
        "('a', 'x', 1, true), ('b', 'x', 2, false), ('c', NULL, 3, NULL), ('d', 'y', NULL, true)"
    )

    assert rows(f"SELECT source_id FROM {control} WHERE module_name = 'x' AND is_active") == [["a"]]
    assert rows(f"SELECT source_id FROM {control} WHERE module_name IS NULL OR execution_order IN (2, 9) "
                "ORDER BY source_id") == [["b"], ["c"]]  # fmt: skip
    assert rows(f"SELECT source_id FROM {control} WHERE NOT (module_name <=> 'x') ORDER BY source_id DESC") == [
        ["d"],
        ["c"],
    ]
    assert rows(f"SELECT count(*) FROM {control} t WHERE t.is_active IS NOT NULL") == [["3"]]
    assert rows(f"SELECT t.* FROM {control} t WHERE t.source_id = 'd'") == [["d", "y", None, "true", None]]
    assert rows(f"SELECT DISTINCT is_active FROM {control} ORDER BY is_active") == [
        [None],
        ["false"],
        ["true"],
    ]


def test_null_comes_first_in_an_ascending_order_as_in_spark(rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id, execution_order) VALUES ('a', 1), ('b', NULL), ('c', 2)")

    assert rows(f"SELECT source_id FROM {control} ORDER BY execution_order LIMIT 1") == [["b"]]
    assert rows(f"SELECT source_id FROM {control} ORDER BY execution_order DESC LIMIT 1") == [["c"]]


def test_names_of_columns_do_not_depend_on_case(rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (SOURCE_ID) VALUES ('a')")

    assert rows(f"SELECT Source_Id FROM {control} WHERE source_ID = 'a'") == [["a"]]


def test_a_query_can_be_pinned_to_a_version(rows: Rows, control: str, error_of: ErrorOf) -> None:
    rows(f"INSERT INTO {control} (source_id) VALUES ('a')")
    rows(f"INSERT INTO {control} (source_id) VALUES ('b')")

    assert rows(f"SELECT source_id FROM {control} VERSION AS OF 1") == [["a"]]
    assert rows(f"SELECT count(*) FROM {control} VERSION AS OF 0") == [["0"]]
    assert error_of(f"SELECT * FROM {control} VERSION AS OF 9").startswith("[DELTA_VERSION_NOT_FOUND]")


@settings(max_examples=examples(15))
@given(
    parts=st.tuples(*[st.text("az09-_.` 'ü", min_size=1, max_size=6)] * 3),
    column=st.text("a-.`'\"ü", min_size=1),
)
def test_names_may_hold_anything_between_backquotes(rows: Rows, parts: tuple[str, ...], column: str) -> None:
    table = ".".join("`" + part.replace("`", "``") + "`" for part in parts)
    name = "`" + column.replace("`", "``") + "`"

    rows(f"CREATE TABLE {table} ({name} STRING, n INT)")
    rows(f"INSERT INTO {table} ({name}) VALUES ('x')")
    rows(f"UPDATE {table} SET n = 1 WHERE {name} = 'x'")
    rows(f"MERGE INTO {table} t USING (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<k: STRING>>'))) s "
         f"ON t.{name} = s.k WHEN NOT MATCHED THEN INSERT ({name}, n) VALUES (s.k, 2)",
         {"rows": '[{"k": "y"}, {"k": "x"}]'})  # fmt: skip

    assert rows(f"SELECT {name}, n FROM {table} ORDER BY n") == [["x", "1"], ["y", "2"]]
    rows(f"DELETE FROM {table} WHERE {name} = 'x'")
    assert rows(f"SELECT t.{name} FROM {table} AS t") == [["y"]]
    rows(f"DROP TABLE {table}")


# Errors


def test_a_missing_table_is_a_failed_statement_not_an_http_error(workspace: FakeWorkspace, run_sql: RunSql) -> None:
    response = run_sql("SELECT * FROM main.etl.nope")

    assert response.state == "FAILED"
    assert response.error_code == "BAD_REQUEST"
    assert response.error.startswith("[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`etl`.`nope` cannot be found.")
    assert response.sql_state == "42P01"
    assert not response.has_result
    assert workspace.calls("POST")[0].status == 200


@pytest.mark.parametrize(
    "text",
    [
        "SELEC 1",
        "SELECT * FRM x",
        "SELECT",
        "-- nothing",
        "CREATE TABLE",
        "UPDATE main.etl.t SET",
        "SELECT 'abc",
        "SELECT 1; SELECT 2",
    ],
)
def test_what_is_not_one_statement_is_a_syntax_error(text: str, error_of: ErrorOf) -> None:
    assert error_of(text).startswith("[PARSE_SYNTAX_ERROR]")


def test_a_missing_column_is_named_with_the_ones_there_are(error_of: ErrorOf, control: str) -> None:
    message = error_of(f"SELECT sourceid FROM {control}")

    assert message.startswith("[UNRESOLVED_COLUMN.WITH_SUGGESTION]")
    assert "`source_id`" in message


@pytest.mark.parametrize(
    ("statement", "privilege"),
    [("SELECT * FROM main.etl.control", "SELECT"), ("DELETE FROM main.etl.control", "MODIFY")],
)
def test_a_missing_privilege(
    workspace: FakeWorkspace, control: str, error_of: ErrorOf, statement: str, privilege: str
) -> None:
    workspace.engine.tables.denied.add((control, privilege))

    assert error_of(statement).startswith("[INSUFFICIENT_PERMISSIONS] Insufficient privileges:")


@pytest.mark.parametrize(
    "statement",
    [
        "OPTIMIZE main.etl.control",
        "SELECT * FROM main.etl.control@v0",
        "SELECT * FROM main.etl.control TIMESTAMP AS OF '2024-01-01'",
        "SELECT a.source_id FROM main.etl.control a JOIN main.etl.control b ON a.source_id = b.source_id",
        "SELECT source_id FROM main.etl.control WHERE source_id = 1",
        "SELECT source_id FROM main.etl.control WHERE upper(source_id) = 'A'",
        "SELECT * FROM IDENTIFIER('main.etl.control')",
        "SELECT count(*) FROM main.etl.control HAVING count(*) > 1",
        "SELECT * EXCEPT (source_id) FROM main.etl.control",
        "SELECT 'it''s' AS depends_on_the_version_of_spark",
        "INSERT INTO main.etl.control SELECT * FROM main.etl.control",
        "CREATE TABLE main.etl.parts (a STRING) PARTITIONED BY (a)",
        "MERGE INTO main.etl.control t USING main.etl.other s ON t.source_id = s.k WHEN MATCHED THEN DELETE",
    ],
)
def test_what_the_fake_does_not_know_fails_the_test(tmp_path: Path, statement: str) -> None:
    with pytest.raises(AssertionError, match="has to learn"), FakeWorkspace(tmp_path) as workspace:  # noqa: PT012
        client = workspace.client()
        client.statement_execution.execute_statement(CREATE_CONTROL, workspace.warehouse_id)
        with pytest.raises(DatabricksError, match="The fake workspace does not know"):
            client.statement_execution.execute_statement(statement, workspace.warehouse_id)


# Parameters


@settings(max_examples=examples(30))
@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_parameter_is_never_read_as_sql(rows: Rows, value: str) -> None:
    assert rows("SELECT :value AS v", {"value": value}) == [[value]]


def test_parameters_have_types(rows: Rows) -> None:
    assert rows("SELECT :i AS i, :l AS l, :b AS b, :t AS t, :n AS n", {
        "i": ("-5", "INT"), "l": ("5000000000", "BIGINT"), "b": ("TRUE", "BOOLEAN"),
        "t": ("2024-01-01T00:00:00Z", "TIMESTAMP"), "n": (None, "INT"),
    }) == [["-5", "5000000000", "true", "2024-01-01T00:00:00.000Z", None]]  # fmt: skip


def test_a_parameter_without_a_value_fails(error_of: ErrorOf) -> None:
    assert error_of("SELECT :missing AS x").startswith("[UNBOUND_SQL_PARAMETER] Found the unbound parameter: missing.")


def test_a_parameter_that_is_not_of_its_type_fails(error_of: ErrorOf) -> None:
    message = error_of("SELECT :n AS n", {"n": ("many", "INT")})

    assert message.startswith("[INVALID_PARAMETER_MARKER_VALUE.INVALID_VALUE_FOR_DATA_TYPE]")


def test_more_parameters_than_markers_are_fine(rows: Rows) -> None:
    assert rows("SELECT 1", {"unused": "x"}) == [["1"]]


# INSERT


def test_insert_without_a_column_list_needs_a_value_for_every_column(error_of: ErrorOf, control: str) -> None:
    message = error_of(f"INSERT INTO {control} VALUES ('a', 'x', 1, true)")

    assert message == (
        "[DELTA_INSERT_COLUMN_ARITY_MISMATCH] Cannot write to 'main.etl.control', not enough data columns; "
        "target table has 5 column(s) but the inserted data has 4 column(s) SQLSTATE: 42802"
    )


def test_insert_with_a_column_list_leaves_the_others_null(rows: Rows, control: str) -> None:
    counts = rows(f"INSERT INTO {control} (is_active, source_id) VALUES (true, 'a'), (false, :b)", {"b": "b'\\"})

    assert counts == [["2", "2"]]
    assert rows(f"SELECT source_id, module_name, is_active FROM {control} ORDER BY source_id") == [
        ["a", None, "true"],
        ["b'\\", None, "false"],
    ]


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        ("(source_id, module_name) VALUES ('a')", "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS"),
        ("VALUES ('a', 'x', 1, true, NULL, 'more')", "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS"),
        ("(source_id, nope) VALUES ('a', 'x')", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("(source_id, source_id) VALUES ('a', 'x')", "COLUMN_ALREADY_EXISTS"),
        ("(module_name) VALUES ('x')", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
        ("(source_id, execution_order) VALUES ('a', 'soon')", "CAST_INVALID_INPUT"),
        ("(source_id, updated_timestamp) VALUES ('a', '2024-99-01')", "CAST_INVALID_INPUT"),
    ],
)
def test_insert_refuses(rows: Rows, error_of: ErrorOf, control: str, values: str, condition: str) -> None:
    assert error_of(f"INSERT INTO {control} {values}").startswith(f"[{condition}]")
    assert version_of(rows, control) == 0


# UPDATE and DELETE


def test_update_and_delete_are_a_commit_each_and_count_rows(rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id, execution_order) VALUES ('a', 1), ('b', 2), ('c', 3)")

    assert rows(f"UPDATE {control} SET execution_order = execution_order + 10, is_active = false "
                "WHERE source_id IN ('a', :b)", {"b": "b"}) == [["2"]]  # fmt: skip
    assert rows(f"DELETE FROM {control} WHERE execution_order = 3") == [["1"]]

    assert version_of(rows, control) == 3
    assert rows(f"SELECT source_id, execution_order, is_active FROM {control} ORDER BY source_id") == [
        ["a", "11", "false"],
        ["b", "12", "false"],
    ]


def test_delete_without_a_condition_empties_the_table(rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id) VALUES ('a'), ('b')")

    assert rows(f"DELETE FROM {control}") == [["2"]]
    assert rows(f"SELECT count(*) FROM {control}") == [["0"]]


@pytest.mark.parametrize("change", ["UPDATE main.etl.control SET is_active = true WHERE source_id = 'nope'",
                                    "DELETE FROM main.etl.control WHERE source_id = 'nope'"])  # fmt: skip
def test_a_change_of_no_row_makes_no_commit(rows: Rows, control: str, change: str) -> None:
    rows(f"INSERT INTO {control} (source_id) VALUES ('a')")

    assert rows(change) == [["0"]]
    assert version_of(rows, control) == 1


# MERGE


def test_one_merge_inserts_updates_and_deletes_in_one_commit(rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id, execution_order) VALUES ('stays', 1), ('moves', 1), ('goes', 1)")
    source = [
        {"source_id": "stays", "execution_order": 1},
        {"source_id": "moves", "execution_order": 2},
        {"source_id": "goes", "gone": True},
        {"source_id": "comes", "execution_order": 3},
        {"source_id": "never was", "gone": True},
    ]

    counts = rows(MERGE_CONTROL, {"rows": json.dumps(source)})

    assert counts == [["3", "1", "1", "1"]]  # affected, updated, deleted, inserted
    assert version_of(rows, control) == 2
    assert rows(f"SELECT source_id, execution_order, is_active FROM {control} ORDER BY source_id") == [
        ["comes", "3", "true"],
        ["moves", "2", None],
        ["stays", "1", None],
    ]
    assert rows(f"SELECT count(*) FROM {control} WHERE updated_timestamp IS NOT NULL") == [["1"]]


def test_the_same_merge_again_changes_nothing_and_makes_no_commit(rows: Rows, control: str) -> None:
    source = {"rows": '[{"source_id": "a", "execution_order": 1}]'}
    rows(MERGE_CONTROL, source)

    assert rows(MERGE_CONTROL, source) == [["0", "0", "0", "0"]]
    assert version_of(rows, control) == 1


def test_a_merge_in_which_two_rows_change_one_fails(rows: Rows, error_of: ErrorOf, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id, execution_order) VALUES ('a', 1)")
    source = '[{"source_id": "a", "execution_order": 2}, {"source_id": "a", "execution_order": 3}]'

    message = error_of(MERGE_CONTROL, {"rows": source})

    assert message.startswith("[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE]")


def test_rows_that_are_no_json_are_no_rows_and_values_of_other_types_are_null(rows: Rows, control: str) -> None:
    assert rows(MERGE_CONTROL, {"rows": '[{"source_id": "a"'}) == [["0", "0", "0", "0"]]

    rows(MERGE_CONTROL, {"rows": '[{"source_id": 1.50, "execution_order": "2", "unknown": true}]'})

    assert rows(f"SELECT source_id, execution_order FROM {control}") == [["1.50", None]]


def test_merge_can_take_all_columns_and_remove_what_the_source_lacks(rows: Rows) -> None:
    rows("CREATE TABLE main.etl.pairs (k STRING, v STRING)")
    rows("INSERT INTO main.etl.pairs VALUES ('a', '1'), ('b', '1')")

    counts = rows(
        "MERGE INTO main.etl.pairs t "
        "USING (SELECT * FROM inline(from_json(:rows, 'ARRAY<STRUCT<k: STRING, v: STRING>>'))) s "
        "ON t.k = s.k WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT * "
        "WHEN NOT MATCHED BY SOURCE THEN DELETE",
        {"rows": '[{"k": "a", "v": "2"}, {"k": "c", "v": "2"}]'},
    )

    assert counts == [["3", "1", "1", "1"]]
    assert rows("SELECT * FROM main.etl.pairs ORDER BY k") == [["a", "2"], ["c", "2"]]


_KEYS = st.sampled_from(["a", "b", "c", "d", None])
_ROWS = st.dictionaries(_KEYS, st.one_of(st.none(), st.integers(-3, 3)), max_size=5)


@settings(max_examples=examples(20))
@given(before=_ROWS, source=_ROWS, gone=st.sets(_KEYS))
def test_merge_does_what_a_dictionary_would(
    rows: Rows,
    before: dict[str | None, int | None],
    source: dict[str | None, int | None],
    gone: set[str | None],
) -> None:
    rows("DROP TABLE IF EXISTS main.etl.model")
    rows("CREATE TABLE main.etl.model (k STRING, v INT)")
    if before:
        values = ", ".join(
            f"({'NULL' if k is None else repr(k)}, {'NULL' if v is None else v})" for k, v in before.items()
        )
        rows(f"INSERT INTO main.etl.model VALUES {values}")
    expected = dict(before)
    for key, value in source.items():
        if key in gone:
            expected.pop(key, None)
        else:
            expected[key] = value

    rows(
        "MERGE INTO main.etl.model t "
        "USING (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<k: STRING, v: INT, gone: BOOLEAN>>'))) s "
        "ON t.k <=> s.k WHEN MATCHED AND s.gone THEN DELETE "
        "WHEN MATCHED AND NOT (t.v <=> s.v) THEN UPDATE SET v = s.v "
        "WHEN NOT MATCHED AND NOT s.gone THEN INSERT (k, v) VALUES (s.k, s.v)",
        {"rows": json.dumps([{"k": key, "v": value, "gone": key in gone} for key, value in source.items()])},
    )

    found = {key: None if value is None else int(value) for key, value in rows("SELECT k, v FROM main.etl.model")}
    assert found == expected


# History


def test_history_is_newest_first_and_says_who_did_what_and_when(
    workspace: FakeWorkspace, run_sql: RunSql, rows: Rows, control: str
) -> None:
    rows(f"INSERT INTO {control} (source_id) VALUES ('a')")
    rows(f"UPDATE {control} SET is_active = true")
    rows(MERGE_CONTROL, {"rows": '[{"source_id": "b"}]'})
    rows(f"DELETE FROM {control} WHERE source_id = 'b'")

    response = run_sql(f"DESCRIBE HISTORY {control}")

    history = response.rows
    assert [row[0] for row in history] == ["4", "3", "2", "1", "0"]
    assert [row[4] for row in history] == ["DELETE", "MERGE", "UPDATE", "WRITE", "CREATE TABLE"]
    assert {row[3] for row in history} == {workspace.identity.user_name}
    names = [(column.name, column.type_text) for column in response.columns]
    assert names[:6] == [("version", "BIGINT"), ("timestamp", "TIMESTAMP"), ("userId", "STRING"),
                         ("userName", "STRING"), ("operation", "STRING"),
                         ("operationParameters", "MAP<STRING,STRING>")]  # fmt: skip
    assert json.loads(str(history[3][5])) == {"mode": "Append"}
    moment = str(history[0][1])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(moment.replace("Z", "+00:00"))
    assert 0 <= age.total_seconds() < 60


def test_a_change_behind_the_workspaces_back_is_seen(workspace: FakeWorkspace, rows: Rows, control: str) -> None:
    rows(f"INSERT INTO {control} (source_id) VALUES ('a')")
    DeltaTable(workspace.table_path(control)).update(
        updates={"source_id": "'edited'"},
        commit_properties=CommitProperties(custom_metadata={"userName": "else@example.com"}),
    )

    assert rows(f"SELECT source_id FROM {control}") == [["edited"]]
    assert rows(f"DESCRIBE HISTORY {control} LIMIT 1")[0][3] == "else@example.com"


def test_concurrent_writes_are_all_kept(
    workspace: FakeWorkspace, client: WorkspaceClient, rows: Rows, control: str
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def insert(number: int) -> None:
        client.statement_execution.execute_statement(
            f"INSERT INTO {control} (source_id) VALUES ('{number}')", workspace.warehouse_id
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(insert, range(16)))

    assert rows(f"SELECT count(*) FROM {control}") == [["16"]]
    assert version_of(rows, control) == 16


# Views


@pytest.fixture
def view(rows: Rows, control: str) -> str:
    rows(f"INSERT INTO {control} (source_id, execution_order) VALUES ('a', 1), ('b', 2)")
    rows(f"CREATE VIEW main.etl.early AS SELECT source_id FROM {control} WHERE execution_order < 2")
    return "main.etl.early"


def test_a_view_gives_what_its_tables_have_now(rows: Rows, control: str, view: str) -> None:
    assert rows(f"SELECT * FROM {view}") == [["a"]]
    rows(f"UPDATE {control} SET execution_order = 1")
    assert rows(f"SELECT source_id FROM {view} ORDER BY source_id") == [["a"], ["b"]]
    assert [column[:2] for column in rows(f"DESCRIBE TABLE {view}")] == [["source_id", "string"]]


@pytest.mark.parametrize("what", ["HISTORY", "DETAIL"])
def test_a_view_has_neither_history_nor_detail(error_of: ErrorOf, view: str, what: str) -> None:
    assert error_of(f"DESCRIBE {what} {view}") == (
        f"[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] 'DESCRIBE {what}' expects a table but `main`.`etl`.`early` is a view. "
        "SQLSTATE: 42809"
    )


def test_a_view_does_not_travel_in_time(error_of: ErrorOf, view: str) -> None:
    assert error_of(f"SELECT * FROM {view} VERSION AS OF 0").startswith("[UNSUPPORTED_FEATURE.TIME_TRAVEL]")


def test_a_view_that_is_dropped_is_gone_and_its_table_stays(
    rows: Rows, error_of: ErrorOf, control: str, view: str
) -> None:
    rows(f"DROP VIEW {view}")
    assert error_of(f"SELECT * FROM {view}").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert len(rows(f"SELECT * FROM {control}")) == 2
