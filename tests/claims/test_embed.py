"""Embedders in context: the point of each, beside a control that misses it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.embed import embedder
from chunkwise.index import Index
from chunkwise.units import Document, Floats, Span

CITIES = ("Berlin", "Lagos", "Lima", "Oslo", "Toronto", "Mumbai", "Cairo", "Sydney")
SAME = "It has grown to 3.8 million inhabitants and lies on both banks of a river."


def city(name: str) -> tuple[Document, Span]:
    """A document of which one chunk, the same in all of them, does not say what it is about."""
    first = f"{name} is the largest city of its country. It is known for its theatres and its old harbour. "
    text = f"{first}{SAME} Many of them arrived from the countryside."
    return Document.of(text, f"/{name}"), Span(len(first), len(first) + len(SAME))


@cache
def made(spec: str) -> Any:
    return embedder(spec)


def named(embed: Any) -> float:
    """How often the chunk that stands in a city's document is nearest to a question that names the city."""
    vectors = np.concatenate([embed.in_document(document, [span]) for document, span in map(city, CITIES)])
    cosines = embed([f"How many inhabitants does {name} have?" for name in CITIES]) @ vectors.T
    assert np.ptp(cosines, axis=1).min() > 1e-4
    return float((cosines.argmax(axis=1) == np.arange(len(CITIES))).mean())


def alone(embed: Any) -> Floats:
    """The same chunk by its text alone: the control, for which all the cities are one."""
    return np.asarray(embed([document.text[slice(*span)] for document, span in map(city, CITIES)]))


def test_late_chunking() -> None:
    """Eight chunks with the same words, told apart by what was named before; alone they are one and the same."""
    assert named(made("late-chunking")) >= 7 / 8
    assert np.ptp(alone(made("minilm")), axis=0).max() < 1e-6


def test_sitemb() -> None:
    """The residual tells the eight apart, and leaves the plain vector its say; plain vectors cannot."""
    assert named(made("sitemb")) >= 7 / 8
    assert np.ptp(alone(made("minilm")), axis=0).max() < 1e-6
    document, span = city("Berlin")
    both = made("sitemb").in_document(document, [span])[0]
    assert (
        both @ made("minilm")([SAME])[0]
        > made("late-chunking").in_document(document, [span])[0] @ made("minilm")([SAME])[0]
    )


def _asked(prompt: str) -> str:
    """A model that reads the document's first words."""
    name = prompt.partition("\n")[2].split()[0]
    return f"This chunk is about the population of {name}."


def _first(folder: Path, spec: str, retriever: str, supplies: Any = None) -> list[list[str]]:
    """The sources of the best passages, for a question about each city."""
    with Index.open(folder / spec.replace(":", "-"), vectors="eager", embedder=spec, supplies=supplies) as index:
        index.add_documents([city(name)[0] for name in CITIES])
        asked = [index.pack(f"population of {name}", 200, retriever=retriever, selector="top-k:k=1") for name in CITIES]
        return [[f"{p.source}: {p.text.strip()}" for p in pack.passages] for pack in asked]


def test_contextual(tmp_path: Path) -> None:
    """What the model wrote is found by meaning and by its words; the chunk alone by neither."""
    right = [[f"/{name}: {SAME}"] for name in CITIES]
    supplies = {"ask": lambda: _asked}
    assert _first(tmp_path, "contextual", "dense", supplies) == right
    assert _first(tmp_path / "words", "contextual", "bm25", supplies) == right
    for retriever in ("dense", "bm25"):
        plain = _first(tmp_path / retriever, "minilm", retriever)
        assert sum(one == two for one, two in zip(plain, right, strict=True)) < len(CITIES) / 2


def test_contextual_outline(tmp_path: Path) -> None:
    """The document's first sentence does it without a model; the chunk alone is one and the same everywhere."""
    assert named(made("contextual-outline")) == 1
    assert np.ptp(alone(made("minilm")), axis=0).max() < 1e-6
    with Index.open(tmp_path / "kb", vectors="eager", embedder="contextual-outline") as index:
        index.add_documents([city(name)[0] for name in CITIES])
        found = index.pack("inhabitants of Lima", 200, retriever="bm25", selector="top-k:k=1").passages
    assert [(passage.source, passage.text.strip()) for passage in found] == [("/Lima", SAME)]


def test_heterag(tmp_path: Path) -> None:
    """The wide views find it, and what goes to the prompt is the short chunk; by the chunk's own view it is not found."""
    alone = "heterag:neighbours=0,section=0,document=0"
    assert named(made("heterag")) == 1
    assert np.ptp(made(alone)([SAME] * 2), axis=0).max() < 1e-6
    right = [[f"/{name}: {SAME}"] for name in CITIES]
    wide, narrow = (_first(tmp_path, spec, "dense") for spec in ("heterag", alone))
    assert wide == right
    assert sum(one == two for one, two in zip(narrow, right, strict=True)) < len(CITIES) / 2


FACTS = {
    "When was the observatory built?": "Construction of the observatory ended in the spring of 1911.",
    "Who paid for the telescope?": "Money for the main instrument came from a brewer called Hallam.",
    "How large is the mirror?": "Its main mirror measures two and a half metres across.",
    "What did the astronomers discover there?": "In 1934 two faint moons of Saturn were first seen from the dome.",
    "Why was the observatory closed during the war?": "From 1940 the dome stayed shut, since its lamps could be seen.",
    "How do visitors get up the hill?": "A cable car takes guests to the summit every half hour.",
    "What does a ticket cost?": "Entry is twelve crowns, and children pay half.",
    "When can the public look through the telescope?": "On Friday nights in winter anyone may look at the planets.",
    "Who is the director now?": "Since 2015 the institute has been led by Dr Amara Okafor.",
    "What is planned for the future?": "A radio dish is to be added in the valley by 2030.",
    "How many people work there?": "Some forty scientists and ten technicians are employed.",
    "What happened in the fire?": "Flames destroyed the library and most of the early plates in 1962.",
}  # fmt: skip


def test_insent_conteb() -> None:
    """Chunks of one document, which late pooling makes alike, stand further apart for a question than without training."""
    text = "The observatory on Mount Ardent is described here. " + " ".join(FACTS.values())
    spans = [Span(text.index(fact), text.index(fact) + len(fact)) for fact in FACTS.values()]

    def rank(embed: Any) -> float:
        scores = embed(list(FACTS)) @ embed.in_document(Document.of(text), spans).T
        return float((1 / (1 + (scores > np.diag(scores)[:, None]).sum(axis=1))).mean())

    assert rank(made("insent-conteb")) > 0.85 > rank(made("late-chunking"))


def test_dewey(monkeypatch: Any) -> None:
    """One pass gives both, nearer to what the teacher says of each alone than the states without the heads are."""
    text = "The observatory on Mount Ardent is described here. " + " ".join(FACTS.values())
    spans = [Span(text.index(fact), text.index(fact) + len(fact)) for fact in FACTS.values()]
    document, whole = Document.of(text), Span(0, len(text))
    one, reader = embedder("dewey"), made("minilm")
    passes: list[int] = []
    states = one.of.states  # type: ignore[attr-defined]

    def counted(windows: Sequence[Any]) -> Any:
        passes.extend(map(len, windows))
        return states(windows)

    monkeypatch.setattr(one.of, "states", counted)  # type: ignore[attr-defined]
    vectors = one.in_document(document, [whole, *spans])  # type: ignore[attr-defined]
    assert sum(passes) < 1.5 * len(reader.pieces(text).ids)
    taught = reader([text[slice(*span)] for span in spans])
    mean = taught.mean(axis=0) / np.linalg.norm(taught.mean(axis=0))
    late = made("late-chunking").in_document(document, spans)
    near, control = ((rows * taught).sum(axis=1).mean() for rows in (vectors[1:], late))
    assert near > control
    first = reader.states([reader.pieces(text).ids[:254]])[0][0]
    assert vectors[0] @ mean > first @ mean / np.linalg.norm(first) + 0.1
