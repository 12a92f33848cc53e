"""The claims of documents found by what was written of them, each with a control that must lose."""

from __future__ import annotations

from pathlib import Path

import planted
from chunkwise.models import Ask
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus
from chunkwise.retrieve.written.key import key_chunks


def first(corpus: Corpus, spec: str, query: str, among: int = 1, ask: Ask | None = None) -> list[str]:
    """The texts of the best chunks."""
    found = build(spec, "retrieve", {"ask": lambda: ask})(corpus, query, 50)
    return [corpus.text(int(chunk)) for chunk in found.ids[:among]]


def source(corpus: Corpus, spec: str, query: str, ask: Ask | None = None) -> str:
    """The document of the best chunk, "" for none."""
    found = build(spec, "retrieve", {"ask": lambda: ask})(corpus, query, 50)
    return corpus.snapshot.sources[corpus.snapshot.document[found.ids[0]]] if len(found) else ""


MEANINGS = ("kiln glaze pottery ceramics", "moon orbit lunar satellite", "bees hive honey apiary")


def field(word: str, other: str, facts: list[str]) -> list[str]:
    """A document that speaks of its subject by one word and of single facts by others."""
    return [*facts, *[f"The {word} and the {other} again. " for _ in range(5)], "That is all. ", "Thank you. "]


def test_question_compression(tmp_path: Path) -> None:
    """A paraphrase finds the document by a fifth of the vectors, and its phrasing the right one of two like sentences.

    The last chunks of each document, as many, say nothing of it and would not; words alone see no difference between
    the two sentences.
    """
    right, wrong = "Dogs chase cats at noon. ", "Cats at noon chase dogs. "
    texts = {
        "/pots": field("kiln", "glaze", [wrong, right]),
        "/moon": field("moon", "orbit", ["Rockets burn fuel. ", "Probes land softly. "]),
        "/bees": field("hive", "honey", ["Bears eat it. ", "Wax is sold. "]),
    }
    corpus = planted.corpus(tmp_path / "kb", texts, planted.Meanings(*MEANINGS))
    chosen, _ = key_chunks(corpus, 0.2)
    assert len(chosen) * 4 <= len(corpus)
    assert source(corpus, "question-compression", "an apiary") == "/bees"
    assert source(corpus, "question-compression", "a lunar satellite") == "/moon"
    assert source(corpus, "bm25", "a lunar satellite") == ""
    fifth = {texts[name][-1] for name in texts} | {texts[name][-2] for name in texts}
    assert not fifth & {corpus.text(chunk) for chunk in chosen.tolist()}  # what says nothing stands for nothing
    query = "ceramics: do dogs chase cats"
    assert first(corpus, "question-compression", query) == [right]
    assert first(corpus, "bm25", query) == [wrong]  # both have all the words, and it stands before the other


def test_question_compression_asked(tmp_path: Path) -> None:
    """Asked in the reader's words beforehand, a document is found that its own words do not lead to."""
    texts = {
        "/policy": ["Reimbursement is granted within a fortnight. ", "Receipts are to be enclosed. "],
        "/hours": ["The counter opens at nine. ", "It is shut on feast days. "],
        "/money": ["Prices are in euros. ", "Cards are taken. "],
    }
    corpus = planted.corpus(tmp_path / "kb", texts, planted.Trigrams(256))
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return (
            "Sure:\n1. How do I get my money back?\n2) What must I send in?"
            if "Reimb" in prompt
            else "When is it open?"
        )

    query = "how can I get my money back"
    assert source(corpus, "question-compression-asked", query, ask) == "/policy"
    assert source(corpus, "question-compression", query) != "/policy"
    assert source(corpus, "dense", query) != "/policy"
    again = Corpus(corpus.store, corpus.scan, None)
    assert source(again, "question-index", query, ask) == "/policy"
    assert len(prompts) == len(texts)  # what was written is kept


def test_paper_cards(tmp_path: Path) -> None:
    """The document that is about it comes first, not the one that says its words in passing in one short sentence."""
    passing = ["Lunch was cold soup. ", "We saw bridge rust by the road. ", *[f"Day {n} was long. " for n in range(9)]]
    about = ["Rust on a bridge weakens its steel over years. ", "Bridge steel will rust where salt is spread. "]
    texts = {"/passing": passing, "/about": [*about, *["It must be painted. "] * 9]}
    corpus = planted.corpus(tmp_path / "kb", texts)
    query = "bridge rust"
    assert source(corpus, "bm25", query) == "/passing"
    assert source(corpus, "paper-cards", query) == "/about"


def test_paper_cards_asked(tmp_path: Path) -> None:
    """A plain question finds the technical document by the card; its own words, and a card of them, do not."""
    texts = {
        "/retina": ["Rhodopsin isomerisation hyperpolarises photoreceptors. ", "It is bleached in light. "],
        "/ear": ["Eyes shut, no light, subjects heard tones. ", "Stereocilia open channels. "],
    }
    corpus = planted.corpus(tmp_path / "kb", texts)
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        plain = "How eyes turn light into nerve signals: what happens in the cells that see."
        return f"**{plain * 9}**" if "opsin" in prompt else "How ears hear."

    query = "how do eyes see light"
    assert source(corpus, "paper-cards-asked", query, ask) == "/retina"
    assert source(corpus, "paper-cards", query) == source(corpus, "bm25", query) == "/ear"
    kept = corpus.store.notes("cards", corpus.snapshot.contents)
    assert len(kept) == len(prompts) == 2
    assert all(len(card) <= 300 for card in kept.values())
