"""Requests through a scheduler, step after step, against a clock that a price list moves on."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import numpy as np

from chunkwise.engine.schedule import Request, Scheduler, Step, Work
from chunkwise.engine.schedule.request import decoding
from chunkwise.engine.simulate.cost import Cost, Part
from chunkwise.engine.simulate.memory import CountedSlots
from chunkwise.engine.simulate.traces import Job
from chunkwise.errors import ChunkwiseError

LONGEST = 4096  # steps that are priced at once


@dataclass
class Run:
    """What came of a simulation of one engine.

    jobs: those that were served; refused: those that no memory would ever hold; slots: of the memory; end: seconds when
    the last was done. steps, tokens: passes, and tokens through the model; busy: seconds in passes; peak: most slots in
    use; hits: tokens that were cached, those of requests that came again too; loads: expert loads; copies, copied:
    copies between device and host, and the slots they moved. gaps: [n, 2], times between tokens and how often each
    came; passes: [n, 4], each pass, or stretch of equal ones: start, end, slots in use, requests that run.
    """

    slots: int
    jobs: list[Job] = field(default_factory=list)
    refused: list[Job] = field(default_factory=list)
    end: float = 0.0
    steps: int = 0
    tokens: int = 0
    busy: float = 0.0
    peak: int = 0
    hits: int = 0
    loads: float = 0.0
    copies: int = 0
    copied: int = 0
    preempted: int = 0
    gaps: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    passes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))


def simulate(
    jobs: Sequence[Job], scheduler: Scheduler, cost: Cost, slots: int | None = None, *, jump: bool = True
) -> Run:
    """Serve the jobs on one engine; they are not changed, what became of them is in `Run.jobs`.

    slots: of the memory, `cost.slots` unless given; jump: go over stretches of steps that only decode the same requests
    at once, with the same results. Raises ChunkwiseError when the scheduler comes to a stand or uses memory that is not
    there.
    """
    return _Engine(jobs, scheduler, cost, cost.slots if slots is None else slots, jump).run()


class _Engine:
    def __init__(self, jobs: Sequence[Job], scheduler: Scheduler, cost: Cost, slots: int, jump: bool) -> None:
        self.scheduler, self.cost, self.jump, self.made = scheduler, cost, jump, Run(slots)
        self.rank = scheduler.order.rank
        for job in (job.fresh() for job in jobs):
            fits = job.prompt_tokens + job.max_tokens <= slots
            (self.made.jobs if fits else self.made.refused).append(job)
        if scheduler.order.plan is not None:
            scheduler.order.plan(self.made.jobs)
        self.coming = sorted(self.made.jobs, key=lambda job: job.arrival, reverse=True)
        self.memory = CountedSlots(slots, jobs[0].block if jobs else 1)
        self.waiting: list[Job] = []
        self.running: list[Job] = []
        self.now = 0.0
        self.gaps: list[tuple[float, float]] = []
        self.stretches: list[np.ndarray] = []
        self.passes: list[tuple[float, float, int, int]] = []

    def run(self) -> Run:
        """Until nobody is left."""
        while self.coming or self.waiting or self.running:
            self._arrive()
            step = self.scheduler(self.waiting, self.running, self.memory, self.now)
            lost = self._apply(step)
            if step.work:
                self._pass(step, lost)
            elif step.ended or step.preempted:
                self.now += lost.copying
            else:
                if not self.coming:
                    raise ChunkwiseError(
                        f"no work for {len(self.waiting)} waiting and {len(self.running)} running requests after "
                        f"{self.now:.3f} s: a fault in the scheduler"
                    )
                self.now = self.coming[-1].arrival
        made = self.made
        made.end, made.hits = self.now, self.memory.hits
        made.gaps = np.concatenate([np.array(self.gaps, dtype=np.float64).reshape(-1, 2), *self.stretches])
        made.passes = np.array(self.passes, dtype=np.float64).reshape(-1, 4)
        return made

    def _arrive(self) -> None:
        came = []
        while self.coming and self.coming[-1].arrival <= self.now:
            came.append(self.coming.pop())
        if len(came) > 8:
            self.waiting = sorted([*self.waiting, *came], key=self.rank)
        else:
            for job in came:
                insort(self.waiting, job, key=self.rank)

    def _apply(self, step: Step) -> _Lost:
        """What a step does before its pass."""
        way, moved, copies, encoding = self.scheduler.preempt, 0, 0, 0.0
        for one in step.ended:
            self._end(cast(Job, one))
        for one in step.preempted:
            self.memory.release(one)
            if way.copies:
                slots, calls = way.moved(one.computed, one.copied)
                moved, copies, one.copied = moved + slots, copies + calls, one.computed
            one.computed = one.chunk = one.depth = one.granted = 0
        for one, granted in step.admitted:
            job = cast(Job, one)
            job.granted = granted
            self.memory.admit(job)
            if job.copied:
                moved, copies = moved + job.copied, copies - (-job.copied // way.per_copy)
                job.copied *= way.kept
            if job.hit < 0:
                job.hit = job.computed
            encoding, job.encode = encoding + job.encode, 0.0
            self.running.append(job)
        if step.admitted:
            self.waiting = _without(self.waiting, [seat.request for seat in step.admitted])
        if step.preempted or step.ended:
            self.running = _without(self.running, [*step.preempted, *step.ended])
            for one in step.preempted:
                insort(self.waiting, cast(Job, one), key=self.rank)
        self.made.preempted += len(step.preempted)
        self.made.copies += copies
        self.made.copied += moved
        return _Lost(self.cost.copying(moved, copies) if copies else 0.0, encoding)

    def _end(self, job: Job) -> None:
        self.memory.release(job)
        job.ended = True

    def _pass(self, step: Step, lost: _Lost) -> None:
        """One pass over all work, or a stretch of passes that are alike but for the growth of what is read."""
        start, made = self.now, self.made
        decodes = cast(list[Job], decoding([work.request for work in step.work]))
        known = set(map(id, decodes)) if len(decodes) < len(step.work) else None
        prompts = [work for work in step.work if id(work.request) not in known] if known is not None else []
        alone = self.jump and not prompts and not any(lost)
        parts = self._parts(decodes, prompts)
        first = float(self.cost.seconds(parts))
        if any(lost):
            first = max(first, lost.copying) if self.scheduler.preempt.overlapped else first + lost.copying
            first += lost.encoding
        steps = self._stretch(step, decodes, first) if alone else 1
        later = np.zeros(0)
        self.now += first
        if steps > 1:
            later, self.now = self._later(parts[0], len(decodes), steps)
            steps = 1 + len(later)
        fresh = sum(work.tokens for work in prompts if not work.request.chunk)
        self.memory.grow(fresh + steps * len(decodes))
        made.peak = max(made.peak, self.memory.used)
        made.steps += steps
        made.tokens += fresh + steps * len(decodes)
        made.busy += self.now - start
        made.loads += steps * self.cost.loads(parts)
        self.passes.append((start, self.now, self.memory.used, len(self.running)))
        done = self._decoded(decodes, start, first, later)
        for work in prompts:
            done = self._prefilled(work) or done
        if done:
            self.running = [one for one in self.running if not one.ended]

    def _stretch(self, step: Step, decodes: Sequence[Job], first: float) -> int:
        """For how many passes the same requests decode, unless somebody comes; the first takes so many seconds."""
        steps = min(step.holds, LONGEST, min([one.output_tokens - one.produced for one in decodes]))
        if self.coming and first > 0:  # no pass is shorter than the one before
            steps = min(steps, 2 + int((self.coming[-1].arrival - self.now) / first))
        return steps

    def _later(self, part: Part, decodes: int, steps: int) -> tuple[np.ndarray, float]:
        """float64 [steps - 1 at most], seconds of each pass after the first, and when the last of them ends.

        Whoever comes during a pass is seen when it ends, so none follows that. Times are added one by one, as they are
        where every pass is taken by itself.
        """
        read = part.read + decodes * np.arange(1, steps)
        lasting = np.broadcast_to(np.asarray(self.cost.seconds([part._replace(read=read)]), np.float64), (steps - 1,))
        ends = np.add.accumulate(np.concatenate([[self.now], lasting]))
        if self.coming:
            steps = int(np.searchsorted(ends, self.coming[-1].arrival)) + 1
        return lasting[: steps - 1], float(ends[:steps][-1])

    def _parts(self, decodes: Sequence[Job], prompts: Sequence[Work]) -> list[Part]:
        """What is to be paid for: one part, or two where prompts pass some of the layers only."""
        heard, tokens, rows = 0.0, 0, len(decodes)
        for one, count, _ in prompts:
            heard += count * one.computed + count * (count + 1) / 2
            tokens += count
            rows += count == one.left
        read = float(sum([one.computed for one in decodes]) + len(decodes))
        layers = prompts[0].layers if prompts else None
        share = 1.0 if layers is None else len(layers) / self.scheduler.split.model_layers
        parts = [Part(share, len(decodes) + tokens, rows, heard, read)]
        if share < 1 and decodes:
            parts.append(Part(1 - share, len(decodes), len(decodes), 0.0, read))
        return parts

    def _decoded(self, decodes: Sequence[Job], start: float, first: float, later: np.ndarray) -> bool:
        """A token for each in each pass; whether anyone is done.

        first, later: seconds of the first pass, which began at `start`, and of those after it.
        """
        steps, longest = 1 + len(later), float(later.max(initial=0.0))
        late: list[float] = []
        done = False
        for job in decodes:
            gap = first
            if job.last != start:
                gap = start + first - job.last
                late.append(gap)
            gap = longest if longest > gap else gap
            if gap > job.worst:
                job.worst = gap
            job.last = self.now
            job.computed += steps
            job.produced += steps
            if job.produced >= job.output_tokens:
                self._end(job)
                done = True
        self.gaps += [(gap, 1.0) for gap in late]
        self.gaps.append((first, len(decodes) - len(late)))
        if len(later):
            self.stretches.append(np.column_stack([later, np.full(len(later), float(len(decodes)))]))
        return done

    def _prefilled(self, work: Work) -> bool:
        """Tokens of a prompt went through some layers or all; whether the request is done with that."""
        job, tokens, layers = cast(Job, work.request), work.tokens, work.layers
        if layers is not None and layers.stop < self.scheduler.split.model_layers:
            job.chunk, job.depth = tokens, layers.stop
            return False
        job.computed += tokens
        job.chunk = job.depth = 0
        self.memory.publish(job)
        if job.left:
            return False
        if job.produced:
            gap = self.now - job.last
            job.worst = max(job.worst, gap)
            self.gaps.append((gap, 1.0))
        else:
            job.first = self.now
        job.last = self.now
        job.produced += 1
        if job.produced >= job.output_tokens:
            self._end(job)
        return job.ended


class _Lost(NamedTuple):
    """Seconds that a pass takes longer: copies in and out, images encoded."""

    copying: float
    encoding: float


def _without(jobs: list[Job], gone: Sequence[Request]) -> list[Job]:
    out = set(map(id, gone))
    if all(id(job) in out for job in jobs[: len(out)]):
        return jobs[len(out) :]
    return [job for job in jobs if id(job) not in out]
