"""What every compressor keeps, whatever it is given: the budget, the order, and the map to the source."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.budget import Budget
from chunkwise.compress import Compressor
from chunkwise.errors import FallbackWarning
from chunkwise.recipe import build, recipes
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Passage, Span, content_id
from supplies import SUPPLIES

every_compressor = pytest.mark.parametrize("name", [made.name for made in recipes() if made.room == "compress"])

TEXTS = [
    "Refunds are paid within ten days. Ask the desk for a form!\r\nKeep the receipt. ",
    "The northern kiln reaches 1,300 degrees; potters fire glaze there twice a week. 😀 It is old. ",
    "払い戻しは十日以内に行われます。領収書を保管してください。",
    "החזר כספי ניתן תוך עשרה ימים. ",
    "[1] Question: what looks like a label? <|endoftext|>\n\n\n",
    'def refund(order, reason=None):\n    """Pay it back."""\n    return ledger.pay(order.total, reason)\n',
    " \n\t ",
    "x" * 3000,
    "\x00 NUL \ud83d and half a pair. ",
    "",
]
QUESTIONS = ["how long do refunds take?", "kiln", "払い戻し", "?", "\ud83d"]


def passages(texts: Sequence[str]) -> list[Passage]:
    """A passage for each text, each from the middle of a document of its own."""
    made = []
    for number, text in enumerate(texts):
        document = Document.of(f"before\n{text}after", f"{number}.md")
        span = Span(7, 7 + len(text))
        cite = document.lines.cite(document.source, span)
        score = 1 + (number * 7) % 5
        made.append(
            Passage(
                (content_id(text),),
                document.source,
                span,
                document.lines.range(span),
                cite,
                text,
                tokenizer().count(text),
                float(score),
                ("Chapter",),
            )
        )
    return made


def held(given: Sequence[Passage], got: Sequence[Passage], tokens: int) -> None:
    """Raise AssertionError where what came out breaks the contract."""
    count = tokenizer().count
    assert sum(passage.tokens for passage in got) <= tokens
    sources = {passage.source: passage for passage in given}
    order = [int(passage.source.split(".")[0]) for passage in got]
    assert order == sorted(order)
    for passage in got:
        assert passage.text.strip()
        assert passage.tokens == count(passage.text)
        whole = sources[passage.source]
        for at, span in passage.verbatim:
            assert whole.span.start <= span.start < span.end <= whole.span.end
            there = whole.text[span.start - whole.span.start : span.end - whole.span.start]
            assert passage.text[at : at + span.end - span.start] == there
        if passage.parts is None:
            assert passage.text == whole.text
        ends = [at + span.end - span.start for at, span in passage.verbatim]
        starts = [at for at, _ in passage.verbatim]
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def squeezed(name: str, query: str, texts: Sequence[str], tokens: int) -> list[Passage]:
    compress: Compressor = build(name, None, SUPPLIES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        return compress(query, passages(texts), Budget(tokens))


@every_compressor
@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.sampled_from(TEXTS) | st.text(max_size=60), max_size=6), st.sampled_from(QUESTIONS),
    st.integers(0, 200) | st.just(1),
)  # fmt: skip
def test_the_contract(name: str, texts: list[str], query: str, tokens: int) -> None:
    got = squeezed(name, query, texts, tokens)
    held(passages(texts), got, tokens)
    assert squeezed(name, query, texts, tokens) == got  # the same every time


@every_compressor
def test_nothing_to_spend_buys_nothing(name: str) -> None:
    assert squeezed(name, "refunds?", TEXTS, 0) == []


@every_compressor
@pytest.mark.parametrize("scores", [[math.nan] * 3, [0.0] * 3, [-1.0, -2.0, -3.0], [math.inf, 1.0, -math.inf]])
def test_scores_that_tell_nothing(name: str, scores: list[float]) -> None:
    given_ = [replace(one, score=score) for one, score in zip(passages(TEXTS[:3]), scores, strict=True)]
    compress: Compressor = build(name, None, SUPPLIES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        got = compress("how long do refunds take?", given_, Budget(30))
    held(given_, got, 30)
    assert got


@every_compressor
def test_nothing_given(name: str) -> None:
    assert squeezed(name, "refunds?", [], 100) == []
