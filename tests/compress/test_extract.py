"""Extracts keep the way back to their source, through any number of cuts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chunkwise.compress.extract import kept
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage, Span


def passage(text: str, start: int = 100) -> Passage:
    span = Span(start, start + len(text))
    return Passage(("c",), "a.md", span, (1, 1), "a.md:1", text, tokenizer().count(text), 1.0)


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda s: Span(s[0], s[0] + s[1])), max_size=5)


@given(st.text(min_size=1, max_size=50), spans, spans)
def test_a_cut_of_a_cut_knows_its_source(text: str, first: list[Span], second: list[Span]) -> None:
    whole = passage(text)
    once = kept(whole, first, tokenizer())
    twice = kept(once, second, tokenizer()) if once else None
    for cut in filter(None, (once, twice)):
        assert cut.tokens == tokenizer().count(cut.text)
        for at, span in cut.verbatim:
            assert cut.text[at : at + span.end - span.start] == text[span.start - 100 : span.end - 100]


def test_what_touches_is_one_stretch_and_what_does_not_is_told() -> None:
    text = "One. Two. Three. Four."
    cut = kept(passage(text), [Span(5, 10), Span(0, 5), Span(17, 22)], tokenizer())
    assert cut is not None
    assert cut.text == "One. Two. … Four."
    assert [tuple(part.span) for part in cut.verbatim] == [(100, 109), (117, 122)]
    assert cut.origin(12, 17) == Span(117, 122)
    assert cut.origin(0, 17) == Span(100, 122)
    assert cut.origin(9, 12) is None  # the gap is nobody's text


def test_all_of_it_is_the_passage_itself() -> None:
    whole = passage("One. Two.")
    assert kept(whole, [Span(0, 9)], tokenizer()) is whole
    assert kept(whole, [Span(4, 5)], tokenizer()) is None
