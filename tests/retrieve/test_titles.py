"""Titles: what counts as one, how much of it a text names, and what short documents' scores become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus
from chunkwise.retrieve.titles import bridges, named, title, titled
from chunkwise.retrieve.whole import drawn_up
from chunkwise.units import Floats

PRIZE = ["The Amber Prize\n\n", "The Amber Prize of 1931 went to Elena Voss for her glaze. "]
VOSS = ["Elena Voss\n\n", "She was raised on an island in the north. "]
OTHERS = {f"/other{n}": [f"Person {n}\n\n", f"A winner of prize {n} was raised somewhere. "] for n in range(8)}
QUESTION = "Where was the winner of the Amber Prize raised?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Elena Voss\n\nShe was raised here.", "Elena Voss"),
        ("\n  # Refunds\nWe pay back.", "# Refunds"),
        ("Elena Voss\r\nShe was raised here.", "Elena Voss"),
        ("Elena Voss", ""),
        ("Elena Voss\n \n", ""),
        ("word " * 13 + "\nmore", ""),
        ("", ""),
    ],
)
def test_a_title_is_a_short_first_line_with_more_behind_it(text: str, expected: str) -> None:
    assert title(text).strip() == expected


@given(st.text())
def test_a_title_stands_in_the_text(text: str) -> None:
    assert title(text) in text
    assert "\n" not in title(text)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return planted.corpus(tmp_path / "kb", {"/prize": PRIZE, "/voss": VOSS, **OTHERS})


def by_source(corpus: Corpus, values: Floats) -> dict[str, float]:
    """The largest value of each document."""
    sources = [corpus.snapshot.sources[number] for number in corpus.snapshot.document.tolist()]
    return {source: max(values[np.array(sources) == source].tolist()) for source in sources}


def every(corpus: Corpus) -> np.ndarray:
    return np.arange(len(corpus))


@given(text=st.lists(st.sampled_from(["Elena", "voss", "prize", "Person", "\0", "\ud800", "漢字", "7"])).map(" ".join))
def test_a_title_is_named_by_a_share(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    corpus = planted.corpus(tmp_path_factory.mktemp("kb") / "kb", {"/voss": VOSS, "/none": ["No title here. "]})
    shares = by_source(corpus, named(corpus, every(corpus), text))
    words = set(text.lower().split())
    assert shares["/none"] == 0
    assert (shares["/voss"] > 0) == bool(words & {"elena", "voss"})
    assert (shares["/voss"] == pytest.approx(1)) == (words >= {"elena", "voss"})


def test_the_question_names_a_title(corpus: Corpus) -> None:
    found = by_source(corpus, titled(corpus, every(corpus), QUESTION))
    assert found["/prize"] == pytest.approx(1)
    assert found["/voss"] == 0


def test_a_bridge_leads_to_whom_the_best_document_names(corpus: Corpus) -> None:
    scores = np.zeros(len(corpus), dtype=np.float32)
    scores[corpus.snapshot.document == corpus.snapshot.sources.index("/prize")] = 1
    found = by_source(corpus, bridges(corpus, every(corpus), scores))
    assert found["/voss"] == pytest.approx(1)
    assert found["/prize"] == 0  # its own title is nothing new
    assert max(value for source, value in found.items() if source not in ("/voss", "/prize")) < 0.5


def test_a_bridge_brings_the_second_step(corpus: Corpus) -> None:
    """The document that answers shares one word with the question; without the bridge others that do stand ahead."""

    def places(spec: str) -> list[str]:
        found = build(spec, "retrieve")(corpus, QUESTION, 50)
        return list(dict.fromkeys(corpus.document(int(chunk)).source for chunk in found.ids))

    assert places("multiscale:bridge=2")[:2] == ["/prize", "/voss"]
    assert "/voss" not in places("multiscale")[:2]


def test_long_documents_neither_lead_nor_are_led_to(tmp_path: Path) -> None:
    padding = [f"Sentence number {n} says nothing of note here. " for n in range(60)]
    for long in ("/prize", "/voss"):
        documents = {"/prize": PRIZE, "/voss": VOSS}
        documents[long] = [*documents[long], *padding]
        corpus = planted.corpus(tmp_path / long[1:], documents)
        scores = (corpus.snapshot.document == corpus.snapshot.sources.index("/prize")).astype(np.float32)
        assert not bridges(corpus, every(corpus), scores).any()


def test_nothing_to_lead_from(corpus: Corpus) -> None:
    none = np.zeros(0, dtype=np.int64)
    for found in (
        bridges(corpus, none, np.zeros(0, np.float32)),
        titled(corpus, none, QUESTION),
        named(corpus, none, ""),
    ):
        assert found.shape == (0,)
    equal = np.ones(len(corpus), dtype=np.float32)
    assert np.isfinite(bridges(corpus, every(corpus), equal)).all()


def test_a_short_document_is_drawn_up_to_its_best_chunk(tmp_path: Path) -> None:
    long = [f"Sentence number {n} says nothing of note here. " for n in range(60)]
    corpus = planted.corpus(tmp_path / "kb", {"/long": long, "/short": VOSS})
    scores = np.arange(len(corpus), dtype=np.float32) - 5
    found = drawn_up(corpus, every(corpus), scores)
    short = corpus.read_whole
    assert found[short].tolist() == [scores[short].max()] * len(VOSS)
    assert found[~short].tolist() == scores[~short].tolist()
    assert drawn_up(corpus, np.zeros(0, np.int64), scores[:0]).shape == (0,)
