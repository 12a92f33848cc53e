"""Identifiers merged in the encoder: which tokens are one, that nothing changes where none are, odd texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.embed import embedder
from chunkwise.embed.merged import MergedEmbedder, identifiers
from chunkwise.embed.recipes import code_token_merge
from chunkwise.errors import UserError

ODD = [
    *("", " ", "x" * 5000, "\x00 \ud83d", "a\r\nb", "😀 é", "שלום", "払い戻し", "İstanbul ﬁ"),
    "get_user_name(unseenable)",
]


@pytest.fixture(scope="module")
def merged() -> MergedEmbedder:
    return code_token_merge(1)


def test_the_subtokens_of_one_identifier_are_one(merged: MergedEmbedder) -> None:
    text = "getUserName = get_user_name(42, x.y)"
    encoding = merged._tokenizer.encode(text)
    into = identifiers(text, encoding)
    said: dict[int, str] = {}
    for place, (start, end) in zip(into.tolist(), encoding.offsets, strict=True):
        said[place] = said.get(place, "") + text[start:end]
    assert list(said.values()) == ["", "getUserName", "=", "get_user_name", "(", "42", ",", "x", ".", "y", ")", ""]


def test_where_no_layer_reads_the_short_sequence_it_is_the_model_itself() -> None:
    texts = ["def f(x): return x", "get_user_name(argument)", *ODD]
    np.testing.assert_allclose(code_token_merge(6)(texts), embedder("minilm")(texts), atol=2e-6)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.sampled_from(ODD) | st.text(max_size=30), max_size=4))
def test_any_text_has_a_vector_whatever_the_batch(merged: MergedEmbedder, texts: list[str]) -> None:
    vectors = merged(texts)
    assert vectors.shape == (len(texts), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(merged([text])[0], vector, atol=1e-4)
    before, after = merged.lengths(texts).T
    assert (after <= before).all()


def test_a_layer_that_is_not_there() -> None:
    with pytest.raises(UserError, match="from 0 to 6"):
        code_token_merge(7)


def test_it_is_an_embedder_by_name() -> None:
    made = embedder("code-token-merge:layer=2")
    assert made.name == "minilm-53aa5117-merged-2"
    assert made.dim == 384
