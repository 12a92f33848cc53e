"""The simulator against formulas, its price lists against what they are made of, traces, measures, odd input."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.engine.schedule import Scheduler
from chunkwise.engine.schedule.compose import whole_batches
from chunkwise.engine.schedule.recipes import fcfs, sarathi_serve
from chunkwise.engine.simulate import Fitted, Job, Part, Roofline, Slo, fit, generate, measure, simulate, traces
from chunkwise.engine.simulate.closed import Law, best_limit, bulk, law, pollaczek_khinchine
from chunkwise.engine.simulate.cost import HARDWARE, SHAPES, read
from chunkwise.engine.simulate.measures import quantile
from chunkwise.engine.simulate.pools import fleet, serve, spread
from chunkwise.errors import UserError
from processes import run as run_code


def waits(jobs: list[Job], scheduler: Scheduler, first: float) -> np.ndarray:
    """Seconds before each job's batch began, whose first tokens take so long."""
    run = simulate(jobs, scheduler, Fitted(base=first), 1 << 20)
    return np.array([job.first - first - job.arrival for job in run.jobs])


def close(found: np.ndarray, formula: float, batches: int = 20) -> bool:
    """Whether the mean agrees within three standard errors, taken over long stretches since waits are alike."""
    means = found[: len(found) // batches * batches].reshape(batches, -1).mean(axis=1)
    return bool(abs(found.mean() - formula) < 3 * means.std(ddof=1) / np.sqrt(batches))


@pytest.mark.parametrize(("rate", "longest"), [(5.0, 200), (9.0, 150)])
def test_one_server_waits_as_pollaczek_and_khinchine_say(rate: float, longest: int) -> None:
    random = np.random.default_rng(7)
    arrivals, lengths = np.cumsum(random.exponential(1 / rate, 3000)), random.integers(1, longest, 3000)
    jobs = [
        Job(n, 1, longest, at, output_tokens=int(out))
        for n, (at, out) in enumerate(zip(arrivals, lengths, strict=True))
    ]
    found = waits(jobs, Scheduler(seats=1), 1e-3)
    formula = pollaczek_khinchine(rate, law(lengths).scaled(0, 1e-3))
    assert close(found, formula)
    assert not close(found, 2 * formula)


def test_dynamic_batches_wait_as_the_chain_says() -> None:
    """Everybody who waits is served at once, for as long as the longest of them."""
    random = np.random.default_rng(8)
    rate, count, of = 30.0, 4000, law([5, 20, 60], [0.5, 0.3, 0.2])
    arrivals = np.cumsum(random.exponential(1 / rate, count))
    lengths = random.choice(of.values, count, p=of.chances)
    jobs = [
        Job(n, 1, 60, at, output_tokens=int(out)) for n, (at, out) in enumerate(zip(arrivals, lengths, strict=True))
    ]
    found = waits(jobs, Scheduler(compose=whole_batches), 1e-3)
    wait, batch = bulk(rate, lambda n: of.largest(n).scaled(0, 1e-3), states=80)
    assert close(found, wait)
    assert not close(found, pollaczek_khinchine(rate, of.scaled(0, 1e-3)))
    assert 1 < batch < 5


def test_bulk_queues_in_their_known_cases() -> None:
    one = Law(np.array([0.04]), np.array([1.0]))
    assert bulk(20, lambda n: one, most=1)[0] == pytest.approx(pollaczek_khinchine(20, one), rel=1e-3)
    # Fixed batches of no length: the first waits for three to come, the last for none.
    instant = Law(np.array([1e-9]), np.array([1.0]))
    wait, batch = bulk(10, lambda n: instant, least=4, most=4, states=60)
    assert (wait, batch) == (pytest.approx(0.15, rel=1e-3), pytest.approx(4))
    with pytest.raises(UserError, match="cannot keep up"):
        bulk(30, lambda n: one, most=1)
    for wrong in ({"least": 0}, {"least": 3, "most": 2}):
        with pytest.raises(UserError, match="least"):
            bulk(10, lambda n: one, **wrong)


def test_a_limit_is_a_trade() -> None:
    of = law([10, 20, 1000], [0.5, 0.49, 0.01])
    assert best_limit(5, of, 0.01, 0.005, price=0.0).tokens == 10
    assert best_limit(5, of, 0.01, 0.005, price=1.0).tokens == 20
    assert best_limit(5, of, 0.01, 0.005, price=1e6) == (1000, pytest.approx(1.96, abs=0.001), 0.0)
    assert pollaczek_khinchine(1e3, of) == float("inf")
    with pytest.raises(UserError, match="a value at least"):
        law([])


def test_a_roofline_is_what_it_is_made_of() -> None:
    hardware, shape = HARDWARE["a100"], SHAPES["llama-3-8b"]
    assert shape.weights == pytest.approx(8.03e9, rel=0.01)
    assert SHAPES["qwen3-30b-a3b"].weights == pytest.approx(30.5e9, rel=0.02)
    assert SHAPES["llama-13b"].weights == pytest.approx(13.0e9, rel=0.01)
    assert shape.slot == 131072
    cost = Roofline(hardware, shape)
    assert cost.slots == int((0.9 * 80e9 - 2 * shape.weights) / 131072)
    bytes_of_weights = 2 * (shape.weights - shape.vocab * shape.width)
    decode = cost.seconds([Part(1, 1, 1, 0, 0)])
    assert decode == pytest.approx(bytes_of_weights / (0.8 * 2.039e12) + hardware.launch, rel=1e-6)
    prefill = cost.seconds([Part(1, 8192, 1, 0, 0)])
    linear = 2 * (shape.weights - 2 * shape.vocab * shape.width) * 8192 / (0.6 * 312e12)
    assert prefill == pytest.approx(linear, rel=0.02)
    assert cost.seconds([Part(1, 8, 8, 0, 8e5)]) - cost.seconds([Part(1, 8, 8, 0, 0)]) == pytest.approx(
        8e5 * 131072 / (0.8 * 2.039e12)
    )
    half = cost.seconds([Part(0.5, 64, 8, 0, 0), Part(0.5, 64, 8, 0, 0)])
    assert half == pytest.approx(cost.seconds([Part(1, 64, 8, 0, 0)]))
    two = Roofline(hardware, shape, devices=2)
    assert prefill / 2 < two.seconds([Part(1, 8192, 1, 0, 0)]) < prefill
    assert cost.loads([Part(1, 10, 1, 0, 0)]) == 0
    experts = Roofline(HARDWARE["h100"], SHAPES["qwen3-30b-a3b"])
    assert experts.loads([Part(1, 1, 1, 0, 0)]) == pytest.approx(48 * 8)
    assert experts.loads([Part(0.25, 10**6, 1, 0, 0)]) == pytest.approx(12 * 128)


@given(st.lists(st.floats(1e-6, 1e-2), min_size=5, max_size=5), st.integers(0, 2**16))
def test_a_fit_finds_the_prices_that_made_the_steps(prices: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    steps = random.integers(0, [512, 32, 4096, 4096], (60, 4)).astype(float)
    cost, error = fit(np.column_stack([steps, prices[0] + steps @ prices[1:]]))
    assert error < 1e-6
    made = [cost.base, cost.token, cost.row, cost.heard, cost.read]
    np.testing.assert_allclose(made, prices, rtol=1e-3)


def test_no_fitted_price_is_negative() -> None:
    steps = np.array([[10, 1, 0, 0, 0.10], [20, 2, 0, 0, 0.10], [40, 1, 0, 0, 0.09], [80, 4, 0, 0, 0.10]])
    cost, error = fit(steps)
    assert min(cost.base, cost.token, cost.row, cost.heard, cost.read) >= 0
    assert error < 0.1


@pytest.mark.parametrize("wrong", [[], [[1, 2, 3]], [[1, 1, 1, 1, 0]], [[1, 1, 1, 1, float("nan")]]])
def test_what_was_not_measured_is_not_fitted(wrong: list[list[float]]) -> None:
    with pytest.raises(UserError, match="rows of five"):
        fit(wrong)


def test_price_lists_from_files(tmp_path: Path) -> None:
    def file(value: object) -> str:
        path = tmp_path / "costs.json"
        path.write_text(json.dumps(value) if not isinstance(value, str) else value)
        return str(path)

    assert read("a100", "mistral-7b", 2) == Roofline(HARDWARE["a100"], SHAPES["mistral-7b"], 2)
    assert read(file({"hardware": "h100", "model": "yi-34b", "devices": 4})) == Roofline(
        HARDWARE["h100"], SHAPES["yi-34b"], 4
    )
    own = {"flops": 1e12, "bandwidth": 1e11, "memory": 16e9}
    assert isinstance(read(file({"hardware": own})), Roofline)
    assert read(file({"fitted": {"base": 0.5}, "slots": 99})) == Fitted(base=0.5, slots=99)
    assert read(file({"measured": [[1, 1, 0, 10, 0.5]] * 3})).seconds([Part(1, 1, 1, 0, 10)]) == pytest.approx(0.5)
    for wrong, says in [
        ("{", "not JSON"), ([1], "expected an object"), ({"slots": 3}, "none of hardware"),
        ({"hardware": "abacus"}, "no hardware 'abacus'"), ({"hardware": "a100", "model": "x"}, "no model 'x'"),
        ({"hardware": {"flops": 1}}, "hardware is an object of flops"), ({"fitted": {"bas": 1}}, "fitted is an object"),
    ]:  # fmt: skip
        with pytest.raises(UserError, match=says):
            read(file(wrong))
    with pytest.raises(UserError, match="no hardware 'nowhere'"):
        read("nowhere")


def test_traces(tmp_path: Path) -> None:
    azure, mooncake, servegen = (tmp_path / name for name in ("azure.jsonl", "mooncake.jsonl.gz", "servegen.jsonl"))
    rows = [{"t": 2.0, "input_tokens": 30, "output_tokens": 4}, {"t": 1.0, "input_tokens": 0, "output_tokens": 9}]
    azure.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    jobs = traces.read(azure, speed=2)
    assert [(job.id, job.arrival, job.prompt_tokens, job.output_tokens, job.max_tokens) for job in jobs] == [
        (1, 0.5, 1, 9, 9), (0, 1.0, 30, 4, 9)
    ]  # fmt: skip
    with gzip.open(mooncake, "wt") as file:
        file.write(json.dumps({"t": 0, "input_tokens": 1100, "output_tokens": 5, "blocks": [7, 8, 9]}))
    assert traces.read(mooncake)[0].blocks == (7, 8)  # the third is not full
    windows = [
        {"t": 600 * at, "rate": 0.5, "cv": 1.0, "family": family, "p1": 1.1, "p2": 2.0}
        for at, family in enumerate(["Gamma", "Weibull", "other"])
    ]
    counts = {"input_tokens": {"10": 0.5, "20": 0.5}, "output_tokens": {"3": 1.0}}
    servegen.write_text(json.dumps({"client": "a", "windows": windows, "lengths": {"0": counts}}))
    drawn = traces.read(servegen, seed=1)
    assert 700 < len(drawn) < 1100
    assert {job.prompt_tokens for job in drawn} == {10, 20}
    assert [job.arrival for job in drawn] == sorted(job.arrival for job in drawn)
    assert [one[:3] for one in told(drawn[:50])] == [one[:3] for one in told(traces.read(servegen, limit=50, seed=1))]
    for wrong, says in [("", "no requests"), ("{", "not JSON"), ('{"t": 1}', "line 1: neither"), ("[]", "line 1")]:
        azure.write_text(wrong)
        with pytest.raises(UserError, match=says):
            traces.read(azure)
    mooncake.write_bytes(b"no gzip")
    with pytest.raises(UserError, match="not JSON lines"):
        traces.read(mooncake)
    with pytest.raises(UserError, match="speed"):
        traces.read(servegen, speed=0)


def told(jobs: list[Job]) -> list[tuple[float, int, int, int | None]]:
    return [(job.arrival, job.prompt_tokens, job.output_tokens, job.predicted) for job in jobs]


def test_what_is_drawn_is_drawn_again() -> None:
    assert told(generate(5, 40, seed=3)) == told(generate(5, 40, seed=3)) != told(generate(5, 40, seed=4))
    assert {job.arrival for job in generate(0, 5)} == {0.0}
    assert generate(1, 0) == []
    jobs = generate(10, 5000, prompt=300, output=100, seed=1)
    assert np.mean([job.prompt_tokens for job in jobs]) == pytest.approx(300, rel=0.05)
    assert jobs[-1].arrival == pytest.approx(500, rel=0.05)
    for wrong in ({"rate": -1}, {"rate": float("nan")}, {"rate": 1, "count": -1}, {"rate": 1, "prompt": 0}):
        with pytest.raises(UserError, match="cannot draw"):
            generate(**wrong)  # type: ignore[arg-type]


def test_measures_of_one_request_worked_out() -> None:
    run = simulate([Job(0, 10, 5, 1.0, output_tokens=4)], sarathi_serve(), Fitted(base=0.1, token=0.01), 100)
    found = measure(run, Slo(0.25, 0.2))
    assert found.ttft_p50 == pytest.approx(0.2)
    assert found.tbt_p50 == found.tbt_p99 == pytest.approx(0.11)
    assert found.latency_p99 == pytest.approx(0.53)
    assert found.throughput == pytest.approx(4 / 0.53)
    assert (found.attained, found.requests, found.refused, found.steps) == (1.0, 1, 0, 4)
    assert found.memory == 0.13
    assert measure(run, Slo(0.19, 0.2)).attained == measure(run, Slo(0.25, 0.1)).attained == 0.0
    refused = measure(simulate([Job(0, 10, 5, output_tokens=4)], fcfs(), Fitted(), 5))
    assert (refused.requests, refused.refused, refused.attained, refused.throughput) == (0, 1, 0.0, 0.0)


def test_weighted_quantiles() -> None:
    assert quantile([], 0.5) == 0
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([1, 100], 0.9, [95, 5]) == 1
    assert quantile([1, 100], 0.99, [95, 5]) == 100


def test_a_prefix_is_computed_once_and_its_slots_are_counted_once() -> None:
    jobs = [Job(n, 1100, 50, 0.5 * n, output_tokens=50, blocks=("a", "b")) for n in range(5)]
    run = simulate(jobs, sarathi_serve(4096), Fitted(base=0.1), 5000)
    assert run.hits == 4 * 1024
    assert run.peak <= 1024 + 5 * (76 + 50)
    apart = simulate(
        [Job(n, 1100, 50, 0.5 * n, output_tokens=50) for n in range(5)], sarathi_serve(4096), Fitted(base=0.1), 9000
    )
    assert apart.hits == 0
    assert apart.peak > 3 * run.peak


def test_servers_in_a_row_and_side_by_side() -> None:
    assert serve([0, 0, 0, 5], [2, 2, 2, 1], 2).tolist() == [2, 2, 4, 6]
    jobs = generate(50, 200, seed=2)
    hands = spread(jobs, 4)
    assert sorted(job.id for hand in hands for job in hand) == list(range(200))
    shares = [sum(job.prompt_tokens + job.expected for job in hand) for hand in hands]
    assert max(shares) < 1.2 * min(shares)
    cost = Roofline(HARDWARE["h100"], SHAPES["llama-3-8b"])
    four, one = (measure(fleet(jobs, sarathi_serve(), cost, engines)) for engines in (4, 1))
    assert four.requests == one.requests == 200
    assert four.ttft_p99 < one.ttft_p99
    alike = [Job(n, 1100, 9, 0.1 * n, output_tokens=9, blocks=(n % 4, (n % 4, 1))) for n in range(80)]
    assert [len({job.blocks for job in hand}) for hand in spread(alike, 4)] == [1, 1, 1, 1]
    with pytest.raises(UserError, match="engines"):
        fleet(jobs, fcfs(), cost, 0)


def test_no_torch() -> None:
    code = """
import sys
from chunkwise.engine.simulate import generate, simulate, Fitted
from chunkwise.engine.schedule.recipes import fcfs
assert len(simulate(generate(5, 20), fcfs(), Fitted(base=0.1)).jobs) == 20
print(*(name for name in ("torch", "matplotlib", "rich") if name in sys.modules))
"""
    assert run_code(code).strip() == ""


def test_nothing_lasts_no_time_for_ever() -> None:
    """A price list of zeros is odd and no trap."""
    run = simulate(generate(3, 30), sarathi_serve(), Fitted())
    assert all(job.ended for job in run.jobs)
    assert measure(run).tbt_p99 == 0
