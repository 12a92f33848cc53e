"""Work in stages, and what lies where: the models behind placements and overlaps."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chunkwise.engine.schedule import Scheduler
from chunkwise.engine.schedule.preempt import swap
from chunkwise.engine.schedule.scheduler import LONG
from chunkwise.engine.simulate.cost import Cost, Part, Roofline
from chunkwise.engine.simulate.events import Run, simulate
from chunkwise.engine.simulate.measures import Slo, measure
from chunkwise.engine.simulate.traces import Job
from chunkwise.errors import UserError


def serve(ready: npt.ArrayLike, lasting: npt.ArrayLike, workers: int) -> npt.NDArray[np.float64]:
    """float64 [n], when each job is done that was ready then and lasts so long: first come, first served by workers."""
    at, long = np.asarray(ready, dtype=np.float64), np.asarray(lasting, dtype=np.float64)
    free, done = [0.0] * workers, np.zeros(len(at))
    for job in np.argsort(at, kind="stable"):
        done[job] = max(heapq.heappop(free), at[job]) + long[job]
        heapq.heappush(free, done[job])
    return done


def spread(jobs: Sequence[Job], engines: int) -> list[list[Job]]:
    """The jobs dealt out to so many engines: by arrival, each to the one that has been given the fewest tokens.

    Requests that begin alike go to one engine where that has been given less than an engine's share and a half.
    """
    given, homes = [0.0] * engines, dict[Hashable, int]()
    hands: list[list[Job]] = [[] for _ in range(engines)]
    for job in sorted(jobs, key=lambda one: one.arrival):
        least = min(range(engines), key=given.__getitem__)
        begins = job.blocks[min(len(job.blocks), 2) - 1] if job.blocks else None
        home = homes.get(begins, least) if begins is not None else least
        if given[home] > 1.5 * sum(given) / engines + job.prompt_tokens:
            home = least
        if begins is not None:
            homes[begins] = home
        given[home] += job.prompt_tokens + job.expected
        hands[home].append(job)
    return hands


def fleet(jobs: Sequence[Job], scheduler: Scheduler, cost: Cost, engines: int = 1) -> list[Run]:
    """The jobs on several equal engines, see `each`."""
    return list(each(jobs, scheduler, cost, engines))


def each(jobs: Sequence[Job], scheduler: Scheduler, cost: Cost, engines: int = 1) -> Iterator[Run]:
    """What came of each engine's share of the jobs, one after the other. Raises UserError for less than one engine."""
    if engines < 1:
        raise UserError(f"{engines} engines can serve nobody; give 1 or more")
    for hand in spread(jobs, engines) if engines > 1 else [jobs]:
        yield simulate(hand, scheduler, cost)


class Stages(NamedTuple):
    """Workers of each stage."""

    encode: int
    prefill: int
    decode: int


def disaggregated(jobs: Sequence[Job], stages: Stages, scheduler: Scheduler, cost: Cost) -> list[Run]:
    """The jobs through pools of their own for encoding, prefill and decoding, each worker an engine.

    Prompts are prefilled one at a time, and give the first token; a request comes to its decoder with all its keys and
    values, which are copied beside the steps there. Runs are those of the decoders.
    """
    images = np.array([job.encode for job in jobs])
    arrivals = np.array([job.arrival for job in jobs])
    encoded = np.where(images > 0, serve(arrivals, images, stages.encode), arrivals)
    alone = [cost.seconds([Part(1.0, n, 1, n * (n + 1) / 2, 0.0)]) for n in (job.prompt_tokens for job in jobs)]
    came = [job.fresh() for job in jobs]
    for one, at in zip(came, serve(encoded, alone, stages.prefill).tolist(), strict=True):
        one.encode, one.produced, one.copied = 0.0, 1, one.prompt_tokens
        one.arrival = one.first = one.last = at
    beside = replace(scheduler, preempt=swap(LONG, overlapped=True))
    going = [one for one in came if one.output_tokens > 1]
    runs = [simulate(hand, beside, cost) for hand in spread(going, stages.decode)]
    runs[0].jobs += [one for one in came if one.output_tokens <= 1]
    begun = {job.id: job.arrival for job in jobs}
    for run in runs:
        for one in (*run.jobs, *run.refused):
            one.arrival = begun[one.id]
    return runs


def best_stages(jobs: Sequence[Job], workers: int, scheduler: Scheduler, cost: Cost, slo: Slo) -> Stages:
    """How many workers each stage should have, so that most of the jobs keep to the SLO: every way is tried."""
    if workers < 3:
        raise UserError(f"{workers} workers are too few for three stages; give 3 or more")
    ways = [Stages(e, p, workers - e - p) for e, p in product(range(1, workers - 1), repeat=2) if e + p < workers]
    return max(ways, key=lambda way: measure(disaggregated(jobs, way, scheduler, cost), slo).attained)


class Blocks(NamedTuple):
    """Models as chains of blocks: their contents' ids, in order; size: bytes of a block."""

    chains: Mapping[Hashable, tuple[Hashable, ...]]
    size: float

    @property
    def distinct(self) -> int:
        """Blocks that have to be stored."""
        return len({block for chain in self.chains.values() for block in chain})


def shared_blocks(
    models: Mapping[Hashable, Sequence[npt.NDArray[np.float32]]], threshold: float = 1.0
) -> tuple[Blocks, dict[Hashable, npt.NDArray[np.float32]]]:
    """The chains of models whose blocks are kept once where they are alike, and the blocks that are kept.

    models: weights of each block, in order. Two blocks of equal shape are alike from a cosine of `threshold` between
    their weights on; at 1 only equal ones are, and every chain computes what its model did.
    """
    kept: dict[Hashable, npt.NDArray[np.float32]] = {}
    chains: dict[Hashable, tuple[Hashable, ...]] = {}
    for name, weights in models.items():
        chain: list[Hashable] = []
        for place, block in enumerate(weights):
            alike = (one for one, other in kept.items() if _alike(block, other, threshold))
            found = next(alike, None)
            if found is None:
                found = (name, place)
                kept[found] = block
            chain.append(found)
        chains[name] = tuple(chain)
    size = float(np.mean([block.nbytes for block in kept.values()])) if kept else 0.0
    return Blocks(chains, size), kept


def _alike(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], threshold: float) -> bool:
    if a.shape != b.shape:
        return False
    if threshold >= 1:
        return bool(np.array_equal(a, b))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return bool(np.vdot(a, b) >= threshold * norms) if norms else bool(np.array_equal(a, b))


class Served(NamedTuple):
    """Of requests to several models: latency of each, bytes loaded, share of the time that devices computed."""

    latency: npt.NDArray[np.float64]
    loaded: float
    busy: float


def serve_chains(
    asked: Sequence[tuple[float, Hashable, float]], blocks: Blocks, devices: int, memory: float, link: float
) -> Served:
    """Requests (arrival, model, seconds of work) on devices that load what blocks they lack, the longest unused out.

    A request goes to the device where it would be done first, loading included. memory: bytes of a device; link:
    bytes/s that it loads by. Raises UserError where a device cannot hold one chain.
    """
    room = int(memory / blocks.size) if blocks.size else 1
    longest = max((len(set(chain)) for chain in blocks.chains.values()), default=0)
    if longest > room:
        raise UserError(f"a device of {memory:,.0f} bytes holds {room} blocks, and a model has {longest}")
    held: list[OrderedDict[Hashable, None]] = [OrderedDict() for _ in range(devices)]
    free = [0.0] * devices
    latency, loaded, worked = [], 0.0, 0.0
    for arrival, model, work in asked:
        chain = dict.fromkeys(blocks.chains[model])
        lacking = [sum(block not in one for block in chain) * blocks.size for one in held]
        done = [max(free[at], arrival) + lacking[at] / link + work for at in range(devices)]
        at = min(range(devices), key=lambda one: (done[one], lacking[one], one))
        for block in chain:
            held[at].pop(block, None)
            held[at][block] = None
        while len(held[at]) > room:
            held[at].popitem(last=False)
        free[at] = done[at]
        latency.append(done[at] - arrival)
        loaded, worked = loaded + lacking[at], worked + work
    span = max(free, default=0.0) - (asked[0][0] if asked else 0.0)
    return Served(np.array(latency), loaded, worked / (devices * span) if span else 0.0)


class Move(NamedTuple):
    """An expert that goes from one device to another; source: None where it is read from storage."""

    expert: int
    source: int | None
    target: int


def rebalanced(placed: Sequence[Sequence[int]], devices: int) -> tuple[list[list[int]], list[Move]]:
    """Experts spread evenly over `devices` with the fewest moves, and these moves.

    placed: the experts of each device now. A device that stays keeps what it has up to its share; what is over, and
    what devices hold that go, fills the others. No plan with equal shares moves fewer.
    """
    experts = sum(map(len, placed))
    if devices < 1:
        raise UserError(f"experts cannot lie on {devices} devices")
    low, more = divmod(experts, devices)
    # The larger shares go to those that hold the most, so that they need not give.
    order = sorted(range(devices), key=lambda at: (-len(placed[at]) if at < len(placed) else 0, at))
    share = {at: low + (rank < more) for rank, at in enumerate(order)}
    after = [list(placed[at][: share[at]]) if at < len(placed) else [] for at in range(devices)]
    over = [(expert, at) for at, own in enumerate(placed) for expert in own[share.get(at, 0) :]]
    moves = []
    for at in range(devices):
        while len(after[at]) < share[at]:
            expert, source = over.pop()
            moves.append(Move(expert, source, at))
            after[at].append(expert)
    return after, moves


def tiles(tokens: int, tile: int, slots: int) -> int:
    """Waves that a matrix product takes whose tokens come in tiles of `tile`, `slots` of them at a time."""
    return ceil(ceil(tokens / tile) / slots) if tokens else 0


def halves(tokens: int, tile: int, slots: int) -> tuple[int, int]:
    """Two parts of a batch that together take no more waves than the whole, as equal as that allows.

    (tokens, 0) where every cut would add a wave.
    """
    whole, wave = tiles(tokens, tile, slots), tile * slots
    first = whole // 2 * wave
    return (first, tokens - first) if 0 < first < tokens else (tokens, 0)


def overlapped(compute: Callable[[int], float], reduce: Callable[[int], float], parts: Sequence[int]) -> float:
    """Seconds of a layer in steady state where each part's reduction runs beside the next part's computing.

    One part alone waits for its own: the sum. Two take the longest of all computing, all reducing, and each chain of
    one part's own.
    """
    filled = [part for part in parts if part]
    if len(filled) < 2:
        return sum(compute(part) + reduce(part) for part in filled)
    return max(
        sum(map(compute, filled)),
        sum(map(reduce, filled)),
        *(compute(part) + reduce(part) for part in filled),
    )


def layer(cost: Roofline, tile: int, slots: int) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Seconds that a layer computes and reduces for so many tokens, in whole waves of tiles."""
    layers = cost.shape.layers

    def compute(tokens: int) -> float:
        waved = tiles(tokens, tile, slots) * tile * slots
        return float(cost.linear(waved) / layers) if tokens else 0.0

    def reduce(tokens: int) -> float:
        return cost.reduced(tokens) / layers

    return compute, reduce
