"""The policies of a project, and the exemptions from them: what every job must be. Pure, but for reading their file.

They stand in the project file or in a file that it names, never in a table: whoever may write a table cannot change
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import cast

from lakeflow_job_meta._internal.text import did_you_mean, json_like, listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.config.conditions import PLAIN, condition_mistakes, conditions_in
from lakeflow_job_meta.config.model import (
    EVERY_ITEM,
    Exemption,
    Policy,
    Project,
    SettingPath,
    WantedSetting,
    is_inside,
)
from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, SourceRef, nearest
from lakeflow_job_meta.diagnostics.rules import PROJECT_FILE_MISTAKE
from lakeflow_job_meta.schema.validator import compare, misstep_in_job, types_in_job
from lakeflow_job_meta.text.yaml_documents import YamlDocument, open_yaml

KINDS = ("require", "require_one", "allow", "deny", "most", "least")
"""What a policy may want; it has exactly one of them."""

_OWN_CONDITIONS = (*PLAIN, "has")
_KEYS = ("policies", "exemptions")
_NUMBERS = frozenset({"integer", "number"})
_PLAIN_TYPES = _NUMBERS | {"string", "boolean"}
_STEP = re.compile(r"""(?P<name>[^.\[\]"']+)|\[(?P<item>\*)\]|\["(?P<quoted>[^"]+)"\]""")
_WHOLE_PATH = re.compile(r"""[^.\[\]"']+(?:\.[^.\[\]"']+|\[\*\]|\["[^"]+"\])*""")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

Outcome = tuple[Project, list[Diagnostic]]
"""A project with more policies, and what is wrong with those."""


@lru_cache(maxsize=1024)
def path_in(text: str) -> SettingPath | None:
    """Returns the path that a text such as `tasks[*].max_retries` stands for; None for one that is none.

    A name with dots stands in brackets and quotes: `tags["cost.center"]`.
    """
    if not _WHOLE_PATH.fullmatch(text):
        return None
    return tuple(step["name"] or step["item"] or step["quoted"] for step in _STEP.finditer(text))


def with_own_policies(project: Project, value: dict[str, Value]) -> Outcome:
    """Adds the policies that the project file has or names; `value` is what it says, and fits its schema."""
    named = value.get("policies")
    if not isinstance(named, str):
        return _with_content(project, value, project.origin)
    if value.get("exemptions"):
        message = f"exemptions stand beside their policies, in {quoted(named)}"
        return project, [_wrong(project.origin.key("exemptions"), message)]
    at, path = project.origin.at("policies"), project.folder / named
    if not named.endswith((".yml", ".yaml")):
        return project, [_wrong(at, "a file of policies is YAML; name it like `policies.yml`")]
    if not is_inside(named) or not path.is_file():
        return project, [_wrong(at, f"there is no file {quoted(named)} in the project")]
    document, problems = open_yaml(path, named)
    return (project, problems) if document is None else with_policies(project, document)


def with_policies(project: Project, document: YamlDocument) -> Outcome:
    """Adds the policies of a file."""
    read, origin = document.content, SourceRef(document)
    if read.faults:
        return project, [document.report(fault) for fault in document.faults()]
    content = read.value
    if not isinstance(content, dict) or not content.get("policies") or isinstance(content["policies"], str):
        return project, [_wrong(origin, "a file of policies has the list 'policies', and may have 'exemptions'")]
    unknown = [key for key in content if key not in _KEYS]
    findings = compare({key: each for key, each in content.items() if key not in unknown}, "project", "key")
    problems = [
        *(
            _wrong(origin.key(key), f"a file of policies has no {quoted(key)}; only {listing(_KEYS)}")
            for key in unknown
        ),
        *(each.report(SourceRef(document, each.path, each.of_key), PROJECT_FILE_MISTAKE) for each in findings),
    ]
    return (project, problems) if problems else _with_content(project, content, origin)


def _with_content(project: Project, value: dict[str, Value], origin: SourceRef) -> Outcome:
    policies, exemptions = [*project.policies], [*project.exemptions]
    names = {policy.name for policy in policies}
    problems: list[Diagnostic] = []
    for number, entry in enumerate(_entries(value, "policies")):
        at = origin.at("policies", number)
        if (name := str(entry["policy"])) in names:
            problems.append(_wrong(at.at("policy"), f"the policy {quoted(name)} is there twice"))
        names.add(name)
        wrong = [*_policy_mistakes(entry, at, project)]
        problems += wrong
        policies += [] if wrong else [_policy(entry, at)]
    for number, entry in enumerate(_entries(value, "exemptions")):
        at = origin.at("exemptions", number)
        wrong = [*_exemption_mistakes(entry, at, names)]
        problems += wrong
        exemptions += [] if wrong else [_exemption(entry, at)]
    return replace(project, policies=tuple(policies), exemptions=tuple(exemptions)), problems


def _entries(value: dict[str, Value], key: str) -> list[dict[str, Value]]:
    return cast("list[dict[str, Value]]", value.get(key) or [])


def _wrong(at: SourceRef, message: str) -> Diagnostic:
    return PROJECT_FILE_MISTAKE.at(at, message)


def _policy(entry: dict[str, Value], origin: SourceRef) -> Policy:
    kind = next(kind for kind in KINDS if kind in entry)
    return Policy(
        str(entry["policy"]),
        kind,
        tuple(_wanted(written, beside) for written, beside, _ in _written_paths(entry, kind, origin)),
        origin,
        cast("str | None", entry.get("pattern")),
        tuple(conditions_in(cast("dict[str, Value]", entry.get("where") or {}))),
        Severity(entry.get("severity") or Severity.ERROR),
        str(entry.get("why") or "").strip(),
    )


def _wanted(written: str, beside: Value) -> WantedSetting:
    path = path_in(written) or ()
    if isinstance(beside, list):
        return WantedSetting(path, written, tuple(map(json_like, beside)))
    return WantedSetting(path, written, limit=cast(float, beside or 0))


def _written_paths(entry: dict[str, Value], kind: str, origin: SourceRef) -> Iterator[tuple[str, Value, SourceRef]]:
    """Yields the paths of a policy as they are written, with what stands beside each and where it stands."""
    written = entry[kind]
    if isinstance(written, dict):
        yield from ((path, beside, origin.key(kind, path)) for path, beside in written.items())
    elif isinstance(written, list):
        yield from ((str(path), None, origin.at(kind, number)) for number, path in enumerate(written))
    else:
        yield str(written), None, origin.at(kind)


def _policy_mistakes(entry: dict[str, Value], origin: SourceRef, project: Project) -> Iterator[Diagnostic]:
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        at = origin.key(kinds[1]) if kinds else origin.key("policy")
        yield _wrong(at, f"a policy has exactly one of {listing(KINDS)}")
        return
    kind = kinds[0]
    if not entry[kind]:
        yield _wrong(origin.key(kind), f"{kind!r} is empty; name the settings that it is about")
        return
    if "pattern" in entry:
        yield from _pattern_mistakes(entry, kind, origin)
    is_plain = kind in ("allow", "deny") or "pattern" in entry
    wanted = _NUMBERS if kind in ("most", "least") else _PLAIN_TYPES if is_plain else frozenset[str]()
    for written, beside, at in _written_paths(entry, kind, origin):
        yield from _path_mistakes(written, at, wanted, project)
        if beside == []:
            yield _wrong(at, f"no value is named for {quoted(written)}; write at least one")
    yield from _where_mistakes(entry, origin, project)


def _pattern_mistakes(entry: dict[str, Value], kind: str, origin: SourceRef) -> Iterator[Diagnostic]:
    if kind != "require":
        yield _wrong(origin.key("pattern"), f"'pattern' belongs to 'require', and not to {kind!r}")
    try:
        re.compile(str(entry["pattern"]))
    except (re.error, RecursionError, OverflowError) as error:
        at = f" at character {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
        reason = error.msg if isinstance(error, re.error) else "it is too large"
        yield _wrong(origin.at("pattern"), f"{quoted(entry['pattern'])} is no regular expression: {reason}{at}")


def _where_mistakes(entry: dict[str, Value], origin: SourceRef, project: Project) -> Iterator[Diagnostic]:
    where = cast("dict[str, Value]", entry.get("where") or {})
    if entry.get("where") is not None and not where:
        yield _wrong(origin.key("where"), "'where' is empty; say which jobs, or leave it out for all")
    mistakes = [*condition_mistakes(where, origin.at("where"), _OWN_CONDITIONS)]
    yield from mistakes
    if "has" in where and not mistakes:
        paths = where["has"] if isinstance(where["has"], list) else [where["has"]]
        for number, path in enumerate(paths):
            at = origin.at("where", "has", *([number] if isinstance(where["has"], list) else []))
            yield from _path_mistakes(json_like(path), at, frozenset(), project)


def _path_mistakes(written: str, origin: SourceRef, wanted: frozenset[str], project: Project) -> Iterator[Diagnostic]:
    """Yields what is wrong with a path; `wanted` are the types of which its setting must be, if any."""
    path = path_in(written)
    if path is None:
        yield _wrong(origin, f"{quoted(written)} is no path of a setting; write it like 'tasks[*].max_retries'")
        return
    if _is_allowed(path, project):
        return
    steps: KeyPath = tuple(0 if step == EVERY_ITEM else step for step in path)
    if (problem := _misstep(written, path, steps)) is not None:
        yield _wrong(origin, problem)
        return
    types = types_in_job(steps)
    if wanted and types and not types & wanted:
        if "array" in types:
            advice = f"a list; write '{written}[*]' for its items"
        else:
            advice = "a map; name a setting inside of it" if "object" in types else "no number"
        yield _wrong(origin, f"{quoted(written)} is {advice}")


def _is_allowed(path: SettingPath, project: Project) -> bool:
    """Says whether a path is of a setting that `allow_unknown` lets pass."""
    is_of_task = path[:2] == ("tasks", EVERY_ITEM) and len(path) > 2
    return (f"task.{path[2]}" if is_of_task else f"job.{path[0]}") in project.allow_unknown


def _misstep(written: str, path: SettingPath, steps: KeyPath) -> str | None:
    found = misstep_in_job(steps)
    if found is None:
        return None
    number, known = found
    around = "a job" if number == 0 else repr(next(step for step in path[number - 1 :: -1] if step != EVERY_ITEM))
    if "array" in types_in_job(steps[:number]):
        return f"{around} is a list; in {quoted(written)} write '[*]' behind it for all of its items"
    if path[number] == EVERY_ITEM:
        return f"{around} is no list, so that {quoted(written)} has no '[*]' there"
    return f"{around} has no setting {quoted(path[number])}{did_you_mean(path[number], known, otherwise='')}"


def _exemption(entry: dict[str, Value], origin: SourceRef) -> Exemption:
    modules = cast("list[str]", entry["modules"])
    return Exemption(str(entry["policy"]), tuple(modules), date.fromisoformat(str(entry["until"])), origin)


def _exemption_mistakes(entry: dict[str, Value], origin: SourceRef, names: set[str]) -> Iterator[Diagnostic]:
    name, until = str(entry["policy"]), str(entry["until"])
    if name not in names:
        message = f"there is no policy {quoted(name)}{did_you_mean(name, sorted(names))}"
        yield PROJECT_FILE_MISTAKE.at(origin.at("policy"), message, nearest(name, names))
    if not entry["modules"]:
        yield _wrong(origin.at("modules"), "'modules' is empty; name those that are exempt")
    if not _is_day(until):
        yield _wrong(origin.at("until"), f"{quoted(until)} is no day; write it like 2027-03-31")


def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False
