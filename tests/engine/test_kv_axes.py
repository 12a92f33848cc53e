"""The axes of a policy one by one: exact sums, whole units, nothing lost in a merge, every batch row as if alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from attended import World, positions
from chunkwise.engine.kv.compress import (
    Bits,
    Chunk,
    Cluster,
    Evict,
    ExpectedAttention,
    Global,
    KeyNorm,
    KVPolicy,
    Ladder,
    Lag,
    Mass,
    MaxPool,
    Nearest,
    PerHead,
    PerQuery,
    Pool,
    Pyramid,
    Random,
    Received,
    Recency,
    Recent,
    Representatives,
    Residual,
    Shared,
    Sinks,
    Token,
    Uniform,
    Window,
)
from chunkwise.engine.kv.compress.action import Action, merge
from chunkwise.engine.kv.compress.budget import Budget, apportion
from chunkwise.engine.kv.compress.code import Packed
from chunkwise.engine.kv.compress.entries import Entries
from chunkwise.engine.kv.compress.score import Score, Seen, attention
from chunkwise.engine.kv.compress.unit import Ranked
from chunkwise.errors import UserError

BUDGETS = [Uniform(), Pyramid(), Global(), Global(2.0), Mass(), PerHead(), PerHead(0.0), PerHead(1.0)]
ACTIONS = [Evict(), Nearest(), Residual(), Cluster(8), Representatives()]
SCORES = [
    Window(8), Window(8) | Pool(5), Window(4) | MaxPool(3) | Shared(), Received(), PerQuery(1.0, 4), KeyNorm(), Lag(8),
    Ladder(), Recency(), Random(), ExpectedAttention(), Received() + Window(4),
]  # fmt: skip
quick = settings(deadline=None, max_examples=40)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def entries(b: int, kv_heads: int, n: int, seed: int = 0) -> Entries:
    made = Entries.fresh(drawn(b, kv_heads, n, 8, seed=seed), drawn(b, kv_heads, n, 8, seed=seed + 1))
    return replace(made, received=drawn(b, kv_heads, n, seed=seed + 2).abs())


def ranked(of: Entries, scores: Tensor, protected: int = 0, size: int = 1) -> Ranked:
    priority = Sinks(protected)(of, of.valid.shape[-1])
    return Ranked(scores, priority, Chunk(size)(of.valid & (priority == 0)))


@quick
@given(
    st.sampled_from(BUDGETS), st.integers(1, 5), st.integers(1, 3), st.integers(1, 30), st.integers(0, 40),
    st.integers(0, 9), st.sampled_from(["drawn", "equal", "one", "none"]),
)  # fmt: skip
def test_budgets_are_spent_to_the_last(
    budget: Budget, layers: int, heads: int, n: int, limit: int, seed: int, kind: str
) -> None:
    scores = drawn(layers, 2, heads, n, seed=seed).abs()
    scores = {"drawn": scores, "equal": torch.ones_like(scores), "one": scores * 0, "none": scores - 100}[kind]
    if kind == "one":
        scores[0, :, 0, 0] = 1
    counts = budget(scores, limit)
    assert counts.shape == (layers, 2, heads)
    assert counts.min() >= 0
    assert counts.max() <= n
    room = n if not isinstance(budget, Global) else min(n, int(max(budget.most, 1) * limit))
    assert counts.sum((0, 2)).tolist() == [layers * heads * min(limit, room)] * 2
    for row in range(2):
        assert torch.equal(budget(scores[:, row : row + 1], limit), counts[:, row : row + 1])


@quick
@given(st.lists(st.tuples(st.floats(-5, 50), st.integers(0, 20)), min_size=1, max_size=9), st.integers(0, 90))
def test_apportioned_to_the_last(parties: list[tuple[float, int]], total: int) -> None:
    worth, caps = zip(*parties, strict=True)
    given_ = apportion(worth, total, caps)
    assert sum(given_) == min(total, sum(caps))
    assert all(0 <= some <= cap for some, cap in zip(given_, caps, strict=True))


def test_mass_stops_when_there_is_enough() -> None:
    scores = torch.zeros(2, 1, 1, 100)
    scores[:, :, :, :4] = 10
    scores[:, :, :, 4:] = 0.001
    assert Mass(0.95)(scores, 50).flatten().tolist() == [4, 4]
    assert Mass()(scores, 50).flatten().tolist() == [50, 50]


@quick
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 45), st.integers(0, 6), st.integers(0, 9))
def test_units_stay_whole(n: int, size: int, count: int, protected: int, seed: int) -> None:
    of = entries(2, 2, n)
    order = ranked(of, drawn(2, 2, n, seed=seed), protected, size)
    kept = order.first(torch.full((2, 2), count), of.valid)
    for row in range(2):
        for head in range(2):
            there = kept[row, head]
            assert there.sum() <= count
            assert there[: min(protected, count)].all()
            free = order.priority[row, head] == 0
            for unit in order.units[row, head][free].unique():
                assert there[free & (order.units[row, head] == unit)].unique().numel() == 1
            if size == 1:
                assert there.sum() == min(count, n)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 0.0, -3.0])
def test_scores_that_say_nothing(odd: float) -> None:
    """All alike, whatever they are: the first ones stay, and as many as may."""
    of = entries(1, 2, 20)
    kept = ranked(of, torch.full((1, 2, 20), odd)).first(torch.tensor([[7, 0]]), of.valid)
    assert kept[0].sum(-1).tolist() == [7, 0]
    assert kept[0, 0, :7].all()


@quick
@given(st.sampled_from(ACTIONS), st.integers(1, 60), st.integers(0, 60), st.integers(0, 5), st.integers(0, 9))
def test_actions_keep_the_number_and_lose_no_count(
    action: Action, n: int, count: int, protected: int, seed: int
) -> None:
    of = entries(2, 3, n, seed)
    order = ranked(of, drawn(2, 3, n, seed=seed), protected)
    counts = torch.full((2, 3), count)
    owner = action(of, order, counts)
    left = merge(of, owner)
    assert left.valid.sum(-1).max() <= count
    if isinstance(action, Cluster | Residual) and count > protected and (isinstance(action, Cluster) or count > 3):
        assert torch.where(left.valid, left.weights, 0).sum(-1).flatten().tolist() == pytest.approx([n] * 6)
        received = torch.where(left.valid, left.received, 0).sum(-1)
        assert torch.allclose(received, of.received.sum(-1), atol=1e-4)
    for row in range(2):
        one = [Ranked(*(each[row : row + 1] for each in vars(order).values())), counts[row : row + 1]]
        alone = Entries(*(each[row : row + 1] for each in vars(of).values()))
        assert torch.equal(action(alone, *one), owner[row : row + 1])


def test_a_merged_entry_is_heard_as_those_it_speaks_for() -> None:
    of = entries(1, 1, 6)
    of = replace(of, keys=of.keys[:, :, :1].expand(1, 1, 6, 8).clone())
    owner = torch.tensor([[[0, 0, 0, 3, 3, 5]]])
    left, q = merge(of, owner), drawn(1, 1, 1, 8)
    heard = [attention(q, some)[0, 0, 0] @ some.values[0, 0] for some in (of, left)]
    assert left.weights.flatten().tolist() == [3, 2, 1]
    assert torch.allclose(heard[0], heard[1], atol=1e-6)
    assert torch.equal(left.values[0, 0, 2], of.values[0, 0, 5])


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.spec)
def test_scores_of_a_batch(score: Score) -> None:
    """Row by row as alone, float32, and none looks at what does not compete."""
    of, q = entries(2, 2, 40), drawn(2, 4, 8, 8)
    at, free = torch.arange(32, 40), torch.ones(2, 2, 40, dtype=torch.bool)
    free[..., -8:] = False
    both = score(Seen(of, q, at), free)
    assert both.shape == (2, 2, 40)
    assert both.dtype == torch.float32
    for row in range(2):
        alone = Entries(*(each[row : row + 1] for each in vars(of).values()))
        assert torch.allclose(score(Seen(alone, q[row : row + 1], at), free[:1])[0], both[row], atol=1e-6)


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.spec)
def test_scores_of_nothing(score: Score) -> None:
    of = entries(1, 2, 0)
    assert score(Seen(of, drawn(1, 4, 0, 8), torch.zeros(0, dtype=torch.int64)), of.valid).shape == (1, 2, 0)


def test_the_plain_definition_of_snapkv() -> None:
    """Written out for one head: softmax, the window's columns dropped, mean, pool, the best."""
    n, w, limit = 60, 8, 20
    world = World(n, heads=1, kv_heads=1)
    q, k = world.q[0, :, 0], world.k[0, :, 0]
    logits = (q[-w:] @ k.T / 32**0.5).masked_fill(torch.arange(n) > torch.arange(n - w, n)[:, None], -math.inf)
    scores = torch.nn.functional.avg_pool1d(logits.softmax(-1)[:, :-w].mean(0)[None], 5, 1, 2)[0]
    wanted = sorted([*scores.topk(limit - w).indices.tolist(), *range(n - w, n)])
    assert positions(world.read(f"snapkv:window={w}", limit)) == wanted


def test_heads_that_hold_less_free_memory() -> None:
    """One head asks for forty tokens, the other for two: what one needs less the other has, in as many bytes."""
    world = World(400, heads=2, kv_heads=2)
    topic = world.direction()
    world.k[0, 20:380:9, 0] = topic
    world.k[0, [50, 60], 1] = topic
    world.asks(slice(380, 400), topic)
    policy = KVPolicy(Window(20), budget=PerHead(), protect=Recent(20))
    host = world.read(policy, 42)
    sizes = [len(positions(host, head=head)) for head in range(2)]
    assert sum(sizes) == 84
    assert sizes[0] > 58
    assert host.bytes == 84 * 2 * 32 * 4  # no place is held for what the shorter head has not got
    assert world.error(policy, 42, topic) < 0.5 * world.error(replace(policy, budget=Uniform()), 42, topic)


def test_what_is_held_is_what_is_heard() -> None:
    """Heads of different lengths, few rows and many: a plain softmax over what each holds, and then the new tokens."""
    world = World(300, heads=4, kv_heads=2)
    policy = KVPolicy(Random(), budget=PerHead(0.0), protect=Recent(3))
    for t in (1, 5, 40):
        host = world.read(policy, 50)
        held = host.held(0)
        assert held.valid.sum(-1).unique().numel() == 2
        q, k, v = drawn(t, 4, 32), drawn(t, 2, 32), drawn(t, 2, 32)
        heard = host.of([t])(0, q, k, v)
        turn = world.model.rope.at(torch.arange(300, 300 + t))
        for head in range(4):
            there = held.valid[0, head // 2]
            keys = torch.cat((held.keys[0, head // 2][there], turn(k)[:, head // 2]))
            values = torch.cat((held.values[0, head // 2][there], v[:, head // 2]))
            late = torch.arange(len(keys)) - int(there.sum()) > torch.arange(t)[:, None]
            weights = (turn(q)[:, head] @ keys.T / 32**0.5).masked_fill(late, -math.inf).softmax(-1)
            assert torch.allclose(heard[:, head], weights @ values, atol=1e-5)


@quick
@given(
    st.integers(1, 20), st.integers(1, 20), st.sampled_from([8, 4, 2]), st.booleans(), st.sampled_from([1e-8, 1, 1e3])
)
def test_codes_come_back_to_half_a_step(n: int, dim: int, bits: int, by_channel: bool, scale: float) -> None:
    x = drawn(n, dim, seed=n) * scale
    packed = Packed(x, bits, by_channel)
    found = packed.read()
    assert found.shape == x.shape
    assert found.isfinite().all()
    step = (x.amax() - x.amin()) / (2**bits - 1)
    assert (found - x).abs().max() <= (0.5 if by_channel else 4) * step + 2e-3 * x.abs().max() + 1e-6
    assert packed.bytes <= n * -(-dim * bits // 8) + 2 * packed.parameters + n


def test_bits_that_are_none() -> None:
    with pytest.raises(UserError, match="8, 4 or 2"):
        Bits(3, 2)
    with pytest.raises(UserError, match="share"):
        Bits(4, 2, 1.5)
    assert KVPolicy.read("code=bits(8,8,1.0)").code == Bits(8, 8, 1.0)
    assert Token().spec == "token"
