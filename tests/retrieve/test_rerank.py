"""The recipe `rerank`: what is read, how often, and how the judge's scores meet the first ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planted
from chunkwise.errors import ModelError, UserError
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus
from chunkwise.retrieve.judge import Reading, judge
from chunkwise.retrieve.judge.in_context import InContext
from chunkwise.units import Candidates, Span
from llm_server import Server, Talk, as_json, status

PADDING = [f"{'filler ' * 30}{number}. " for number in range(10)]
TEXTS = {
    "/a": [*PADDING, "ash and elm. ", "the oak stands. ", *PADDING],
    "/b": [*PADDING, "ash, only ash, ash. ", *PADDING],
}


def liking(word: str, high: float = 9.0) -> Any:
    """An endpoint that gives `high` to each document that holds the word, and 1 to the others."""

    def answer(talk: Talk) -> None:
        documents = talk.asked.body["documents"]
        scores = [{"index": at, "relevance_score": high if word in text else 1} for at, text in enumerate(documents)]
        as_json({"results": scores})(talk)

    return answer


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return planted.corpus(tmp_path / "kb", TEXTS)


def texts(corpus: Corpus, found: Candidates) -> list[str]:
    return [corpus.text(int(chunk)) for chunk in found.ids]


def test_the_judge_and_the_first_ranking_add_up(corpus: Corpus) -> None:
    with Server(liking("elm")) as server:
        spec = f"rerank:of=bm25,window=0,model={server.spec}"
        first = build("bm25")(corpus, "ash", 9)
        found = build(f"{spec},weight=2")(corpus, "ash", 9)
        assert texts(corpus, first) == ["ash, only ash, ash. ", "ash and elm. "]
        assert texts(corpus, found) == ["ash and elm. ", "ash, only ash, ash. "]
        np.testing.assert_allclose(found.scores, [2 + first.scores[1] / first.scores[0], 1], atol=1e-6)
        assert texts(corpus, build(f"{spec},weight=0")(corpus, "ash", 9)) == texts(corpus, first)
        assert len(build(spec)(corpus, "ash", 1)) == 1


def test_a_window_is_read_once_a_question(corpus: Corpus) -> None:
    with Server(liking("elm")) as server:
        rerank = build(f"rerank:of=bm25,window=40,model={server.spec}")
        found = rerank(corpus, "ash", 9)
        again = rerank(corpus, "ash", 9)
        assert [request.body["query"] for request in server.requests] == ["ash"]
        assert any("elm" in text and "oak" in text for text in server.requests[0].body["documents"])
        assert again.ids.tolist() == found.ids.tolist()
        rerank(corpus, "elm", 9)
        assert [request.body["query"] for request in server.requests] == ["ash", "elm"]
    assert "the oak stands. " in texts(corpus, found)  # it was read, so it may be taken, though no word found it
    assert (np.diff(found.scores) <= 0).all()


def test_equal_scores_change_nothing(corpus: Corpus) -> None:
    with Server(liking("elm", high=1)) as server:
        found = build(f"rerank:of=bm25,window=0,model={server.spec}")(corpus, "ash", 9)
    assert texts(corpus, found) == texts(corpus, build("bm25")(corpus, "ash", 9))


def test_what_is_not_read_keeps_its_place_behind(tmp_path: Path) -> None:
    many = planted.corpus(tmp_path / "kb", {f"/{n:02}": [f"ash {'x ' * n}. ", *PADDING] for n in range(12)})
    first = build("bm25")(many, "ash", 12)
    with Server(liking("x x x")) as server:
        found = build(f"rerank:of=bm25,readings=5,window=0,model={server.spec}")(many, "ash", 12)
        assert len(server.requests[0].body["documents"]) == 5
    assert set(found.ids[:5].tolist()) == set(first.ids[:5].tolist())
    assert found.ids[5:].tolist() == first.ids[5:].tolist()


def test_nothing_found_asks_no_judge(corpus: Corpus) -> None:
    with Server(status(500, "must not be asked")) as server:
        assert len(build(f"rerank:of=bm25,model={server.spec}")(corpus, "yew", 9)) == 0
        assert server.requests == []


@pytest.mark.parametrize("setting", ["readings=0", "readings=-1", "window=-1", "model=nowhere", "of=nothing"])
def test_settings_that_mean_nothing(setting: str) -> None:
    with pytest.raises(UserError):
        build(f"rerank:{setting}")


def test_without_minilm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        InContext()


def test_a_chunk_means_what_it_means_where_it_stands() -> None:
    reader = judge("minilm")
    about, it = "The kiln was built in the northern workshop. ", "It burns at forty degrees. "
    text, spans = about + it, (Span(0, len(about)), Span(len(about), len(about + it)))
    (alone,) = reader("How hot is the kiln?", [Reading(it, (Span(0, len(it)),))])
    (together, whole) = reader("How hot is the kiln?", [Reading(text, spans), Reading(text, spans, complete=True)])
    assert together[1] > alone[0] + 0.1
    assert whole[0] == whole[1]
    assert all(-1 <= cosine <= 1 for scores in (alone, together, whole) for cosine in scores.tolist())


@pytest.mark.parametrize("text", ["", "\0", "\ud800 x", "漢字" * 900, "word " * 900, "😀\r\n"])
def test_odd_texts_have_scores(text: str) -> None:
    spans = (Span(0, len(text) // 2), Span(len(text) // 2, len(text)), Span(len(text), len(text)))
    (found,) = judge("minilm")("\ud800 why?", [Reading(text, spans)])
    assert found.dtype == np.float32
    assert found.shape == (3,)
    assert np.isfinite(found).all()
