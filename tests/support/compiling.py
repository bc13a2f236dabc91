"""Which modules are compiled, and of which the jobs are built."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.jobs import in_targets
from lakeflow_job_meta.jobs.units import names_in
from lakeflow_job_meta.parsing.units import SourceUnit


def noting_compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns a list that gets the names of the modules that are compiled from now on."""
    names: list[str] = []
    real = UnitCompiler.compile_alone

    def compile_alone(compiler: UnitCompiler, unit: SourceUnit):
        names.extend(str(each.name) for each in names_in(unit, compiler.project))
        return real(compiler, unit)

    monkeypatch.setattr(UnitCompiler, "compile_alone", compile_alone)
    return names


def noting_built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns a list that gets the names of the modules whose jobs are built from now on."""
    names: list[str] = []
    real = in_targets.build_job

    def build(found, project, output, **others):
        names.append(found.module_name)
        return real(found, project, output, **others)

    monkeypatch.setattr(in_targets, "build_job", build)
    return names
