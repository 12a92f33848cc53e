"""A policy: the axes put together, written `score=window(64)|pool(5),unit=chunk(20),budget=mass(0.95)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from operator import add, or_
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from chunkwise.engine.kv.compress.action import Action, Evict, merge
from chunkwise.engine.kv.compress.budget import Budget, Uniform
from chunkwise.engine.kv.compress.code import Code, Plain
from chunkwise.engine.kv.compress.entries import Entries
from chunkwise.engine.kv.compress.protect import Nothing, Protect
from chunkwise.engine.kv.compress.refresh import Once, Refresh
from chunkwise.engine.kv.compress.score import Recency, Score, Seen
from chunkwise.engine.kv.compress.smooth import Smooth
from chunkwise.engine.kv.compress.unit import Ranked, Token, Unit, mean_by
from chunkwise.errors import UnknownRecipe
from chunkwise.recipe import pieces


@dataclass(frozen=True)
class KVPolicy:
    """Which keys and values stay when not all can: one choice on each axis.

    compact: whether positions are counted anew over what is left, so that they never exceed the budget, or are those
    that the tokens had.
    """

    score: Score = field(default_factory=Recency)
    unit: Unit = field(default_factory=Token)
    budget: Budget = field(default_factory=Uniform)
    protect: Protect = field(default_factory=Nothing)
    action: Action = field(default_factory=Evict)
    refresh: Refresh = field(default_factory=Once)
    code: Code = field(default_factory=Plain)
    compact: bool = False

    def __call__(self, layers: Sequence[Seen], held: Sequence[Entries], seen: int, limit: int) -> list[Entries]:
        """What is left of each layer's `held` entries, after `seen` tokens.

        layers: the same entries as a score sees them; limit: entries that may stay, on average over layers and heads.
        Every batch row is treated as if it were alone. What is protected stays as far as the limit goes.
        """
        ranked = self._ranked(layers, seen)
        n = max(one.scores.shape[-1] for one in ranked)
        competing = torch.stack([_padded(_competing(one, of), n) for one, of in zip(ranked, held, strict=True)])
        protected = torch.stack(
            [((one.priority > 0) & of.valid).sum(-1) for one, of in zip(ranked, held, strict=True)]
        ).clamp(max=limit)
        room = limit - int(protected.max()) if protected.numel() else limit
        counts = self.budget(competing, room) + protected
        left = []
        for of, one, count in zip(held, ranked, counts, strict=True):
            scores = torch.where(one.priority > 0, math.inf, one.scores)
            left.append(merge(replace(of, scores=scores), self.action(of, one, count)))
        return left

    def _ranked(self, layers: Sequence[Seen], seen: int) -> list[Ranked]:
        ranked: list[Ranked] = []
        for number, layer in enumerate(layers):
            priority = self.protect(layer.entries, seen)
            free = layer.entries.valid & (priority == 0)
            first = number - number % self.refresh.reuse
            if first < number and ranked[first].scores.shape == free.shape:
                scores = ranked[first].scores
            else:
                scores = self.score(layer, free).float()
            ranked.append(Ranked(scores, priority, self.unit(free)))
        return ranked

    @property
    def spec(self) -> str:
        """The policy as `read` takes it, every axis and argument written out."""
        named = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return ",".join(f"{name}={value if isinstance(value, bool) else value.spec}" for name, value in named)

    @classmethod
    def read(cls, spec: str) -> KVPolicy:
        """The policy of a spec: `axis=element` with commas between, axes that are not named by their defaults.

        A score may be a sum, and smoothed: `received+window(32)|pool(5)`; a protected set may be a sum.
        Raises UnknownRecipe for what cannot be read.
        """
        given: dict[str, Any] = {}
        for piece in pieces(spec.replace("(", "[(").replace(")", ")]"), ","):
            axis, equals, text = piece.replace("[(", "(").replace(")]", ")").partition("=")
            axis, text = axis.strip(), text.strip()
            if not equals or axis not in _READ:
                raise UnknownRecipe(
                    f"cannot read {piece!r} in {spec!r}; write one of {', '.join(_READ)}, then =element"
                )
            given[axis] = _READ[axis](text)
        return cls(**given)


def _score(text: str) -> Score:
    scores, *smooths = text.split("|")
    first: Score = reduce(add, [Score.read(one) for one in scores.split("+")])
    return reduce(or_, [Smooth.read(one) for one in smooths], first)


def _compact(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UnknownRecipe(f"compact={text}: compact is true or false")
    return text.lower() == "true"


_READ: dict[str, Any] = {
    "score": _score,
    "unit": Unit.read,
    "budget": Budget.read,
    "protect": lambda text: reduce(add, [Protect.read(one) for one in text.split("+")]),
    "action": Action.read,
    "refresh": Refresh.read,
    "code": Code.read,
    "compact": _compact,
}


def _competing(ranked: Ranked, entries: Entries) -> Tensor:
    """Scores of units, -inf for what does not compete."""
    free = entries.valid & (ranked.priority == 0)
    return mean_by(ranked.scores, ranked.units, free).float().masked_fill(~free, -math.inf)


def _padded(scores: Tensor, n: int) -> Tensor:
    return functional.pad(scores, (0, n - scores.shape[-1]), value=-math.inf)
