"""Placements and overlaps, as simulations: none of them moves a weight, all say what moving it would be worth."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.engine.schedule.recipes import sarathi_serve
from chunkwise.engine.simulate.cost import Cost, Roofline
from chunkwise.engine.simulate.events import Run
from chunkwise.engine.simulate.measures import Slo
from chunkwise.engine.simulate.pools import (
    Blocks,
    Move,
    Served,
    Stages,
    best_stages,
    disaggregated,
    halves,
    layer,
    overlapped,
    rebalanced,
    serve_chains,
    shared_blocks,
)
from chunkwise.engine.simulate.traces import Job
from chunkwise.recipe import recipe

Weights: TypeAlias = Mapping[Hashable, Sequence[npt.NDArray[np.float32]]]


@recipe(
    "epd-disagg",
    family="serve-schedule",
    seed="Efficiently Serving Large Multimodal Models Using EPD Disaggregation",
    claim="with pools of their own for images, prompts and decoding more requests keep to the SLO on as many workers",
)
def epd_disagg(workers: int = 8, seats: int = 256) -> Callable[[Sequence[Job], Cost, Slo], tuple[Stages, list[Run]]]:
    """A simulation: (jobs, cost, slo) to the workers that each stage should have, and what came of it.

    `Job.encode` is the work on a request's images. Allocations are tried one by one on the jobs themselves, the paper
    optimises them on a profile; its parallel encoding of one request's images, its saving of memory where a worker
    needs not hold the whole model, and workers that change roles while they run are not modelled.
    """
    scheduler = sarathi_serve(2048, seats)

    def placed(jobs: Sequence[Job], cost: Cost, slo: Slo) -> tuple[Stages, list[Run]]:
        stages = best_stages(jobs, workers, scheduler, cost, slo)
        return stages, disaggregated(jobs, stages, scheduler, cost)

    return placed


@recipe(
    "blockllm",
    family="serve-schedule",
    seed="BlockLLM: Multi-tenant Finer-grained Serving for Large Language Models",
    claim="fine-tuned models that share blocks need less memory, load less and answer sooner, each by its own chain",
)
def blockllm(
    threshold: float = 1.0, devices: int = 4
) -> Callable[[Weights, Sequence[tuple[float, Hashable, float]], float, float], tuple[Blocks, Served]]:
    """A simulation: (models, requests, bytes of a device, bytes/s of loading) to the shared blocks and the latencies.

    Blocks are the same from a cosine of `threshold` between their weights on; below 1 a chain is like its model.
    A request goes where it is done first, with what has to be loaded there. The paper's queues and batches by block,
    its surrogate blocks for speculation and its adapters between blocks of unequal width are not modelled.
    """

    def placed(
        models: Weights, asked: Sequence[tuple[float, Hashable, float]], memory: float, link: float
    ) -> tuple[Blocks, Served]:
        blocks, _ = shared_blocks(models, threshold)
        return blocks, serve_chains(asked, blocks, devices, memory, link)

    return placed


class Scaling(NamedTuple):
    """What it takes to spread experts over more or fewer devices: the moves, bytes moved, seconds, seconds unserved."""

    experts: list[list[int]]
    moves: list[Move]
    bytes: float
    seconds: float
    downtime: float


@recipe(
    "elasticmoe",
    family="moe",
    seed="ElasticMoE: An Efficient Auto Scaling Method for Mixture-of-Experts Models",
    claim="scaling moves the fewest experts there can be, between devices, while the old placement goes on serving",
)
def elasticmoe(switch: float = 0.05) -> Callable[[Sequence[Sequence[int]], int, float, float], Scaling]:
    """A simulation: (experts of each device, devices wanted, bytes of an expert, bytes/s of a link) to a `Scaling`.

    Each device sends and receives at the speed of its link, all at once; what stays is mapped anew and not copied.
    switch: seconds in which requests wait for the new mapping, an assumption. Keys and values, which stay where they
    are, and the warm instances that the paper keeps ready are not modelled.
    """

    def scaled(placed: Sequence[Sequence[int]], devices: int, size: float, link: float) -> Scaling:
        after, moves = rebalanced(placed, devices)
        traffic = [
            max(sum(move.source == at for move in moves), sum(move.target == at for move in moves))
            for at in range(max(devices, len(placed)))
        ]
        return Scaling(after, moves, len(moves) * size, max(traffic, default=0) * size / link + switch, switch)

    return scaled


class Overlap(NamedTuple):
    """The tokens of each half, and seconds of a layer with them and without."""

    parts: tuple[int, int]
    seconds: float
    plain: float


@recipe(
    "tokenweave",
    family="serve-schedule",
    seed="TokenWeave: Efficient Compute-Communication Overlap for Distributed LLM Inference",
    claim="a batch cut in two at a whole wave of tiles costs no wave more; one half reduces while the other computes",
)
def tokenweave(tile: int = 128, slots: int = 8) -> Callable[[Roofline, int], Overlap]:
    """A simulation: (cost, tokens) to the halves of the batch and the seconds of a layer.

    tile: tokens of a tile; slots: tiles of tokens that a device computes at a time, so a wave is tile x slots. A batch
    that no cut would leave its waves stays whole. Both halves hear the same keys, so what they give is what the batch
    gives. The paper's fused kernel of all-reduce and RMSNorm, which frees most of the cores, is what makes the overlap
    free here; it is assumed.
    """

    def cut(cost: Roofline, tokens: int) -> Overlap:
        compute, reduce = layer(cost, tile, slots)
        parts = halves(tokens, tile, slots)
        plain = overlapped(compute, reduce, (tokens,))
        seconds = overlapped(compute, reduce, parts)
        return Overlap(parts, seconds, plain) if seconds < plain else Overlap((tokens, 0), plain, plain)

    return cut
