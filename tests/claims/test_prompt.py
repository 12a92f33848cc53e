"""The claims of the layouts, each with a control that must lose."""

from __future__ import annotations

from itertools import pairwise

from chunkwise.prompt import Prices, prompt, reuse
from chunkwise.prompt.order import Layout
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage, Span


def passage(number: int, score: float) -> Passage:
    text = f"Passage {number} tells of subject {number} and of nothing else. " * 12
    span = Span(1000 * number, 1000 * number + len(text))
    return Passage((f"{number}",), "a.md", span, (number, number), f"a.md:{number}", text, 150, score)


def by_score(passages: list[Passage], earlier: list[list[Passage]]) -> list[Passage]:
    return sorted(passages, key=lambda one: -one.score)


TURNS = [{1: 3, 4: 9, 6: 5, 8: 2}, {1: 2, 2: 6, 4: 3, 6: 8, 8: 1}, {0: 9, 1: 3, 4: 4, 6: 5, 8: 2, 9: 1}]


def test_prefix_stable() -> None:
    """Three questions on one document: how many tokens of the later prompts were read before."""

    def cached(layout: Layout) -> int:
        shown: list[list[Passage]] = []
        total = 0
        for turn, scores in enumerate(TURNS):
            order = layout([passage(number, score) for number, score in scores.items()], shown)
            earlier = [prompt(f"Question {number}?", one) for number, one in enumerate(shown)]
            found = reuse(prompt(f"Question {turn}?", order), earlier, tokenizer(), Prices(2, 1, least=0, block=1))
            total += found.cached
            best = max(order, key=lambda one: one.score)
            if layout is stable:
                assert best in (*order[:2], *order[-2:])
            shown.append(order)
        return total

    stable: Layout = build("prefix-stable", "layout")
    controls = [cached(build("by-position", "layout")), cached(by_score), cached(build("best-at-ends", "layout"))]
    assert cached(stable) > 1.5 * max(controls)


def test_best_at_ends() -> None:
    """Distance from the nearer end grows as the score falls; by position it does as it likes."""
    passages = [passage(number, score) for number, score in enumerate([1, 5, 9, 2, 7, 3, 8])]

    def apart(order: list[Passage]) -> list[int]:
        place = {one.score: min(at, len(order) - 1 - at) for at, one in enumerate(order)}
        return [place[score] for score in sorted(place, reverse=True)]

    ends = apart(build("best-at-ends", "layout")(passages, []))
    assert all(one <= other for one, other in pairwise(ends))
    control = apart(build("by-position", "layout")(passages, []))
    assert any(one > other for one, other in pairwise(control))


def test_by_position() -> None:
    """A story told in four passages stays in sequence; by score its end comes first."""
    story = [passage(number, score) for number, score in enumerate([2, 1, 3, 9])]

    def torn(order: list[Passage]) -> int:
        return sum(one.span > other.span for one, other in pairwise(order))

    assert torn(build("by-position", "layout")(story, [])) == 0 < torn(by_score(story, []))
