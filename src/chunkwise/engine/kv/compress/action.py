"""Actions: what becomes of the entries that do not fit. Each says who speaks for whom; `merge` does the rest."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from chunkwise.engine.kv.compress.element import Element
from chunkwise.engine.kv.compress.entries import Entries
from chunkwise.engine.kv.compress.unit import Ranked

GONE = -1


class Action(Element):
    """A rule that gives each entry an owner."""

    axis: ClassVar[str] = "action"

    def __call__(self, entries: Entries, ranked: Ranked, counts: Tensor) -> Tensor:
        """The entry that speaks for each one, int64 [b, kv_heads, n]: itself, another that does so, or GONE.

        At most `counts` [b, kv_heads] speak for themselves.
        """
        return self._owners(entries, ranked, counts)

    @abstractmethod
    def _owners(self, entries: Entries, ranked: Ranked, counts: Tensor) -> Tensor: ...


def merge(entries: Entries, owner: Tensor) -> Entries:
    """Owners alone, each the mean of the tokens that it speaks for, which its weight counts.

    A weight of w adds log w to the entry's logit, so that it is heard as w tokens are that all say the same.
    """
    own = torch.arange(owner.shape[-1], device=owner.device).expand_as(owner)
    stays = owner == own
    if bool((stays | (owner == GONE)).all()):
        return entries.only(stays)
    weights = torch.where(owner == GONE, 0, entries.weights)
    place = torch.where(owner == GONE, own, owner)

    def summed(each: Tensor) -> Tensor:
        return torch.zeros_like(each).scatter_add_(2, place, each)

    def mean(each: Tensor) -> Tensor:
        deep = place[..., None].expand_as(each)
        sums = torch.zeros_like(each, dtype=torch.float32).scatter_add_(2, deep, each.float() * weights[..., None])
        # Those that speak for none but themselves keep their very bits.
        return torch.where(alone[..., None], each, (sums / total.clamp(min=1e-30)[..., None]).to(each.dtype))

    total = summed(weights)
    alone = summed(torch.where(owner == GONE, 0, torch.ones_like(owner))) == 1
    merged = replace(
        entries,
        keys=mean(entries.keys),
        values=mean(entries.values),
        weights=total,
        received=summed(torch.where(owner == GONE, 0, entries.received)),
    )
    return merged.only(stays)


@dataclass(frozen=True)
class Evict(Action):
    """They go."""

    def _owners(self, entries: Entries, ranked: Ranked, counts: Tensor) -> Tensor:
        return _kept(ranked.first(counts, entries.valid))


@dataclass(frozen=True)
class Nearest(Action):
    """Those that come next after the kept ones join the kept key that is most like theirs, the rest goes.

    band: how many, of the number kept; like: the least cosine; those below it go too, the "zero class".
    """

    band: float = 1.0
    like: float = 0.6

    def _owners(self, entries: Entries, ranked: Ranked, counts: Tensor) -> Tensor:
        kept = ranked.first(counts, entries.valid)
        band = ranked.first(counts + (counts * self.band).long(), entries.valid) & ~kept
        unit = functional.normalize(entries.keys.float(), dim=-1)
        alike, owner = closest(unit, band, kept)
        return torch.where(alike >= self.like, owner, _kept(kept))


@dataclass(frozen=True)
class Residual(Action):
    """They join slots set aside for them, a `share` of all: so nothing that was seen is ever without a voice.

    While there are no slots yet, those that do not fit are averaged in as many consecutive groups; later each joins
    the slot whose key is nearest. Protected entries, and others by their scores, have the rest.
    """

    share: float = 0.3

    def _owners(self, entries: Entries, ranked: Ranked, counts: Tensor) -> Tensor:
        slots = torch.where(entries.valid.sum(-1) > counts, (counts * self.share).ceil().long(), 0)
        merged = entries.valid & (entries.weights > 1)
        plain = ranked.first(counts - torch.maximum(slots, merged.sum(-1)), entries.valid & ~merged)
        rest = entries.valid & ~merged & ~plain
        nearness, nearest = closest(entries.keys.float(), rest, merged, euclidean=True)
        return torch.where(
            nearness > -math.inf, nearest, torch.where(rest, _grouped(rest, slots), _kept(plain | merged))
        )


def _grouped(rest: Tensor, slots: Tensor) -> Tensor:
    """For the entries of `rest`, the first one of their group, when consecutive ones are put into `slots` groups."""
    n, own = rest.shape[-1], torch.arange(rest.shape[-1], device=rest.device).expand_as(rest)
    group = (rest.cumsum(-1) - 1).clamp(min=0) * slots[..., None] // rest.sum(-1, keepdim=True).clamp(min=1)
    first = torch.full_like(group, n).scatter_reduce_(2, group, torch.where(rest, own, n), "amin")
    return torch.where(slots[..., None] > 0, first.gather(2, group), GONE)


@dataclass(frozen=True)
class Cluster(Action):
    """The most alike are made one, within chunks of `chunk` entries, until all fit.

    Every other entry of a chunk looks for the most like it among those between; of all such links the best are taken,
    half of them at the most, and entries linked to the same one are a cluster. If that is not enough, the same again
    among what is left.
    """

    chunk: int = 64

    def _owners(self, entries: Entries, ranked: Ranked, counts: Tensor) -> Tensor:
        owner = _kept(ranked.first(counts, entries.valid))
        free = entries.valid & (ranked.priority == 0)
        enough = counts > (entries.valid & ~free).sum(-1)
        for row, head in enough.nonzero().tolist():
            surplus = int(entries.valid[row, head].sum() - counts[row, head])
            index = free[row, head].nonzero()[:, 0]
            if surplus > 0:
                keys, weights = entries.keys[row, head, index].float(), entries.weights[row, head, index]
                spoken = entries.valid[row, head].nonzero()[:, 0]
                owner[row, head, spoken] = spoken
                owner[row, head, index] = index[self._linked(keys, weights, surplus)]
        return owner

    def _linked(self, keys: Tensor, weights: Tensor, surplus: int) -> Tensor:
        """Who speaks for each of n keys [n, dim] after `surplus` of them were linked away, fewer than n."""
        owner = torch.arange(len(keys), device=keys.device)
        left = owner
        while surplus > 0:
            unit = functional.normalize(keys[left], dim=-1)
            unit = functional.pad(unit, (0, 0, 0, -len(unit) % self.chunk)).view(-1, self.chunk, unit.shape[1])
            number = functional.pad(left, (0, -len(left) % self.chunk), value=-1).view(-1, self.chunk)
            alike = unit[:, ::2] @ unit[:, 1::2].mT
            alike = alike.masked_fill((number[:, ::2, None] < 0) | (number[:, None, 1::2] < 0), -math.inf)
            best, to = alike.max(-1)
            linked = best.flatten().sort(dim=0, descending=True, stable=True)
            # The better half at the most: what has no like in this round may find it among what is left.
            links = linked.indices[: min(surplus, -(-int((linked.values > -math.inf).sum()) // 2))]
            one, two = number[:, ::2].flatten()[links], number[:, 1::2].gather(1, to).flatten()[links]
            owner[one] = two
            surplus -= len(links)
            # A cluster goes on as the mean of its keys.
            sums = (keys * weights[:, None]).index_add(0, two, keys[one] * weights[one, None])
            weights = weights.index_add(0, two, weights[one])
            keys = sums / weights[:, None]
            left = (owner == torch.arange(len(owner), device=owner.device)).nonzero()[:, 0]
        while bool((owner != owner[owner]).any()):
            owner = owner[owner]
        return owner


@dataclass(frozen=True)
class Representatives(Action):
    """A `share` of the places goes to a few of those that did not score well, one for each way that heads take them.

    Each entry has a bit for every head: whether it is among the better half there. Entries are put in the order of
    how many bits differ from the majority's, cut into as many buckets as there are places, and the middle one of each
    stays.
    """

    share: float = 0.25

    def _owners(self, entries: Entries, ranked: Ranked, counts: Tensor) -> Tensor:
        places = torch.where(entries.valid.sum(-1) > counts, (counts * self.share).long(), 0)
        kept = ranked.first(counts - places, entries.valid)
        rest = entries.valid & ~kept
        free = torch.where(entries.valid, ranked.scores, math.nan)
        bits = ranked.scores > free.nanmedian(-1, keepdim=True).values
        anchor = bits.float().mean(-1, keepdim=True) > 0.5
        apart = (bits != anchor).sum(1, keepdim=True).expand_as(rest)
        order = torch.sort(apart.masked_fill(~rest, apart.shape[1] + 1), dim=-1, stable=True).indices
        size, number = rest.sum(-1, keepdim=True), torch.arange(rest.shape[-1], device=rest.device)
        places = torch.minimum(places[..., None], size)
        # Place i of p takes the entry in the middle of the i-th of p parts.
        middle = ((2 * number + 1) * size // (2 * places.clamp(min=1))).clamp(max=rest.shape[-1] - 1)
        chosen = order.gather(2, middle.expand_as(order))
        taken = (
            torch.zeros_like(rest).scatter_reduce(
                2, chosen, (number < places).expand_as(rest), "amax", include_self=True
            )
            if rest.shape[-1]
            else rest
        )
        return _kept(kept | taken)


def closest(keys: Tensor, asking: Tensor, among: Tensor, euclidean: bool = False) -> tuple[Tensor, Tensor]:
    """For entries that are `asking`, how near the nearest key of those `among` is, and whose; -inf and 0 for others.

    keys [b, kv_heads, n, dim]; asking, among bool [b, kv_heads, n]. Near by the product, or by the distance.
    """
    order = torch.sort(asking.to(torch.int8), dim=-1, descending=True, stable=True).indices
    most = int(asking.sum(-1).max()) if asking.numel() else 0
    index = order[..., :most]
    own = keys.gather(2, index[..., None].expand(*index.shape, keys.shape[-1]))
    near = -torch.cdist(own, keys) if euclidean else own @ keys.mT
    nearness = torch.full(asking.shape, -math.inf, device=keys.device)
    owner = torch.zeros_like(order)
    if most:
        best = near.masked_fill(~among[:, :, None, :], -math.inf).max(-1)
        nearness, owner = nearness.scatter(2, index, best.values), owner.scatter(2, index, best.indices)
    return nearness.masked_fill(~asking, -math.inf), owner


def _kept(kept: Tensor) -> Tensor:
    own = torch.arange(kept.shape[-1], device=kept.device).expand_as(kept)
    return torch.where(kept, own, GONE)
