"""The point of each cut by layout, beside a control that misses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chunkwise.read import parse
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Floats
from drawn import column, drawn

BIRDS = ["heron", "stork", "crane", "ibis", "egret", "bittern", "spoonbill", "flamingo", "pelican", "cormorant"]
SHIPS = ["sloop", "ketch", "yawl", "brig", "barque", "schooner", "cutter", "clipper", "lugger", "galleon"]


def paragraph(names: list[str], at: int) -> list[str]:
    name = names[at % len(names)]
    return [
        f"The {name} was seen at dawn on day {at} near the bank,",
        f"and whoever saw the {name} wrote down where it went.",
        f"Nobody has seen another {name} there in {at + 3} years.",
    ]


def alike(texts: Sequence[str]) -> Floats:
    """An embedder that tells nothing apart: what is left is where things stand."""
    return np.full((len(texts), 4), 0.5, dtype=np.float32)


def cut(document: Document, spec: str) -> list[str]:
    segmenter = build(spec, "segment", {"embed": lambda: alike})
    return [document.text[a:b] for a, b in segmenter(document, tokenizer().offsets(document.text))]


def test_s2_chunking() -> None:
    """A page of two columns, six paragraphs on the left and four on the right, each column within the size.

    Filling each chunk mixes the columns, and so do the same clusters where the boxes are taken away.
    """
    left = [line for at in range(6) for line in column(40, 760 - 60 * at, paragraph(BIRDS, at))]
    right = [line for at in range(4) for line in column(330, 760 - 60 * at, paragraph(SHIPS, at))]
    document = parse(drawn(left + right), "columns.pdf")
    size = 6 * 48

    def mixed(chunks: list[str]) -> int:
        return sum(any(f" {b} " in chunk for b in BIRDS) and any(f" {s} " in chunk for s in SHIPS) for chunk in chunks)

    chunks = cut(document, f"s2-chunking:size={size}")
    assert len(document.layout) == 10
    assert len(chunks) == 2
    assert mixed(chunks) == 0
    assert all(tokenizer().count(chunk) <= size for chunk in chunks)
    assert mixed(cut(document, f"recursive:size={size}")) == 1
    assert mixed(cut(replace(document, layout=()), f"s2-chunking:size={size}")) == 1


def test_vision_guided_chunking() -> None:
    """Cross-batch carry joins a table that is split over two batches of two pages; read apart, it is torn."""
    rows = [[f"item {at}", f"{at * 7} pieces", f"shelf {at % 5}"] for at in range(24)]

    def table(some: list[list[str]], top: float) -> list[tuple[float, float, float, str]]:
        return [(60 + 160 * at, top - 14 * row, 10, cell) for row, c in enumerate(some) for at, cell in enumerate(c)]

    def foot(page: int) -> list[tuple[float, float, float, str]]:
        return [(300, 30, 10, str(page))]

    pages = [
        [line for at in range(5) for line in column(60, 760 - 60 * at, paragraph(SHIPS, at))] + foot(1),
        column(60, 760, paragraph(BIRDS, 2)) + table(rows[:12], 640) + foot(2),
        table(rows[12:], 760) + column(60, 500, paragraph(BIRDS, 3)) + foot(3),
        column(60, 760, paragraph(BIRDS, 4)) + foot(4),
    ]
    document = parse(drawn(*pages), "store.pdf")

    def holding(spec: str) -> int:
        """How many chunks the rows of the table are spread over."""
        chunks = cut(document, spec)
        return len({at for at, chunk in enumerate(chunks) for name, *_ in rows if f"{name} " in chunk})

    spec = "vision-guided-chunking:size=400,pages=2"
    assert [at.kind for at in document.layout].count("table") == 2
    assert holding(spec) == 1
    assert holding(f"{spec},carry=false") == 2
    assert holding("recursive:size=400") == 2
