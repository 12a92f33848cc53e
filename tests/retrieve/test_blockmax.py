"""Block-max pruning finds what exhaustive scoring finds, to the last bit and in the same order."""

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
from chunkwise.retrieve.blockmax import RANKS, BlockMax, Search, by_arrays, fastest
from chunkwise.retrieve.fuse import best
from chunkwise.retrieve.lexical import Lexical
from chunkwise.retrieve.loops import by_loops
from chunkwise.retrieve.words import term_hash
from chunkwise.store import Postings

ALPHABET = ["ash", "birch", "cedar", "elm", "fir"]
a_chunk = st.lists(st.sampled_from(ALPHABET), max_size=5)
documents = st.lists(st.lists(a_chunk, max_size=12), max_size=6)
queries = st.lists(st.sampled_from([*ALPHABET, "yew"]), unique=True, max_size=4)
# `fastest` is the compiled one where numba is installed.
every_search = pytest.mark.parametrize("search", [by_arrays, by_loops(), fastest()], ids=["arrays", "loops", "fastest"])


def lexical_of(texts: list[list[list[str]]]) -> Lexical:
    return Lexical(Postings.of([words("").count([" ".join(chunk) for chunk in document]) for document in texts]))


def terms_of(query: list[str]) -> np.ndarray:
    return np.unique(np.array([term_hash(word) for word in query], dtype=np.uint64))


def exhaustive(lexical: Lexical, terms: np.ndarray, k: int) -> tuple[list[int], list[float]]:
    scores = lexical.scores(terms)[0][0]
    chosen = best(scores, k)
    return chosen.tolist(), scores[chosen].tolist()


@pytest.fixture(scope="module")
def library() -> Lexical:
    """3,000 chunks of words as rare as words are, some of them alike."""
    random = np.random.default_rng(0)
    spoken = np.minimum(random.zipf(1.3, (3000, 12)), 400)
    spoken[1000:1200] = spoken[:200]
    chunks = [[f"w{number}" for number in chunk[: 3 + chunk[0] % 9]] for chunk in spoken.tolist()]
    return lexical_of([chunks[at : at + 20] for at in range(0, len(chunks), 20)])


@every_search
@given(documents, queries, st.integers(0, 80), st.integers(1, 20))
def test_any_corpus(search: Search, texts: list, query: list[str], k: int, size: int) -> None:
    lexical, terms = lexical_of(texts), terms_of(query)
    found = BlockMax(lexical, size, search).best(terms, k)
    assert (found.chunks.tolist(), found.scores.tolist()) == exhaustive(lexical, terms, k)
    assert (found.chunks.dtype, found.scores.dtype) == (np.int64, np.float32)
    assert found.scored <= np.count_nonzero(lexical.scores(terms)[0])


@every_search
@pytest.mark.parametrize("size", [1, 8, 255])
@pytest.mark.parametrize("k", [1, *RANKS, 5000])
def test_a_library(search: Search, library: Lexical, size: int, k: int) -> None:
    bounds, random = BlockMax(library, size, search), np.random.default_rng(1)
    for _ in range(10):
        terms = terms_of([f"w{number}" for number in random.integers(1, 80, 4)])
        for _ in range(2):  # made, and kept
            found = bounds.best(terms, k)
            assert (found.chunks.tolist(), found.scores.tolist()) == exhaustive(library, terms, k)


def test_terms_looked_through_in_stretches(library: Lexical, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, terms = BlockMax(library), terms_of(["w2", "w9", "w40"])
    monkeypatch.setattr("chunkwise.retrieve.blockmax.STRETCH", 50)
    parts = BlockMax(library)
    for one, other in zip(parts._blocks, whole._blocks, strict=True):
        np.testing.assert_array_equal(one, other)
    assert parts.best(terms, 10).scored == whole.best(terms, 10).scored


@every_search
def test_equals_stand_in_index_order(search: Search) -> None:
    lexical = lexical_of([[["ash", "elm"], ["fir"]]] * 50)
    found = BlockMax(lexical, 8, search).best(terms_of(["ash"]), 10)
    assert found.chunks.tolist() == list(range(0, 20, 2))


@every_search
def test_what_is_given_up_is_exactness_alone(search: Search, library: Lexical) -> None:
    """Fewer terms are scored as if no others had been asked for; a lower alpha misses some, and scores them as ever."""
    terms = terms_of([f"w{number}" for number in (2, 5, 9, 30)])
    bounds = BlockMax(library, 8, search)
    rarest = max(terms.tolist(), key=lambda term: -len(library.postings.of_term(term)[0]))
    found = bounds.best(terms, 10, r=0.25)
    assert (found.chunks.tolist(), found.scores.tolist()) == exhaustive(library, np.array([rarest], np.uint64), 10)
    exact, scores = bounds.best(terms, 10), library.scores(terms)[0][0]
    less = bounds.best(terms, 10, alpha=0.6)
    assert less.scored < exact.scored
    assert less.scores.tolist() == scores[less.chunks].tolist()


def test_shares_and_blocks_that_are_none() -> None:
    for spec in ("bmp:r=0", "bmp:alpha=0", "bmp:alpha=1.5", "bmp:r=nan", "bmp:block=0", "bmp:block=256"):
        with pytest.raises(UserError, match="="):
            build(spec, "retrieve")


def test_the_recipe_finds_what_bm25_finds(tmp_path: Path) -> None:
    corpus = planted.corpus(tmp_path / "kb", {"/a": ["ash elm. ", "oak. "] * 9, "/b": ["ash ash. ", "fir. "]})
    for query in ("ash", "ash elm oak", "yew", ""):
        exact, pruned = (build(name, "retrieve")(corpus, query, 7) for name in ("bm25", "bmp:block=3"))
        assert pruned.ids.tolist() == exact.ids.tolist()
        assert pruned.scores.tolist() == exact.scores.tolist()
    assert corpus.blockmax(3) is corpus.blockmax(3)
