"""Which settings of jobs a databricks CLI does not know yet, by the schema of bundles that it has itself. Pure.

The CLI only warns of such a setting, and deploys the job without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.jobs.model import Job

Node = dict[str, Value]

_JOBS = ("resources", "jobs")
_CHOICES = ("oneOf", "anyOf")


def unknown_settings(schema: Value, jobs: Iterable[Job]) -> dict[str, list[str]]:
    """Returns the settings that a CLI does not know, each with the jobs that have it.

    Args:
        schema: What `databricks bundle schema` prints: a JSON Schema of all that a bundle may say.
        jobs: The jobs of the metadata.
    """
    if not isinstance(schema, dict):
        return {}
    walk = _Walk(schema)
    options = [schema]
    for step in (*_JOBS, "any"):
        options = [inside for option in options for inside in walk.inside(option, step)]
    found: dict[str, list[str]] = {}
    for job in jobs if options else ():
        for target in job.targets or (None,):
            for name in walk.unknown(job.in_target(target).settings, options, ""):
                users = found.setdefault(name, [])
                users += [] if job.key in users else [job.key]
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    root: Node

    def unknown(self, value: Value, options: list[Node], path: str) -> Iterator[str]:
        """Yields the dotted names of what is in a value and in none of its schemas."""
        if isinstance(value, list):
            items = [inside for option in options for inside in self.inside(option, None)]
            for item in value if items else ():
                yield from self.unknown(item, items, path)
        elif isinstance(value, dict):
            maps = [option for option in options if option.get("type") == "object"]
            for key, item in value.items() if maps else ():
                below, name = [inside for option in maps for inside in self.inside(option, key)], f"{path}.{key}"
                if below:
                    yield from self.unknown(item, below, name)
                elif all(option.get("additionalProperties") is False for option in maps):
                    yield name.lstrip(".")

    def inside(self, node: Node, key: str | None) -> Iterator[Node]:
        """Yields what may stand at a key of a map, or as an item of a list."""
        for option in self._options(node):
            below = option.get("items") if key is None else value_at(option, ("properties", key))[1]
            below = option.get("additionalProperties") if below is None and key is not None else below
            yield from self._options(below) if isinstance(below, dict) else ()

    def _options(self, node: Node) -> Iterator[Node]:
        reference = node.get("$ref")
        if isinstance(reference, str):
            target = value_at(self.root, reference.removeprefix("#/").split("/"))[1]
            yield from self._options(target) if isinstance(target, dict) else ()
            return
        choices = [each for name in _CHOICES if isinstance(found := node.get(name), list) for each in found]
        for each in choices:
            yield from self._options(each) if isinstance(each, dict) else ()
        if not choices:
            yield node
