"""What a decoder is made of, read out of a Hugging Face `config.json`, every field accounted for."""

from __future__ import annotations

import warnings
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from chunkwise.engine.word_pieces import settings
from chunkwise.errors import FallbackWarning, ModelError

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Rotary:
    """How positions are turned into rotations (RoPE), with one of its published scalings.

    dims: how many of a head's dimensions turn, the first ones; theta: the base of the wavelengths; original: the
    context that the unscaled rotations were trained on. The rest belongs to some kinds only, named as in the files.
    """

    dims: int
    theta: float = 10_000.0
    kind: str = "default"
    original: int = 0
    factor: float = 1.0
    attention_factor: float | None = None
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True
    short_factor: tuple[float, ...] = ()
    long_factor: tuple[float, ...] = ()


@dataclass(frozen=True)
class Mixture:
    """A mixture of experts: `chosen` of `experts` feed-forward networks hear a token, each `inner` wide.

    normalised: the chosen ones' weights sum to 1; shared: the width of the expert that hears every token, 0 for none;
    layers: which layers are mixtures, the others being dense.
    """

    experts: int
    chosen: int
    inner: int
    layers: tuple[int, ...]
    normalised: bool = True
    shared: int = 0


@dataclass(frozen=True)
class Config:
    """The shape of a decoder of the Llama family.

    width: of a token's state; inner: of the dense feed-forward; positions: the longest context that it runs exactly, in
    tokens; tied: the head is the embedding table; dtype: what the weights were saved as.
    """

    family: str
    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    positions: int
    rotary: Rotary
    epsilon: float = 1e-6
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    inner_bias: bool = False
    qk_norm: bool = False
    mixture: Mixture | None = None
    dtype: str = "float32"

    @classmethod
    def load(cls, folder: str | Path) -> Config:
        """The config of a model folder.

        Raises ModelError that names the field when one is missing or of the wrong kind, and when one is set that is
        not known here and so might change what the model says. Warns (FallbackWarning) where a sliding window is
        shorter than the context: `positions` is then the window, within which both are the same.
        """
        path = Path(folder) / "config.json"
        if not path.is_file():
            raise ModelError(f"no model in {path.parent}: config.json is missing; give a Hugging Face model folder")
        return _config(_Fields(str(path), settings(path)))


_DENSE = ("llama", "mistral", "qwen2", "qwen3", "phi3")
_SPARSE = ("mixtral", "qwen2_moe", "qwen3_moe")

# What a file may say that changes nothing here: training, bookkeeping, tokens (text.py reads those).
_SILENT = {
    *(
        "architectures",
        "auto_map",
        "dtype",
        "id2label",
        "initializer_range",
        "label2id",
        "name_or_path",
        "problem_type",
    ),
    *("attention_dropout", "embd_pdrop", "resid_pdrop", "router_aux_loss_coef", "router_jitter_noise"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "transformers_version", "use_cache"),
    *("max_window_layers", "output_router_logits", "pretraining_tp", "return_dict", "torch_dtype"),
}

_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # of RoPE: what each needs, what it may have besides
    "default": ((), ()),
    "linear": (("factor",), ()),
    "dynamic": (("factor",), ()),
    "yarn": (("factor",), ("attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate")),
    "llama3": (("factor", "low_freq_factor", "high_freq_factor"), ()),
    "longrope": (("short_factor", "long_factor"), ("factor", "attention_factor")),
}
_FACTORS = ("short_factor", "long_factor")  # one number for each pair of dimensions


class _Fields:
    """The fields of a JSON object, each taken once, so that what nobody took can be named."""

    def __init__(self, where: str, found: dict[str, Any]) -> None:
        self.where, self._left = where, dict(found)

    def need(self, name: str, kind: type[Kind]) -> Kind:
        value = self.take(name, kind)
        if value is None:
            raise ModelError(f"{self.where} lacks {name}; fetch the model's own config.json again")
        return value

    def take(self, name: str, kind: type[Kind]) -> Kind | None:
        """The field, None where it is missing or null. Numbers must be positive, whole ones do for fractions."""
        value = self._left.pop(name, None)
        if kind is float and type(value) is int:
            value = float(value)
        number: Any = value
        counts = kind in (int, float)
        if value is None or (type(value) is kind and (not counts or 0 < number < float("inf"))):
            return value
        positive = "positive " if counts else ""
        raise ModelError(f"{self.where}: {name} is {str(value)[:60]!r}, expected a {positive}{kind.__name__}")

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.take(name, bool)
        return default if value is None else value

    def drop(self, name: str) -> None:
        self._left.pop(name, None)

    def done(self, silent: Container[str] = ()) -> None:
        """Raises ModelError for a field that is set, was not taken, and is not known to change nothing."""
        for name, value in self._left.items():
            if value not in (None, False, "", [], {}) and name not in silent and not name.startswith("_"):
                raise ModelError(
                    f"{self.where}: {name} = {str(value)[:60]} is not known here and may change what the model says;"
                    " run a model without it, or take it out if it changes nothing"
                )


def _config(fields: _Fields) -> Config:
    family = fields.need("model_type", str)
    if family not in _DENSE + _SPARSE:
        raise ModelError(
            f"{fields.where}: model_type {family!r} cannot be run here, only {', '.join(_DENSE + _SPARSE)}"
        )
    if (activation := fields.take("hidden_act", str)) not in (None, "silu"):
        raise ModelError(f"{fields.where}: hidden_act {activation!r} cannot be run here, only 'silu'")
    width, heads = fields.need("hidden_size", int), fields.need("num_attention_heads", int)
    kv_heads = fields.take("num_key_value_heads", int) or heads
    if heads % kv_heads:
        raise ModelError(f"{fields.where}: {heads} query heads cannot share {kv_heads} key and value heads evenly")
    head_dim = fields.take("head_dim", int) or (128 if family == "qwen3" else width // heads)
    layers, inner = fields.need("num_hidden_layers", int), fields.need("intermediate_size", int)
    context = fields.need("max_position_embeddings", int)
    attention_bias = family in ("llama", "qwen3", "qwen3_moe") and fields.flag("attention_bias")
    config = Config(
        family=family,
        vocabulary=fields.need("vocab_size", int),
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        inner=inner,
        positions=_positions(fields, family, context),
        rotary=_rotary(fields, family, head_dim, context),
        epsilon=fields.need("rms_norm_eps", float),
        tied=fields.flag("tie_word_embeddings"),
        qkv_bias=attention_bias or family == "qwen2" or (family == "qwen2_moe" and fields.flag("qkv_bias", True)),
        output_bias=attention_bias,
        inner_bias=family == "llama" and fields.flag("mlp_bias"),
        qk_norm=family in ("qwen3", "qwen3_moe"),
        mixture=_mixture(fields, family, inner, layers) if family in _SPARSE else None,
        dtype=fields.take("dtype", str) or fields.take("torch_dtype", str) or "float32",
    )
    fields.done(_SILENT)
    return config


def _positions(fields: _Fields, family: str, context: int) -> int:
    """The longest context in which every token hears all before it: that of the model, or its sliding window."""
    if odd := set(fields.take("layer_types", list) or ()) - {"full_attention", "sliding_attention"}:
        raise ModelError(f"{fields.where}: layer_types {', '.join(map(str, odd))} cannot be run here")
    if family.startswith("qwen") and not fields.flag("use_sliding_window"):
        fields.drop("sliding_window")
    window = fields.take("sliding_window", int) or context
    if window < context:
        warnings.warn(
            f"{fields.where}: attention slides over {window:,} of {context:,} tokens, which is not run here;"
            f" contexts of up to {window:,} tokens are, where it changes nothing",
            FallbackWarning,
            stacklevel=4,
        )
    return min(window, context)


def _rotary(fields: _Fields, family: str, head_dim: int, context: int) -> Rotary:
    old, new = fields.take("rope_scaling", dict), fields.take("rope_parameters", dict)
    found = _Fields(f"{fields.where}: rope_scaling" if old else f"{fields.where}: rope_parameters", old or new or {})
    theta, share = (
        _first(found.take(name, float), fields.take(name, float)) for name in ("rope_theta", "partial_rotary_factor")
    )
    trained = "original_max_position_embeddings"
    original = _first(fields.take(trained, int), found.take(trained, int))
    theta = float(theta or (1e6 if family == "mixtral" else 1e4))
    kind = _first(found.take("rope_type", str), found.take("type", str)) or "default"
    if family == "phi3" and kind in ("su", "yarn"):  # early names of what was published as LongRoPE
        kind = "longrope"
    if kind not in _KINDS:
        raise ModelError(f"{found.where}: rope_type {kind!r} cannot be run here, only {', '.join(_KINDS)}")
    dims = int(head_dim * (share or 1.0))
    if dims % 2 or dims > head_dim or (dims < head_dim and family != "phi3"):
        raise ModelError(f"{found.where}: {dims} of {head_dim} dimensions cannot be turned in {family!r}")
    if original is None or kind == "dynamic":
        original = context
    needed, possible = _KINDS[kind]
    options: dict[str, Any] = {}
    for name in needed + possible:
        of: type[Any] = list if name in _FACTORS else bool if name == "truncate" else float
        value = found.need(name, of) if name in needed else found.take(name, of)
        if value is not None:
            options[name] = _numbers(found.where, name, value, dims // 2) if name in _FACTORS else value
    if kind == "longrope":
        options.setdefault("factor", context / original)
    found.done()
    return Rotary(dims, theta, kind, original, **options)


def _first(one: Kind | None, other: Kind | None) -> Kind | None:
    return other if one is None else one


def _numbers(where: str, name: str, values: list[Any], length: int) -> tuple[float, ...]:
    if len(values) != length or not all(type(value) in (int, float) and value > 0 for value in values):
        raise ModelError(f"{where}: {name} holds {len(values)} values, expected {length} positive numbers")
    return tuple(map(float, values))


def _mixture(fields: _Fields, family: str, inner: int, layers: int) -> Mixture:
    if family == "mixtral":
        experts = fields.need("num_local_experts", int)
        return Mixture(experts, fields.need("num_experts_per_tok", int), inner, tuple(range(layers)))
    fields_experts = fields.take("num_experts", int) or fields.take("num_local_experts", int)
    step, dense = fields.take("decoder_sparse_step", int) or 1, fields.take("mlp_only_layers", list) or []
    return Mixture(
        experts=fields_experts or fields.need("num_experts", int),
        chosen=fields.need("num_experts_per_tok", int),
        inner=fields.need("moe_intermediate_size", int),
        layers=tuple(layer for layer in range(layers) if (layer + 1) % step == 0 and layer not in dense),
        normalised=fields.flag("norm_topk_prob"),
        shared=fields.need("shared_expert_intermediate_size", int) if family == "qwen2_moe" else 0,
    )
