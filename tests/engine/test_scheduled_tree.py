"""The schedulers that the simulator runs drive the engine's own prefix tree and slots as well, with no model behind."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.kv.arena import Extent, Slots
from chunkwise.engine.kv.tree import Node, Tree, _steps
from chunkwise.engine.schedule import Request, Scheduler, Step
from chunkwise.engine.simulate import Job
from scheduling import Watched, every_scheduler, loads, scheduler


class Held:
    """A memory as schedulers see it: what requests hold is pinned in the tree, or lies in a tail of their own."""

    def __init__(self, slots: int) -> None:
        self.tree = Tree(Slots(slots))
        self.total = slots
        self.nodes: dict[int, Node] = {}
        self.tails: dict[int, list[Extent]] = {}
        self.computed = 0

    @property
    def free(self) -> int:
        return self.tree.slots.free_slots + self.tree.evictable

    def cached(self, one: Request) -> int:
        return self.tree.held(known(one)[:-1])

    def shared(self, one: Request) -> int:
        if node := self.nodes.get(id(one)):
            return sum(len(above.tokens) for above in self.tree.path(node) if above.references > 1)
        return sum(same for node, same in _steps(self.tree.root(), known(one)[:-1]) if node.references)

    def admit(self, one: Request) -> None:
        node, one.computed = self.tree.match(known(one)[:-1])
        self.tree.pin(node)
        self.nodes[id(one)], self.tails[id(one)] = node, []

    def take(self, one: Request, slots: int) -> None:
        """Slots for the next tokens, of its own for the time being."""
        self.tree.make_room(slots)
        self.tails[id(one)] += self.tree.slots.allocate(slots)
        self.computed += slots

    def commit(self, one: Request) -> None:
        """Its tail becomes part of the tree, for others to find."""
        node = self.nodes[id(one)]
        deeper = self.tree.insert(node, known(one)[node.stop : one.computed], self.tails[id(one)])
        self.tree.pin(deeper)
        self.tree.release(node)
        self.nodes[id(one)], self.tails[id(one)] = deeper, []

    def release(self, one: Request) -> None:
        if one.chunk:  # what was half through the layers is nothing yet
            self.tree.slots.free(self.tails[id(one)])
            self.tails[id(one)] = []
        self.commit(one)
        self.tree.release(self.nodes.pop(id(one)))
        del self.tails[id(one)]


def known(one: Request) -> np.ndarray:
    """The prompt, and as tokens that were produced, ones that nobody else produces."""
    assert one.prompt is not None
    assert isinstance(one.id, int)
    return np.concatenate([one.prompt, 1_000_000 + 1000 * one.id + np.arange(one.produced, dtype=np.int32)])


def prompt(job: Job) -> np.ndarray:
    """Tokens that begin alike where the blocks do."""
    alike = job.block * sum(len(block) == 2 for block in job.blocks)  # type: ignore[arg-type]
    group = job.blocks[0][0] if alike else 0  # type: ignore[index]
    first = 1000 * group + np.arange(alike)
    return np.concatenate([first, 10_000 * (job.id + 1) + np.arange(job.prompt_tokens - alike)]).astype(np.int32)  # type: ignore[operator]


def served(jobs: Sequence[Job], chosen: Scheduler, slots: int) -> Held:
    """A loop as short as it can be: end, preempt, admit, one pass; layers in groups are gone through as told."""
    memory, watched = Held(slots), Watched(chosen)
    coming = sorted(jobs, key=lambda job: job.arrival)
    waiting: list[Request] = []
    running: list[Request] = []
    turns = 0.0
    if chosen.order.plan:
        chosen.order.plan(jobs)
    while coming or waiting or running:
        while coming and coming[0].arrival <= turns:
            insort(waiting, coming.pop(0), key=chosen.order.rank)
        step: Step = watched(waiting, running, memory, turns)
        for one in (*step.ended, *step.preempted):
            memory.release(one)
            running.remove(one)
        for one in step.preempted:
            one.computed = one.chunk = one.depth = one.granted = 0
            insort(waiting, one, key=chosen.order.rank)
        for one, granted in step.admitted:
            waiting.remove(one)
            memory.admit(one)
            one.granted = granted
            running.append(one)
        for one, tokens, layers in step.work:
            if not one.chunk:
                memory.take(one, tokens)
            if layers is not None and layers.stop < chosen.split.model_layers:
                one.chunk, one.depth = tokens, layers.stop
                continue
            prefilling = one.left > 1 or not one.produced
            one.computed += tokens
            one.chunk = one.depth = 0
            if prefilling:
                memory.commit(one)
            one.produced += not one.left
            if one.produced >= min(one.max_tokens, one.output_tokens):  # type: ignore[attr-defined]
                memory.release(one)
                running.remove(one)
        turns += 0.05
    return memory


@every_scheduler
@settings(max_examples=25)
@given(loads(), st.integers(1, 80), st.integers(1, 12))
def test_the_tree_never_overflows_and_everyone_ends(
    name: str, drawn: tuple[list[Job], int], budget: int, seats: int
) -> None:
    jobs, slots = drawn
    for job in jobs:
        job.prompt = prompt(job)
    chosen = scheduler(name, budget, seats)
    memory = served(jobs, chosen, slots)
    assert [job.produced for job in jobs] == [min(job.output_tokens, chosen.limit or 1000) for job in jobs]
    assert memory.free == memory.total
    assert not memory.nodes
    memory.tree.check()


def test_a_prefix_is_computed_once() -> None:
    """Two groups of ten with 64 tokens in common: batchllm computes each once, over the tree too."""
    jobs = [Job(n, 80, 5, blocks=tuple((n % 2, at) for at in range(8)), block=8, output_tokens=5) for n in range(20)]
    for job in jobs:
        job.prompt = prompt(job)
    memory = served(jobs, scheduler("batchllm", 512, 64), 4000)
    assert memory.computed == 2 * 64 + 20 * (16 + 4)
    assert [job.prefix for job in jobs] == [64] * 20


def test_the_memory_tells_what_is_whose() -> None:
    jobs = [Job(n, 20, 4, blocks=((0, 0), (0, 1)), block=8, output_tokens=4) for n in range(2)]
    memory = Held(100)
    for job in jobs:
        job.prompt = prompt(job)
    first, second = jobs
    assert (memory.cached(first), memory.shared(first), memory.free) == (0, 0, 100)
    memory.admit(first)
    memory.take(first, 20)
    first.computed = 20
    memory.commit(first)
    assert (memory.cached(second), memory.shared(second), memory.shared(first), memory.free) == (16, 16, 0, 80)
    memory.admit(second)
    assert (memory.shared(second), memory.shared(first)) == (16, 16)
    memory.release(first)
    assert (memory.shared(second), memory.free) == (0, 84)
