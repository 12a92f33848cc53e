"""Every scheduler in the engine, over its own tree and slots, with no model behind: many requests, little memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.config import Config, Rotary
from chunkwise.engine.loop import Engine
from chunkwise.engine.rope import Rope
from chunkwise.engine.sample import Sampler, transforms
from chunkwise.engine.schedule import Scheduler
from chunkwise.engine.simulate import Job
from scheduling import Watched, every_scheduler, loads, scheduler

GREEDY = Sampler(transforms("temperature:t=0"))


class NoModel:
    """Puts out token 0 whatever it is given, and computes nothing."""

    config = Config("llama", 1 << 20, 2, 6, 1, 1, 2, 2, 1 << 20, Rotary(2))
    rope = Rope(config.rotary)
    dtype, device = torch.float32, torch.device("cpu")

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(tokens), 1)

    def run(self, x: torch.Tensor, attend: object, layers: range | None = None) -> torch.Tensor:
        return x

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(x), 2)


def engine(chosen: Scheduler, slots: int) -> Engine:
    made = Engine(NoModel(), slots, chosen)  # type: ignore[arg-type]
    made.scheduler = Watched(made.scheduler)  # type: ignore[assignment]
    return made


def prompt(job: Job) -> np.ndarray:
    """Tokens that begin alike where the blocks do."""
    alike = job.block * sum(len(block) == 2 for block in job.blocks)  # type: ignore[arg-type]
    group = job.blocks[0][0] if alike else 0  # type: ignore[index]
    first = 1000 * group + np.arange(alike)
    return np.concatenate([first, 10_000 * (job.id + 1) + np.arange(job.prompt_tokens - alike)]).astype(np.int32)  # type: ignore[operator]


def served(jobs: Sequence[Job], chosen: Scheduler, slots: int) -> Engine:
    """The jobs as they come, each cancelled when it has put out all that it will."""
    made, turns = engine(chosen, slots), 0.0
    coming = sorted(jobs, key=lambda job: job.arrival)
    if chosen.order.plan:
        chosen.order.plan(jobs)
    while coming or made.waiting or made.running:
        while coming and coming[0].arrival <= turns:
            made.add(coming.pop(0), GREEDY)
        for token in made.step():
            if token.request.produced == token.request.output_tokens:  # type: ignore[attr-defined]
                made.cancel(token.request)
        turns += 0.05
    return made


@every_scheduler
@settings(max_examples=10, deadline=None)
@given(loads(), st.integers(1, 80), st.integers(1, 12))
def test_the_tree_never_overflows_and_everyone_ends(
    name: str, drawn: tuple[list[Job], int], budget: int, seats: int
) -> None:
    jobs, slots = drawn
    for job in jobs:
        job.prompt = prompt(job)
    chosen = scheduler(name, budget, seats)
    made = served(jobs, chosen, slots)
    assert [job.produced for job in jobs] == [min(job.output_tokens, chosen.limit or 1000) for job in jobs]
    assert made.free == made.total
    made.tree.check()


def test_a_prefix_is_computed_once() -> None:
    """Two groups of ten with 64 tokens in common: batchllm computes each once, over the tree too."""
    jobs = [Job(n, 80, 5, blocks=tuple((n % 2, at) for at in range(8)), block=8, output_tokens=5) for n in range(20)]
    for job in jobs:
        job.prompt = prompt(job)
    made = served(jobs, scheduler("batchllm", 512, 64), 4000)
    assert made.computed == 2 * 64 + 20 * (16 + 4)
    assert [job.prefix for job in jobs] == [64] * 20


def test_the_memory_tells_what_is_whose() -> None:
    first, second = (Job(n, 20, 4, blocks=((0, 0), (0, 1)), block=8, output_tokens=4) for n in range(2))
    made = engine(scheduler("sarathi-serve", 64, 4), 100)
    for job in (first, second):
        job.prompt = prompt(job)
    made.add(first, GREEDY)
    assert (made.cached(first), made.shared(first), made.free) == (0, 0, 100)
    made.step()
    made.add(second, GREEDY)
    assert (made.cached(second), made.shared(second), made.shared(first), made.free) == (16, 16, 0, 80)
    made.step()
    assert (made.shared(second), made.shared(first), made.free) == (16, 16, 100 - 21 - 4)
    made.cancel(first)
    assert (made.shared(second), made.free) == (0, 80)
