"""Files of a project, patterns that name some, and the files that ship with the package."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_IN_WHEEL = _PACKAGE / "_shipped"
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_PIECE = 64 * 1024
MAX_BYTES = 64 * 1024 * 1024
"""Of a file of text; a larger one is nothing that anybody wrote."""
MAX_BYTES_OF_ANY = 1 << 30
"""Of a file that is taken as it is, such as a wheel or the cache."""

_NOT_OF_THE_PROJECT = ("__pycache__", "node_modules")
_MARKS_OF_OTHER_THINGS = ("_delta_log", "pyvenv.cfg")
"""What lies in a Delta table, which changes by itself, and in a virtual environment."""


def shipped(*parts: str) -> Path:
    """Returns the path of a shipped template, schema or file of the Databricks side: `shipped("schemas", "job.json")`.

    They stand at the top of the repository, where people look for them, and inside the package in a wheel.
    """
    return (_IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent.parent).joinpath(*parts)


def files_below(
    folder: Path, leaving_out: Collection[Path] = (), suffixes: tuple[str, ...] = ("",)
) -> Iterator[tuple[str, str]]:
    """Yields the files that belong to a project: no hidden ones, caches, Delta tables and virtual environments.

    Of each its path relative to the folder, with slashes, and its whole path: in plain text, since a monitor asks again
    and again.

    Args:
        folder: Where to look.
        leaving_out: Folders that are passed over.
        suffixes: How the names end.

    Raises:
        OSError: A folder cannot be read.
    """
    passed_over = {os.fspath(each) for each in leaving_out}
    folders = [("", os.fspath(folder))]
    while folders:
        inside, path = folders.pop()
        with os.scandir(path) as listed:
            entries = [*listed]
        if any(entry.name in _MARKS_OF_OTHER_THINGS for entry in entries):
            continue
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            if entry.is_dir():
                if not (entry.is_symlink() or name in _NOT_OF_THE_PROJECT or entry.path in passed_over):
                    folders.append((f"{inside}{name}/", entry.path))
            elif name.endswith(suffixes) and entry.is_file():
                yield f"{inside}{name}", entry.path


def is_glob(pattern: str) -> bool:
    """Says whether a path of the project file names files by a pattern."""
    return any(character in pattern for character in "*?[")


def is_good_glob(pattern: str) -> bool:
    """Says whether a pattern means the same to everybody: relative, `**` as a whole step, no `..` behind a wildcard."""
    steps = pattern.replace(os.sep, "/").split("/")
    first = next((number for number, step in enumerate(steps) if is_glob(step)), len(steps))
    return bool(steps[0]) and ".." not in steps[first:] and all("**" not in step or step == "**" for step in steps)


def read_file(path: str | Path, limit: int = MAX_BYTES) -> bytes:
    """Returns the content of a regular file; a pipe might never answer, and a device never end.

    Raises:
        OSError: It cannot be read, is no regular file, or has more bytes than `limit`, counted while it is read.
    """
    handle, size = _opened(path)
    try:
        pieces, read = list[bytes](), 0
        while max(size, read) <= limit and (piece := os.read(handle, max(size - read, _PIECE))):
            pieces.append(piece)
            read += len(piece)
            if read == size < _PIECE:
                break  # fewer bytes came than were asked for, as at the end alone
    finally:
        os.close(handle)
    if max(size, read) > limit:
        raise OSError(errno.EFBIG, f"it has {max(size, read):,} bytes, and {limit:,} are the limit", str(path))
    return b"".join(pieces)


def read_start(path: str | Path, size: int) -> bytes:
    """Returns the first bytes of a regular file; raises OSError as `read_file` does."""
    handle, _ = _opened(path)
    try:
        return os.read(handle, size)
    finally:
        os.close(handle)


def pieces_of(path: str | Path) -> Iterator[bytes]:
    """Yields the content of a regular file, of whatever size, in pieces; raises OSError as `read_file` does."""
    handle, _ = _opened(path)
    try:
        while piece := os.read(handle, _PIECE):
            yield piece
    finally:
        os.close(handle)


def _opened(path: str | Path) -> tuple[int, int]:
    """Opens a regular file, and returns its size too; nothing but that is waited for."""
    handle = os.open(path, _READ)
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode):
        return handle, found.st_size
    os.close(handle)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, and no regular file", str(path))


def kind_of_path(path: Path) -> str:
    """Returns `file`, `folder`, or nothing: also for what cannot be looked at, and for a name that no file can have.

    pathlib raises for a name of more than 255 bytes, and below a folder that may not be entered.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else ""


def write_new(path: str | Path, content: bytes, *, durable: bool, mode: int = 0o666) -> None:
    """Writes a file that is not there yet; a durable one is on the disk when this returns.

    Raises:
        OSError: The disk refuses, or there is such a file.
    """
    handle = os.open(path, _NEW, mode)  # a file object takes as long again, and there are thousands
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes, *, durable: bool = True, is_private: bool = False) -> None:
    """Writes a file whole: a reader, and a crash, find the old content or the new one. Its mode stays.

    A durable one survives a power failure right after. A private one is only for its owner, also where it was not.

    Raises:
        OSError: The disk refuses; the old file is as it was.
    """
    temporary = path.with_name(f"{path.name}-{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        write_new(temporary, content, durable=durable, mode=0o600 if is_private else 0o666)
        with suppress(FileNotFoundError):
            if not is_private:
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Makes renames and deletions in a folder durable, where the system has a way to.

    Raises:
        OSError: The disk refuses.
    """
    if os.name != "posix" or not folder.is_dir():
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return  # somebody has removed it meanwhile
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
