"""YAML files of a volume, loaded into the control table as they change.

Only files that are new or changed are loaded, so that an edit in the table is not overwritten by a file that somebody
edited long before. A module with a mistake keeps its rows and is tried again, without the others of its file; a file
that is gone leaves its rows where they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.services.table_load import check_for_table, load
from lakeflow_job_meta.sources.fingerprints import FileFingerprints
from lakeflow_job_meta.sources.interface import with_blueprints
from lakeflow_job_meta.sources.volume import VolumeReader
from lakeflow_job_meta.tables.store import VersionedTable


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The result of a synchronisation.

    Attributes:
        files: The digest of each file that was loaded, by path, with the modules that were not.
        broken: The modules that were not loaded; of a file that cannot be read, its path.
    """

    files: Mapping[str, str]
    errors: tuple[Diagnostic, ...] = ()
    broken: tuple[str, ...] = ()
    has_written: bool = False


def sync_volume(
    reader: VolumeReader,
    table: VersionedTable,
    project: Project,
    fingerprints: FileFingerprints,
    loaded: Mapping[str, str],
) -> SyncResult:
    """Loads new and changed files with one commit, or none; `loaded` are the `files` of the last result.

    Raises LakeflowJobMetaError if the volume cannot be read or the table not written; the table is as it was.
    """
    digests = reader.digests(fingerprints)
    fresh = [path for path, digest in digests.items() if loaded.get(path) != digest]
    done = {path: digest for path, digest in digests.items() if path not in fresh}
    if not fresh:
        return SyncResult(done)
    # All of them, since a module in a new file may be in an old one too.
    # A blueprint is known to the files that are loaded together with its own.
    [snapshot] = with_blueprints([reader.read_some(digests)])
    found = errors_among(check_for_table(project, [snapshot], table))
    errors = [error for error in found if error.location.path in fresh]
    bad = _modules_with(errors, snapshot.modules)
    waiting = {path: _still_to_load(loaded.get(path, ""), digests[path]) for path in fresh}
    modules = [raw for raw in snapshot.modules if _path(raw) in waiting]
    wanted = [raw for raw in modules if (names := waiting[_path(raw)]) is None or _name(raw) in names]
    good = [raw for raw in wanted if raw not in bad]
    has_written = bool(good) and bool(load(table, good, prune=False, dry_run=False).commit)
    unreadable = snapshot.unreadable_labels & waiting.keys()
    unloaded = {_path(raw) for raw in bad} | unreadable
    broken = [*map(_name, bad), *sorted(unreadable)]
    done |= {path: digests[path] for path in fresh if path not in unloaded}
    done |= {path: _without(digests[path], [_name(raw) for raw in bad if _path(raw) == path]) for path in unloaded}
    return SyncResult(done, tuple(errors), tuple(broken), has_written)


def _modules_with(errors: Sequence[Diagnostic], modules: Sequence[RawModule]) -> list[RawModule]:
    """Returns the modules that errors are in: of each file, the last one that begins at or before the error."""
    if not errors:
        return []
    locations = [(raw, raw.origin.document.locate(raw.origin.path, of_key=False)[0]) for raw in modules]
    found = [raw for raw in modules if raw.is_damaged]
    for error in errors:
        before = [
            (location.line or 0, number)
            for number, (_, location) in enumerate(locations)
            if location.path == error.location.path and (location.line or 0) <= (error.location.line or 0)
        ]
        found += [locations[max(before)[1]][0]] if before else []
    return [raw for raw in modules if raw in found]


_WITHOUT = " without "


def _without(digest: str, names: Sequence[str]) -> str:
    """Returns what is remembered of a file of which some modules were not loaded."""
    return f"{digest}{_WITHOUT}{json.dumps(names)}"


def _still_to_load(remembered: str, digest: str) -> list[str] | None:
    """Returns the modules of a file that were not loaded when the others were; None where all are to be loaded."""
    prefix = f"{digest}{_WITHOUT}"
    try:
        names = json.loads(remembered[len(prefix) :]) if remembered.startswith(prefix) else None
    except (ValueError, RecursionError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _path(raw: RawModule) -> str:
    return raw.origin.document.label


def _name(raw: RawModule) -> str:
    name = raw.value.get("module_name") if isinstance(raw.value, dict) else None
    return name if isinstance(name, str) else _path(raw)
