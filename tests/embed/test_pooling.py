"""Pooling: every token of a span once, whatever windows the document is read in."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.embed import embedder
from chunkwise.embed.contextual import ContextualEmbedder, Pieces
from chunkwise.embed.pooling import span_means, windows
from chunkwise.errors import UserError
from chunkwise.units import Document, Floats, Ints, Span


class Letters(ContextualEmbedder):
    """A reader whose pieces are characters without blanks, and whose states say which piece it was."""

    def __init__(self, longest: int = 10) -> None:
        self.longest, self.dim = longest, 64
        self.read: list[int] = []

    def pieces(self, text: str) -> Pieces:
        places = np.array([at for at, letter in enumerate(text) if letter != " "], dtype=np.int64)
        return Pieces(np.arange(len(places)), places, places + 1)

    frame = (np.array([62]), np.array([63]))

    def states(self, windows: Sequence[Ints]) -> list[Floats]:
        self.read += [len(window) for window in windows]
        framed = [np.concatenate([[62], window, [63]]) for window in windows]
        return [np.eye(64, dtype=np.float32)[ids] for ids in framed]

    def __call__(self, texts: Sequence[str]) -> Floats:
        return np.tile(np.eye(64, dtype=np.float32)[61], (len(texts), 1))


@given(st.integers(0, 500), st.integers(1, 60), st.integers(0, 59))
def test_windows_keep_every_piece_once(pieces: int, size: int, overlap: int) -> None:
    if overlap >= size:
        return
    found = windows(pieces, size, overlap)
    kept = [piece for _, first, end in found for piece in range(first, end)]
    assert kept == list(range(pieces))
    assert all(end - start <= size and (start == 0 or first - start == overlap) for start, first, end in found)


@given(st.text("ab ", max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6))
def test_every_token_of_a_span_counts_once(text: str, bounds: list[tuple[int, int]]) -> None:
    spans = [Span(min(pair), min(max(pair), len(text))) for pair in bounds if min(pair) <= len(text)]
    means, _ = span_means(Letters(), text, spans, 10, 3)
    places = [at for at, letter in enumerate(text) if letter != " "]
    for mean, span in zip(means, spans, strict=True):
        own = [number for number, place in enumerate(places) if span.start <= place < span.end]
        framed = own + [62] * (0 in own) + [63] * (len(places) - 1 in own) if own else [61]
        expected = np.bincount(framed, minlength=64) / len(framed)
        np.testing.assert_allclose(mean, expected, atol=1e-6)


def test_only_what_is_asked_for_is_read() -> None:
    reader = Letters()
    span_means(reader, "a" * 50, [Span(20, 22)], 10, 3)
    assert len(reader.read) == 1


@pytest.mark.parametrize(("window", "overlap"), [(2, 0), (10, 8), (10, -1)])
def test_windows_too_small(window: int, overlap: int) -> None:
    with pytest.raises(UserError, match="larger window"):
        span_means(Letters(), "text", [], window, overlap)


@pytest.fixture(scope="module")
def minilm() -> Any:
    return embedder("minilm")


@pytest.mark.parametrize("text", ["A short one, whole.", "", "naïve 你好 😀\r\n", "x" * 400, "a\ud800b"])
def test_a_short_document_as_one_chunk_is_embedded_as_ever(text: str, minilm: Any) -> None:
    reader: Any = embedder("late-chunking")
    late = reader.in_document(Document.of(text), [Span(0, len(text))])
    np.testing.assert_allclose(late, minilm([text]), atol=1e-6)


@pytest.mark.parametrize("text", ["Plain words.", "İ İstanbul ŞİŞLİ", "e\u0301tude 你好\r\n\0😀 half\ud800", " ", ""])
def test_pieces_stand_where_they_say(text: str, minilm: Any) -> None:
    found = minilm.pieces(text)
    assert (np.diff(found.starts) >= 0).all()
    assert (np.diff(found.ends) >= 0).all()
    assert (found.starts <= found.ends).all()
    assert len(text) >= max(found.ends, default=0)
    for piece, start, end in zip(found.ids, found.starts, found.ends, strict=True):
        written = minilm._uncut.id_to_token(int(piece)).removeprefix("##")
        if written.isascii() and written.isalpha():
            assert written[0] in unicodedata.normalize("NFD", text[start:end].lower())


def test_long_texts_are_tokenised_in_stretches(minilm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Some words, and então others 你好 123. \n" * 40
    whole = minilm.pieces(text)
    monkeypatch.setattr("chunkwise.embed.contextual._STRETCH", 50)
    for one, other in zip(whole, minilm.pieces(text), strict=True):
        np.testing.assert_array_equal(one, other)
