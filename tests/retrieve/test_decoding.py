"""Constrained decoding: nothing but sentences' beginnings, and a true distribution over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.models import Surprise
from chunkwise.retrieve.decoded.prefix import begun
from chunkwise.retrieve.decoded.skip import skipped
from chunkwise.units import Floats
from supplies import seed

a_word = st.sampled_from(["ash ", "birch ", "elm\n", "a-word-of-more-than-twelve-letters ", "漢字 ", "\0"])
sentences = st.lists(st.lists(a_word, min_size=1, max_size=5).map("".join), max_size=8)


class Fickle:
    """A model of whims, which notes what it was asked."""

    name = "fickle"

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        raise AssertionError("it is asked to choose")

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        self.asked.append((prompt, list(answers)))
        return -np.array([seed(prompt + answer) % 50 / 10 for answer in answers], dtype=np.float32)


@given(sentences)
def test_all_beginnings_together_are_certain(texts: list[str]) -> None:
    lm = Fickle()
    found = begun(lm, "P: ", texts, beams=99, steps=99)
    assert [one.log_probability for one in found] == sorted((one.log_probability for one in found), reverse=True)
    if texts:
        assert sum(np.exp([one.log_probability for one in found])) == pytest.approx(1)
    assert {texts[one.sentence] for one in found} == set(texts)
    for one in found:
        assert texts[one.sentence].startswith(one.prefix)
    for prompt, answers in lm.asked:
        assert len(answers) > 1
        written = prompt.removeprefix("P: ")
        for answer in answers:
            assert any(text.startswith(written + answer) for text in texts)


@given(sentences, st.integers(1, 3), st.integers(1, 3))
def test_beams_find_what_is_there(texts: list[str], beams: int, steps: int) -> None:
    found = begun(Fickle(), "P: ", texts, beams, steps)
    assert len(found) <= min(beams, len(texts))
    assert bool(found) == bool(texts)
    assert found == begun(Fickle(), "P: ", texts, beams, steps)
    assert len({one.sentence for one in found}) == len(found)


def test_a_wide_beam_finds_the_likeliest_first() -> None:
    texts = ["ash elm fir. ", "ash elm oak. ", "ash yew. ", "birch. ", "box elm. "]
    everything = begun(Fickle(), "", texts, 99, 99)
    assert begun(Fickle(), "", texts, len(texts), 99)[0] == everything[0]


def test_where_it_ends() -> None:
    text = "One. Two. Three. Four. "
    ends = [5, 10, 17, 23]

    class Ending(Fickle):
        def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
            return np.array([0.0 if prompt.endswith(("Two.", "Three.")) else -1.0], dtype=np.float32)

    assert text[slice(*skipped(Ending(), "P: ", text, 0, ends))] == "One. Two. "
    assert text[slice(*skipped(Ending(), "P: ", text, 17, ends[3:]))] == "Four. "
