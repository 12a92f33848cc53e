"""Every scheduler: budget, seats and memory hold, everyone ends, tokens are accounted for, decodes never wait."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.schedule import Memory, Request, Scheduler, Step
from chunkwise.engine.schedule import recipes as schedulers
from chunkwise.engine.schedule.admit import first_level
from chunkwise.engine.schedule.compose import prefill_first, whole_batches
from chunkwise.engine.schedule.request import decoding
from chunkwise.engine.simulate import Fitted, Job, Run, simulate
from chunkwise.errors import ChunkwiseError, UserError
from chunkwise.recipe import build, recipes

SMALL = {
    "layered-prefill": "layered-prefill:layers=6,groups=4,per=8",
    "fastswitch": "fastswitch:turn=3,run=8",
    "s3": "s3:buckets=4",
    "mg1-token-limit": "mg1-token-limit:limit=9",
}
NAMES = [made.name for made in recipes("serve-schedule") if made.build.__module__ == schedulers.__name__]
every_scheduler = pytest.mark.parametrize("name", [*NAMES, "whole batches"])
PRICES = Fitted(base=0.01, token=1e-4, row=1e-5, heard=1e-7, read=3e-7, slot=1e-6, copy=1e-4)


def scheduler(name: str, budget: int, seats: int) -> Scheduler:
    made = (
        Scheduler(compose=whole_batches) if name == "whole batches" else build(SMALL.get(name, name), "serve-schedule")
    )
    assert isinstance(made, Scheduler)
    return dataclasses.replace(made, budget=budget, seats=min(seats, made.seats))


class Watched:
    """A scheduler of which every step is checked."""

    def __init__(self, inner: Scheduler) -> None:
        self.inner, self.dropped, self.resumed = inner, 0, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def __call__(self, waiting: Sequence[Request], running: Sequence[Request], memory: Memory, now: float) -> Step:
        step = self.inner(waiting, running, memory, now)
        assert step == self.inner(waiting, running, memory, now)
        assert [*waiting] == sorted(waiting, key=self.inner.order.rank)
        stay = [one for one in running if one not in step.preempted and one not in step.ended]
        admitted = [seat.request for seat in step.admitted]
        worked = [work.request for work in step.work]
        assert set(map(id, admitted)) <= set(map(id, waiting))
        assert set(map(id, [*step.preempted, *step.ended])) <= set(map(id, running))
        assert set(map(id, worked)) <= set(map(id, [*stay, *admitted]))
        assert len(set(map(id, worked))) == len(worked)
        assert len(stay) + len(admitted) <= self.inner.seats
        assert sum(work.tokens for work in step.work) <= self.inner.budget
        for one, tokens, _ in step.work:
            held = 0 if one in stay else one.copied or memory.cached(one)
            assert 0 < tokens <= one.left - held
        if self.inner.compose is not prefill_first:
            assert set(map(id, decoding(stay))) <= set(map(id, worked))
        assert step.holds >= 1
        self.dropped += sum(one.computed + one.chunk for one in step.preempted)
        self.resumed += sum(one.copied for one in admitted)
        return step


@st.composite
def loads(draw: st.DrawFn) -> tuple[list[Job], int]:
    """Requests, some that begin alike, and a memory that holds each of them alone."""
    count, longest = draw(st.integers(0, 30)), draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    patience = draw(st.sampled_from([0.0, 0.02, 0.3]))
    jobs = []
    for number in range(count):
        prompt, group = int(random.integers(1, 80)), int(random.integers(2))
        alike = int(random.choice([0, prompt // 16, prompt // 8]))
        blocks = (*((group, at) for at in range(alike)), *((number, at, 0) for at in range(alike, prompt // 8)))
        jobs.append(
            Job(
                number, prompt, longest, float(random.exponential(patience) * number),
                priority=int(random.integers(3)), predicted=int(random.integers(50)) if random.random() < 0.7 else None,
                blocks=blocks, block=8, output_tokens=int(random.integers(1, longest + 1)),
            )
        )  # fmt: skip
    least = max((job.prompt_tokens + job.max_tokens for job in jobs), default=1)
    return jobs, least + draw(st.integers(0, 150))


def told(run: Run) -> list[tuple[object, ...]]:
    return [(job.id, job.first, job.last, job.worst, job.produced, job.computed) for job in run.jobs]


@every_scheduler
@settings(max_examples=40)
@given(loads(), st.integers(1, 80), st.integers(1, 12))
def test_contract(name: str, drawn: tuple[list[Job], int], budget: int, seats: int) -> None:
    jobs, slots = drawn
    inner = scheduler(name, budget, seats)
    watched = Watched(inner)
    run = simulate(jobs, watched, PRICES, slots, jump=False)  # type: ignore[arg-type]
    limit = inner.limit or 1000
    assert [job.produced for job in run.jobs] == [min(job.output_tokens, limit) for job in run.jobs]
    assert not run.refused
    assert run.peak <= slots
    held = sum(job.prompt_tokens + job.produced - 1 for job in run.jobs)
    assert run.tokens + run.hits + watched.resumed == held + watched.dropped
    assert all(job.arrival < job.first <= job.last for job in run.jobs)
    assert sum(run.gaps[:, 1]) == sum(job.produced - 1 for job in run.jobs)
    again = simulate(jobs, inner, PRICES, slots)
    assert told(again) == told(run)
    assert (again.end, again.steps, again.tokens, again.peak, again.hits, again.copies, again.copied) == (
        run.end, run.steps, run.tokens, run.peak, run.hits, run.copies, run.copied
    )  # fmt: skip


@every_scheduler
def test_nothing_to_do(name: str) -> None:
    run = simulate([], scheduler(name, 8, 2), PRICES, 10)
    assert (run.steps, run.end, run.jobs) == (0, 0.0, [])


@every_scheduler
def test_what_never_fits_is_refused(name: str) -> None:
    jobs = [Job(0, 50, 50, output_tokens=3), Job(1, 5, 4, output_tokens=3)]
    run = simulate(jobs, scheduler(name, 16, 4), PRICES, 20)
    assert [job.id for job in run.refused] == [0]
    assert [job.produced for job in run.jobs] == [3]


@pytest.mark.parametrize("wrong", [{"budget": 0}, {"seats": 0}, {"limit": -1}])
def test_a_scheduler_needs_room(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="budget and a seat"):
        Scheduler(**wrong)


def test_a_scheduler_at_fault_is_told() -> None:
    class Idle(Watched):
        def __call__(self, *_: object) -> Step:
            return Step([])

    class Greedy(Watched):
        def __call__(self, *given: object) -> Step:
            step = self.inner(*given)  # type: ignore[arg-type]
            return step._replace(work=[work._replace(tokens=work.tokens * 50) for work in step.work])

    jobs = [Job(0, 8, 4, output_tokens=4)]
    with pytest.raises(ChunkwiseError, match="no work for 1 waiting"):
        simulate(jobs, Idle(Scheduler()), PRICES, 20)  # type: ignore[arg-type]
    with pytest.raises(ChunkwiseError, match="must mind Memory"):
        simulate(jobs, Greedy(Scheduler()), PRICES, 20)  # type: ignore[arg-type]


def best_saving(prompts: list[tuple[int, ...]]) -> int:
    """The most that cuts of the prefix tree can save, by trying them all from the root down."""

    def node(members: list[tuple[int, ...]], depth: int) -> int:
        children: dict[int, list[tuple[int, ...]]] = {}
        for prompt in members:
            if len(prompt) > depth:
                children.setdefault(prompt[depth], []).append(prompt)
        below = sum(node(some, depth + 1) for some in children.values() if len(some) > 1)
        return max((len(members) - 1) * depth, below)

    return node(prompts, 0)


@given(st.lists(st.lists(st.integers(0, 2), max_size=6).map(tuple), max_size=12))
def test_first_level_prefixes_save_the_most(prompts: list[tuple[int, ...]]) -> None:
    found = first_level(prompts)
    saved = 0
    for group in {group for group, _ in found if group is not None}:
        members = [(prompt, depth) for prompt, (own, depth) in zip(prompts, found, strict=True) if own == group]
        depth = members[0][1]
        assert len({prompt[:depth] for prompt, _ in members}) == 1
        assert {own for _, own in members} == {depth}
        saved += (len(members) - 1) * depth
    assert saved == best_saving(prompts)
