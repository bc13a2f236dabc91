"""Files are read whole and within limits, and only if they are files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lakeflow_job_meta._internal.fs import read_file, read_start


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000])
def test_a_file_is_read_whole_whatever_its_size(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert read_file(tmp_path / "file") == content
    assert read_file(tmp_path / "file", limit=size) == content
    assert read_start(tmp_path / "file", 100) == content[:100]


def test_a_file_larger_than_the_limit_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1001)
    with pytest.raises(OSError, match="it has 1,001 bytes, and 1,000 are the limit"):
        read_file(tmp_path / "file", limit=1000)


def test_a_file_of_a_terabyte_is_refused_without_reading_it(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="1,099,511,627,776 bytes"):
        read_file(tmp_path / "file")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a system without /proc")
def test_the_size_is_counted_while_reading_where_the_system_says_none():
    whole = read_file("/proc/self/status")
    assert whole.startswith(b"Name:")
    with pytest.raises(OSError, match="100 are the limit"):
        read_file("/proc/self/status", limit=100)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("read", [read_file, lambda path: read_start(path, 10)])
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "link to a pipe", "link to a device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, read, kind):
    path = tmp_path / "file"
    os.mkfifo(tmp_path / "pipe")
    target = {"pipe": tmp_path / "pipe", "device": "/dev/zero"}.get(kind.split()[-1], path)
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    elif kind.startswith("link"):
        path.symlink_to(target)
    with pytest.raises(OSError, match=r"no regular file|No such device"):
        read(path if path.is_symlink() or kind == "socket" else target)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)


def test_nothing_stays_open(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    files = Path("/proc/self/fd")
    before = len([*files.iterdir()]) if files.exists() else 0
    for name in ("pipe", ".", "missing"):
        with pytest.raises(OSError, match=r".*"):
            read_file(tmp_path / name)
    assert before == (len([*files.iterdir()]) if before else 0)
