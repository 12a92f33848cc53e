"""Small worlds of queries, keys and values, in which it is known what attention should find."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chunkwise.engine.config import Config, Rotary
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.kv.compress import Compressing, KVPolicy
from chunkwise.recipe import build

DIM = 32
FREE = 2  # the first two dimensions turn with the position; worlds leave them empty
ALL = slice(None)


class World:
    """Queries, keys and values of one sequence, layer by layer, drawn with little to tell: then planted in.

    q [layers, n, heads, DIM], k and v [layers, n, kv_heads, DIM], none turned.
    """

    def __init__(self, n: int, layers: int = 1, heads: int = 4, kv_heads: int = 2, seed: int = 0) -> None:
        self.random = torch.Generator().manual_seed(seed)
        shape = Config("llama", 8, 8, layers, heads, kv_heads, DIM, 8, 4096, Rotary(FREE))
        self.model = Decoder.random(shape)
        self.q = self.drawn(layers, n, heads, DIM) * 0.3
        self.k, self.v = self.drawn(layers, n, kv_heads, DIM), self.drawn(layers, n, kv_heads, DIM)
        for each in (self.q, self.k):
            each[..., :FREE] = 0

    def drawn(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random)

    def direction(self) -> Tensor:
        """Something to ask for: as a key, and made larger as a query; what is drawn is unlike it."""
        found = self.drawn(DIM)
        found[:FREE] = 0
        return found / found.norm() * DIM**0.5

    def asks(
        self, rows: slice | Sequence[int], topic: Tensor, strength: float = 2, layer: int | slice = slice(None)
    ) -> None:
        """These queries, of all heads, look for the topic."""
        self.q[layer, rows] = topic * strength

    def tells(self, rows: slice | Sequence[int], topic: Tensor, layer: int | slice = ALL) -> None:
        """The keys of these tokens are about the topic."""
        self.k[layer, rows] = topic

    def read(
        self, policy: KVPolicy | str, budget: float, passes: Sequence[int] | None = None, asked: int = 0
    ) -> Compressing:
        """The host, after it has read the world; a policy is one, or a spec of a recipe."""
        host = Compressing(self.model, build(policy) if isinstance(policy, str) else policy, budget)
        sizes, at = list(passes or [self.q.shape[1]]), 0
        for number, size in enumerate(sizes):
            host.of([size], whole=number == len(sizes) - 1, asked=asked)
            for layer in range(len(self.q)):
                host(layer, *(each[layer, at : at + size] for each in (self.q, self.k, self.v)))
            at += size
        return host

    def answers(self, host: Compressing, topic: Tensor, strength: float = 2) -> Tensor:
        """What a next token hears that asks for the topic, [layers, heads, DIM]; its own key and value are empty."""
        q = (topic * strength).expand(1, *self.q.shape[2:])
        k = torch.zeros(1, *self.k.shape[2:])
        host.of([1])
        return torch.cat([host(layer, q, k, k) for layer in range(len(self.q))])

    def error(self, policy: KVPolicy | str, budget: float, topic: Tensor, strength: float = 2) -> float:
        """How far the answer is from that of the whole cache, relative to it."""
        whole, found = (self.answers(self.read(*way), topic, strength) for way in ((KVPolicy(), 1.0), (policy, budget)))
        return float((found - whole).norm() / whole.norm())


def positions(host: Compressing, layer: int = 0, head: int = 0) -> list[int]:
    """Which tokens a head still holds."""
    held = host.held(layer)
    return held.positions[0, head][held.valid[0, head]].tolist()
