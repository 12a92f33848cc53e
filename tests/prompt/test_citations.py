"""Reading citations out of a reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.prompt import cited, uncited
from chunkwise.units import Passage, Span

THREE = [Passage((str(n),), "a.md", Span(0, 1), (1, 1), "a.md:1", "x", 1, 1.0) for n in range(3)]


@pytest.mark.parametrize(
    ("answer", "used", "invented"),
    [
        ("", (), ()),
        ("No citation (1).", (), ()),
        ("Yes [1].", (1,), ()),
        ("Yes[2], no [1], yes [2].", (2, 1), ()),
        ("Yes [3, 1].", (3, 1), ()),
        ("Yes [1; 2].", (1, 2), ()),
        ("Yes [2][3].", (2, 3), ()),
        ("Yes [1-3].", (1, 2, 3), ()),
        ("Yes [3–2].", (2, 3), ()),
        ("Yes [1, 2-3]", (1, 2, 3), ()),
        ("Yes 【2】", (2,), ()),
        ("Yes [9].", (9,), (9,)),
        ("Yes [0] and [1].", (0, 1), (0,)),
        ("Yes [2-9].", (2, 3, 9), (9,)),
        ("Yes [1-999999999].", (1, 2, 3, 999999999), (999999999,)),
        ("Use `args[0]` or\n```py\nx[7] = `y`\n```\nas in [1].", (1,), ()),
        ("A lone ` tick [1] and [9].", (1, 9), (9,)),
        ("A link [text](x), [1a], [], [ 2 ].", (2,), ()),
        ("[" + "9" * 10_000 + "]", (), ()),
    ],
)
def test_cited(answer: str, used: tuple[int, ...], invented: tuple[int, ...]) -> None:
    found = cited(answer, THREE)
    assert found.used == used
    assert found.invented == invented
    assert found.valid == tuple(n for n in used if n not in invented)


def test_without_passages_every_citation_is_invented() -> None:
    assert cited("Yes [1-2].", []).invented == (1, 2)


@given(st.text(alphabet="[]0123456789,-– `a【】\n"))
def test_any_text(answer: str) -> None:
    found = cited(answer, THREE)
    assert set(found.valid) == set(found.used) & {1, 2, 3}
    assert set(found.valid) | set(found.invented) == set(found.used)
    assert len(set(found.used)) == len(found.used)


@pytest.mark.parametrize(
    ("answer", "bare"),
    [
        ("Yes [1].", "Yes ."),
        ("[2] Ten days [1, 3-4]", " Ten days "),
        ("`a[1]` of 【2】 three", "`a[1]` of  three"),
        ("No [citation] (1) [x]", "No [citation] (1) [x]"),
        ("", ""),
    ],
)
def test_an_answer_without_its_citations(answer: str, bare: str) -> None:
    assert uncited(answer) == bare


@given(st.text(alphabet="ab [1,2]`\n"))
def test_what_is_left_cites_nothing_more(answer: str) -> None:
    bare = uncited(answer)
    assert len(bare) <= len(answer)
    if "[" not in bare:
        assert not cited(bare, THREE).used
