"""The encoder against the `transformers` BertModel, on both backends, with small random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import BertConfig, BertModel

from chunkwise.engine.encoder import Encoder, Merge, _OnNumpy
from chunkwise.engine.tensors import Tensors
from chunkwise.errors import ModelError


@pytest.fixture(scope="module")
def bert() -> Any:
    torch.manual_seed(0)
    config: Any = BertConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=16,
        initializer_range=0.2,
    )
    config._attn_implementation = "eager"
    return BertModel(config, add_pooling_layer=False).train(False)


@pytest.fixture
def folder(bert: Any, tmp_path: Path) -> Path:
    bert.save_pretrained(tmp_path)
    return tmp_path


def _ragged() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 50, (5, 13))
    return ids, np.arange(13) < np.array([13, 1, 7, 12, 4])[:, None]


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_states_are_those_of_transformers(bert: Any, folder: Path, backend: Any) -> None:
    ids, mask = _ragged()
    encoder = Encoder.load(folder, backend)
    with torch.no_grad():
        for seen in (mask, None):
            asked = torch.ones(ids.shape) if seen is None else torch.tensor(seen, dtype=torch.long)
            expected = bert(torch.tensor(ids), attention_mask=asked).last_hidden_state.numpy()
            found = encoder.numpy(encoder.states(ids, seen))
            used = np.ones(ids.shape, bool) if seen is None else seen
            assert found.dtype == np.float32
            np.testing.assert_allclose(found[used], expected[used], atol=2e-5)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_observe_sees_every_layer(bert: Any, folder: Path, backend: Any) -> None:
    ids, mask = _ragged()
    with torch.no_grad():
        expected = bert(
            torch.tensor(ids),
            attention_mask=torch.tensor(mask, dtype=torch.long),
            output_attentions=True,
            output_hidden_states=True,
        )
    seen: dict[tuple[int, str], Any] = {}
    encoder = Encoder.load(folder, backend)
    encoder.states(ids, mask, lambda layer, name, array: seen.update({(layer, name): encoder.numpy(array).copy()}))
    assert set(seen) == {(layer, "states") for layer in range(-1, 3)} | {(layer, "attention") for layer in range(3)}
    for layer in range(3):
        rows = mask[:, None, :].repeat(4, 1)
        np.testing.assert_allclose(seen[layer, "attention"][rows], expected.attentions[layer].numpy()[rows], atol=2e-5)
        assert np.all(seen[layer, "attention"].transpose(0, 3, 1, 2)[~mask] == 0)  # nobody looks at what is hidden
    for layer in range(-1, 3):
        np.testing.assert_allclose(
            seen[layer, "states"][mask], expected.hidden_states[layer + 1].numpy()[mask], atol=2e-5
        )


def test_gradients_flow_on_torch(folder: Path) -> None:
    encoder = Encoder.load(folder, "torch")
    table = encoder._weights["embeddings.word_embeddings.weight"].requires_grad_()
    encoder.states(np.array([[1, 2, 3]])).square().sum().backward()
    used = table.grad.abs().sum(1) > 0
    assert used[[1, 2, 3]].all()
    assert not used[4:].any()


def test_gelu_is_exact_to_single_precision() -> None:
    x = np.concatenate([np.linspace(-12, 12, 100_001), [0.0, -0.0, 1e-30, -60.0, 60.0, 1e4, -1e4]]).astype(np.float32)
    expected = torch.nn.functional.gelu(torch.tensor(x, dtype=torch.float64)).numpy()
    found = x.copy()
    _OnNumpy()._gelu(found)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_more_rows_than_a_block(folder: Path) -> None:
    encoder = Encoder.load(folder)
    ids = np.random.default_rng(2).integers(0, 50, (50, 16))
    together = encoder.states(ids)
    alone = np.concatenate([encoder.states(row[None]) for row in ids])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_too_long_an_input_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"17 tokens .* 16 positions"):
        Encoder.load(folder).states(np.ones((1, 17), int))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model_type", "roberta", "model_type 'roberta'"),
        ("hidden_act", "relu", "hidden_act 'relu'"),
        ("position_embedding_type", "relative_key", "position_embedding_type"),
        ("hidden_size", None, "lacks hidden_size"),
        ("intermediate_size", 41, r"intermediate\.dense\.weight'.*expected \(41, 24\)"),
        ("num_hidden_layers", 4, r"'encoder\.layer\.3\..*missing"),
        ("num_attention_heads", 5, "24 .* 5 heads"),
    ],
)
def test_other_models_are_refused_by_name(folder: Path, field: str, value: Any, message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    if value is None:
        del config[field]
    else:
        config[field] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        Encoder.load(folder)


def test_missing_or_broken_files_are_model_errors(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model in"):
        Encoder.load(tmp_path / "nowhere")
    whole = (folder / "model.safetensors").read_bytes()
    for broken in (b"", b"short", whole[:100], whole[: len(whole) // 2], b"\xff" * 100, b"\x02" + b"\0" * 7 + b"[]"):
        (folder / "model.safetensors").write_bytes(broken)
        with pytest.raises(ModelError):
            Encoder.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot read"):
        Encoder.load(folder)
    for text in ("{", "[]"):
        (folder / "config.json").write_text(text)
        with pytest.raises(ModelError, match=r"config.json"):
            Encoder.load(folder)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_weights_of_other_widths_are_read(folder: Path, kind: Any) -> None:
    ids, _ = _ragged()
    expected = Encoder.load(folder).states(ids)
    path = folder / "model.safetensors"
    save_file({f"bert.{name}": array.astype(kind) for name, array in load_file(path).items()}, path)
    np.testing.assert_allclose(Encoder.load(folder).states(ids), expected, atol=0.1)


def test_tensors_are_what_was_saved(tmp_path: Path) -> None:
    from safetensors.torch import save_file as save_torch

    tensors = {
        "whole": torch.arange(6).reshape(2, 3),
        "brain": torch.tensor([1.5, -3.0], dtype=torch.bfloat16),
        "one": torch.tensor(2.5),
        "none": torch.zeros(0, 4),
    }
    save_torch(tensors, str(tmp_path / "some.safetensors"), {"note": "kept"})
    found = Tensors(tmp_path / "some.safetensors")
    assert found.metadata == {"note": "kept"}
    assert set(found.arrays) == set(tensors)
    for name, tensor in tensors.items():
        assert found.arrays[name].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(found.arrays[name], tensor.float().numpy())


def test_numpy_backend_needs_no_torch(folder: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from chunkwise.engine.encoder import Encoder\n"
        "from chunkwise.errors import ModelError\n"
        f"assert Encoder.load({str(folder)!r}).states([[1, 2]]).shape == (1, 2, 24)\n"
        "try:\n"
        f"    Encoder.load({str(folder)!r}, 'torch')\n"
        "except ModelError as error:\n"
        "    assert 'pip install' in str(error)\n"
        "else:\n"
        "    raise SystemExit('torch was there')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2] / "src")


# Merging


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_merging_nothing_changes_nothing_to_the_bit(folder: Path, backend: Any) -> None:
    ids, mask = _ragged()
    encoder = Encoder.load(folder, backend)
    into = np.broadcast_to(np.arange(13), ids.shape)
    for seen in (mask, None):
        plain = encoder.numpy(encoder.states(ids, seen))
        for layer in range(4):
            merged = encoder.numpy(encoder.states(ids, seen, merge=Merge(layer, into)))
            np.testing.assert_array_equal(merged, plain)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_merged_positions_are_their_mean_from_that_layer_on(folder: Path, backend: Any) -> None:
    ids, mask = _ragged()
    encoder = Encoder.load(folder, backend)
    into = np.cumsum(np.tile([1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1], (5, 1)), axis=1) - 1
    seen: dict[tuple[int, str], Any] = {}
    merged = encoder.numpy(
        encoder.states(
            ids, mask, lambda layer, name, array: seen.update({(layer, name): encoder.numpy(array).copy()}),
            merge=Merge(1, into),
        )
    )  # fmt: skip
    assert merged.shape == (5, 9, 24)
    assert [seen[layer, "states"].shape[1] for layer in range(-1, 3)] == [13, 13, 9, 9]
    for row in range(5):  # alone, its own layers 1 and 2 over the means: what stands beside it in the batch is nothing
        length = int(mask[row].sum())
        alone = encoder.numpy(encoder.states(ids[row : row + 1, :length], merge=Merge(1, into[row : row + 1, :length])))
        np.testing.assert_allclose(merged[row, : alone.shape[1]], alone[0], atol=2e-5)
    attention = seen[1, "attention"]
    assert np.all(attention[1, :, :, 1:] == 0)  # a row of one token has one place


def test_a_merge_of_alike_states_is_that_state(folder: Path) -> None:
    """Tokens that are the same to a model without positions stay the same when they become one."""
    encoder = Encoder.load(folder)
    encoder._weights["embeddings.position_embeddings.weight"] = np.zeros((16, 24), np.float32)
    ids = np.array([[7, 7, 7, 7]])
    merged = encoder.states(ids, merge=Merge(0, np.zeros((1, 4), int)))
    np.testing.assert_allclose(merged[0, 0], encoder.states(ids)[0, 0], atol=1e-5)
