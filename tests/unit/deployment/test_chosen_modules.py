"""A deployment of some modules alone: nothing of a plan is left but what is theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.deployment.chosen_modules import of_others
from lakeflow_job_meta.planning.model import Action, BundlePlan, ResourceChange
from lakeflow_job_meta.services.module_names import only_modules
from support.project_folder import ProjectFolder, module

NAMES = "abcd"
JOBS = [f"resources.jobs.{name}" for name in (*NAMES, "gone", "a_longer_name")]
OTHERS = ["resources.pipelines.a", "resources.schemas.b", "resources.jobs_of.a"]
RESOURCES = [*JOBS, *(f"{job}.permissions" for job in JOBS), *OTHERS]


@pytest.fixture(scope="module")
def compilation(tmp_path_factory: pytest.TempPathFactory) -> Compilation:
    """The modules `a` to `d`."""
    project = ProjectFolder(Path(tmp_path_factory.mktemp("chosen")))
    for name in NAMES:
        project.write(f"metadata/{name}.yml", module(name))
    return project.compile()


chosen_names = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
plans = st.dictionaries(st.sampled_from(RESOURCES), st.sampled_from(Action)).map(
    lambda actions: BundlePlan(
        tuple(ResourceChange(name, action, (), is_gone=False) for name, action in sorted(actions.items())), None, None
    )
)


@given(plan=plans, chosen=chosen_names)
def test_of_any_plan_only_the_chosen_jobs_and_their_permissions_are_carried_out(compilation, plan, chosen):
    own = {f"resources.jobs.{name}{what}" for name in chosen for what in ("", ".permissions")}

    narrowed = plan.leaving_out(of_others(plan, only_modules(compilation, chosen)))

    before, after = ({each.name: each.action for each in found.resources} for found in (plan, narrowed))
    assert after == {name: action if name in own else Action.SKIP for name, action in before.items()}


@given(chosen=chosen_names)
def test_every_other_job_is_one_that_stays_as_it_is(compilation, chosen):
    narrowed = only_modules(compilation, chosen)

    assert narrowed.jobs.names.keys() == {*chosen}
    assert narrowed.kept_jobs == {*NAMES} - {*chosen}
    assert {file.job_key for file in narrowed.files} == {*chosen}
    assert narrowed.hiding_places(()) != ()  # so nothing is taken for gone
