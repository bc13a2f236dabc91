"""Jinja with limits: what a template of a project may read, how long it may run, and how much it may write.

A loop and a call each count as a step, since nothing else in a template goes on for long; steps are what the clock is
looked at for, so that no signal and no second thread is needed, and rendering ends in whatever process it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType
from typing import cast

from jinja2 import BytecodeCache, FunctionLoader, StrictUndefined, TemplateNotFound, Undefined, nodes, pass_context
from jinja2.bccache import Bucket
from jinja2.loaders import split_template_path
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from lakeflow_job_meta._internal.text import listing, quoted

MOST_SECONDS = 10.0
MOST_CHARACTERS = 2_000_000
"""Of one job's file, and of one template."""

SUFFIXES = (".j2", ".jinja", ".jinja2")
"""The names of templates that another one may extend, include or import end in one of these."""

_FILTERS_THAT_BYPASS = ("safe", "escape", "e", "forceescape", "urlize", "xmlattr", "tojson", "mark_safe")
_STEP, _PIECE = "count steps", "limit length"


class TemplateRefused(Exception):
    """The template does what it must not; the message says what."""


class OverLimit(TemplateRefused):
    """The template goes on for too long, or writes too much."""


class _Compiled(BytecodeCache):
    """The templates that this process has compiled: a monitor would compile the same ones again with each change."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, CodeType | None]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._known.get(bucket.key, ("", None))
        bucket.code = code if checksum == bucket.checksum else None

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.checksum, bucket.code


_COMPILED = _Compiled()


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of a project's templates, in which nothing is written but by a filter.

    Args:
        source: Returns text and path of a template by its name; None where there is none.
    """

    intercepted_binops = frozenset({"+", "*", "**"})

    def __init__(self, source: Callable[[str], tuple[str, str] | None]) -> None:
        def load(name: str) -> tuple[str, str, None] | None:
            found = source(name)
            return None if found is None else (*found, None)

        super().__init__(
            loader=FunctionLoader(load),
            auto_reload=False,
            bytecode_cache=_COMPILED,
            undefined=StrictUndefined,
            finalize=_only_written,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            # Jinja's own word for "this may be written as it is" is Markup, which macros and blocks give on.
            autoescape=True,
        )
        for name in _FILTERS_THAT_BYPASS:
            self.filters.pop(name, None)
        # With the context, so that it is never run while compiling.
        self.filters[_STEP] = pass_context(_counted)
        self.filters[_PIECE] = _not_too_long
        self._end = 0.0

    def render_within_limits(self, name: str, **values: object) -> str:
        """Renders a template; raises OverLimit where it takes too long or writes too much."""
        self._end = time.monotonic() + MOST_SECONDS
        pieces, left = [], MOST_CHARACTERS
        for piece in self.get_template(name).generate(**values):
            pieces.append(piece)
            left -= len(piece)
            self.step()
            if left < 0:
                raise OverLimit(f"the template writes more than {MOST_CHARACTERS:,} characters for one job")
        return "".join(pieces)

    def step(self) -> None:
        if time.monotonic() > self._end:
            raise OverLimit(f"the template takes longer than {MOST_SECONDS:.0f} seconds for one job")

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        for loop in list(source.find_all(nodes.For)):
            loop.iter = self._through(_STEP, loop.iter)
        for joined in list(source.find_all(nodes.Concat)):
            joined.nodes = [self._through(_PIECE, piece) for piece in joined.nodes]
        return super()._generate(source, name, filename, defer_init)

    def _through(self, name: str, node: nodes.Node) -> nodes.Filter:
        return nodes.Filter(cast(nodes.Expr, node), name, [], [], None, None, lineno=node.lineno, environment=self)

    def call(self, context: Context, obj: object, /, *args: object, **options: object) -> object:
        self.step()
        return super().call(context, obj, *args, **options)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Refuses what alone would take the time or the memory of everything else."""
        if _size_of(operator, left, right) > MOST_CHARACTERS:
            raise OverLimit(f"the template calculates too large a value, with {operator!r}")
        return super().call_binop(context, operator, left, right)


def _size_of(operator: str, left: object, right: object) -> int:
    """Returns about how many bits a number, or how many characters or items anything else will have."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length(), right.bit_length()
        return bits[0] * right if operator == "**" else sum(bits)
    sizes = [len(each) if isinstance(each, (str, list, tuple)) else each for each in (left, right)]
    lengths = [size for size in sizes if isinstance(size, int)]
    return math.prod(lengths) if operator == "*" else sum(lengths)


def _counted(context: Context, items: Iterable[object]) -> Iterator[object]:
    return _stepping(cast(Sandbox, context.environment), iter(items))


def _stepping(environment: Sandbox, items: Iterator[object]) -> Iterator[object]:
    for item in items:
        environment.step()
        yield item


def _not_too_long(piece: object) -> object:
    if isinstance(piece, str) and len(piece) > MOST_CHARACTERS:
        raise OverLimit(f"the template joins a text of more than {MOST_CHARACTERS:,} characters")
    return piece


def _only_written(value: object) -> object:
    """Refuses whatever reaches the output without a filter."""
    if isinstance(value, (Markup, Undefined)):
        return value
    raise TemplateRefused(f"{quoted(value)} is written without a filter; use `yaml`, `yaml_key` or `comment`")


def read_template(folder: Path, name: str, *, is_named: bool) -> str | None:
    """Returns the text of a template of the project; None where there is no such file.

    `is_named` says whether the project file names it; then it may have any name.

    Raises:
        TemplateRefused: It is no template by its name, too large, or not in the project.
    """
    try:
        path = folder.joinpath(*split_template_path(name)).resolve()
    except TemplateNotFound:
        return None
    if not path.is_file():
        return None
    if not path.is_relative_to(folder.resolve()):
        raise TemplateRefused(f"the template {quoted(name)} is a link that leads out of the project")
    if not (is_named or path.name.endswith(SUFFIXES)):
        raise TemplateRefused(f"{quoted(name)} is no template: the name of one ends in {listing(SUFFIXES)}")
    if path.stat().st_size > MOST_CHARACTERS:
        raise TemplateRefused(f"the template {quoted(name)} has more than {MOST_CHARACTERS:,} bytes")
    return path.read_text(encoding="utf-8")
