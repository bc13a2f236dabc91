"""Which task waits for which, held against a plain model of the rule."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.dependencies import Stages, find_cycles
from lakeflow_job_meta.parsing.keys import task_key
from lakeflow_job_meta.parsing.model import Dependency, Module, Source
from support.examples import examples
from support.project_folder import at_caret, module

NOWHERE = SourceRef(UnreadableDocument("test.yml"))


def source(name: str, order: int | None = 1, depends_on: list[str] | None = None, is_active: bool = True) -> Source:
    waits = None if depends_on is None else tuple(Dependency(each, None, NOWHERE) for each in depends_on)
    return Source(name, task_key(name), None, order, waits, is_active, {}, {}, {}, NOWHERE)


def module_of(*sources: Source) -> Module:
    return Module("m", "m", None, {}, (), sources, NOWHERE)


def waits_for(module: Module) -> dict[str, list[str]]:
    stages = Stages(module)
    return {each.source_id: [edge.task_key for edge in stages.edges(each)] for each in stages.in_order()}


@st.composite
def staged_modules(draw: st.DrawFn) -> Module:
    """Modules whose sources have an execution_order only."""
    count = draw(st.integers(1, 12))
    return module_of(*(source(f"s{n}", draw(st.integers(-2, 4)), None, draw(st.booleans())) for n in range(count)))


@st.composite
def mixed_modules(draw: st.DrawFn) -> Module:
    """Modules in which some sources name what they wait for, in circles too."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 7)))]
    sources = []
    for name in names:
        depends_on = draw(st.none() | st.lists(st.sampled_from(names), max_size=3, unique=True))
        order = draw(st.integers(1, 3)) if depends_on is None else draw(st.none() | st.integers(1, 3))
        sources.append(source(name, order, depends_on, draw(st.booleans())))
    return module_of(*sources)


def model_of_waiting(module: Module) -> dict[str, set[str]]:
    """The rule, word for word: the nearest lower stage that has active sources; inactive ones are looked through."""
    by_name = {each.source_id: each for each in module.sources}
    active = [each for each in module.sources if each.is_active]

    def stage_before(of: Source) -> set[str]:
        lower = [each for each in active if each.execution_order is not None and of.execution_order is not None]
        lower = [each for each in lower if each.execution_order < of.execution_order]
        nearest = max((each.execution_order for each in lower), default=None)
        return {each.source_id for each in lower if each.execution_order == nearest}

    def waits(of: Source, seen: frozenset[str]) -> set[str]:
        if of.depends_on is None:
            return stage_before(of)
        found: set[str] = set()
        for dependency in of.depends_on:
            other = by_name[dependency.source_id]
            if other.is_active:
                found.add(other.source_id)
            elif other.source_id not in seen:
                found |= waits(other, seen | {other.source_id})
        return found

    return {each.source_id: waits(each, frozenset({each.source_id})) for each in active}


def has_cycle(graph: dict[str, set[str]]) -> bool:
    """Warshall: does anything reach itself?"""
    reach = {node: set(after) for node, after in graph.items()}
    for middle in graph:
        for start in graph:
            if middle in reach[start]:
                reach[start] |= reach[middle]
    return any(node in reach[node] for node in graph)


class TestExecutionOrder:
    @given(staged_modules())
    def test_a_source_waits_for_every_task_of_the_stage_before_and_for_no_other(self, module):
        assert {name: set(tasks) for name, tasks in waits_for(module).items()} == model_of_waiting(module)

    @given(staged_modules())
    def test_each_task_is_named_once_in_the_order_of_the_metadata(self, module):
        position = {each.source_id: number for number, each in enumerate(module.sources)}
        for tasks in waits_for(module).values():
            assert len(tasks) == len(set(tasks))
            assert tasks == sorted(tasks, key=position.__getitem__)

    @given(staged_modules())
    def test_tasks_stand_in_the_order_of_their_stages_and_then_as_written(self, module):
        active = [each for each in module.sources if each.is_active]
        expected = sorted(active, key=lambda each: each.execution_order)
        assert Stages(module).in_order() == expected

    @given(staged_modules())
    def test_stages_alone_make_no_circle(self, module):
        assert find_cycles(module) == []

    def test_gaps_between_stages_do_not_matter(self):
        assert waits_for(module_of(source("a", -5), source("b", 10), source("c", 1000))) == {
            "a": [],
            "b": ["a"],
            "c": ["b"],
        }

    def test_an_inactive_stage_is_skipped_and_its_neighbours_are_linked(self):
        module = module_of(source("a", 1), source("b", 2, is_active=False), source("c", 3))
        assert waits_for(module) == {"a": [], "c": ["a"]}


class TestDependsOn:
    @given(mixed_modules())
    def test_what_a_source_waits_for_is_what_the_model_says(self, module):
        assert {name: set(tasks) for name, tasks in waits_for(module).items()} == model_of_waiting(module)

    def test_it_replaces_what_execution_order_would_say(self):
        module = module_of(source("a", 1), source("b", 1), source("c", 2, ["a"]), source("d", 2, []))
        assert waits_for(module) == {"a": [], "b": [], "c": ["a"], "d": []}

    def test_an_inactive_source_is_looked_through(self):
        module = module_of(
            source("a", 1),
            source("b", None, ["a"], is_active=False),
            source("c", None, ["b"], is_active=False),
            source("d", None, ["c"]),
        )
        assert waits_for(module) == {"a": [], "d": ["a"]}

    def test_an_inactive_source_of_a_stage_stands_for_the_stage_before_it(self):
        module = module_of(source("a", 1), source("b", 1), source("c", 2, is_active=False), source("d", None, ["c"]))
        assert waits_for(module)["d"] == ["a", "b"]

    def test_a_source_without_execution_order_stands_behind_what_it_waits_for(self):
        module = module_of(source("c", None, ["b"]), source("b", None, ["a"]), source("x", 3), source("a", 1))
        assert [each.source_id for each in Stages(module).in_order()] == ["a", "b", "c", "x"]

    def test_outcomes_of_dependencies_are_kept(self, project):
        job = project.job(
            """\
            modules:
              - module_name: sales
                sources:
                  - source_id: is_full
                    execution_order: 1
                    transformation_config: {condition_task: {op: EQUAL_TO, left: a, right: b}}
                  - source_id: yes
                    depends_on: [{source_id: is_full, outcome: "true"}]
                    transformation_config: {notebook_path: /Workspace/a}
                  - source_id: no
                    depends_on: [{source_id: is_full, outcome: false}]
                    transformation_config: {notebook_path: /Workspace/a}
            """
        )
        assert [task.get("depends_on") for task in job["tasks"]] == [
            None,
            [{"task_key": "is_full", "outcome": "true"}],
            [{"task_key": "is_full", "outcome": "false"}],
        ]


class TestCircles:
    @given(mixed_modules())
    def test_a_circle_is_found_exactly_when_there_is_one(self, module):
        assert bool(find_cycles(module)) == has_cycle(model_of_waiting(module))

    @given(mixed_modules())
    def test_what_is_found_is_a_circle(self, module):
        graph = model_of_waiting(module)
        for circle in find_cycles(module):
            names = [each.source_id for each in circle]
            assert len(names) == len(set(names))
            for name, following in zip(names, [*names[1:], *names[:1]], strict=True):
                assert following in graph[name]

    @settings(max_examples=examples(300))
    @given(mixed_modules())
    @example(module_of(source("a", None, ["b", "x"]), source("b", None, ["b"]), source("x", None, ["a"])))
    def test_without_the_sources_of_the_circles_that_are_found_there_is_none_left(self, module):
        graph = model_of_waiting(module)
        found = {each.source_id for circle in find_cycles(module) for each in circle}
        assert not has_cycle({name: after - found for name, after in graph.items() if name not in found})

    @pytest.mark.parametrize(
        ("sources", "shown"),
        [
            ([("a", 1, ["c"]), ("b", None, ["a"]), ("c", None, ["b"])], "a -> c -> b -> a"),
            ([("x", 1, None), ("b", None, ["c"]), ("c", None, ["b"])], "b -> c -> b"),
            ([("a", 1, ["b"]), ("b", 2, None)], "a -> b -> a"),
        ],
    )
    def test_a_circle_is_named_once_from_its_first_source(self, project, sources, shown):
        lines = ["modules:", "  - module_name: sales", "    sources:"]
        for name, order, depends_on in sources:
            lines += [f"      - source_id: {name}", "        transformation_config: {notebook_path: /a}"]
            lines += [f"        execution_order: {order}"] if order is not None else []
            lines += [f"        depends_on: {depends_on}"] if depends_on is not None else []
        (problem,) = [each for each in project.problems("\n".join(lines)) if "[dependency-cycle]" in each]
        assert problem.endswith(f"sources wait for each other: {shown} [dependency-cycle]")

    def test_a_source_that_waits_for_itself_is_refused(self, project):
        text, place = at_caret(module().replace("execution_order: 1", "depends_on: [‸a]"))
        (problem,) = project.problems(text)
        assert problem == f"metadata/sales.yml:{place}: error: 'a' waits for itself [dependency-cycle]"

    def test_a_source_that_would_wait_for_itself_through_an_inactive_one_is_refused(self, project):
        (problem,) = project.problems(
            """\
            modules:
              - module_name: sales
                sources:
                  - source_id: a
                    execution_order: 1
                    depends_on: [b]
                    transformation_config: {notebook_path: /Workspace/a}
                  - source_id: b
                    execution_order: 2
                    is_active: false
                    transformation_config: {notebook_path: /Workspace/a}
            """
        )
        assert problem.endswith("[dependency-cycle]")

    def test_two_circles_are_both_reported(self, project):
        names = {"a": "b", "b": "a", "c": "d", "d": "c", "e": "e"}
        sources = "".join(
            f"      - {{source_id: {name}, depends_on: [{other}], transformation_config: {{notebook_path: /a}}}}\n"
            for name, other in names.items()
        )
        problems = project.problems(f"modules:\n  - module_name: sales\n    sources:\n{sources}")
        assert [problem.split(":")[1] for problem in problems if "[dependency-cycle]" in problem] == ["4", "6", "8"]


class TestUnknown:
    def test_a_source_that_is_not_there_is_reported_at_its_name_with_the_closest(self, project):
        text, place = at_caret(
            """
            modules:
              - module_name: sales
                sources:
                  - {source_id: customers, execution_order: 1, transformation_config: {notebook_path: /a}}
                  - {source_id: b, depends_on: [customers, ‸custmers], transformation_config: {notebook_path: /a}}
            """
        )
        (problem,) = project.problems(text)
        assert problem.startswith(f"metadata/sales.yml:{place}: error: 'b' depends on 'custmers'")
        assert problem.endswith("did you mean 'customers'? [unknown-dependency]")


class TestSize:
    @pytest.mark.no_cover
    @pytest.mark.parametrize("backwards", [False, True])
    def test_a_chain_of_a_thousand_sources_takes_no_time_to_speak_of(self, backwards):
        chain = [source("s0", 1), *(source(f"s{n}", None, [f"s{n - 1}"]) for n in range(1, 1000))]
        module = module_of(*(reversed(chain) if backwards else chain))
        begin = time.process_time()
        assert [each.source_id for each in Stages(module).in_order()] == [f"s{n}" for n in range(1000)]
        assert find_cycles(module) == []
        assert time.process_time() - begin < 5

    def test_a_circle_of_a_thousand_sources_is_found(self):
        module = module_of(*(source(f"s{n}", None, [f"s{(n + 1) % 1000}"]) for n in range(1000)))
        assert [len(circle) for circle in find_cycles(module)] == [1000]

    def test_a_thousand_inactive_sources_in_a_row_are_looked_through(self):
        chain = [source(f"s{n}", None, [f"s{n - 1}"], is_active=n == 999) for n in range(1, 1000)]
        module = module_of(source("s0", 1), *chain)
        assert waits_for(module) == {"s0": [], "s999": ["s0"]}

    def test_a_thousand_stages_are_linked_one_by_one(self):
        module = module_of(*(source(f"s{n}", n) for n in range(1000)))
        assert waits_for(module)["s999"] == ["s998"]
