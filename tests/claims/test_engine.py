"""The claims of the ways to attend, each with a control that must lose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from chunkwise.engine.attention import Part, Plan, attend, partial
from chunkwise.engine.bias import Factors, alibi, truncated
from chunkwise.engine.softmax import two_pass
from chunkwise.errors import UserError
from chunkwise.recipe import build


def plain(q: Tensor, k: Tensor, v: Tensor, heard: Tensor) -> Tensor:
    """Float64 softmax attention of q [t, heads, d] over k and v [kv_heads, n, d]; heard: [.., t, n], bool or a bias."""
    group = q.shape[1] // k.shape[0]
    k, v = (each.double().repeat_interleave(group, 0) for each in (k, v))
    scores = q.double().transpose(0, 1) @ k.mT / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(~heard, -math.inf) if heard.dtype == torch.bool else scores + heard.double()
    return (scores.softmax(-1) @ v).transpose(0, 1)


def drawn(*shapes: Sequence[int]) -> Iterator[Tensor]:
    made = torch.Generator().manual_seed(0)
    return (torch.randn(*shape, generator=made) for shape in shapes)


def heard(parts: Sequence[Part], slots: int) -> Tensor:
    """[rows, slots] for parts of one row each."""
    found = torch.zeros(
        1 + max(part.rows.start for part in parts if isinstance(part.rows, slice)), slots, dtype=torch.bool
    )
    for part in parts:
        found[part.rows, part.slots] = True
    return found


def tree(prefix: int, branch: int, own: int, rows: int) -> list[Part]:
    """Rows that all share a prefix, and in halves a branch, and end in slots of their own."""
    parts = []
    for row in range(rows):
        first = prefix + branch * (row % 2)
        private = prefix + 2 * branch + own * row
        runs = (slice(0, prefix), slice(first, first + branch), slice(private, private + own))
        parts += [Part(slice(row, row + 1), run) for run in runs]
    return parts


def test_hydragen() -> None:
    """A tree of shared runs is read once and equals full attention; without sharing it is read once a sequence."""
    parts, slots = tree(1000, 200, 10, rows=8), 1000 + 2 * 200 + 8 * 10
    q, k, v = drawn((8, 6, 32), (2, slots, 32), (2, slots, 32))
    plan, control = build("hydragen")(parts), Plan(parts, share=False)
    assert torch.allclose(attend(q, k, v, plan).double(), plain(q, k, v, heard(parts, slots)), atol=1e-5)
    assert plan.read == slots
    assert control.read == 8 * 1210
    means = torch.stack([attend(q, k, v, Plan(parts[level::3])) for level in range(3)]).mean(0)
    assert not torch.allclose(means.double(), plain(q, k, v, heard(parts, slots)), atol=1e-2)  # unmerged by lse


def test_chunkattention() -> None:
    """Requests whose common prefix nobody has told of: named as one run each, they share it all the same."""
    common, slots = 1000, 3000
    ends = [common + 17 * i for i in range(6)]  # each goes on a while in the slots of the longest, then in its own
    parts = [Part(slice(i, i + 1), slice(0, end)) for i, end in enumerate(ends)]
    parts += [Part(slice(i, i + 1), slice(2000 + 50 * i, 2050 + 50 * i), True) for i in range(6)]
    q, k, v = drawn((6, 6, 32), (2, slots, 32), (2, slots, 32))
    plan, control = build("chunkattention:chunk=64")(parts), build("hydragen")(parts)
    assert torch.allclose(attend(q, k, v, plan).double(), plain(q, k, v, heard(parts, slots)), atol=1e-5)
    held = int(heard(parts, slots).any(0).sum())  # each shared chunk once
    assert held <= plan.read <= held + 6 * 2 * 64  # at most the chunks that two ends cut
    assert control.read == sum(ends) + 6 * 50 > 4 * plan.read
    with pytest.raises(UserError, match="chunk=1"):
        build("chunkattention:chunk=0")


def test_flashbias() -> None:
    """ALiBi in two more dimensions is exact; another bias the better the higher the rank, with 1/8 of its numbers."""
    t = n = 256
    q, k, v, full = drawn((1, 8, t, 32), (1, 2, n, 32), (1, 2, n, 32), (8, t, n))
    factors = alibi(8, t, n)
    distances = torch.arange(n)[None, :] - torch.arange(t)[:, None]
    slopes = 2.0 ** -torch.arange(1, 9)
    found = build("flashbias")(q, k, v, factors)[0].transpose(0, 1)
    asked = q[0].transpose(0, 1)
    wanted = plain(asked, k[0], v[0], slopes[:, None, None] * distances)
    assert torch.allclose(found.double(), wanted, atol=1e-5)
    one = Factors(factors.q[..., :1], factors.k[..., :1])  # the control: one factor alone is another bias
    assert not torch.allclose(build("flashbias")(q, k, v, one)[0].transpose(0, 1).double(), wanted, atol=1e-2)

    smooth = torch.cumsum(torch.cumsum(full, 1), 2) / 64  # singular values that fall
    wanted = plain(asked, k[0], v[0], smooth)
    errors = []
    for rank in (2, 4, 8, 16):
        got = build(f"flashbias:rank={rank}")(q, k, v, smooth)[0].transpose(0, 1)
        errors.append(float((got.double() - wanted).abs().mean()))
    assert all(after < before for before, after in pairwise(errors))
    ignored = partial(q, k, v).out[0].transpose(0, 1)  # the control: no bias at all
    assert errors[-1] < 0.1 * float((ignored.double() - wanted).abs().mean())
    assert sum(each.numel() for each in truncated(smooth, 16)) == smooth.numel() / 8


class Counted:
    """Blocks that know how often they were gone through."""

    def __init__(self, blocks: Sequence[Tensor]) -> None:
        self.blocks, self.readings = blocks, 0

    def __iter__(self) -> Iterator[Tensor]:
        self.readings += 1
        return iter(self.blocks)


def test_two_pass_softmax() -> None:
    """The stable softmax to 1e-6 in two readings, where it takes three, and two without the maximum overflow."""

    def three_pass(blocks: Counted) -> Tensor:
        most = max(float(block.max()) for block in blocks)
        total = sum(float(torch.exp(block - most).sum()) for block in blocks)
        return torch.cat([torch.exp(block - most) / total for block in blocks])

    def without_maximum(blocks: Counted) -> Tensor:
        total = sum(float(torch.exp(block).sum()) for block in blocks)
        return torch.cat([torch.exp(block) / total for block in blocks])

    (scores,) = drawn((1000,))
    for huge in (0.0, 200.0, -200.0, 1e6):
        given = scores * (1 + abs(huge) / 10) + huge
        stable = torch.softmax(given, -1)
        blocks, stable_blocks, naive_blocks = (Counted(given.tensor_split(7)) for _ in range(3))
        assert torch.allclose(torch.cat(list(two_pass(blocks))), stable, atol=1e-6)
        assert blocks.readings == 2
        assert torch.allclose(three_pass(stable_blocks), stable, atol=1e-6)
        assert stable_blocks.readings == 3
        assert torch.allclose(without_maximum(naive_blocks), stable, atol=1e-6) == (huge == 0)

    softmax = build("two-pass-softmax:block=3")
    odd = torch.tensor([[1.0, -math.inf, 2, 3, -math.inf], [1, math.nan, 0, 0, 0], [-math.inf] * 5])
    assert torch.allclose(softmax(odd), odd.softmax(-1), equal_nan=True)
    assert softmax(torch.zeros(2, 0)).shape == (2, 0)


def rotated(x: Tensor, positions: Tensor) -> Tensor:
    """RoPE over a dimension of pairs."""
    half = x.shape[-1] // 2
    angles = positions.double()[:, None] * 100.0 ** (-torch.arange(half).double() / half)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    first, second = x[..., :half].double(), x[..., half:].double()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)


def test_dual_chunk_attention() -> None:
    """Every position of an input six times as long as the training, at distances that never exceed it."""
    trained, n = 64, 400
    size, step = 48, 40  # 3/4, and less 1/8
    q, k, v = drawn((n, 4, 16), (n, 2, 16), (n, 2, 16))
    attention = build(f"dual-chunk-attention:trained={trained}")

    i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
    chunks = i // step - j // step
    asked = torch.where(chunks == 0, i % step, torch.where(chunks == 1, (i % step + step).clamp(max=size), size))
    distances = asked - j % step
    causal = torch.ones(n, n, dtype=torch.bool).tril()
    assert distances[causal].max() <= size < trained
    assert ((i - j)[causal]).max() == n - 1 > trained  # the control: plain positions
    near = causal & (i - j <= trained // 8)
    assert torch.equal(distances[near], (i - j)[near])

    def by_definition(distances: Tensor) -> Tensor:
        """Scores of queries turned by their distance to keys that are not turned."""
        out = torch.empty_like(q)
        for row in range(n):
            turned = rotated(q[row].expand(n, -1, -1), distances[row])
            scores = torch.einsum("nhd,nhd->hn", turned.double(), k.double().repeat_interleave(2, 1)) / 4
            weights = scores.masked_fill(~causal[row], -math.inf).softmax(-1)
            out[row] = torch.einsum("hn,nhd->hd", weights, v.double().repeat_interleave(2, 1)).float()
        return out

    found = attention(q, k, v, rotated)
    assert torch.allclose(found, by_definition(distances), atol=1e-4)
    assert not torch.allclose(found, by_definition(i - j), atol=1e-2)
    assert torch.allclose(attention(q[-3:], k, v, rotated), found[-3:], atol=1e-5)  # decoded, as prefilled

    short = attention(q[:step], k[:step], v[:step], rotated)
    assert torch.allclose(short, by_definition(i - j)[:step], atol=1e-4)  # as without it

    seen: list[tuple[int, int]] = []

    def spied(x: Tensor, positions: Tensor) -> Tensor:
        seen.append((int(positions.min()), int(positions.max())))
        return rotated(x, positions)

    attention(q, k, v, spied)
    assert all(least >= 0 and most <= size for least, most in seen)
    with pytest.raises(UserError, match="trained=8"):
        build("dual-chunk-attention:trained=7")
