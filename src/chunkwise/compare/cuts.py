"""How good a cut is by itself, with no question asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from chunkwise.evaluate import Dataset, boundary_scores, kept_whole, pk, window_diff
from chunkwise.units import Span

if TYPE_CHECKING:
    from chunkwise.retrieve import Corpus

NEAR = 20  # characters that a boundary may be away from the true one


def boundaries(corpus: Corpus, dataset: Dataset) -> dict[str, float]:
    """How well the cut meets the true boundaries, means over the documents that have them; and the share kept whole."""
    snapshot = corpus.snapshot
    numbers = {source: number for number, source in enumerate(snapshot.sources)}
    rows, kept, wholes = [], 0.0, 0
    for document in dataset.documents:
        source, length = document.source, len(document.text)
        own = snapshot.document == numbers.get(source, -1)
        starts, ends = snapshot.start[own].tolist(), snapshot.end[own].tolist()
        if source in dataset.boundaries:
            gold = dataset.boundaries[source]
            f1 = boundary_scores(starts, gold, length, NEAR).f1
            rows.append({"f1": f1, "pk": pk(starts, gold, length), "window_diff": window_diff(starts, gold, length)})
        if parts := dataset.wholes.get(source, ()):
            kept += len(parts) * kept_whole([*map(Span, starts, ends)], parts)
            wholes += len(parts)
    return means(rows) | ({"whole": round(kept / wholes, 4)} if wholes else {})


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each column, to four places; nothing for no rows."""
    return {name: round(fmean(row[name] for row in rows), 4) for name in rows[0]} if rows else {}
