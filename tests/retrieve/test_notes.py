"""What a model writes about documents is asked for once, kept, and done without where it does not come."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest

import planted
from chunkwise.errors import EndpointError, FallbackWarning, StoreError
from chunkwise.llm import endpoint
from chunkwise.models import Ask
from chunkwise.prompt import Message
from chunkwise.retrieve import Corpus
from chunkwise.retrieve.notes import SHOWN, Task, written
from llm_server import Server, answering, status

TEXTS = {f"/{n}": [f"Note {n} is here. ", f"It says {n}. "] for n in range(9)}
ODD = "NUL \0, a lone \ud800, two\r\nlines\u2028more"


def task(kind: str = "lines", most: int = 1000) -> Task:
    def prompt(texts: Sequence[str], first: int) -> str:
        return f"{first}: {''.join(texts)}"

    def read(reply: str, first: int, last: int) -> list[str] | None:
        return [f"{first}-{last} {reply}"] if reply else None

    return Task(kind, prompt, read, "nothing is done", most)


def corpus(path: Path, texts: dict[str, list[str]] = TEXTS) -> Corpus:
    return planted.corpus(path / "kb", texts)


def test_what_is_written_is_kept_for_the_next_process(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return prompt[-10:-1]

    first = written(made, task(), range(4), ask)
    assert first == {n: [f"0-1 t says {n}."] for n in range(4)}
    assert len(asked) == 4
    assert written(made, task(), range(6), ask) == first | {n: [f"0-1 t says {n}."] for n in (4, 5)}
    assert len(asked) == 6
    again = Corpus(made.store, None, None)
    assert written(again, task(), range(6), ask) == written(made, task(), range(6), ask)
    assert len(asked) == 6
    assert len(written(again, task("others"), range(2), ask)) == 2  # another kind is another matter
    assert len(asked) == 8


def test_long_documents_are_shown_in_parts(tmp_path: Path) -> None:
    made = corpus(tmp_path, {"/long": ["x" * 2500 + " "] * 5, "/line": ["y" * (3 * SHOWN)]})
    shown: list[str] = []

    def ask(prompt: str) -> str:
        shown.append(prompt)
        return "ok"

    assert written(made, task(), [0, 1], ask) == {0: ["0-0 ok"], 1: ["0-1 ok", "2-3 ok", "4-4 ok"]}
    assert max(map(len, shown)) <= SHOWN + 10
    assert written(made, task("first", most=1), [1], ask) == {1: ["0-1 ok"]}


def test_replies_that_cannot_be_used_are_said_and_not_asked_for_again(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "" if "says 1" in prompt else ODD

    with pytest.warns(FallbackWarning, match="1 of 3 replies could not be used; there: nothing is done"):
        found = written(made, task(), range(3), ask)
    assert sorted(found) == [0, 2]
    assert written(made, task(), range(3), ask) == found
    assert len(asked) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        assert written(Corpus(made.store, None, None), task(), range(3), ask) == found
    assert len(asked) == 4  # the next process asks for what is missing, and for no other


def test_a_dead_model_costs_a_few_questions_and_loses_nothing(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) > 4:
            raise EndpointError("no answer in 60 s")
        return "ok"

    with pytest.warns(FallbackWarning, match="no answer in 60 s"):
        found = written(made, task(), range(9), ask)
    assert sorted(found) == [0, 1, 2, 3]
    assert len(asked) <= 4 + 2 * 4
    assert sorted(made.store.notes("lines", made.snapshot.contents)) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [StoreError("read-only"), StoreError("the disk is full")])
def test_a_store_that_cannot_be_written_leaves_them_to_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: StoreError
) -> None:
    made = corpus(tmp_path)

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(made.store, "put_notes", refuse)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "ok"

    assert written(made, task(), [0], ask) == written(made, task(), [0], ask) == {0: ["0-1 ok"]}
    assert len(asked) == 1


def asker(server: Server) -> Ask:
    llm = endpoint(server.spec, key="", backoff=0.001, retries=1)
    return lambda prompt: llm.complete([Message(role="user", content=prompt)]).text


def test_over_the_real_protocol(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    with Server(answering(lambda prompt: f"heard {len(prompt)}")) as server:
        assert len(written(made, task(), range(9), asker(server))) == 9
        assert len(server.requests) == 9
    with Server(status(500, "no")) as server, pytest.warns(FallbackWarning, match="no"):
        assert written(made, task("other"), [0], asker(server)) == {}
