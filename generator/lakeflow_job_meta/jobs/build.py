"""Builds the job of a module: the plain values that the Jobs API takes, in the order of the UI.

Pure. Reports what keeps a job from being built at all; whether its settings are right is checked afterwards, on the
result, so that defaults and conveniences are checked too.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from lakeflow_job_meta._internal.text import did_you_mean, either, kind_of, listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, Rule, SourceRef
from lakeflow_job_meta.diagnostics.rules import (
    LAST_TASK,
    MISSING_FIELD,
    NO_ACTIVE_SOURCE,
    TASK_KIND,
    TEMPLATE,
    UNKNOWN_FIELD,
    UNUSABLE_NAME,
    WRONG_TYPE,
)
from lakeflow_job_meta.jobs import task_types
from lakeflow_job_meta.jobs.dependencies import Stages, ends, last_sources
from lakeflow_job_meta.jobs.key_order import in_job_order, in_task_order
from lakeflow_job_meta.jobs.layers import Layer, as_written, merge_layers
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, LocalPath, Patterns, with_paths
from lakeflow_job_meta.jobs.model import Job, TaskFile, TaskOrigin
from lakeflow_job_meta.jobs.neighbours import NO_NEIGHBOURS, Neighbours
from lakeflow_job_meta.jobs.order import wait_for, without_idle_runs
from lakeflow_job_meta.jobs.presets import Numbered, applies_to, presets_of, with_sources
from lakeflow_job_meta.jobs.quality import (
    ENVIRONMENT,
    LEFT_OUT_OF_DEFAULTS,
    Checked,
    expectation_layers,
    quality_layers,
    results_table,
    with_checking_sources,
)
from lakeflow_job_meta.jobs.quality_names import RULES_FOLDER
from lakeflow_job_meta.parsing.keys import MAX_TASK_KEY, SourceParameters, job_key, task_key, task_key_problem
from lakeflow_job_meta.parsing.model import Module, Quality, Source
from lakeflow_job_meta.text.yaml_writer import Unwritable, to_yaml

ACTIVE_DEFAULT_EXCLUSIVE = ("schedule", "trigger", "continuous")
"""A job has at most one of these, so a default for one yields to a module that sets another."""

SET_BY_DATABRICKS = (
    *("format", "job_id", "creator_user_name", "created_time", "run_as_user_name", "edit_mode", "deployment"),
    *("effective_budget_policy_id", "effective_usage_policy_id", "trigger_state", "has_more", "next_page_token"),
)
"""What the Jobs API returns with a job's settings; of `format` it says: "ignored in create/update/reset calls".

`edit_mode` and `deployment` are what the databricks CLI writes into each job that it deploys.
"""

_GIT_PROVIDERS = (
    *("gitHub", "gitHubEnterprise", "gitLab", "gitLabEnterpriseEdition"),
    *("bitbucketCloud", "bitbucketServer", "azureDevOpsServices", "awsCodeCommit"),
)
"""Jobs API, `git_provider`: "The value is case insensitive"; it returns these, so that others would look changed."""

_NOT_OF_THE_API = ("task_type", "task_key", "depends_on", *task_types.DIRECT_NOTEBOOK_FIELDS)
"""What a `transformation_config` holds that is no setting of the task itself."""

_MADE_ELSEWHERE = {"task_key": "it is made from 'source_id'", "depends_on": "write it beside 'source_id'"}
_OF_LAST_TASKS = {"run_if": "when the task runs is what 'on_failure' and 'finally' say"}


def left_out(project: Project) -> tuple[str, ...]:
    """Returns the settings of jobs that are left out, unless the project file lets them pass."""
    return tuple(name for name in SET_BY_DATABRICKS if f"job.{name}" not in project.allow_unknown)


@dataclass(frozen=True, slots=True)
class Built:
    """A job as far as it could be built, and what is wrong with it; nothing where there was no module to build."""

    job: Job | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


def build_job(
    module: Module,
    project: Project,
    output: str,
    target: str | None = None,
    files: Mapping[str, str] = MappingProxyType({}),
    neighbours: Neighbours = NO_NEIGHBOURS,
) -> Built:
    """Builds the job of one module, or of what could be read of a broken one.

    The job is complete if nothing is reported; there is none, and a warning, if the module has no active source.

    Args:
        module: The module; as it is in the target, if it is for one.
        project: The project.
        output: The folder that `jobs/` and `sql/` are in, relative to the project.
        target: The target that the job is for; None for all in which it is the same.
        files: The files that tasks have in other targets: their texts by their places.
        neighbours: All modules, for one that waits for others or runs them.
    """
    presets = presets_of(module, project, target)
    module = with_checking_sources(without_idle_runs(with_sources(module, presets), neighbours, target))
    stages = Stages(module)
    sources = stages.in_order()
    if module.sources and all(each.run_if is not None for each in module.sources):
        last = module.sources[0]
        message = f"{quoted(last.source_id)} runs after the other tasks of the module, and there are none"
        return Built(None, (LAST_TASK.at(last.origin.at("source_id"), f"{message}; add them below 'sources'"),))
    if not sources:
        where = "" if target is None else f" in the target {quoted(target)}"
        way_out = "" if target is None else f"; write `{target}: false` below 'targets' to leave it out there"
        message = f"the module {quoted(module.module_name)} has no active source{where}, so no job is created from it"
        return Built(None, (NO_ACTIVE_SOURCE.at(module.origin.key("sources"), message + way_out),))
    awaited = wait_for(module, neighbours, target)
    builder = _Builder(module, project, output, stages, presets, _Variant(target, files), awaited.layer)
    builder.problems += awaited.problems
    tasks, origins = builder.tasks(sources)
    settings, layers = builder.job_settings()
    settings["tasks"] = tasks
    used = frozenset(each.name for _, each in presets if each.job or each.sources) | builder.task_presets
    targets = module.targets if target is None else (target,)
    job = Job(module, in_job_order(settings), tuple(layers), origins, tuple(builder.files), used, targets)
    return Built(job, tuple(builder.problems))


class _Variant(NamedTuple):
    """The target that a job is built for, if it is one, and the files that its tasks have in others."""

    target: str | None
    files: Mapping[str, str]


class _Builder:
    """Builds one job and gathers what is wrong with it."""

    def __init__(
        self,
        module: Module,
        project: Project,
        output: str,
        stages: Stages,
        presets: list[Numbered],
        variant: _Variant,
        after: Layer | None,
    ) -> None:
        self.module = module
        self.project = project
        self.output = output
        self.stages = stages
        self.presets = presets
        self.variant = variant
        self.after = after
        self.files: list[TaskFile] = []
        self.places: set[str] = set()
        self.built: dict[str, dict[str, Value]] = {}
        self.runs_dqx: SourceRef | None = None
        self.problems: list[Diagnostic] = []
        self.task_presets: set[str] = set()
        self.task_layers: dict[tuple[str, bool, KeyPath], list[Layer]] = {}
        self.layers = self._job_layers()
        self.from_git = merge_layers(self.layers).get("git_source") is not None

    def job_settings(self) -> tuple[dict[str, Value], list[Layer]]:
        """Returns all settings of the job but its tasks, and what they were merged from."""
        layers = self.layers
        if self.runs_dqx is not None:
            layers = [Layer("quality", self.runs_dqx, {"environments": [ENVIRONMENT]}), *layers]
        if "tasks" in self.module.job_config:
            message = "'tasks' cannot be in 'job_config': the tasks come from 'sources'"
            self._report(UNKNOWN_FIELD, self.module.origin.key("job_config", "tasks"), message)
        settings = _without(merge_layers(layers), left_out(self.project))
        git = settings.get("git_source")
        if isinstance(git, dict) and isinstance(provider := git.get("git_provider"), str):
            known = next((each for each in _GIT_PROVIDERS if each.casefold() == provider.casefold()), provider)
            settings["git_source"] = {**git, "git_provider": known}
        return self._with_local_paths(settings, JOB_PATHS), layers

    def _job_layers(self) -> list[Layer]:
        """Returns what the job's settings are merged from, the lowest first."""
        project, module = self.project, self.module
        name = project.job_name.replace("{module_name}", module.module_name)
        layers = [
            Layer("defaults", project.origin.at("defaults", "job"), project.defaults.job),
            *(
                Layer(f"preset {each.name}", project.origin.at("presets", number, "job"), each.job)
                for number, each in self.presets
                if each.job
            ),
            Layer("module", module.origin.at("module_name"), name, ("name",), is_derived=True),
        ]
        if module.description is not None:
            origin = module.origin.at("description")
            layers.append(Layer("module", origin, module.description, ("description",), is_derived=True))
        if self.after is not None:
            layers.append(self.after)
        return _yielding([*layers, *as_written(Layer("module", module.origin.at("job_config"), module.job_config))])

    def tasks(self, sources: list[Source]) -> tuple[list[Value], tuple[TaskOrigin, ...]]:
        """Returns the tasks of sources, and behind them the last tasks, which wait for the ends of all others."""
        made = [self._task(each, [edge.settings for edge in self.stages.edges(each)]) for each in sources]
        last = last_sources(self.module)
        failed: list[str] = []
        waited_for = ends([task for task, _ in made]) if last else []
        for source in last:
            of_failure = source.source_type == "on_failure"
            keys = waited_for if of_failure else [*waited_for, *failed]
            task, origin = self._task(source, [{"task_key": key} for key in keys])
            failed += [source.task_key] if of_failure else []
            made.append((task, origin))
        return [task for task, _ in made], tuple(origin for _, origin in made)

    def _task(self, source: Source, depends_on: Sequence[Value]) -> tuple[dict[str, Value], TaskOrigin]:
        """Returns the task of one source, and what it was made of."""
        if source.follows is not None:
            return self._checking_task(source, source.follows)
        settings: dict[str, Value] = {"task_key": source.task_key}
        if depends_on:
            settings["depends_on"] = list(depends_on)
        origin = source.origin.at("transformation_config")
        made_elsewhere = _MADE_ELSEWHERE if source.run_if is None else _MADE_ELSEWHERE | _OF_LAST_TASKS
        for key, instead in made_elsewhere.items():
            if key in source.transformation_config:
                self._report(UNKNOWN_FIELD, origin.key(key), f"{key!r} cannot be in 'transformation_config': {instead}")
        own = Layer(self._layer_of(source), origin, source.transformation_config, moves=task_types.WRITTEN_ELSEWHERE)
        layers: list[Layer] = []
        settings.update(self._settings(own, source.task_key, self._added_parameters(source), layers))
        if source.run_if is not None:
            settings["run_if"] = source.run_if
            layers.append(Layer(own.name, source.origin, source.run_if, ("run_if",), is_derived=True))
        self.built[source.task_key] = settings
        return in_task_order(settings), TaskOrigin(source, tuple(layers))

    def _checking_task(self, source: Source, follows: Source) -> tuple[dict[str, Value], TaskOrigin]:
        """Returns a task that checks what another one has written."""
        key, task = source.task_key, self.built.get(follows.task_key, {})
        if (reason := task_key_problem(source.source_id, key)) is not None and len(follows.task_key) <= MAX_TASK_KEY:
            self._report(UNUSABLE_NAME, source.origin, reason)
        table = results_table(self.project.control_table)
        checked = Checked(self.module.module_name, follows, task, table, self._layer_of(follows))
        if source.quality is not None:
            folder = f"{self.output}/{RULES_FOLDER}"
            written = quality_layers(source.quality, checked, folder, self._rules_file(source.quality, key))
        else:
            written = expectation_layers(source, checked)
        config = merge_layers(written)
        if "environment_key" in config:
            self.runs_dqx = self.runs_dqx or source.origin
        own = Layer(checked.layer, source.origin, config, is_derived=True)
        layers: list[Layer] = []
        settings: dict[str, Value] = {
            "task_key": key,
            "depends_on": [edge.settings for edge in self.stages.edges(source)],
            **self._settings(own, key, {}, layers),
        }
        layers = [*(each for each in layers if each is not own), *written]
        made = source._replace(transformation_config=config)
        return in_task_order(settings), TaskOrigin(made, tuple(layers))

    def _rules_file(self, quality: Quality, key: str) -> str:
        """Adds the file with the checks of a task, and returns its path from the folder of rules; empty without any."""
        if not quality.checks:
            return ""
        try:
            text = to_yaml([_without_nulls(each) for each in quality.checks])
        except Unwritable as error:
            self._report(TEMPLATE, quality.origin.at("checks"), f"a value cannot be written as YAML: {error}")
            return ""
        return f"{self.module.key}/{self._add_file(RULES_FOLDER, key, text)}.yml"

    def _added_parameters(self, source: Source) -> dict[str, Value]:
        """Returns the parameters by which a notebook finds its row: none where source, module or project say so."""
        wanted = source.parameters or self.module.parameters or self.project.source_parameters
        values = (source.source_id, self.project.control_table)
        added = dict(zip(task_types.ADDED_PARAMETERS, values, strict=True)) if wanted is SourceParameters.ALL else {}
        return {name: value for name, value in added.items() if value is not None}

    def _layer_of(self, source: Source) -> str:
        """Names the layer of a source: its own, or the preset that adds it."""
        added = next((each for _, each in self.presets if source in each.sources), None)
        return "source" if added is None else f"preset {added.name}"

    def _settings(self, own: Layer, key: str, parameters: dict[str, Value], layers: list[Layer]) -> dict[str, Value]:
        """Turns a `transformation_config` into the settings of a task, without key and dependencies.

        `parameters` are those that a notebook gets; `layers` gets what the settings are merged from, in that order.
        """
        config = own.value if isinstance(own.value, dict) else {}
        kind = _kind_of(config, own.ref)
        if isinstance(kind, Diagnostic):
            self.problems.append(kind)
            layers.append(own)
            # What else is wrong with the task is found all the same.
            return _without(merge_layers([own], own.prefix), (*task_types.BY_BLOCK, *_NOT_OF_THE_API))
        block = self._block(config, kind, own.ref)
        below = self._task_defaults(config, kind, own.prefix)
        if own.is_derived:
            below = [each._replace(value=_without(_map_of(each.value), LEFT_OUT_OF_DEFAULTS)) for each in below]
        merging = [*below, *as_written(own)]
        layers += merging
        settings = _without(merge_layers(merging, own.prefix), _NOT_OF_THE_API)
        if not isinstance(block, dict):
            self._report(WRONG_TYPE, own.ref.at(kind.block), f"{kind.block!r} must be a map, not {kind_of(block)}")
            return {}
        if kind.block == "sql_task":
            self._check_sql(block, config, own.ref)
            layers += self._default_warehouse(block, own.prefix)
        text = block.get(task_types.INLINE_SQL)
        sql_name = self._add_file("sql", key, text) if isinstance(text, str) else key
        if kind.block == "for_each_task" and isinstance(block.get("task"), dict):
            path = (kind.block, "task")
            inner = own._replace(ref=own.ref.at(*path), value=block["task"], prefix=(*own.prefix, *path))
            block = {**block, "task": self._iteration(inner, key, parameters, layers)}
        sql_path = f"{self.output}/sql/{self.module.key}/{sql_name}.sql"
        warehouse_id = self.project.defaults.warehouse_id
        context = task_types.TaskContext(parameters, warehouse_id, sql_path, job_key)
        settings[kind.block] = kind.prepare(block, context) if kind.prepare is not None else block
        return self._with_local_paths(settings, TASK_PATHS)

    def _task_defaults(self, config: dict[str, Value], kind: task_types.TaskType, prefix: KeyPath) -> list[Layer]:
        """Returns what is laid below the settings of a task, the lowest first; made once for tasks of one kind."""
        names_its_own = _names_compute(config)
        key = (kind.name, names_its_own, prefix)
        if key not in self.task_layers:
            self.task_layers[key] = self._layers_below(kind, names_its_own, prefix)
        return self.task_layers[key]

    def _layers_below(self, kind: task_types.TaskType, names_its_own: bool, prefix: KeyPath) -> list[Layer]:
        project = self.project
        written = [(project.defaults.task, "defaults", project.origin.at("defaults", "task"))]
        for number, preset in self.presets:
            if preset.task and applies_to(preset.match or (), kind.name, kind.block):
                self.task_presets.add(preset.name)
                written.append((preset.task, f"preset {preset.name}", project.origin.at("presets", number, "task")))
        layers: list[Layer] = []
        for value, name, ref in reversed(written):
            defaults = _for_kind(value, kind, names_its_own=names_its_own)
            names_its_own = names_its_own or _names_compute(defaults)
            if defaults:
                layers.insert(0, Layer(name, ref, defaults, prefix))
        return layers

    def _default_warehouse(self, block: dict[str, Value], prefix: KeyPath) -> list[Layer]:
        default, path = self.project.defaults.warehouse_id, ("sql_task", "warehouse_id")
        if default is None or block.get(path[1]) is not None:
            return []
        return [Layer("defaults", self.project.origin.at("defaults", "warehouse_id"), default, (*prefix, *path))]

    def _add_file(self, folder: str, key: str, text: str) -> str:
        """Adds a file of a task, and returns its name: its key, unless another one has that name on some disk.

        That may be one of the same task, where it says something else in another target.
        """
        target, others = self.variant
        of_target = [f"{key}_{job_key(target)}"] if target is not None else []
        names = itertools.chain([key], of_target, (f"{key}_{number}" for number in itertools.count(2)))
        made = (TaskFile(folder, name, text) for name in names)
        file = next(f for f in made if f.place not in self.places and others.get(f.place, text) == text)
        self.places.add(file.place)
        self.files.append(file)
        return file.name

    def _iteration(self, own: Layer, key: str, parameters: dict[str, Value], layers: list[Layer]) -> dict[str, Value]:
        own_key = own.value.get("task_key") if isinstance(own.value, dict) else None
        inner_key = task_key(own_key, self.project.task_keys) if isinstance(own_key, str) else f"{key}_iteration"
        if (reason := task_key_problem(str(own_key or key), inner_key)) is not None and len(key) <= MAX_TASK_KEY:
            self._report(UNUSABLE_NAME, own.ref.at("task_key") if own_key is not None else own.ref, reason)
        return in_task_order({"task_key": inner_key, **self._settings(own, inner_key, parameters, layers)})

    def _block(self, config: dict[str, Value], kind: task_types.TaskType, origin: SourceRef) -> Value:
        """Returns the task's block, with the fields of a notebook that stand beside it."""
        block = config.get(kind.block, {})
        if kind.name != "notebook" or not isinstance(block, dict):
            return block
        for name in task_types.DIRECT_NOTEBOOK_FIELDS:
            if name in config and name in block:
                self._report(TASK_KIND, origin.key(name), f"{name!r} is given twice: here and in 'notebook_task'")
        return {**{name: config[name] for name in task_types.DIRECT_NOTEBOOK_FIELDS if name in config}, **block}

    def _check_sql(self, block: dict[str, Value], config: dict[str, Value], origin: SourceRef) -> None:
        """A SQL task runs one thing, and that of which its `task_type` speaks."""
        origin = origin.at("sql_task")
        forms = [name for name in task_types.SQL_FORMS if block.get(name) is not None]
        wanted = task_types.SQL_KINDS.get(str(config.get("task_type")), ())
        if len(forms) > 1:
            self._report(TASK_KIND, origin.key(forms[1]), f"a SQL task runs one thing, but here are {listing(forms)}")
        elif not forms or (wanted and forms[0] not in wanted):
            what = f"task_type {quoted(config['task_type'])} needs" if wanted else "a SQL task needs one of"
            near = [name for name in block if name not in (*task_types.SQL_FORMS, "warehouse_id", "parameters")]
            hint = did_you_mean(near[0], wanted or task_types.SQL_FORMS[:3]) if near else ""
            self._report(MISSING_FIELD, origin.key(), f"{what} {either(wanted or task_types.SQL_FORMS[:3])}{hint}")
        for name in ("sql_query", "sql_file_path", "query_id"):
            if name in forms and not isinstance(block[name], str):
                self._report(WRONG_TYPE, origin.at(name), f"{name!r} must be text, not {kind_of(block[name])}")
            elif name in forms and not str(block[name]).strip():
                self._report(MISSING_FIELD, origin.at(name), f"{name!r} is empty")

    def _report(self, rule: Rule, origin: SourceRef, message: str) -> None:
        self.problems.append(rule.at(origin, message))

    def _with_local_paths(self, settings: dict[str, Value], patterns: Patterns) -> dict[str, Value]:
        change = partial(LocalPath.written, output=self.output)
        return with_paths(settings, patterns, change, from_git=self.from_git)


def _kind_of(config: dict[str, Value], origin: SourceRef) -> task_types.TaskType | Diagnostic:
    """Returns the kind of a task, or what keeps it from being clear."""
    blocks = [name for name in config if name in task_types.BY_BLOCK and config[name] is not None]
    if any(name in config for name in task_types.DIRECT_NOTEBOOK_FIELDS) and "notebook_task" not in blocks:
        blocks.append("notebook_task")
    named = config.get("task_type")
    if len(blocks) > 1:
        return TASK_KIND.at(origin.key(blocks[1]), f"a task has one block, but here are {listing(blocks)}")
    if named is None and not blocks:
        advice = f"give one block, such as notebook_task or sql_task{_near_block(config)}"
        return TASK_KIND.at(origin, f"nothing says what the task runs; {advice}")
    if named is None:
        return task_types.BY_BLOCK[blocks[0]]
    kind = task_types.BY_NAME.get(named) or task_types.BY_BLOCK.get(named) if isinstance(named, str) else None
    at = origin.at("task_type")
    if kind is None:
        hint = did_you_mean(str(named), task_types.BY_NAME) or f"; known: {', '.join(sorted(task_types.BY_NAME))}"
        return TASK_KIND.at(at, f"unknown task_type {quoted(named)}{hint}")
    if not blocks:
        needs = f"{kind.block!r}{' (or notebook_path)' if kind.name == 'notebook' else ''}"
        return MISSING_FIELD.at(at, f"task_type {quoted(named)} needs {needs}{_near_block(config)}")
    if blocks[0] != kind.block:
        return TASK_KIND.at(at, f"task_type {quoted(named)} needs {kind.block!r}, but here is {blocks[0]!r}")
    return kind


def _yielding(layers: list[Layer]) -> list[Layer]:
    """Leaves out of lower layers a schedule, trigger or `continuous` where a higher one sets another of them."""
    set_above: set[str] = set()
    kept = []
    for layer in reversed(layers):
        value = layer.value
        set_above.update(name for name in ACTIVE_DEFAULT_EXCLUSIVE if layer.prefix[:1] == (name,))
        if isinstance(value, dict) and not layer.prefix:
            if set_above:
                value = _without(value, [key for key in ACTIVE_DEFAULT_EXCLUSIVE if key not in set_above])
            set_above |= {key for key in ACTIVE_DEFAULT_EXCLUSIVE if value.get(key) is not None}
        kept.append(layer if value is layer.value else layer._replace(value=value))
    return kept[::-1]


def _names_compute(settings: dict[str, Value]) -> bool:
    return any(settings[name] is not None for name in task_types.COMPUTE_FIELDS if name in settings)


def _for_kind(defaults: dict[str, Value], kind: task_types.TaskType, *, names_its_own: bool) -> dict[str, Value]:
    """Leaves out defaults that are not for a kind, and those of what to run on where a task names its own."""
    own = task_types.COMPUTE_FIELDS if names_its_own else ()
    return _without(defaults, task_types.NOT_BY_DEFAULT[kind.block].union(own))


def _near_block(config: dict[str, Value]) -> str:
    names = (name for name in config if name not in task_types.BY_BLOCK and name.endswith("task"))
    return next(filter(None, (did_you_mean(name, task_types.BY_BLOCK, otherwise="") for name in names)), "")


def _map_of(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def _without_nulls(check: Value) -> Value:
    """Returns a check without the keys that are null, which count as absent; what a function is given stays."""
    if not isinstance(check, dict):
        return check
    return {key: _without_nulls(item) if key == "check" else item for key, item in check.items() if item is not None}


def _without(settings: dict[str, Value], names: Container[str]) -> dict[str, Value]:
    return {name: value for name, value in settings.items() if name not in names}
