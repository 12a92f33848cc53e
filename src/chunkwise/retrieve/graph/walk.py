"""Walk: personalised PageRank over a sparse graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

Doubles = npt.NDArray[np.float64]

CLOSE = 1e-4  # of all mass: what still moves when the walk is called settled
ROUNDS = 100


class Edges(NamedTuple):
    """Undirected edges as parallel arrays: both ends, int64 [e], and what each weighs, float32 [e], above zero."""

    one: Ints
    other: Ints
    weight: Floats

    def and_also(self, more: Edges) -> Edges:
        """These edges, then those."""
        one, other = np.concatenate([self.one, more.one]), np.concatenate([self.other, more.other])
        return Edges(one, other, np.concatenate([self.weight, more.weight]))


def page_rank(edges: Edges, restart: Doubles, alpha: float) -> Doubles:
    """The share of time that a walker spends at each node who goes back to `restart` with chance `alpha` at each step.

    restart: float64 [n], one for each node that an edge may name, not negative, of any sum above zero. Power iteration,
    each round linear in edges and nodes; a node without an edge sends its mass back to `restart`. float64 [n], summing
    to 1.

    Source: Haveliwala, Topic-Sensitive PageRank.
    """
    n = len(restart)
    restart = restart / restart.sum()
    source, target = np.concatenate([edges.one, edges.other]), np.concatenate([edges.other, edges.one])
    weight = np.concatenate([edges.weight, edges.weight]).astype(np.float64)
    degree = np.bincount(source, weight, n)
    alone = np.flatnonzero((degree == 0) & (restart > 0))  # nothing comes to any other
    share = weight / degree[source]
    mass = restart
    for _ in range(ROUNDS):
        walked = np.bincount(target, mass.take(source) * share, n) + mass[alone].sum() * restart
        settled = (1 - alpha) * walked + alpha * restart
        moved, mass = float(np.abs(settled - mass).sum()), settled
        if moved < CLOSE:
            break
    return mass
