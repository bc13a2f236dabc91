"""What passes as a query: one statement that only reads. A guard against mistakes, in front of permissions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.tables.query import query_problem

READS = [
    "SELECT 1",
    "select * from t;",
    "SELECT 1 ; \n;\n",
    "-- all tables\nSELECT 1",
    "/* all\ntables */ SELECT 1",
    "SELECT 1; -- done",
    "SELECT /*+ BROADCAST(t) */ * FROM t",
    "/* a /* nested */ comment; DROP TABLE t */ SELECT 1",
    "/* it's */ SELECT 1 -- don't; DROP TABLE t",
    "SELECT '; DROP TABLE t', \"; DELETE FROM t\" FROM `a;b`",
    "SELECT `update`, `set` FROM t",
    "SELECT update, set, insert, delete FROM t WHERE drop = 1",
    "SELECT a AS set FROM t",
    "SELECT row_number() OVER (PARTITION BY a ORDER BY b) AS create FROM t",
    "SELECT * FROM t WHERE note = 'it''s; fine'",
    "VALUES (1, 'a'), (2, 'b')",
    "TABLE t",
    "FROM t SELECT a",
    "FROM t |> WHERE a > 1 |> SET a = a + 1",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "( (SELECT 1) )",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "WITH a AS (SELECT create, drop, call FROM t) SELECT * FROM a",
    "with a as (select 1), `b;c` as (select ')') select * from a join `b;c`",
    "WITH a (x, y) AS (SELECT 1, 2) FROM a SELECT x",
    "WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) VALUES (1)",
    "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r",
    "WITH RECURSIVE r (n) MAX RECURSION LEVEL 200 AS (SELECT 1) SELECT * FROM r",
    "WITH a AS MATERIALIZED (SELECT 1), b AS NOT MATERIALIZED (SELECT 2) SELECT * FROM a, b",
    "WITH a (SELECT 1) SELECT * FROM a",
    "WITH a AS (SELECT 1) (SELECT * FROM a)",
    "SELECT größe FROM straße",
]
CHANGES = [
    "INSERT INTO t SELECT 1",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
    "CREATE TABLE t AS SELECT 1",
    "DROP TABLE t",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "SET x = 1",
    "USE main",
    "CALL p()",
    "EXECUTE IMMEDIATE 'DROP TABLE t'",
    "/* a comment */ DELETE FROM t",
    "-- SELECT\nDELETE FROM t",
    "-- SELECT\rDELETE FROM t",
    "-- SELECT \\\n1\nDELETE FROM t",
    "/* /* */ ' */ DELETE FROM t -- '",
    "/* SELECT */ /**/ DROP TABLE t",
    "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
    "WITH a AS (SELECT ')') DELETE FROM t",
    'WITH a AS (SELECT "("), b AS (SELECT 1) MERGE INTO t USING a ON true WHEN MATCHED THEN DELETE',
    "WITH a (x) AS (SELECT 1) UPDATE t SET a = 1",
    "FROM s INSERT INTO t SELECT *",
    "FROM s INSERT OVERWRITE t SELECT *",
    "WITH a AS (SELECT 1) FROM a INSERT INTO t SELECT *",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "DESCRIBE t",
]
SEVERAL = [
    "BEGIN DROP TABLE t; END",
    "SELECT 1; DROP TABLE t",
    "SELECT 1; SELECT 2",
    "SELECT '\\'; SELECT 1', 2; DROP TABLE t --'",
    "SELECT r'\\', 1; DROP TABLE t --'",
    "SELECT `a\\`; DROP TABLE t --`",
    "SELECT 1 /* ; */ ; DROP TABLE t",
    "SELECT 1 -- ;\n; DROP TABLE t",
]
NOTHING = ["", " \n", ";", "-- nothing", "/* SELECT 1 */", "/* SELECT 1"]


class TestQueries:
    @pytest.mark.parametrize("text", READS)
    def test_one_statement_that_reads_passes(self, text):
        assert query_problem(text) is None

    @pytest.mark.parametrize("text", CHANGES)
    def test_what_changes_or_explains_something_is_refused(self, text):
        assert str(query_problem(text)).endswith("only reads")

    @pytest.mark.parametrize("text", SEVERAL)
    def test_several_statements_are_refused(self, text):
        assert query_problem(text) == "it holds several statements; a query is one SELECT"

    @pytest.mark.parametrize("text", NOTHING)
    def test_a_file_without_a_statement_is_refused(self, text):
        assert query_problem(text) == "there is no statement in it; write one SELECT"

    def test_a_backslash_ends_a_text_in_datafusion_alone(self):
        text = r"SELECT '\' AS a; DROP TABLE t --'"
        assert query_problem(text) is None
        assert query_problem(text, is_local=True) == "it holds several statements; a query is one SELECT"

    @given(st.text(alphabet="'\"`\\;-/*\n() rSELECTWITHasa1", max_size=60))
    def test_any_text_gets_an_answer(self, text):
        for is_local in (False, True):
            assert query_problem(text, is_local=is_local) is None or "\n" not in str(query_problem(text))

    @given(st.text(max_size=30))
    def test_whatever_a_text_or_a_quoted_name_holds_it_is_no_statement(self, held):
        escaped = held.replace("\\", "\\\\").replace("'", "\\'")
        name = held.replace("`", "``")
        assert query_problem(f"SELECT '{escaped}' AS `{name}` FROM t") is None
