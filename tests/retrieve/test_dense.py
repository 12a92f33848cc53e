"""The nearest vectors are found by a one-bit scan as they would be without it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.retrieve.dense import KEEP, LEAST, nearest
from chunkwise.retrieve.fuse import best, reciprocal_ranks, scaled
from chunkwise.store import signs


def clustered(n: int, dim: int, seed: int) -> np.ndarray:
    """Unit vectors around a few centres, as texts' are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(200, dim))
    vectors = centres[random.integers(0, 200, n)] + random.normal(scale=0.7, size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def brute_force(matrix: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    return np.argsort(-(matrix.astype(np.float32) @ query), kind="stable")[:k].tolist()  # type: ignore[no-any-return]


@given(st.integers(1, 2 * LEAST), st.sampled_from([1, 63, 64, 65, 384]), st.integers(1, 50), st.integers(0, 99))
def test_nothing_is_lost_among_few(n: int, dim: int, k: int, seed: int) -> None:
    matrix = clustered(n, dim, seed)
    matrix[n // 2] = matrix[0]  # a tie
    query = clustered(1, dim, seed + 1)[0].astype(np.float32)
    chosen, cosines = nearest(matrix, signs(matrix), query, k)
    assert chosen.tolist() == brute_force(matrix, query, k)
    assert (np.diff(cosines) <= 0).all()
    np.testing.assert_allclose(cosines, matrix[chosen].astype(np.float32) @ query, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dim", [100, 384])
def test_next_to_nothing_is_lost_among_many(dim: int) -> None:
    matrix = clustered(20_000, dim, 1)
    bits, queries = signs(matrix), clustered(20, dim, 2).astype(np.float32)
    k = 20
    assert len(matrix) > 2 * max(LEAST, KEEP * k)
    found = [
        len(set(nearest(matrix, bits, query, k)[0].tolist()) & set(brute_force(matrix, query, k))) for query in queries
    ]
    assert sum(found) >= 0.97 * k * len(queries)
    random = np.random.default_rng(0)
    scanned_blindly = nearest(matrix, random.permutation(bits), queries[0], k)[0]  # the control: signs of other rows
    assert len(set(scanned_blindly.tolist()) & set(brute_force(matrix, queries[0], k))) < k / 2


floats = st.lists(st.integers(-3, 9), max_size=30).map(lambda values: np.array(values, dtype=np.float32))


@given(floats, st.integers(0, 40))
def test_best(scores: np.ndarray, k: int) -> None:
    expected = [at for at in np.argsort(-scores, kind="stable").tolist() if scores[at] > 0][:k]
    assert best(scores, k).tolist() == expected


@given(st.lists(floats.filter(len), min_size=1, max_size=1).flatmap(lambda rows: st.just(np.stack(rows))))
def test_scaled(scores: np.ndarray) -> None:
    peak = scores.max()
    np.testing.assert_allclose(scaled(scores), scores / peak if peak > 0 else scores)


def test_scaled_without_columns() -> None:
    assert scaled(np.zeros((3, 0), dtype=np.float32)).shape == (3, 0)


@given(
    st.lists(st.permutations(range(6)).flatmap(lambda order: st.integers(0, 6).map(lambda n: order[:n])), max_size=4)
)
def test_reciprocal_ranks(rankings: list[list[int]]) -> None:
    scores = reciprocal_ranks([np.array(ranking, dtype=np.int64) for ranking in rankings], 6, 10)
    expected = [sum(1 / (11 + ranking.index(item)) for ranking in rankings if item in ranking) for item in range(6)]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
