"""What the project file has for nothing: presets that apply to no job. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import UNUSED_PRESET


def unused_presets(project: Project, compilation: Compilation) -> Iterator[Diagnostic]:
    """Yields presets from which no job takes anything; none where not all modules are known."""
    if any(each.is_unreadable for each in compilation.missing) or compilation.kept_labels:
        return
    used = frozenset().union(*(result.presets for result in compilation.units.values()))
    for number, preset in enumerate(project.presets):
        if preset.name not in used:
            what = "matches no module" if preset.match is not None else "is named by no module"
            message = f"the preset {quoted(preset.name)} {what}, so what it sets is nowhere"
            yield UNUSED_PRESET.at(project.origin.at("presets", number, "preset"), message)
