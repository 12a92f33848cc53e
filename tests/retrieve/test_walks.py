"""Walks over graphs, and the triplets that graphs are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from chunkwise.errors import UserError
from chunkwise.recipe import build
from chunkwise.retrieve import words
from chunkwise.retrieve.graph.knowledge import knowledge
from chunkwise.retrieve.graph.triplets import Triplet, key, parse, read, stated
from chunkwise.retrieve.graph.walk import CLOSE, Edges, page_rank

ends = st.integers(0, 7)
weights = st.integers(1, 4)


def edges(listed: list[tuple[int, int, int]]) -> Edges:
    array = np.array(listed, dtype=np.int64).reshape(-1, 3)
    return Edges(array[:, 0], array[:, 1], array[:, 2].astype(np.float32))


@given(
    st.lists(st.tuples(ends, ends, weights), max_size=20),
    st.lists(st.integers(0, 3), min_size=8, max_size=8).filter(any),
    st.sampled_from([0.15, 0.5, 1.0]),
)
def test_page_rank_solves_its_equation(listed: list[tuple[int, int, int]], restart: list[int], alpha: float) -> None:
    """p = (1 - a) M p + a s, solved densely."""
    s = np.array(restart) / sum(restart)
    m = np.zeros((8, 8))
    for one, other, weight in listed:
        m[one, other] += weight
        m[other, one] += weight
    degree = m.sum(axis=0)
    m = np.where(degree > 0, m / np.where(degree > 0, degree, 1), s[:, None])
    expected = np.linalg.solve(np.eye(8) - (1 - alpha) * m, alpha * s)
    found = page_rank(edges(listed), np.array(restart, dtype=np.float64), alpha)
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, expected, atol=CLOSE / alpha)


def triplets(text: str, topic: str = "") -> list[Triplet]:
    analyser = words("en")
    return list(stated(text, topic, lambda word: not analyser.terms(word)))


@pytest.mark.parametrize(
    ("text", "topic", "expected"),
    [
        ("Maria Voss founded Nordlicht Works in 1931.", "", [("Maria Voss", "founded", "Nordlicht Works")]),
        ("He was born in Tromsen.", "Jan Berg", [("Jan Berg", "He was born in", "Tromsen")]),
        ("In Paris, the Louvre was built by Pierre Lescot.", "", [("Louvre", "was built by", "Pierre Lescot")]),
        ("Apollo 11 landed Neil Armstrong and Buzz Aldrin.", "",
         [("Apollo 11", "landed", "Neil Armstrong"), ("Apollo 11", "landed", "Buzz Aldrin")]),
        ("The Tower of London stands. Then Henry came.", "", [("Tower of London", "", ""), ("Henry", "", "")]),
        ("It rains. It is wet.", "", []),
        ("Die Häuser stehen am Fluß Elbe.", "", [("Die Häuser", "stehen am", "Fluß Elbe")]),
        ("漢字仮名交じり文 שלום \0 \ud800", "", []),
        ("", "", []),
    ],
)  # fmt: skip
def test_triplets_of_a_text(text: str, topic: str, expected: list[tuple[str, str, str]]) -> None:
    found = [tuple(one) for one in triplets(text, topic)]
    assert [one for one in found if one in expected] == expected
    assert bool(found) == bool(expected)


@given(st.text(st.sampled_from("AbcÉß .,'’-\n\0\ud800漢م0"), max_size=200), st.sampled_from(["", "Topic"]))
def test_triplets_of_any_text_are_its_own_words(text: str, topic: str) -> None:
    for subject, relation, object_ in triplets(text, topic):
        assert subject in (topic, text) or subject in text
        assert object_ in text
        assert not object_ or relation


def test_keys() -> None:
    assert key("The  Louvre's ") == key("louvre") == "louvre"
    assert key("“The”") == "the"
    assert key(" .. ") == ""


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("3 | Ann | met | Bob\n- 4 | Bob | left | Rome |", ["3 | Ann | met | Bob", "4 | Bob | left | Rome"]),
        ("| 03 | Ann | met | Bob |", ["3 | Ann | met | Bob"]),
        ("9 | Ann | met | Bob\n3 | Ann | Bob\n3 | | met | Bob\nx | a | b | c", None),
        ("3 | Ann | met | " + "B" * 500, None),
        ("None.", []),
        ("", None),
        ("٣ | Ann | met | Bob", None),
        ("9" * 5000 + " | a | b | c", None),
    ],
)
def test_facts_that_a_model_has_written(reply: str, expected: list[str] | None) -> None:
    found = read(reply, 2, 5)
    assert found == expected
    for line in found or ():
        assert 2 <= parse(line)[0] <= 5


def test_the_graph_of_an_index(tmp_path: Path) -> None:
    """Things are one however they are written; a question names them in any case, and small words name nothing."""
    texts = {"/a": ["Ann Lee met Bob. ", "Will the Louvre's roof hold? "], "/b": ["The Louvre drew Ann Lee. "]}
    corpus = planted.corpus(tmp_path / "kb", texts)
    known = knowledge(corpus)
    assert knowledge(corpus) is known
    assert sum(name == "louvre" for name in known.things) == 1
    told = known.joined([(0, Triplet("Bob", "owns", "Zed"))])
    assert told.states.tolist() == [0]
    assert [name for name in told.things if name not in known.things] == ["zed"]
    assert told.named("will ann LEE own zed?", corpus.words).tolist() == [told.things["ann lee"], told.things["zed"]]
    assert known.joined([]).named("will it", corpus.words).tolist() == []
    assert known.edges.other.max() < known.nodes


@pytest.mark.parametrize(
    "spec",
    ["tearag:alpha=0", "tearag:alpha=1.5", "tearag-asked:documents=-1", "neighbours:width=-1", "neighbours:decay=2",
     "parent:decay=-1", "question-compression:share=0", "question-compression-asked:documents=-2",
     "paper-cards-asked:documents=-1", "paper-cards:weight=-1", "cfic:beams=0", "cfic:longest=0"],
)  # fmt: skip
def test_parameters_that_cannot_be(spec: str) -> None:
    with pytest.raises(UserError, match="="):
        build(spec, "retrieve", {"ask": lambda: None, "lm": lambda: None})


def test_without_facts_the_candidates_stay_as_they_are(tmp_path: Path) -> None:
    texts = {f"/{n}": [f"the wood {'ash ' * n}. "] for n in range(1, 9)}
    corpus = planted.corpus(tmp_path / "kb", texts)
    found, control = (build(spec, "retrieve")(corpus, "ash wood", 6) for spec in ("tearag:of=bm25", "bm25"))
    assert found.ids.tolist() == control.ids.tolist()
