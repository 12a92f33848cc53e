"""Storage codes and anchors as functions over arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.recipe import build
from chunkwise.retrieve.vectors.codes import code
from chunkwise.retrieve.vectors.relative import Relative, mapped, spread_out
from chunkwise.units import Floats

CODES = {"float16": 2.0, "int8": 1.0, "binary": 1 / 8, "truncated": 0.5, "pq": 1 / 8}


def unit(n: int, d: int, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)


@pytest.mark.parametrize("name", CODES)
@given(n=st.integers(0, 40), d=st.sampled_from([8, 24, 64]), repeated=st.booleans())
def test_codes(name: str, n: int, d: int, repeated: bool) -> None:
    """A finite score for each vector, equal ones for equal vectors, the largest for the vector itself or its twin."""
    vectors = unit(n, d)
    if repeated:
        vectors = np.concatenate([vectors, vectors])
    made = code(name)(vectors.astype(np.float16))
    assert made.bytes_per_vector == pytest.approx(CODES[name] * d)
    query = unit(1, d, 7)[0]
    scores = made.scores(query)
    assert scores.dtype == np.float32
    assert scores.shape == (len(vectors),)
    assert np.isfinite(scores).all()
    if repeated:
        np.testing.assert_allclose(scores[:n], scores[n:], atol=1e-6)
    if name in ("float16", "int8") and n:
        np.testing.assert_allclose(scores, vectors @ query, atol=0.02)


def test_zeros_and_unknown_codes() -> None:
    for name in CODES:
        assert np.isfinite(code(name)(np.zeros((3, 8), np.float16)).scores(unit(1, 8)[0])).all()
    assert code("truncated", 500)(unit(2, 8)).bytes_per_vector == 16
    assert code("pq", 500)(unit(2, 8)).bytes_per_vector == 8
    for spec in ("coded:code=int4", "coded:parts=-1", "coded:rescore=-1", "relative-representations:anchors=0"):
        with pytest.raises(UserError):
            build(spec, "retrieve")


@given(n=st.integers(0, 30), different=st.integers(1, 30), count=st.integers(1, 40))
def test_anchors_are_different_rows(n: int, different: int, count: int) -> None:
    vectors = unit(different, 16)[np.arange(n) % different].astype(np.float16)
    chosen = spread_out(vectors, count)
    assert len(chosen) == min(count, n, different)
    assert len(np.unique(vectors[chosen], axis=0)) == len(chosen)
    assert chosen.tolist() == sorted(chosen.tolist())


def test_a_turned_space_reads_alike() -> None:
    """The relative readings of a rotation are those of the space itself, and the map undoes it."""
    here = unit(200, 32)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((32, 32)))[0].astype(np.float32)
    there = here @ turn
    at = spread_out(here.astype(np.float16), 64)
    one, other = Relative.seen_from(here[at], here), Relative.seen_from(there[at], there)
    np.testing.assert_allclose(one(here), other(there), atol=1e-4)
    assert (mapped(there, there[at], here[at]) * here).sum(axis=1).min() > 0.97
    assert np.abs((there * here).sum(axis=1)).mean() < 0.5
