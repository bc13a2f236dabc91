"""What a blueprint with values comes to: as a naive substitution has it, and each value at its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.blueprints.definitions import read_blueprint
from lakeflow_job_meta.blueprints.expansion import expand
from lakeflow_job_meta.blueprints.model import Library
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, Subject
from lakeflow_job_meta.parsing.arguments import Arguments
from lakeflow_job_meta.parsing.units import BlueprintUse, RawModule
from support.strategies import identifiers


@dataclass(frozen=True)
class Places:
    """A document whose places are their paths."""

    label: str

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        return Location(f"{self.label}{list(path)}"), None

    def subject(self, path: KeyPath) -> Subject:
        return Subject()


DECLARED: dict[str, Any] = {
    "text": {"type": "text"},
    "number": {"type": "number"},
    "switch": {"type": "boolean"},
    "list": {"type": "list"},
    "map": {"type": "map"},
    "none": {"type": "text", "required": False},
    "fixed": {"type": "text", "default": "constant"},
    "made": {"type": "text", "default": "of ${param.text}"},
    "row": {"type": "text"},
}
SHARED = [name for name in DECLARED if name != "row"]
IN_TEXT = [name for name in SHARED if name not in ("list", "map")]


def leaves(names: list[str]) -> st.SearchStrategy[Any]:
    whole = st.sampled_from([name for name in DECLARED if name in names])
    within = st.sampled_from([name for name in names if name not in ("list", "map")])
    return st.one_of(
        st.sampled_from(["plain", "${var.x}", "$", "{{job.id}}", "${param", 7, 1.5, True]),
        whole.map("${{param.{}}}".format),
        st.tuples(within, within).map(lambda two: f"a ${{param.{two[0]}}}b${{param.{two[1]}}}"),
    )


def bodies(names: list[str]) -> st.SearchStrategy[Any]:
    trees = st.recursive(
        leaves(names), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(identifiers, inner, max_size=3)
    )
    return st.dictionaries(identifiers, trees, max_size=4)


def sources(name: str, names: list[str]) -> st.SearchStrategy[Any]:
    return bodies(names).map(
        lambda body: {"source_id": name, "execution_order": 1, "transformation_config": {**body, "always": "there"}}
    )


def each(number: int) -> st.SearchStrategy[Any]:
    repeated = st.tuples(*(sources(f"{part}{number}_${{param.row}}", list(DECLARED)) for part in "ab"))
    return repeated.map(lambda found: {"each": list(found)})


modules = st.tuples(
    bodies(SHARED), sources("s0", SHARED), each(1), sources("s2", SHARED), each(3), st.permutations(range(4))
).map(
    lambda parts: {
        "module_name": "m_${param.text}",
        "job_config": parts[0],
        "sources": [parts[1 + number] for number in parts[5]],
    }
)
values = st.recursive(
    st.text(max_size=5) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(identifiers, inner, max_size=2),
)
given_values = st.fixed_dictionaries(
    {
        "text": st.text(max_size=5) | st.sampled_from(["${param.number}", "${param.row}", "{{x}}", "'\"\n"]),
        "number": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "switch": st.booleans(),
        "list": st.lists(values, max_size=3),
        "map": st.dictionaries(identifiers, values, max_size=3),
    },
    optional={"none": st.text(max_size=3), "fixed": st.text(max_size=3)},
)
rows = st.lists(identifiers, min_size=1, max_size=3, unique=True)


# The reference: recursive, and without a pattern, a compiled template or anything else of the package.


def pieces(text: str) -> list[tuple[str, bool]]:
    """Splits a text into pieces, each with whether it names a parameter."""
    before, found, rest = text.partition("${param.")
    name, closed, after = rest.partition("}")
    if not (found and closed):
        return [(text, False)]
    return [(before, False), (name, True), *pieces(after)]


def as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def substituted(value: Any, found: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        filled = {key: substituted(item, found) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item is not None}
    if isinstance(value, list):
        return [substituted(item, found) for item in value]
    parts = pieces(value) if isinstance(value, str) else []
    names = [text for text, is_name in parts if is_name]
    if not names:
        return value
    if any(found.get(name) is None for name in names):
        return None
    if [text for text, is_name in parts if is_name or text] == names:
        return found[names[0]] if len(names) == 1 else "".join(as_text(found[name]) for name in names)
    return "".join(as_text(found[text]) if is_name else text for text, is_name in parts)


def resolved(row: dict[str, Any]) -> dict[str, Any]:
    return {"fixed": "constant", "made": "of " + row["text"], **row}


def flat(module: dict[str, Any], all_rows: list[dict[str, Any]]) -> Iterator[tuple[Any, KeyPath, int]]:
    """Yields each source that a module comes to, its place in the blueprint, and the number of its row."""
    for number, item in enumerate(module["sources"]):
        if "each" not in item:
            yield item, ("module", "sources", number), 0
            continue
        for index in range(len(all_rows)):
            for inner, repeated in enumerate(item["each"]):
                yield repeated, ("module", "sources", number, "each", inner), index


def place(text: Any, written: KeyPath, row: dict[str, Any], inside: KeyPath, label: str) -> str:
    """Returns where a value stands that is made of a text of the blueprint."""
    names = [part for part, is_name in (pieces(text) if isinstance(text, str) else []) if is_name]
    is_whole = len(names) == 1 and text == f"${{param.{names[0]}}}"
    for name in names:
        if name in row:
            return f"{label}{[name, *(inside if is_whole else ())]}"
        if name == "made":
            return f"{label}['text']"
    # What comes to nothing is missing in the row.
    return f"{label}[]" if "none" in names else f"blueprint{list(written)}"


def places(template: Any, made: Any, path: KeyPath, written: KeyPath, row: dict[str, Any], label: str) -> Iterator[Any]:
    """Yields the path of everything that was made without a map or list in it, with where it stands."""
    if isinstance(template, dict) and isinstance(made, dict):
        for key in made:
            yield from places(template[key], made[key], (*path, key), (*written, key), row, label)
    elif isinstance(template, list) and isinstance(made, list):
        for number, (one, other) in enumerate(zip(template, made, strict=True)):
            yield from places(one, other, (*path, number), (*written, number), row, label)
    else:
        for inside in insides(made):
            yield (*path, *inside), place(template, written, row, inside, label)


def insides(value: Any) -> Iterator[KeyPath]:
    yield ()
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from ((key, *rest) for rest in insides(item))


def expanded(module: dict[str, Any], all_rows: list[dict[str, Any]]) -> tuple[RawModule, dict[str, Any]]:
    written = {"blueprint": "b", "parameters": DECLARED, "module": module}
    blueprint, problems = read_blueprint(written, SourceRef(Places("blueprint")), b"")
    assert blueprint is not None, problems
    arguments = tuple(Arguments(row, SourceRef(Places(f"row{number}"))) for number, row in enumerate(all_rows))
    use = RawModule({}, SourceRef(Places("use")), use=BlueprintUse("b", SourceRef(Places("use")), arguments))
    found, problems = expand(use, Library({"b": blueprint}))
    assert found is not None
    assert problems == []
    return found, written


@given(modules, given_values, rows)
def test_a_blueprint_comes_to_what_a_naive_substitution_gives(module, shared, names):
    all_rows = [{**shared, "row": name} for name in names]

    found, _ = expanded(module, all_rows)

    assert found.value == {
        **substituted({key: module[key] for key in ("module_name", "job_config")}, resolved(all_rows[0])),
        "sources": [substituted(source, resolved(all_rows[row])) for source, _, row in flat(module, all_rows)],
    }
    assert not found.is_damaged


@given(modules, given_values, rows)
def test_a_value_stands_in_the_row_that_gave_it_and_any_other_in_the_blueprint(module, shared, names):
    all_rows = [{**shared, "row": name} for name in names]

    found, _ = expanded(module, all_rows)

    made: Any = found.value
    expected = dict(
        places(module["job_config"], made["job_config"], ("job_config",), ("module", "job_config"), all_rows[0], "row0")
    )
    for number, (source, written, row) in enumerate(flat(module, all_rows)):
        path: KeyPath = ("sources", number)
        expected |= dict(places(source, made["sources"][number], path, written, all_rows[row], f"row{row}"))
    assert {path: str(found.origin.at(*path).location()) for path in expected} == expected


@given(modules, given_values, rows)
def test_nothing_that_is_expanded_changes_the_blueprint_or_another_module(module, shared, names):
    before = repr(module)
    one, _ = expanded(module, [{**shared, "row": names[0]}])
    kept = repr(one.value)

    expanded(module, [{**shared, "row": name, "text": "another"} for name in names])

    assert (repr(module), repr(one.value)) == (before, kept)
