"""Safe suggestions applied to the YAML files of a project's metadata.

A compilation comes in; its fixes go out, found in memory: the new files were compiled, and every problem that counts as
fixed is gone. Only `apply_fixes` writes, and only files that are still as they were read. Rows are never changed.
"""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lakeflow_job_meta._internal.fs import read_file, write_atomically
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.units import digest_of
from lakeflow_job_meta.text.diffs import unified_diff
from lakeflow_job_meta.text.yaml_edits import fix_yaml

_MOST_PASSES = 10
"""A fix may bring the next problem to light: a setting under its right name has a value of the wrong type."""

_CHANGED = "the file has changed since it was read"


@dataclass(frozen=True, slots=True)
class FileFix:
    """One file, by its path in the project, with suggestions applied; `fixed` is how many problems are gone."""

    path: str
    before: bytes
    after: bytes
    fixed: int = 0

    def diff(self) -> Iterator[str]:
        """Yields the lines of a unified diff that `patch` and `git apply` take."""
        before, after = (_lines(content.decode()) for content in (self.before, self.after))
        for line in unified_diff(before, after, f"a/{self.path}", f"b/{self.path}", end="\n"):
            yield line.removesuffix("\n")
            if not line.endswith("\n"):
                yield "\\ No newline at end of file"


def _lines(text: str) -> list[str]:
    # Only a line feed ends a line to those tools.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


@dataclass(frozen=True, slots=True)
class Fixes:
    """The files that safe suggestions change, by path, and a line with the reason for each that is not applied."""

    files: tuple[FileFix, ...] = ()
    not_applied: tuple[str, ...] = ()

    @property
    def fixed(self) -> int:
        return sum(file.fixed for file in self.files)


def plan_fixes(
    project: Project, compilation: Compilation, recompile: Callable[[Mapping[str, bytes]], Compilation]
) -> Fixes:
    """Finds the new contents of files; `recompile` compiles the project with other contents of some, by path."""
    planner = _Planner(project, compilation)
    for _ in range(_MOST_PASSES):
        fixed = planner.fix(compilation.diagnostics)
        if not fixed:
            break
        before = compilation
        compilation = recompile({path: file.after for path, file in planner.files.items()})
        planner.drop_what_stays(fixed, before.diagnostics, compilation.diagnostics)
    changed = (file for _, file in sorted(planner.files.items()) if file.fixed)
    return Fixes(tuple(changed), tuple(_not_applied(each.location, reason) for each, reason in planner.not_applied))


def _not_applied(where: object, reason: str) -> str:
    return f"{where}: not applied: {reason}"


def apply_fixes(project: Project, fixes: Fixes) -> Fixes:
    """Writes the files, each whole; one that has changed meanwhile is left alone. Returns what was written.

    Raises:
        OperationFailed: The disk refuses; the files before it in the list are written.
    """
    written, left = [], [*fixes.not_applied]
    for file in fixes.files:
        # A link stays one.
        path = (project.folder / file.path).resolve()
        try:
            if read_file(path) != file.before:
                left.append(_not_applied(file.path, _CHANGED))
            elif not os.access(path, os.W_OK):
                left.append(_not_applied(file.path, "the file is read-only"))
            else:
                write_atomically(path, file.after)
                written.append(file)
        except OSError as error:
            raise OperationFailed(f"{file.path!r} cannot be written: {error.strerror or error}.") from error
    return Fixes(tuple(written), tuple(left))


class _Planner:
    def __init__(self, project: Project, compilation: Compilation) -> None:
        snapshots = (*compilation.present, *compilation.missing)
        units = (unit for snapshot in snapshots for unit in snapshot.units if unit.text_digest is not None)
        self._digests = {unit.label: unit.text_digest for unit in units}
        self._project = project
        self._refused: dict[str, str] = {}
        self.files: dict[str, FileFix] = {}
        self.not_applied: list[tuple[Diagnostic, str]] = []

    def fix(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Applies all safe suggestions once; returns what is fixed by that."""
        by_path: defaultdict[str, list[Diagnostic]] = defaultdict(list)
        for diagnostic in diagnostics:
            if diagnostic.suggestion is not None and diagnostic.suggestion.is_safe:
                by_path[diagnostic.location.path].append(diagnostic)
        self.not_applied = []
        return [each for path, found in by_path.items() for each in self._fix_file(path, found)]

    def _fix_file(self, path: str, diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
        reason = self._reason_to_leave(path, is_file=diagnostics[0].location.is_file)
        if reason is not None:
            self.not_applied += ((diagnostic, reason) for diagnostic in diagnostics)
            return ()
        file = self.files[path]
        new = fix_yaml(file.after.decode("utf-8-sig"), diagnostics)
        mark = codecs.BOM_UTF8 if file.before.startswith(codecs.BOM_UTF8) else b""
        self.files[path] = replace(file, after=mark + new.text.encode(), fixed=file.fixed + len(new.fixed))
        self.not_applied += new.left
        return new.fixed

    def _reason_to_leave(self, path: str, *, is_file: bool) -> str | None:
        if not is_file:
            return "in a table"
        if path.startswith("/"):
            return "in a volume"
        if path not in self._digests:
            return "not in a metadata file"
        if path not in self._refused and path not in self.files:
            try:
                content = read_file(self._project.folder / path)
            except OSError:
                content = b""
            self.files[path] = FileFix(path, content, content)
            if digest_of(path, content) != self._digests[path]:
                self._refused[path] = _CHANGED
        return self._refused.get(path)

    def drop_what_stays(
        self, fixed: list[Diagnostic], before: Iterable[Diagnostic], after: Iterable[Diagnostic]
    ) -> None:
        """Takes back the fixes of files in which a problem is still there."""
        found, expected = Counter(map(_identity, after)), Counter(map(_identity, before))
        expected.subtract(map(_identity, fixed))
        for diagnostic in fixed:
            path = diagnostic.location.path
            if found[_identity(diagnostic)] > expected[_identity(diagnostic)] and path in self.files:
                del self.files[path]
                self._refused[path] = "the problem would stay"


def _identity(diagnostic: Diagnostic) -> tuple[str, int | None, str, str]:
    """A diagnostic without its column, which a fix before it in the line moves."""
    return diagnostic.location.path, diagnostic.location.line, diagnostic.code, diagnostic.message
