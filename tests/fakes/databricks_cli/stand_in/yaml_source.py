"""YAML as the real command reads it (go-yaml v3): one document, the last of two equal keys, `yes` is text.

Text in; plain data out, and the place of each key and value by its path.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from stand_in.diagnostics import Place, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object

DataPath = tuple[Any, ...]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DECIMAL = re.compile(r"[-+]?[0-9][0-9_]*")
_OTHER_INTEGER = re.compile(r"[-+]?(0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Source:
    """The data of a file (or of several, merged) and where each part of it stands.

    Attributes:
        data: Dicts, lists, texts, numbers, booleans, None.
        keys: The place of the key (of the item, in a list) at each path.
        values: The place of the value at each path.
    """

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.keys: dict[DataPath, Place] = {}
        self.values: dict[DataPath, Place] = {}


def read_yaml(path: Path, shown_as: str) -> Source:
    """Reads a file.

    Raises:
        OperationFailed: It is no YAML, or not a mapping.
    """
    try:
        node = next(yaml.compose_all(path.read_bytes(), Loader=_LOADER), None)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise failed(f"failed to load {path}: yaml: line {line}: {error.problem}") from error
    source = Source()
    if node is not None:
        data = _Reader(source, shown_as).read(node, ())
        if not isinstance(data, dict):
            raise failed(f"failed to load {path}: expected a map, found a {type(data).__name__}")
        source.data = data
    return source


class _Reader:
    def __init__(self, source: Source, file: str) -> None:
        self._source = source
        self._file = file

    def read(self, node: yaml.Node, path: DataPath) -> Any:
        self._source.values[path] = self._place(node)
        self._source.keys.setdefault(path, self._place(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return node.value if isinstance(node, yaml.ScalarNode) and node.style else _plain(node.value)

    def _mapping(self, node: yaml.MappingNode, path: DataPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            if key.value == "<<" and not key.style:
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for item in merged:
                    data = {**self._mapping(item, path), **data}
                continue
            inner = (*path, key.value)
            self._source.keys[inner] = self._place(key)
            data[key.value] = self.read(value, inner)
        return data

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OTHER_INTEGER.fullmatch(text):
        return int(text, 0)
    return float(text) if _NUMBER.fullmatch(text) else text
