"""The claims of the schedulers, each with a control that must lose."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from chunkwise.engine.schedule import Scheduler, Step
from chunkwise.engine.schedule.admit import first_come
from chunkwise.engine.schedule.compose import whole_batches
from chunkwise.engine.schedule.preempt import recompute, swap
from chunkwise.engine.schedule.reserve import worst_case
from chunkwise.engine.simulate import Fitted, Job, Roofline, Run, generate, measure, simulate
from chunkwise.engine.simulate.closed import best_limit, law, pollaczek_khinchine
from chunkwise.engine.simulate.cost import HARDWARE, SHAPES, Part
from chunkwise.recipe import build

A100 = Roofline(HARDWARE["a100"], SHAPES["llama-3-8b"])
A6000 = Roofline(HARDWARE["a6000"], SHAPES["llama-13b"])
MOE = Roofline(HARDWARE["h100"], SHAPES["qwen3-30b-a3b"])


def made(spec: str) -> Scheduler:
    scheduler = build(spec, "serve-schedule")
    assert isinstance(scheduler, Scheduler)
    return scheduler


def served(
    jobs: Sequence[Job], scheduler: str | Scheduler, cost: Roofline | Fitted = A100, slots: int = 400_000
) -> Run:
    run = simulate(jobs, made(scheduler) if isinstance(scheduler, str) else scheduler, cost, slots)
    assert [job.produced for job in run.jobs] == [job.output_tokens for job in run.jobs]
    return run


def chatting_and_a_long_prompt() -> list[Job]:
    """Sixteen short requests that decode, and one of 8,000 tokens that comes amid them."""
    return [*(Job(n, 50, 300, 0.0, output_tokens=300) for n in range(16)), Job(16, 8000, 10, 1.0, output_tokens=10)]


def waited(run: Run) -> float:
    return max(job.worst for job in run.jobs if job.prompt_tokens < 1000)


def test_fcfs() -> None:
    """First tokens come in order of arrival, not by size, and memory that is not set aside serves more at once."""
    jobs = [Job(n, 100 + 90 * (n % 3), 400, 0.001 * n, output_tokens=20) for n in range(60)]

    def ordered(run: Run) -> bool:
        return [job.first for job in run.jobs] == sorted(job.first for job in run.jobs)

    run, control = served(jobs, "fcfs", slots=4000), served(jobs, "s3", slots=4000)
    assert ordered(run)
    assert not ordered(control)
    cautious = dataclasses.replace(made("fcfs"), reserve=worst_case())
    assert run.end < 0.6 * served(jobs, cautious, slots=4000).end
    # What it is the control for: the prompt stalls everybody.
    assert waited(served(chatting_and_a_long_prompt(), "fcfs")) > 0.3


def test_sarathi() -> None:
    """Decodes beside a chunk cost a fraction of what they cost in steps of their own, which the control has."""
    heard = 252 * 500.0
    chunk = A6000.seconds([Part(1, 252, 1, heard, 0)])
    beside = A6000.seconds([Part(1, 256, 5, heard, 4 * 900.0)]) - chunk
    alone = A6000.seconds([Part(1, 4, 4, 0, 4 * 900.0)])
    assert alone > 5 * beside
    jobs = [Job(n, 900, 60, 0.0, output_tokens=60) for n in range(40)]
    run, control = (served(jobs, spec, A6000, 20_000) for spec in ("sarathi:chunk=256,seats=5", "fcfs:seats=5"))
    assert run.end < 0.9 * control.end
    stalled, stalls = (waited(served(chatting_and_a_long_prompt(), spec)) for spec in ("sarathi", "fcfs"))
    assert stalled < 0.2 * stalls
    assert max(work_tokens(jobs, "sarathi:chunk=256")) <= 256 < max(work_tokens(jobs, "fcfs"))


def work_tokens(jobs: Sequence[Job], spec: str) -> list[int]:
    """Tokens in each step."""
    return [sum(work.tokens for work in step.work) for step in steps(jobs, spec)]


def steps(jobs: Sequence[Job], spec: str) -> list[Step]:
    """Every step that a scheduler chose, those it would repeat once each."""
    seen: list[Step] = []

    class Kept:
        inner = made(spec)

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def __call__(self, *given: Any) -> Step:
            seen.append(self.inner(*given))
            return seen[-1]

    simulate(jobs, Kept(), A100, 400_000)  # type: ignore[arg-type]
    return seen


def test_sarathi_serve() -> None:
    """The longest wait between tokens is one step of the budget though a prompt of sixteen comes; not so FCFS."""
    jobs = chatting_and_a_long_prompt()
    run, control = served(jobs, "sarathi-serve:budget=512"), served(jobs, "fcfs")
    most = A100.seconds([Part(1, 512, 17, 512 * 8000.0, 16 * 400.0)])
    assert waited(run) <= most < waited(control) / 5
    assert run.end <= 1.05 * control.end


def test_fastgen_splitfuse() -> None:
    """While prompts wait every forward pass is full, so its time varies little; whole prompts come in any size."""
    jobs = [
        Job(n, tokens, 30, output_tokens=30) for n, tokens in enumerate([30, 2900, 75, 1400, 20, 3600, 600, 50] * 6)
    ]

    def sizes(spec: str) -> np.ndarray:
        chosen = work_tokens(jobs, spec)
        busy = [at for at, step in enumerate(steps(jobs, spec)) if any(not work.request.produced for work in step.work)]
        return np.array(chosen[: max(busy, default=len(chosen))] or chosen)

    split = sizes("fastgen-splitfuse:size=512")
    prefills = sum(job.prompt_tokens for job in jobs) // 512
    assert (split[:prefills] == 512).all()
    assert sizes("fcfs").std() > 300

    def varies(spec: str) -> float:
        gaps = served(jobs, spec).gaps
        mean = np.average(gaps[:, 0], weights=gaps[:, 1])
        return float(np.average((gaps[:, 0] - mean) ** 2, weights=gaps[:, 1]))

    assert varies("fastgen-splitfuse:size=512") < 0.1 * varies("fcfs")


def test_layered_prefill() -> None:
    """A prompt loads each layer's experts once, where chunks load them again and again; no decode waits in either."""
    jobs = [*(Job(n, 50, 200, output_tokens=200) for n in range(8)), Job(8, 8000, 2, 0.5, output_tokens=2)]
    run = served(jobs, "layered-prefill", MOE)
    control, stalled = served(jobs, "sarathi-serve:budget=512", MOE), served(jobs, "fcfs", MOE)
    alone = served(jobs[:8], "layered-prefill", MOE).loads
    assert run.loads - alone < 0.5 * (control.loads - alone)
    assert run.jobs[8].last - 0.5 < 0.9 * (control.jobs[8].last - 0.5)
    assert waited(run) < 0.3 * waited(stalled)


def sharing(groups: int = 12, each: int = 20, prefix: int = 2048) -> list[Job]:
    """An offline batch: a shared prefix a group, the groups interleaved; some decode long, some hardly."""
    return [
        Job(
            n, prefix + 128, 100, predicted=100 if n % groups % 2 else 8, output_tokens=100 if n % groups % 2 else 8,
            blocks=tuple((n % groups, at) for at in range(prefix // 128)), block=128,
        )
        for n in range(groups * each)
    ]  # fmt: skip


def test_batchllm() -> None:
    """Each prefix is computed once and the batch is done sooner than first come, first served over the same cache."""
    jobs = sharing()
    slots = 12_000
    run, control = served(jobs, "batchllm", slots=slots), served(jobs, "fcfs", slots=slots)
    unique = 12 * 2048 + len(jobs) * 128
    decoded = sum(job.output_tokens - 1 for job in jobs)
    computed, again = (one.tokens - decoded for one in (run, control))
    assert sum(job.hit for job in run.jobs) == 12 * 19 * 2048
    assert computed <= 1.1 * unique  # what was preempted is computed again
    assert again > 3 * unique
    assert run.end < 0.75 * control.end
    # Groups that decode most come first, so that what they leave free is filled by the prompts of others.
    ends = [np.mean([job.first for job in run.jobs if job.output_tokens == tokens]) for tokens in (100, 8)]
    assert ends[0] < ends[1]


def test_s3() -> None:
    """More requests run at once in a memory than by the worst case; those predicted too short end all the same."""
    random = np.random.default_rng(0)
    lengths = random.integers(5, 200, 80)
    jobs = [
        Job(n, 60, 1000, predicted=int(length * random.choice([0.3, 1.0])), output_tokens=int(length))
        for n, length in enumerate(lengths)
    ]
    run = served(jobs, "s3", slots=8000)
    control = served(jobs, dataclasses.replace(made("s3"), reserve=worst_case(), order=first_come()), slots=8000)
    assert run.preempted > 0 == control.preempted
    assert run.passes[:, 3].max() > 2 * control.passes[:, 3].max()
    assert run.end < 0.6 * control.end


def test_fastswitch() -> None:
    """Fair turns with few copies, none of what lies outside already, and no wait for them; each control loses."""
    jobs = [Job(n, 300, 200, 0.02 * n, output_tokens=40 if n % 4 else 200) for n in range(60)]
    slots = 5000
    fair = made("fastswitch:turn=16")
    runs = {
        name: served(jobs, dataclasses.replace(fair, preempt=way), slots=slots)
        for name, way in {
            "grouped": fair.preempt,
            "blocks": dataclasses.replace(fair.preempt, per_copy=16),
            "all again": dataclasses.replace(fair.preempt, kept=False),
            "plain": swap(16),
        }.items()
    }
    assert runs["grouped"].preempted > 20
    assert runs["grouped"].copies < 0.2 * runs["blocks"].copies
    assert runs["grouped"].copied < 0.8 * runs["all again"].copied
    assert measure(runs["grouped"]).tbt_p99 < measure(runs["plain"]).tbt_p99
    # What the turns are for: short requests do not wait behind long ones as they do in order of arrival.
    short = [
        np.mean([job.first - job.arrival for job in one.jobs])
        for one in (runs["grouped"], served(jobs, "fcfs", slots=slots))
    ]
    assert short[0] < 0.7 * short[1]
    dropped = served(jobs, dataclasses.replace(fair, preempt=recompute()), slots=slots)
    assert runs["grouped"].tokens < dropped.tokens


def test_flover() -> None:
    """Requests that join and leave at any token are done sooner than batches that begin and end together."""
    jobs = generate(40, 200, prompt=100, output=80, seed=1)
    run = served(jobs, "flover:seats=16")
    control = served(jobs, dataclasses.replace(made("flover:seats=16"), compose=whole_batches))
    assert run.end < 0.7 * control.end
    assert measure(run).latency_p50 < 0.5 * measure(control).latency_p50


def test_infinite_sampling() -> None:
    """Half the memory of all at once and fewer steps than groups in turn, with the same samples."""
    lengths = np.random.default_rng(2).integers(50, 400, 48)
    jobs = [
        Job(n, 520, 1000, predicted=int(length), output_tokens=int(length), blocks=tuple(range(8)), block=64)
        for n, length in enumerate(lengths)
    ]
    few = made("infinite-sampling:slots=12")
    run, together = served(jobs, few), served(jobs, "infinite-sampling:slots=48")
    in_turn = served(jobs, dataclasses.replace(few, compose=whole_batches, order=first_come()))
    assert run.peak < 0.6 * together.peak
    assert run.steps < 0.85 * in_turn.steps
    assert run.hits == 44 * 512  # all but the four that the first step had a budget for
    assert sorted((job.id, job.produced) for job in run.jobs) == sorted((job.id, job.produced) for job in in_turn.jobs)


def test_mg1_token_limit() -> None:
    """The wait is the formula's, with the limit and without, and the limit that cuts one in a hundred halves it."""
    random = np.random.default_rng(3)
    count, rate, slope = 4_000, 8.0, 1e-3
    lengths = np.where(random.random(count) < 0.01, 2000, 1 + random.integers(0, 120, count))
    arrivals = np.cumsum(random.exponential(1 / rate, count))
    jobs = [
        Job(n, 1, 2000, float(at), output_tokens=int(out))
        for n, (at, out) in enumerate(zip(arrivals, lengths, strict=True))
    ]
    of = law(lengths)
    waits = {}
    for limit in (2000, 200):
        run = simulate(jobs, made(f"mg1-token-limit:limit={limit}"), Fitted(base=slope), 4000)
        wait = np.array([job.first - slope - job.arrival for job in run.jobs])
        waits[limit] = (float(wait.mean()), pollaczek_khinchine(rate, of.clipped(limit).scaled(0, slope)))
        # Waits that follow each other are alike, so the error is that of the means of long stretches.
        error = wait.reshape(20, -1).mean(axis=1).std() / np.sqrt(20)
        assert abs(waits[limit][0] - waits[limit][1]) < 3 * error
    assert waits[200][0] < 0.5 * waits[2000][0]
    assert waits[2000][0] != pytest.approx(waits[200][1], rel=0.3)  # the control: the formula of the other limit
    chosen = best_limit(rate, of, 0.0, slope, price=1.0)
    assert chosen.tokens < 2000
    assert 0 < chosen.cut <= 0.0201
    assert best_limit(rate, of, 0.0, slope, price=1e9).tokens == 2000
