"""Compares values with the shipped JSON Schemas: the form of modules, settings of jobs, the project file.

A value comes in; findings go out: what is wrong, where, what was expected, and what would mend it. A compiled verdict
for the many values that are right takes microseconds, and only where it is no does a walk look for the reasons. Both
read the same schema, and a property test holds them together. Pure, but for reading the schema files once.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, NamedTuple, cast

from lakeflow_job_meta._internal.fs import shipped
from lakeflow_job_meta._internal.secrets import MASK, is_secret_path
from lakeflow_job_meta._internal.text import closest, kind_of, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, Rule, SourceRef, Suggestion
from lakeflow_job_meta.diagnostics.rules import MISSING_FIELD, UNKNOWN_FIELD, UNKNOWN_VALUE, WRONG_TYPE
from lakeflow_job_meta.schema.suggestions import Advice, change_type, choose_value, rename_key, with_text_as_written

Schema = dict[str, Any]
"""A JSON Schema or one inside it, in the narrow dialect that `schemas/derive.py` writes."""


class Finding(NamedTuple):
    """One difference between a value and its schema.

    Attributes:
        path: To the value, or to the field that should not be there or is missing.
        of_key: Whether the key rather than the value is the mistake.
    """

    rule: Rule
    path: KeyPath
    of_key: bool
    message: str
    suggestion: Suggestion | None = None

    def report(self, origin: SourceRef, rule: Rule | None = None) -> Diagnostic:
        """Returns the diagnostic at where the value or the key stands, of another rule if one is given."""
        return with_text_as_written((rule or self.rule).at(origin, self.message, self.suggestion))


@dataclass(frozen=True, slots=True)
class KeyHints:
    """What the schema does not say about the keys of one map.

    Attributes:
        elsewhere: Keys that belong to another map, each with the advice where to write it.
        also: Keys that metadata may write here besides those of the schema.
        present: Keys that stand here in the metadata, though not in the value that is compared.
    """

    elsewhere: Mapping[str, str] = field(default_factory=dict)
    also: Collection[str] = ()
    present: Collection[str] = ()


HintsAt = Callable[[KeyPath], KeyHints]
"""Returns the hints for the map at a path."""


@cache
def load_schema(name: str) -> Schema:
    """Returns a shipped schema: `job`, `metadata` or `project`."""
    return cast(Schema, json.loads(schema_text(name)))


def schema_text(name: str) -> str:
    """Returns a shipped schema as text."""
    return shipped("schemas", f"{name}.schema.json").read_text(encoding="utf-8")


def fields_of(definition: str) -> dict[str, Schema]:
    """Returns what `JobSettings` and `Task`, or a `module` and a `source`, consist of, in the order of files."""
    schema = "job" if definition in ("JobSettings", "Task") else "metadata"
    return cast("dict[str, Schema]", load_schema(schema)["$defs"][definition]["properties"])


@cache
def _module_form() -> Schema:
    """A module without what its job and its tasks are set to: that is compared on the job that is built of it."""
    settings = {name: {"type": "object"} for name in ("job_config", "transformation_config")}
    return {"$ref": "#/$defs/module", "$defs": {**load_schema("metadata")["$defs"], **settings}}


@cache
def _verdict(schema: str) -> Callable[[Value], bool]:
    import jsonschema_rs

    root = _module_form() if schema == "module" else load_schema(schema)
    return cast("Callable[[Value], bool]", jsonschema_rs.Draft202012Validator(root).is_valid)


def is_valid_job(settings: Value) -> bool:
    """Says whether settings of a job fit the schema."""
    return _verdict("job")(settings)


def compare_module(value: Value, hints_at: HintsAt = lambda path: KeyHints()) -> list[Finding]:
    """Returns everything that is wrong in the form of a module; a field that is null counts as absent.

    What is in `job_config` and in a `transformation_config` is not compared.
    """
    with suppress(ValueError):  # a cell of a table may hold something that JSON does not have
        if _verdict("module")(value):
            return []
    return walk_module(value, hints_at)


def walk_module(value: Value, hints_at: HintsAt) -> list[Finding]:
    """Does what `compare_module` does without the compiled verdict, which takes longer to compile than one walk."""
    return _Walk(_form_of_modules(), hints_at, is_metadata=True).findings(value)


@cache
def _blueprint_form() -> _Form:
    """A blueprint without what is in its module: that has placeholders, and is compared in a form of its own."""
    definitions = load_schema("metadata")["$defs"]
    sources = {**definitions["blueprint_module"]["properties"]["sources"], "items": {}}
    module = {"type": "object", "properties": {"sources": sources}, "required": ["sources"]}
    return _Form({"$ref": "#/$defs/blueprint"}, {**definitions, "blueprint_module": module})


def compare_blueprint(value: Value) -> list[Finding]:
    """Returns everything that is wrong in the form of a blueprint, but for what is in its module."""
    return _Walk(_blueprint_form(), lambda path: KeyHints(), is_metadata=True).findings(value)


@cache
def _each_form() -> _Form:
    definitions = load_schema("metadata")["$defs"]
    return _Form({key: part for key, part in definitions["each"].items() if key != "additionalProperties"}, definitions)


def compare_each(value: Value) -> list[Finding]:
    """Returns everything that is wrong in the form of an `each`, but for other keys and for what it repeats."""
    return _Walk(_each_form(), lambda path: KeyHints(), is_metadata=True).findings(value)


def compare(value: Value, schema: str, what: str, hints_at: HintsAt = lambda path: KeyHints()) -> list[Finding]:
    """Returns everything in which a value differs from a shipped schema, such as `job`.

    `what` names an unknown key at its root, such as `job setting`.
    """
    return _Walk(_form_of(schema), hints_at).findings(value, what)


@cache
def dqx_functions() -> dict[str, Schema]:
    """Returns the check functions of DQX by their names, each as the schema of its arguments."""
    text = shipped("schemas", "dqx_checks.json").read_text(encoding="utf-8")
    return cast("dict[str, Schema]", json.loads(text)["$defs"])


def compare_arguments(function: str, value: dict[str, Value]) -> list[Finding]:
    """Returns everything that is wrong in the arguments of a check function; paths begin with the function's name."""
    form = _form_of_functions()
    walk = _Walk(form, lambda path: KeyHints())
    return list(walk.check(value, form.definitions[function], (function,), "argument"))


@lru_cache(maxsize=4096)
def types_in_job(path: KeyPath) -> frozenset[str]:
    """Returns the types, such as `array`, that the Jobs API has for a setting; empty for one that it does not have."""
    form = _form_of("job")
    options = [form.root]
    for step in path:
        options = [option for option in options for option in form.options_inside(option, step)]
    return frozenset(option["type"] for option in options if not option.get("x-stand-in") and "type" in option)


def misstep_in_job(path: KeyPath) -> tuple[int, tuple[str, ...]] | None:
    """Returns the number of the first step of a path that no setting of a job has, and the names that are there.

    No names where a list is. None if the Jobs API has such a setting.
    """
    form = _form_of("job")
    options = [option for option in form.options(form.root) if not option.get("x-stand-in")]
    for number, step in enumerate(path):
        found = [inside for option in options for inside in form.options_inside(option, step)]
        if not found and any(_is_free(option) and isinstance(step, str) for option in options):
            return None
        if not found:
            return number, tuple(name for option in options for name in option.get("properties", ()))
        options = [option for option in found if not option.get("x-stand-in")]
    return None


def _is_free(option: Schema) -> bool:
    return option.get("type") == "object" and option.get("additionalProperties", True) is True


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a schema expects of a value at one of its places.

    Attributes:
        node: The schema there, references resolved.
        options: Of which the value has to fit one, but for null and for references of the bundle.
        references: The forms of these references.
        title: What it calls a map there; empty where it has no name for it.
        always_right: Types of Python any value of which is right.
    """

    node: Schema
    options: tuple[Schema, ...]
    references: tuple[re.Pattern[str], ...]
    may_be_null: bool
    title: str
    always_right: frozenset[type]

    def is_null_or_reference(self, value: Value) -> bool:
        """Says whether this is null where null may be, or a reference that stands for a value of another type."""
        if isinstance(value, str):
            return any(form.fullmatch(value) for form in self.references)
        return value is None and self.may_be_null


class _Form:
    """A schema with its definitions; what it expects at each place in it is found out once."""

    def __init__(self, root: Schema, definitions: Schema) -> None:
        self.root = root
        self.definitions = definitions
        self._expected: dict[int, _Expected] = {}

    def expected(self, node: Schema) -> _Expected:
        """Returns what is expected at a node, which is one of those inside this form."""
        found = self._expected.get(id(node))
        if found is None:
            resolved = self._resolved(node)
            options = tuple(self.options(resolved))
            real = tuple(each for each in options if not each.get("x-stand-in") and each.get("type") != "null")
            references = tuple(re.compile(each["pattern"]) for each in options if each.get("x-stand-in"))
            may_be_null = any(each.get("type") == "null" and not each.get("x-stand-in") for each in options)
            title = f"a {resolved['title'].lower()}" if "title" in resolved else ""
            found = _Expected(resolved, real, references, may_be_null, title, _always_right(real))
            self._expected[id(node)] = found
        return found

    def _resolved(self, node: Schema) -> Schema:
        while "$ref" in node:
            node = self.definitions[node["$ref"].rsplit("/", 1)[1]]
        return node

    def options_inside(self, node: Schema, step: str | int) -> Iterator[Schema]:
        """Yields what may stand below one option of the schema, as an item or at a key."""
        for option in self.options(node):
            properties = option.get("properties", {})
            inside = option.get("items") if isinstance(step, int) else properties.get(step)
            inside = option.get("additionalProperties") if inside is None and isinstance(step, str) else inside
            yield from self.options(inside) if isinstance(inside, dict) else ()

    def options(self, node: Schema) -> Iterator[Schema]:
        node = self._resolved(node)
        if "anyOf" in node and not node.get("type"):
            for option in node["anyOf"]:
                yield from self.options(option)
        else:
            yield node


@cache
def _form_of(schema: str) -> _Form:
    root = {key: part for key, part in load_schema(schema).items() if key != "title"}
    return _Form(root, root["$defs"])


@cache
def _form_of_modules() -> _Form:
    return _Form(_module_form(), _module_form()["$defs"])


@cache
def _form_of_functions() -> _Form:
    return _Form({}, dqx_functions())


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through a value and its schema together.

    Attributes:
        is_metadata: Whether null counts as absent, and one of the fields that `anyOf` names is required. In other
            schemas such an `anyOf` is for editors: the project file's own checks are stricter, and word it.
    """

    form: _Form
    hints_at: HintsAt
    is_metadata: bool = False

    def findings(self, value: Value, what: str = "field") -> list[Finding]:
        """Returns what is wrong with a value, which the form as a whole is of."""
        return list(self.check(value, self.form.root, (), what))

    def check(self, value: Value, node: Schema, path: KeyPath, what: str = "field") -> Iterator[Finding]:
        """Yields what is wrong with `value`; `what` names a key of it that is unknown."""
        place = self.form.expected(node)
        if type(value) in place.always_right or place.is_null_or_reference(value):
            return
        expected = _option_for(value, place.options)
        if not _is_right(value, expected):
            yield _mistake(value, expected, place.node, path, place.title or _name(path))
        elif isinstance(value, dict):
            yield from self._check_map(value, expected, path, what, place.title)
        elif isinstance(value, list) and "items" in expected:
            what = "task setting" if path == ("tasks",) else "field"
            for number, item in enumerate(value):
                yield from self.check(item, expected["items"], (*path, number), what)

    def _check_map(
        self, value: dict[str, Value], node: Schema, path: KeyPath, what: str, title: str
    ) -> Iterator[Finding]:
        known: dict[str, Schema] = node.get("properties", {})
        others = node.get("additionalProperties", True)
        for key, item in value.items():
            inside = known.get(key, others)
            if not isinstance(inside, dict) or (item is None and self.is_metadata and key in known):
                continue
            if type(item) not in self.form.expected(inside).always_right:
                yield from self.check(item, inside, (*path, key))
        unknown = [key for key in value if key not in known] if others is False else []
        missing = self._missing_keys(value, node)
        if not (unknown or missing):
            return
        where = f" in {title}" if title else _inside(path)
        if unknown:
            yield from self._unknown_keys(unknown, {*value}, tuple(known), path, f"unknown {what}", where)
        for key in missing:
            purpose = f": {known[key]['x-missing']}" if "x-missing" in known[key] else ""
            message = f"{key!r} is missing{'' if title else where}{purpose}"
            yield Finding(MISSING_FIELD, (*path, key), True, message)

    def _is_given(self, value: dict[str, Value], key: str) -> bool:
        return value.get(key) is not None if self.is_metadata else key in value

    def _missing_keys(self, value: dict[str, Value], node: Schema) -> list[str]:
        missing = [key for key in node.get("required", ()) if not self._is_given(value, key)]
        alternatives = node.get("anyOf", ()) if self.is_metadata else ()
        if alternatives and not any(self._is_chosen(value, each) for each in alternatives):
            missing.append(alternatives[0]["required"][0])
        return missing

    def _is_chosen(self, value: dict[str, Value], alternative: Schema) -> bool:
        key = alternative["required"][0]
        choices = alternative.get("properties", {}).get(key, {}).get("enum")
        return self._is_given(value, key) and (choices is None or value[key] in choices)

    def _unknown_keys(
        self, keys: list[str], present: set[str], known: tuple[str, ...], path: KeyPath, what: str, inside: str
    ) -> Iterator[Finding]:
        hints = self.hints_at(path)
        present.update(hints.present)
        advised = {key: self._advice(key, known, hints, present) for key in keys}
        uses = Counter(suggestion.replacement for _, suggestion in advised.values() if suggestion is not None)
        for key, (advice, suggestion) in advised.items():
            if suggestion is not None and uses[suggestion.replacement] > 1:
                suggestion = replace(suggestion, is_safe=False)
            message = f"{what} {quoted(key)}{inside}{advice}"
            yield Finding(UNKNOWN_FIELD, (*path, key), True, message, suggestion)

    def _advice(self, key: str, known: tuple[str, ...], hints: KeyHints, present: Collection[str]) -> Advice:
        if key in hints.elsewhere:
            return f"; {hints.elsewhere[key]}", None
        advice, suggestion = rename_key(key, hints.also, present) if hints.also else ("", None)
        if suggestion is None:
            advice, suggestion = rename_key(key, known, present)
        # Settings have so many names that one of another map is often near by chance; fields of metadata are few.
        near = closest(key, hints.elsewhere) if suggestion is None and self.is_metadata else None
        return (f"; did you mean {near!r}? {hints.elsewhere[near]}", None) if near else (advice, suggestion)


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "object": ((dict,), "a map"),
    "array": ((list,), "a list"),
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
}


def _has_type(value: Value, expected: str | None) -> bool:
    if expected is None:
        return True
    if isinstance(value, bool):
        return expected == "boolean"
    if isinstance(value, float) and expected == "integer":
        return value.is_integer()
    return isinstance(value, _TYPES[expected][0])


def _option_for(value: Value, options: tuple[Schema, ...]) -> Schema:
    """Returns the first option for values of this type, or the first of all."""
    for option in options:
        if _has_type(value, option.get("type")):
            return option
    return options[0]


_MORE_THAN_TYPE = frozenset({"enum", "pattern", "minLength", "minimum", "maximum"})


def _always_right(options: tuple[Schema, ...]) -> frozenset[type]:
    """Returns the types of scalars any value of which is right; a float may be a whole number, and is looked at."""
    found = [(value, _option_for(value, options)) for value in ("", True, 0) if options]
    return frozenset(
        type(value)
        for value, option in found
        if _has_type(value, option.get("type")) and not _MORE_THAN_TYPE & option.keys()
    )


def _is_right(value: Value, expected: Schema) -> bool:
    """Says whether a value is as expected, without a look at what is in it."""
    if "enum" in expected:
        # In Python, 1 is equal to true.
        choices = expected["enum"]
        return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices)
    return _has_type(value, expected.get("type")) and _broken_limit(value, expected) is None


def _mistake(value: Value, expected: Schema, node: Schema, path: KeyPath, name: str) -> Finding:
    """Returns what is wrong with a value that is not right; `node` is what all was expected of it."""
    finding = _difference(value, expected, path, name)
    if "x-expected" not in node:
        return finding
    message = f"{name} must be {node['x-expected']}, not {kind_of(value)}"
    return finding._replace(rule=WRONG_TYPE, message=message)


def _difference(value: Value, expected: Schema, path: KeyPath, name: str) -> Finding:
    if "enum" in expected:
        advice, suggestion = choose_value(value, expected["enum"])
        rule = UNKNOWN_VALUE if isinstance(value, str) else WRONG_TYPE
        shown = quoted(value) if isinstance(value, str) else kind_of(value)
        return Finding(rule, path, False, f"{name} cannot be {shown}{advice}", suggestion)
    if not _has_type(value, expected.get("type")):
        advice, suggestion = change_type(value, expected["type"])
        shown = MASK if is_secret_path(path) else kind_of(value)
        message = f"{name} must be {_TYPES[expected['type']][1]}, not {shown}{advice}"
        return Finding(WRONG_TYPE, path, False, message, suggestion)
    return Finding(UNKNOWN_VALUE, path, False, f"{name} {_broken_limit(value, expected)}")


def _broken_limit(value: Value, expected: Schema) -> str | None:
    if isinstance(value, (int, float)):
        if value < expected.get("minimum", value):
            return f"must be at least {expected['minimum']}, not {quoted(value)}"
        if value > expected.get("maximum", value):
            return f"must be at most {expected['maximum']}, not {quoted(value)}"
    elif isinstance(value, str):
        if len(value) < expected.get("minLength", 0):
            return "must not be empty"
        if "pattern" in expected and not re.fullmatch(expected["pattern"], value):
            return f"cannot be {quoted(value)}; write it like {quoted(expected['examples'][0])}"
    return None


def _name(path: KeyPath) -> str:
    """Names a value by its key, a list's item by its list."""
    if not path:
        return "this"
    if isinstance(path[-1], str):
        return repr(path[-1])
    keys = [step for step in path if isinstance(step, str)]
    return f"item {path[-1] + 1} of {keys[-1]!r}" if keys else f"item {path[-1] + 1}"


def _inside(path: KeyPath) -> str:
    """Says in which map a field is, where that is not plain from the location alone."""
    keys = [step for step in path if isinstance(step, str)]
    return f" in {keys[-1]!r}" if keys and keys != ["tasks"] else ""
