"""What is wrong with a project file beyond what its schema says. Each check is one function of the list at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import cast

from lakeflow_job_meta._internal.fs import is_glob, is_good_glob
from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.text import did_you_mean, listing, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import (
    BUNDLES_FOLDER,
    CSV_SUFFIXES,
    EVERY_ITEM,
    ROW_KINDS,
    SOURCE_KINDS,
    TABLE_KINDS,
    MetadataSource,
    Project,
    is_inside,
)
from lakeflow_job_meta.config.policies import path_in
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import POLICY, PROJECT_FILE_MISTAKE, RULES
from lakeflow_job_meta.schema.validator import misstep_in_job
from lakeflow_job_meta.tables.names import name_problem

_VOLUME = re.compile(r"/Volumes/[^/]+/[^/]+/[^/]+")
_NEVER_KEPT = ("tasks", "name", "permissions")
_Check = Callable[[Project, dict[str, Value]], Iterator[Diagnostic]]


def project_mistakes(project: Project, value: dict[str, Value]) -> list[Diagnostic]:
    """Returns what the schema of the project file cannot say; the project is made from `value`, which fits it."""
    return [problem for check in _CHECKS for problem in check(project, value)]


def _at(project: Project, message: str, *path: str | int) -> Diagnostic:
    return PROJECT_FILE_MISTAKE.at(project.origin.at(*path), message)


def _sources_are_clear(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    for number, entry in enumerate(cast("list[dict[str, Value]]", value.get("metadata") or [])):
        kinds = [kind for kind in SOURCE_KINDS if kind in entry]
        if len(kinds) != 1:
            message = f"an entry of 'metadata' has exactly one of {listing(SOURCE_KINDS)}"
            yield _at(project, message, "metadata", number)
        elif "warehouse_id" in entry and kinds not in (["table"], ["query"]):
            message = "only a 'table' or a 'query' is read over a warehouse"
            yield _at(project, message, "metadata", number, "warehouse_id")
        elif (problem := _location_problem(kinds[0], str(entry[kinds[0]]))) is not None:
            yield _at(project, problem, "metadata", number, kinds[0])


def _rows_are_mapped(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    """Checks how the rows of a table become modules."""
    for number, entry in enumerate(cast("list[dict[str, Value]]", value.get("metadata") or [])):
        kind = next((kind for kind in SOURCE_KINDS if kind in entry), "")
        for problem, key in _row_problems(entry, kind):
            yield _at(project, problem, "metadata", number, key)
        if kind == "query" and not _is_file_inside(project, str(entry[kind])):
            yield _at(project, f"there is no file {quoted(entry[kind])} in the project", "metadata", number, kind)


def _row_problems(entry: dict[str, Value], kind: str) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with an entry, and the key that it is wrong at."""
    mapping = [key for key in ("with", "key", "job_per", "tables") if key in entry]
    if "blueprint" not in entry:
        if kind in ROW_KINDS:
            yield f"rows of a {kind!r} fill a blueprint; name it with 'blueprint'", kind
        for key in mapping:
            yield f"{key!r} is for rows that fill a blueprint; name it with 'blueprint'", key
        return
    if kind not in (*TABLE_KINDS, *ROW_KINDS):
        yield f"{kind!r} has no rows; a blueprint is filled by {listing((*TABLE_KINDS, *ROW_KINDS))}", "blueprint"
    elif kind != "csv" and not entry.get("key"):
        yield "'key' is missing: the columns that name a row in messages, such as `key: [table_name]`", kind
    if "tables" in entry and kind != "query":
        yield "'tables' are what a 'query' reads; leave it out", "tables"
    elif "tables" in entry and "warehouse_id" in entry:
        yield "'tables' are read where they lie, without a warehouse; leave out one of the two", "tables"
    job_per = entry.get("job_per")
    if isinstance(job_per, str) and job_per != "row" and "${column." not in job_per:
        yield f"'job_per' is `row`, or a column like `${{column.{job_per}}}`", "job_per"


def _location_problem(kind: str, location: str) -> str | None:
    if kind == "table":
        return name_problem(location)
    is_in_volume = kind == "csv" and location.startswith("/Volumes/")
    if (kind == "volume" or is_in_volume) and ((volume := _VOLUME.match(location)) is None or is_glob(volume[0])):
        return "a volume's path begins with /Volumes/catalog/schema/volume"
    pattern = location.lstrip("/") if is_in_volume else location
    if kind in ("yaml", "csv") and is_glob(location) and not is_good_glob(pattern):
        return "a glob is relative to the project, and '**' stands alone between slashes"
    return None


def _sources_are_there_once(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    if "metadata" in value and not value["metadata"]:
        yield _at(project, "'metadata' is empty; name at least one source, such as `- yaml: metadata/`", "metadata")
    for number, source in enumerate(project.metadata):
        for earlier in project.metadata[:number]:
            if _is_the_same(project, source, earlier):
                message = f"the source {quoted(source.location)} is named twice"
                if source.rows is not None:
                    message += (
                        "; for two blueprints, name the blueprint of each row by `blueprint: ${column.x}`, or read "
                        "the rows of one of them by a 'query'"
                    )
                yield _at(project, message, "metadata")
                return


def _is_the_same(project: Project, one: MetadataSource, other: MetadataSource) -> bool:
    """Says whether two sources surely have a file or table in common: its jobs would be of both."""
    if one.location == other.location:
        return True
    if one.kind != "csv" or other.kind != "csv":
        return False
    patterns = [FilePattern(project.folder, source.location, CSV_SUFFIXES) for source in (one, other)]
    return patterns[0].covers(other.location) or patterns[1].covers(one.location)


def _output_holds_no_rows(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    """Refuses rows and queries below the output folder, where files come and go with the metadata."""
    generated = FilePattern(project.folder, project.output, with_hidden=True)
    for number, source in enumerate(project.metadata):
        fixed = takewhile(lambda step: not is_glob(step), source.location.split("/"))
        if source.kind in ROW_KINDS and generated.covers("/".join((*fixed, "x"))):
            message = f"{quoted(source.location)} lies among the generated files in {quoted(project.output)}; move it"
            yield _at(project, message, "metadata", number, source.kind)


def _output_is_inside(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    if not is_inside(project.output) or project.output == ".":
        yield _at(project, "'output' must be a folder inside the project, such as `resources`", "output")
    elif any(step.startswith(".") for step in project.output.split("/")):
        yield _at(project, "'output' must not be a hidden folder: what lies in one is not deployed", "output")


def _output_holds_no_metadata(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    """Refuses an output folder where a generated file would be read as metadata, or lie in a table."""
    bundle = "" if project.bundles is None else f"{BUNDLES_FOLDER}/x/"
    for number, source in enumerate(project.metadata):
        pattern = FilePattern(project.folder, source.location)
        if source.kind in ("yaml", "delta") and pattern.covers(f"{bundle}{project.output}/jobs/x.yml"):
            message = f"the generated files in {quoted(project.output)} would be among the metadata in "
            path = ("metadata", number, source.kind) if "metadata" in value else ("output",)
            yield _at(project, f"{message}{quoted(source.location)}; give one of them another folder", *path)


def _job_name_tells_modules_apart(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    placeholders = set(re.findall(r"\{[^{}]*\}", re.sub(r"\$\{[^{}]*\}", "", project.job_name))) - {"{module_name}"}
    if placeholders:
        names = listing(sorted(placeholders))
        message = f"{names} stands for nothing in a job's name; only '{{module_name}}' does"
        yield _at(project, message, "naming", "job_name")
    elif "{module_name}" not in project.job_name:
        message = "'job_name' needs '{module_name}', or all jobs have the same name"
        yield _at(project, message, "naming", "job_name")


def _kept_settings_are_known(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    """Checks that what is kept are settings of jobs as a whole; a job without its own tasks would run others."""
    section = cast("dict[str, list[Value]]", value.get("deploy") or {})
    for number, entry in enumerate(section.get("keep") or []):
        written = str(entry["setting"]) if isinstance(entry, dict) else "pauses"
        path = ("pauses",) if written == "pauses" else path_in(written)
        at = ("deploy", "keep", number, "setting")
        if path is None or EVERY_ITEM in path:
            yield _at(project, f"{quoted(written)} is no setting; write one like `email_notifications`", *at)
        elif path[0] in _NEVER_KEPT:
            yield _at(project, f"{quoted(path[0])} cannot be kept: the metadata says what a job is and does", *at)
        elif path != ("pauses",) and (wrong := misstep_in_job(path)) is not None:
            step, known = wrong
            message = f"{quoted(written)} is no setting of a job{did_you_mean(path[step], known)}"
            yield _at(project, message, *at)


def _approvals_have_rows(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    """Refuses approvals of what can have none: files are reviewed in the repository, other tables are not ours."""
    if project.approval is None:
        return
    if not project.approval.targets:
        yield _at(project, "'targets' is empty; name one, such as `prod`", "deploy", "approval", "targets")
    if not project.table_sources:
        message = (
            "'approval' is of the rows of a control table, and 'metadata' names none; the review of files is the pull "
            "request that changes them"
        )
        yield _at(project, message, "deploy", "approval")
        return
    for number, source in enumerate(project.metadata):
        is_in_volume = source.kind == "volume" or source.location.startswith("/Volumes/")
        if is_in_volume or source.kind == "query" or (source.kind in TABLE_KINDS and source.rows is not None):
            message = (
                f"{quoted(source.location)} is neither a control table nor a file of the project, so nobody could "
                "approve what is in it; leave out one of the two"
            )
            yield _at(project, message, "metadata", number, source.kind)


def _bundles_are_clear(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    bundles = project.bundles
    if bundles is None:
        return
    if (bundles.jobs_per_bundle is None) == (bundles.by is None):
        yield _at(project, "'bundles' has exactly one of 'jobs_per_bundle' and 'by'", "bundles")
    elif bundles.by is not None and not bundles.by.strip():
        message = "'by' is empty; name a tag of jobs or a column of the control table, such as `domain`"
        yield _at(project, message, "bundles", "by")
    for number, path in enumerate(bundles.include or ()):
        if not _is_file_inside(project, path):
            yield _at(project, f"there is no file {quoted(path)} in the project", "bundles", "include", number)


def _template_exists(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    template = project.job_template
    if template is not None and not _is_file_inside(project, template):
        yield _at(project, f"there is no template {quoted(template)} in the project", "templates", "job")


def _is_file_inside(project: Project, path: str) -> bool:
    return is_inside(path) and (project.folder / path).is_file()


def _codes_exist(project: Project, value: dict[str, Value]) -> Iterator[Diagnostic]:
    """Refuses codes below `checks:` that do not exist, or that are always errors."""
    for code, severity in project.checks:
        origin = project.origin.key("checks", code)
        if code.partition(":")[0] == POLICY.code:
            message = "no check silences a policy; give it `severity: warning`, or some modules an exemption"
            yield PROJECT_FILE_MISTAKE.at(origin, message)
            continue
        if code not in RULES:
            yield PROJECT_FILE_MISTAKE.at(origin, f"there is no check {quoted(code)}{did_you_mean(code, RULES)}")
        elif RULES[code].is_fixed and severity != "error":
            yield PROJECT_FILE_MISTAKE.at(origin, f"{code!r} is always an error; see `ljm explain {code}`")


_CHECKS: tuple[_Check, ...] = (
    _sources_are_clear,
    _rows_are_mapped,
    _sources_are_there_once,
    _output_is_inside,
    _output_holds_no_metadata,
    _output_holds_no_rows,
    _job_name_tells_modules_apart,
    _kept_settings_are_known,
    _approvals_have_rows,
    _bundles_are_clear,
    _template_exists,
    _codes_exist,
)
