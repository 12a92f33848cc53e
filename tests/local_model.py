"""A tiny model folder with random weights, for tests: bytes as tokens, and a chat template of a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SPECIAL = ("<s>", "</s>")
WIDTH, LAYERS, HEADS, KV, DIM, INNER = 32, 2, 2, 1, 16, 64
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'robot' %}{{ raise_exception('no robots') }}{% endif %}"
    "{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def model_folder(folder: Path, *, window: int = 256, seed: int = 0) -> Path:
    """Write a Llama of two layers, and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, *SPECIAL])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    words = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": len(vocabulary),
        "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV,
        "head_dim": DIM, "intermediate_size": INNER, "max_position_embeddings": window, "rms_norm_eps": 1e-6,
        "hidden_act": "silu", "torch_dtype": "float32", "bos_token_id": 256, "eos_token_id": 257,
        "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(seed)
    shapes = {"model.embed_tokens": (258, WIDTH), "lm_head": (258, WIDTH)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        shapes |= {
            f"{name}.self_attn.q_proj": (HEADS * DIM, WIDTH), f"{name}.self_attn.k_proj": (KV * DIM, WIDTH),
            f"{name}.self_attn.v_proj": (KV * DIM, WIDTH), f"{name}.self_attn.o_proj": (WIDTH, HEADS * DIM),
            f"{name}.mlp.gate_proj": (INNER, WIDTH), f"{name}.mlp.up_proj": (INNER, WIDTH),
            f"{name}.mlp.down_proj": (WIDTH, INNER),
        }  # fmt: skip
    tensors = {f"{name}.weight": random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    norms = [
        "model.norm",
        *(f"model.layers.{i}.{n}_layernorm" for i in range(LAYERS) for n in ("input", "post_attention")),
    ]
    tensors |= {f"{name}.weight": np.ones(WIDTH, np.float32) for name in norms}
    save_file(tensors, folder / "model.safetensors")
    return folder
