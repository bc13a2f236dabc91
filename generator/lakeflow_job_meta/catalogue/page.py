"""The catalogue of a project: one HTML file with all jobs, that asks no other file and no network.

In: a compilation, and what the record says of jobs. Out: the bytes of the page, rendered from `templates/catalogue`.
They depend on nothing else: on no clock, no machine and no order of a set, so that `--check` can compare them. When
jobs run next is reckoned by the browser. `write_page` never overwrites a file that is no catalogue.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, read_file, read_start, shipped, write_atomically
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.catalogue.entries import entry_of
from lakeflow_job_meta.catalogue.packing import as_json_in_html, packed
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.state.folder import state_folder_path
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.state.tracking import DeployedJob, known_jobs
from lakeflow_job_meta.workspace.client import Workspace

PAGE = "index.html"
_MARKER = b'<meta name="generator" content="lakeflow-job-meta catalogue">'
_SCRIPTS = ("schedule.js", "graph.js", "catalogue.js")
_START = 1024
"""How many bytes of a page have the marker in them."""


def page_of(
    project: Project,
    compilation: Compilation,
    target: str | None = None,
    source_url: str | None = None,
    workspace: Workspace | None = None,
) -> bytes:
    """Returns the page of a project.

    Args:
        project: The project.
        compilation: Its metadata, compiled; what has an error is listed, and has no job.
        target: Jobs are shown as they are in this target alone, with their ids and URLs from its record.
        source_url: Where files of the project can be read: what their paths follow, or an address with `{path}` and
            `{line}` in it.
        workspace: Where the record is; by default the one of the environment.

    Raises:
        ConfigError: There is no such target, or the URL is none of a web page.
        OperationFailed: The record cannot be read.
    """
    if target is not None:
        compilation.bundle.require_target(target)
    if source_url is not None and (
        urlsplit(source_url).scheme not in ("http", "https") or not urlsplit(source_url).netloc
    ):
        raise ConfigError(f"{quoted(source_url)} is no address of a web page; it begins with https://")
    deployed = _deployed(project, target, workspace)
    references = {f"${{resources.jobs.{key}.id}}": key for key in compilation.jobs.names}
    jobs = [job for job in compilation.jobs if target is None or not job.targets or target in job.targets]
    targets = tuple(sorted(compilation.bundle.targets or ()))
    entries = [entry_of(job.in_target(target), project, targets, references, deployed.get(job.key)) for job in jobs]
    name = compilation.bundle.plain_values("").name
    title = f"Pipelines of {name}" if name else "Pipelines"
    data = {"title": title, "target": target, "source": source_url, **packed(entries, compilation.diagnostics)}
    return _rendered({"title": title, "data": as_json_in_html(data)})


def place_of(output: str | Path) -> Path:
    """Returns the file that is meant by a folder, or by a name that ends in `.html`."""
    path = Path(output)
    return path if path.suffix.lower() == ".html" else path / PAGE


def is_current(path: Path, page: bytes) -> bool:
    """Says whether a file holds exactly this page; raises OperationFailed where it cannot be read."""
    try:
        return read_file(path, MAX_BYTES_OF_ANY) == page
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error


def write_page(path: Path, page: bytes) -> bool:
    """Writes the page whole, and its folder; returns whether anything changed.

    Raises:
        ConfigError: There is a file that is no catalogue.
        OperationFailed: The disk refuses.
    """
    if is_current(path, page):
        return False
    try:
        if path.exists() and _MARKER not in read_start(path, _START):
            raise ConfigError(
                f"{str(path)!r} is no catalogue and stays as it is. Choose another folder, or remove the file."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path.resolve(), page, durable=False)  # a link stays one
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error
    return True


def _deployed(project: Project, target: str | None, workspace: Workspace | None) -> Mapping[str, DeployedJob]:
    if target is None:
        return {}
    store = open_state_store(project, state_folder_path(project, target), JOBS, workspace)
    return {job.key: job for job in known_jobs(store, target)}


def _rendered(values: Mapping[str, str]) -> bytes:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = shipped("templates", "catalogue")
    style = (folder / "catalogue.css").read_text(encoding="utf-8")
    parts = [(folder / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    script = '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"
    environment = Environment(loader=FileSystemLoader(folder), undefined=StrictUndefined, autoescape=True)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template("page.html.j2").render(values, style=style, script=script, digest=digest)
    return page.encode()
