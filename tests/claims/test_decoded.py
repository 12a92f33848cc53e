"""The claim of constrained decoding, with a control that must lose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import planted
from chunkwise.models import Surprise
from chunkwise.recipe import build
from chunkwise.units import Floats

INTRODUCTION = "The harbour was built long ago by the hands of several hundred prisoners. "
FIRST = "The keeper lights the lamp when dusk falls on it and waits beside the flame. "
SECOND = "He then climbs down and writes the hour with all that he saw into a thick book. "
AFTER = "The harbour is quiet in winter since only a few ships come in by that narrow channel. "
WISH = "The keeper of the harbour sings. "  # what it would write if it might: no sentence of any document


class Scripted:
    """A model with one answer in mind, and with the end of that answer."""

    name = "scripted"

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        raise AssertionError("it is asked to choose")

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        written = prompt.rpartition("in the words of the text: ")[2]
        self.seen.append((written, tuple(answers)))
        if list(answers) == ["\n\n"]:
            return np.array([0.0 if written.endswith(SECOND.rstrip()) else -4.0], dtype=np.float32)
        wished = [
            0.0 if WISH.startswith(written + answer) else -2.0 if FIRST.startswith(written + answer) else -6.0
            for answer in answers
        ]
        return np.array(wished, dtype=np.float32)


def test_cfic(tmp_path: Path) -> None:
    """Only real beginnings can be written, and the span goes on to where the model ends it, across sentences.

    Neither sentence has a word of the question, so that BM25 alone offers what stands around them.
    """
    chunks = [INTRODUCTION, FIRST, SECOND, AFTER]
    corpus = planted.corpus(tmp_path / "kb", {"/harbour": chunks, "/other": ["Ships are made of oak and of iron. "]})
    lm = Scripted()
    query = "who sings at night in the harbour"
    found = build("cfic:beams=1", "retrieve", {"lm": lambda: lm})(corpus, query, 10)
    control = build("bm25", "retrieve")(corpus, query, 10)
    assert [corpus.text(int(chunk)) for chunk in found.ids[:2]] == [FIRST, SECOND]
    assert (found.scores[:2] > 1).all()
    assert not {FIRST, SECOND} & {corpus.text(int(chunk)) for chunk in control.ids}
    text = "".join(chunks)
    spans = [(int(corpus.snapshot.start[c]), int(corpus.snapshot.end[c])) for c in found.ids[:2]]
    assert text[spans[0][0] : spans[-1][1]] == FIRST + SECOND
    for written, answers in lm.seen:
        for answer in answers:
            assert answer == "\n\n" or any(chunk.startswith(written + answer) for chunk in chunks)
    assert any("sings" in WISH and written.startswith("The keeper") for written, _ in lm.seen)
