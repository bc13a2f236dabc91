"""What the metadata of a project says, as its authors know it: modules, and settings of the project.

A module is written into a file, a row of the control table, or a file that uses a blueprint; what is said is the same.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from support.tables import row

TARGETS = ("dev", "prod")
CONFLICT = "<<<<<<< ours\nmodules: [\n"
BLUEPRINT = "metadata/blueprints.yml"
MOVED = "metadata/moved"
SCHEDULE = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}
BUNDLE_NAME = "history"
Keep = list[Any]
RUNS: dict[str, Any] = {"setting": "max_concurrent_runs", "modules": ["m*"]}
KEEPS: list[Keep | None] = [None, [], ["pauses"], ["pauses", {"setting": "description"}], [RUNS]]
"""What `deploy.keep` may be."""
PARAMETERS = {"of": "${bundle.target}"}


class Home(str, Enum):
    """Where a module is written."""

    FILE = "file"
    MOVED = "file in another folder"
    USE = "use of a blueprint"
    ROW = "row"


@dataclass
class Module:
    """A module.

    Attributes:
        key: Of its file, which stays when it is renamed.
        tasks: How many sources it has.
        runs: `max_concurrent_runs`, where it says that itself.
        targets: Where it is, each with a timeout of its own or None; empty for everywhere.
        formerly: Its earlier names, the newest first.
        adopt: The ids of jobs to take over, by target.
        is_readable: Whether its file can be parsed, as far as it has one.
        is_sound: Whether it is without mistakes.
    """

    key: str
    name: str
    notebook: int
    home: Home = Home.FILE
    tasks: int = 1
    runs: int | None = None
    is_scheduled: bool = False
    targets: dict[str, int | None] = field(default_factory=dict)
    formerly: tuple[str, ...] = ()
    adopt: dict[str, int] = field(default_factory=dict)
    is_active: bool = True
    is_sound: bool = True
    is_readable: bool = True

    @property
    def path(self) -> str:
        return f"{MOVED if self.home is Home.MOVED else 'metadata'}/{self.key}.yml"

    @property
    def is_deployed(self) -> bool:
        """Whether there is a job to make of it."""
        return self.is_sound and self.is_readable and self.is_active

    def is_in(self, target: str) -> bool:
        return not self.targets or target in self.targets

    @property
    def job_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {} if self.runs is None else {"max_concurrent_runs": self.runs}
        return {**config, **({"schedule": SCHEDULE} if self.is_scheduled else {})}

    @property
    def _targets(self) -> Any:
        if not any(self.targets.values()):
            return [*self.targets]
        return {
            name: {"job_config": {"timeout_seconds": seconds}} if seconds else {}
            for name, seconds in self.targets.items()
        }

    def _common(self) -> dict[str, Any]:
        said = {
            "formerly": [*self.formerly],
            "adopt": self.adopt,
            "targets": self._targets,
            "job_config": self.job_config,
        }
        return {name: value for name, value in said.items() if value}

    def _sources(self) -> list[dict[str, Any]]:
        config = {
            "notebook_path": f"/Workspace/{self.notebook}",
            "base_parameters": {**PARAMETERS, "module": self.name},
        }
        return [
            {
                "source_id": f"s{number}" if self.is_sound else f"{number}${{resources.x}}",
                "execution_order": number,
                "is_active": self.is_active,
                "transformation_config": config,
            }
            for number in range(1, self.tasks + 1)
        ]

    def text(self) -> str:
        """Returns its file."""
        if self.home is Home.USE:
            values = {"name": self.name, "notebook": f"/Workspace/{self.notebook}", "active": self.is_active}
            use = {"blueprint": "standard" if self.is_sound else "standrad", "with": values, **self._common()}
            said: dict[str, Any] = {"modules": [use]}
        else:
            said = {"modules": [{"module_name": self.name, **self._common(), "sources": self._sources()}]}
        text = yaml.safe_dump(said, sort_keys=False)
        return text if self.is_readable else CONFLICT + text

    def rows(self) -> list[dict[str, Any]]:
        columns = {name: json.dumps(value) for name, value in self._common().items()}
        return [row(module_name=self.name, **columns, **source) for source in self._sources()]

    def take(self, job_config: dict[str, Any]) -> None:
        """Takes what a command has written into the module."""
        self.runs = job_config.get("max_concurrent_runs")


@dataclass
class Said:
    """All that the metadata says, at one moment.

    Attributes:
        modules: By the key of their file.
        removed: What `deploy.removed` names: whether the job is to stay.
        timeout: What the blueprint says of all that uses it.
        preset: What a preset says of all jobs.
        is_hidden: Whether a folder cannot be read.
        keep: What `deploy.keep` says; None where it is not there.
        bundle: The name of the bundle.
    """

    modules: dict[str, Module] = field(default_factory=dict)
    removed: dict[str, bool] = field(default_factory=dict)
    timeout: int = 100
    preset: int = 1
    first_pause: bool = False
    is_hidden: bool = False
    keep: Keep | None = None
    bundle: str = BUNDLE_NAME

    def copy(self) -> Said:
        return copy.deepcopy(self)

    def named(self, name: str) -> Module | None:
        return next((each for each in self.modules.values() if each.name == name), None)

    def is_seen(self, module: Module) -> bool:
        """Whether it can be read where it is."""
        return module.is_readable and not (self.is_hidden and module.home is Home.MOVED)

    def keeps(self, setting: str) -> bool:
        """Whether the workspace decides a setting of all jobs."""
        return any(each["setting"] == setting for each in self.keep or () if isinstance(each, dict))

    @property
    def is_whole(self) -> bool:
        return all(self.is_seen(each) and each.is_sound for each in self.modules.values()) and not self.is_hidden

    def project_file(self, table: Path | None) -> str:
        sources: list[dict[str, str]] = [{"yaml": "metadata/*.yml"}, {"yaml": f"{MOVED}/*.yml"}]
        if table is not None:
            sources.append({"delta": str(table)})
        removed = [{"module": name, "keep_job": True} if stays else name for name, stays in self.removed.items()]
        presets = [{"preset": "all", "match": {"module": "*"}, "job": {"tags": {"preset": str(self.preset)}}}]
        deploy: dict[str, Any] = {"removed": removed, "first_pause": self.first_pause}
        if self.keep is not None:
            deploy["keep"] = self.keep
        said = {"metadata": sources, "presets": presets, "deploy": deploy, "source_parameters": "none"}
        return yaml.safe_dump(said, sort_keys=False)

    def blueprints(self) -> str:
        config = {"notebook_path": "${param.notebook}", "base_parameters": {**PARAMETERS, "module": "${param.name}"}}
        source = {"source_id": "s1", "execution_order": 1, "is_active": "${param.active}"}
        blueprint = {
            "blueprint": "standard",
            "parameters": {"name": {"type": "text"}, "notebook": {"type": "text"}, "active": {"type": "boolean"}},
            "module": {
                "module_name": "${param.name}",
                "job_config": {"timeout_seconds": self.timeout},
                "sources": [{**source, "transformation_config": config}],
            },
        }
        return yaml.safe_dump({"blueprints": [blueprint]}, sort_keys=False)

    def files(self, table: Path | None) -> dict[str, str]:
        """Returns all files by their paths."""
        found = {"job_meta.yml": self.project_file(table), BLUEPRINT: self.blueprints()}
        for module in self.modules.values():
            if module.home is not Home.ROW and not (self.is_hidden and module.home is Home.MOVED):
                found[module.path] = module.text()
        return found

    def rows(self) -> list[dict[str, Any]]:
        return [row for each in self.modules.values() if each.home is Home.ROW for row in each.rows()]

    def timeout_of(self, module: Module, target: str) -> int:
        return module.targets.get(target) or (self.timeout if module.home is Home.USE else 0)
