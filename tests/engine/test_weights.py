"""What a folder may be wrong in, said with the name of the field, the tensor or the file."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from chunkwise.engine.config import Config
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.weights import dtype_for
from chunkwise.errors import FallbackWarning, ModelError
from decoders import SHAPE, oracle, said, saved

TOKENS = torch.arange(7)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for family in ("Llama", "Qwen2", "Mixtral", "Phi3", "Qwen3Moe"):
        folders[family] = saved(oracle(family), tmp_path_factory.mktemp(family))
    folders["shards"] = saved(oracle("Llama"), tmp_path_factory.mktemp("shards"), shards="20KB")
    return folders


@pytest.fixture
def folder(kept: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of a model's folder, some fields of its config.json set anew; None takes one out."""

    def copy(family: str = "Llama", **fields: Any) -> Path:
        made = Path(shutil.copytree(kept[family], tmp_path / "model", dirs_exist_ok=True))
        config = json.loads((made / "config.json").read_text()) | fields
        kept_fields = {name: value for name, value in config.items() if value is not None or name not in fields}
        (made / "config.json").write_text(json.dumps(kept_fields))
        return made

    return copy


NEEDED = (
    "model_type",
    *(name for name in SHAPE if name not in ("pad_token_id", "num_key_value_heads")),
    "rms_norm_eps",
)


@pytest.mark.parametrize("field", NEEDED)
def test_a_missing_field_is_named(folder: Any, field: str) -> None:
    with pytest.raises(ModelError, match=f"config.json lacks {field}"):
        Config.load(folder(**{field: None}))


@pytest.mark.parametrize(
    ("family", "fields", "told"),
    [
        ("Llama", {"model_type": "gpt2"}, "model_type 'gpt2' cannot be run"),
        ("Llama", {"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ("Llama", {"logit_scale": 0.5}, "logit_scale = 0.5 is not known"),
        ("Llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
        ("Mixtral", {"attention_bias": True}, "attention_bias = True"),
        ("Llama", {"hidden_size": "32"}, "hidden_size is '32'"),
        ("Llama", {"hidden_size": -32}, "expected a positive int"),
        ("Llama", {"rms_norm_eps": True}, "rms_norm_eps is 'True'"),
        ("Llama", {"num_key_value_heads": 3}, "cannot share 3"),
        ("Llama", {"head_dim": 7}, "7 of 7 dimensions"),
        ("Qwen2", {"layer_types": ["linear_attention"]}, "linear_attention"),
        ("Mixtral", {"num_local_experts": None}, "lacks num_local_experts"),
        ("Qwen3Moe", {"moe_intermediate_size": None}, "lacks moe_intermediate_size"),
        ("Llama", {"rope_parameters": {"rope_type": "spiral"}}, "rope_type 'spiral'"),
        ("Llama", {"rope_scaling": {"type": "linear"}}, "rope_scaling lacks factor"),
        ("Llama", {"rope_scaling": {"type": "linear", "factor": 2.0, "mrope_section": [1]}}, "mrope_section"),
        ("Llama", {"partial_rotary_factor": 0.5}, "4 of 8 dimensions cannot be turned"),
        (
            "Phi3",
            {"rope_scaling": {"type": "su", "short_factor": [1.0], "long_factor": [1, 1, 1, 1]}},
            "short_factor holds 1 values, expected 4",
        ),
    ],
)
def test_a_field_that_cannot_be_run_is_named(folder: Any, family: str, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelError, match=re.escape(told)):
        Config.load(folder(family, **fields))


def test_what_changes_nothing_may_be_said(folder: Any) -> None:
    plain = Config.load(folder())
    assert Config.load(folder(use_cache=False, logit_scale=None, router_jitter_noise=0.1, _attn="eager")) == plain
    assert Config.load(folder(rope_parameters=None, rope_theta=10_000, rope_scaling=None)) == plain
    old = Config.load(folder(rope_parameters=None, rope_scaling={"type": "linear", "factor": 2}))
    assert (old.rotary.kind, old.rotary.factor) == ("linear", 2.0)


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "\0", "\udcff"])
def test_a_config_that_is_none(folder: Any, text: str | None) -> None:
    path = folder() / "config.json"
    path.unlink() if text is None else path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=r"config\.json"):
        Config.load(path.parent)


@pytest.mark.parametrize("size", [0, 4, 100, -1])
@pytest.mark.parametrize("family", ["Llama", "shards"])
def test_a_truncated_file_is_named(folder: Any, family: str, size: int) -> None:
    path = sorted(folder(family).glob("*.safetensors"))[-1]
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match=rf"{path.name} is not a whole safetensors file .*; fetch it again"):
        Decoder.load(path.parent)


def test_a_missing_file_is_named(folder: Any) -> None:
    for family in ("shards", "Llama"):
        path = sorted(folder(family).glob("*.safetensors"))[-1]
        path.unlink()
        with pytest.raises(ModelError, match=f"{path.name} is missing; fetch it again"):
            Decoder.load(path.parent)
        shutil.rmtree(path.parent)
    pickled = folder()
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights only"):
        Decoder.load(pickled)


@pytest.mark.parametrize("index", ["", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', '{"weight_map": []}'])
def test_an_index_that_is_none(folder: Any, index: str) -> None:
    path = folder("shards") / "model.safetensors.index.json"
    path.write_text(index)
    with pytest.raises(ModelError, match=r"index\.json is no index"):
        Decoder.load(path.parent)


def test_an_index_that_leads_elsewhere(folder: Any, tmp_path: Path) -> None:
    path = folder("shards") / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    name, shard = next(iter(index["weight_map"].items()))
    other = next(file for file in index["weight_map"].values() if file != shard)
    index["weight_map"][name] = other
    path.write_text(json.dumps(index))
    with pytest.raises(ModelError, match=f"{other} lacks {name}"):
        Decoder.load(path.parent)
    index["weight_map"][name] = "../../outside.safetensors"  # never out of the folder
    path.write_text(json.dumps(index))
    with pytest.raises(ModelError, match=re.escape(f"{path.parent / 'outside.safetensors'} is missing")):
        Decoder.load(path.parent)


def tampered(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    path = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path)
    return folder


UP, QUERY = "model.layers.1.mlp.up_proj.weight", "model.layers.2.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.pop(UP), f"tensor {UP} is missing"),
        (lambda t: t.update({UP: t[UP].T.contiguous()}), f"{UP} is [32, 48], but config.json makes it [48, 32]"),
        (lambda t: t.update({UP: t[UP].to(torch.int8)}), f"{UP} is torch.int8"),
        (lambda t: t[UP].view(-1)[7:8].fill_(float("nan")), f"{UP} holds NaN"),
        (lambda t: t[QUERY].view(-1)[:1].fill_(float("-inf")), f"{QUERY} holds NaN or infinity"),
        (lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(32)}), "has no place in the model"),
        (lambda t: t.update({"model.layers.3.input_layernorm.weight": torch.ones(32)}), "has no place in the model"),
    ],
)
def test_a_tampered_tensor_is_named(folder: Any, change: Any, told: str) -> None:
    made = tampered(folder(), change)
    with pytest.raises(ModelError, match=re.escape(told)):
        Decoder.load(made)


def test_what_old_files_hold_besides(folder: Any) -> None:
    before = said(Decoder.load(folder()), TOKENS)
    old = tampered(folder(), lambda t: t.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}))
    assert torch.equal(said(Decoder.load(old), TOKENS), before)


def test_a_head_that_is_tied_and_differs(folder: Any) -> None:
    with pytest.raises(ModelError, match=r"lm_head\.weight differs"):
        Decoder.load(folder(tie_word_embeddings=True))
    table = "model.embed_tokens.weight"
    Decoder.load(tampered(folder(tie_word_embeddings=True), lambda t: t.update({"lm_head.weight": t[table].clone()})))


def test_half_precision_files_are_widened(folder: Any) -> None:
    exact = Decoder.load(folder())
    half = tampered(folder(), lambda t: t.update({name: tensor.bfloat16() for name, tensor in t.items()}))
    decoder = Decoder.load(half)
    assert decoder.dtype == torch.float32
    gap = (said(decoder, TOKENS) - said(exact, TOKENS)).abs().max()
    assert 0 < gap < 0.5


def test_half_precision_where_there_is_none(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    for name in ("bfloat16", "float16"):
        with pytest.warns(FallbackWarning, match=f"no {name} arithmetic"):
            assert Decoder.load(folder(), dtype=name).dtype == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dtype_for("bfloat16", "float32", "cpu") == torch.bfloat16
        assert dtype_for(None, "bfloat16", "cpu") == torch.float32
        assert dtype_for(None, "bfloat16", "cuda") == torch.bfloat16
        assert dtype_for(torch.float16, "bfloat16", "cuda") == torch.float16
    with pytest.raises(ModelError, match="'float8'"):
        dtype_for("float8", "float32", "cpu")
