"""Walk: personalised PageRank over a sparse graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

Doubles = npt.NDArray[np.float64]

CLOSE = 1e-7  # of all mass: what still moves when the walk is called settled
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


@dataclass(frozen=True, slots=True)
class Graph:
    """An undirected graph in compressed sparse rows.

    begin: int64 [nodes + 1], where each node's neighbours begin; neighbours: int32 [2 e]; weights: float32 [2 e].
    """

    begin: Ints
    neighbours: npt.NDArray[np.int32]
    weights: Floats

    @classmethod
    def of(cls, nodes: int, edges: Edges) -> Graph:
        """The graph of so many nodes with these edges; two between the same nodes count together."""
        source = np.concatenate([edges.one, edges.other])
        order = np.argsort(source, kind="stable")
        return cls(
            np.searchsorted(source[order], np.arange(nodes + 1)),
            np.concatenate([edges.other, edges.one])[order].astype(np.int32),
            np.concatenate([edges.weight, edges.weight])[order].astype(np.float32),
        )

    def __len__(self) -> int:
        return len(self.begin) - 1


def page_rank(graph: Graph, restart: Doubles, more: Edges, alpha: float) -> Doubles:
    """The share of time that a walker spends at each node who goes back to `restart` with chance `alpha` at each step.

    restart: float64 [n], not negative, of any sum above zero, n at least the nodes of the graph; more: edges between
    any of the n that are not in the graph, for this walk alone. Power iteration, each round linear in the edges; a node
    without any sends its mass back to `restart`. float64 [n], summing to 1.

    Source: Haveliwala, Topic-Sensitive PageRank.
    """
    n, inner = len(restart), len(graph)
    restart = restart / restart.sum()
    filled = np.flatnonzero(np.diff(graph.begin))  # reduceat would give an empty row the next one's first
    rows = graph.begin[filled]
    degree = np.zeros(n)
    if len(filled):
        degree[filled] = np.add.reduceat(graph.weights, rows, dtype=np.float64)
    source, target = np.concatenate([more.one, more.other]), np.concatenate([more.other, more.one])
    weight = np.concatenate([more.weight, more.weight]).astype(np.float64)
    degree += np.bincount(source, weight, n)
    alone = degree == 0
    outward = np.divide(1, degree, out=np.zeros(n), where=~alone)
    mass = restart
    for _ in range(ROUNDS):
        sent = mass * outward
        walked = np.bincount(target, weight * sent[source], n).astype(np.float64)  # whole numbers where there are none
        if len(filled):
            walked[:inner][filled] += np.add.reduceat(sent[graph.neighbours] * graph.weights, rows)
        settled = (1 - alpha) * (walked + mass[alone].sum() * restart) + alpha * restart
        moved, mass = float(np.abs(settled - mass).sum()), settled
        if moved < CLOSE:
            break
    return mass
