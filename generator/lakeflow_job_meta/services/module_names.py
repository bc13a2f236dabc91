"""Modules by the names that people give: which job is meant, or why there is none. Pure."""

from __future__ import annotations

from lakeflow_job_meta._internal.text import did_you_mean, listing, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata
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
