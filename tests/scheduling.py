"""Any scheduler, checked at every step, and requests for it to serve."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import strategies as st

from chunkwise.engine.schedule import Memory, Request, Scheduler, Step
from chunkwise.engine.schedule import recipes as schedulers
from chunkwise.engine.schedule.compose import prefill_first, whole_batches
from chunkwise.engine.schedule.request import decoding
from chunkwise.engine.simulate import Job
from chunkwise.recipe import build, recipes

SMALL = {
    "layered-prefill": "layered-prefill:layers=6,groups=4,per=8",
    "fastswitch": "fastswitch:turn=3,run=8",
    "s3": "s3:buckets=4",
    "mg1-token-limit": "mg1-token-limit:limit=9",
}
NAMES = [made.name for made in recipes("serve-schedule") if made.build.__module__ == schedulers.__name__]
every_scheduler = pytest.mark.parametrize("name", [*NAMES, "whole batches"])


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
