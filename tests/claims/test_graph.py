"""The claims of walks over what documents state, each with a control that must lose."""

from __future__ import annotations

import re
from pathlib import Path

import planted
from chunkwise.models import Ask
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus

QUESTION = "In which town does the company that Maria Voss founded have its headquarters?"
TOWNS = ("Agder", "Bergvik", "Dalsund", "Elvestad", "Fjordby", "Granli", "Holmen", "Isfjell", "Kvalby", "Lindas")
FIRST = "Maria Voss founded Nordlicht Works as a young engineer. "
SECOND = "Nordlicht Works moved to Tromsen soon after. "


def texts(first: str = FIRST, second: str = SECOND) -> dict[str, list[str]]:
    """Two facts that share one name, and companies enough whose headquarters are said in the question's words."""
    decoys = {
        f"/company-{n}": [f"The company {town} Oil was founded in a town. ", f"Its headquarters are in {town} town. "]
        for n, town in enumerate(TOWNS)
    }
    return {"/voss": [first, "Sailing was a hobby. "], "/works": [second, "Lamps were made. "], **decoys}


def rank(corpus: Corpus, spec: str, text: str, ask: Ask | None = None) -> int:
    """Where a chunk stands among the candidates, from 0; beyond all of them when it is not there."""
    found = build(spec, "retrieve", {"ask": lambda: ask})(corpus, QUESTION, 100)
    said = [corpus.text(int(chunk)) for chunk in found.ids]
    return said.index(text) if text in said else len(corpus)


def test_tearag(tmp_path: Path) -> None:
    """The second fact is found through the name that the first one leads to; by likeness it is among the last."""
    corpus = planted.corpus(tmp_path / "kb", texts(), planted.Trigrams())
    assert rank(corpus, "dense", SECOND) >= 8
    assert rank(corpus, "rrf", SECOND) >= 8
    assert rank(corpus, "tearag", SECOND) <= 2
    torn = planted.corpus(tmp_path / "torn", texts(second="Sudwind Works moved to Tromsen soon after. "), corpus.scan)
    assert rank(torn, "tearag", "Sudwind Works moved to Tromsen soon after. ") >= 8  # with the bridge gone


def test_tearag_asked(tmp_path: Path) -> None:
    """Without capitals no pattern finds a name; what a model writes down of the documents leads to the second fact."""
    second = SECOND.lower()
    lowered = {source: [chunk.lower() for chunk in chunks] for source, chunks in texts().items()}
    corpus = planted.corpus(tmp_path / "kb", lowered, planted.Trigrams())
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        facts = [
            *re.findall(r"^(\d+): (maria voss) (founded) (nordlicht works)", prompt, re.MULTILINE),
            *re.findall(r"^(\d+): (nordlicht works) (moved to) (tromsen)", prompt, re.MULTILINE),
        ]
        return "\n".join(" | ".join(fact) for fact in facts) or "None."

    assert rank(corpus, "tearag", second) >= 8
    assert rank(corpus, "tearag-asked", second, ask) <= 3
    asked = len(prompts)
    again = Corpus(corpus.store, corpus.scan, None)
    assert rank(again, "tearag-asked", second, ask) <= 3
    assert asked == len(prompts) == len(lowered)  # it was read once
