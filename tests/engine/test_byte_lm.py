"""The byte model reads any text once, to the character, and the same however it was divided."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.byte_lm import GRAMS, START, WEIGHTS, ByteLM, gram_rows
from chunkwise.errors import ModelError

LM = ByteLM()
TEXT = "The children went down to the river in the morning, and in the evening they came back again. " * 60


def test_the_model_is_small_and_names_itself_by_its_weights() -> None:
    assert WEIGHTS.stat().st_size < 4_000_000
    assert re.fullmatch(r"byte-lm-[0-9a-f]{8}", LM.name)


def test_english_costs_less_than_its_letters_shuffled() -> None:
    text = TEXT[:93]
    shuffled = "".join(np.random.default_rng(1).permutation(list(text)))
    assert LM.surprise(text).nats.mean() < 0.6 * LM.surprise(shuffled).nats.mean()


def test_what_was_read_once_is_foretold_better() -> None:
    nats = LM.surprise(TEXT).nats
    assert nats[93:186].mean() < 0.7 * nats[:93].mean()


def test_the_chances_of_what_comes_next_add_up_to_one() -> None:
    ascii_next = LM.choose("The end of the", [chr(code) for code in range(128)])
    assert 0.98 < np.exp(ascii_next).sum() <= 1.0001


@settings(max_examples=40, deadline=None)
@given(st.text(st.sampled_from("aé的👩\x00\ud83d\udc00\n ."), max_size=40))
def test_any_text_has_one_cost_a_character(text: str) -> None:
    read = LM.surprise(text, states=True)
    assert read.states is not None
    assert read.starts.tolist() == list(range(len(text)))
    assert read.nats.dtype == read.states.dtype == np.float32
    assert read.states.shape == (len(text), LM.width)
    assert np.isfinite(read.nats).all()
    assert (read.nats >= -1e-5).all()


@pytest.mark.parametrize("cut", [1, 127, 128, 1000, 3071, 3072, 5000])
def test_a_text_costs_the_same_read_in_two_parts(cut: int) -> None:
    text = TEXT.replace("river", "fleuve ça coûte")
    whole = LM.surprise(text, states=True)
    first, second = LM.surprise(text[:cut], states=True), LM.surprise(text[cut:], given=text[:cut], states=True)
    np.testing.assert_allclose(whole.nats, np.concatenate([first.nats, second.nats]), atol=2e-4)
    assert whole.states is not None
    assert first.states is not None
    assert second.states is not None
    np.testing.assert_allclose(whole.states, np.concatenate([first.states, second.states]), atol=2e-3)


def test_a_later_word_changes_nothing_before_it() -> None:
    other = TEXT[:700] + "Now for something else"
    np.testing.assert_allclose(LM.surprise(TEXT).nats[:700], LM.surprise(other).nats[:700], atol=2e-4)


def test_choose_is_the_log_probability_of_each_answer() -> None:
    found = LM.choose("She opened the door and went into the ", ["house", "xqzvk"])
    assert found[0] > found[1]
    np.testing.assert_allclose(
        found[0], -LM.surprise("house", given="She opened the door and went into the ").nats.sum()
    )
    assert LM.choose("anything", []).shape == (0,)


def test_gram_rows_look_back_so_many_bytes() -> None:
    read = np.frombuffer(b"abcdefgh" + b"xxcdefgh", np.uint8)
    rows = gram_rows(read, 1 << 17)
    assert rows.shape == (16, len(GRAMS))
    assert rows[7].tolist() == rows[15].tolist()  # "cdefgh" is all that 6 bytes show
    assert (rows[6] == rows[14]).tolist() == [order < 6 for order in GRAMS]
    assert START not in "é的👩\ud83d".encode("utf-8", "surrogatepass")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    whole = bytearray(WEIGHTS.read_bytes())
    whole[-1] ^= 1
    other.write_bytes(whole)
    with pytest.raises(ModelError, match="sha256"):
        ByteLM(other)
    assert ByteLM(other, expected=None).width == LM.width
    other.write_bytes(whole[:100])
    with pytest.raises(ModelError):
        ByteLM(other, expected=None)


def test_it_reads_without_torch() -> None:
    code = (
        "import sys; from chunkwise.engine.byte_lm import ByteLM; "
        "ByteLM().surprise('abc'); sys.exit('torch' in sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
