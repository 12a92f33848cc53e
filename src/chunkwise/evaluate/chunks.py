"""What the chunks of a document are like by themselves, with no question asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chunkwise.models import CausalLM
from chunkwise.units import Span


@dataclass(frozen=True, slots=True)
class SizeStats:
    """Sizes in tokens; over and under: shares in 0 to 1 of the chunks past the limits that were named."""

    count: int
    mean: float
    median: float
    p5: float
    p95: float
    least: int
    most: int
    over: float
    under: float


def size_stats(tokens: Sequence[int], *, over: int | None = None, under: int | None = None) -> SizeStats:
    """Statistics of chunk sizes [n] in tokens; all zeros for no chunks. Percentiles are interpolated between chunks."""
    if not len(tokens):
        return SizeStats(0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0.0)
    sizes = np.asarray(tokens, dtype=np.int64)
    p5, median, p95 = np.quantile(sizes, (0.05, 0.5, 0.95)).tolist()
    return SizeStats(
        len(sizes),
        float(sizes.mean()),
        median,
        p5,
        p95,
        int(sizes.min()),
        int(sizes.max()),
        0.0 if over is None else float(np.mean(sizes > over)),
        0.0 if under is None else float(np.mean(sizes < under)),
    )


def kept_whole(chunks: Sequence[Span], wholes: Sequence[Span]) -> float:
    """Share in 0 to 1 of the spans `wholes` that stand in one chunk from end to end; 1 where there are none."""
    if not len(wholes):
        return 1.0
    bounds = np.array(sorted(chunks), dtype=np.int64).reshape(-1, 2)
    reach = np.concatenate([[-1], np.maximum.accumulate(bounds[:, 1])])  # the furthest end of the chunks begun so far
    parts = np.asarray(wholes, dtype=np.int64)
    return float(np.mean(reach[np.searchsorted(bounds[:, 0], parts[:, 0], "right")] >= parts[:, 1]))


def mean_clarity(lm: CausalLM, documents: Sequence[Sequence[str]], *, sample: int = 64, seed: int = 0) -> float:
    """Mean boundary clarity of the cuts between neighbouring chunks; higher is better, 1 where there is no cut.

    documents: the chunks of each, in order. Of more than `sample` cuts that many are drawn at random, so that the cost
    is bounded: two readings of a chunk each. See `boundary_clarity` (MoC).
    """
    from chunkwise.segment.clarity import boundary_clarity

    pairs = _drawn([len(chunks) - 1 for chunks in documents], sample, seed)
    found = [boundary_clarity(lm, *documents[number][cut : cut + 2]) for number, cut in pairs]
    return float(np.mean(found)) if found else 1.0


def mean_stickiness(
    lm: CausalLM,
    documents: Sequence[Sequence[str]],
    *,
    sample: int = 8,
    window: int = 8,
    reach: int | None = None,
    threshold: float = 0.8,
    seed: int = 0,
) -> float:
    """Mean chunk stickiness of runs of `window` neighbouring chunks; lower is better, 0 for no chunks.

    documents: the chunks of each, in order; a run is of one document, of all its chunks where they are fewer. Of more
    than `sample` runs that many are drawn at random: the complete graph over a whole document asks the model for every
    pair, the runs for at most sample * window ** 2. Chunkings measured alike can be compared with each other,
    but not with the figure of a complete graph. `reach` and `threshold` as in `chunk_stickiness` (MoC).
    """
    from chunkwise.segment.clarity import chunk_stickiness

    runs = _drawn([max(1, len(chunks) - window + 1) if len(chunks) else 0 for chunks in documents], sample, seed)
    found = [
        chunk_stickiness(lm, documents[number][start : start + window], reach=reach, threshold=threshold)
        for number, start in runs
    ]
    return float(np.mean(found)) if found else 0.0


def _drawn(counts: Sequence[int], sample: int, seed: int) -> list[tuple[int, int]]:
    """At most `sample` of all places, as (document, place within it), in order; counts: how many each document has."""
    ends = np.cumsum(np.maximum(np.asarray(counts, dtype=np.int64), 0))
    total = int(ends[-1]) if len(ends) else 0
    drawn = np.arange(total)
    if total > sample:
        drawn = np.sort(np.random.default_rng(seed).choice(total, sample, replace=False))
    numbers = np.searchsorted(ends, drawn, side="right")
    starts = np.concatenate(([0], ends))[numbers]
    return list(zip(numbers.tolist(), (drawn - starts).tolist(), strict=True))
