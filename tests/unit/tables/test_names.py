"""Names of tables: what is one, and that whatever is quoted is safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.tables.names import MAX_PART, name_problem, quote_name, quote_part, split_name
from lakeflow_job_meta.tables.sql import SqlTable

REFUSED = [
    "",
    " ",
    ".",
    "a.",
    ".a",
    "a..b",
    "a.b.c.d",
    "a b",
    "a;b",
    "a'b",
    'a"b',
    "a`b",
    "`a",
    "a`",
    "`a``",
    "``",
    "`a`b",
    "`a` .b",
    "a.`b`; DROP TABLE x",
    "main.`my-schema`.t; DROP TABLE x",
    "main.etl.t -- comment",
    "main.etl.t/*x*/",
    "main.etl.t\n",
    "main\n.etl.t",
    "`a\nb`",
    "`a\x00b`",
    "`a/b`",
    "`a\x7fb`",
    "größe",
    "a" * (MAX_PART + 1),
    "delta.`/tmp/x`",
    "t VERSION AS OF 1",
    "(SELECT 1)",
    "IDENTIFIER(:x)",
]


class TestNames:
    @pytest.mark.parametrize("name", REFUSED, ids=repr)
    def test_what_is_no_name_of_a_table_is_refused(self, name):
        with pytest.raises(ConfigError, match="is no name of a table"):
            quote_name(name)
        assert name_problem(name) is not None
        with pytest.raises(ConfigError):
            SqlTable(name, CONTROL_TABLE, None)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("name", "quoted"),
        [
            ("t", "`t`"),
            ("etl.t", "`etl`.`t`"),
            ("main.etl.t", "`main`.`etl`.`t`"),
            ("my-catalog.my-schema.1", "`my-catalog`.`my-schema`.`1`"),
            ("main.`my-schema`.t", "`main`.`my-schema`.`t`"),
            ("`a``b`", "`a``b`"),
            ("`a.b`.`c d`.`e;f`", "`a.b`.`c d`.`e;f`"),
            ("````", "````"),
            ("`größe`", "`größe`"),
            ("`t; DROP TABLE x`", "`t; DROP TABLE x`"),
            ("a" * MAX_PART, f"`{'a' * MAX_PART}`"),
        ],
    )
    def test_every_part_of_a_table_s_name_is_quoted(self, name, quoted):
        assert quote_name(name) == quoted

    @given(st.lists(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/"),
                            min_size=1, max_size=20), min_size=1, max_size=3))  # fmt: skip
    def test_quoting_and_splitting_are_the_opposite_of_each_other(self, parts):
        name = ".".join(quote_part(part) for part in parts)
        assert split_name(name) == tuple(parts)
        assert quote_name(name) == name

    @given(st.text(st.sampled_from("ab.`;' -\n/ü"), max_size=12))
    def test_whatever_name_is_quoted_is_safe(self, name):
        """Between backticks there is no backtick that is not doubled, and nothing outside of them but dots."""
        if name_problem(name) is not None:
            return
        rest = quote_name(name).replace("``", "")
        assert rest.count("`") % 2 == 0
        assert set("".join(rest.split("`")[::2])) <= {"."}
        assert len(split_name(name)) <= 3
