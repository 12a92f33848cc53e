"""Every scheduler: budget, seats and memory hold, everyone ends, tokens are accounted for, decodes never wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.schedule import Scheduler, Step
from chunkwise.engine.schedule.admit import first_level
from chunkwise.engine.simulate import Fitted, Job, Run, simulate
from chunkwise.errors import ChunkwiseError, UserError
from scheduling import Watched, every_scheduler, loads, scheduler

PRICES = Fitted(base=0.01, token=1e-4, row=1e-5, heard=1e-7, read=3e-7, slot=1e-6, copy=1e-4)


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
