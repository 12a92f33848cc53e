"""A decoder of the Llama family, dense or a mixture of experts: tokens in, logits out. Who hears whom is not its matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from chunkwise.engine.config import Config
from chunkwise.engine.experts import Experts, FeedForward, Router
from chunkwise.engine.linear import Linear, Projection, Quantise, linear
from chunkwise.engine.rope import Rope
from chunkwise.engine.weights import Weights, dtype_for


class Attend(Protocol):
    """What a decoder asks at each layer: it stores the new keys and values, and tells what the queries hear."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [t, heads, dim], k and v [t, kv_heads, dim] -> [t, heads, dim].

        The t tokens of all sequences stand one after another, without padding. Nothing is rotated yet: where a token
        stands is the Attend's to say (`Rope`).
        """


class Source(Protocol):
    """Where tensors come from, by the names that Hugging Face gives them."""

    def take(self, name: str, shape: Sequence[int]) -> Tensor: ...


@dataclass
class Layer:
    """One layer's weights. qkv: queries, keys, values, one above the other; norms: of the head_dim of q and of k."""

    before_attention: Tensor
    qkv: Projection
    norms: tuple[Tensor, Tensor] | None
    output: Projection
    before_feed: Tensor
    feed: FeedForward | Experts


class Decoder:
    """Token ids to logits. Made by `load` or `random`.

    config, rope; device and dtype of its states; layers: each can be changed, such as `layers[3].feed.route`.
    """

    def __init__(self, config: Config, source: Source, quantise: Quantise = None) -> None:
        """Of the tensors that `source` gives; quantise: "int8" for every product but the routers'."""
        self.config = config
        self._table = source.take("model.embed_tokens.weight", (config.vocabulary, config.width))
        self.device, self.dtype = self._table.device, self._table.dtype
        self.layers = [_layer(config, layer, source, quantise) for layer in range(config.layers)]
        self._norm = source.take("model.norm.weight", (config.width,))
        head = self._table if config.tied else source.take("lm_head.weight", self._table.shape)
        self._head = linear(head, None, quantise)
        self.rope = Rope(config.rotary, self.device, self.dtype)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | str | None = None,
        quantise: Quantise = None,
    ) -> Decoder:
        """The model of a local Hugging Face folder: config.json and safetensors, in one file or in shards.

        dtype: default float32 on a CPU, as saved elsewhere. quantise: "int8", see `linear`.
        Raises ModelError for what is missing, damaged or not known here. Warns (FallbackWarning) where it computes in
        another dtype than asked for, or in a shorter context than the model's.
        """
        config = Config.load(folder)
        weights = Weights(folder, device, dtype_for(dtype, config.dtype, device))
        decoder = cls(config, weights, quantise)
        weights.done(config.tied)
        return decoder

    @classmethod
    def random(
        cls,
        config: Config,
        seed: int = 0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | str | None = None,
        quantise: Quantise = None,
    ) -> Decoder:
        """A model of that shape with weights drawn from a normal distribution of deviation 0.02; norms are ones."""
        return cls(config, _Drawn(seed, torch.device(device), dtype_for(dtype, config.dtype, device)), quantise)

    def embed(self, tokens: Tensor) -> Tensor:
        """States [t, width] of token ids [t], int64."""
        return functional.embedding(tokens, self._table)

    def run(self, x: Tensor, attend: Attend, layers: range | None = None) -> Tensor:
        """States [t, width] after `layers` (default: all of them), of the states before."""
        config, t = self.config, len(x)
        shape = (config.width,)
        sizes = [config.heads, config.kv_heads, config.kv_heads]
        for number in layers if layers is not None else range(config.layers):
            layer = self.layers[number]
            states = functional.rms_norm(x, shape, layer.before_attention, config.epsilon)
            q, k, v = layer.qkv(states).view(t, -1, config.head_dim).split(sizes, 1)
            if layer.norms is not None:
                q, k = (
                    functional.rms_norm(heads, (config.head_dim,), norm, config.epsilon)
                    for heads, norm in zip((q, k), layer.norms, strict=True)
                )
            x = x + layer.output(attend(number, q, k, v).reshape(t, -1))
            x = x + layer.feed(functional.rms_norm(x, shape, layer.before_feed, config.epsilon))
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Logits [m, vocabulary] of states [m, width] after the last layer."""
        return self._head(functional.rms_norm(x, (self.config.width,), self._norm, self.config.epsilon))

    def __call__(self, tokens: Tensor, attend: Attend, at: Tensor | Sequence[int] | None = None) -> Tensor:
        """Logits [m, vocabulary] that follow the rows `at` of token ids [t] (default: the last one)."""
        x = self.run(self.embed(tokens), attend)
        return self.logits(x[-1:] if at is None else x[at])


def _layer(config: Config, number: int, source: Source, quantise: Quantise) -> Layer:
    name, width, dim = f"model.layers.{number}", config.width, config.head_dim
    q, kv = config.heads * dim, config.kv_heads * dim
    attention = f"{name}.self_attn"

    def norm(of: str, size: int = width) -> Tensor:
        return source.take(f"{of}.weight", (size,))

    def stacked(parts: dict[str, int], inputs: int, bias: bool) -> Projection:
        """One product for all that hear the same: name -> outputs."""
        weights = [source.take(f"{part}.weight", (outputs, inputs)) for part, outputs in parts.items()]
        biases = [source.take(f"{part}.bias", (outputs,)) for part, outputs in parts.items()] if bias else []
        whole = weights[0] if len(weights) == 1 else torch.cat(weights)
        return linear(whole, torch.cat(biases) if bias else None, quantise)

    def feed(of: str, inner: int, bias: bool = False, names: Sequence[str] = ("gate_proj", "up_proj", "down_proj")):
        gate, up, down = (f"{of}.{part}" for part in names)
        return FeedForward(
            stacked({f"{of}.gate_up_proj": 2 * inner} if fused else {gate: inner, up: inner}, width, bias),
            stacked({down: width}, inner, bias),
        )

    def experts(of: str) -> Experts:
        ...

    fused = config.family == "phi3"
    raise NotImplementedError
