"""The free texts of a module: what nothing looks at, but for what no plain text holds, its length, and secrets. Pure.

These are the values of parameters that tasks are given, what only stays in the control table, a description, and tags
where nobody asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

from lakeflow_job_meta._internal.blanks import LONGEST
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import EVERY_ITEM, TASKS, Condition, Project, SettingPath

_PLAIN = re.compile(rf"[\w./:-][\w./: -]{{0,{LONGEST - 1}}}", re.ASCII)
"""Without a reference, quotes or line breaks; something, and not only spaces."""

_GIVEN = (
    ("notebook_task", "base_parameters"),
    ("sql_task", "parameters"),
    ("python_wheel_task", "named_parameters"),
)
"""Maps in the block of a task whose values may be any text; those of a notebook also stand beside its block."""

_ONLY_KEPT = ("source_config", "target_config")
_ABOUT_OTHERS = frozenset({"adopt", "formerly", "after", "runs"})
_LOOKED_THROUGH = frozenset({"quality", "expect_no_rows"})
"""Of a source: what is made into tasks of its own, of much that stands beside it."""

Map = dict[str, Value]


def is_for_itself(module: Map) -> bool:
    """Whether a module has nothing to do with others, and none of its sources is looked through for checks."""
    sources = module.get("sources")
    return _ABOUT_OTHERS.isdisjoint(module) and all(
        isinstance(each, dict) and _LOOKED_THROUGH.isdisjoint(each)
        for each in (sources if isinstance(sources, list) else [None])
    )


class Replacements(NamedTuple):
    """What a module that is for itself gets in place of its name, of the ids of its sources, and of free texts.

    Attributes:
        ids: By id; empty where they stay.
        text: Asked for each free text, for the same ones in the same order whatever it returns.
        of_tags: Whether tags are free.
    """

    name: object
    ids: Mapping[str, object]
    text: Callable[[str], object]
    of_tags: bool

    def in_module(self, module: Map) -> dict[str, object]:
        found: dict[str, object] = {**module, "module_name": self.name}
        job = module.get("job_config")
        if self.of_tags and isinstance(job, dict) and "tags" in job:
            found["job_config"] = {**job, "tags": self._in_map(job["tags"])}
        if "description" in module:
            found["description"] = self._in_text(module["description"])
        found["sources"] = [self._in_source(each) for each in cast("list[Map]", module["sources"])]
        return found

    def _in_source(self, source: Map) -> dict[str, object]:
        found = {key: self._in_map(each) if key in _ONLY_KEPT else each for key, each in source.items()}
        config, waits_for = source.get("transformation_config"), source.get("depends_on")
        if isinstance(config, dict):
            found["transformation_config"] = self._in_config(config)
        if self.ids:
            found["source_id"] = self.ids[cast(str, source["source_id"])]
            if isinstance(waits_for, list):
                found["depends_on"] = [self._in_dependency(each) for each in waits_for]
        return found

    def _in_config(self, config: Map) -> dict[str, object]:
        found = {key: self._in_map(each) if key == "base_parameters" else each for key, each in config.items()}
        for block, name in _GIVEN:
            inside = config.get(block)
            if isinstance(inside, dict) and name in inside:
                found[block] = {key: self._in_map(each) if key == name else each for key, each in inside.items()}
        return found

    def _in_dependency(self, value: Value) -> object:
        if isinstance(value, dict):
            return {key: self._in_dependency(each) if key == "source_id" else each for key, each in value.items()}
        return self.ids.get(value, value) if isinstance(value, str) else value

    def _in_map(self, value: Value) -> object:
        return {key: self._in_text(each) for key, each in value.items()} if isinstance(value, dict) else value

    def _in_text(self, value: Value) -> object:
        return self.text(value) if isinstance(value, str) and _PLAIN.fullmatch(value) else value


def conditions_of(project: Project) -> list[Condition]:
    """Returns what presets and policies ask of modules and tasks."""
    of_presets = [each for preset in project.presets for each in preset.match or ()]
    return [*of_presets, *(each for policy in project.policies for each in policy.where)]


def has_free_texts(project: Project) -> bool:
    """Whether no template of the project, and no policy, may look at a name, an id or a free text but for tags."""
    return project.job_template is None and not any(map(_may_be_of_texts, _asked_for(project)))


def has_free_tags(project: Project) -> bool:
    """Whether nothing looks at the values of tags."""
    of_conditions = any(each.kind == "tag" for each in conditions_of(project))
    of_bundles = project.bundles is not None and project.bundles.by is not None
    return not (of_conditions or of_bundles or any(path[:1] == ("tags",) for path in _asked_for(project)))


def _asked_for(project: Project) -> Iterator[SettingPath]:
    """Yields the paths of the settings that policies compare; of others they ask whether there is something."""
    for policy in project.policies:
        if policy.pattern is not None or policy.kind not in ("require", "require_one"):
            yield from (each.path for each in policy.settings)


def _may_be_of_texts(path: SettingPath) -> bool:
    if path[:2] != TASKS:
        return path[:1] in ((), ("name",), ("description",), ("tasks",))
    block, name = path[2:3], path[3:4]
    is_given = any(block in ((), (each,)) and name in ((), (given,), (EVERY_ITEM,)) for each, given in _GIVEN)
    return is_given or block in (("task_key",), ("depends_on",))
