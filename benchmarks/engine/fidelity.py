"""The simulator held to the engine: the same requests through both, by the same scheduler.

    python -m benchmarks.engine.fidelity [--data DIR] [--small]

Prices are fitted to the engine's steps on one set of requests; others are then simulated with them and run by the
engine. Time is processor time of one thread: a step moves the clock on by what it cost, and requests come by that
clock, so that other processes of the machine do not count as waiting, though they still make steps slower. DIR holds
`traces/`; without it the trace of Azure is left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.engine.sides import GREEDY, models
from benchmarks.machine import RESULTS, as_markdown, setting
from chunkwise.engine.config import Config, Rotary
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.loop import Engine
from chunkwise.engine.schedule import Memory, Request, Scheduler, Step
from chunkwise.engine.simulate import Cost, Fitted, Job, Part, Run, fit, generate, measure, simulate, traces
from chunkwise.engine.simulate.measures import between
from chunkwise.evaluate.plot import installed
from chunkwise.evaluate.shares import Panel, draw_shares
from chunkwise.recipe import build

OUT = RESULTS / "engine"
AZURE = "azure_conv_2023.jsonl.gz"
SARATHI = "sarathi-serve:budget=128"
LOAD = 0.8  # of the rate at which the requests of a set could just be served
SCALE = 8  # the trace's prompts and outputs are divided by this
PREFIX = 64  # tokens that requests of a group have in common


class Pass(NamedTuple):
    """One pass as it was decided: who goes through which layers with how many tokens, who gave way; what it is made of.

    parts: as the simulator prices them.
    """

    work: tuple[tuple[int | str, int, range | None], ...]
    preempted: tuple[int | str, ...]
    parts: list[Part]


@dataclass(frozen=True)
class Noted(Scheduler):
    """A scheduler that writes down what it decides."""

    passes: list[Pass] = field(default_factory=list)

    def __call__(self, waiting: Sequence[Request], running: Sequence[Request], memory: Memory, now: float) -> Step:
        """See Scheduler."""
        step = super().__call__(waiting, running, memory, now)
        if step.work:
            work = tuple((one.request.id, one.tokens, one.layers) for one in step.work)
            gone = tuple(one.id for one in step.preempted)
            self.passes.append(Pass(work, gone, self._parts(step, memory)))
        return step

    def _parts(self, step: Step, memory: Memory) -> list[Part]:
        fresh = {seat.request.id for seat in step.admitted}
        decodes = rows = prefilled = 0
        heard = read = 0.0
        span = None
        for one, tokens, layers in step.work:
            held = memory.cached(one) if one.id in fresh else one.computed
            last = one.tokens - held == tokens
            if tokens == 1 and last and one.produced:
                decodes, read = decodes + 1, read + held + 1
            else:
                prefilled, rows, span = prefilled + tokens, rows + last, layers
                heard += tokens * held + tokens * (tokens + 1) / 2
        share = 1.0 if span is None else len(span) / self.split.model_layers
        parts = [Part(share, decodes + prefilled, decodes + rows, heard, read)]
        return parts if share == 1 else [*parts, Part(1 - share, decodes, decodes, 0.0, read)]


@dataclass
class Replayed:
    """A price list that knows what each pass cost already."""

    taken: Sequence[float]
    slots: int = 0
    at: int = 0

    def seconds(self, parts: Sequence[Part]) -> float:
        """What the next pass cost; the mean of all when they are used up."""
        self.at += 1
        return self.taken[self.at - 1] if self.at <= len(self.taken) else float(np.mean(self.taken))

    def copying(self, slots: int, copies: int) -> float:
        """See Cost."""
        return 0.0

    def loads(self, parts: Sequence[Part]) -> float:
        """See Cost."""
        return 0.0


class Set(NamedTuple):
    """Requests, by name; slots: of the memory that they are served in."""

    name: str
    jobs: list[Job]
    slots: int


class Served(NamedTuple):
    """What came of a set under a scheduler; taken: seconds of each pass."""

    run: Run
    passes: list[Pass]
    taken: list[float]


def noted(spec: str) -> Noted:
    """The recipe's scheduler, which writes down what it decides."""
    made = build(spec, "serve-schedule")
    assert isinstance(made, Scheduler)
    return Noted(**{name: getattr(made, name) for name in Scheduler.__dataclass_fields__})


def engine(decoder: Decoder, spec: str, given: Set) -> Served:
    """The engine serves a set; requests come, and steps are timed, by a clock of processor time."""
    scheduler, now = noted(spec), 0.0
    made = Engine(decoder, given.slots, scheduler, clock=lambda: now)
    jobs = {job.id: job.fresh() for job in given.jobs}
    coming = sorted(jobs.values(), key=lambda job: job.arrival, reverse=True)
    run, taken, gaps = Run(given.slots, [*jobs.values()]), [], []
    while coming or made.waiting or made.running:
        while coming and coming[-1].arrival <= now:
            made.add(coming.pop(), GREEDY)
        if not (made.waiting or made.running):
            now = coming[-1].arrival
            continue
        passes, began = len(scheduler.passes), time.process_time()
        tokens = made.step()
        seconds = time.process_time() - began
        assert len(scheduler.passes) == passes + 1, "a step without work"
        taken.append(seconds)
        now += seconds
        for job in (jobs[token.request.id] for token in tokens):
            if job.first < 0:
                job.first = now
            else:
                gaps.append((now - job.last, 1.0))
                job.worst = max(job.worst, now - job.last)
            job.last = now
    run.end, run.steps, run.tokens, run.hits = now, made.steps, made.computed, made.reused
    run.preempted = sum(len(one.preempted) for one in scheduler.passes)
    run.gaps = np.array(gaps).reshape(-1, 2)
    return Served(run, scheduler.passes, taken)


def simulated(cost: Cost, spec: str, given: Set) -> Served:
    """The simulator serves a set."""
    scheduler = noted(spec)
    run = simulate(given.jobs, scheduler, cost, given.slots, jump=False)
    return Served(run, scheduler.passes, [])


def priced(served: Iterable[Served]) -> tuple[Fitted, float]:
    """Prices fitted to every pass, which must have gone through all layers."""
    rows = [
        (*one.parts[0][1:], seconds) for each in served for one, seconds in zip(each.passes, each.taken, strict=True)
    ]
    return fit(rows)


def figures(run: Run) -> dict[str, float]:
    """What is compared; times in seconds."""
    made, gaps = measure(run), between([run])
    return {
        "makespan": made.seconds,
        "mean TTFT": float(np.mean([job.first - job.arrival for job in run.jobs])),
        "P99 TTFT": made.ttft_p99,
        "mean TBT": float(np.average(gaps[:, 0], weights=gaps[:, 1])),
        "P99 TBT": made.tbt_p99,
        "tokens a second": made.throughput,
    }


def equal(one: Served, other: Served) -> tuple[int, int]:
    """Passes until the first that was decided otherwise, and all that are equal at their place."""
    same = [a[:2] == b[:2] for a, b in zip(one.passes, other.passes, strict=False)]
    return next((at for at, alike in enumerate(same) if not alike), len(same)), sum(same)


def arriving(jobs: Sequence[Job], seconds: float) -> list[Job]:
    """The same, the last of which comes after so many seconds."""
    begin, end = min(job.arrival for job in jobs), max(job.arrival for job in jobs)
    return [replace(job, arrival=(job.arrival - begin) * seconds / (end - begin)) for job in jobs]


def prompted(jobs: Sequence[Job], vocabulary: int, seed: int, groups: int = 0) -> list[Job]:
    """The same with random tokens, and outputs as long as they are asked for.

    groups: where given, every other request begins with the prefix of one of so many groups. A block is a token, so
    that the simulator's cache tells them apart as finely as the engine's tree.
    """
    random = np.random.default_rng(seed)
    begins = random.integers(0, vocabulary, (groups, PREFIX)).astype(np.int32)
    made = []
    for at, job in enumerate(jobs):
        prompt = random.integers(0, vocabulary, job.prompt_tokens).astype(np.int32)
        names = [(job.id, place) for place in range(len(prompt))]
        if groups and at % 2:
            begin = begins[at // 2 % groups]
            prompt = np.concatenate([begin, prompt])
            names = [*((-1 - at // 2 % groups, place) for place in range(PREFIX)), *names]
        most = job.output_tokens
        made.append(
            replace(job, prompt=prompt, prompt_tokens=len(prompt), max_tokens=most, blocks=tuple(names), block=1)
        )
    return made


def small() -> Decoder:
    """A random Llama of 3 million parameters, for a quick look."""
    return Decoder.random(Config("llama", 2_000, 256, 4, 8, 4, 32, 768, 4_096, Rotary(32)))


def main() -> None:
    """Run everything, write the page, the figures and the picture."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path)
    options.add_argument("--small", action="store_true", help="a model of 3 million parameters")
    options.add_argument("--requests", type=int, default=20, help="in each set; %(default)s")
    options.add_argument("--out", type=Path, default=OUT)
    asked = options.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    decoder = small() if asked.small else models(4_096)[1]
    found = compared(decoder, asked.requests, asked.data)
    found["model"] = f"a random Llama of {3 if asked.small else 100} million parameters"
    found["setting"] = setting("chunkwise", "torch", "numpy")
    asked.out.mkdir(parents=True, exist_ok=True)
    if installed():
        drawn(asked.out / "fidelity.svg", found.pop("lines"))
    found.pop("lines", None)
    (asked.out / "fidelity.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = page(found)
    (asked.out / "fidelity.md").write_text(text, encoding="utf-8")
    print(text)


def compared(decoder: Decoder, count: int, data: Path | None) -> dict[str, Any]:
    """Prices from one set of requests, the others simulated and served."""
    vocabulary, layers = decoder.config.vocabulary, decoder.config.layers
    layered = f"layered-prefill:layers={layers},groups={layers // 2},per=64"

    def random(seed: int, prompt: int, output: int, groups: int = 0) -> list[Job]:
        jobs = generate(1.0, count, prompt=prompt, output=output, seed=seed, spread=0.6)
        return prompted(jobs, vocabulary, seed, groups)

    own = random(1, 160, 12)
    prices_from = Set("prices", own, _room(own))
    at_once = engine(decoder, SARATHI, prices_from._replace(jobs=arriving(own, 0.0)))
    prices_from = prices_from._replace(jobs=arriving(own, at_once.run.end / LOAD))
    priced_on = [engine(decoder, spec, prices_from) for spec in ("fcfs", SARATHI)]
    first_prices, _ = priced(priced_on)

    def come(name: str, jobs: list[Job], slots: int = 0) -> Set:
        made = Set(name, jobs, slots or _room(jobs))
        seconds = simulated(first_prices, SARATHI, made._replace(jobs=arriving(jobs, 0.0))).run.end
        return made._replace(jobs=arriving(jobs, seconds / LOAD))

    apart, shared = random(2, 96, 20), arriving(random(3, 96, 20, groups=3), 0.0)
    largest = max(job.prompt_tokens + job.max_tokens for job in apart)
    sets = [
        (come("drawn", apart), ("fcfs", SARATHI, layered)),
        (Set("little memory, all at once", arriving(apart, 0.0), largest * 5 // 4), (SARATHI,)),
        (Set("shared prefixes, all at once", shared, _room(shared)), (SARATHI, "fcfs")),
    ]
    if data:
        folder = data / "traces" if (data / "traces").is_dir() else data
        cut = [
            replace(job, prompt_tokens=-(-job.prompt_tokens // SCALE), output_tokens=-(-job.output_tokens // SCALE))
            for job in traces.read(folder / AZURE, limit=count)
        ]
        sets.append((come("Azure, scaled", prompted(cut, vocabulary, 4)), ("fcfs", SARATHI)))
    served = []
    for given, specs in sets:
        served += [(given, spec, engine(decoder, spec, given)) for spec in specs]
        priced_on.append(engine(decoder, SARATHI, prices_from))  # the machine is now quicker, now slower
    again = engine(decoder, SARATHI, sets[0][0])
    prices, error = priced(priced_on)
    rows, lines = list[dict[str, Any]](), dict[str, Run]()
    for given, spec, real in served:
        told, replayed = simulated(prices, spec, given), simulated(Replayed(real.taken), spec, given)
        rows.append(_row(given, spec, real, told, replayed, prices))
        if given.name == "drawn":
            name = spec.partition(":")[0]
            lines |= {f"{name}, engine": real.run, f"{name}, simulated": told.run}
    return {
        "prices": {name: getattr(prices, name) for name in ("base", "token", "row", "heard", "read")},
        "fit_error": error,
        "requests": count,
        "rows": rows,
        "again": _errors(figures(again.run), rows[1]["engine"]),
        "lines": lines,
    }


def _room(jobs: Sequence[Job]) -> int:
    """Slots for all requests at once."""
    return sum(job.prompt_tokens + job.max_tokens for job in jobs)


def _row(given: Set, spec: str, real: Served, told: Served, replayed: Served, prices: Fitted) -> dict[str, Any]:
    until, same = equal(real, replayed)
    off = [abs(prices.seconds(one.parts) / taken - 1) for one, taken in zip(real.passes, real.taken, strict=True)]
    seen, said = figures(real.run), figures(told.run)
    return {
        "set": given.name,
        "scheduler": spec,
        "engine": seen,
        "simulated": said,
        "errors": _errors(said, seen),
        "step_error": float(np.mean(off)),
        "passes": len(real.passes),
        "replayed": len(replayed.passes),
        "equal_until": until,
        "equal": same,
        "preempted": (real.run.preempted, replayed.run.preempted),
        "held": (real.run.hits, replayed.run.hits),
    }


def _errors(said: dict[str, float], seen: dict[str, float]) -> dict[str, float]:
    return {name: said[name] / seen[name] - 1 for name in seen}


def drawn(path: Path, runs: dict[str, Run]) -> None:
    """Waits in the engine and in the simulator."""
    firsts = [np.sort([job.first - job.arrival for job in run.jobs]) for run in runs.values()]
    gaps = [between([run]) for run in runs.values()]
    panels = [
        Panel("seconds to the first token", tuple((one, np.ones(len(one))) for one in firsts)),
        Panel("seconds between tokens", tuple((one[:, 0], one[:, 1]) for one in gaps)),
    ]
    draw_shares(panels, [*runs], "The simulator held to the engine", "The same requests, prices from others", path)


def page(found: dict[str, Any]) -> str:
    """The results as Markdown."""
    names = [*found["again"]]
    prices = found["prices"]
    lines = ["# The simulator held to the engine", "", *_INTRODUCTION, "", "## Figures", ""]
    lines += [
        f"The model is {found['model']}; {found['requests']} requests a set. Prices:",
        f"{1e3 * prices['base']:.2f} ms a pass, "
        f"{1e3 * prices['token']:.3f} a token, {1e3 * prices['row']:.3f} a row, {1e6 * prices['heard']:.3f} µs a key",
        f"heard, {1e6 * prices['read']:.3f} µs a key read; {100 * found['fit_error']:.0f} % mean error of the passes",
        "they were fitted to. Errors are the simulator's over the engine's; *engine again* is the second row's set run",
        "a second time by the engine, over its first run: how much the machine itself varies.",
        "",
    ]
    rows = [
        (row["set"], f"`{row['scheduler']}`", *(f"{100 * row['errors'][name]:+.0f} %" for name in names),
         f"{100 * row['step_error']:.0f} %")
        for row in found["rows"]
    ]  # fmt: skip
    rows.append(("drawn", "*engine again*", *(f"{100 * value:+.0f} %" for value in found["again"].values()), ""))
    lines += _table(("requests", "scheduler", *names, "mean error of a pass"), rows)
    lines += ["", "In the engine:", ""]
    rows = [
        (row["set"], f"`{row['scheduler']}`", *(f"{row['engine'][name]:.3g}" for name in names))
        for row in found["rows"]
    ]
    lines += _table(("requests", "scheduler", *names), rows)
    lines += ["", "![Waits](fidelity.svg)", "", "## Decisions", "", *_DECISIONS, ""]
    head = (
        "requests",
        "scheduler",
        "passes",
        "simulated",
        "equal until",
        "equal",
        "preempted",
        "held",
    )
    decided = [
        (
            row["set"], f"`{row['scheduler']}`", str(row["passes"]), str(row["replayed"]), str(row["equal_until"]),
            str(row["equal"]), " / ".join(map(str, row["preempted"])), " / ".join(map(str, row["held"])),
        )
        for row in found["rows"]
    ]  # fmt: skip
    lines += _table(head, decided)
    return "\n".join([*lines, "", as_markdown(found["setting"]), ""])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


_INTRODUCTION = [
    "The same requests through the engine, with a random Llama in float32, and through `simulate`, by the same",
    "scheduler. The prices of a pass were fitted to the engine's passes on another set of requests, under `fcfs` and",
    "`sarathi-serve`, which the engine served before, between and after those reported; nothing was fitted to what is",
    "reported. Times are processor seconds of one thread: every pass moves the clock on by what it cost, and requests",
    "come by that clock, at 0.8 of the rate that could just be served. So nothing waits for other processes, but what",
    "they do to caches and memory still makes passes slower; a queue near its limit makes an error of the passes a",
    "larger one of the waits.",
]
_DECISIONS = [
    "The scheduler once more in the simulator, every pass lasting what the engine's took. *equal until*: passes up to",
    "the first that was decided otherwise (whose turn, how many tokens, which layers, who gave way); *equal*: all that",
    "are the same at their place; *preempted* and *held* (tokens found in the cache): engine / simulator. They part",
    "for two reasons. The engine holds a request back whose prompt begins like one that is being computed, so that a",
    "pass later it finds the prefix in the tree; the simulator takes both in at once and computes the prefix twice.",
    "And a request that was preempted finds in the engine's tree what it had put out, in the simulator its prompt",
    "alone.",
]

if __name__ == "__main__":
    main()
