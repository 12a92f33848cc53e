"""What flows are made of: conditions told from words, and questions that grow by what is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from chunkwise.errors import EndpointError, FallbackWarning, UnknownRecipe, UserError
from chunkwise.recipe import build, check
from chunkwise.retrieve import words
from chunkwise.retrieve.flow.condition import CONDITIONS, condition
from chunkwise.retrieve.flow.feedback import expanded


@pytest.mark.parametrize(
    ("name", "holds", "fails"),
    [
        ("short", "refund times", "how long does it take until a refund is paid?"),
        ("short", "", "one two three four five"),
        ("code", "what does run_coroutine_threadsafe do", "what does it do"),
        ("code", "HTTPServer.serve_forever", "e.g. this, i.e. that"),
        ("code", "where is src/main read", "and so on. Then what?"),
        ("code", "the --verbose flag", "a well-known fact"),
        ("number", "rule 34", "rule thirty-four"),
        ("quoted", 'who said "so be it"?', "who said it's so?"),
        ("several", "compare tin and lead", "what is tin"),
        ("several", "what is tin? what is lead?", "what is tin?"),
    ],
)
def test_conditions(name: str, holds: str, fails: str) -> None:
    assert condition(name)(holds)
    assert not condition(name)(fails)
    assert condition(f"not {name}")(fails)


@given(st.sampled_from(sorted(CONDITIONS)), st.text())
def test_any_text_is_one_or_the_other(name: str, text: str) -> None:
    assert condition(name)(text) != condition(f"not {name}")(text)


@pytest.mark.parametrize("name", ["", "nonesuch", "not", "not nonesuch"])
def test_no_such_condition(name: str) -> None:
    with pytest.raises(UserError, match="there are short, code"):
        build(f"conditional:when={name}", "retrieve")


@given(st.text(), st.lists(st.text()), st.integers(0, 5))
def test_a_question_only_grows(question: str, texts: list[str], terms: int) -> None:
    grown = expanded(question, texts, words("en").terms, terms)
    assert grown.startswith(question)
    assert len(grown.split()) <= len(question.split()) + sum(len(text.split()) for text in texts)


def test_a_question_grows_by_what_the_found_share() -> None:
    texts = ["Odile Varn built it in 1871.", "It was “Varn” who kept the lamp.", "Nothing is known."]
    assert expanded("who built it?", texts, words("en").terms, 1) == "who built it? Varn"


def test_a_flow_of_what_is_not_there() -> None:
    for spec in ("linear:steps=bm25>nonesuch", "branching:of=bm25+nonesuch", "looping:of=nonesuch"):
        with pytest.raises(UnknownRecipe, match="nonesuch"):
            check(spec, "retrieve")
    with pytest.raises(UserError, match="no retriever"):
        build("branching:of=", "retrieve")
    with pytest.raises(UnknownRecipe, match="no parameter 'of'"):
        build("linear:steps=dense>bm25", "retrieve")


def failing(prompt: str) -> str:
    raise EndpointError("the endpoint is gone")


@pytest.mark.parametrize("ask", [lambda prompt: "", lambda prompt: "\x00\n\n", lambda prompt: "Enough.", failing])
def test_a_model_that_is_no_help_costs_nothing(tmp_path: Path, ask: Callable[[str], str]) -> None:
    corpus = planted.corpus(tmp_path / "kb", {"/a": ["ash elm. ", "oak. "], "/b": ["elm. "]})
    retrieve = build("looping-asked:of=bm25", "retrieve", {"ask": lambda: ask})
    if ask is failing:
        with pytest.warns(FallbackWarning, match="the endpoint is gone"):
            found = retrieve(corpus, "elm", 5)
    else:
        found = retrieve(corpus, "elm", 5)
    assert found.ids.tolist() == build("bm25", "retrieve")(corpus, "elm", 5).ids.tolist()


def test_flows_nest(tmp_path: Path) -> None:
    corpus = planted.corpus(tmp_path / "kb", {"/a": ["ash elm. ", "oak. "], "/b": ["elm. "]})
    spec = "conditional:when=short,then=[branching:of=[looping:of=bm25,rounds=2]+[dense]],otherwise=bm25"
    assert len(build(spec, "retrieve")(corpus, "elm", 5))
