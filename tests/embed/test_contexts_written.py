"""Contexts that are written for chunks: asked once, kept, fallen back on, and found by their words."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chunkwise.embed import embedder
from chunkwise.embed.written import MOST_WORDS, asked, outlined
from chunkwise.errors import EndpointError, FallbackWarning, UnansweredWarning, UserError
from chunkwise.index import Index
from chunkwise.models import Kept
from chunkwise.supplies import supplies
from chunkwise.units import Document, Span
from llm_server import Server, whole

TEXT = "The kiln of Marlow was built in 1911.\n\nIt is fired twice a week. It is never let cold.\n\n"
DOCUMENT = Document.of(TEXT, "/kiln")
SPANS = [Span(0, 39), Span(39, 66), Span(66, len(TEXT))]


def prefix_of(texts: list[str]) -> str:
    """What all the texts begin with."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)


class Scripted:
    """Answers in turn; keeps what it was asked."""

    def __init__(self, *replies: str | Exception) -> None:
        self.replies, self.prompts = list(replies), list[str]()

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        said = self.replies[min(len(self.prompts), len(self.replies)) - 1]
        if isinstance(said, Exception):
            raise said
        return said


def test_a_chunk_is_asked_about_once() -> None:
    ask, notes = Scripted("Of the kiln of Marlow."), Kept()
    contexts = asked(ask, notes, 1000)
    assert contexts(DOCUMENT, SPANS[:2]) == ["Of the kiln of Marlow."] * 2
    assert contexts(DOCUMENT, SPANS) == ["Of the kiln of Marlow."] * 3
    assert len(ask.prompts) == 3
    assert asked(Scripted(EndpointError("down")), notes, 1000)(DOCUMENT, SPANS) == ["Of the kiln of Marlow."] * 3


def test_prompts_share_all_that_stands_before_the_chunk() -> None:
    ask = Scripted("Something to say.")
    asked(ask, Kept(), 1000)(DOCUMENT, SPANS)
    prefix = prefix_of(ask.prompts)
    assert TEXT in prefix
    assert all(len(prompt) - len(prefix) < 400 for prompt in ask.prompts)
    ask = Scripted("Something to say.")
    long = Document.of("A sentence of a long story. " * 400)
    asked(ask, Kept(), 1000)(long, [Span(at, at + 28) for at in range(1008, 1904, 28)])
    assert len(prefix_of(ask.prompts)) > 1000
    assert max(map(len, ask.prompts)) < 2200


@pytest.mark.parametrize("nonsense", ["", "   ", "```\n```", "42", "\0\ud83d", "?!"])
def test_without_a_reply_that_says_something_the_chunk_stands_alone(nonsense: str) -> None:
    with pytest.warns(FallbackWarning, match="3 of 3 replies could not be used; there: the chunk stands alone") as told:
        assert asked(Scripted(nonsense), Kept(), 1000)(DOCUMENT, SPANS) == ["", "", ""]
    assert len(told) == 1


def test_a_reply_is_made_one_line_and_no_longer_than_it_may_be() -> None:
    said = "Here is the context for this chunk: \n**The kiln\nof Marlow** " + "and more " * 200
    (context,) = asked(Scripted(said), Kept(), 1000)(DOCUMENT, SPANS[:1])
    assert "\n" not in context
    assert len(context.split()) <= MOST_WORDS
    assert context.startswith("The kiln of Marlow")


def test_a_blank_chunk_is_not_asked_about() -> None:
    ask = Scripted("never")
    assert asked(ask, Kept(), 100)(Document.of("  \n "), [Span(0, 2), Span(2, 4)]) == ["", ""]
    assert ask.prompts == []


def test_a_dead_model_costs_one_warning_and_the_next_run_asks_again(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("kiln", "ferry"):
        (tmp_path / "docs" / f"{name}.txt").write_text(f"The {name} of Marlow.\n\nIt is fired twice a week.\n")
    models: dict[str, Any] = {"ask": lambda: Scripted(EndpointError("no route to host"))}
    chosen: dict[str, Any] = {"vectors": "eager", "embedder": "contextual", "segmenter": "recursive:size=12"}
    with Index.open(tmp_path / "kb", supplies=models, **chosen) as index:
        with pytest.warns(UnansweredWarning) as told:
            report = index.add(tmp_path / "docs")
        assert len(told) == 1
        assert len(report.unanswered) == 2
        plain = index.corpus().snapshot.matrix
        assert plain is not None
        plain = plain.copy()
        assert index.pack("pottery", 50, retriever="bm25").passages == ()
    ask = Scripted("About pottery in the north.")
    with Index.open(tmp_path / "kb", supplies={"ask": lambda: ask}) as index:
        index.add(tmp_path / "docs")
        assert len(ask.prompts) == len(index.corpus())
        assert index.pack("pottery", 50, retriever="bm25").passages
        matrix = index.corpus().snapshot.matrix
        assert matrix is not None
        assert (np.abs(matrix - plain).max(axis=1) > 0.01).all()  # vectors of places are made anew with their context


@pytest.mark.parametrize("vectors", ["eager", "lazy"])
def test_through_the_protocol(tmp_path: Path, vectors: Any) -> None:
    """The context is searched as words and made part of vectors; passages are the document's own text."""
    with (
        Server(whole("It is about the pottery kiln of Marlow.")) as server,
        Index.open(
            tmp_path / "kb", vectors=vectors, embedder="contextual", supplies=supplies(llm=server.spec)
        ) as index,
    ):
        index.add_documents([DOCUMENT])
        before = len(server.requests)
        assert before == len(index.corpus())
        for retriever in ("bm25", "multiscale"):
            pack = index.pack("pottery", 200, retriever=retriever)
            assert pack.passages
            assert all(passage.text in TEXT for passage in pack.passages)
        assert len(server.requests) == before


def test_it_needs_a_model_and_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for vectors in ("eager", "lazy"):
        with pytest.raises(UserError, match="contextual needs a language model"):
            Index.open(tmp_path / vectors, vectors=vectors, embedder="contextual")
        assert not (tmp_path / vectors).exists()


def test_the_outline_needs_none() -> None:
    text = "# Kilns\n\nThe kiln of Marlow was built in 1911.\n\n## Use\n\nIt is fired twice a week.\n"
    document = Document.of(text, "kiln.md", "text/markdown", title="Handbook")
    first, used = Span(0, 48), Span(text.index("It is"), len(text))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = outlined(document, [used, first])
    assert told[0] == "Handbook. Kilns The kiln of Marlow was built in 1911. Kilns > Use."
    assert outlined(Document.of(""), [Span(0, 0)]) == [""]
    assert embedder("contextual-outline").name == "contextual-outline-minilm-53aa5117"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("late-chunking:of=static", "pools token states"),
        ("heterag:chunk=0,neighbours=0,section=0,document=0", "weights"),
        ("heterag:chunk=-1", "weights"),
        ("sitemb:of=static", "pools token states"),
        ("late-chunking:of=no-such-model", "no embedder"),
    ],
)
def test_specs_that_make_no_embedder(spec: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        embedder(spec)
