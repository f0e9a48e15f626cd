"""Appends and texts of logs, at every cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_server.errors import OutOfRange, TooMuch
from stackly_server.limits import LOG_TEXT_BYTES, RUN_LOG_BYTES
from stackly_server.logs.model import Piece, fresh_part, texts


@given(st.binary(max_size=40), st.integers(0, 60))
def test_an_append_is_taken_once(data: bytes, size: int) -> None:
    offset = max(0, size - 20)
    fresh = fresh_part(size, offset, data)
    assert data.endswith(fresh)
    assert len(fresh) == max(0, offset + len(data) - size)


def test_a_gap_and_a_log_past_its_bound_are_refused() -> None:
    with pytest.raises(OutOfRange):
        fresh_part(10, 11, b"x")
    assert fresh_part(RUN_LOG_BYTES - 1, RUN_LOG_BYTES - 1, b"x") == b"x"
    with pytest.raises(TooMuch):
        fresh_part(RUN_LOG_BYTES, RUN_LOG_BYTES, b"x")


@given(st.text(max_size=60), st.lists(st.integers(0, 200), max_size=5))
def test_texts_are_whole_however_the_bytes_were_cut(text: str, cuts: list[int]) -> None:
    data = text.encode()
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [Piece(start, "s", data[start:end]) for start, end in itertools.pairwise(edges)]
    found = texts(pieces)
    assert "".join(part for _, part in found) == text
    assert [piece.offset for piece, _ in found] == [0, *(piece.end for piece, _ in found)][: len(found)]


def test_a_cut_character_at_the_end_waits_and_a_long_text_comes_in_parts() -> None:
    assert texts([Piece(7, "s", "né".encode()[:2])])[0][1] == "n"
    parts = texts([Piece(0, "s", b"x" * (LOG_TEXT_BYTES + 1))])
    assert [len(part) for _, part in parts] == [LOG_TEXT_BYTES, 1]


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert texts([Piece(0, "s", b"a\xff\xffb\n")])[0][1] == "a��b\n"
