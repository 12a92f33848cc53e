"""What every recipe that makes an embedder is held to, alone and in documents, whatever the text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chunkwise.embed import Contextualised, InContext
from chunkwise.recipe import build, recipes
from chunkwise.units import Document, Span
from supplies import SUPPLIES

NAMES = [made.name for made in recipes() if made.makes == "embed"]
every_embedder = pytest.mark.parametrize("name", NAMES)
ODD = [
    *("", " ", "\n\r\n", "\0", "a\0b \r\nc", "x" * 3000, "😀 👩‍👩‍👧 smile", "שלום עולם, مرحبا", "你好，世界。再见。"),
    *(
        "\ud800 half \udfff",
        "# Title\n\nOne. Two!\n\n## Part\n\nIt is three.\n",
        "İstanbul étude [SEP] [CLS]",
        "word " * 300,
    ),
]
FEW = settings(deadline=None, max_examples=6, phases=(Phase.explicit, Phase.generate))


@cache
def made(name: str) -> Any:
    return build(name, "embed", SUPPLIES)


def check(vectors: Any, count: int, dim: int) -> None:
    assert vectors.dtype == np.float32
    assert vectors.shape == (count, dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def spans_of(text: str, cuts: Sequence[float]) -> list[Span]:
    bounds = sorted({0, len(text), *(round(cut * len(text)) for cut in cuts)})
    return [Span(start, end) for start, end in pairwise(bounds)]


@every_embedder
@FEW
@given(texts=st.lists(st.one_of(st.text(max_size=60), st.sampled_from(ODD)), max_size=5))
def test_texts(name: str, texts: list[str]) -> None:
    embed = made(name)
    vectors = embed(texts)
    check(vectors, len(texts), embed.dim)
    for at, text in enumerate(texts):
        np.testing.assert_allclose(embed([text]), vectors[at : at + 1], atol=3e-6)


@every_embedder
@FEW
@given(
    text=st.one_of(st.text(max_size=200), st.sampled_from(ODD), st.tuples(*[st.sampled_from(ODD)] * 3).map("".join)),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    data=st.data(),
)
def test_a_chunk_in_its_document(name: str, text: str, cuts: list[float], data: st.DataObject) -> None:
    """Its vector depends on the document and its place alone, and not on which other chunks are asked for."""
    embed = made(name)
    if not isinstance(embed, InContext):
        pytest.skip("knows texts alone")
    document, spans = Document.of(text), spans_of(text, cuts)
    vectors = embed.in_document(document, spans)
    check(vectors, len(spans), embed.dim)
    some = data.draw(st.permutations(range(len(spans)))) if spans else []
    some = some[: data.draw(st.integers(0, len(spans)))]
    again = embed.in_document(document, [spans[at] for at in some])
    check(again, len(some), embed.dim)
    np.testing.assert_allclose(again, vectors[some], atol=3e-6)
    check(embed.in_document(document, [Span(0, 0), Span(0, len(text)), Span(len(text), len(text))]), 3, embed.dim)
    if isinstance(embed, Contextualised):
        read = embed.as_read(document, spans)
        assert all(one.endswith(text[slice(*span)]) for one, span in zip(read, spans, strict=True))


@every_embedder
def test_its_name_tells_its_space(name: str) -> None:
    assert "minilm-53aa5117" in made(name).name
    assert len({made(other).name for other in NAMES} | {"minilm-53aa5117"}) == len(NAMES) + 1
