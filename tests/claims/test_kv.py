"""The claims of the policies of keys and values, each with a control that must lose."""

from __future__ import annotations

import torch

from attended import World, positions
from chunkwise.engine.kv.compress import EachPass, KVPolicy, Lag, Random, Recency, Recent, Sinks, Uniform
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


def test_lrsa() -> None:
    """Tokens unlike what follows them stay, whatever is asked, in a cache that is never larger than the budget."""
    world = World(1200)
    world.k[:] = world.k[:, :1] + 0.1 * world.k
    world.v[:] = world.v[:, :1] + 0.1 * world.v
    odd = [40, 170, 333, 480, 555, 700, 801, 910]
    world.k[:, odd] = 2 * world.drawn(1, 8, 2, 32)
    world.v[:, odd] = 2 * world.drawn(1, 8, 2, 32)
    host = world.read("lrsa:size=32", 150, passes=[100] * 12)
    assert set(odd) <= set(positions(host))
    assert len(set(odd) & set(positions(world.read(RANDOM, 150)))) <= 4
    assert Lag(32).needs == (0, None, False)  # no attention
    sizes = [len(positions(world.read("lrsa:size=32", 150, passes=[100] * passes))) for passes in range(1, 13)]
    assert max(sizes) == 150
    world.q = world.q.flip(1)
    assert positions(world.read("lrsa:size=32", 150, passes=[100] * 12)) == positions(host)


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
