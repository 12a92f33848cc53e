"""Mixtures of experts: a router that can be seen and swapped, and experts that each hear their tokens at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from chunkwise.engine.kernels import small_swiglu
from chunkwise.engine.linear import Projection


class Routing(NamedTuple):
    """Who hears each of t tokens, and how loudly.

    weights: float [t, k] of the chosen; chosen: int64 [t, k], expert numbers; scores: float32 [t, experts], of all.
    """

    weights: Tensor
    chosen: Tensor
    scores: Tensor


Route: TypeAlias = Callable[[Tensor], Routing]


class Router:
    """The k likeliest experts of each token: softmax over all, then top-k (Mixtral of Experts; Qwen's mixtures).

    weight: [experts, width]; normalised: the chosen ones' weights sum to 1.
    """

    def __init__(self, weight: Tensor, chosen: int, normalised: bool) -> None:
        self.weight, self.chosen, self.normalised = weight, chosen, normalised

    def __call__(self, x: Tensor) -> Routing:
        """X [t, width] -> who hears each of the t tokens."""
        scores = torch.softmax(functional.linear(x, self.weight).float(), -1)
        weights, chosen = scores.topk(self.chosen, -1)
        if self.normalised:
            weights = weights / weights.sum(-1, keepdim=True)
        return Routing(weights.to(x.dtype), chosen, scores)


class FeedForward:
    """SwiGLU (GLU Variants Improve Transformer). gate_up: the gate's product above the other one's."""

    def __init__(self, gate_up: Projection, down: Projection) -> None:
        self.gate_up, self.down = gate_up, down

    def __call__(self, x: Tensor) -> Tensor:
        """X [t, width] -> [t, width]."""
        both = self.gate_up(x)
        if (heard := small_swiglu(both)) is None:
            gate, up = both.chunk(2, -1)
            heard = functional.silu(gate) * up
        return self.down(heard)


class Experts:
    """What the chosen experts say of each token, weighed, and the shared one if any.

    route: a Router, or anything like it. shared: hears every token, as loudly as its gate [1, width] says.
    """

    def __init__(
        self, route: Route, experts: Sequence[FeedForward], shared: tuple[FeedForward, Tensor] | None = None
    ) -> None:
        self.route, self.experts, self.shared = route, experts, shared

    def __call__(self, x: Tensor) -> Tensor:
        """X [t, width] -> [t, width]."""
        weights, chosen, _ = self.route(x)
        told = x.new_empty(chosen.numel(), x.shape[-1])  # by token, then by place among the chosen
        order = chosen.flatten().argsort(stable=True)
        sizes = torch.bincount(chosen.flatten(), minlength=len(self.experts)).tolist()
        for expert, rows in zip(self.experts, torch.split(order, sizes), strict=True):
            if len(rows):
                told[rows] = expert(x[rows // chosen.shape[1]])
        said = torch.einsum("tkw,tk->tw", told.view(*chosen.shape, -1), weights)
        if self.shared is None:
            return said
        expert, gate = self.shared
        return said + torch.sigmoid(functional.linear(x, gate)) * expert(x)
