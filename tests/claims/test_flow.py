"""The claims of the flows, each with a control that must lose."""

from __future__ import annotations

from pathlib import Path

import planted
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus

FILLER = {f"/filler{n}": [f"Weather was mild on day {n}. ", "Nothing else was noted. "] for n in range(8)}


def first(corpus: Corpus, spec: str, query: str, among: int = 1, **models: object) -> list[str]:
    """The sources of the best chunks."""
    supplies = {name: lambda model=model: model for name, model in models.items()}
    found = build(spec, "retrieve", supplies)(corpus, query, 50)
    return [corpus.document(int(chunk)).source for chunk in found.ids[:among]]


CHAIN = {
    "/one": ["The lighthouse at Skerry was built by Odile Varn. "],
    "/two": ["Odile Varn was born in the town of Marrow. "],
    "/three": ["Marrow lies on the Esk. "],
    "/decoy": ["The river Tam is long, and born of rain. "],
    **FILLER,
}


def test_looping(tmp_path: Path) -> None:
    """The second fact shares no word with the question; the first one names it."""
    corpus = planted.corpus(tmp_path / "kb", CHAIN)
    assert "/two" in first(corpus, "looping:of=bm25", "Skerry lighthouse", 2)
    assert "/two" not in first(corpus, "bm25", "Skerry lighthouse", 50)


def test_looping_asked(tmp_path: Path) -> None:
    """A model that reads follows the chain to its end, where the plain loop of as many rounds drowns in words."""

    def reader(prompt: str) -> str:
        found = prompt.split("---")
        told = " ".join(found[1:-1])
        if "Esk" in told:
            return "enough"
        return "Marrow river" if "Marrow" in told else "Odile Varn born"

    corpus = planted.corpus(tmp_path / "kb", CHAIN)
    query = "Which river flows past the birthplace of the builder of the lighthouse at Skerry?"
    assert "/three" in first(corpus, "looping-asked:of=bm25", query, 3, ask=reader)
    assert "/three" not in first(corpus, "looping-asked:of=bm25", query, 3, ask=lambda prompt: "enough")


def test_branching(tmp_path: Path) -> None:
    """One text is found by its words, another by its meaning: each branch alone misses one of them."""
    meanings = planted.Meanings("refund money reimbursed", "kiln oven")
    documents = {"/words": ["Ticket 4471 is closed. "], "/meaning": ["You are reimbursed at once. "], **FILLER}
    corpus = planted.corpus(tmp_path / "kb", documents, meanings, meanings)
    query = "refund money for 4471"
    assert set(first(corpus, "branching:of=bm25+dense", query, 2)) == {"/words", "/meaning"}
    for alone in ("bm25", "dense"):
        assert set(first(corpus, f"branching:of={alone}", query, 2)) != {"/words", "/meaning"}


def test_conditional(tmp_path: Path) -> None:
    """Names of code are matched by the letter, questions by their meaning; either way for both misses one."""
    meanings = planted.Meanings("refund money reimbursed", "kiln oven")
    documents = {
        "/pay": ["def pay_back(order): ... "], "/meaning": ["You are reimbursed at once. "],
        "/near": ["An oven is a kiln. "], **FILLER,
    }  # fmt: skip
    corpus = planted.corpus(tmp_path / "kb", documents, meanings, meanings)
    asked = {"what does pay_back do": "/pay", "when do I get my money": "/meaning"}

    def right(spec: str) -> int:
        return sum(first(corpus, spec, query) == [source] for query, source in asked.items())

    assert right("conditional:when=code,then=bm25,otherwise=dense") == 2
    assert right("bm25") < 2
    assert right("dense") < 2


def test_linear(tmp_path: Path) -> None:
    """A second step goes on from what the first one found; turned round, it has nothing to go on from."""
    corpus = planted.corpus(tmp_path / "kb", CHAIN)
    both = "linear:steps=bm25>looping:rounds=2>looping:rounds=2"
    assert "/three" in first(corpus, both, "Skerry lighthouse", 50)
    assert "/three" not in first(corpus, "linear:steps=bm25>looping:rounds=2", "Skerry lighthouse", 50)
