"""Random values and metadata for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# Characters that some reader of YAML treats specially.
_TRICKY = "\"'\\\n\r\t\x00\x07\x7f\x85\xa0\xad\u2028\u2029\ufeff\ufffe:#-?&*!|>%@`{}[],~=<./ 0189abtneyYNu_+\U0001f600"

tricky_text = st.text(st.sampled_from(_TRICKY))
any_text = st.text() | tricky_text
line = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf", "Cn")))
words_that_look_like_something_else = st.sampled_from(
    [
        *("", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "yes", "no", "on", "off", "y", "n", "Y"),
        *("0", "1", "-1", "+1", "09", "007", "0o14", "0x1F", "0b11", "1_000", "1e3", "1E3", "1.", ".5", "1.0", "-.5"),
        *("12:30:45", "190:20:30", "2024-01-01", "2024-01-01T00:00:00Z", ".inf", "-.inf", ".nan", ".NaN", "1e400"),
        *("<<", "=", "-", "- a", "? a", "a: b", "a #b", "# a", "---", "...", "--- a", "%YAML 1.1", "!!str a", "&a"),
        *("*a", "|", ">", "@a", "`a`", "[a", "{a", "{{job.id}}", "${var.x}", "'a'", '"a"', "\\n", "a\\", " a", "a "),
    ]
)
texts = any_text | words_that_look_like_something_else | st.lists(line, min_size=2).map("\n".join)
integers = st.integers(-(2**63), 2**63 - 1)
finite_floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = texts | integers | finite_floats | st.booleans() | st.none()


def trees(leaves: st.SearchStrategy[Any] = scalars, keys: st.SearchStrategy[str] = texts) -> st.SearchStrategy[Any]:
    """Nested maps and lists."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


maps = st.dictionaries(texts, trees(), max_size=4)


# Metadata ---------------------------------------------------------------------------------------------------------

identifiers = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
plain_texts = st.text(st.characters(codec="utf-8", exclude_characters="${"), max_size=20)
text_maps = st.dictionaries(identifiers, plain_texts, max_size=3)
absolute_paths = identifiers.map(lambda name: f"/Workspace/{name}")
retries = st.fixed_dictionaries(
    {}, optional={"max_retries": st.integers(0, 5), "timeout_seconds": st.integers(0, 5), "description": plain_texts}
)


def _with(strategy: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(strategy, retries).map(lambda parts: {**parts[0], **parts[1]})


def _sql(form: str, value: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({form: value}, optional={"parameters": text_maps, "warehouse_id": identifiers}).map(
        lambda block: {"sql_task": block}
    )


queries = plain_texts.filter(lambda text: text.strip() != "")
notebooks = st.fixed_dictionaries({"notebook_path": absolute_paths}, optional={"base_parameters": text_maps})
leaf_tasks = _with(
    notebooks
    | notebooks.map(lambda block: {"notebook_task": block})
    | _sql("sql_query", queries)
    | _sql("sql_file_path", absolute_paths)
    | _sql("query_id", identifiers)
    | st.fixed_dictionaries({"pipeline_task": st.fixed_dictionaries({"pipeline_id": identifiers})})
)
task_configs = leaf_tasks | leaf_tasks.map(
    lambda task: {"for_each_task": {"inputs": '["a", "b"]', "task": task}, "timeout_seconds": 1}
)


@st.composite
def sources(draw: st.DrawFn, source_id: str) -> dict[str, Any]:
    """One sound source."""
    source: dict[str, Any] = {
        "source_id": source_id,
        "execution_order": draw(st.integers(-2, 4)),
        "transformation_config": draw(task_configs),
    }
    if draw(st.booleans()):
        source["is_active"] = draw(st.booleans())
    if draw(st.booleans()):
        source["source_config"] = draw(st.dictionaries(identifiers, trees(), max_size=2))
    return source


@st.composite
def modules(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """One sound module with at least one active source, the sources in the order of rows."""
    names = sorted(draw(st.lists(identifiers, min_size=1, max_size=5, unique=True)))
    module: dict[str, Any] = {"module_name": name}
    if draw(st.booleans()):
        module["description"] = draw(plain_texts)
    if draw(st.booleans()):
        module["job_config"] = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "max_concurrent_runs": st.integers(1, 9),
                    "tags": text_maps,
                    "timeout_seconds": st.integers(0, 9),
                },
            )
        )
    module["sources"] = [draw(sources(each)) for each in names]
    module["sources"][0].pop("is_active", None)
    return module


module_lists = st.lists(identifiers, min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.tuples(*(modules(name) for name in names)).map(list)
)
