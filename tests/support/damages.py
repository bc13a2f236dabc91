"""What becomes of a file or an answer: cut off, emptied, flipped, of another encoding, form or version, without end."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import strategies as st

DEEP = 100_000
WHOLE = [
    *(
        b"",
        b"\0",
        b"\n",
        b" ",
        b"null",
        b"true",
        b"1",
        b"-1e400",
        b'"x"',
        b"[]",
        b"{}",
        b"[null]",
        b"[[]]",
        b"\xff\xfe",
    ),
    *(b"[" * DEEP, b'{"a":' * DEEP, b"- " * DEEP, b"[" * 200 + b"]" * 200, b"9" * 5_000, b"\x1b[2J\x07", b"{% raw %}"),
    b"a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b]\n",
    b"a: &a {b: *a}\n",
    b"<html><body>502 Bad Gateway</body></html>",
]
"""What stands in a file instead of all that should."""

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 7, 2**63, 10**30, 10**4000, 1.5, 1e300, float("nan"), float("inf")),
    *("", " ", "x", "1", "../x", "/etc/passwd", "${var.x}", "${param.x}", "a\nb", "\x1b[2J", "\ud800", "é" * 300),
    *("x" * 100_000, "[" * DEEP, "2026-01-31", "99999-01-01T00:00:00Z", [], {}, [None], {"": None}, [[[[]]]]),
]
"""What stands in a document instead of one value."""

_ENCODINGS = ("utf-16", "utf-8-sig", "utf-32", "cp500")


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Returns a file's content, damaged: as bytes, or as the JSON or YAML that it is."""
    places = st.integers(0, max(len(content) - 1, 0))
    ways = [
        st.sampled_from(WHOLE),
        places.map(lambda at: content[:at]),
        st.tuples(places, st.integers(1, 255)).map(lambda flip: _flipped(content, *flip)),
        st.tuples(places, places, places).map(lambda cut: _moved(content, *cut)),
        st.sampled_from(_ENCODINGS).map(lambda name: content.decode("utf-8", "replace").encode(name, "replace")),
        st.binary(max_size=200),
        st.tuples(places, st.binary(min_size=1, max_size=8)).map(lambda put: _put(content, *put)),
    ]
    root = _document(content)
    paths = [*_paths(root)] if isinstance(root, (dict, list)) else []
    if paths:
        change = st.tuples(st.sampled_from(paths), st.sampled_from(VALUES) | _others(root, paths), st.integers(0, 2))
        # Half of all: what is found out at once teaches the least.
        inside = st.lists(change, min_size=1, max_size=3).map(lambda changes: _written(root, changes))
        return st.booleans().flatmap(lambda is_inside: inside if is_inside else st.one_of(ways))
    return st.one_of(ways)


def _flipped(content: bytes, at: int, bits: int) -> bytes:
    return content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :] if content else b""


def _moved(content: bytes, start: int, end: int, to: int) -> bytes:
    """Writes a piece a second time, somewhere else."""
    return content[:to] + content[min(start, end) : max(start, end)] + content[to:]


def _put(content: bytes, at: int, piece: bytes) -> bytes:
    return content[:at] + piece + content[at:]


def _document(content: bytes) -> Any:
    try:
        return yaml.safe_load(content.decode("utf-8"))
    except (ValueError, yaml.YAMLError):
        return None


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from _paths(value, (*path, key))


def _others(root: Any, paths: list[tuple[Any, ...]]) -> st.SearchStrategy[Any]:
    """Draws what stands at another place of the same document, such as the id of another job."""
    return st.sampled_from(paths).map(lambda path: copy.deepcopy(_at(root, path)))


def _at(root: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        root = root[key]
    return root


def _written(root: Any, changes: list[tuple[tuple[Any, ...], Any, int]]) -> bytes:
    """Returns a document as JSON, which is YAML too: values replaced, taken out, or their keys renamed."""
    root = copy.deepcopy(root)
    for path, value, way in changes:
        # An earlier change may have taken the place away.
        with suppress(KeyError, IndexError, TypeError, ValueError, AttributeError):
            _change(_at(root, path[:-1]), path[-1], copy.deepcopy(value), way)
    try:
        return json.dumps(root, default=str).encode()
    except (ValueError, RecursionError):
        return b"{}"


def _change(holder: Any, key: Any, value: Any, way: int) -> None:
    if way == 0:
        holder[key] = value
    elif way == 1:
        del holder[key]
    else:
        holder[f"{key}_2"] = holder.pop(key)
