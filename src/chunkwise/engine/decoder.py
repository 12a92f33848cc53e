"""A decoder of the Llama family, dense or a mixture of experts: tokens in, logits out. An `Attend` hears."""

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
from chunkwise.engine.linear import Projection, Quantise, linear
from chunkwise.engine.norm import Norm
from chunkwise.engine.rope import Rope
from chunkwise.engine.weights import Weights, dtype_for


class Attend(Protocol):
    """What a decoder asks at each layer: it stores the new keys and values, and tells what the queries hear."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Q [t, heads, dim], k and v [t, kv_heads, dim] -> [t, heads, dim].

        The t tokens of all sequences stand one after another, without padding. Nothing is rotated yet: where a token
        stands is the Attend's to say (`Rope`).
        """


class Source(Protocol):
    """Where tensors come from, by the names that Hugging Face gives them."""

    def take(self, name: str, shape: Sequence[int]) -> Tensor:
        """The tensor of that name, which must have that shape."""
        ...


@dataclass
class Layer:
    """One layer's weights. qkv: queries, keys, values, one above the other; norms: of the head_dim of q and of k."""

    before_attention: Norm
    qkv: Projection
    norms: tuple[Tensor, Tensor] | None
    output: Projection
    before_feed: Norm
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
        assembly = _Assembly(config, source, quantise)
        self.layers = [assembly.layer(number) for number in range(config.layers)]
        self._norm = assembly.norm("model.norm")
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
        sizes = [config.heads, config.kv_heads, config.kv_heads]
        said = None  # by the layer before: the next norm adds it
        for number in layers if layers is not None else range(config.layers):
            layer = self.layers[number]
            x, states = layer.before_attention(x, said)
            q, k, v = torch.split(layer.qkv(states).view(t, -1, config.head_dim), sizes, 1)
            if layer.norms is not None:
                q, k = (
                    functional.rms_norm(heads, (config.head_dim,), norm, config.epsilon)
                    for heads, norm in zip((q, k), layer.norms, strict=True)
                )
            x, states = layer.before_feed(x, layer.output(attend(number, q, k, v).reshape(t, -1)))
            said = layer.feed(states)
        return x if said is None else x + said

    def logits(self, x: Tensor) -> Tensor:
        """Logits [m, vocabulary] of states [m, width] after the last layer."""
        return self._head(self._norm(x)[1])

    def __call__(self, tokens: Tensor, attend: Attend, at: Tensor | Sequence[int] | None = None) -> Tensor:
        """Logits [m, vocabulary] that follow the rows `at` of token ids [t] (default: the last one)."""
        x = self.run(self.embed(tokens), attend)
        return self.logits(x[-1:] if at is None else x[at])


@dataclass(frozen=True)
class _Assembly:
    """Layers out of the tensors of a source, under the names that each family gives them."""

    config: Config
    source: Source
    quantise: Quantise

    def layer(self, number: int) -> Layer:
        config, name = self.config, f"model.layers.{number}"
        q, kv = config.heads * config.head_dim, config.kv_heads * config.head_dim
        parts = {"qkv_proj": q + 2 * kv} if config.family == "phi3" else {"q_proj": q, "k_proj": kv, "v_proj": kv}
        attention = f"{name}.self_attn"
        mixed = config.mixture is not None and number in config.mixture.layers
        return Layer(
            before_attention=self.norm(f"{name}.input_layernorm"),
            qkv=self.product(
                {f"{attention}.{part}": rows for part, rows in parts.items()}, config.width, config.qkv_bias
            ),
            norms=self.heads_norms(attention) if config.qk_norm else None,
            output=self.product({f"{attention}.o_proj": config.width}, q, config.output_bias),
            before_feed=self.norm(f"{name}.post_attention_layernorm"),
            feed=self.experts(name) if mixed else self.feed(f"{name}.mlp", config.inner, config.inner_bias),
        )

    def heads_norms(self, attention: str) -> tuple[Tensor, Tensor]:
        q, k = (self.source.take(f"{attention}.{of}_norm.weight", (self.config.head_dim,)) for of in "qk")
        return q, k

    def norm(self, name: str) -> Norm:
        return Norm(self.source.take(f"{name}.weight", (self.config.width,)), self.config.epsilon)

    def product(self, parts: dict[str, int], inputs: int, bias: bool = False) -> Projection:
        """All that hear the same, as one product; parts: name -> outputs."""
        weights = [self.source.take(f"{name}.weight", (outputs, inputs)) for name, outputs in parts.items()]
        biases = [self.source.take(f"{name}.bias", (outputs,)) for name, outputs in parts.items()] if bias else []
        whole = weights[0] if len(weights) == 1 else torch.cat(weights)
        return linear(whole, torch.cat(biases) if bias else None, self.quantise)

    def feed(self, name: str, inner: int, bias: bool = False) -> FeedForward:
        gate, up, down = (
            ("w1", "w3", "w2") if self.config.family == "mixtral" else ("gate_proj", "up_proj", "down_proj")
        )
        parts = {gate: inner, up: inner} if self.config.family != "phi3" else {"gate_up_proj": 2 * inner}
        return FeedForward(
            self.product({f"{name}.{part}": rows for part, rows in parts.items()}, self.config.width, bias),
            self.product({f"{name}.{down}": self.config.width}, inner, bias),
        )

    def experts(self, layer: str) -> Experts:
        mixture, width = self.config.mixture, self.config.width
        assert mixture is not None
        name = f"{layer}.block_sparse_moe" if self.config.family == "mixtral" else f"{layer}.mlp"
        route = self.source.take(f"{name}.gate.weight", (mixture.experts, width))
        shared = None
        if mixture.shared:
            gate = self.source.take(f"{name}.shared_expert_gate.weight", (1, width))
            shared = (self.feed(f"{name}.shared_expert", mixture.shared), gate)
        return Experts(
            Router(route, mixture.chosen, mixture.normalised),
            [self.feed(f"{name}.experts.{expert}", mixture.inner) for expert in range(mixture.experts)],
            shared,
        )


class _Drawn:
    """Tensors drawn at random, the same for the same seed, wherever they are put."""

    def __init__(self, seed: int, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._random = torch.Generator().manual_seed(seed)

    def take(self, name: str, shape: Sequence[int]) -> Tensor:
        norm = name.endswith("norm.weight")
        drawn = torch.ones(*shape) if norm else torch.randn(*shape, generator=self._random).mul_(0.02)
        return drawn.to(self._device, self._dtype)
