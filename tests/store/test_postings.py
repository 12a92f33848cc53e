"""Postings hold what a dictionary of places would, and windows are sums."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.retrieve import words
from chunkwise.retrieve.words import term_hash
from chunkwise.store import GAP, Postings, WordCounts

plain = words("")
a_chunk = st.lists(st.sampled_from(["ash", "birch", "cedar", "elm", "fir", "oak"]), max_size=6).map(" ".join)
documents = st.lists(st.lists(a_chunk, max_size=6), max_size=6)


@given(documents)
def test_postings_are_a_dictionary_of_places(texts: list[list[str]]) -> None:
    postings = Postings.of([plain.count(chunks) for chunks in texts])
    place = postings.place.tolist()
    assert len(place) == sum(map(len, texts))
    expected: dict[str, dict[int, int]] = {}
    lengths = dict.fromkeys(range(len(postings.lengths)), 0)
    at = iter(place)
    for chunks in texts:
        for chunk in chunks:
            here = next(at)
            lengths[here] = len(chunk.split())
            for word, count in Counter(chunk.split()).items():
                expected.setdefault(word, {})[here] = count
    assert postings.lengths.tolist() == list(lengths.values())
    assert postings.terms.tolist() == sorted(map(term_hash, expected))
    for word, counts in expected.items():
        places, found = postings.of_term(term_hash(word))
        assert places.tolist() == sorted(places.tolist())
        assert dict(zip(places.tolist(), found.tolist(), strict=True)) == counts


@given(documents, st.integers(1, 20))
def test_stretches_of_documents_make_no_difference(texts: list[list[str]], stretch: int) -> None:
    counted = [plain.count(chunks) for chunks in texts]
    whole = Postings.of(counted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chunkwise.store.postings.STRETCH", stretch)
        parts = Postings.of(counted)
    for name in Postings.__slots__:
        assert getattr(parts, name).dtype == getattr(whole, name).dtype
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@given(documents)
def test_words_come_back_from_bytes(texts: list[list[str]]) -> None:
    for counted in map(plain.count, texts):
        again = WordCounts.of_bytes(counted.to_bytes())
        for name in WordCounts.__slots__:
            np.testing.assert_array_equal(getattr(again, name), getattr(counted, name))


@given(documents)
def test_a_gap_lies_around_every_document(texts: list[list[str]]) -> None:
    postings = Postings.of([plain.count(chunks) for chunks in texts])
    place = postings.place.tolist()
    bounds = np.cumsum([len(chunks) for chunks in texts])
    for before, after in zip(range(len(place)), range(1, len(place)), strict=False):
        step = place[after] - place[before]
        assert step == 1 if after not in bounds else step > GAP
    if place:
        assert place[0] >= GAP
        assert len(postings.lengths) > place[-1] + GAP


def test_a_term_that_is_nowhere() -> None:
    for postings in (Postings.of([]), Postings.of([plain.count(["ash elm"])])):
        for term in (0, term_hash("yew"), 2**64 - 1):
            places, counts = postings.of_term(term)
            assert len(places) == len(counts) == 0


@given(st.lists(a_chunk, max_size=8))
def test_words_counted_at_once_are_words_counted_one_by_one(chunks: list[str]) -> None:
    counted = plain.count(chunks)
    assert isinstance(counted, WordCounts)
    for at, chunk in enumerate(chunks):
        assert counted.lengths[at] == len(chunk.split())
        for word, count in Counter(chunk.split()).items():
            term = int(np.searchsorted(counted.terms, np.uint64(term_hash(word))))
            entries = slice(int(counted.first[term]), int(counted.first[term + 1]))
            assert dict(zip(counted.chunks[entries], counted.counts[entries], strict=True))[at] == count
    assert int(counted.counts.sum()) == sum(len(chunk.split()) for chunk in chunks)
