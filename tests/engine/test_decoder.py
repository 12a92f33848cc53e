"""Logits are those of `transformers`, whatever the family, the files, and the passes that the tokens come in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import processes
from chunkwise.engine.config import Config, Rotary
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.experts import Experts, Routing
from chunkwise.engine.rope import Rope
from decoders import FAMILIES, SHAPE, Plain, heard, oracle, said, saved

ROTARY: dict[str, dict[str, Any]] = {
    "linear": {"factor": 2.5},
    "dynamic": {"factor": 2.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 16},
    "yarn mscale": {"factor": 4.0, "mscale": 0.7, "mscale_all_dim": 0.9, "beta_fast": 8.0, "truncate": False},
    "yarn factor": {"factor": 2.0, "attention_factor": 1.3},
    "llama3": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
    "longrope": {
        "short_factor": [1.0, 1.1, 1.2, 1.3],
        "long_factor": [1.0, 2.0, 3.0, 6.0],
        "original_max_position_embeddings": 32,
    },
}
TOKENS = torch.randint(0, SHAPE["vocab_size"], (150,), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def folder(family: str, **shape: Any) -> tuple[Any, Path]:
        model = oracle(family, **shape)
        return model, saved(model, tmp_path_factory.mktemp("model"))

    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_transformers(family: str, folders: Any) -> None:
    model, folder = folders(family)
    decoder = Decoder.load(folder)
    expected = heard(model, TOKENS[:60])
    assert expected.std() > 0.3  # else any small logits would pass
    torch.testing.assert_close(said(decoder, TOKENS[:60]), expected, atol=2e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(FAMILIES)), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_any_split_of_prefill_and_decode(folders: Any, family: str, passes: list[int]) -> None:
    model, folder = folders(family)
    tokens = TOKENS[: sum(passes)]
    got = said(Decoder.load(folder), tokens, passes)
    torch.testing.assert_close(got, heard(model, tokens, passes), atol=1e-4, rtol=0)


@pytest.mark.parametrize("named", ROTARY)
def test_every_way_of_turning_beyond_the_original_window(named: str, tmp_path: Path) -> None:
    kind = named.split()[0]
    family = "Phi3" if kind == "longrope" else "Llama"
    rope = {"rope_type": kind, "rope_theta": 1e4, **ROTARY[named]}
    model = oracle(
        family, rope_parameters=rope, **({"original_max_position_embeddings": 32} if family == "Phi3" else {})
    )
    decoder = Decoder.load(saved(model, tmp_path))
    for passes in ([150], [20], [100, 1, 1, 48], [30, 1, 1, 1, 1, 1]):  # within and beyond, and over the border
        tokens = TOKENS[: sum(passes)]
        for layer in model.modules():  # what `transformers` keeps of longer inputs would be heard in shorter ones
            if hasattr(layer, "original_inv_freq"):
                layer.inv_freq.copy_(layer.original_inv_freq)
                layer.max_seq_len_cached = layer.original_max_seq_len
        torch.testing.assert_close(said(decoder, tokens, passes), heard(model, tokens, passes), atol=1e-4, rtol=0)
    plain = Decoder.load(saved(oracle(family), tmp_path / "plain"))
    assert not torch.allclose(said(decoder, TOKENS), said(plain, TOKENS), atol=1e-2)  # it does something


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_rotations_of_a_batch_are_those_of_each_sequence_alone(kind: str) -> None:
    rope = Rope(Rotary(8, 1e4, kind, 16, 2.0, short_factor=(1.0,) * 4, long_factor=(2.0,) * 4))
    positions, lengths = torch.tensor([4, 30, 31, 9]), torch.tensor([5, 32, 32, 40])
    x = torch.randn(4, 2, 8)
    whole = rope.rotate(x, positions, lengths)
    for row in range(4):
        alone = rope.rotate(x[row : row + 1], positions[row : row + 1], int(lengths[row]))
        assert torch.equal(whole[row : row + 1], alone)
    assert not torch.equal(whole, rope.rotate(x, positions, 5))


@pytest.mark.parametrize("family", ["Llama", "Qwen3Moe"])
def test_shards_are_as_good_as_one_file(family: str, folders: Any, tmp_path: Path) -> None:
    model, folder = folders(family)
    saved(model, tmp_path, shards="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert torch.equal(said(Decoder.load(tmp_path), TOKENS[:9]), said(Decoder.load(folder), TOKENS[:9]))


def test_layers_may_be_run_apart(folders: Any) -> None:
    decoder = Decoder.load(folders("Qwen2")[1])
    tokens, plain = TOKENS[:12], Plain(decoder)
    x = decoder.embed(tokens)
    plain.of(tokens)
    for layers in (range(2), range(2, 3)):
        x = decoder.run(x, plain, layers)
    assert torch.equal(decoder.logits(x[-1:]), decoder(tokens, Plain(decoder).of(tokens)))


def test_who_hears_a_token_can_be_seen_and_swapped(folders: Any) -> None:
    decoder = Decoder.load(folders("Mixtral")[1])
    feed, seen = decoder.layers[1].feed, []
    assert isinstance(feed, Experts)
    before, route = said(decoder, TOKENS[:9]), feed.route

    def watch(x: torch.Tensor) -> Routing:
        seen.append(route(x))
        return seen[-1]

    feed.route = watch
    assert torch.equal(said(decoder, TOKENS[:9]), before)
    assert seen[0].chosen.shape == (9, 2)
    torch.testing.assert_close(seen[0].weights.sum(-1), torch.ones(9))
    torch.testing.assert_close(seen[0].scores.sum(-1), torch.ones(9))
    feed.route = lambda x: route(x)._replace(chosen=(route(x).chosen + 1) % 4)
    assert not torch.allclose(said(decoder, TOKENS[:9]), before)


def test_random_models_are_their_seeds(folders: Any) -> None:
    for family in FAMILIES:
        config = Config.load(folders(family)[1])
        one, again, other = (said(Decoder.random(config, seed), TOKENS[:5]) for seed in (1, 1, 2))
        assert torch.equal(one, again)
        assert not torch.equal(one, other)
        assert one.isfinite().all()


def test_the_window_that_slides_is_the_longest_context(tmp_path: Path) -> None:
    model = oracle("Mistral", sliding_window=20)
    with pytest.warns(UserWarning, match="contexts of up to 20 tokens"):
        decoder = Decoder.load(saved(model, tmp_path))
    assert decoder.config.positions == 20
    torch.testing.assert_close(said(decoder, TOKENS[:20]), heard(model, TOKENS[:20]), atol=1e-4, rtol=0)
    assert not torch.allclose(said(decoder, TOKENS[:21]), heard(model, TOKENS[:21]), atol=1e-3)


def test_the_package_is_imported_without_torch() -> None:
    program = "import sys, chunkwise, chunkwise.engine, chunkwise.engine.config; print('torch' in sys.modules)"
    assert processes.run(program).strip() == "False"
