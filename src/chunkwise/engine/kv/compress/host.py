"""The host of a policy: an `Attend` that holds several sequences within a budget, each as if it were alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from chunkwise.engine.decoder import Decoder
from chunkwise.engine.kv.compress.entries import Entries
from chunkwise.engine.kv.compress.policy import KVPolicy
from chunkwise.engine.kv.compress.refresh import Moment
from chunkwise.engine.kv.compress.score import Moments, Seen, paid
from chunkwise.engine.kv.compress.store import Layer, flat
from chunkwise.errors import UserError


@dataclass
class _Queries:
    """What is remembered of one layer's queries: the last ones, an instruction's, and sums for their moments."""

    last: Tensor
    asked: Tensor | None = None
    count: int = 0
    sums: Tensor | None = None
    products: Tensor | None = None

    def remember(self, q: Tensor, window: int) -> None:
        """Q [t, heads, dim], not turned."""
        if window:  # a copy, since a view would hold a whole prompt's queries
            self.last = torch.cat((self.last, q[-window:].transpose(0, 1)), 1)[:, -window:].clone()

    def spread(self, q: Tensor) -> None:
        """Add to the moments."""
        heads = q.transpose(0, 1).float()
        sums, products = heads.sum(1), heads.mT @ heads
        self.sums = sums if self.sums is None else self.sums + sums
        self.products = products if self.products is None else self.products + products
        self.count += len(q)

    def moments(self) -> Moments | None:
        if self.sums is None or self.products is None:
            return None
        mean = self.sums / self.count
        return Moments(mean[None], (self.products / self.count - mean[:, :, None] * mean[:, None])[None])


@dataclass
class _Sequence:
    layers: list[Layer]
    queries: list[_Queries]
    seen: int = 0
    whole: bool = False
    since: int = 0
    rows: slice = field(default_factory=lambda: slice(0, 0))
    asked: int = 0
    ends: bool = True


class Compressing:
    """Attention over what a policy leaves of the keys and values: `model(tokens, host.of([len(tokens)]))`.

    budget: a float is the share of the tokens seen so far that may stay (at 1.0 the attention is exact), an int so many
    entries; either on average over layers and key-value heads. What comes between two refreshes of the policy is held
    in addition. sequences: how many there are.
    """

    def __init__(self, model: Decoder, policy: KVPolicy, budget: float | int, sequences: int = 1) -> None:
        if not budget > 0 or (isinstance(budget, float) and budget > 1):
            raise UserError(f"a budget of {budget} cannot be kept; write a share up to 1.0, or 1 or more entries")
        self.policy, self.budget, self.rope = policy, budget, model.rope
        config = self._config = model.config
        like = torch.empty(0, device=model.device, dtype=model.dtype)
        empty = like.new_zeros(config.heads, 0, config.head_dim)
        turn = model.rope if policy.compact else None
        self._sequences = [
            _Sequence(
                [Layer(config.kv_heads, config.head_dim, like, turn) for _ in range(config.layers)],
                [_Queries(empty) for _ in range(config.layers)],
            )
            for _ in range(sequences)
        ]

    def of(self, tokens: Sequence[int], *, whole: bool | Sequence[bool] = True, asked: int = 0) -> Compressing:
        """The next pass, of so many tokens of each sequence, 0 for one that rests.

        whole: whether the prompt ends with this pass (all but the last passes of a split prompt: False). asked: that
        many tokens at the end of each sequence's part are an instruction: they hear, and a score may look at what they
        attend to, but they are not kept.
        """
        if len(tokens) != len(self._sequences) or any(0 < some < asked for some in tokens):
            raise UserError(
                f"a pass of {[*tokens]} tokens, {asked} asked, does not fit {len(self._sequences)} sequences"
            )
        ends, at = [whole] * len(tokens) if isinstance(whole, bool) else whole, 0
        for one, some, end in zip(self._sequences, tokens, ends, strict=True):
            one.rows, one.asked, one.ends = slice(at, at + some), asked if some else 0, end
            at += some
        return self

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What the pass hears at that layer; after the last layer, what is due is compressed."""
        out = torch.empty_like(q)
        for one in self._sequences:
            if one.rows.start < one.rows.stop:
                out[one.rows] = self._hear(one, layer, q[one.rows], k[one.rows], v[one.rows])
        if layer == self._config.layers - 1:
            for one in self._sequences:
                if one.rows.start < one.rows.stop:
                    self._end(one)
        return out

    @property
    def bytes(self) -> int:
        """Of all keys and values that are held."""
        return sum(layer.bytes for one in self._sequences for layer in one.layers)

    def seen(self, sequence: int = 0) -> int:
        """Tokens of that sequence so far."""
        return self._sequences[sequence].seen

    def held(self, layer: int, sequence: int = 0) -> Entries:
        """A copy of what a layer holds of a sequence."""
        return self._sequences[sequence].layers[layer].entries()

    def _hear(self, one: _Sequence, number: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        layer, queries, needs = one.layers[number], one.queries[number], self.policy.score.needs
        length = one.seen + len(q)
        raw = q
        if not self.policy.compact:
            turn = self.rope.at(torch.arange(one.seen, length, device=q.device), length)
            q, k = turn(q), turn(k)
        heard = layer.hear(q, k, v)
        kept = len(q) - one.asked
        layer.forget(one.asked)
        queries.asked = q[kept:].transpose(0, 1).clone() if one.asked else queries.asked
        queries.remember(q[:kept], needs.window)
        if needs.moments and kept:
            queries.spread(raw[:kept])
        if needs.watch and kept:
            entries, at = self._turned(layer), torch.arange(one.seen, one.seen + kept, device=q.device)
            asking = self._as_asked(q[:kept].transpose(0, 1), at, layer, one.seen + kept)
            layer.credit(paid(asking[None], entries, at, needs.watch)[0], needs.watch.decay**kept)
        return heard

    def _end(self, one: _Sequence) -> None:
        kept = one.rows.stop - one.rows.start - one.asked
        one.seen += kept
        one.since += kept
        moment = Moment(one.whole or one.ends, one.ends and not one.whole, one.since)
        one.whole = moment.whole
        if self.policy.refresh(moment):
            one.since = 0
            self._compress(one)

    def _compress(self, one: _Sequence) -> None:
        config, code = self._config, self.policy.code
        held = [layer.entries() for layer in one.layers]
        itemsize = held[0].keys.element_size()
        plain = 2 * config.head_dim * itemsize * len(held)  # what an entry of one head takes in all layers
        tokens = int(self.budget * one.seen + 1e-9) if isinstance(self.budget, float) else self.budget
        room = tokens * plain  # for each head
        if sum(layer.bytes for layer in one.layers) <= room * config.kv_heads:
            return
        fits = range(one.seen + 1)
        limit = bisect_right(fits, room, key=lambda n: code.bytes(n, config.head_dim, itemsize, len(held))) - 1
        seen = [self._seen(one, number, entries) for number, entries in enumerate(held)]
        left = self.policy(seen, held, one.seen, max(limit, 0))
        for layer, entries, coded in zip(one.layers, left, code([flat(each) for each in left]), strict=True):
            layer.settle(entries, coded, one.seen)

    def _seen(self, one: _Sequence, number: int, held: Entries) -> Seen:
        layer, queries = one.layers[number], one.queries[number]
        at = torch.arange(one.seen - queries.last.shape[1], one.seen, device=held.keys.device)
        asked = queries.asked
        if asked is not None:
            after = one.seen + torch.arange(asked.shape[1], device=at.device)
            asked = self._as_asked(asked, after, layer, one.seen)[None]
        return Seen(
            self._turned(layer),
            self._as_asked(queries.last, at, layer, one.seen)[None],
            at,
            asked,
            queries.moments(),
            self.rope,
            number,
            len(one.layers),
        )

    def _turned(self, layer: Layer) -> Entries:
        """Entries with keys as they are heard."""
        entries = layer.entries()
        if not self.policy.compact:
            return entries
        n = entries.valid.sum(-1, keepdim=True)
        places = torch.arange(entries.valid.shape[-1], device=n.device) + n.amax() - n
        keys = [self.rope.rotate(k[:, None], place)[:, 0] for k, place in zip(entries.keys[0], places[0], strict=True)]
        return replace(entries, keys=torch.stack(keys)[None])

    def _as_asked(self, q: Tensor, at: Tensor, layer: Layer, seen: int) -> Tensor:
        """Queries [heads, w, dim] that stand at those positions, turned as they ask."""
        if not self.policy.compact:
            return q
        places = (layer.held.longest + layer.tail - seen + at).clamp(min=0)
        return self.rope.rotate(q.transpose(0, 1), places).transpose(0, 1)
