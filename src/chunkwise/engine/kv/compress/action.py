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


def _kept(kept: Tensor) -> Tensor:
    own = torch.arange(kept.shape[-1], device=kept.device).expand_as(kept)
    return torch.where(kept, own, GONE)


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
        cosine, owner = _most_like(entries, kept)
        return torch.where(band & (cosine >= self.like), owner, _kept(kept))


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
        found = bool(merged.any(-1).all())
        if found:
            distance = -_distance(entries.keys, merged)
            owner = torch.where(rest, distance.argmax(-1), _kept(plain | merged))
        else:
            number, size = rest.cumsum(-1) - 1, rest.sum(-1, keepdim=True)
            group = torch.where(rest, number * slots[..., None] // size.clamp(min=1), 0)
            own = torch.arange(rest.shape[-1], device=rest.device).expand_as(group)
            first = torch.full_like(group, rest.shape[-1]).scatter_reduce_(
                2, group, torch.where(rest, own, rest.shape[-1]), "amin"
            )
            owner = torch.where(rest & (slots > 0)[..., None], first.gather(2, group), _kept(plain))
        return owner


def _distance(keys: Tensor, among: Tensor) -> Tensor:
    return torch.cdist(keys.float(), keys.float()).masked_fill(~among[:, :, None, :], math.inf)


def _most_like(entries: Entries, among: Tensor) -> tuple[Tensor, Tensor]:
    """The greatest cosine of each key with one of those `among`, and whose it is."""
    unit = functional.normalize(entries.keys.float(), dim=-1)
    best = (unit @ unit.mT).masked_fill(~among[:, :, None, :], -math.inf).max(-1)
    return best.values, best.indices
