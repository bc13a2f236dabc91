"""Options that several commands share, and what they stand for: the project and its metadata."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from lakeflow_job_meta.cli.report import ProgressBar, echo
from lakeflow_job_meta.cli.run import is_command_line
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import TARGET_VARIABLES, read_bundle_declarations, target_named, target_of
from lakeflow_job_meta.config.load import find_project_folder, load_project
from lakeflow_job_meta.config.model import BUNDLE_FILE, BUNDLE_FILES, DEFAULT_METADATA, PROJECT_FILE, Project
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.text.markers import one_line

if TYPE_CHECKING:
    from lakeflow_job_meta.compiler.parallel import Workers
    from lakeflow_job_meta.control_table.approvals import Approval

Command = TypeVar("Command", bound=Callable[..., object])


_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class JobCommand(click.Command):
    """A command whose options may be parameters of a job.

    An empty value counts as not given: a job has the same parameters in each of its runs, and leaves empty what a run
    does without. A flag takes `true` or `false`, since named parameters of a wheel task have a value each.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [*self._given(args)])

    def _given(self, args: Sequence[str]) -> Iterator[str]:
        options = {name: each for each in self.params if isinstance(each, click.Option) for name in each.opts}
        rest = iter(args)
        for arg in rest:
            name, equals, value = arg.partition("=")
            name = name.replace("_", "-")
            option = options.get(name)
            if option is None:
                yield arg
            elif option.is_flag:
                if not equals or (value.strip() and _is_on(option, value)):
                    yield name
            else:
                values = [value] if equals else [*islice(rest, 1)]
                if not values:
                    yield name
                elif values[0].strip():
                    yield from (name, values[0])


def _is_on(option: click.Option, value: str) -> bool:
    is_on = _FLAGS.get(value.strip().lower())
    if is_on is None:
        raise click.BadParameter(f"{value!r} is neither true nor false.", param=option)
    return is_on


def optional_text(*names: str, **settings: object) -> Callable[[Command], Command]:
    """Returns an option whose value is a text; None where it is empty, as parameters of Databricks jobs often are."""
    return click.option(*names, type=str, callback=_text_or_none, **settings)  # type: ignore[arg-type]


def _text_or_none(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return (value or "").strip() or None


def format_option(choices: Iterable[str], help_text: str = "As text or JSON.") -> Callable[[Command], Command]:
    """Returns the option `--format`, whose default is `text`; commands get it as `form`."""
    return click.option("--format", "form", type=click.Choice([*choices]), default="text", help=help_text)


def _target_or_none(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Takes the target of the environment where none is given, as the databricks CLI does, and says so."""
    given = _text_or_none(ctx, param, value)
    named = target_named(given)
    if named != given:
        echo(f"The target is {named!r}, which {' or '.join(TARGET_VARIABLES)} names.", err=True)
    return named


target_option = click.option(
    "--target",
    "-t",
    metavar="TARGET",
    callback=_target_or_none,
    help="The bundle's target. Default: DATABRICKS_BUNDLE_TARGET, else the bundle's own.",
)
timeout_option = click.option(
    "--timeout", type=click.IntRange(1), default=1800, show_default=True, help="Seconds for one CLI call."
)
stop_timeout_option = click.option(
    "--stop-timeout",
    type=click.IntRange(0),
    default=25,
    show_default=True,
    help="Seconds for the CLI to finish what it writes, when stopped.",
)
parallel_option = click.option(
    "--parallel", type=click.IntRange(1), default=2, show_default=True, help="How many bundles at a time."
)
deployer_option = click.option(
    "--deployer",
    type=click.Choice(["auto", "cli", "jobs-api"]),
    default="auto",
    show_default=True,
    help="How jobs are deployed; auto takes the CLI where there are a bundle and a CLI.",
)
max_deletes_option = click.option(
    "--max-deletes", type=click.IntRange(0), metavar="N", help="How many jobs one deployment may delete."
)
overwrite_drift_option = click.option(
    "--overwrite-drift", is_flag=True, help="Overwrite what was edited by hand in the workspace."
)
prometheus_option = click.option(
    "--prometheus",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write metrics there as well, for a collector such as node-exporter's.",
)


def deployment_options(command: Command) -> Command:
    """Adds the options of what deploys with the databricks CLI, whatever it is for."""
    force_lock = click.option(
        "--force-lock", is_flag=True, help="Take over a deployment lock that was left in the workspace."
    )
    of_calls = timeout_option(stop_timeout_option(parallel_option(command)))
    return overwrite_drift_option(force_lock(of_calls))


def control_table_options(command: Command) -> Command:
    """Adds the options of a monitor's project and target: `target`, `control_table` and `warehouse_id`."""
    about_table, about_id = "Read this table instead of 'metadata:'.", "The SQL warehouse that reads --control-table."
    table = optional_text("--control-table", metavar="TABLE", help=about_table)
    warehouse = optional_text("--warehouse-id", metavar="ID", help=about_id)
    return target_option(table(warehouse(command)))


def open_project(folder: Path | None) -> Project:
    """Loads the project of `--project`, or the one that the current folder is in.

    Raises:
        ConfigError: There is none, or its file has mistakes.
    """
    if folder is None:
        return load_project(find_project_folder(_working_folder()))
    project = load_project(folder)
    parts = (PROJECT_FILE, *BUNDLE_FILES, DEFAULT_METADATA[0].location)
    if not any((project.folder / each).exists() for each in parts):
        raise ConfigError(
            f"There is no project in {str(folder)!r}: it holds neither {PROJECT_FILE} nor {BUNDLE_FILE}. "
            "`ljm init` makes a new project."
        )
    return project


def open_project_for(folder: Path | None, target: str | None) -> Project:
    """Loads the project for what is deployed to a target; without approvals that is the same for all of them.

    Raises:
        ConfigError: As `open_project`, or the bundle has no such target.
    """
    project = open_project(folder)
    if project.approval is None:
        return project
    if target is not None:
        read_bundle_declarations(project).require_target(target)
    return project.for_target(target_of(project, target))


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("The current folder was deleted; change to another one, or give --project.") from None


def open_monitored_project(
    folder: Path | None, control_table: str | None, warehouse_id: str | None, policies: str | None = None
) -> Project:
    """Loads the project of a monitor: of a control table where one is named, else as all commands do.

    `policies` is a file with more policies.
    """
    if control_table is None and policies is None:
        return open_project(folder)
    from lakeflow_job_meta.services import adhoc_project  # most commands do without

    own = open_project(folder) if control_table is None else None
    project = own or adhoc_project.project_of_table(control_table or "", warehouse_id, folder)
    return adhoc_project.with_policies_file(project, policies)


def compile_for_review(project: Project) -> Compilation:
    """Compiles all metadata for a command that does not deploy, and warns when the bundle nears its limit."""
    compilation = compile_metadata(project)
    if (warning := layout_of(project).size_warning(len(compilation.jobs))) is not None:
        echo(warning, err=True)
    return compilation


def show_waiting(compilation: Compilation, target: str | None) -> None:
    """Shows what is no part of a deployment until it is approved."""
    if compilation.waiting:
        from lakeflow_job_meta.planning.waiting_lines import waiting_lines  # most projects need no approvals

        for line in waiting_lines(compilation.waiting, target):
            echo(one_line(line), err=True)


def compile_metadata(
    project: Project,
    contents: Mapping[str, bytes] | None = None,
    proposed: Mapping[str, tuple[Approval, ...]] | None = None,
) -> Compilation:
    """Compiles all metadata of a project, with a progress bar when that takes long.

    `contents` are, by path, what some YAML files are read as instead of what is on disk; `proposed` are, by control
    table, approvals that count besides those that are there.
    """
    bundle = read_bundle_declarations(project)
    with ProgressBar() as progress:
        report = partial(echo, err=True)
        return compile_project(
            project, bundle, progress.update, report, contents=contents, workers=_workers, proposed=proposed
        )


def _workers() -> Workers | None:
    """Returns the workers of this machine, where the process is there for the command line alone."""
    from lakeflow_job_meta.compiler.parallel import workers_of_this_machine  # most runs compile nothing

    return workers_of_this_machine() if is_command_line(sys.modules["__main__"]) else None
