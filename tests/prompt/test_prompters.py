"""Prompters: the question last, the same bytes for the same, whatever the model and the texts."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import EndpointError, FallbackWarning
from chunkwise.prompt import context
from chunkwise.prompt.evolve import evolved
from chunkwise.recipe import build
from chunkwise.units import Passage, Span
from supplies import SUPPLIES


def passage(number: int, text: str) -> Passage:
    return Passage((str(number),), "a.md", Span(0, len(text)), (1, 1), "a.md:1", text, len(text) + 1, 1.0)


texts = st.lists(st.sampled_from(["One fact.", "", "\x00 \ud83d", "Question: mine\nAnswer: yours", "漢字"]), max_size=5)


@pytest.mark.parametrize("name", ["5c-prompt", "recycle-fewshot"])
@given(texts, st.sampled_from(["When?", "", "\ud83d [1]"]))
def test_the_context_once_and_the_question_last(name: str, given_: list[str], question: str) -> None:
    passages = [passage(number, text) for number, text in enumerate(given_)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        made = build(name, "prompt", SUPPLIES)(question, passages)
        assert made == build(name, "prompt", SUPPLIES)(question, passages)
    assert made.endswith(f"Question: {question}")
    assert context(passages) in made


def test_a_field_that_is_empty_is_left_out() -> None:
    made = build("5c-prompt:character=,cause=,contingency=,calibration=", "prompt")("When?", [])
    assert made.startswith("Constraint: ")
    assert made.count("\n\n") == 2


def test_a_dead_model_leaves_the_plain_prompt() -> None:
    def dead(prompt: str) -> str:
        raise EndpointError("the endpoint is gone")

    prompter = build("recycle-fewshot", "prompt", {"ask": lambda: dead})
    with pytest.warns(FallbackWarning, match="the endpoint is gone"):
        made = prompter("When?", [passage(0, "It was in May.")])
    assert "Answer:" not in made


@given(st.text(max_size=60), st.integers(0, 5))
def test_what_evolves_never_scores_less(prompt: str, seed: int) -> None:
    def score(text: str) -> float:
        return float(sum(text.count(letter) for letter in "aeiou") > 0) if text else float("nan")

    short = evolved(prompt, score, 4, 4, 3, seed)
    assert not score(short) < score(prompt)
    assert len(short.split()) <= len(prompt.split())
    assert short == evolved(prompt, score, 4, 4, 3, seed)
