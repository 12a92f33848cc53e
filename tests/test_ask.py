"""Asking: with no model, with an endpoint, and with one that invents."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from chunkwise.ask import ask
from chunkwise.errors import EndpointError, UserError
from chunkwise.llm import NOTHING_FOUND, Usage, endpoint
from chunkwise.units import Passage, Span
from llm_server import MODEL, Server, dropped, status, streamed


@dataclass(frozen=True)
class Packed:
    passages: tuple[Passage, ...]


LEGS = "Spiders have eight legs. Insects have six."
PACK = Packed(
    (
        Passage(("a",), "shop.md", Span(5, 20), (2, 2), "shop.md:2", "Closed on Mondays", 4, 0.5),
        Passage(("b",), "bugs.md", Span(100, 100 + len(LEGS)), (9, 9), "bugs.md:9", LEGS, 10, 2.0),
    )
)
QUESTION = "How many legs have spiders?"


def test_without_a_model() -> None:
    shown: list[str] = []
    answer = ask(PACK, QUESTION, on_text=shown.append)
    assert answer.text == "".join(shown) == "Spiders have eight legs. [2]"
    assert answer.found
    assert answer.json() == {
        "answer": "Spiders have eight legs. [2]",
        "found": True,
        "citations": [
            {"number": 2, "source": "bugs.md", "start": 100, "end": 124, "lines": [9, 9], "cite": "bugs.md:9"}
        ],
        "invented": [],
        "model": "extractive",
        "usage": None,
    }


def test_nothing_found() -> None:
    answer = ask(PACK, "Who wrote Hamlet?")
    assert (answer.text, answer.citations, answer.found) == (NOTHING_FOUND, (), False)


def test_by_an_endpoint() -> None:
    shown: list[str] = []
    with Server(streamed("Eight [2], and closed on Mondays [1][2].")) as server:
        answer = ask(PACK, QUESTION, endpoint(server.spec), shown.append)
    assert answer.text == "".join(shown) == "Eight [2], and closed on Mondays [1][2]."
    assert len(shown) > 1
    assert [citation.cite for citation in answer.citations] == ["bugs.md:9", "shop.md:2"]
    assert (answer.model, answer.usage, answer.invented, answer.found) == (MODEL, Usage(11, 7), (), True)
    assert answer.json()["usage"] == {"prompt_tokens": 11, "completion_tokens": 7}
    assert json.loads(json.dumps(answer.json())) == answer.json()
    system, user = server.requests[0].body["messages"]
    assert "[1] shop.md:2\nClosed" in user["content"]
    assert user["content"].endswith(f"Question: {QUESTION}")
    assert system["role"] == "system"


def test_an_invented_citation_is_flagged() -> None:
    with Server(streamed("Eight [9], surely [2].")) as server:
        answer = ask(PACK, QUESTION, endpoint(server.spec))
    assert answer.invented == (9,)
    assert answer.json()["invented"] == [9]
    assert [citation.number for citation in answer.citations] == [2]


def test_a_reply_that_rests_on_nothing() -> None:
    with Server(streamed("The passages do not say.")) as server:
        assert not ask(PACK, QUESTION, endpoint(server.spec)).found


def test_an_empty_pack_costs_no_request() -> None:
    with Server(streamed("x")) as server:
        answer = ask(Packed(()), QUESTION, endpoint(server.spec))
        assert server.requests == []
    assert (answer.text, answer.found, answer.model) == (NOTHING_FOUND, False, MODEL)


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question(question: str) -> None:
    with pytest.raises(UserError, match="question is empty"):
        ask(PACK, question)


def test_the_endpoint_s_trouble_is_passed_on() -> None:
    shown: list[str] = []
    with Server(status(401, "no such key"), dropped("Eight le")) as server:
        model = endpoint(server.spec, backoff=0.001)
        with pytest.raises(EndpointError, match="no such key"):
            ask(PACK, QUESTION, model, shown.append)
        assert shown == []
        with pytest.raises(EndpointError, match="incomplete"):
            ask(PACK, QUESTION, model, shown.append)
    assert "".join(shown) == "Eight le"
