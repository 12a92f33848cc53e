"""What every layout keeps, and what of a prompt was read before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.prompt import Prices, prompt, reuse
from chunkwise.prompt.order import in_the_middle
from chunkwise.recipe import build, recipes
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage, Span, content_id

every_layout = pytest.mark.parametrize("name", [made.name for made in recipes("layout")])


def passage(number: int, score: float, text: str) -> Passage:
    span = Span(100 * number, 100 * number + len(text))
    cite = f"{number}.md:1"
    return Passage((content_id(text),), f"{number}.md", span, (1, 1), cite, text, tokenizer().count(text), score)


some = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 4), st.sampled_from(["one", "two\nlines", "", "漢字 😀"])),
    unique_by=lambda one: one[0], max_size=7,
).map(lambda found: [passage(*one) for one in sorted(found)])  # fmt: skip


@every_layout
@given(some, st.lists(some, max_size=3))
def test_nothing_is_lost_and_the_same_is_made_again(
    name: str, passages: list[Passage], earlier: list[list[Passage]]
) -> None:
    layout = build(name, "layout")
    order = layout(passages, earlier)
    assert sorted(one.source for one in order) == sorted(one.source for one in passages)
    assert order == layout(passages, earlier)


@given(some, st.lists(some, max_size=3), st.integers(1, 3))
def test_the_best_is_never_in_the_middle(passages: list[Passage], earlier: list[list[Passage]], edge: int) -> None:
    assert not in_the_middle(build(f"prefix-stable:edge={edge}", "layout")(passages, earlier), edge)


@given(some.filter(len))
def test_the_same_passages_are_the_same_prompt(passages: list[Passage]) -> None:
    """A second question on the same passages reuses all of them, unless that would hide the best."""
    layout = build("prefix-stable:edge=4", "layout")  # seven passages at the most: nowhere is the middle
    first = layout(passages, [])
    assert layout(passages, [first]) == first


@given(st.text(), st.lists(st.text(), max_size=3), st.integers(1, 9), st.integers(0, 20))
def test_what_is_cached_is_a_beginning_in_whole_blocks(new: str, earlier: list[str], block: int, least: int) -> None:
    found = reuse(new, earlier, tokenizer(), Prices(3, 1, block=block, least=least))
    assert 0 <= found.cached <= found.tokens == len(tokenizer().offsets(new).starts)
    assert found.cached % block == 0
    assert found.cached == 0 or found.cached >= least
    assert found.saved == pytest.approx(found.cached * 2 / 1e6)


def test_the_same_prompt_again_is_all_cached() -> None:
    text = prompt("When?", [passage(n, n, f"It was in {n} that it was. " * 20) for n in range(9)])
    found = reuse(text, ["", text], tokenizer(), Prices(2.5, 1.25, block=1))
    assert found.cached == found.tokens > 1024
    assert reuse(text, [], tokenizer(), Prices(2.5, 1.25)).cached == 0
    assert reuse(text[:200], [text], tokenizer(), Prices(2.5, 1.25)).cached == 0  # shorter than what is kept at all
    kept = reuse(text, [], tokenizer(), Prices(2, 0.2, write=2.5))
    assert kept.saved < 0  # keeping what is never asked for again costs


def test_prices_that_are_none() -> None:
    with pytest.raises(UserError, match="0 or more"):
        Prices(-1, 0)
    with pytest.raises(UserError, match="1 token or more"):
        Prices(1, 0, block=0)
