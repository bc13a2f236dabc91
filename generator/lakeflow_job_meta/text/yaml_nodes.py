"""Finds where keys and values stand in a YAML text that has been read without a fault and is plain; see `YamlText`.

The parser, all of it in C, gives a tree of nodes with marks: of one item of a long list at a time, such as a module,
since a tree of a long text is several times slower to build than its pieces, for the memory that it takes. What repeats
or merges something is left to the careful reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import chain
from typing import Any, cast

import yaml

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.text.yaml_errors import Mark, Span
from lakeflow_job_meta.text.yaml_reader import Extent

_NOWHERE = Span(Mark(1, 1), Mark(1, 1))
_Pair = tuple[yaml.Node, yaml.Node]


class _Composer(yaml.CSafeLoader):
    """Builds nodes without finding out their tags, which nobody asks for: each of these calls something in C."""

    descend_resolver: Any = slice
    ascend_resolver: Any = tuple
    resolve: Any = slice


class YamlNodes:
    """The places of what stands in a text.

    Args:
        text: The text.
        items: Where items of its lists stand, as `YamlText` has them; each can be read by itself.
    """

    def __init__(self, text: str, items: Mapping[KeyPath, Extent]) -> None:
        self._text = text
        self._items = items
        self._last: tuple[KeyPath, _Tree] | None = None

    def locate(self, path: KeyPath, *, of_key: bool) -> Span:
        """Returns the range of a value or its key, or of the nearest thing around it.

        The range of a map or list of several lines ends with its first line.
        """
        item = path[:2]
        if item not in self._items:
            return self._whole.locate(path, of_key=of_key)
        if self._last is None or self._last[0] != item:
            self._last = item, self._tree_of(self._items[item])
        return self._last[1].locate(path[2:], of_key=of_key)

    @cached_property
    def _whole(self) -> _Tree:
        return _Tree(self._text)

    def _tree_of(self, item: Extent) -> _Tree:
        return _Tree(" " * item.column + self._text[item.start : item.end], item.line)


class _Tree:
    """The tree of a text that begins in this line of a longer one, counted from 0."""

    def __init__(self, text: str, line: int = 0) -> None:
        self._text = text
        self._line = line
        composer = _Composer(text)
        try:
            self._root = composer.get_single_node()
        finally:
            composer.dispose()
        self._pairs: dict[int, dict[str, _Pair]] = {}

    def locate(self, path: KeyPath, *, of_key: bool) -> Span:
        """Does what `YamlNodes.locate` does."""
        if self._root is None:
            return _NOWHERE
        key: yaml.Node | None = None
        node = self._root
        for step in path:
            found = self._inside(node, step)
            if found is None:
                of_key = True
                break
            key, node = found
        span = self._between(key.start_mark, key.end_mark) if of_key and key is not None else self._span(node)
        if span.end.line == span.start.line or isinstance(node, yaml.ScalarNode):
            return span
        line, column = span.start
        return Span(span.start, Mark(line, max(self._line_ends.get(line, 1), column + 1)))

    def _inside(self, node: yaml.Node, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
        if isinstance(node, yaml.MappingNode):
            pairs = self._pairs.get(id(node))
            if pairs is None:
                pairs = self._pairs[id(node)] = {pair[0].value: pair for pair in node.value}
            return pairs.get(cast(str, step))
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
            return None, node.value[step]
        return None

    def _span(self, node: yaml.Node) -> Span:
        """Returns the range of a value; a block ends with the last thing in it, before comments behind it."""
        last = node
        while last.value and not isinstance(last, yaml.ScalarNode) and not self._has_bracket(last):
            last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
        return self._between(node.start_mark, last.end_mark)

    def _between(self, start: yaml.Mark, end: yaml.Mark) -> Span:
        first = self._line + 1
        return Span(Mark(start.line + first, start.column + 1), Mark(end.line + first, end.column + 1))

    def _has_bracket(self, node: yaml.Node) -> bool:
        """Whether a map or list ends with a bracket, which a single pair in a list, `[a: b]`, does not."""
        is_flow = isinstance(node, yaml.CollectionNode) and bool(node.flow_style)
        return is_flow and self._text[node.start_mark.index] in "{["

    @cached_property
    def _line_ends(self) -> dict[int, int]:
        """The end of the last key or value in each line where one begins."""
        ends: dict[int, int] = {}
        pending = [self._root] if self._root is not None else []
        while pending:
            node = pending.pop()
            start, end = node.start_mark, node.end_mark
            ends_here = start.line == end.line and (isinstance(node, yaml.ScalarNode) or self._has_bracket(node))
            column = end.column if ends_here else start.column + 1  # a block ends with the last thing in it
            line = self._line + start.line + 1
            ends[line] = max(ends.get(line, 1), column + 1)
            if isinstance(node, yaml.MappingNode):
                pending.extend(chain.from_iterable(node.value))
            elif isinstance(node, yaml.SequenceNode):
                pending.extend(node.value)
        return ends
