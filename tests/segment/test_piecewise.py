"""A text in pieces is cut as the whole is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.errors import ReadError
from chunkwise.read import pieces, read
from chunkwise.recipe import build
from chunkwise.segment import chunks, stream
from chunkwise.tokens import tokenizer
from chunkwise.units import Document

PARAGRAPHS = "".join(
    f"Paragraph {at} begins with some words. It goes on, as “paragraphs” do — for a while (état {at * 7}).\n"
    + ("It has a second line.\r\n\r\n" if at % 3 else "\n")
    for at in range(900)
)
WORDS = st.sampled_from(
    ["a ", "word ", "longer words here. ", "\n", "\n\n", "\r\n", "é ", "的", "。", "🦆 ", "12345 ", "\t", "()"]
)


def in_pieces(text: str, length: int) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]


@pytest.mark.parametrize("spec", ["recursive:size=64", "recursive:size=300", "fixed:size=50"])
@pytest.mark.parametrize("length", [17, 1000, 10**6])
def test_a_stream_is_cut_as_the_whole(spec: str, length: int) -> None:
    segmenter, words = build(spec, "segment"), tokenizer()
    whole = chunks(Document.of(PARAGRAPHS), segmenter, words.offsets(PARAGRAPHS))
    some = list(stream(in_pieces(PARAGRAPHS, length), segmenter, words, doc_id=whole[0].doc_id, block=9000))
    assert some == whole


@settings(max_examples=150, deadline=None)
@given(
    st.lists(WORDS, max_size=400).map("".join),
    st.integers(1, 90),
    st.integers(2, 20),
    st.sampled_from(["recursive", "fixed"]),
)
def test_any_stream_tiles_and_fits(text: str, length: int, size: int, name: str) -> None:
    segmenter, words = build(f"{name}:size={size}", "segment"), tokenizer()
    some = list(stream(in_pieces(text, length), segmenter, words, block=200))
    assert "".join(chunk.text for chunk in some) == text
    assert all(text[chunk.span.start : chunk.span.end] == chunk.text for chunk in some)
    assert all(words.count(chunk.text) <= size or len(chunk.text) == 1 for chunk in some)


@pytest.mark.parametrize("text", ["a" * 30_000, "的" * 9_000, "\n" * 20_000, ""])
def test_a_text_with_no_place_to_begin_anew(text: str) -> None:
    some = list(stream([text], build("recursive:size=100", "segment"), tokenizer(), block=2000))
    assert "".join(chunk.text for chunk in some) == text


def test_blocks_are_not_held() -> None:
    """No more of an endless text is read than its first chunks need."""
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield "Some words and a full stop.\n"

    some = stream(endless(), build("recursive:size=64", "segment"), tokenizer(), block=5000)  # type: ignore[arg-type]
    for _ in range(100):
        next(some)
    assert taken < 4000


def test_pieces_of_a_file_are_its_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" + PARAGRAPHS.encode())
    assert "".join(pieces(path, 100)) == PARAGRAPHS == read(path).text
    path.write_bytes(b"caf\xe9 " * 100)
    with pytest.raises(ReadError, match=r"a\.txt: not UTF-8.*convert"):
        list(pieces(path))
    with pytest.raises(ReadError, match=r"gone\.txt: cannot be read"):
        list(pieces(tmp_path / "gone.txt"))
