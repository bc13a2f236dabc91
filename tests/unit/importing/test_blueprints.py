"""Modules that differ in few values become a blueprint and rows that give the same modules again."""

from __future__ import annotations

import csv
import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.blueprints.parameters import Parameter
from lakeflow_job_meta.blueprints.template import compile_template
from lakeflow_job_meta.importing.blueprints import BlueprintOfModules, blueprints_of_modules
from lakeflow_job_meta.parsing.arguments import ValueForm
from lakeflow_job_meta.text.yaml_reader import read_yaml
from support.examples import examples


def module(name: str, **values: Any) -> dict[str, Any]:
    return {"module_name": name, "job_config": {"name": f"The {name} job"}, "sources": [{"source_id": "a", **values}]}


def filled(blueprint: BlueprintOfModules) -> list[Any]:
    """What the rows make of the blueprint, as the reader of CSV files and the expansion do it."""
    body = read_yaml(blueprint.text).value["blueprints"][0]
    template = compile_template(body["module"])
    header, *rows = csv.reader(io.StringIO(blueprint.rows), strict=True)
    kinds = [Parameter(name, body["parameters"][name]["type"], None, True) for name in header]
    read = [
        {each.name: each.read(cell, ValueForm.TEXT)[0] for each, cell in zip(kinds, row, strict=True)} for row in rows
    ]
    return [template.fill(values) for values in read]


def test_one_parameter_serves_wherever_the_same_values_differ():
    modules = [module(f"load_{name}", path=f"/in/{name}/x", table=name) for name in ("orders", "line_items")]
    (found,) = blueprints_of_modules(modules)
    assert found.name == "load"
    assert found.rows == "table\norders\nline_items\n"
    assert filled(found) == modules


def test_modules_of_other_forms_are_in_no_blueprint_together():
    modules = [module("a", x=1), module("b", x="1"), module("c", x=[1]), module("d", y=1), module("e", x=True)]
    assert blueprints_of_modules(modules) == []


def test_references_are_never_cut():
    one, two = {"x": "${var.one}", "y": "p-${var.z}-1"}, {"x": "${var.two}", "y": "p-${var.z}-2"}
    modules = [module("a1", same="s", also="s", **one), module("a2", same="s", also="s", **two)]
    (found,) = blueprints_of_modules(modules)
    body = read_yaml(found.text).value["blueprints"][0]["module"]["sources"][0]
    assert body["x"] == "${param.x}"
    assert body["y"].startswith("p-${var.z}-${param.")
    assert filled(found) == modules


def test_more_than_eight_values_that_differ_are_no_blueprint():
    def many(number: int, values: int) -> dict[str, Any]:
        same = {f"s{n}": "same" for n in range(20)}
        return module(f"m{number}", **{f"k{n}": f"{n}_{number * 100 + n}" for n in range(values)}, **same)

    assert len(blueprints_of_modules([many(1, 7), many(2, 7)])) == 1
    assert blueprints_of_modules([many(1, 8), many(2, 8)]) == []


TEXTS = st.text(st.sampled_from('ab1_-/ ."{}$,\né'), min_size=1, max_size=8)


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(TEXTS, st.integers(-9, 9), st.booleans(), TEXTS), min_size=2, max_size=4))
def test_the_rows_of_a_blueprint_give_the_same_modules_again(values):
    same = {f"s{n}": "same" for n in range(10)}
    modules = [
        module(f"load_{number}", text=text, number=count, flag=flag, path=f"/in/{other}/x", **same)
        for number, (text, count, flag, other) in enumerate(values)
    ]
    for found in blueprints_of_modules(modules):
        expected = [each for name in found.modules for each in modules if each["module_name"] == name]
        assert filled(found) == expected
