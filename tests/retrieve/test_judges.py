"""Judges: a local cross-encoder against sentence-transformers' own, and an endpoint that speaks /rerank."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.errors import EndpointError, ModelError, UserError
from chunkwise.retrieve.judge import Reading, judge
from chunkwise.retrieve.judge.cross_encoder import CrossEncoder
from chunkwise.retrieve.judge.endpoint import EndpointJudge
from chunkwise.units import Span
from llm_server import Server, Talk, as_json, as_text, status

WORDS = ["a", "b", "c", "d", "##e", "x", "."]
ODD = ("\0 漢字", "b\r\n😀 \ud800")
PAIRS = [("a b", "c d. x"), ("a b " * 3, "c d e. " * 30), ("", ""), ("x " * 40, "a " * 40), ODD]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with one output, that reads 24 word pieces."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    path = tmp_path_factory.mktemp("tiny")
    (path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(WORDS) + 5, max_position_embeddings=32, num_labels=1, **sizes)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for weight in model.parameters():  # far from the small random ones, so that every input has its own score
            weight.add_(torch.randn(weight.shape) * 0.3)
    model.save_pretrained(path)
    BertTokenizerFast(vocab_file=str(path / "vocab.txt"), model_max_length=24).save_pretrained(path)
    return path


def changed(folder: Path, to: Path, file: str, **fields: Any) -> Path:
    """The folder again, with other fields in one of its files."""
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    known = json.loads((to / file).read_text()) if (to / file).exists() else {}
    (to / file).write_text(json.dumps(known | fields))
    return to


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("activation", ["activation.Sigmoid", "linear.Identity"])
def test_scores_are_those_of_sentence_transformers(
    folder: Path, backend: Any, activation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sentence_transformers

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    named = f"torch.nn.modules.{activation}"
    path = changed(folder, tmp_path, "config.json", sentence_transformers={"activation_fn": named, "version": "5.0.0"})
    clean = [tuple(text.encode("utf-8", "replace").decode() for text in pair) for pair in PAIRS]
    expected = sentence_transformers.CrossEncoder(str(path), device="cpu").predict(clean)
    found = CrossEncoder(path, backend=backend).scores(PAIRS)
    assert found.dtype == np.float32
    assert len({round(float(score), 4) for score in found}) > 2
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.text("abcdx .", max_size=60)), min_size=1, max_size=9))
def test_a_score_does_not_depend_on_its_batch(folder: Path, pairs: list[tuple[str, str]]) -> None:
    model = CrossEncoder(folder)
    together = model.scores(pairs)
    np.testing.assert_allclose([model.scores([pair])[0] for pair in pairs], together, atol=1e-5)


def test_every_chunk_of_a_reading_gets_its_score(folder: Path) -> None:
    model = judge(str(folder))
    found = model("a b", [Reading("c d. x", (Span(0, 5), Span(5, 6))), Reading("x", (Span(0, 1),))])
    assert [len(scores) for scores in found] == [2, 1]
    assert found[0][0] == found[0][1] == pytest.approx(CrossEncoder(folder).scores([("a b", "c d. x")])[0], abs=1e-5)
    assert model("a b", []) == []
    assert model.name.startswith(folder.name)
    assert model.name == judge(f"{folder}:backend=torch").name


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        ("config.json", {"sbert_ce_default_activation_function": "torch.nn.ReLU"}, "activation 'ReLU' cannot be run"),
        ("config.json", {"model_type": "roberta"}, "'roberta' cannot be run here"),
        ("config.json", {"hidden_size": 32}, "expected"),
    ],
)
def test_other_models_are_refused(folder: Path, tmp_path: Path, file: str, fields: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        judge(str(changed(folder, tmp_path, file, **fields)))


def test_what_is_no_cross_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = changed(folder, tmp_path, "config.json")
    weights = load_file(folder / "model.safetensors")
    three = {"classifier.weight": np.ones((3, 16), np.float32), "classifier.bias": np.ones(3, np.float32)}
    for made, message in (
        ({name: array for name, array in weights.items() if "classifier" not in name}, "no bi-encoder"),
        (weights | three, "has 3 outputs"),
        (weights | {"bert.pooler.dense.bias": np.ones(3, np.float32)}, "expected"),
    ):
        save_file(made, path / "model.safetensors")
        with pytest.raises(ModelError, match=message):
            judge(str(path))
    (path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        judge(str(path))


@pytest.mark.parametrize("spec", ["", "nowhere", "http://", "http://host/v1", "https://host#"])
def test_specs_that_name_none(spec: str) -> None:
    with pytest.raises(UserError):
        judge(spec)


def test_a_backend_that_is_none(folder: Path) -> None:
    with pytest.raises(UserError, match="no backend 'jax'"):
        judge(f"{folder}:backend=jax")


def scored(talk: Talk) -> None:
    """Longer documents score higher; the best come first, as such endpoints answer."""
    lengths = [len(text) for text in talk.asked.body["documents"]]
    order = sorted(range(len(lengths)), key=lambda at: -lengths[at])
    as_json({"results": [{"index": at, "relevance_score": lengths[at] / 100} for at in order]})(talk)


def test_an_endpoint_is_asked_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    readings = [Reading("x" * size, (Span(0, 1),) * (1 + size % 2)) for size in (3, 1, 2, 0, 5)]
    with Server(status(503, "loading"), scored) as server:
        found = EndpointJudge(server.url, "m", batch=2, pause=0.001)("why? \ud800", readings)
        sent = server.requests
    np.testing.assert_allclose(np.concatenate(found), np.array([3, 3, 1, 1, 2, 1, 5, 5]) / 100, atol=1e-6)
    assert [request.body["documents"] for request in sent[1:]] == [["xxx", "x"], ["xx", " "], ["xxxxx"]]
    assert {(request.path, request.body["model"], request.body["query"]) for request in sent} == {
        ("/v1/rerank", "m", "why? ?")
    }
    assert sent[0].headers["authorization"] == "Bearer secret"


def results(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return {"results": [{"index": index, "relevance_score": score} for index, score in pairs]}


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (status(404, "no such model"), "404: no such model"),
        (as_text("<html>", 200), "not JSON"),
        (as_json({"data": []}), "for each of 2"),
        (as_json([]), "for each of 2"),
        (as_json({"results": None}), "for each of 2"),
        (as_json(results((0, 0.5))), "for each of 2"),
        (as_json(results((0, 0.5), (0, 0.5))), "for each of 2"),
        (as_json(results((0, 0.5), (1, 0.5), (2, 0.5))), "for each of 2"),
        (as_json(results((0, 0.5), (1, float("nan")))), "for each of 2"),
        (as_json(results((0, 0.5), (1, "high"))), "for each of 2"),
        (as_json(results((0, 0.5), (1, None))), "for each of 2"),
    ],
)
def test_an_endpoint_that_misspeaks(turn: Callable[[Talk], None], message: str) -> None:
    with Server(turn) as server, pytest.raises(EndpointError, match=message) as raised:
        judge(server.spec)("q", [Reading("a", (Span(0, 1),)), Reading("b", (Span(0, 1),))])
    assert "rerank endpoint" in str(raised.value)
