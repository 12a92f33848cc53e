"""Tree search: the best ordered set of items within a limit, where adding one more may make a set worse."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.select.arrays import Array

Utility: TypeAlias = Callable[[Sequence[int]], Array]
"""Given an ordered set: what the set is worth with each of all n items put at its end, float [n], about 0 to 1. The
empty set is worth 0; what it says of items that are in already is not looked at. Same in, same out."""


class Found(NamedTuple):
    """items: the best ordered set that was seen; worth: its utility."""

    items: tuple[int, ...]
    worth: float


def mcts(
    costs: npt.NDArray[np.int64],
    limit: int,
    utility: Utility,
    simulations: int = 500,
    explore: float = 1.41,
    thrift: float = 0.2,
    width: int = 0,
) -> Found:
    """The best node anywhere in a tree of ordered sets that cost at most `limit`: Monte Carlo tree search.

    A node is an ordered set, its children that set with one more item that still fits. Every simulation goes down to a
    leaf by the upper confidence bound mean reward + explore * sqrt(ln n_parent / n) - thrift * cost / limit, gives it
    all its children at once with their utilities, and counts those as rewards on the way back. The empty set, worth 0,
    is the answer where nothing is better. width: how many of its children, the best by their own bound, a node has; 0
    for all. Nothing is random. Time: simulations times depth times children.

    Source: Wang et al., CORAG: A Cost-Constrained Retrieval Optimization System for Retrieval-Augmented Generation.
    """
    root = _Node((), 0)
    best = Found((), 0.0)
    for _ in range(simulations if len(costs) else 0):
        path, node = [], root
        while node.expanded and len(node.children):
            at = node.choose(explore)
            path.append((node, at))
            node = node.child(at, costs)
        if not node.expanded:
            values = utility(node.items)
            node.expand(costs, limit, values, thrift, width)
            if len(node.children):
                at = int(node.children[np.argmax(node.rewards)])
                if float(values[at]) > best.worth:
                    best = Found((*node.items, at), float(values[at]))
        # A node that nothing can be added to pays its own reward again, so that others get their turn.
        count, total = len(node.children), float(node.rewards.sum())
        for parent, at in path:
            parent.visits[at] += max(1, count)
            parent.count += max(1, count)
            parent.totals[at] += total if count else float(parent.rewards[at])
    return best


def completed(found: Found, costs: npt.NDArray[np.int64], limit: int, utility: Utility) -> Found:
    """The set with the best item that still fits put at its end, for as long as that makes it better."""
    items, worth = found
    left = limit - int(costs[list(items)].sum())
    while True:
        values = np.where(costs <= left, np.asarray(utility(items)), -np.inf)
        values[list(items)] = -np.inf
        if not len(values) or not values.max() > worth:
            return Found(items, worth)
        at = int(values.argmax())
        items, worth, left = (*items, at), float(values[at]), left - int(costs[at])


class _Node:
    """An ordered set, and as parallel arrays what is known of its children."""

    __slots__ = ("below", "children", "count", "expanded", "items", "penalty", "rewards", "spent", "totals", "visits")

    def __init__(self, items: tuple[int, ...], spent: int) -> None:
        self.items, self.spent = items, spent
        self.expanded, self.count = False, 0
        self.children: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.rewards = self.penalty = self.visits = self.totals = np.zeros(0)
        self.below: dict[int, _Node] = {}

    def expand(self, costs: npt.NDArray[np.int64], limit: int, values: Array, thrift: float, width: int) -> None:
        open_ = self.spent + costs <= limit
        open_[list(self.items)] = False
        children = np.flatnonzero(open_)
        rewards = np.asarray(values, dtype=np.float64)[children]
        penalty = thrift * (self.spent + costs[children]) / max(1, limit)
        if 0 < width < len(children):
            kept = np.sort(np.argsort(penalty - rewards, kind="stable")[:width])
            children, rewards, penalty = children[kept], rewards[kept], penalty[kept]
        self.children, self.rewards, self.penalty = children, rewards, penalty
        self.visits, self.totals = np.ones(len(children)), rewards.copy()
        self.count = len(children)
        self.expanded = True

    def choose(self, explore: float) -> int:
        bonus = explore * math.sqrt(math.log(self.count))
        return int(np.argmax(self.totals / self.visits + bonus / np.sqrt(self.visits) - self.penalty))

    def child(self, at: int, costs: npt.NDArray[np.int64]) -> _Node:
        if at not in self.below:
            item = int(self.children[at])
            self.below[at] = _Node((*self.items, item), self.spent + int(costs[item]))
        return self.below[at]
