"""The oracle that ships, and what is measured on it."""

from __future__ import annotations

import functools
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from chunkwise.engine.decoder import Decoder
from chunkwise.engine.oracle import measures, model, tasks
from chunkwise.errors import ModelError

CHANCE = 0.15


@functools.cache
def oracle() -> Decoder:
    return model.load()


def asked(name: str, length: int, rows: int = 8) -> tasks.Batch:
    return tasks.TASKS[name](np.random.default_rng((1, length)), rows, length)


class Last(measures.Full):
    """Of the context only its first token and its last share stay: the control of every policy."""

    def __init__(self, model: Decoder, sequences: int, share: float) -> None:
        super().__init__(model, sequences)
        self._share = share

    def of(self, tokens: Sequence[int]) -> measures.Full:
        for held in (self.keys, self.values):
            for layer, x in held.items():
                stay = round(x.shape[2] * self._share)
                held[layer] = torch.cat((x[:, :, :1], x[:, :, x.shape[2] - stay :]), 2)
        return super().of(tokens)


@pytest.mark.parametrize(
    ("name", "at_256", "at_512"),
    [("multi_key", 0.95, 0.95), ("recall", 0.97, 0.95), ("majority", 0.9, 0.85), ("span", 0.85, 0.7)],
)
def test_it_answers_what_the_context_says_and_by_chance_when_keys_trade_places(
    name: str, at_256: float, at_512: float
) -> None:
    for length, bound in ((256, at_256), (512, at_512)):
        batch = asked(name, length, 16)
        assert measures.answer(oracle(), batch, questions=4).accuracy >= bound
    mixed = measures.shuffled(np.random.default_rng(0), batch, tasks.KEYS)
    assert measures.answer(oracle(), mixed, questions=4).accuracy <= CHANCE


def test_it_finds_a_needle_and_what_is_not_there_it_cannot_know() -> None:
    batch = asked("needle", 512, 16)
    assert measures.answer(oracle(), batch).accuracy == 1
    batch.tokens[:, 1 : batch.context] = tasks.FILLER[0]
    assert measures.answer(oracle(), batch).accuracy <= CHANCE


def test_a_question_hears_its_context_alone() -> None:
    """Whether questions are put one by one to caches of their own, or all stand in one sequence, is no matter."""
    batch = asked("recall", 256, 2)
    alone = measures.answer(oracle(), batch, questions=1)
    tokens = torch.from_numpy(batch.tokens[:, : batch.answers[0, -1]])
    for row, laws in zip(tokens, alone.laws, strict=True):
        logits = oracle()(row, measures.Full(oracle()).of([len(row)]))
        assert torch.allclose(torch.log_softmax(logits, -1), laws[0], atol=1e-4)


def test_a_question_foreseen_is_answered_as_well() -> None:
    assert measures.answer(oracle(), asked("recall", 256), foreseen=True, questions=4).accuracy >= 0.95


def test_what_a_window_keeps_is_what_is_left() -> None:
    batch = asked("recall", 256, 16)
    full = measures.answer(oracle(), batch, questions=4)
    assert measures.divergence(full, full) == pytest.approx(0, abs=1e-6)
    assert measures.agreement(full, full) == 1
    last, shares, divergences = 0.0, (0.1, 0.5, 1.0), []
    for share in shares:
        kept = measures.answer(oracle(), batch, functools.partial(Last, share=share), questions=4)
        assert abs(kept.accuracy - share) < 0.2  # needles lie evenly: a blind policy answers what its budget is
        assert kept.accuracy >= last
        divergences.append(measures.divergence(full, kept))
        last = kept.accuracy
    assert divergences[0] > divergences[1] > divergences[2]
    context, config = batch.context, oracle().config
    assert full.bytes == 16 * 2 * config.layers * config.kv_heads * config.head_dim * 4 * context


def test_divergence_is_that_of_the_laws() -> None:
    one, other = (
        torch.log_softmax(torch.randn(2, 3, 1, 9, generator=torch.Generator().manual_seed(n)), -1) for n in (0, 1)
    )
    truth = torch.zeros(2, 3, 1, dtype=torch.int64)
    told = measures.divergence(measures.Answered(one, truth, 0), measures.Answered(other, truth, 0))
    expected = functional.kl_div(other.flatten(0, 2), one.flatten(0, 2), log_target=True, reduction="batchmean")
    assert told == pytest.approx(expected.item(), rel=1e-5)


def test_the_mass_kept_is_that_of_the_softmax() -> None:
    random = torch.Generator().manual_seed(0)
    q, k = torch.randn(4, 3, 8, generator=random), torch.randn(2, 5, 8, generator=random)
    kept = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], dtype=torch.bool)
    told = measures.mass_kept(q, k, kept)
    for head in range(4):
        for t in range(3):
            weights = [math.exp(float(q[head, t] @ key) / math.sqrt(8)) for key in k[head // 2]]
            share = sum(w for w, stays in zip(weights, kept[head // 2], strict=True) if stays) / sum(weights)
            assert told[head, t].item() == pytest.approx(share, rel=1e-4)
    assert torch.allclose(measures.mass_kept(q, k, torch.ones_like(kept)), torch.ones(4, 3))


def test_passes_of_unequal_sequences_are_refused() -> None:
    with pytest.raises(ValueError, match="not as long for each"):
        measures.Full(oracle(), 2).of([3, 4])


def test_weights_that_are_not_its_own_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(model.WEIGHTS, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "model.safetensors"
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    monkeypatch.setattr(model, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="these weights are not used; install again"):
        model.load()
    file.unlink()
    with pytest.raises(ModelError, match="cannot read"):
        model.load()
