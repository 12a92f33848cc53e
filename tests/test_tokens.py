"""Tokenizers: one pass, exact offsets, whatever the text."""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.tokens import BUNDLED, Tokenizer, TokenOffsets, tokenizer

any_text = st.text(
    st.one_of(st.sampled_from("abc  \n\r\t<|>é漢😀א\0\ud800\udfff\u200d\u0301"), st.characters(codec=None))
) | st.lists(
    st.sampled_from(["<|endoftext|>", "<|im_start|>", "<s>", "</s>", "[INST]", "<|eot_id|>", " word", "漢字", "\ud83d"])
).map("".join)


@cache
def from_file(folder: Path) -> Tokenizer:
    """A byte-level BPE of a few merges, written down as `tokenizer.json`."""
    from tokenizers import Tokenizer as HuggingFace
    from tokenizers import decoders, models, pre_tokenizers, trainers

    made = HuggingFace(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(["the words of a small text, word by word"] * 20, trainer)
    made.enable_truncation(8)
    made.save(str(folder / "tokenizer.json"))
    return tokenizer(str(folder))


@pytest.fixture(scope="module")
def file_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return from_file(tmp_path_factory.mktemp("tokenizer"))


def check(made: Tokenizer, text: str) -> None:
    offsets = made.offsets(text)
    assert len(offsets) == made.count(text)
    assert offsets.length == len(text)
    starts = offsets.starts
    assert starts.dtype == np.int64
    assert (np.diff(starts) >= 0).all()
    if text:
        assert len(starts)
        assert starts[0] == 0
        assert starts[-1] < len(text)


@pytest.mark.parametrize("name", BUNDLED)
@settings(deadline=None, max_examples=60)
@given(text=any_text)
@example("<|endoftext|>")
@example("\ud800")
@example(" " * 500 + "=" * 500)
def test_offsets_and_count_agree(name: str, text: str) -> None:
    check(tokenizer(name), text)


@settings(deadline=None)
@given(text=any_text)
@example("a text of far more than eight tokens, which the file asks to cut off")
def test_a_file_agrees_with_itself(file_tokenizer: Tokenizer, text: str) -> None:
    check(file_tokenizer, text)


@pytest.mark.parametrize("name", BUNDLED)
def test_special_tokens_are_ordinary_text(name: str) -> None:
    """Spelt out in a document, a control token is characters like any others."""
    for special in ("<|endoftext|>", "<|begin_of_text|>", "<s>", "</s>", "<|im_end|>"):
        assert tokenizer(name).count(special) > 1
        assert tokenizer(name).count(f"a {special} b") > tokenizer(name).count("a  b")


@given(st.lists(st.integers(0, 40)).map(sorted), st.lists(st.integers(0, 40), min_size=1).map(sorted))
def test_counts_between_bounds(starts: list[int], bounds: list[int]) -> None:
    offsets = TokenOffsets(np.array(starts, dtype=np.int64), 41)
    between = offsets.counts(np.array(bounds, dtype=np.int64))
    pairs = list(itertools.pairwise(bounds))
    assert between.tolist() == [sum(a <= start < b for start in starts) for a, b in pairs]
    assert between.tolist() == [offsets.count(a, b) for a, b in pairs]


@settings(deadline=None)
@given(any_text)
def test_counts_of_a_tiling_add_up(text: str) -> None:
    offsets = tokenizer().offsets(text)
    bounds = np.array(sorted({0, len(text) // 3, len(text) // 2, len(text)}), dtype=np.int64)
    assert offsets.counts(bounds).sum() == len(offsets)


@pytest.mark.parametrize(
    ("name", "says"), [("o200k", "o200k_base"), ("nothing-like-it", "name one of"), ("", "name one")]
)
def test_unknown_names(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        tokenizer(name)


def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": "none"}))
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        tokenizer(str(tmp_path))


def test_a_tokenizer_is_found_again_by_its_name(file_tokenizer: Tokenizer) -> None:
    assert tokenizer(file_tokenizer.name) is file_tokenizer
    assert tokenizer(tokenizer().name) is tokenizer()
