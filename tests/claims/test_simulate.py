"""The claims of placements and overlaps, which are simulations; each with a control that must lose."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chunkwise.engine.schedule.recipes import fcfs, sarathi_serve
from chunkwise.engine.simulate import Job, Roofline, Slo, generate, measure
from chunkwise.engine.simulate.cost import HARDWARE, SHAPES
from chunkwise.engine.simulate.pools import fleet, halves, rebalanced, serve_chains, shared_blocks, tiles
from chunkwise.recipe import build


def test_epd_disagg() -> None:
    """More keep to the SLO than on as many engines that each do everything; without images there is nothing to gain."""
    cost, slo = Roofline(HARDWARE["a100"], SHAPES["llama-3-8b"]), Slo(ttft=2.5, tbt=0.06)

    def attained(images: float) -> tuple[float, float]:
        jobs = generate(8, 120, prompt=1500, output=80, seed=5)
        for job in jobs:
            job.encode = images
        stages, runs = build("epd-disagg:workers=6", "serve-schedule")(jobs, cost, slo)
        assert sum(stages) == 6
        served = sorted((job.id, job.produced) for run in runs for job in run.jobs)
        assert served == [(job.id, job.output_tokens) for job in jobs]
        together = (fleet(jobs, scheduler, cost, 6) for scheduler in (fcfs(), sarathi_serve()))
        return measure(runs, slo).attained, max(measure(one, slo).attained for one in together)

    apart, together = attained(0.2)
    assert apart > 0.9
    assert apart > together + 0.4
    apart, together = attained(0.0)
    assert apart <= together


def test_blockllm() -> None:
    """Less memory, less to load and a shorter tail than whole models; every chain computes what its model does."""
    random = np.random.default_rng(0)
    base = [random.standard_normal((8, 8)).astype(np.float32) for _ in range(10)]
    models = {
        name: [weights if place < 8 else weights + 0.1 * (name + 1) for place, weights in enumerate(base)]
        for name in range(8)
    }
    asked = [
        (float(at), int(model), 0.05)
        for at, model in zip(np.cumsum(random.exponential(0.04, 600)), random.integers(0, 8, 600), strict=True)
    ]
    size, link = base[0].nbytes, base[0].nbytes / 0.01
    blocks, shared = build("blockllm:devices=3", "serve-schedule")(models, asked, 24 * size, link)
    whole = blocks._replace(chains={name: tuple((name, place) for place in range(10)) for name in models})
    control = serve_chains(asked, whole, 3, 24 * size, link)
    assert blocks.distinct == 8 + 8 * 2
    assert whole.distinct == 80
    assert shared.loaded < 0.3 * control.loaded
    assert np.quantile(shared.latency, 0.95) < 0.67 * np.quantile(control.latency, 0.95)
    chains, kept = shared_blocks(models)
    for name, weights in models.items():
        for block, own in zip(chains.chains[name], weights, strict=True):
            np.testing.assert_array_equal(kept[block], own)
    loose, _ = shared_blocks(models, threshold=0.5)  # the control of that: what is alike is not the same
    assert loose.distinct < blocks.distinct


def test_elasticmoe() -> None:
    """The fewest experts move, each device ends with its share, and requests wait for the switch alone."""
    placed = [list(range(at * 32, at * 32 + 32)) for at in range(4)]
    scale = build("elasticmoe", "moe")
    for devices, fewest in ((6, 42), (8, 64), (3, 32), (4, 0)):
        found = scale(placed, devices, 1e8, 50e9)
        assert len(found.moves) == fewest
        assert sorted(expert for own in found.experts for expert in own) == list(range(128))
        assert max(map(len, found.experts)) - min(map(len, found.experts)) <= 1
        assert found.bytes == fewest * 1e8
    grown = scale(placed, 6, 1e8, 50e9)
    # The control: the experts laid out anew, one range a device, as a restart does; nobody is served meanwhile.
    anew = [set(range(a, b)) for a, b in pairwise(128 * at // 6 for at in range(7))]
    moved = sum(len(own - set(placed[at] if at < 4 else [])) for at, own in enumerate(anew))
    assert len(grown.moves) < 0.6 * moved
    restart = 128 / 6 * 1e8 / 2e9
    assert grown.seconds < restart / 5
    assert grown.downtime < restart / 5


def test_rebalancing_is_as_good_as_any() -> None:
    """The moves are those that any equal spread needs: what the fullest devices hold over their shares."""
    random = np.random.default_rng(1)
    for _ in range(50):
        sizes = random.integers(0, 9, random.integers(1, 6))
        numbers = iter(range(int(sizes.sum())))
        placed = [[next(numbers) for _ in range(size)] for size in sizes]
        devices = int(random.integers(1, 8))
        after, moves = rebalanced(placed, devices)
        assert sorted(expert for own in after for expert in own) == list(range(int(sizes.sum())))
        kept = sum(len(set(own) & set(placed[at])) for at, own in enumerate(after) if at < len(placed))
        assert len(moves) == int(sizes.sum()) - kept
        low, more = divmod(int(sizes.sum()), devices)
        stay = sorted((size for size in sizes[:devices]), reverse=True)
        assert kept == sum(min(size, low + (rank < more)) for rank, size in enumerate(stay))


def test_tokenweave() -> None:
    """Whole waves overlap for less than the sum; cut in the middle of a wave, the batch pays for one more."""
    cost = Roofline(HARDWARE["h100"], SHAPES["llama-3-70b"], devices=8)
    weave = build("tokenweave", "serve-schedule")
    wave = 128 * 8
    for waves in (2, 3, 8):
        found = weave(cost, waves * wave)
        assert sum(found.parts) == waves * wave
        assert found.seconds < 0.95 * found.plain
        assert sum(tiles(part, 128, 8) for part in found.parts) == waves
    # The control: equal halves of three waves are two waves each.
    assert sum(tiles(part, 128, 8) for part in (3 * wave // 2, 3 * wave - 3 * wave // 2)) == 4
    assert weave(cost, 300).parts == (300, 0)
    alone = weave(Roofline(HARDWARE["h100"], SHAPES["llama-3-8b"]), 4 * wave)
    assert alone.seconds == alone.plain  # nothing to reduce, nothing to gain
    random = np.random.default_rng(0)
    batch, weights = random.standard_normal((3 * wave, 8)), random.standard_normal((8, 8))
    first = halves(len(batch), 128, 8)[0]
    both = np.concatenate([np.tanh(part @ weights) for part in (batch[:first], batch[first:])])
    np.testing.assert_allclose(both, np.tanh(batch @ weights), rtol=1e-12)


def test_images_take_their_time_where_everything_is_one_engine() -> None:
    """Encoding stands in the way of the first token, and of those that decode meanwhile."""
    cost = Roofline(HARDWARE["a100"], SHAPES["llama-3-8b"])
    talking = Job(0, 10, 400, output_tokens=400)
    image = Job(1, 10, 4, 1.0, output_tokens=4, encode=0.5)
    (with_image,), (without,) = (
        fleet([talking, one], fcfs(), cost) for one in (image, Job(1, 10, 4, 1.0, output_tokens=4))
    )
    assert with_image.jobs[0].worst > 0.5 > without.jobs[0].worst
    assert with_image.jobs[1].first > without.jobs[1].first + 0.49
