"""YAML as the real command reads it (go-yaml v3): one document, the last of two equal keys, `yes` is text.

Text in; plain data out, and the place of each key and value by its path.
"""

from __future__ import annotations

import marshal
import os
import re
from binascii import crc32
from pathlib import Path

from stand_in.diagnostics import Place, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import yaml
else:
    Any = object

DataPath = tuple[Any, ...]
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
    content = path.read_bytes()
    kept = _Kept(content, shown_as)
    return kept.load() or kept.keep(_parsed(path, content, shown_as))


def _parsed(path: Path, content: bytes, shown_as: str) -> Source:
    import yaml

    try:
        node = next(yaml.compose_all(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), None)
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


class _Kept:
    """What a file held when an earlier command has read it, since a deployment is five commands.

    PyYAML takes a third of a command's time to load. It is kept in the folder where the command may cache things.
    """

    def __init__(self, content: bytes, shown_as: str) -> None:
        self._key = (content, shown_as)
        folder, name = os.environ.get("DATABRICKS_CACHE_DIR"), crc32(content + shown_as.encode())
        self._path = Path(folder, f"yaml-{name:x}") if folder else None

    def load(self) -> Source | None:
        """What is kept of this content."""
        try:
            key, data, *places = marshal.loads(self._path.read_bytes() if self._path is not None else b"")
        except (OSError, EOFError, ValueError):
            return None
        source = Source()
        source.data = data
        source.keys, source.values = ({path: Place(*place) for path, place in each.items()} for each in places)
        return source if key == self._key else None

    def keep(self, source: Source) -> Source:
        """Keeps what was read."""
        if self._path is not None:
            places = ({path: tuple(place) for path, place in each.items()} for each in (source.keys, source.values))
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_name(f"{self._path.name}-{os.getpid()}")
            new.write_bytes(marshal.dumps((self._key, source.data, *places)))
            new.replace(self._path)
        return source


class _Reader:
    def __init__(self, source: Source, file: str) -> None:
        self._source = source
        self._file = file

    def read(self, node: yaml.Node, path: DataPath) -> Any:
        self._source.values[path] = self._place(node)
        self._source.keys.setdefault(path, self._place(node))
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return node.value if node.style else _plain(node.value)

    def _mapping(self, node: yaml.MappingNode, path: DataPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            if key.value == "<<" and not key.style:
                merged = value.value if value.id == "sequence" else [value]
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
