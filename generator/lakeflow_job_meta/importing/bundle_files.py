"""The jobs that the bundle's own files define: found with their comments, and taken out again. Reads, never writes."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.fs import kind_of_path
from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, replaced, texts_in, value_at
from lakeflow_job_meta.config.bundle import read_bundle_declarations, read_bundle_file
from lakeflow_job_meta.config.model import PROJECT_FILE, Project, bundle_file_in, is_inside
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.importing.model import ChangedFile, FoundJob, NotImported
from lakeflow_job_meta.importing.modules import why_no_module
from lakeflow_job_meta.importing.settings import with_types
from lakeflow_job_meta.jobs.build import left_out
from lakeflow_job_meta.jobs.references import JOB_REFERENCE
from lakeflow_job_meta.parsing.keys import is_job_key, job_key
from lakeflow_job_meta.text.markers import JOB_MARKER
from lakeflow_job_meta.text.yaml_comments import CommentedYaml
from lakeflow_job_meta.text.yaml_documents import YamlDocument, decode_yaml, read_bytes

_SUFFIXES = (".yml", ".yaml", ".json")
_JOBS: KeyPath = ("resources", "jobs")
_IS_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""A key that the databricks CLI takes, and that nothing else can be taken for."""
_FOR_EDITORS = "yaml-language-server"


@dataclass(slots=True)
class BundleJobs:
    """What the files define.

    Attributes:
        jobs: With the files that they stand in.
        notes: What stays in the files, and what is left out, for people.
    """

    jobs: list[tuple[FoundJob, BundleSource]] = field(default_factory=list)
    not_imported: list[NotImported] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class BundleSource:
    """A file of the bundle as it was read."""

    label: str
    content: bytes
    yaml: CommentedYaml


def folders_of_bundles(patterns: Sequence[str]) -> dict[Path | None, list[str]]:
    """Returns files, folders and globs by the folder of the bundle, or project, that they are of; None for none."""
    found: dict[Path | None, list[str]] = {}
    for pattern in patterns:
        here = Path(pattern).absolute()
        try:
            paths = [Path(path) for _, path in FilePattern(here.parent, str(here), _SUFFIXES).files()]
        except OSError:
            paths = []  # it is reported where the jobs are looked for
        for path in paths or [here]:
            found.setdefault(_bundle_folder(path), []).append(str(path) if paths else pattern)
    return found


def _bundle_folder(path: Path) -> Path | None:
    def is_one(folder: Path) -> bool:
        return bundle_file_in(folder) is not None or kind_of_path(folder / PROJECT_FILE) == "file"

    return next(filter(is_one, path.parents), None)


def find_jobs(project: Project, patterns: Sequence[str]) -> BundleJobs:
    """Finds the jobs that files, folders or globs define for all targets.

    Raises:
        ConfigError: There is no such file, or it is outside the project.
    """
    found = BundleJobs()
    sources = [source for label in _labels(project, patterns) if (source := _read(project, label, found)) is not None]
    for source in sources:
        _find_in(project, source, found)
    _refuse_doubles(found)
    _give_names(project, sources, found)
    keys = {job.key for job, _ in found.jobs}
    for source in sources:
        _note_targets(source, keys, found)
    return found


def _labels(project: Project, patterns: Iterable[str]) -> list[str]:
    labels: list[str] = []
    for pattern in patterns:
        try:
            files = FilePattern(project.folder, str(Path(pattern).absolute()), _SUFFIXES).files()
        except OSError as error:
            raise ConfigError(f"{pattern!r} cannot be read: {error.strerror}. {_where_jobs_are(project)}") from None
        if not files:
            raise ConfigError(
                f"{pattern!r} names no file of a bundle, which are YAML or JSON. {_where_jobs_are(project)}"
            )
        folders = {_bundle_folder(Path(path)): path for _, path in files}
        for folder in folders.keys() - {None, project.folder, *project.folder.parents}:
            raise ConfigError(
                f"{str(folders[folder])!r} is of another bundle than {str(project.folder)!r}, and its jobs have keys "
                "and a state of their own. Leave out --project: each bundle becomes a project of its own."
            )
        labels += (label for label, _ in files)
    for outside in (label for label in labels if not is_inside(label)):
        raise ConfigError(
            f"{outside!r} is outside the project {str(project.folder)!r}, so it is none of its files. Import it in the "
            "folder of its own bundle: `ljm --project FOLDER import bundle ...`."
        )
    return list(dict.fromkeys(labels))


def _where_jobs_are(project: Project) -> str:
    named = listing([project.bundle_file.name, *_included_by_name(project)])
    return f"The jobs of this bundle stand in {named}: name files, folders or globs of these, from the current folder."


def _read(project: Project, label: str, found: BundleJobs) -> BundleSource | None:
    content, problems = read_bytes(project.folder / label, label)
    document, problems = decode_yaml(content, label) if content is not None else (None, problems)
    if document is None or content is None:
        found.not_imported.append(NotImported("", label, "; ".join(each.message for each in problems)))
        return None
    if JOB_MARKER.label_in(document.text) is not None:
        return None
    source = BundleSource(label, content, CommentedYaml(document.text))
    if source.yaml.is_right:
        return source
    faults = (document.report(fault) for fault in YamlDocument(label, document.text).faults())
    found.not_imported += (NotImported("", str(each.location), each.message) for each in faults)
    return None


def _find_in(project: Project, source: BundleSource, found: BundleJobs) -> None:
    for length in (1, 2):
        inside = value_at(source.yaml.value, _JOBS[:length])[1]
        if isinstance(inside, str):
            reason = f"{_JOBS[length - 1]!r} is {quoted(inside)}: the jobs have to be written out"
            found.not_imported.append(NotImported("", source.label, reason))
    jobs = value_at(source.yaml.value, _JOBS)[1]
    for key, settings in jobs.items() if isinstance(jobs, dict) else ():
        where = f"{source.label}:{_line(source, key)}"
        if (why := _why_not(key, settings)) is not None:
            found.not_imported.append(NotImported(key, where, why))
        else:
            dropped = [name for name in settings if name in left_out(project)]
            if dropped:
                found.notes.append(f"{where}: {key}: left out, since Databricks sets it: {listing(dropped)}")
            found.jobs.append((_found(source, key, where, settings, dropped), source))


def _line(source: BundleSource, key: str) -> int:
    path: KeyPath = (*_JOBS, key)
    while path in source.yaml.repeated:
        path = source.yaml.repeated[path]
    return source.yaml.line_of(path)


def _why_not(key: str, settings: Value) -> str | None:
    if not (_IS_KEY.fullmatch(key) and _module_name(key, ())):
        return "no module can keep its key, and none can be named after it; rename it first"
    return why_no_module(settings)


def _is_of_a_module(key: str) -> bool:
    return job_key(key) == key and is_job_key(key)


def _module_name(key: str, taken: Collection[str]) -> str:
    """Returns the name of a module that is as near to a key as it can be; empty if there is none."""
    first = job_key(key) if is_job_key(job_key(key)) else job_key(f"job_{key}")
    names = (first, *(f"{first}_{number}" for number in range(2, len(taken) + 2)))
    return next((name for name in names if is_job_key(name) and name.casefold() not in taken), "")


def _found(source: BundleSource, key: str, where: str, settings: dict[str, Value], dropped: Sequence[str]) -> FoundJob:
    path: KeyPath = (*_JOBS, key)
    kept = with_types({name: value for name, value in settings.items() if name not in dropped})
    is_alias = path in source.yaml.repeated
    return FoundJob(
        key,
        where,
        kept if isinstance(kept, dict) else {},
        posixpath.dirname(source.label),
        comments={} if is_alias else source.yaml.comments_of(path),
        written={} if is_alias else source.yaml.written_below(path),
    )


def _refuse_doubles(found: BundleJobs) -> None:
    places: dict[str, list[str]] = {}
    for job, _ in found.jobs:
        places.setdefault(job.name.casefold(), []).append(job.where)
    for job, _ in found.jobs:
        if len(same := places[job.name.casefold()]) > 1:
            reason = f"there are several jobs of this key ({listing(same)}); a bundle has each once"
            found.not_imported.append(NotImported(job.name, job.where, reason))
    found.jobs = [(job, source) for job, source in found.jobs if len(places[job.name.casefold()]) == 1]


def _give_names(project: Project, sources: Sequence[BundleSource], found: BundleJobs) -> None:
    """Gives a job with a key that no module can have another one, which jobs of the same import then refer to.

    One that is named elsewhere is refused: that would have to be changed by hand, and nobody has proved it.
    """
    own = {source.label: source.yaml.value for source in sources}
    others = {each.label: each.content for each in read_bundle_declarations(project).files if each.content is not None}
    while named := _named_elsewhere({**others, **own}, found):
        found.not_imported += (NotImported(key, where, reason) for key, (where, reason) in named.items())
        found.jobs = [(job, source) for job, source in found.jobs if job.name not in named]
    taken = {job.name.casefold() for job, _ in found.jobs if _is_of_a_module(job.name)}
    names: dict[str, str] = {}
    for job, _ in found.jobs:
        if not _is_of_a_module(job.name):
            names[job.name] = _module_name(job.name, taken)
            taken.add(names[job.name].casefold())
            found.notes.append(
                f"{job.where}: {job.name}: no module can have this key, so it becomes {names[job.name]}; its job keeps "
                "id and run history by 'formerly' when `ljm adopt` deploys it, and not by `databricks bundle deploy`"
            )
    found.jobs = [(_named(job, names), source) for job, source in found.jobs] if names else found.jobs


def _named_elsewhere(files: Mapping[str, Value], found: BundleJobs) -> dict[str, tuple[str, str]]:
    """Returns the jobs that need another key and are named by what is not imported: where they are, and the reason."""
    imported = {(source.label, job.name) for job, source in found.jobs}
    wheres = {job.name: job.where for job, _ in found.jobs if not _is_of_a_module(job.name)}
    named: dict[str, tuple[str, str]] = {}
    for label, content in files.items() if wheres else ():
        texts = (text for path, text in texts_in(content) if (label, *path[2:3]) not in imported or path[:2] != _JOBS)
        keys = {key for text in texts for key in JOB_REFERENCE.findall(text)}
        targets = value_at(content, ("targets",))[1]
        for target in targets if isinstance(targets, dict) else ():
            jobs = value_at(targets, (target, *_JOBS))[1]
            keys |= jobs.keys() if isinstance(jobs, dict) else set()
        for key in keys & wheres.keys():
            reason = f"no module can keep its key, by which {label} names it; rename it there too, to {job_key(key)!r}"
            named[key] = (wheres[key], f"{reason}, and bind that to the job (`databricks bundle deployment bind`)")
    return named


def _named(job: FoundJob, names: Mapping[str, str]) -> FoundJob:
    """Returns a job under its new name, with the new names of others that it refers to."""
    settings, written = job.settings, dict(job.written)
    for path, text in texts_in(job.settings):
        new = JOB_REFERENCE.sub(lambda match: f"${{resources.jobs.{names.get(match[1], match[1])}{match[0][-1]}", text)
        if new != text:
            settings = cast("dict[str, Value]", replaced(settings, path, new))
            written.pop(path, None)
    former = job.name if job.name in names else ""
    return replace(job, name=names.get(job.name, job.name), former=former, settings=settings, written=written)


def _note_targets(source: BundleSource, keys: set[str], found: BundleJobs) -> None:
    targets = value_at(source.yaml.value, ("targets",))[1]
    for target in targets if isinstance(targets, dict) else ():
        jobs = value_at(targets, (target, *_JOBS))[1]
        for key in jobs if isinstance(jobs, dict) else ():
            if key in keys:
                found.notes.append(f"{source.label}: what it says of {key} for the target {target} stays there")
            else:
                reason = f"is there for the target {target} alone, or changes a job of another file; it stays"
                found.not_imported.append(NotImported(key, source.label, reason, is_refused=False))


def why_it_stays(source: BundleSource, keys: Sequence[str]) -> dict[str, str]:
    """Returns the jobs that cannot be taken out of a file together with the others, with the reasons."""
    if source.yaml.without([(*_JOBS, key) for key in keys]) is not None:
        return {}
    single = [key for key in keys if source.yaml.without([(*_JOBS, key)]) is None]
    reason = (
        f"it cannot be taken out of {source.label}: it is not written in lines of its own, or other parts of the file "
        "repeat it by an anchor; import it without --replace, and take it out by hand"
    )
    return dict.fromkeys(single or keys, reason)


def file_without(
    project: Project, source: BundleSource, keys: Sequence[str], *, keeps_comments: bool
) -> tuple[ChangedFile, tuple[str, ...]]:
    """Returns a file without some jobs, which can be taken out; and the comments that an emptied one leaves.

    An emptied file goes, unless the bundle's root file includes it by name: the databricks CLI wants that to be there.
    One with comments stays as well where the modules cannot keep them.
    """
    text = source.yaml.without([(*_JOBS, key) for key in keys]) or ""
    mark = b"\xef\xbb\xbf" if source.content.startswith(b"\xef\xbb\xbf") else b""
    if any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return ChangedFile(source.label, source.content, mark + text.encode()), ()
    comments = tuple(line.strip() for line in text.splitlines() if line.strip() and _FOR_EDITORS not in line)
    if source.label in _included_by_name(project) or (comments and not keeps_comments):
        return ChangedFile(source.label, source.content, mark + text.encode()), ()
    return ChangedFile(source.label, source.content, None), comments


def _included_by_name(project: Project) -> Iterator[str]:
    include = value_at(read_bundle_file(project.bundle_file), ("include",))[1]
    for pattern in include if isinstance(include, list) else ():
        yield os.path.normpath(str(pattern)).replace(os.sep, "/")
