"""The claims of expansion, each with the retriever that it expands, which must lose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import planted
from chunkwise.budget import Budget
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus, words
from chunkwise.store import Entry, FileState, SQLiteStore
from chunkwise.units import Chunk, Document, Span, content_id


def kept(corpus: Corpus, spec: str, query: str, budget: int) -> set[str]:
    """The texts that the best candidates give a reader, whole, within a hard budget."""
    found = build(spec, "retrieve")(corpus, query, 50)
    taken = build("coverage", "select")(found, Budget(budget)).indices
    assert int(found.costs[taken].sum()) <= budget
    return {corpus.text(int(chunk)) for chunk in found.ids[taken]}


def test_neighbours(tmp_path: Path) -> None:
    """What the found sentence leaves to the next one comes with it; the one after that comes at width 2 alone."""
    answer, after = "Twist it twice and pull. ", "Then it comes off. "
    manual = ["The lid is white. ", "Opening the Frobnicator needs care. ", answer, after, "Keep it dry. "]
    corpus = planted.corpus(tmp_path / "kb", {"/manual": manual, "/other": ["Lids and boxes. "] * 9})
    query = "opening the frobnicator"
    assert kept(corpus, "bm25", query, 40) == {manual[1]}
    assert kept(corpus, "neighbours", query, 40) == set(manual[:3])
    assert kept(corpus, "neighbours:width=2", query, 40) == set(manual[:4])
    assert kept(corpus, "neighbours:width=2", query, 12) < set(manual[:4])  # no neighbour is free


SECTIONS = [
    ["The river rises early. ", "Boats go out. ", "Nets are mended. ", "Ropes are tarred. "],
    ["Herds come down. ", "A quokka sleeps here. ", "Its fur is brown. ", "It eats leaves at night. "],
    ["Snow falls in May. ", "Roads are closed. ", "Mail comes by sledge. ", "Stoves burn peat. "],
]


def sectioned(path: Path) -> Corpus:
    """A document of three sections under a heading each."""
    texts = [text for section in SECTIONS for text in section]
    paths = [("Guide", f"Part {number}") for number, section in enumerate(SECTIONS) for _ in section]
    document = Document.of("".join(texts), "/guide")
    ends = np.cumsum([len(text) for text in texts]).tolist()
    chunks = [
        Chunk(content_id(text), document.id, Span(end - len(text), end), text, len(text.split()), "text", under)
        for text, under, end in zip(texts, paths, ends, strict=True)
    ]
    store = SQLiteStore(path, {"space": ""})
    state = FileState(document.id, len(document.text), 1, 2)
    store.put([Entry(document, chunks, words("en").count(texts), "en", state)])
    return Corpus(store, None, None)


def test_parent(tmp_path: Path) -> None:
    """All of the sentence's section comes with it and nothing of the others, which neighbours as many run into."""
    corpus = sectioned(tmp_path / "kb")
    query = "quokka"
    section = set(SECTIONS[1])
    assert kept(corpus, "parent:longest=20", query, 90) == section
    assert kept(corpus, "bm25", query, 90) == {"A quokka sleeps here. "}
    beside = kept(corpus, "neighbours:width=3", query, 90)
    assert not section <= kept(corpus, "neighbours", query, 90)
    assert section < beside  # to have all of it, neighbours bring what belongs to another
    assert kept(corpus, "parent:longest=90", query, 90) == {text for part in SECTIONS for text in part}
    assert kept(corpus, "parent:longest=10", query, 90) == {"A quokka sleeps here. "}
