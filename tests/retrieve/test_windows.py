"""What is read together: windows of neighbouring chunks around the best ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import planted
from chunkwise.retrieve import Corpus
from chunkwise.retrieve.corpus import READ_WHOLE
from chunkwise.retrieve.windows import Window, reading, windows
from chunkwise.units import Ints

LONG = [f"{'word ' * 19}end{n}. " for n in range(40)]  # 20 words a chunk, 800 a document: too long to be read whole
SHORT = ["one two. ", "three. ", "four five six. "]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    assert sum(len(text.split()) for text in LONG) > READ_WHOLE
    return planted.corpus(tmp_path / "kb", {"/a": LONG, "/b": SHORT, "/c": LONG})


def at(*chunks: int) -> Ints:
    return np.array(chunks, dtype=np.int64)


def test_a_chunk_takes_neighbours_on_both_sides(corpus: Corpus) -> None:
    assert windows(corpus, at(10), 5, 100) == [Window(8, 13)]
    assert windows(corpus, at(10), 5, 119) == [Window(8, 13)]
    assert windows(corpus, at(10), 5, 120) == [Window(7, 13)]
    assert windows(corpus, at(0), 5, 60) == [Window(0, 3)]
    assert windows(corpus, at(39), 5, 60) == [Window(37, 40)]
    assert windows(corpus, at(43), 5, 60) == [Window(43, 46)]  # never into another document


def test_what_is_read_already_opens_no_window(corpus: Corpus) -> None:
    assert windows(corpus, at(10, 11, 9, 14, 41, 42), 5, 60) == [Window(9, 12), Window(13, 16), Window(40, 43)]
    assert windows(corpus, at(10, 11, 9, 14, 41, 42), 2, 60) == [Window(9, 12), Window(13, 16)]


def test_alone_and_none(corpus: Corpus) -> None:
    assert windows(corpus, at(10, 41), 5, 0) == [Window(10, 11), Window(41, 42)]
    assert windows(corpus, at(10), 5, 7) == [Window(10, 11)]
    assert windows(corpus, at(10), 0, 100) == windows(corpus, at(), 5, 100) == []


def test_a_reading_is_the_text_to_the_character(corpus: Corpus) -> None:
    found = reading(corpus, Window(40, 43))
    assert found.text == "".join(SHORT)
    assert [found.text[span.start : span.end] for span in found.spans] == SHORT
    assert reading(corpus, Window(9, 11)).text == LONG[9] + LONG[10]
