"""What holds for every policy of keys and values, whatever it keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from chunkwise.engine.config import Config, Rotary
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.kv.compress import Compressing, EachPass, Every, KVPolicy, Once, Sinks
from chunkwise.engine.kv.compress.entries import Entries
from chunkwise.errors import UnknownRecipe, UserError
from chunkwise.recipe import Recipe, build, recipes

SHAPE = Config("llama", 64, 32, 4, 4, 2, 16, 48, 512, Rotary(16))
POLICIES = [made for made in recipes() if made.build.__module__ == "chunkwise.engine.kv.recipes"]
everyone = pytest.mark.parametrize("made", POLICIES, ids=lambda made: made.name)
quick = settings(deadline=None, max_examples=8)


@pytest.fixture(scope="module")
def model() -> Decoder:
    return Decoder.random(SHAPE, seed=1)


def drawn(n: int, seed: int = 0) -> Tensor:
    return torch.randint(0, SHAPE.vocabulary, (n,), generator=torch.Generator().manual_seed(seed))


def run(model: Decoder, host: Compressing, tokens: Tensor, passes: Sequence[int], decode: int = 0) -> Tensor:
    """Logits of the last prompt token and of every decoded one; the prompt comes in passes."""
    parts = torch.split(tokens, [*passes, *[1] * decode])
    said = []
    for number, part in enumerate(parts):
        logits = model(part, host.of([len(part)], whole=number >= len(passes) - 1))
        said += [logits[-1]] if number >= len(passes) - 1 else []
    return torch.stack(said)


def kept(host: Compressing, sequence: int = 0) -> list[list[list[int]]]:
    """Positions that are held, by layer and head."""
    return [
        [p[v].tolist() for p, v in zip(held.positions[0], held.valid[0], strict=True)]
        for held in (host.held(layer, sequence) for layer in range(SHAPE.layers))
    ]


def plain(made: Recipe) -> KVPolicy:
    policy: KVPolicy = build(made.spec)
    return policy


@everyone
def test_all_of_the_budget_is_dense_attention(made: Recipe, model: Decoder) -> None:
    tokens = drawn(60)
    host = Compressing(model, plain(made), 1.0)
    dense = Compressing(model, KVPolicy(), 1.0)
    said = run(model, host, tokens, [30, 20], 10)
    assert torch.allclose(said, run(model, dense, tokens, [50], 10), atol=1e-5)
    assert host.bytes == dense.bytes == 60 * 2 * 4 * 2 * 16 * 4


@everyone
@quick
@given(st.integers(1, 150), st.integers(2, 100), st.integers(0, 99), st.integers(1, 60))
def test_it_stays_within_the_budget(made: Recipe, n: int, percent: int, seed: int, size: int) -> None:
    model, policy = Decoder.random(SHAPE, seed=1), plain(made)
    host = Compressing(model, policy, percent / 100)
    whole = run(model, host, drawn(n, seed), [size] * (n // size) + ([n % size] if n % size else []))
    assert whole.isfinite().all()
    assert host.bytes <= percent * n * 2 * 4 * 2 * 16 * 4 / 100
    for layer in range(SHAPE.layers):
        held = host.held(layer)
        for positions, valid, weights in zip(held.positions[0], held.valid[0], held.weights[0], strict=True):
            there = positions[valid].tolist()
            assert there == sorted(set(there))
            assert (weights[valid] >= 1).all()
            assert weights[valid].sum() <= n + 1e-3


@everyone
def test_what_is_protected_stays(made: Recipe, model: Decoder) -> None:
    policy = plain(made)
    host = Compressing(model, policy, 0.6)
    run(model, host, drawn(200), [120, 80])
    empty = torch.zeros(1, 2, 200, 16)
    protected = policy.protect(Entries.fresh(empty, empty), 200)[0, 0].nonzero()[:, 0].tolist()
    for heads in kept(host):
        for positions in heads:
            assert set(protected) <= set(positions)


@everyone
def test_rows_of_a_batch_are_as_if_alone(made: Recipe, model: Decoder) -> None:
    """Of very different lengths, one shorter than any window."""
    policy, lengths = plain(made), [3, 90, 150]
    together = Compressing(model, policy, 0.3, sequences=3)
    prompts = [drawn(n, seed=n) for n in lengths]
    said = model(torch.cat(prompts), together.of(lengths), at=[2, 92, 242])
    for number, prompt in enumerate(prompts):
        alone = Compressing(model, policy, 0.3)
        assert torch.allclose(run(model, alone, prompt, [len(prompt)])[-1], said[number], atol=1e-5)
        assert kept(alone) == kept(together, number)


@everyone
def test_it_is_deterministic_and_goes_on(made: Recipe, model: Decoder) -> None:
    tokens, policy = drawn(140), plain(made)
    one, two = (Compressing(model, policy, 40) for _ in range(2))
    said = [run(model, host, tokens, [100], 40) for host in (one, two)]
    assert torch.equal(*said)
    assert said[0].isfinite().all()
    assert kept(one) == kept(two)
    if isinstance(policy.refresh, Every | EachPass) and policy.refresh.tokens == 1:
        assert one.bytes <= 40 * 2 * 4 * 2 * 16 * 4


@everyone
def test_a_split_prompt_keeps_what_a_whole_one_does(made: Recipe, model: Decoder) -> None:
    policy = plain(made)
    if isinstance(policy.refresh, EachPass):  # what it cuts a prompt into is what it is about
        pytest.skip("compresses after every pass")
    hosts = [Compressing(model, policy, 0.25) for _ in range(2)]
    run(model, hosts[0], drawn(160), [160])
    run(model, hosts[1], drawn(160), [7, 64, 1, 88])
    assert kept(hosts[0]) == kept(hosts[1])


@everyone
def test_its_line_is_read_back(made: Recipe) -> None:
    policy = plain(made)
    assert KVPolicy.read(policy.spec) == policy


def test_a_line_of_ones_own(model: Decoder) -> None:
    policy = KVPolicy.read("score=window(32)|pool(5), unit=chunk(20),budget=mass(0.95),protect=sinks(4)+recent(16)")
    assert policy.unit.spec == "chunk(20)"
    assert policy.refresh == Once()
    host = Compressing(model, policy, 0.5)
    run(model, host, drawn(200), [200])
    assert host.bytes <= 0.5 * 200 * 2 * 4 * 2 * 16 * 4


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("score=windo(3)", "window"),
        ("score=window(three)", "queries is a int"),
        ("score=window(3,4)", "takes no"),
        ("unit=window(3)", "no unit"),
        ("colour=red", "one of score"),
        ("score", "one of score"),
        ("compact=maybe", "true or false"),
        ("score=(", "cannot read"),
    ],
)
def test_lines_that_cannot_be_read(spec: str, says: str) -> None:
    with pytest.raises(UnknownRecipe, match=says):
        KVPolicy.read(spec)


@pytest.mark.parametrize("budget", [0, -1, 0.0, 1.5, -0.5, math.nan])
def test_budgets_that_are_none(budget: float, model: Decoder) -> None:
    with pytest.raises(UserError, match="budget"):
        Compressing(model, KVPolicy(), budget)


def test_a_pass_for_other_sequences(model: Decoder) -> None:
    with pytest.raises(UserError, match="does not fit"):
        Compressing(model, KVPolicy(), 1.0).of([1, 2])


def test_a_budget_below_what_is_protected(model: Decoder) -> None:
    """The sinks first, then the newest, and never more than the budget."""
    host = Compressing(model, KVPolicy.read("protect=sinks(4)+recent(64)"), 10)
    run(model, host, drawn(100), [100])
    assert kept(host) == [[[0, 1, 2, 3, *range(94, 100)]] * 2] * 4
    assert Sinks(4).spec == "sinks(4)"
