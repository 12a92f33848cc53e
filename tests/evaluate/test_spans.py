"""Span scores against the definitions, counted character by character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.evaluate import Evidence, Question
from chunkwise.evaluate.spans import SpanScores, in_tokens, precision_omega, span_scores
from chunkwise.tokens import tokenizer
from chunkwise.units import Span

LENGTH = 30


def part(start: int, end: int, source: str = "a") -> Evidence:
    return Evidence(source, Span(start, end))


def question(*evidence: Evidence, alternatives: tuple[tuple[Evidence, ...], ...] = ()) -> Question:
    return Question("what?", evidence, alternatives)


@st.composite
def parts(draw: st.DrawFn, least: int = 0) -> Evidence:
    start = draw(st.integers(0, LENGTH - least))
    return part(start, draw(st.integers(start + least, LENGTH)), draw(st.sampled_from("ab")))


retrieved_parts = st.lists(parts(), max_size=6)
golds = st.lists(parts(least=1), min_size=1, max_size=4)


def places(spans: list[Evidence]) -> list[tuple[str, int]]:
    return [(span.source, at) for span in spans for at in range(*span.span)]


def slow(retrieved: list[Evidence], gold: list[Evidence], merged: bool) -> SpanScores:
    """Every character by itself: in sets where it counts once, in lists where it counts as often as it is there."""
    got, wanted = places(retrieved), places(gold)
    if merged:
        got, wanted = [*set(got)], [*set(wanted)]
    shared = len(set(got) & set(wanted))
    missed = sum(place not in got for place in wanted)
    return SpanScores(shared / len(wanted), shared / len(got) if got else 0.0, shared / (len(got) + missed))


@given(retrieved_parts, golds, st.booleans())
def test_scores_are_those_counted_by_hand(retrieved: list[Evidence], gold: list[Evidence], merged: bool) -> None:
    found = span_scores(retrieved, question(*gold), merged=merged)
    assert found == pytest.approx(slow(retrieved, gold, merged))
    assert all(0 <= score <= 1 for score in found)


@given(golds)
def test_the_evidence_itself_is_perfect(gold: list[Evidence]) -> None:
    assert span_scores(gold, question(*gold)) == SpanScores(1, 1, 1)


@given(retrieved_parts, golds, parts())
def test_more_retrieved_never_recalls_less(retrieved: list[Evidence], gold: list[Evidence], more: Evidence) -> None:
    assert span_scores(retrieved, question(*gold)).recall <= span_scores([*retrieved, more], question(*gold)).recall


@given(retrieved_parts, golds)
def test_twice_the_same_costs_only_where_it_is_not_merged(retrieved: list[Evidence], gold: list[Evidence]) -> None:
    asked = question(*gold)
    assert span_scores(retrieved * 2, asked) == span_scores(retrieved, asked)
    once, twice = (span_scores(times, asked, merged=False) for times in (retrieved, retrieved * 2))
    assert twice.recall == once.recall
    assert twice.precision == pytest.approx(once.precision / 2)


@given(st.lists(parts(least=1), max_size=6), golds)
def test_precision_omega_counted_by_hand(chunks: list[Evidence], gold: list[Evidence]) -> None:
    def touches(chunk: Evidence) -> bool:
        edges = {(chunk.source, at) for at in range(chunk.span.start, chunk.span.end + 1)}
        return any((g.source, at) in edges for g in gold for at in range(g.span.start, g.span.end + 1))

    holding, wanted = set(places([chunk for chunk in chunks if touches(chunk)])), set(places(gold))
    expected = len(holding & wanted) / len(holding | wanted)
    assert precision_omega(chunks, question(*gold)) == pytest.approx(expected)


def test_chunks_that_are_the_evidence_have_full_precision_omega() -> None:
    chunks = [part(0, 10), part(11, 20), part(21, 30)]
    assert precision_omega(chunks, question(part(11, 20))) == 1
    assert precision_omega([part(0, 30)], question(part(11, 20))) == pytest.approx(9 / 30)
    assert precision_omega([], question(part(11, 20))) == 0


def test_a_worked_example() -> None:
    """Two overlapping chunks and a stray one against two references, worked out on paper."""
    asked = question(part(10, 20), part(40, 50))
    retrieved = [part(0, 15), part(10, 25), part(60, 70)]
    assert span_scores(retrieved, asked) == pytest.approx((10 / 20, 10 / 35, 10 / 45))
    assert span_scores(retrieved, asked, merged=False) == pytest.approx((10 / 20, 10 / 40, 10 / 50))
    assert precision_omega([part(0, 15), part(15, 30), part(30, 45), part(45, 60)], asked) == pytest.approx(20 / 60)


def test_the_best_alternative_counts() -> None:
    asked = question(part(0, 10), alternatives=((part(20, 30),), (part(20, 40), part(50, 60)), ()))
    assert span_scores([part(20, 30)], asked) == SpanScores(1, 1, 1)
    assert precision_omega([part(0, 19), part(20, 30)], asked) == 1


def test_other_sources_only_cost() -> None:
    assert span_scores([part(0, 10, "b"), part(0, 10)], question(part(0, 10))) == pytest.approx((1, 0.5, 0.5))


@pytest.mark.parametrize("evidence", [(), (part(5, 5),)])
def test_no_evidence_is_an_error(evidence: tuple[Evidence, ...]) -> None:
    with pytest.raises(UserError, match="no evidence to score against for 'what\\?'"):
        span_scores([part(0, 1)], question(*evidence))
    with pytest.raises(UserError, match="leave the question out"):
        precision_omega([], question(*evidence))


def test_nothing_retrieved() -> None:
    assert span_scores([], question(part(0, 3))) == SpanScores(0, 0, 0)
    assert span_scores([part(2, 2)], question(part(0, 3)), merged=False) == SpanScores(0, 0, 0)


@pytest.mark.parametrize(
    "text",
    ["Refunds take fourteen days.", "\u4e2d\u6587\U0001f600 \u0634\u0643\u0631\u0627", "a\ud800b\x00 c\r\nd", ""],
)
def test_tokens_cover_their_characters(text: str) -> None:
    offsets = {"a": tokenizer().offsets(text)}
    (whole,) = in_tokens([part(0, len(text))], offsets)
    assert whole.span == (0, len(offsets["a"]))
    for at in range(len(text)):
        (one,) = in_tokens([part(at, at + 1)], offsets)
        assert one.span.start < one.span.end <= len(offsets["a"])
        assert offsets["a"].starts[one.span.start] <= at
        assert span_scores([part(0, len(text))], question(part(at, at + 1)), offsets=offsets).recall == 1


def test_tokens_weigh_by_the_token() -> None:
    text = "one two supercalifragilisticexpialidocious"
    offsets = {"a": tokenizer().offsets(text)}
    count = len(offsets["a"])
    scores = span_scores([part(0, 3)], question(part(0, len(text))), offsets=offsets)
    assert scores.recall == pytest.approx(1 / count)
    assert scores.recall != pytest.approx(3 / len(text))


def test_a_source_without_tokens() -> None:
    with pytest.raises(UserError, match="no tokens of 'a'"):
        span_scores([part(0, 1)], question(part(0, 1)), offsets={})
