"""Answers as SQuAD compares them, and citations against evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.evaluate import Evidence, Question
from chunkwise.evaluate.answers import AnswerScores, answer_scores, citation_scores, normalised
from chunkwise.units import Span


def part(start: int, end: int, source: str = "a") -> Evidence:
    return Evidence(source, Span(start, end))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The  Cat, sat!", "cat sat"),
        ("an A the theatre", "theatre"),
        ("\u201cQuoted\u201d \u2013 so", "quoted so"),
        ("3 a.m.", "3 am"),
        ("\u4f60\u597d\u3002", "\u4f60\u597d"),
        ("\ud800 x\x00", "\ud800 x\x00"),
        (" ... ", ""),
    ],
)
def test_normalised(answer: str, expected: str) -> None:
    assert normalised(answer) == expected


def test_best_of_the_accepted() -> None:
    assert answer_scores("The Eiffel Tower", ["Louvre", "eiffel tower."]) == AnswerScores(1, 1)
    exact, f1 = answer_scores("the tall eiffel tower", ["Louvre", "Eiffel Tower"])
    assert (exact, f1) == (0, pytest.approx(0.8))
    assert answer_scores("Rome", ["Paris"]) == AnswerScores(0, 0)


def test_a_repeated_word_counts_as_often_as_it_is_there() -> None:
    assert answer_scores("no no no", ["no"]).f1 == pytest.approx(0.5)


def test_no_answer_is_right_only_where_it_is_accepted() -> None:
    assert answer_scores("", ["", "x"]) == AnswerScores(1, 1)
    assert answer_scores("", ["x"]) == answer_scores("x", [""]) == AnswerScores(0, 0)
    with pytest.raises(UserError, match="no accepted answer"):
        answer_scores("x", [])


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3))
def test_answers_are_bounded_and_right_when_they_are_accepted(answer: str, accepted: list[str]) -> None:
    scores = answer_scores(answer, accepted)
    assert 0 <= scores.exact <= scores.f1 <= 1
    assert answer_scores(answer, [*accepted, answer]) == AnswerScores(1, 1)


def test_citations() -> None:
    question = Question("?", (part(10, 20), part(100, 200)))
    found = citation_scores([part(0, 30), part(40, 60), part(120, 130)], question)
    assert found.supporting == (True, False, True)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 0.5  # a tenth of the second piece supports, but it is not the piece


def test_citations_hold_evidence_together() -> None:
    question = Question("?", (part(0, 100),))
    assert citation_scores([part(0, 30), part(30, 60)], question).recall == 1
    assert citation_scores([part(0, 30), part(0, 30)], question).recall == 0


def test_another_place_may_be_cited() -> None:
    question = Question("?", (part(0, 10),), ((part(50, 60, "b"),),))
    assert citation_scores([part(40, 70, "b")], question) == (1, 1, (True,))


def test_touching_is_no_support() -> None:
    assert citation_scores([part(10, 20)], Question("?", (part(0, 10),)), least=0) == (0, 1, (False,))


def test_no_citation_and_no_evidence() -> None:
    assert citation_scores([], Question("?", (part(0, 10),))) == (0, 0, ())
    with pytest.raises(UserError, match="no evidence to cite for"):
        citation_scores([part(0, 1)], Question("?"))


spans = st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda pair: part(pair[0], sum(pair)))


@given(st.lists(spans, max_size=5), st.lists(spans, min_size=1, max_size=4))
def test_citation_scores_are_bounded(cited: list[Evidence], gold: list[Evidence]) -> None:
    found = citation_scores(cited, Question("?", tuple(gold)))
    assert 0 <= found.precision <= 1
    assert 0 <= found.recall <= 1
    assert len(found.supporting) == len(cited)
    assert citation_scores(gold, Question("?", tuple(gold)))[:2] == (1, 1)
