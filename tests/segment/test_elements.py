"""Elements of any document, their graph, and what goes on from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import EndpointError, FallbackWarning, UserError
from chunkwise.recipe import build
from chunkwise.segment.layout.batches import goes_on
from chunkwise.segment.layout.elements import elements
from chunkwise.segment.layout.graph import clusters, weights
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Element, Floats, Span
from supplies import SUPPLIES

TITLE = "A title of so many words that it could stand alone"
SPECS = ["s2-chunking:size=30", "vision-guided-chunking:size=30,pages=1", "vision-guided:size=30,pages=2,carry=false"]


def laid_out(*parts: tuple[int, str, str], between: str = "\n\n") -> Document:
    """A document of (page, kind, text) without boxes."""
    text, made = "", []
    for page, kind, shown in parts:
        text += between if text else ""
        made.append(Element(Span(len(text), len(text) + len(shown)), page, None, kind))
        text += shown
    document = Document.of(text)
    lines = replace(document.lines, unit="page")
    return replace(document, layout=tuple(made), lines=lines)


def opened(*parts: tuple[int, str, str]) -> list[bool]:
    document = laid_out(*parts)
    return list(goes_on(document.text, elements(document, tokenizer().offsets(document.text))).tolist())


def test_a_table_goes_on_over_feet_and_heads() -> None:
    head, foot = "The annual report", "page"
    assert opened(
        (1, "text", head), (1, "table", "a 1"), (1, "text", f"{foot} 1"),
        (2, "text", head), (2, "table", "b 2"), (2, "text", f"{foot} 2"),
    ) == [False, True, True, True, False]  # fmt: skip
    assert opened((1, "table", "a"), (2, "text", "Words stand between them."), (2, "table", "b")) == [False, False]


def test_a_paragraph_goes_on_over_a_page_where_no_sentence_ends() -> None:
    assert opened((1, "text", "A sentence that"), (2, "text", "goes on here.")) == [True]
    assert opened((1, "text", "A sentence ends."), (2, "text", "the next one.")) == [False]
    assert opened((1, "text", "A title"), (2, "text", "Another one.")) == [False]
    assert opened((1, "text", "Two that"), (1, "text", "stand on one page")) == [False]


def test_a_heading_goes_with_what_follows_and_a_batch_ends() -> None:
    document = laid_out((1, "text", "Some words to begin with. " * 3), (2, "heading", TITLE), (3, "text", "Its words."))
    offsets = tokenizer().offsets(document.text)

    def chunks(spec: str) -> list[str]:
        return [document.text[a:b] for a, b in build(spec, "segment")(document, offsets)]

    assert chunks("vision-guided-chunking:pages=2,size=60")[-1] == f"{TITLE}\n\nIts words."
    assert chunks("vision-guided-chunking:pages=2,size=60,carry=false")[-1] == "Its words."


def test_a_heading_is_left_alone_by_what_needs_all_the_room() -> None:
    table = "\n".join(f"row {at}" for at in range(10))
    document = laid_out((1, "heading", "A heading of some more words"), (1, "table", table))
    offsets = tokenizer().offsets(document.text)
    size = tokenizer().count(table) + 1
    spans = build(f"vision-guided-chunking:size={size}", "segment")(document, offsets)
    assert [document.text[a:b] for a, b in spans][-1] == table


def test_pages_are_at_least_one() -> None:
    with pytest.raises(UserError, match="pages=0"):
        build("vision-guided-chunking:pages=0", "segment")


placed = st.builds(
    Element,
    st.builds(Span, st.integers(-3, 90), st.integers(-3, 90)),
    st.integers(1, 9),
    st.none() | st.tuples(*[st.floats(-1e4, 1e4)] * 4),
    st.sampled_from(["heading", "text", "list", "table", "code", "odd"]),
)


@given(st.lists(placed, max_size=12), st.text(max_size=80), st.sampled_from(["line", "page"]), st.sampled_from(SPECS))
def test_any_layout_is_tiled(layout: list[Element], text: str, unit: str, spec: str) -> None:
    made = Document.of(text)
    document = replace(made, layout=tuple(layout), lines=replace(made.lines, unit=unit))  # type: ignore[arg-type]
    spans = build(spec, "segment", SUPPLIES)(document, tokenizer().offsets(text))
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(left.end == right.start for left, right in pairwise(spans))
    assert all(b - a == 1 or tokenizer().count(text[a:b]) <= 30 for a, b in spans)


def test_planted_clusters_are_found() -> None:
    chosen = np.random.default_rng(1)
    labels = np.arange(60) % 3
    centres = np.array([[0, 0], [500, 0], [0, 700]], np.float32)[labels] + chosen.normal(0, 20, (60, 2))
    vectors = np.eye(4, dtype=np.float32)[labels]
    found = clusters(weights(centres.astype(np.float32), vectors, 70.0), 3)
    assert len({*zip(labels.tolist(), found.tolist(), strict=True)}) == 3


@given(st.integers(1, 12), st.integers(1, 14))
def test_as_many_labels_as_asked_for_at_most(size: int, count: int) -> None:
    same = np.zeros((size, 2), dtype=np.float32)
    found = clusters(weights(same, np.zeros((size, 3), np.float32), 1.0), count)
    assert len(found) == size
    assert len(set(found.tolist())) <= min(size, count)


def test_a_long_document_is_clustered_in_windows() -> None:
    text = "# Title\n\nSome words.\n\n" * 700
    document = Document.of(text, media_type="text/markdown")
    spans = build("s2-chunking:size=100", "segment", SUPPLIES)(document, tokenizer().offsets(text))
    assert "".join(text[a:b] for a, b in spans) == text


def test_an_embedder_that_fails_costs_no_text() -> None:
    def failing(texts: Sequence[str]) -> Floats:
        raise EndpointError("the endpoint says no")

    text = "# Title\n\nSome words.\n\n" * 70
    document, offsets = Document.of(text, media_type="text/markdown"), tokenizer().offsets(text)
    with pytest.warns(FallbackWarning, match="the endpoint says no.*cut by size alone from character 0"):
        spans = build("s2-chunking:size=30", "segment", {"embed": lambda: failing})(document, offsets)
    assert "".join(text[a:b] for a, b in spans) == text
    assert max(offsets.count(*span) for span in spans) <= 30
