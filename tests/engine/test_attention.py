"""Attention in parts against one plain softmax in float64, with the compiled kernel and without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from chunkwise.engine.attention import Cached, Part, Partial, Plan, attend, merge, partial, subset
from chunkwise.engine.kernels import library
from chunkwise.engine.rope import Turn

TORCH, COMPILED = "0", "1"
ways = pytest.mark.parametrize("way", [TORCH, COMPILED])


def plain(q: Tensor, k: Tensor, v: Tensor, heard: Tensor, scale: float | None = None) -> Partial:
    """q [heads, t, d], k and v [kv_heads, n, d], heard [.., t, n] true or a bias: the definition, in float64."""
    group = q.shape[0] // k.shape[0]
    k, v = (each.double().repeat_interleave(group, 0) for each in (k, v))
    scores = (q.double() @ k.mT) * (scale or q.shape[-1] ** -0.5)
    scores = scores.masked_fill(~heard, -math.inf) if heard.dtype == torch.bool else scores + heard.double()
    weights = torch.where((scores == -math.inf).all(-1, keepdim=True), 0, scores.softmax(-1))
    return Partial(weights @ v, scores.logsumexp(-1))


def close(found: Tensor, wanted: Tensor, within: float = 1e-5) -> bool:
    return torch.allclose(found.double(), wanted, rtol=within, atol=within, equal_nan=True)


def drawn(*shapes: Sequence[int], seed: int = 0, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=made, dtype=torch.float64).to(dtype) for shape in shapes]


def heard_by(parts: Sequence[Part], rows: int, slots: int) -> Tensor:
    """What the parts mean: [rows, slots]."""
    heard = torch.zeros(rows, slots, dtype=torch.bool)
    for part in parts:
        who, what = torch.arange(rows)[part.rows], torch.arange(slots)[part.slots]
        for i, row in enumerate(who):
            heard[row, what[: len(what) - (len(who) - 1 - i)] if part.causal else what] = True
    return heard


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.integers(0, 9), st.integers(0, 40),
    st.sampled_from([8, 16, 64]), st.sampled_from(["whole", "causal", "bias", "both"]), st.integers(0, 99),
)  # fmt: skip
def test_partial_is_plain_softmax(b: int, kv: int, group: int, t: int, n: int, d: int, kind: str, seed: int) -> None:
    q, k, v, bias = drawn((b, kv * group, t, d), (b, kv, n, d), (b, kv, n, d), (kv * group, t, n), seed=seed)
    bias = bias.masked_fill(bias > 1, -math.inf)
    biased, causal = kind in ("bias", "both"), kind in ("causal", "both")
    heard = torch.zeros(t, n).masked_fill(~torch.ones(t, n, dtype=torch.bool).tril(n - t), -math.inf if causal else 0)
    found = partial(q, k, v, causal=causal, bias=bias if biased else None)
    assert found.out.shape == q.shape
    for i in range(b):
        wanted = plain(q[i], k[i], v[i], heard + bias if biased else heard)
        assert close(found.out[i], wanted.out)
        assert close(found.lse[i], wanted.lse)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("causal", [False, True])
def test_other_dtypes(dtype: torch.dtype, causal: bool) -> None:
    q, k, v = drawn((1, 6, 7, 32), (1, 2, 30, 32), (1, 2, 30, 32), dtype=dtype)
    found = partial(q, k, v, causal=causal)
    heard = torch.ones(7, 30, dtype=torch.bool).tril(23 if causal else 99)
    wanted = plain(q[0], k[0], v[0], heard)
    assert found.out.dtype == dtype
    assert close(found.out[0], wanted.out, {torch.float64: 1e-12, torch.float16: 5e-3, torch.bfloat16: 3e-2}[dtype])
    assert close(found.lse[0], wanted.lse, 1e-12 if dtype == torch.float64 else 2e-2)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=5), st.integers(0, 99), st.sampled_from([1.0, 100.0]))
def test_merged_parts_are_the_whole(sizes: list[int], seed: int, loud: float) -> None:
    q, k, v = drawn((1, 4, 3, 16), (1, 2, sum(sizes), 16), (1, 2, sum(sizes), 16), seed=seed)
    ends = torch.tensor([0, *sizes]).cumsum(0).tolist()
    merged = merge([partial(q * loud, k[:, :, a:z], v[:, :, a:z]) for a, z in pairwise(ends)])
    wanted = plain(q[0] * loud, k[0], v[0], torch.ones(3, sum(sizes), dtype=torch.bool))
    within = 1e-5 * loud  # what float32 keeps of such scores
    assert close(merged.out[0], wanted.out, within)
    assert close(merged.lse[0], wanted.lse, within)


def test_the_mean_of_partials_is_no_merge() -> None:
    """The control of the test above: without the denominators the parts do not make the whole."""
    q, k, v = drawn((1, 4, 3, 16), (1, 2, 20, 16), (1, 2, 20, 16))
    heard = [partial(q, k[:, :, part], v[:, :, part]) for part in (slice(0, 3), slice(3, 20))]
    wanted = plain(q[0], k[0], v[0], torch.ones(3, 20, dtype=torch.bool)).out
    assert not close(torch.stack([each.out for each in heard]).mean(0)[0], wanted, 1e-2)


def test_what_is_not_heard_weighs_nothing() -> None:
    q, k, v = drawn((1, 2, 3, 8), (1, 1, 5, 8), (1, 1, 5, 8))
    some, nothing = partial(q, k, v), partial(q, k[:, :, :0], v[:, :, :0])
    assert (nothing.lse == -math.inf).all()
    assert not nothing.out.any()
    for merged in (merge([some, nothing]), merge([nothing, some, nothing])):
        assert torch.equal(merged.out, some.out)
        assert close(merged.lse, some.lse.double(), 1e-6)
    twice = merge([nothing, nothing])
    assert (twice.lse == -math.inf).all()
    assert not twice.out.any()
    unheard = partial(q, k, v, bias=torch.full((3, 5), -math.inf))
    assert (unheard.lse == -math.inf).all()
    assert not unheard.out.any()


@st.composite
def passes(draw: st.DrawFn) -> tuple[list[Part], int, int]:
    """Sequences that share runs as a tree does, decoded, verified or prefilled, over an arena of many cuts."""
    cuts = [0, *sorted(draw(st.sets(st.integers(1, 1499), min_size=3, max_size=12))), 1500]
    runs = draw(st.permutations([slice(a, z) for a, z in pairwise(cuts)]))
    shared, private = runs[: len(runs) // 2], runs[len(runs) // 2 :]
    parts, row = [], 0
    for own in private:
        size = draw(st.sampled_from([1, 1, 1, 4, 20]))
        rows = slice(row, row + size)
        row += size
        depth = draw(st.integers(0, len(shared)))
        parts += [Part(rows, run) for run in shared[:depth]]
        if draw(st.booleans()):
            parts.append(Part(rows, own, causal=own.stop - own.start >= size))
        elif size == 1:
            parts.append(Part(rows, torch.arange(own.start, own.stop, 3, dtype=torch.int32)))
    return parts, row + draw(st.integers(0, 1)), 1500


@ways
@settings(deadline=None, max_examples=40)
@given(
    drawn_pass=passes(),
    heads=st.sampled_from([(1, 1), (2, 1), (6, 2), (8, 2), (5, 1), (14, 2)]),
    seed=st.integers(0, 99),
)
def test_a_pass_is_plain_softmax(
    way: str, drawn_pass: tuple[list[Part], int, int], heads: tuple[int, int], seed: int
) -> None:
    parts, rows, slots = drawn_pass
    q, k, v = drawn((rows, heads[0], 24), (heads[1], slots, 24), (heads[1], slots, 24), seed=seed)
    wanted = plain(q.transpose(0, 1), k, v, heard_by(parts, rows, slots)).out.transpose(0, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHUNKWISE_COMPILED", way)
        for share in (True, False):
            assert close(attend(q, k, v, Plan(parts, share=share)), wanted)


@ways
@pytest.mark.parametrize("dim", [8, 40, 64, 80, 96, 128, 12])
@pytest.mark.parametrize("length", [1, 3, 31, 32, 33, 64, 1024, 1025, 2500])
def test_lengths_and_head_sizes(way: str, dim: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((1, 6, dim), (2, length + 9, dim), (2, length + 9, dim))
    parts = [Part(slice(0, 1), slice(5, 5 + length), True)]
    wanted = plain(q.transpose(0, 1), k, v, heard_by(parts, 1, length + 9)).out.transpose(0, 1)
    assert close(attend(q, k, v, Plan(parts)), wanted)


@pytest.mark.skipif(library() is None, reason="no compiler")
def test_a_row_does_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit: alone or among others, sharing a run or not, with whatever threads."""
    q, k, v = drawn((9, 6, 64), (2, 6000, 64), (2, 6000, 64))
    shared = slice(0, 2500)
    private = [slice(2500 + 300 * i, 2500 + 300 * i + 37 * (i + 1)) for i in range(9)]
    every = [
        part for i, own in enumerate(private) for part in (Part(slice(i, i + 1), shared), Part(slice(i, i + 1), own))
    ]
    together = attend(q, k, v, Plan(every))
    assert torch.equal(together, attend(q, k, v, Plan(every, share=False)))
    for i in range(9):
        alone = attend(q[i : i + 1], k, v, Plan([Part(slice(0, 1), shared), Part(slice(0, 1), private[i])]))
        assert torch.equal(alone[0], together[i])
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert torch.equal(together, attend(q, k, v, Plan(every)))


@ways
def test_private_rows_do_not_hear_each_other(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((3, 4, 16), (2, 90, 16), (2, 90, 16))
    parts = [Part(slice(i, i + 1), slice(30 * i, 30 * i + 30), True) for i in range(3)]
    before = attend(q, k, v, Plan(parts))
    assert torch.equal(before[1:2], attend(q[1:2], k, v, Plan([parts[1]._replace(rows=slice(0, 1))])))
    k[:, :30], v[:, 60:] = math.nan, math.nan
    after = attend(q, k, v, Plan(parts))
    assert torch.equal(after[1], before[1])
    assert after[0].isnan().all()
    assert after[2].isnan().all()


@ways
def test_nan_and_huge_scores(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((4, 2, 8), (1, 100, 8), (1, 100, 8))
    q[0] *= 1e4  # all weight on one key
    q[1] *= 1e-6  # every key alike
    q[2, 0, 3] = math.nan
    q[3] = 0
    parts = [Part(slice(0, 4), slice(0, 60)), Part(slice(0, 4), slice(60, 100))]
    found = attend(q, k, v, Plan(parts))
    wanted = plain(q.transpose(0, 1), k, v, torch.ones(4, 100, dtype=torch.bool)).out.transpose(0, 1)
    assert close(found, wanted, 1e-4)
    assert found[2, 0].isnan().all()
    assert found[2, 1].isfinite().all()


@ways
def test_a_pass_of_nothing(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((2, 2, 8), (1, 10, 8), (1, 10, 8))
    assert not attend(q, k, v, Plan([])).any()
    assert not attend(q, k, v, Plan([Part(slice(0, 2), slice(4, 4)), Part(slice(1, 1), slice(0, 4))])).any()
    assert attend(q[:0], k, v, Plan([])).shape == (0, 2, 8)
    only_second = attend(q, k, v, Plan([Part(torch.tensor([1]), slice(0, 10))]))
    assert not only_second[0].any()
    assert only_second[1].any()


@ways
@pytest.mark.parametrize(
    "part",
    [
        Part(slice(0, 1), slice(5, 11)),
        Part(slice(0, 1), slice(-2, 3)),
        Part(slice(2, 4), slice(0, 5)),
        Part(torch.tensor([-1]), slice(0, 5)),
        Part(slice(0, 1), torch.tensor([0, 10])),
        Part(slice(0, 1), torch.tensor([-1, 0])),
        Part(slice(0, 20), slice(0, 20), True),
    ],
)
def test_what_is_not_there_is_not_read(way: str, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((3, 2, 8), (1, 10, 8), (1, 10, 8))
    with pytest.raises(IndexError, match="not there"):
        attend(q, k, v, Plan([part]))
    if isinstance(part.slots, Tensor):
        with pytest.raises(IndexError, match="not there"):
            subset(q[:1], k, v, part.slots[None, None])


@ways
@pytest.mark.parametrize("unit", [1, 16])
@pytest.mark.parametrize("lists", [1, 2])
def test_a_subset_is_a_mask(way: str, unit: int, lists: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((3, 6, 16), (2, 2400, 16), (2, 2400, 16))
    made = torch.Generator().manual_seed(1)
    several = [torch.randperm(2400 // unit, generator=made)[: 1500 // unit] for _ in range(3 * lists)]
    chosen = torch.stack(several).view(3, lists, -1).int()
    found = subset(q, k, v, chosen, unit)
    for row in range(3):
        heard = torch.zeros(6, 1, 2400, dtype=torch.bool)
        for head in range(6):
            units = chosen[row, head // 3 if lists > 1 else 0].long()
            heard[head, 0, (units[:, None] * unit + torch.arange(unit)).flatten()] = True
        wanted = plain(q[row, :, None], k, v, heard)
        assert close(found.out[row], wanted.out[:, 0])
        assert close(found.lse[row], wanted.lse[:, 0])


@pytest.mark.skipif(library() is None, reason="no compiler")
def test_compiled_equals_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = drawn((5, 12, 64), (4, 4000, 64), (4, 4000, 64))
    plan = Plan(
        [Part(slice(0, 5), slice(0, 3000)), *(Part(slice(i, i + 1), slice(3000 + i, 3500 + i)) for i in range(5))]
    )
    compiled = attend(q, k, v, plan)
    monkeypatch.setenv("CHUNKWISE_COMPILED", TORCH)
    by_torch = attend(q, k, v, plan)
    assert torch.allclose(compiled, by_torch, atol=1e-5)
    assert not torch.equal(compiled, by_torch)  # two ways indeed


@ways
def test_a_hit_is_a_miss_under_the_same_split(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefilled in chunks, or found in the cache up to a chunk's end: the same bits."""
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((100, 4, 32), (2, 300, 32), (2, 300, 32))

    def last_chunk(at: int, beside: list[Part]) -> Tensor:
        rows = slice(at, at + 40)
        parts = [Part(rows, slice(0, 128)), Part(rows, slice(128, 200)), Part(rows, slice(200, 240), True)]
        padded = torch.cat([q[:at], q[60:]])
        return attend(padded, k, v, Plan([*beside, *parts]))[rows]

    miss = last_chunk(0, [])
    hit = last_chunk(3, [Part(slice(i, i + 1), slice(0, 128)) for i in range(3)])
    assert torch.equal(miss, hit)


@pytest.mark.skipif(library() is None, reason="no compiler")
@pytest.mark.parametrize("shapes", [((2, 8), (2, 9)), ((3, 8), (3, 8)), ((2, 16), (2, 16))])
def test_shapes_that_do_not_belong_together(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    (kv_heads, dim), (value_heads, value_dim) = shapes
    q, k, v = drawn((1, 4, 8), (kv_heads, 10, dim), (value_heads, 10, value_dim))
    with pytest.raises(ValueError, match="cannot hear"):
        attend(q, k, v, Plan([Part(slice(0, 1), slice(0, 10))]))


@ways
def test_gradients_flow_where_they_are_asked_for(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((1, 2, 8), (1, 10, 8), (1, 10, 8))
    q.requires_grad_()
    attend(q, k, v, Plan([Part(slice(0, 1), slice(0, 10))])).sum().backward()
    assert q.grad is not None
    assert q.grad.abs().sum() > 0


@ways
def test_cached_writes_then_hears(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sequences, one decoded and one prefilled, into slots that lie apart; positions turn the queries and keys."""
    monkeypatch.setenv("CHUNKWISE_COMPILED", way)
    q, k, v = drawn((4, 4, 8), (4, 2, 8), (4, 2, 8))
    arena = SimpleNamespace(keys=drawn((2, 50, 8), (2, 50, 8)), values=drawn((2, 50, 8), (2, 50, 8), seed=1))
    before = arena.keys[1].clone(), arena.values[1].clone()
    untouched = arena.keys[0].clone()
    positions = torch.tensor([10, 0, 1, 2])
    stretch = (1.0 + positions)[:, None, None].expand(4, 1, 8)
    rope = SimpleNamespace(at=lambda positions, lengths: Turn(stretch, torch.zeros(4, 1, 8)))
    plan = Plan([Part(slice(0, 1), slice(3, 14), True), Part(slice(1, 4), slice(20, 23), True)])
    found = Cached(arena, rope, positions, [slice(13, 14), slice(20, 23)], plan)(1, q, k, v)
    keys, values = before
    slots = torch.tensor([13, 20, 21, 22])
    keys[:, slots], values[:, slots] = (k * (1 + positions)[:, None, None]).transpose(0, 1), v.transpose(0, 1)
    assert torch.equal(arena.keys[1], keys)
    assert torch.equal(arena.values[1], values)
    assert torch.equal(arena.keys[0], untouched)
    heard = torch.zeros(4, 50, dtype=torch.bool)
    heard[0, 3:14] = True
    heard[1:, 20:23] = torch.ones(3, 3, dtype=torch.bool).tril()
    turned = (q * (1 + positions)[:, None, None]).transpose(0, 1)
    assert close(found, plain(turned, keys, values, heard).out.transpose(0, 1))


def test_a_shared_run_is_read_once() -> None:
    parts = [Part(slice(i, i + 1), slice(0, 1000)) for i in range(8)]
    own = [Part(slice(i, i + 1), slice(1000 + 10 * i, 1010 + 10 * i), True) for i in range(8)]
    assert Plan([*parts, *own]).read == 1000 + 80
    assert Plan([*parts, *own], share=False).read == 8 * 1000 + 80
