"""Server-sent events, however the wire cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.llm.sse import event_data


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_same_events_whatever_the_cut_and_the_line_end(size: int, end: str) -> None:
    lines = [": comment", "", "event: x", "data: é漢😀", "data:two", "id: 1", "", "", "data: \u2028 a: b", "", "data"]
    wire = end.join(lines).encode()
    assert list(event_data(cut(wire, size))) == ["é漢😀\ntwo", "\u2028 a: b", ""]


def test_nothing_comes_of_nothing() -> None:
    assert list(event_data([])) == []
    assert list(event_data([b"", b": only a comment\n\n", b"\n\n"])) == []


def test_a_byte_order_mark_and_broken_bytes() -> None:
    assert list(event_data([b"\xef\xbb", b"\xbfdata: a\xff\n\ndata: b\xe6"])) == ["a\ufffd", "b\ufffd"]


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_any_data_in_any_cut(data: list[str], sizes: list[int]) -> None:
    wire = "".join(f"data: {one}\n\n" for one in data).encode()
    chunks: list[bytes] = []
    at = 0
    while at < len(wire):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(wire[at : at + size])
        at += size
    assert list(event_data(chunks)) == data
