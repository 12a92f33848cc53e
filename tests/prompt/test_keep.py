"""What a prompt keeps of an earlier one's beginning."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chunkwise.prompt.keep import beginning
from chunkwise.recipe import build, recipes
from chunkwise.units import Passage, Span


def passage(start: int, end: int, score: float, source: str = "a.md") -> Passage:
    """Of one token a character."""
    return Passage(
        (f"{start}",), source, Span(start, end), (1, 1), f"{source}:1", "x" * (end - start), end - start, score
    )


some = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 9), st.sampled_from([-1.0, 0.0, 2.0, 2.0, 5.0])), max_size=6
).map(lambda found: [passage(10 * at, 10 * at + size, score) for at, size, score in sorted(set(found))])
apart = some.map(lambda found: list({one.span.start: one for one in found}.values()))


def spent(kept: list[Passage], wanted: list[Passage]) -> int:
    held = {at for one in wanted for at in range(*one.span)}
    return sum(at not in held for one in kept for at in range(*one.span))


@given(apart, apart, st.integers(0, 40), st.integers(1, 3))
def test_a_beginning_wastes_no_more_than_it_may(
    wanted: list[Passage], before: list[Passage], unwanted: int, edge: int
) -> None:
    kept = beginning(wanted, before, unwanted, edge)
    assert [replace(one, score=0) for one in kept] == [replace(one, score=0) for one in before[: len(kept)]]
    assert spent(kept, wanted) <= unwanted + 1e-9
    if kept:
        assert spent(kept[-1:], wanted) <= len(kept[-1].text) / 2
    best = max((one.score for one in wanted), default=0.0)
    best_ones = [one for one in wanted if one.score == best]
    assert all(spent([one], best_ones) == len(one.text) for one in kept[edge:])  # nothing of the best in the middle


@given(apart, st.lists(apart, max_size=3), st.integers(0, 200))
def test_the_longest_of_all_beginnings(wanted: list[Passage], earlier: list[list[Passage]], budget: int) -> None:
    kept = build("prefix-stable", "layout").keep(wanted, earlier, budget)
    every = [beginning(wanted, before, 0.1 * budget, 2) for before in earlier]
    most = max((sum(one.tokens for one in found) for found in every), default=0)
    assert sum(one.tokens for one in kept) == most


def test_what_is_wanted_whole_is_kept_for_nothing() -> None:
    """A wanted passage that reaches further than the earlier one costs no room; a neighbour document's does."""
    before = [passage(10, 20, 1), passage(30, 40, 1, "b.md")]
    assert [one.source for one in beginning([passage(0, 25, 3)], before, 0, 2)] == ["a.md"]
    assert beginning([passage(0, 25, 3, "c.md")], before, 9, 2) == []
    assert len(beginning([passage(0, 25, 3), passage(30, 36, 1, "b.md")], before, 4, 2)) == 2
    assert beginning([], [], 9, 2) == []


def test_the_others_keep_nothing() -> None:
    for made in recipes("layout"):
        if made.name != "prefix-stable":
            assert build(made.name, "layout").keep([passage(0, 9, 1)], [[passage(0, 9, 1)]], 100) == []
