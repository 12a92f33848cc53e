"""Queues that have a formula: what the simulator is held to, and what tells the best limit without simulating."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError

Array: TypeAlias = npt.NDArray[np.float64]


class Law(NamedTuple):
    """A distribution: values [n], ascending, and their chances [n], which sum to 1."""

    values: Array
    chances: Array

    def mean(self, power: int = 1) -> float:
        """The mean of the values, or of their power."""
        return float(self.values**power @ self.chances)

    def largest(self, of: int) -> Law:
        """The largest of so many draws."""
        below = np.cumsum(self.chances).clip(0, 1) ** of
        return Law(self.values, np.diff(below, prepend=0.0))

    def clipped(self, most: float) -> Law:
        """The smaller of a draw and `most`."""
        return law(self.values.clip(max=most), self.chances)

    def scaled(self, base: float, slope: float) -> Law:
        """base + slope times the value."""
        return Law(base + slope * self.values, self.chances)


def law(values: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Law:
    """The distribution of observed values, or of values with these weights."""
    found, at = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
    if not len(found):
        raise UserError("a distribution needs a value at least")
    mass = np.bincount(at.ravel(), None if weights is None else np.asarray(weights, dtype=np.float64))
    return Law(found, mass / mass.sum())


def pollaczek_khinchine(rate: float, service: Law) -> float:
    """Mean wait before service in M/G/1: rate E[S^2] / (2 (1 - rate E[S])); infinite where it cannot keep up."""
    load = rate * service.mean()
    return rate * service.mean(2) / (2 * (1 - load)) if load < 1 else float("inf")


class Limit(NamedTuple):
    """A limit of output tokens, the mean wait under it, and the share of requests that it cuts short."""

    tokens: int
    wait: float
    cut: float


def best_limit(rate: float, output: Law, base: float, slope: float, price: float) -> Limit:
    """The limit n that is best for S = base + slope min(N, n): least wait + price x share of requests cut short.

    price: seconds of mean wait that one is ready to give so as not to cut anybody short. All lengths that occur are
    looked at. A Queueing Theoretic Perspective on Low-Latency LLM Inference with Variable Token Length.
    """
    below = np.cumsum(output.chances)

    def under(at: int) -> Limit:
        n = output.values[at]
        wait = pollaczek_khinchine(rate, output.clipped(n).scaled(base, slope))
        return Limit(int(n), wait, float(max(0.0, 1 - below[at])))

    return min(map(under, range(len(output.values))), key=lambda one: (one.wait + price * one.cut, one.tokens))


def bulk(
    rate: float, service: Callable[[int], Law], least: int = 1, most: int | None = None, states: int = 400
) -> tuple[float, float]:
    """Mean wait before service, and mean batch, of a server that takes up to `most` at once when `least` are there.

    service: the law of the time that a batch of n takes. least=1 and no `most` is dynamic batching, all that wait;
    least = most is a batch of fixed size. Exact up to the truncation: how many wait when a batch is done is a Markov
    chain, of which the first `states` states are kept. Raises UserError where the queue outgrows them.
    """
    most = most or states
    if rate <= 0 or not 1 <= least <= most:
        raise UserError(f"bulk service needs a rate above 0 and 1 <= least <= most: {rate}, {least}, {most}")
    counts = np.arange(states)
    moves = np.zeros((states, states))
    queued, lasted, served = np.zeros(states), np.zeros(states), np.zeros(states)
    for waiting in range(states):
        taken = min(max(waiting, least), most)
        left = max(waiting, least) - taken
        time = service(taken)
        arrivals = _poisson(rate * time.values, states - left).T @ time.chances
        moves[waiting, left:] = arrivals
        moves[waiting, -1] += max(0.0, 1 - arrivals.sum())
        gathering = counts[waiting:least]
        queued[waiting] = gathering.sum() / rate + left * time.mean() + rate * time.mean(2) / 2
        lasted[waiting] = len(gathering) / rate + time.mean()
        served[waiting] = taken
    share = _stationary(moves)
    if share[-max(1, states // 100) :].sum() > 1e-6:
        raise UserError(f"a queue of {states} is not enough at {rate}/s: it cannot keep up, or states must be raised")
    return float(share @ queued / (share @ lasted) / rate), float(share @ served)


def _poisson(means: Array, most: int) -> Array:
    """[n, most]: chances of 0, 1, ... events for each mean."""
    counts = np.arange(most)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most)))])
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(counts == 0, 0.0, counts * np.log(means)[:, None])
    return np.asarray(np.exp(powers - means[:, None] - logs))


def _stationary(moves: Array) -> Array:
    """The shares of time, counted in batches, of a chain with these chances to move."""
    n = len(moves)
    equations = np.vstack([moves.T - np.eye(n), np.ones(n)])
    return np.asarray(np.linalg.lstsq(equations, np.append(np.zeros(n), 1.0), rcond=None)[0])
