"""The claims of the policies of keys and values, each with a control that must lose."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from attended import DIM, World, positions
from chunkwise.engine.kv.compress import (
    Bits,
    Cluster,
    EachPass,
    Evict,
    KVPolicy,
    Lag,
    Random,
    Recency,
    Recent,
    Shared,
    Sinks,
    Slerp,
    Uniform,
    Window,
)
from chunkwise.engine.kv.compress.code import Packed, _Pair
from chunkwise.errors import UserError
from chunkwise.recipe import build

RANDOM = KVPolicy(Random(), protect=Recent(1))


def test_streaming() -> None:
    """A window without the sinks loses what attention rests on; with them it goes on for ever, within one size."""
    world = World(600)
    sink, near = world.direction(), world.direction()
    world.tells([0, 1, 2, 3], sink)
    world.tells([590], near)
    topic = sink + near  # what is asked for is in the window, and every question rests on the sinks besides
    assert world.error("streaming", 64, topic) < 0.25
    assert world.error(KVPolicy(Recency(), refresh=EachPass(), compact=True), 64, topic) > 1
    # The positions are those of a text that was never longer.
    kept = [0, 1, 2, 3, *range(540, 600)]
    short = World(600)
    short.q, short.k, short.v = (each[:, kept] for each in (world.q, world.k, world.v))
    turning = torch.randn(600, 2, 2, generator=world.random)  # give the dimensions that turn something to say
    world.k[0, :, :, :2], short.k[0, :, :, :2] = turning, turning[kept]
    topic[:2] = 3
    wanted = short.answers(short.read(KVPolicy(), 1.0), topic)
    host = world.read("streaming", 64, passes=[100] * 6)
    assert positions(host) == kept
    assert torch.allclose(world.answers(host, topic), wanted, atol=1e-5)
    control = world.read(KVPolicy(Recency(), protect=Sinks(4), refresh=EachPass()), 64, passes=[100] * 6)
    assert positions(control) == kept
    assert not torch.allclose(world.answers(control, topic), wanted, atol=1e-2)
    size = host.bytes
    for _ in range(50):
        world.answers(host, topic)
        assert host.bytes == size


def test_h2o() -> None:
    """A token that every query but the last ones attends to stays; the last ones' attention does not show it."""
    world = World(400)
    topic, other = world.direction(), world.direction()
    world.tells([50], topic)
    world.asks(slice(51, 330), topic)
    world.asks(slice(330, 400), other)
    assert 50 in positions(world.read("h2o", 0.1))
    assert world.error("h2o", 0.1, topic) < 0.1
    assert 50 not in positions(world.read("snapkv:window=32", 0.1))
    assert world.error("snapkv:window=32", 0.1, topic) > 0.5


def test_tova() -> None:
    """Ten entries: what the newest query looks for, anywhere; a window of ten has none of it."""
    world = World(300)
    topic = world.direction()
    told = [11, 60, 61, 155, 200, 201, 202, 280]
    world.tells(told, topic)
    world.asks([299], topic)
    host = world.read("tova", 10)
    assert set(told) < set(positions(host))
    assert positions(host) == positions(host, head=1)  # alike in all heads
    assert world.error("tova", 10, topic) < 0.1
    assert world.error("streaming", 10, topic) > 0.5


def test_knorm() -> None:
    """Where short keys draw attention they are kept without a query; long ones, or any, are not as good."""
    world = World(400)
    axis = world.direction()
    lengths = 0.2 + 2 * torch.rand(400, generator=world.random)
    world.k = (lengths[:, None] * axis + 0.05 * world.k[0, :, 0])[None, :, None].repeat(1, 1, 2, 1)
    world.q[:] = 0  # nobody has asked
    assert world.error("knorm", 0.1, -axis, 4) < 0.1
    assert world.error(RANDOM, 0.1, -axis, 4) > 0.5
    lengths = sorted(lengths[positions(world.read("knorm", 0.1))].tolist())
    assert lengths[-2] < 0.2 + 2 * 0.15  # all but the newest


def test_snapkv() -> None:
    """At a tenth of the cache the needle that the last queries ask for is there; of a random tenth it is not."""
    world = World(500)
    topic = world.direction()
    world.tells([123, 124], topic)
    world.asks(slice(490, 500), topic)
    assert {121, 122, 123, 124, 125, 126} <= set(positions(world.read("snapkv:window=20", 0.1)))  # and neighbours
    assert world.error("snapkv:window=20", 0.1, topic) < 0.1
    assert world.error(RANDOM, 0.1, topic) > 0.5
    # Head by head: two heads that ask for different things keep different things.
    other = world.direction()
    world.tells([300], other)
    world.q[0, 490:, 2:] = 1.5 * other
    host = world.read("snapkv:window=20,pool=1", 22)
    assert [300 in positions(host, head=head) for head in range(2)] == [False, True]
    assert [124 in positions(host, head=head) for head in range(2)] == [True, False]


def test_chunkkv() -> None:
    """Phrases whose tokens are asked for unevenly stay whole; token by token they are torn for single strays."""
    world = World(624)
    topic = world.direction()
    phrases = [range(4 + 10 * at, 14 + 10 * at) for at in (7, 21, 40)]
    strength = torch.tensor([1.0, 0.65, 0.9, 0.6, 1.0, 0.65, 0.8, 0.6, 0.9, 0.6])
    for phrase in phrases:
        world.k[0, list(phrase)] = (strength[:, None] * topic)[:, None]
    strays = [at for at in range(8, 600, 20) if not any(at in phrase for phrase in phrases)]
    world.k[0, strays] = 0.75 * topic
    world.asks(slice(600, 624), topic)

    def whole(spec: str) -> int:
        kept = set(positions(world.read(spec, 4 + 24 + 30)))
        return sum(set(phrase) <= kept for phrase in phrases)

    assert whole("chunkkv:window=24,size=10") == 3
    assert whole("snapkv:window=24,pool=1") == 0
    host = world.read("chunkkv:window=24,size=10", 70)
    assert positions(host) == positions(host, head=1)


def test_expected_attention() -> None:
    """What some queries asked for all along is expected to be asked for again, though the last 64 did not."""
    world = World(800)
    topic, other = world.direction(), world.direction()
    world.tells([200, 201], topic)
    world.tells([500], other)
    world.asks(slice(5, 700, 12), topic, 2.5)
    world.asks(slice(736, 800), other)
    assert {200, 201} <= set(positions(world.read("expected-attention", 0.1)))
    assert world.error("expected-attention", 0.1, topic) < 0.1
    assert 200 not in positions(world.read("snapkv", 0.1))
    assert world.error("snapkv", 0.1, topic) > 0.5


def test_lagkv() -> None:
    """Tokens unlike what follows them stay, whatever is asked, in a cache that is never larger than the budget."""
    world = World(1200)
    world.k[:] = world.k[:, :1] + 0.1 * world.k
    world.v[:] = world.v[:, :1] + 0.1 * world.v
    odd = [40, 170, 333, 480, 555, 700, 801, 910]
    world.k[:, odd] = 2 * world.drawn(1, 8, 2, 32)
    world.v[:, odd] = 2 * world.drawn(1, 8, 2, 32)
    host = world.read("lagkv:size=32", 150, passes=[100] * 12)
    assert set(odd) <= set(positions(host))
    assert len(set(odd) & set(positions(world.read(RANDOM, 150)))) <= 4
    assert Lag(32).needs == (0, None, False)  # no attention
    sizes = [len(positions(world.read("lagkv:size=32", 150, passes=[100] * passes))) for passes in range(1, 13)]
    assert max(sizes) == 150
    world.q = world.q.flip(1)
    assert positions(world.read("lagkv:size=32", 150, passes=[100] * 12)) == positions(host)


def spread(world: World, topic: torch.Tensor, told: list[list[int]]) -> None:
    """Each layer tells of the topic at other tokens, which the last queries ask for."""
    for layer, rows in enumerate(told):
        world.tells(rows, topic, layer=layer)
    world.asks(slice(480, 500), topic)


def test_dynamickv() -> None:
    """A layer that has forty of what is asked for gets the budget for them from one that has two; in all it is kept."""
    world = World(500, layers=2)
    topic = world.direction()
    spread(world, topic, [list(range(20, 420, 10)), [200, 201]])
    host = world.read("dynamickv:window=20,pool=1", 41)
    sizes = [len(positions(host, layer)) for layer in range(2)]
    assert sum(sizes) == 82
    assert sizes[0] - 20 > 4 * (sizes[1] - 20)
    assert set(range(20, 420, 10)) <= set(positions(host, 0))
    assert {200, 201} <= set(positions(host, 1))
    assert world.error("dynamickv:window=20,pool=1", 45, topic) < 0.5 * world.error(
        "snapkv:window=20,pool=1", 45, topic
    )


def test_prefixkv() -> None:
    """One share of attention for all layers retains more of it than one number of entries, which is kept on average."""
    world = World(500, layers=3)
    topic = world.direction()
    spread(world, topic, [list(range(20, 420, 5)), [200, 201], list(range(30, 330, 30))])
    sink = world.direction()
    world.tells([0, 1, 2, 3], sink)
    world.asks(slice(0, 420), sink)
    world.asks(slice(420, 500), topic)

    def retained(policy: KVPolicy) -> tuple[list[int], float]:
        whole, host = world.read(KVPolicy(policy.score), 1.0), world.read(policy, 30)
        shares, sizes = [], []
        for layer in range(3):
            kept, paid = positions(host, layer), whole.held(layer).received[0].mean(0)
            shares.append(float(paid[kept].sum() / paid.sum()))
            sizes.append(len(kept))
        return sizes, sum(shares)

    policy = build("prefixkv")
    sizes, mass = retained(policy)
    assert sum(sizes) == 90
    even, control = retained(KVPolicy(policy.score, budget=Uniform(), protect=policy.protect))
    assert even == [30] * 3
    assert mass > control + 0.05
    assert sizes[0] > sizes[2] > sizes[1]


def dense(world: World) -> int:
    """Bytes of the whole cache."""
    return 4 * (world.k.numel() + world.v.numel())


def test_int8_kv() -> None:
    """Every token at three tenths of the bytes, nearly exact; evicting to as many bytes is not."""
    world = World(300, layers=2)
    topic = world.direction()
    world.tells([20, 150], topic)
    host = world.read("int8-kv", 0.3)
    assert positions(host) == [*range(300)]
    assert host.bytes <= 0.3 * dense(world)
    assert world.error("int8-kv", 0.3, topic) < 0.02
    assert world.error("streaming", 0.3, topic) > 0.5


def test_int4_kv() -> None:
    """Every token at 16 % of the bytes; keys whose channels differ in size bear it by channel, not by token."""
    world = World(300)
    topic = world.direction()
    world.tells([20, 150], topic)
    host = world.read("int4-kv", 0.16)
    assert positions(host) == [*range(300)]
    assert host.bytes <= 0.16 * dense(world)
    assert world.error("int4-kv", 0.16, topic) < 0.2 < 0.5 < world.error("streaming", 0.16, topic)
    keys = world.drawn(300, 32) * torch.logspace(-1, 1, 32)
    off = [((Packed(keys, 4, by_channel).read() - keys) / keys.std(0)).square().mean() for by_channel in (True, False)]
    assert off[0] < 0.3 * off[1]


def test_zipcache() -> None:
    """The bits go where attention goes: less error than on a random choice of as many tokens, and than two bits."""
    world = World(400)
    topic = world.direction()
    world.tells(range(10, 390, 20), topic)
    world.k[:, 10:390:20] += 0.3 * world.drawn(1, 19, 2, 32)
    world.asks(slice(100, 400), topic)
    policy = build("zipcache")
    assert world.read(policy, 0.14).bytes <= 0.14 * dense(world)
    assert positions(world.read(policy, 0.14)) == [*range(400)]
    mixed, anywhere, low = (
        world.error(replace(policy, **other), 0.14, topic)
        for other in ({}, {"score": Random()}, {"code": Bits(2, 2, 1.0)})
    )
    assert mixed < 0.8 * anywhere < low
    assert Packed(world.drawn(400, 32), 4, by_channel=False).parameters == 32 + 2 * 400


def test_minicache() -> None:
    """Two layers that differ in length alone cost one direction, and next to no error; their mean has a large one."""
    world = World(200, layers=4)
    topic = world.direction()
    long = 0.5 + 2 * torch.rand(200, 1, 1, generator=world.random)
    world.k[3], world.v[3] = long * world.k[2], long * world.v[2]
    apart = [31, 77, 160]
    world.k[3, apart], world.v[3, apart] = world.drawn(3, 2, 32), world.drawn(3, 2, 32)
    world.asks(slice(0, 200), topic)
    host = world.read("minicache", 0.85)
    assert positions(host) == [*range(200)]
    assert host.bytes <= 0.85 * dense(world)
    whole, held = world.read(KVPolicy(), 1.0), [host.held(layer) for layer in range(4)]
    for layer in range(4):
        assert torch.allclose(held[layer].keys, whole.held(layer).keys, atol=1e-4)
        assert torch.allclose(held[layer].values, whole.held(layer).values, atol=1e-4)
        assert torch.equal(held[layer].values[:, :, apart], whole.held(layer).values[:, :, apart])
    mean = (whole.held(2).values + whole.held(3).values) / 2
    assert (mean - whole.held(3).values).norm() > 0.2 * mean.norm()
    # What differs in direction is between both, nearer to it than the mean of unequal lengths.
    one, two = world.drawn(2, 100, 32)
    pair = torch.stack((one, 5 * two))
    on_arc, half = _Pair(pair, [100], Slerp(0.5, 0.0)), pair.mean(0)
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(on_arc.read(0), one).min() > cosine(half, one).mean() + 0.1
    with pytest.raises(UserError, match="same tokens"):
        world.read(replace(build("snapkv"), code=Slerp()), 0.5)


def test_lacache() -> None:
    """Layers together hold more of the past, and from further back, than a window as large as each of them is."""
    world = World(600, layers=4)
    sizes = []
    for passes in (5, 30):
        host = world.read("lacache", 64, passes=[20] * passes)
        sizes.append([len(positions(host, layer)) for layer in range(4)])
    assert sizes == [[64] * 4] * 2
    union = sorted({at for layer in range(4) for at in positions(host, layer)})
    window = positions(world.read("streaming", 64, passes=[20] * 30))
    assert len(union) > 1.25 * 64
    assert len(window) == 64
    assert union[4] < window[4] - 40  # behind the sinks
    assert len({tuple(positions(host, layer)) for layer in range(4)}) > 1
    counts = [sum(at in union for at in range(start, start + 60)) for start in (540, 480)]
    assert counts[0] > counts[1]  # the older the fewer


def test_zeromerge() -> None:
    """What does not fit is heard as one voice of many: less error than without it, and every token is counted."""
    world = World(400)
    topic, common = world.direction(), world.direction()
    world.k[:, :, :, :] = 0.5 * common + 0.5 * world.k
    world.v += 1
    world.tells([300], topic)
    policy = build("zeromerge")
    other = 0.5 * common + 0.2 * topic
    assert world.error(policy, 0.1, other) < 0.7 * world.error(replace(policy, action=Evict()), 0.1, other)
    host = world.read(policy, 40)
    for _ in range(30):
        world.answers(host, topic)
    held = host.held(0)
    assert held.weights[held.valid].view(2, -1).sum(-1).tolist() == [430, 430]
    assert held.valid.sum(-1).tolist() == [[40, 40]]
    assert (held.weights > 1).sum(-1).tolist() == [[12, 12]]


def test_chelsea() -> None:
    """Keys that come in near-copies are merged at hardly any error, four fifths of them; evicting as many has some."""
    world = World(800)
    kinds = world.drawn(1, 100, 2, 32)
    kinds[..., :2] = 0
    # Copies stand within a chunk, as in a text that goes on about one thing for a while.
    which = torch.arange(800) // 64 * 8 + torch.randint(0, 8, (800,), generator=world.random)
    world.k = kinds[:, which % 100] + 0.02 * world.k
    world.v = world.drawn(1, 100, 2, 32)[:, which % 100]
    topic = kinds[0, 17, 0] + kinds[0, 40, 1]
    errors = [world.error(replace(build("chelsea"), action=how), 0.3, topic, 1) for how in (Cluster(64), Evict())]
    assert errors[0] < 0.15 < 0.5 < errors[1]
    held = world.read("chelsea", 0.3).held(0)
    assert held.weights[held.valid].view(2, -1).sum(-1).tolist() == [800, 800]


def test_ems() -> None:
    """Slots that speak for others like them err less than as many that do not; what is like none is dropped."""
    world = World(500)
    topics = [world.direction() for _ in range(6)]
    for number, topic in enumerate(topics):
        rows = list(range(10 + number, 450, 9))
        world.k[:, rows] = topic + 0.3 * world.drawn(1, len(rows), 2, 32)
        world.asks(slice(100 + number, 500, 9), topic, 1.0)
    policy = build("ems:recent=16,like=0.8")
    evicted = replace(policy, action=Evict())
    errors = [sum(world.error(way, 60, topic, 1) for topic in topics) for way in (policy, evicted)]
    assert errors[0] < 0.8 * errors[1]
    held = world.read(policy, 60).held(0)
    assert held.valid.sum(-1).tolist() == [[60, 60]]
    assert 100 < held.weights[held.valid].view(2, -1).sum(-1).min() < 500


def test_kvcrush() -> None:
    """Asked for something that nobody had asked for before, representatives of the rest know it; the best do not."""
    world = World(464, heads=8, kv_heads=8)
    topic = world.direction()
    world.tells(range(80), topic)
    world.asks(slice(400, 464), topic)
    others = [world.direction() for _ in range(12)]
    for number, other in enumerate(others):
        # Tokens of one kind, which half of the heads attend to a little: so its bits are its own.
        rows = list(range(100 + 25 * number, 125 + 25 * number))
        world.k[:, rows] = other
        world.v[:, rows] = world.drawn(DIM)
        for head in range(8):
            world.k[:, rows, head] += (0.1 if (number + 1) * 37 >> head & 1 else -0.1) * topic
    policy = build("kvcrush")
    errors = [
        sum(world.error(way, 144, other) for other in others) for way in (policy, replace(policy, action=Evict()))
    ]
    assert errors[0] < 0.7 * errors[1]
    assert len(positions(world.read(policy, 144))) == 144


def test_citrus() -> None:
    """A needle in the first chunk that only the instruction asks for is there after ten more; by the text it is not."""
    world = World(1100)
    topic = world.direction()
    world.tells([30], topic)
    for chunk in range(11):  # each pass ends with the instruction, four tokens that ask
        world.asks(slice(100 * chunk + 96, 100 * chunk + 100), topic)
    host = world.read("citrus", 60, passes=[100] * 11, asked=4)
    assert host.seen() == 11 * 96
    assert 30 in positions(host)
    assert len(positions(host)) == 60
    control = replace(build("citrus"), score=Window(64) | Shared())
    assert 30 not in positions(world.read(control, 60, passes=[100] * 11, asked=4))
