"""Units to spans that hold to a size."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.segment.group import grouped, packed
from chunkwise.segment.threshold import above_percentile, below_running_mean, local_minima
from chunkwise.tokens import tokenizer

TEXT = " ".join(f"Sentence number {n} is here." for n in range(60))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, len(TEXT) - 1), max_size=30, unique=True).map(sorted),
    st.integers(3, 60),
    st.integers(0, 30),
    st.randoms(use_true_random=False),
)
def test_groups_tile_fit_and_break(inner: list[int], size: int, least: int, random) -> None:  # type: ignore[no-untyped-def]
    bounds = np.array([0, *inner, len(TEXT)])
    breaks = np.array([random.random() < 0.4 for _ in inner], dtype=bool)
    offsets = tokenizer().offsets(TEXT)
    spans = grouped(TEXT, offsets, bounds, breaks, size, min(least, size))
    assert "".join(TEXT[a:b] for a, b in spans) == TEXT
    assert all(tokenizer().count(TEXT[a:b]) <= size or b - a == 1 for a, b in spans)
    if not least:
        assert set(np.array(inner, dtype=np.int64)[breaks].tolist()) <= {span.start for span in spans}


def test_units_are_not_torn_where_they_fit() -> None:
    bounds = np.array([0, *(at + 1 for at, c in enumerate(TEXT) if c == "."), len(TEXT)])[:-1]
    spans = packed(TEXT, tokenizer().offsets(TEXT), bounds, 40)
    assert len(spans) < 25
    assert {span.start for span in spans} <= set(bounds.tolist())


def test_short_spans_are_joined() -> None:
    bounds = np.arange(0, len(TEXT) + 1, 10)
    bounds[-1] = len(TEXT)
    offsets = tokenizer().offsets(TEXT)
    spans = grouped(TEXT, offsets, bounds, np.ones(len(bounds) - 2, dtype=bool), 60, 20)
    assert all(offsets.count(*span) >= 20 for span in spans[:-1])


def test_rules() -> None:
    signal = np.array([3, 1, 2, 2, 1, 1, 0.5, 4], dtype=np.float32)
    assert local_minima(signal).tolist() == [False, True, False, False, True, False, True, False]
    assert local_minima(signal, 1.5).tolist() == [False, True, False, False, False, False, True, False]
    assert local_minima(signal[:2]).tolist() == [False, False]
    assert above_percentile(signal, 80).sum() == 2
    assert not above_percentile(np.ones(9, dtype=np.float32), 50).any()
    assert above_percentile(signal[:0], 50).tolist() == []
    margins = np.array([1, -1, 1, 1, 1, 0.5, 0.7], dtype=np.float32)
    assert below_running_mean(margins).tolist() == [False, True, False, False, False, True, False]
