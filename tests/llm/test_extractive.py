"""The reader without a model: cited pieces, to the character, and an honest nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.llm import NOTHING_FOUND, extractive
from chunkwise.llm.pieces import LONGEST, pieces
from chunkwise.units import Document, Floats, Passage, Span, content_id

REFUNDS = """\
# Refunds

Refunds are handled by the billing desk. They arrive within 30 days, as Dr. Brown
of the desk explains.

## Exchanges

Exchanges need a receipt. Ask at the counter."""
SPIDERS = "Spiders have eight legs. Insects have six."
CODE = '''\
import threading

# Unrelated.
LIMIT = 3

def run_threadsafe(coro, loop):
    """Submit a coroutine to a loop from another thread.

    Return a future to wait for the result.
    """
    if not is_coroutine(coro):
        raise TypeError("a coroutine object is required")
    other = thread(coro)
    return other
'''


def passage(text: str, source: str = "guide.md", start: int = 0, score: float = 1.0) -> Passage:
    """The passage of a document in which `start` lines of three characters stand before `text`."""
    document = Document.of("--\n" * start + text, source)
    span = Span(3 * start, 3 * start + len(text))
    cite = document.lines.cite(source, span)
    return Passage((content_id(text),), source, span, document.lines.range(span), cite, text, 1, score)


def test_the_sentence_that_answers_with_its_own_line() -> None:
    found = extractive("How many legs have spiders?", [passage(REFUNDS), passage(SPIDERS, "bugs.md", start=4)])
    assert found.text == "Spiders have eight legs. [2]"
    (quote,) = found.quotes
    assert (quote.number, quote.source, quote.cite, quote.lines) == (2, "bugs.md", "bugs.md:5", (5, 5))
    assert quote.span == Span(12, 12 + len("Spiders have eight legs."))


def test_a_wrapped_sentence_is_kept_to_the_character_and_shown_on_one_line() -> None:
    found = extractive("When do they arrive, within how many days?", [passage(REFUNDS, start=2)])
    assert found.text == "They arrive within 30 days, as Dr. Brown of the desk explains. [1]"
    (quote,) = found.quotes
    assert "Brown\nof" in quote.text
    assert quote.cite == "guide.md:5-6"


def test_a_heading_or_a_question_is_never_the_answer() -> None:
    faq = "How are refunds handled?\nBy the billing desk, within a month of the refunds being asked for."
    assert extractive("How are refunds handled?", [passage(faq)]).text.startswith("By the billing desk")
    assert not extractive("How are refunds handled?", [passage("# Refunds are handled")]).found


@pytest.mark.parametrize("question", ["What is the boiling point of mercury?", "", "what is it?", "\x00", "?!"])
def test_nothing_found(question: str) -> None:
    found = extractive(question, [passage(REFUNDS), passage(SPIDERS)])
    assert not found.found
    assert found.text == NOTHING_FOUND
    assert not extractive(question, []).found


def test_code_is_answered_by_a_definition_with_its_docstring() -> None:
    found = extractive("how to run a coroutine from another thread", [passage(CODE, "tasks.py", start=10)])
    quote = found.quotes[0]
    assert quote.text.startswith("def run_threadsafe(coro, loop):\n")
    assert quote.text.endswith("from another thread.")
    assert quote.cite == "tasks.py:16-17"
    assert str(quote) == f"```\n{quote.text}\n```\n[1]"


def test_a_fence_outgrows_the_code() -> None:
    (quote,) = extractive("fenced thing", [passage("# fenced thing ```", "a.py")]).quotes
    assert str(quote).startswith("````\n")


def test_a_passage_of_a_page_is_cited_as_it_is() -> None:
    page = Passage(("x",), "book.pdf", Span(0, 9), (3, 4), "book.pdf p.3-4", SPIDERS, 1, 1.0)
    (quote,) = extractive("How many legs have spiders?", [page]).quotes
    assert (quote.span, quote.lines, quote.cite) == (Span(0, 9), (3, 4), "book.pdf p.3-4")


def test_at_most_so_many() -> None:
    text = "\n\n".join(f"Cats like milk number {n}." for n in range(20))
    assert len(extractive("cats like milk", [passage(text)]).quotes) == 3
    assert len(extractive("cats like milk", [passage(text)], most=5).quotes) == 5


def test_the_retriever_s_score_breaks_a_tie() -> None:
    twice = [passage(SPIDERS, "low.md", score=1.0), passage(SPIDERS, "high.md", score=9.0)]
    assert extractive("How many legs have spiders?", twice, most=1).quotes[0].source == "high.md"


def test_a_similarity_finds_what_shares_no_word() -> None:
    def similarity(question: str, texts: Sequence[str]) -> Floats:
        return np.array([0.9 if "billing" in text else 0.0 for text in texts], dtype=np.float32)

    given = [passage(SPIDERS), passage(REFUNDS)]
    assert not extractive("money back?", given).found
    assert extractive("money back?", given, similarity=similarity).text.startswith("Refunds are handled by the billing")


def test_another_analyser() -> None:
    def stems(text: str) -> list[str]:
        return [word.strip(".?").lower()[:5] for word in text.split()]

    assert not extractive("handling refunding", [passage(REFUNDS)]).found
    assert extractive("handling refunding", [passage(REFUNDS)], analyse=lambda t: [w[:4] for w in stems(t)]).found


ODD = ["", "\x00", "a. B.\r\nC? d", "😀 שלום. 漢字。漢字。", "\ud800", "\n\n", "x" * 1000]  # fmt: skip
ODD += ["Dr. A. B. e.g. Two", '"""\n#', "  - a\n* b\n1. c"]  # fmt: skip


@given(
    st.lists(st.sampled_from(ODD) | st.text() | st.text(alphabet='ab.?! \n#"(@:'), max_size=4).map("\n".join),
    st.sampled_from(["a.md", "a.py", "a"]),
)
def test_pieces_are_in_order_and_hold_all_that_is_not_blank(text: str, source: str) -> None:
    found = pieces(passage(text, source))
    end = 0
    for piece in found:
        assert end <= piece.span.start < piece.span.end <= len(text)
        assert not text[end : piece.span.start].strip()
        assert source == "a.py" or piece.span.end - piece.span.start <= LONGEST
        end = piece.span.end
    assert not text[end:].strip()


@given(
    st.text(alphabet="abc ?.\n") | st.sampled_from(ODD),
    st.lists(st.lists(st.sampled_from(ODD) | st.text(alphabet="abc ?.\r\n"), max_size=4).map("\n".join), max_size=4),
    st.sampled_from(["a.md", "a.py"]),
)
def test_quotes_are_the_text_at_their_span(question: str, texts: list[str], source: str) -> None:
    given = [passage(text, source, start=number) for number, text in enumerate(texts)]
    found = extractive(question, given)
    assert found == extractive(question, list(given))
    assert len(found.quotes) <= 3
    for quote in found.quotes:
        own = given[quote.number - 1]
        document = Document.of("--\n" * (quote.number - 1) + own.text, source)
        assert document.text[slice(*quote.span)] == quote.text
        assert quote.lines == document.lines.range(quote.span)
        assert quote.cite == document.lines.cite(source, quote.span)


def test_a_megabyte_on_one_line() -> None:
    assert extractive("needle", [passage("hay " * 250_000 + "needle")]).quotes[0].text.endswith("needle")


def test_a_long_word_is_found_as_the_start_of_a_compound() -> None:
    given = [passage("Call it threadsafe and be done. Birds sing."), passage(SPIDERS)]
    assert extractive("thread?", given).text == "Call it threadsafe and be done. [1]"
    assert not extractive("be bird sin?", given).found
