"""Units tile their passages, budgets are shared out to the token, pronouns are resolved or left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_compressors import TEXTS
from test_extract import passage

from chunkwise.compress.coreference import Resolved, antecedents
from chunkwise.compress.extract import kept, told
from chunkwise.compress.group import resized
from chunkwise.compress.keywords import keywords, missing, names
from chunkwise.compress.spend import allotted
from chunkwise.compress.statement import Statement, shared_out
from chunkwise.compress.thought import concluded, enough, thoughts
from chunkwise.compress.unit import key_phrases, paragraphs, phrases, sentences, units
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage, Span


@given(st.sampled_from(TEXTS) | st.text(max_size=200))
def test_units_tile_and_cost_no_less_than_they_say(text: str) -> None:
    whole = passage(text) if text else None
    for cut in (sentences, paragraphs, phrases, thoughts) if whole else ():
        assert "".join(text[start:end] for start, end in cut(whole)) == text
    if whole:
        assert all(text[start:end].strip() for start, end in key_phrases(whole))
        made = units([whole], sentences, tokenizer())
        assert (made.costs >= 1).all()
        assert len(made) or not text.strip()


@given(
    st.lists(st.tuples(st.integers(0, 300), st.floats(0, 10, width=32)), max_size=20), st.integers(0, 1000),
    st.integers(1, 40),
)  # fmt: skip
def test_what_is_shared_out_is_the_budget_at_the_most(groups: list[tuple[int, float]], tokens: int, least: int) -> None:
    costs = np.array([cost for cost, _ in groups], dtype=np.int64)
    weights = np.array([weight for _, weight in groups], dtype=np.float32)
    sizes = allotted(costs, weights, tokens, least)
    assert sizes.sum() <= tokens
    assert (sizes <= costs).all()
    assert ((sizes == 0) | (sizes >= np.minimum(costs, least))).all()


def test_a_group_of_more_weight_gets_more() -> None:
    sizes = allotted(np.array([100, 100, 100]), np.array([1, 2, 3], np.float32), 90)
    assert sizes.tolist() == [15, 30, 45]
    assert allotted(np.array([10, 100]), np.array([9, 1], np.float32), 60).tolist() == [10, 50]


@given(st.integers(0, 200), st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30))
def test_resized_groups_hold_all_units_and_the_low_ones_most(n: int, gains: list[float]) -> None:
    edges = resized(n, np.array(gains, np.float32))
    sizes = np.diff(edges)
    assert edges[0] == 0
    assert edges[-1] == n
    assert (sizes >= 0).all()
    assert sizes[int(np.argmin(gains))] >= sizes[int(np.argmax(gains))] - 1


STORY = (
    "Marie Curie was born in Warsaw. She studied in Paris at the University of Paris. Her work won the Nobel Prize. "
    "It is known that Albert Einstein wrote to her. He admired the Solvay Conference of 1911. It was held in Brussels. "
    "The Beatles came later. Their songs were heard there. They broke up. Zyx sang too. It was loud."
)


def test_pronouns_stand_for_the_last_name_that_agrees() -> None:
    cut = sentences(passage(STORY))
    said = {
        STORY[slice(*span)].strip(): one.said for span, one in zip(cut, antecedents(STORY, cut), strict=True) if one
    }
    assert said["She studied in Paris at the University of Paris."] == "Marie Curie"
    assert said["Her work won the Nobel Prize."] == "Marie Curie's"
    assert said["He admired the Solvay Conference of 1911."] == "Albert Einstein"
    assert not any("It is known" in sentence for sentence in said)


@pytest.mark.parametrize(
    "text",
    ["She left. Nobody knew whose name it was. He stayed.", "In the mill it was dark at noon. It smelt of flour then."],
)
def test_nobody_is_named_where_nobody_was(text: str) -> None:
    assert antecedents(text, sentences(passage(text))) == [None] * len(sentences(passage(text)))


@given(st.sampled_from([*TEXTS, STORY]) | st.text(max_size=200))
def test_resolving_changes_nothing_but_pronouns(text: str) -> None:
    made = Resolved.of(units([passage(text)] if text else [], sentences, tokenizer()))
    for said, plain, one in zip(made.texts, made.units.texts, made.found, strict=True):
        if one is None:
            assert said == plain
        else:
            assert len(said) - len(plain) == len(one.said) - (one.pronoun.end - one.pronoun.start)
            assert one.said in said


def test_a_name_said_instead_is_no_part_of_the_source() -> None:
    whole = passage("Ada came. She wrote the notes. Then it rained.")
    got = kept(whole, [Span(10, 31)], tokenizer(), instead={Span(10, 13): "Ada"})
    assert got is not None
    assert got.text == "Ada wrote the notes."
    assert [(part.at, tuple(part.span)) for part in got.parts or ()] == [(3, (113, 130))]
    written = told(whole, ["a line", Span(31, 47), "  "], tokenizer())
    assert written is not None
    assert written.text == "a line\nThen it rained."
    assert written.origin(7, 22) == Span(131, 146)


def test_keywords() -> None:
    text = (
        "In 2021 Ilse Brandt paid 4,820 crowns [12] for get_user(x), see HTTPServer (Smith, 2020). The rate is 3.5 %."
    )
    assert keywords(text) == [
        "2021",
        "Ilse Brandt",
        "4,820",
        "[12]",
        "get_user",
        "HTTPServer",
        "(Smith, 2020)",
        "3.5 %",
    ]
    assert missing(["ilse brandt", "Lisbon"], text) == ["Lisbon"]
    assert names("The Nile is long. Nothing else.") == [(4, "Nile")]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("So the answer is 1,000.", "1000"), ("The final answer is: **1000.0** crowns", "1000"),
        (r"Thus \boxed{\frac{1}{2}}.", "1/2"), ("Therefore 6 * 7 = 42.", "42"), ("The answer is Paris, since", "pari"),
        ("We add 3 and 4.", None), ("", None), ("the answer is", None), ("The answer is 1/0.", "1/0"),
    ],
)  # fmt: skip
def test_conclusions(said: str, answer: str | None) -> None:
    assert concluded(said) == answer


def test_enough_counts_a_run() -> None:
    assert enough(["a", None, "b", "a", None, "a", "a"], 2) == 6
    assert enough(["a", "b"], 2) == 2
    assert enough([], 2) == 0
    assert enough(["a", "b"], 1) == 1


def test_statements_are_shared_out_so_that_most_passages_have_one() -> None:
    made = shared_out([Statement("x", (0, 1)), Statement("y", (0,)), Statement("z", (2, 0), Span(0, 1))])
    assert [one.of[0] for one in made] == [1, 0, 2]


def test_nothing_is_made_of_no_passages() -> None:
    assert units([], sentences, tokenizer()).assembled([], tokenizer()) == list[Passage]()
