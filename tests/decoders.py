"""Tiny models of every family the engine runs, saved by `transformers`, and the plainest cache to run them with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional

from chunkwise.engine.decoder import Decoder

SHAPE: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {"num_key_value_heads": 4},
    "Llama 3": {"head_dim": 16, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    "Mistral": {"sliding_window": None},
    "Qwen2": {"tie_word_embeddings": True},
    "Qwen3": {"head_dim": 16},
    "Phi3": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
    "Mixtral": {"num_local_experts": 4},
    "Qwen2Moe": {
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "mlp_only_layers": [1],
        "shared_expert_intermediate_size": 40,
    },
    "Qwen3Moe": {
        "num_experts": 6,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 24,
        "norm_topk_prob": True,
        "decoder_sparse_step": 2,
        "head_dim": 16,
    },
}


def oracle(family: str, seed: int = 0, **shape: Any) -> Any:
    """A model of `transformers` with random weights, spread wide enough that every part of it matters."""
    name = family.split()[0]
    config = getattr(transformers, f"{name}Config")(**SHAPE | FAMILIES.get(family, {}) | shape)
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


def saved(model: Any, folder: Path, shards: str = "1GB") -> Path:
    model.save_pretrained(folder, max_shard_size=shards)
    return folder


class Plain:
    """Causal attention of one sequence over all that came before, kept by concatenation."""

    def __init__(self, model: Decoder) -> None:
        self.rope, self.groups = model.rope, model.config.heads // model.config.kv_heads
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}
        self.positions = torch.zeros(0, dtype=torch.int64)

    def of(self, tokens: Tensor) -> Plain:
        self.positions = torch.arange(len(self.keys.get(0, ())), len(self.keys.get(0, ())) + len(tokens))
        self.turn = self.rope.at(self.positions)
        return self

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k = torch.cat((self.keys[layer], self.turn(k))) if layer in self.keys else self.turn(k)
        v = torch.cat((self.values[layer], v)) if layer in self.values else v
        self.keys[layer], self.values[layer] = k, v
        hears = torch.arange(len(k)) <= self.positions[:, None]
        heads = (
            x.transpose(0, 1)[None] for x in (self.turn(q), *(x.repeat_interleave(self.groups, 1) for x in (k, v)))
        )
        return functional.scaled_dot_product_attention(*heads, attn_mask=hears)[0].transpose(0, 1)


def said(model: Decoder, tokens: Tensor, passes: Sequence[int] | None = None) -> Tensor:
    """The logits of every token, the tokens run in passes of those sizes (default: one)."""
    plain = Plain(model)
    parts = torch.split(tokens, list(passes or [len(tokens)]))
    return torch.cat([model(part, plain.of(part), at=range(len(part))) for part in parts])


def heard(model: Any, tokens: Tensor, passes: Sequence[int] | None = None) -> Tensor:
    """The same of a model of `transformers`, with its own cache."""
    cache = transformers.DynamicCache()
    with torch.no_grad():
        parts = torch.split(tokens, list(passes or [len(tokens)]))
        return torch.cat([model(part[None], past_key_values=cache, use_cache=True).logits[0] for part in parts])
