"""The claims of the retrievers, each with a control that must lose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import planted
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus

FILLER = ["Weather was mild that day. ", "Nothing else was noted here. ", "A page was left blank. "]


def first(corpus: Corpus, name: str, query: str, among: int = 1) -> list[str]:
    """The texts of the best chunks."""
    found = build(name, "retrieve")(corpus, query, 50)
    return [corpus.text(int(chunk)) for chunk in found.ids[:among]]


def test_multiscale(tmp_path: Path) -> None:
    """The sentence that answers shares one common word with the question; those around it carry the rest."""
    answer = "It was set to forty degrees. "
    story = [
        *FILLER,
        "The kiln stood in the northern workshop. ",
        answer,
        "Potters fired glaze in that kiln. ",
        *FILLER,
    ]
    decoys = {f"/decoy{n}": [*FILLER, f"Kiln degrees, volume {n}. ", *FILLER] for n in range(6)}
    corpus = planted.corpus(tmp_path / "kb", {"/story": story, **decoys})
    query = "degrees kiln workshop glaze"
    assert answer in first(corpus, "multiscale", query, 3)
    assert answer not in first(corpus, "bm25", query, 8)


def test_bm25(tmp_path: Path) -> None:
    """One rare word of the question outweighs many common ones, which counting matches does not see."""
    common = {f"/{n:02}": [f"The machine will start and the machine will stop, note {n}. "] for n in range(20)}
    rare = "A quokka sleeps. "
    corpus = planted.corpus(tmp_path / "kb", {**common, "/rare": [rare]})
    query = "does the machine start and stop for a quokka"
    assert first(corpus, "bm25", query) == [rare]

    def matches(chunk: int) -> int:
        return len(set(corpus.text(chunk).lower().split()) & set(query.split()))

    by_count = max(range(len(corpus)), key=matches)
    assert corpus.text(by_count) != rare


def test_dense(tmp_path: Path) -> None:
    """The answer says it in other words: no word in common, one meaning."""
    embedder = planted.Meanings("physician doctor surgeon", "salary pay wages earns", "bridge river")
    answer = "A surgeon earns well. "
    texts = {"/a": [answer], "/b": ["The bridge crosses a river. "], "/c": ["What a doctor said of the bridge. "]}
    corpus = planted.corpus(tmp_path / "kb", texts, embedder)
    query = "physician salary"
    assert first(corpus, "dense", query) == [answer]
    assert first(corpus, "bm25", query) == []


def test_rrf(tmp_path: Path) -> None:
    """What stands second in both rankings comes first; either ranking alone puts another one there."""
    embedder = planted.Meanings("cat feline kitten", "food meal feed", "quartz")
    by_words = "Feeding schedule schedule quartz. "
    by_meaning = "A kitten and its meal amuse the feline. "
    agreed = "Feeding schedule of a kitten. "
    texts = {"/words": [by_words], "/meaning": [by_meaning], "/agreed": [agreed]}
    texts |= {f"/other{n}": [f"Kitten number {n} sleeps. "] for n in range(8)}
    corpus = planted.corpus(tmp_path / "kb", texts, embedder)
    query = "cat food feeding schedule"
    assert first(corpus, "rrf", query) == [agreed]
    assert first(corpus, "bm25", query) != [agreed]
    assert first(corpus, "dense", query) != [agreed]


def test_bmp(tmp_path: Path) -> None:
    """The ten best as `bm25` has them, a tenth of the chunks scored; wide blocks spare less, fewer terms lose some."""
    random = np.random.default_rng(4)
    spoken = np.minimum(random.zipf(1.5, (4000, 10)), 2000)
    chunks = [" ".join(f"w{word}" for word in chunk) + ". " for chunk in spoken.tolist()]
    corpus = planted.corpus(tmp_path / "kb", {f"/{at:04}": chunks[at : at + 40] for at in range(0, 4000, 40)})
    query = "w3 w11 w40 w150"
    exact, safe, pruned = (build(name, "retrieve")(corpus, query, 10) for name in ("bm25", "bmp", "bmp:r=0.25"))
    assert safe.ids.tolist() == exact.ids.tolist()
    assert safe.scores.tolist() == exact.scores.tolist()
    assert pruned.ids.tolist() != exact.ids.tolist()
    terms = corpus.terms(query)
    holding = np.count_nonzero(corpus.lexical((0,)).scores(terms)[0])
    scored, control = (corpus.blockmax(size).best(terms, 10).scored for size in (8, 255))
    assert scored <= holding / 10 < control


def test_rerank(tmp_path: Path) -> None:
    """The answer says only "it": what stands before it says of what, and a chunk that is read alone does not know."""
    answer = "It was designed by Elena Voss, an engineer from Tallinn. "
    padding = [f"{sentence}{number}. " for number in range(20) for sentence in FILLER]
    story = [*padding, "The lighthouse of Cape Mora has stood on its rock since 1874. ", answer, *padding]
    decoys = {
        f"/decoy{n}": [*padding, f"Lighthouse postcards, designed for visitors, {n}. ", *padding] for n in range(6)
    }
    decoys["/bridge"] = [*padding, "The bridge of Port Salla is of steel. ", "It was designed by a priest. ", *padding]
    corpus = planted.corpus(tmp_path / "kb", {"/story": story, **decoys})
    query = "Who designed the lighthouse of Cape Mora?"
    assert answer in first(corpus, "rerank:of=bm25", query, 2)
    assert answer not in first(corpus, "bm25", query, 6)
    assert answer not in first(corpus, "rerank:of=bm25,window=0", query, 2)
