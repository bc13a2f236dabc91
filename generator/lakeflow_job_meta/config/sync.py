"""What the databricks CLI uploads of a bundle: `sync:` in the bundle's files, beside what is ignored and no plain file.

Pure. Source: libs/sync/filelist.go of the CLI, and the steps in bundle/config/mutator that make its paths relative to
one folder: what is below `paths` (all, where nothing is said) and not ignored, and what `include` matches, but not what
`exclude` does. The parts of all files, and of the target, are added up.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakeflow_job_meta._internal.gitignore import IgnoreFiles, IgnorePatterns, path_below
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.model import Project


@dataclass(frozen=True, slots=True)
class SyncRules:
    """What is uploaded for one target.

    Attributes:
        target: None where that is the same for all.
        root: The folder that holds all that is uploaded, absolute; paths and patterns are relative to it.
        paths: Files and folders.
    """

    target: str | None
    root: str
    paths: tuple[str, ...]
    include: IgnorePatterns
    exclude: IgnorePatterns

    def missing(self, path: str, ignoring: IgnoreFiles) -> str:
        """Returns why a file is not uploaded, and what to do; empty where it is. The path is absolute."""
        inside = path_below(self.root, path) or path
        if pattern := self.exclude.deciding(inside):
            return f"'sync.exclude' of the bundle has {pattern!r}; name what is meant there one by one"
        if self.include.deciding(inside):
            return ""
        starts = [each for each in self.paths if each == "." or inside == each or inside.startswith(f"{each}/")]
        if not starts:
            return "it is not below 'sync.paths' of the bundle; name its folder there"
        tops = (self.root if start == "." else f"{self.root}{os.sep}{start.replace('/', os.sep)}" for start in starts)
        reasons = [ignoring.deciding(path, top) for top in tops]
        if None in reasons or reasons[0] is None:
            return ""
        label, pattern = reasons[0]
        return f"{label} has {pattern!r}; name it below 'sync: {{include: [...]}}' in databricks.yml, or change that"


def sync_rules(
    project: Project, files: Sequence[tuple[Path, dict[str, Value]]], targets: Collection[str]
) -> tuple[SyncRules, ...] | None:
    """Returns what is uploaded, for each target where they differ; None where that depends on a reference.

    `files` are what the bundle's files say, with their folders, which their patterns are relative to.
    """
    found = []
    for target in sorted(targets) or [""]:
        said = [(folder, sync) for folder, file in files for sync in _said(file, target)]
        # Each bundle of many says by itself what it uploads, which is all that its jobs need.
        has_paths = project.bundles is None and any("paths" in sync for _, sync in said)
        paths, include, exclude = (_relative(project, said, name) for name in ("paths", "include", "exclude"))
        if any("${" in each for each in (*paths, *include, *exclude)):
            return None
        root = os.path.commonpath([project.folder, *(paths if has_paths else ())])
        starts, *patterns = (
            tuple(os.path.relpath(each, root).replace(os.sep, "/") for each in names)
            for names in (paths, include, exclude)
        )
        found.append(SyncRules(target, root, starts if has_paths else (".",), *map(IgnorePatterns, patterns)))
    same = {(each.root, each.paths, each.include, each.exclude) for each in found}
    return tuple(found) if len(same) > 1 else (SyncRules(None, *next(iter(same))),)


def _said(file: dict[str, Value], target: str) -> Iterator[dict[str, Value]]:
    for path in (("sync",), ("targets", target, "sync")):
        found = value_at(file, path)[1]
        if isinstance(found, dict):
            yield found


def _relative(project: Project, said: Sequence[tuple[Path, dict[str, Value]]], name: str) -> list[str]:
    lists = ((folder, value) for folder, sync in said if isinstance(value := sync.get(name), list))
    return [os.path.normpath(folder / each) for folder, value in lists for each in value if isinstance(each, str)]
