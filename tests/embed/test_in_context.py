"""Embedders that read a chunk in its document, through the index: eager at indexing, lazy at the first question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import planted
from chunkwise.embed import InContext, embedder
from chunkwise.errors import UserError
from chunkwise.index import Index
from chunkwise.retrieve import Corpus
from chunkwise.units import Document, Floats, Span


class Titled(planted.Meanings):
    """Every chunk speaks of what its document's first line speaks of, too."""

    def __init__(self) -> None:
        super().__init__("kiln kilns", "ferry ferries")
        self.name = "titled"
        self.read: list[str] = []

    def in_document(self, document: Document, spans: Sequence[Span]) -> Floats:
        self.read.append(document.source)
        title = document.text.split(".")[0]
        return self([f"{title} {document.text[slice(*span)]}" for span in spans])


DOCUMENTS = {"/kilns": ["Kilns. ", "it is hot. "], "/ferries": ["Ferries. ", "it is hot. "]}


def test_the_same_words_are_found_by_where_they_stand(tmp_path: Path) -> None:
    judge = Titled()
    assert isinstance(judge, InContext)
    with_judge = Corpus(planted.store(tmp_path / "kb", DOCUMENTS), None, judge)
    everything = np.arange(4)
    vectors = with_judge.judged(everything)
    assert judge.read == ["/ferries", "/kilns"]  # each document once
    cosines = vectors @ judge(["kilns"])[0]
    order = [with_judge.snapshot.sources[number] for number in with_judge.snapshot.document]
    assert cosines[order.index("/kilns") + 1] > cosines[order.index("/ferries") + 1] + 0.5
    again = Titled()
    kept = Corpus(with_judge.store, None, again)
    np.testing.assert_array_equal(kept.judged(everything[::-1]), vectors[::-1])
    assert again.read == []


def test_an_index_is_filled_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Titled()
    monkeypatch.setattr("chunkwise.embed.embedder", lambda spec, supplies=None: made)
    with Index.open(tmp_path / "kb", vectors="eager", embedder="titled") as index:
        index.add_documents([Document.of("".join(chunks), source) for source, chunks in DOCUMENTS.items()])
        pack = index.pack("kilns", 40, retriever="dense", selector="top-k:k=1")
    assert [passage.source for passage in pack.passages] == ["/kilns"]


def test_no_such_recipe() -> None:
    with pytest.raises(UserError, match="a recipe of `embed`"):
        embedder("multiscale")
