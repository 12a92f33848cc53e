"""What is kept of one sequence: compressed entries lying flat, head after head, and the tokens since."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from chunkwise.engine.attention import Part, Partial, Plan, merge, partial
from chunkwise.engine.kv.compress.code import Coded, Flat, Raw
from chunkwise.engine.kv.compress.entries import Entries
from chunkwise.engine.rope import Rope

FEW = 16  # queries up to which the compiled kernel hears them
GROW = 64  # tokens that the tail grows by at the least


class Held:
    """Entries of one layer, each head as many as it was left: nothing is held for those that are gone.

    lengths: entries of each head. bytes: of keys and values; where they stood and what they count for takes 16 bytes
    an entry more.
    """

    def __init__(self, entries: Entries, coded: Coded | None = None) -> None:
        valid = entries.valid[0]
        self.lengths: list[int] = valid.sum(-1).tolist()
        self._coded = coded or Raw(entries.keys[0][valid], entries.values[0][valid])
        self._positions = entries.positions[0][valid].to(torch.int32)
        self._received = entries.received[0][valid]
        weights = entries.weights[0][valid]
        self._weights = weights if bool((weights != 1).any()) else None
        self._plans: dict[int, Plan] = {}

    @property
    def bytes(self) -> int:
        """Of keys and values."""
        return self._coded.bytes

    @property
    def longest(self) -> int:
        """Entries of the head that has most."""
        return max(self.lengths, default=0)

    def entries(self) -> Entries:
        """The entries side by side, [1, kv_heads, n, ..]; a copy."""
        index, valid = self._places()
        rest = (*self._coded.read(), self._positions.long(), self._ones(), self._received)
        keys, values, positions, weights, received = (each[index][None] for each in rest)
        return Entries(keys, values, positions, weights, received, torch.zeros_like(weights), valid[None])

    def partial(self, q: Tensor, rope: Rope | None = None) -> Partial:
        """What q [t, heads, dim] hears of them all; rope: what turns keys by their place among those that are left."""
        t, heads, dim = q.shape
        kv_heads = len(self.lengths)
        keys, values = self._coded.read()
        keys = keys if rope is None else rope.rotate(keys[:, None], self._compact())[:, 0]
        if self._weights is None and t <= FEW:
            rows = q.reshape(t * kv_heads, heads // kv_heads, dim)
            out, lse = self._plan(t)(rows, keys[None], values[None], 1 / math.sqrt(dim))
            return Partial(out.reshape(q.shape).transpose(0, 1)[None], lse.reshape(t, heads).T[None])
        asked = q.transpose(0, 1).reshape(kv_heads, -1, t, dim)
        bias = None if self._weights is None else torch.split(self._weights.log(), self.lengths)
        heard = [
            partial(one[None], k[None, None], v[None, None], bias=None if bias is None else bias[head])
            for head, (one, k, v) in enumerate(
                zip(asked, torch.split(keys, self.lengths), torch.split(values, self.lengths), strict=True)
            )
        ]
        return Partial(torch.cat([one.out for one in heard], 1), torch.cat([one.lse for one in heard], 1))

    def _compact(self) -> Tensor:
        """Places counted anew: the last entry of every head stands right before what comes next."""
        most, device = self.longest, self._positions.device
        return torch.cat([torch.arange(most - length, most, device=device) for length in self.lengths])

    def _plan(self, t: int) -> Plan:
        """Row i of a pass, head h of it, is row i * kv_heads + h; it hears the run of its head."""
        if t not in self._plans:
            starts = [sum(self.lengths[:head]) for head in range(len(self.lengths))]
            kv_heads = len(self.lengths)
            self._plans[t] = Plan(
                [
                    Part(torch.arange(head, t * kv_heads, kv_heads), slice(start, start + self.lengths[head]))
                    for head, start in enumerate(starts)
                ]
            )
        return self._plans[t]

    def _places(self) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor(self.lengths, device=self._positions.device)[:, None]
        column = torch.arange(self.longest, device=self._positions.device)
        valid = column < lengths
        return torch.where(valid, lengths.cumsum(0) - lengths + column, 0), valid

    def _ones(self) -> Tensor:
        return (
            torch.ones(len(self._positions), device=self._positions.device) if self._weights is None else self._weights
        )


class Layer:
    """One layer's part of a sequence: what is held compressed, and the tail of tokens that came since.

    turn: None where keys are held turned by their true positions; the rope where they are turned anew at each use, by
    their place among what is left.
    """

    def __init__(self, kv_heads: int, dim: int, like: Tensor, turn: Rope | None) -> None:
        self._turn = turn
        self.held = Held(Entries.fresh(*(torch.zeros(1, kv_heads, 0, dim).to(like) for _ in "kv")))
        self._keys, self._values = (torch.zeros(kv_heads, 0, dim).to(like) for _ in "kv")
        self._received = torch.zeros(kv_heads, 0, device=like.device)
        self.tail = 0
        self.first = 0  # position of the tail's first token

    @property
    def bytes(self) -> int:
        """Of keys and values held, and of the tail; not of the room that it grows into."""
        kv_heads, _, dim = self._keys.shape
        return self.held.bytes + 2 * kv_heads * self.tail * dim * self._keys.element_size()

    def hear(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Append the tokens k and v [t, kv_heads, dim], and what q [t, heads, dim] hears of all up to each."""
        self._append(k, v)
        keys = self._keys[:, : self.tail]
        if self._turn is not None:
            places = self.held.longest + torch.arange(self.tail, device=q.device)
            keys = self._turn.rotate(keys.transpose(0, 1), places).transpose(0, 1)
            q = self._turn.rotate(q, places[-len(q) :])
        tail = partial(q.transpose(0, 1)[None], keys[None], self._values[None, :, : self.tail], causal=True)
        heard = [tail, self.held.partial(q, self._turn)] if self.held.longest else [tail]
        return merge(heard).out[0].transpose(0, 1)

    def forget(self, tokens: int) -> None:
        """The last tokens of the tail were heard, but are not kept."""
        self.tail -= tokens

    def entries(self) -> Entries:
        """All of them, as they are held; a copy."""
        positions = torch.arange(self.first, self.first + self.tail, device=self._keys.device)
        tail = Entries.fresh(self._keys[None, :, : self.tail], self._values[None, :, : self.tail], positions)
        return joined(self.held.entries(), replace(tail, received=self._received[None, :, : self.tail]))

    def credit(self, received: Tensor, decay: float) -> None:
        """Add attention that was paid, [kv_heads, n] in the order of `entries`, to what has faded by now."""
        held, valid = self.held.longest, self.held._places()[1]
        self.held._received = self.held._received * decay + received[:, :held][valid]
        self._received[:, : self.tail] = self._received[:, : self.tail] * decay + received[:, held:]

    def settle(self, entries: Entries, coded: Coded, seen: int) -> None:
        """These are what is held now, their keys and values so written down, and the tail is empty."""
        self.held, self.tail, self.first = Held(entries, coded), 0, seen
        self._keys, self._values, self._received = (  # the room of a whole prompt is given back
            each[:, :0].clone() for each in (self._keys, self._values, self._received)
        )

    def _append(self, k: Tensor, v: Tensor) -> None:
        end = self.tail + len(k)
        if end > self._keys.shape[1]:
            more = max(end - self._keys.shape[1], GROW, self._keys.shape[1] // 2)
            self._keys, self._values, self._received = (
                torch.cat((each, each.new_zeros(each.shape[0], more, *each.shape[2:])), 1)
                for each in (self._keys, self._values, self._received)
            )
        self._keys[:, self.tail : end], self._values[:, self.tail : end] = k.transpose(0, 1), v.transpose(0, 1)
        self._received[:, self.tail : end] = 0
        self.tail = end


def flat(entries: Entries) -> Flat:
    """The entries of one sequence, head after head, as a code takes them."""
    valid = entries.valid[0]
    keys, values, positions, scores = (
        each[0][valid] for each in (entries.keys, entries.values, entries.positions, entries.scores)
    )
    return Flat(keys, values, positions, scores, valid.sum(-1).tolist())


def joined(one: Entries, two: Entries) -> Entries:
    """Both, one after the other in every head."""
    parts = zip(vars(one).values(), vars(two).values(), strict=True)
    whole = Entries(*(torch.cat(pair, 2) for pair in parts))
    return whole if bool(whole.valid.all()) else whole.only(whole.valid)
