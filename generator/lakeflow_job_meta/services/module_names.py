"""Modules by the names that people give: which job is meant, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lakeflow_job_meta._internal.text import did_you_mean, listing, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.keys import job_key


def key_of_module(compilation: Compilation, module: str) -> str:
    """Returns the key of the job of a module.

    Raises:
        InvalidMetadata: There is none, but it may be in what could not be read.
        ConfigError: There is none.
    """
    names = {each.name: each.key for result in compilation.units.values() for each in result.modules if each.name}
    key = names.get(module) or job_key(module)
    if key in names.values():
        return key
    # A broken module whose name is known is none of them.
    places = compilation.hiding_places(compilation.broken_jobs)
    hint = did_you_mean(module, names)
    if places and not hint.startswith("; did you"):
        sentence = f"There is no module {quoted(module)} in what could be read; it may be in {listing(places)}."
        raise InvalidMetadata(sentence, tuple(compilation.errors))
    raise ConfigError(f"There is no module {quoted(module)}{hint}")


def why_not_in_target(compilation: Compilation, key: str, target: str | None) -> str:
    """Returns why a module's job is not meant to be in a target, as the end of a sentence; nothing where it is."""
    job = compilation.jobs.get(key)
    if target is None or job is None or not job.targets or target in job.targets:
        return ""
    return f"it is for {listing(job.targets)} alone. Add {target!r} to `targets` of the module and deploy."


def only_modules(compilation: Compilation, modules: Iterable[str]) -> Compilation:
    """Returns a compilation of some modules, in which everything else stays as it is.

    Raises:
        InvalidMetadata: One of them has errors, or may be in what could not be read.
        OperationFailed: One of them has no job, since nothing in it is active.
        ConfigError: There is none of a name.
    """
    keys = {key_of_module(compilation, module): module for module in modules}
    lost = [key for key in keys if key not in compilation.jobs.names]
    errors = [each for each in compilation.errors if each.module is not None and each.module in map(keys.get, lost)]
    if broken := [keys[key] for key in lost if key in compilation.broken_jobs]:
        sentence = f"Nothing was deployed, since {listing(broken)} has errors."
        raise InvalidMetadata(sentence, tuple(errors or compilation.errors))
    if lost:
        idle = listing(keys[key] for key in lost)
        raise OperationFailed(
            f"{idle} has no job, since nothing in it is active. Set `is_active: true` where it is meant."
        )
    names = compilation.jobs.names
    chosen = {names[key] for key in keys}
    labels = {snapshot.source for snapshot in (*compilation.present, *compilation.missing)}
    return replace(
        compilation,
        jobs=compilation.jobs.only(keys),
        files={file: text for file, text in compilation.files.items() if file.job_key in keys},
        diagnostics=tuple(each for each in compilation.diagnostics if each.module in chosen),
        summaries=tuple(summary for summary in compilation.summaries if summary.key in keys),
        kept_jobs=compilation.kept_jobs | (names.keys() - keys.keys()),
        kept_labels=compilation.kept_labels | labels,
        modules=len(keys),
    )
