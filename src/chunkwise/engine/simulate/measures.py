"""What came of a simulation, in the field's own measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from chunkwise.engine.simulate.events import Run


@dataclass(frozen=True, slots=True)
class Slo:
    """What a request is promised: seconds to its first token, and between any two after it."""

    ttft: float = 1.0
    tbt: float = 0.1


@dataclass(frozen=True, slots=True)
class Measures:
    """Over all requests that were served, by however many engines; times in seconds.

    ttft: time to the first token; tbt: time between tokens, over all tokens; latency: to the last token; wait: the
    longest time between two tokens of a request, the worst of all. throughput: tokens produced a second, from the first
    arrival to the last end; attained: share of all requests, refused ones too, that kept to both parts of the
    SLO; goodput: those a second; hits: share of prompt tokens that were cached; memory: most slots in use, as a share
    of all; loads: expert loads a request; copies: between device and host; busy: share of the time that engines ran.
    """

    requests: int
    refused: int
    seconds: float
    ttft_p50: float
    ttft_p99: float
    tbt_p50: float
    tbt_p99: float
    wait: float
    latency_p50: float
    latency_p99: float
    throughput: float
    attained: float
    goodput: float
    hits: float
    memory: float
    preempted: int
    copies: int
    loads: float
    busy: float
    steps: int

    def row(self) -> dict[str, float | int]:
        """The names and the figures."""
        return asdict(self)


def measure(runs: Run | Sequence[Run], slo: Slo | None = None) -> Measures:
    """The measures of a run, or of several engines that shared the requests."""
    runs, slo = [runs] if isinstance(runs, Run) else list(runs), slo or Slo()
    jobs = [job for run in runs for job in run.jobs]
    refused = sum(len(run.refused) for run in runs)
    begin = min((job.arrival for job in jobs), default=0.0)
    seconds = max((run.end for run in runs), default=0.0) - begin
    ttft = np.array([job.first - job.arrival for job in jobs])
    latency = np.array([job.last - job.arrival for job in jobs])
    gaps = between(runs)
    kept = sum(job.first - job.arrival <= slo.ttft and job.worst <= slo.tbt for job in jobs)
    return Measures(
        requests=len(jobs),
        refused=refused,
        seconds=seconds,
        ttft_p50=quantile(ttft, 0.5),
        ttft_p99=quantile(ttft, 0.99),
        tbt_p50=quantile(gaps[:, 0], 0.5, gaps[:, 1]),
        tbt_p99=quantile(gaps[:, 0], 0.99, gaps[:, 1]),
        wait=max((job.worst for job in jobs), default=0.0),
        latency_p50=quantile(latency, 0.5),
        latency_p99=quantile(latency, 0.99),
        throughput=_ratio(sum(job.produced for job in jobs), seconds),
        attained=_ratio(kept, len(jobs) + refused),
        goodput=_ratio(kept, seconds),
        hits=_ratio(sum(job.hit for job in jobs), sum(job.prompt_tokens for job in jobs)),
        memory=max((_ratio(run.peak, run.slots) for run in runs), default=0.0),
        preempted=sum(run.preempted for run in runs),
        copies=sum(run.copies for run in runs),
        loads=_ratio(sum(run.loads for run in runs), len(jobs)),
        busy=_ratio(sum(run.busy for run in runs), len(runs) * seconds),
        steps=sum(run.steps for run in runs),
    )


def between(runs: Sequence[Run]) -> npt.NDArray[np.float64]:
    """float64 [n, 2]: times between tokens, ascending, and how often each came."""
    gaps = np.concatenate([np.zeros((0, 2)), *(run.gaps for run in runs)])
    gaps = gaps[gaps[:, 1] > 0]
    return gaps[np.argsort(gaps[:, 0], kind="stable")]


def quantile(values: npt.ArrayLike, share: float, weights: npt.ArrayLike | None = None) -> float:
    """The least value that a `share` of all does not exceed; 0 where there are none."""
    found = np.asarray(values, dtype=np.float64)
    if not len(found):
        return 0.0
    order = np.argsort(found, kind="stable")
    mass = np.cumsum(np.ones(len(found)) if weights is None else np.asarray(weights, dtype=np.float64)[order])
    return float(found[order][min(int(np.searchsorted(mass, share * mass[-1])), len(found) - 1)])


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
