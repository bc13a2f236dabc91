"""Jobs that differ in plain texts alone: one is rendered for all, and nobody sees it in their files."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import yaml
import yaml12
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.parsing.model import Module
from lakeflow_job_meta.render.render import Renderer
from support.examples import examples
from support.strategies import finite_floats, integers, line, texts, trees

NOWHERE = SourceRef(UnreadableDocument("metadata/sales.yml"))
MARK_LIKE = st.sampled_from(["ljm_blank_0x", "ljm_blank_1x", "ljm_blank_002x", "sales", "x: ljm_blank_2x", "", "on"])
plain = line.filter(lambda text: not {'"', "\\"} & {*text}) | MARK_LIKE
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,6}", fullmatch=True) | MARK_LIKE | plain
values = trees(leaves=plain | integers | finite_floats | st.booleans() | st.none(), keys=names)
keys = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,12}", fullmatch=True) | st.sampled_from(["on", "null", "ljm_blank_1x"])


def job_of(settings: dict, *, key: str = "sales", targets: tuple[str, ...] = (), by_target: dict | None = None) -> Job:
    job = Job(Module(key, key, None, {}, targets, (), NOWHERE), settings, targets=targets)
    return replace(job, by_target={name: replace(job, settings=each) for name, each in (by_target or {}).items()})


@st.composite
def other_texts(draw: st.DrawFn, value: object, leaves: st.SearchStrategy[str]) -> object:
    """The same value with other texts in it."""
    if isinstance(value, str):
        return draw(leaves)
    if isinstance(value, dict):
        return {key: draw(other_texts(each, leaves)) for key, each in value.items()}
    return [draw(other_texts(each, leaves)) for each in value] if isinstance(value, list) else value


@st.composite
def jobs_alike(draw: st.DrawFn) -> list[Job]:
    """Jobs that differ in texts and their key, and now and then one whose texts are not plain."""
    given_settings = draw(st.dictionaries(names, values, min_size=1, max_size=4))
    targets = tuple(draw(st.lists(names.filter(bool), max_size=2, unique=True)))
    differ = bool(targets) and draw(st.booleans())

    def alike(leaves: st.SearchStrategy[str]) -> Job:
        found = [draw(other_texts(given_settings, leaves)) for _ in range(1 + differ * len(targets))]
        return job_of(found[0], key=draw(keys), targets=targets, by_target=dict(zip(targets, found[1:], strict=False)))

    return [alike(plain), alike(plain), alike(plain), alike(texts), alike(plain)]


class TestJobsAlike:
    @settings(max_examples=examples(200))
    @given(jobs_alike())
    def test_their_files_are_those_that_each_has_alone(self, project, jobs):
        together = Renderer(Project(project.path, NOWHERE))
        for job in jobs:
            alone = Renderer(Project(project.path, NOWHERE)).render(job)
            assert together.render(job) == alone

    @pytest.mark.parametrize("targets", [(), ("dev", "prod")])
    def test_the_template_is_asked_for_three_of_them_at_most(self, project, monkeypatch, targets):
        renderer, rendered = Renderer(Project(project.path, NOWHERE)), []
        proven = renderer._forms._render
        monkeypatch.setattr(renderer._forms, "_render", lambda job: (rendered.append(job), proven(job))[1])
        for number in range(10):
            renderer.render(job_of({"name": f"job {number}", "tags": {"a": "b"}}, key=f"job_{number}", targets=targets))
        assert len(rendered) == 3

    def test_a_job_that_cannot_be_written_is_told_behind_one_that_can(self, project):
        renderer = Renderer(Project(project.path, NOWHERE))
        assert [len(renderer.render(job_of({"name": name})).diagnostics) for name in ("a", "b", "c")] == [0, 0, 0]
        (problem,) = renderer.render(job_of({"name": "\ud800"})).diagnostics
        assert "cannot be written as YAML" in problem.message

    def test_numbers_and_truth_are_part_of_the_form(self, project):
        renderer = Renderer(Project(project.path, NOWHERE))
        for value in (1, True, 1.0, "1", None, "true", "null", 1, True, 1.0, "1", None, "true"):
            text = renderer.render(job_of({"name": "a", "value": value})).files["jobs/sales.yml"]
            assert repr(yaml12.parse_yaml(text)["resources"]["jobs"]["sales"]["value"]) == repr(value)

    def test_a_template_of_the_project_is_asked_for_each(self, project):
        template = project.path / "mine.yml.j2"
        template.write_text(
            "{{ marker }}\n{{ job.settings.name | comment }}\nresources:\n  jobs:\n    sales:\n      "
            "{{ job.settings | yaml(6) }}\n",
            encoding="utf-8",
        )
        renderer = Renderer(Project(project.path, NOWHERE, job_template="mine.yml.j2"))
        for name in ("one", "two", "three", "four"):
            assert f"# {name}\n" in renderer.render(job_of({"name": name})).files["jobs/sales.yml"]


class TestPlainCharacters:
    """What the forms rest on: what can be printed, but for the quote and the backslash, stands for itself in quotes."""

    def test_every_one_of_them_is_read_as_itself_between_quotes(self):
        plain = [
            character
            for character in map(chr, range(sys.maxunicode + 1))
            if character.isprintable() and character not in '"\\'
        ]
        assert len(plain) > 140_000
        pieces = ["".join(plain[start : start + 500]) for start in range(0, len(plain), 500)]
        document = "".join(f'- "{piece}"\n' for piece in pieces)
        assert yaml12.parse_yaml(document) == pieces
        assert yaml.load(document, yaml.CSafeLoader) == pieces

    @given(line, line)
    def test_whatever_stands_beside_it(self, one, other):
        assume('"' not in one + other and "\\" not in one + other and (one + other).isprintable())
        document = f'a: "{one}"\nb:\n  - "{other}"\n'
        assert yaml12.parse_yaml(document) == yaml.load(document, yaml.CSafeLoader) == {"a": one, "b": [other]}
