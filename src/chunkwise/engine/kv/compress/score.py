"""Scores: how important each entry is, the greater the more; [b, kv_heads, n], float32."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from chunkwise.engine.kv.compress.element import Element
from chunkwise.engine.kv.compress.entries import Entries
from chunkwise.engine.kv.compress.smooth import Smooth
from chunkwise.engine.rope import Rope

ROWS = 256  # queries whose attention is laid out at a time


class Moments(NamedTuple):
    """How queries are spread before they are turned: mean [b, heads, dim], covariance [b, heads, dim, dim]."""

    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True)
class Seen:
    """What a score may look at, of one layer.

    entries: keys turned as they are heard; queries [b, heads, w, dim]: the last ones, turned; at int64 [w]: their
    positions; asked: the same of an instruction's queries, which are no part of the context; layer: its number, of
    `layers`.
    """

    entries: Entries
    queries: Tensor
    at: Tensor
    asked: Tensor | None = None
    moments: Moments | None = None
    rope: Rope | None = None
    layer: int = 0
    layers: int = 1


class Watch(NamedTuple):
    """Which attention is summed up as it is paid: fading by `decay` a query, from that share of the queries."""

    decay: float = 1.0
    share: float = 1.0


EVERYTHING = Watch()


class Needs(NamedTuple):
    """What a score wants remembered: the last `window` queries, attention summed up, the queries' moments."""

    window: int = 0
    watch: Watch | None = None
    moments: bool = False


class Score(Element):
    """A rule of importance. `a | pool(5)` smooths it, `a + b` adds two, each scaled to a mean of 1."""

    axis: ClassVar[str] = "score"

    @property
    def needs(self) -> Needs:
        """What its host has to remember for it."""
        return self._needs()

    def _needs(self) -> Needs:
        return Needs()

    def __call__(self, seen: Seen, free: Tensor) -> Tensor:
        """[b, kv_heads, n]; free bool [b, kv_heads, n]: the entries that compete, what others get does not matter."""
        return self._scores(seen, free)

    @abstractmethod
    def _scores(self, seen: Seen, free: Tensor) -> Tensor: ...

    def __or__(self, smooth: Smooth) -> Score:
        return _Smoothed(self, smooth)

    def __add__(self, other: Score) -> Score:
        sums = [one.parts if isinstance(one, _Sum) else (one,) for one in (self, other)]
        return _Sum((*sums[0], *sums[1]))


def attention(q: Tensor, entries: Entries, at: Tensor | None = None) -> Tensor:
    """Softmax attention of q [b, heads, t, dim] over the entries, [b, kv_heads, heads / kv_heads, t, n], float32.

    at: positions of the queries [t], each of which hears what stands no later than itself; None: all is heard.
    """
    b, _, t, dim = q.shape
    kv_heads = entries.keys.shape[1]
    grouped = q.reshape(b, kv_heads, -1, t, dim).float()
    logits = grouped @ entries.keys.float().mT[:, :, None] / math.sqrt(dim) + entries.weights.log()[:, :, None, None]
    heard = entries.valid[:, :, None, :]
    if at is not None:
        heard = heard & (entries.positions[:, :, None, :] <= at[:, None])
    logits = logits.masked_fill(~heard[:, :, None], -math.inf)
    return logits.softmax(-1).nan_to_num(0.0)  # NaN where a query hears nothing


def paid(q: Tensor, entries: Entries, at: Tensor, watch: Watch = EVERYTHING) -> Tensor:
    """Attention that entries are paid by queries, summed over them, averaged over heads that share keys.

    Fading: what the last query pays counts whole. A share below 1 listens to queries whose position, hashed, falls
    into it, so that it is the same ones however a prompt is split.
    """
    t = q.shape[2]
    worth = watch.decay ** torch.arange(t - 1, -1, -1, device=q.device, dtype=torch.float32)
    worth = torch.where(probed(at, watch.share), worth, 0.0)
    rows = worth.nonzero()[:, 0]
    total = torch.zeros(entries.valid.shape, device=q.device)
    for block in torch.split(rows, ROWS) if len(rows) else ():
        total += (attention(q[:, :, block], entries, at[block]) * worth[block, None]).sum(3).mean(2)
    return total


def probed(at: Tensor, share: float) -> Tensor:
    """Whether the query at each position is one of those that are listened to."""
    return (at * 2654435761 + 12345) % 2**32 < share * 2**32


def length(of: Tensor) -> Tensor:
    """Euclidean, over the last dimension; float32."""
    return of.float().square().sum(-1).sqrt()


@dataclass(frozen=True)
class Window(Score):
    """The mean attention that the last `queries` pay (SnapKV: LLM Knows What You are Looking for Before Generation)."""

    queries: int = 64

    def _needs(self) -> Needs:
        return Needs(self.queries)

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        w = min(self.queries, seen.queries.shape[2])
        if w == 0:
            return torch.zeros(free.shape, device=free.device)
        return attention(seen.queries[:, :, -w:], seen.entries, seen.at[-w:]).mean((2, 3))


@dataclass(frozen=True)
class Received(Score):
    """All attention paid so far, fading by `decay` a query; from a `share` of the queries alone, if less than 1."""

    decay: float = 1.0
    share: float = 1.0

    def _needs(self) -> Needs:
        return Needs(watch=Watch(self.decay, self.share))

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        return seen.entries.received


@dataclass(frozen=True)
class PerQuery(Score):
    """Attention paid, over the queries that could pay it: without this the first tokens win by seniority.

    Of a `share` of all queries, hashed by position, and of the last `window`.
    """

    share: float = 1.0
    queries: int = 0

    def _needs(self) -> Needs:
        return Needs(self.queries, Watch(1.0, self.share))

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        entries, n = seen.entries, int(seen.entries.positions.max()) + 1 if free.shape[-1] else 0
        asked = probed(torch.arange(n, device=free.device), self.share)
        after = torch.flip(torch.flip(asked, [0]).cumsum(0), [0])  # probes at a position or later
        heard = after[entries.positions].float()
        total = entries.received
        w = min(self.queries, seen.queries.shape[2])
        if w:
            total = total + paid(seen.queries[:, :, -w:], entries, seen.at[-w:])
            heard = heard + (entries.positions[..., None] <= seen.at[-w:]).sum(-1)
        return total / heard.clamp(min=1)


@dataclass(frozen=True)
class Instruction(Score):
    """The mean attention that an instruction's queries pay; without one, that of the last `queries`."""

    queries: int = 64

    def _needs(self) -> Needs:
        return Needs(self.queries)

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        if seen.asked is None:
            return Window(self.queries)(seen, free)
        return attention(seen.asked, seen.entries).mean((2, 3))


@dataclass(frozen=True)
class ExpectedAttention(Score):
    """The attention that queries of the next `future` positions are expected to pay, times the value's length.

    Queries are taken for normal with the mean and covariance seen: E exp(q.k) = exp(mean.k + k.covariance.k / 2).
    """

    future: int = 512

    def _needs(self) -> Needs:
        return Needs(moments=True)

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        entries, moments, rope = seen.entries, seen.moments, seen.rope
        if moments is None or rope is None or not free.shape[-1]:
            return torch.zeros(free.shape, device=free.device)
        b, _, dim = moments.mean.shape
        first = int(entries.positions.max()) + 1
        eye = torch.eye(dim, device=free.device, dtype=entries.keys.dtype).expand(self.future, dim, dim)
        turned = rope.rotate(eye, torch.arange(first, first + self.future, device=free.device)).mean(0).float()
        mean, spread = moments.mean @ turned, turned.mT @ moments.covariance @ turned
        kv_heads, keys = entries.keys.shape[1], entries.keys.float()[:, :, None]
        mean = mean.view(b, kv_heads, -1, dim, 1)
        spread = spread.view(b, kv_heads, -1, dim, dim)
        logits = (keys @ mean)[..., 0] / math.sqrt(dim) + ((keys @ spread) * keys).sum(-1) / (2 * dim)
        logits = logits.masked_fill(~entries.valid[:, :, None], -math.inf)
        return logits.softmax(-1).nan_to_num(0.0).mean(2) * length(entries.values)


@dataclass(frozen=True)
class KeyNorm(Score):
    """Minus the key's length (A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression)."""

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        return -length(seen.entries.keys)


@dataclass(frozen=True)
class Lag(Score):
    """How much keys and values stand out of the range of the `size` entries that follow theirs; no attention needed.

    Entries that compete are cut into parts of `size`; each is scaled, channel by channel, to the least and greatest of
    the next part, and its deviation over channels ranked within its own. The last part and what is left after it have
    nothing that follows, and come first, the newest of all before the others.
    """

    size: int = 128

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        order = torch.sort(free.to(torch.int8), dim=-1, descending=True, stable=True).indices
        counts = free.sum(-1)
        scores = torch.zeros(free.shape, device=free.device)
        for row in range(free.shape[0]):
            for head in range(free.shape[1]):
                index = order[row, head, : counts[row, head]]
                halves = (seen.entries.keys[row, head, index], seen.entries.values[row, head, index])
                scores[row, head, index] = self._ranked(halves)
        return scores

    def _ranked(self, halves: Sequence[Tensor]) -> Tensor:
        n, size = len(halves[0]), self.size
        parts = max(n // size - 1, 0)
        newest = 2 + torch.arange(n - parts * size, device=halves[0].device) / max(n, 1)
        if not parts:
            return newest
        stands = torch.zeros(parts, size, device=halves[0].device)
        for half in halves:
            cut = half[: (parts + 1) * size].float().view(parts + 1, size, -1)
            least, greatest = cut[1:].amin(1, keepdim=True), cut[1:].amax(1, keepdim=True)
            stands += ((cut[:-1] - least) / (greatest - least).clamp(min=1e-6)).std(-1).softmax(-1)
        return torch.cat(((stands.argsort(-1).argsort(-1) / size).flatten(), newest))


@dataclass(frozen=True)
class Ladder(Score):
    """A pattern, not a score: each layer keeps another part of every stretch, rungs that together reach further back.

    span: layers that keep the same token, 0 for half of them; overlap: how many of those the next rung shares. In
    every stretch a layer keeps some adjoining entries, from a place that moves up with its number; then the same among
    those that stayed, and so on. The more rounds an entry stays for, the later it goes; of equals the oldest first.
    """

    span: int = 0
    overlap: int = 0

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        span = self.span or max(seen.layers // 2, 1)
        step = max(span - self.overlap, 1)
        before = 1 + max(-(-(seen.layers - span) // step), 0)
        after = min(-(-span // step), before)
        first = seen.layer % (before - after + 1)
        n, alive = free.shape[-1], free
        rounds = torch.zeros(free.shape, device=free.device)
        for _ in range(max(n, 1).bit_length() if after < before else 0):
            place = (alive.cumsum(-1) - 1) % before
            alive = alive & (place >= first) & (place < first + after)
            rounds += alive
        return rounds + torch.arange(n, device=free.device) / max(n, 1)


@dataclass(frozen=True)
class Recency(Score):
    """The newer the better: what has no score keeps a window."""

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        return seen.entries.positions.float()


@dataclass(frozen=True)
class Random(Score):
    """A number drawn for each entry, by its position, its head and the layer: the control of all controls."""

    seed: int = 0

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        heads = torch.arange(free.shape[1], device=free.device)[:, None]
        mixed = seen.entries.positions * 2654435761 + heads * 40503 + seen.layer * 69069 + self.seed * 97
        for step in (16, 13):
            mixed = ((mixed ^ (mixed >> step)) * 73244475) % 2**32
        return (mixed ^ (mixed >> 16)).float() / 2**32


@dataclass(frozen=True)
class _Smoothed(Score):
    score: Score
    smooth: Smooth

    def _needs(self) -> Needs:
        return self.score.needs

    @property
    def spec(self) -> str:
        return f"{self.score.spec}|{self.smooth.spec}"

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        return self.smooth(self.score(seen, free), free)


@dataclass(frozen=True)
class _Sum(Score):
    parts: tuple[Score, ...]

    def _needs(self) -> Needs:
        windows, watches, moments = zip(*(part.needs for part in self.parts), strict=True)
        return Needs(max(windows), next(filter(None, watches), None), any(moments))

    @property
    def spec(self) -> str:
        return "+".join(part.spec for part in self.parts)

    def _scores(self, seen: Seen, free: Tensor) -> Tensor:
        total = torch.zeros(free.shape, device=free.device)
        for part in self.parts:
            scores = part(seen, free)
            mean = torch.where(free, scores, 0).sum(-1, keepdim=True) / free.sum(-1, keepdim=True).clamp(min=1)
            total = total + scores / mean.clamp(min=1e-30)
        return total
