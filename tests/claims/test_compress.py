"""Each compressor holds what it claims, where a control does not."""

from __future__ import annotations

from chunkwise.budget import Budget
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage, Span
from supplies import SUPPLIES


def passage(text: str, score: float, start: int = 0) -> Passage:
    span = Span(start, start + len(text))
    return Passage((text,), f"{start}.md", span, (1, 1), f"{start}.md:1", text, tokenizer().count(text), score)


def test_truncate() -> None:
    """The best passage is whole; cutting the passages in the order they stand in would have spent it on the first."""
    dull, best = passage("Nothing of note was said that day. " * 5, 1), passage("Refunds take ten days.", 9, 1000)
    budget = Budget(best.tokens + 4)
    got = build("truncate", "compress", SUPPLIES)("refunds?", [dull, best], budget)
    assert got[-1] == best
    assert got[0].text == "Nothing of note was"
    in_order = tokenizer().offsets(f"{dull.text}{best.text}").starts[budget.tokens]
    assert best.text not in f"{dull.text}{best.text}"[:in_order]
