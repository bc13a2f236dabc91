"""Digests of contents, and files that are written whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.fs import write_atomically
from lakeflow_job_meta._internal.hashing import DIGEST_BYTES, content_digest

pieces = st.lists(st.binary(max_size=4), max_size=3)


@given(pieces, pieces)
def test_the_same_bytes_cut_at_another_place_have_another_digest(one: list[bytes], other: list[bytes]):
    assume(one != other)

    assert content_digest(*one) != content_digest(*other)
    assert content_digest(*one) == content_digest(*one)
    assert len(content_digest(*one)) == DIGEST_BYTES


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_written_whole_with_nothing_left_beside_it(tmp_path: Path, durable: bool):
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        write_atomically(path, content, durable=durable)
        assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"file": content}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(*arguments):
        raise error

    monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(type(error)):
        write_atomically(path, b"new")

    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"file": b"old"}
