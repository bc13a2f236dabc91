"""What a project file may say of rows that fill blueprints; each mistake is told at its place."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import RowMapping
from lakeflow_job_meta.errors import ConfigError
from support.project_folder import CARET, at_caret


def mistakes(project, marked: str) -> list[str]:
    project.write("query.sql", "SELECT 1\n")
    project.write("job_meta.yml", f"metadata:\n  - yaml: metadata/\n{marked}")
    with pytest.raises(ConfigError) as caught:
        load_project(project.path)
    return [str(each) for each in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (f"csv: {CARET}list.csv", "rows of a 'csv' fill a blueprint; name it with 'blueprint'"),
        (f"query: {CARET}query.sql", "rows of a 'query' fill a blueprint; name it with 'blueprint'"),
        (
            f"delta: list\n    with: {CARET}{{a: 1}}",
            "'with' is for rows that fill a blueprint; name it with 'blueprint'",
        ),
        (f"delta: list\n    key: {CARET}a", "'key' is for rows that fill a blueprint; name it with 'blueprint'"),
        (
            f"yaml: more/\n    job_per: {CARET}row",
            "'job_per' is for rows that fill a blueprint; name it with 'blueprint'",
        ),
        (
            f"yaml: more/\n    blueprint: {CARET}b",
            "'yaml' has no rows; a blueprint is filled by 'delta', 'table', 'csv', 'query'",
        ),
        (
            f"volume: /Volumes/a/b/c\n    blueprint: {CARET}b",
            "'volume' has no rows; a blueprint is filled by 'delta', 'table', 'csv', 'query'",
        ),
        (
            f"delta: {CARET}list\n    blueprint: b",
            "'key' is missing: the columns that name a row in messages, such as `key: [table_name]`",
        ),
        (
            f"delta: {CARET}list\n    blueprint: b\n    key: []",
            "'key' is missing: the columns that name a row in messages, such as `key: [table_name]`",
        ),
        (
            f"query: {CARET}gone.sql\n    blueprint: b\n    key: a",
            "there is no file 'gone.sql' in the project",
        ),
        (
            f"csv: list.csv\n    blueprint: b\n    job_per: {CARET}team",
            "'job_per' is `row`, or a column like `${column.team}`",
        ),
        (
            f"query: query.sql\n    blueprint: b\n    key: a\n    warehouse_id: w\n    tables: {CARET}{{t: data/t}}",
            "'tables' are read where they lie, without a warehouse; leave out one of the two",
        ),
        (
            f"csv: list.csv\n    blueprint: b\n    warehouse_id: {CARET}w",
            "only a 'table' or a 'query' is read over a warehouse",
        ),
        (
            f"csv: {CARET}../up/**x/list.csv\n    blueprint: b",
            "a glob is relative to the project, and '**' stands alone between slashes",
        ),
        (f"table: {CARET}a.b.c.d\n    blueprint: b\n    key: a", None),
        (f"csv: list.csv\n    blueprint: {CARET}7", "'blueprint' must be text, not the number 7; put it in quotes"),
        (f"csv: list.csv\n    blueprint: b\n    with: {CARET}[a]", "'with' must be a map, not a list"),
        (
            f"csv: list.csv\n    blueprint: b\n    {CARET}job_pr: row",
            "unknown field 'job_pr' in 'metadata'; did you mean 'job_per'?",
        ),
        (f"{CARET}csv: list.csv\n    delta: list\n    blueprint: b\n    key: a", None),
    ],
)
def test_a_mistake_is_told_at_its_place(project, entry, message):
    text, at = at_caret(f"metadata:\n  - yaml: metadata/\n  - {entry}\n")
    found = mistakes(project, text.removeprefix("metadata:\n  - yaml: metadata/\n"))

    assert len(found) == 1
    assert found[0].startswith(f"job_meta.yml:{at}: error: {message or ''}")
    assert message is None or found[0].split(": error: ")[1].startswith(message)


def test_all_mistakes_of_all_entries_are_told_in_one_run(project):
    found = mistakes(
        project, "  - csv: a.csv\n    job_per: x\n  - delta: b\n    blueprint: b\n  - yaml: c/\n    blueprint: b\n"
    )

    assert [each.split(": ")[0] for each in found] == [f"job_meta.yml:{at}" for at in ("3:10", "4:14", "5:12", "8:16")]


@pytest.mark.parametrize(
    ("entry", "mapping"),
    [
        ("csv: a.csv\n    blueprint: b", RowMapping("b")),
        ("csv: a.csv\n    blueprint: b\n    key: x\n    job_per: row", RowMapping("b", {}, ("x",))),
        (
            "delta: a\n    blueprint: ${column.k}\n    key: [x, y]\n    job_per: ${column.z}\n    with: {p: [1]}",
            RowMapping("${column.k}", {"p": [1]}, ("x", "y"), "${column.z}"),
        ),
    ],
)
def test_an_entry_says_how_rows_become_modules(project, entry, mapping):
    project.write("job_meta.yml", f"metadata:\n  - {entry}\n")

    assert load_project(project.path).metadata[0].rows == mapping
