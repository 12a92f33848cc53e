"""Retrieval of documents by few texts written of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chunkwise.errors import UserError
from chunkwise.models import Ask
from chunkwise.recipe import recipe
from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.fuse import best, scaled
from chunkwise.retrieve.notes import Task, written
from chunkwise.retrieve.written.asked import CARD, CARDS, cards, questions
from chunkwise.retrieve.written.key import key_sentences
from chunkwise.retrieve.written.overlap import overlap
from chunkwise.retrieve.written.stand import Standing
from chunkwise.units import Candidates, Floats

COMPRESSION = "Knowledge Compression via Question Generation: Enhancing Multihop Document Retrieval without Fine-tuning"
RERANKED = 64  # candidates whose phrasing is compared with the question's
KEY_OF_CARD = 0.2  # of a document's chunks, from which a card is made where no model has written one

Stand = Callable[[Corpus], Standing]


@recipe(
    "question-compression",
    family="retrieve",
    seed=COMPRESSION,
    claim="finds the document by a fifth of the vectors, and in it the sentence that has the question's phrasing",
)
def question_compression(share: float = 0.2) -> Retriever:
    """Documents by the nearest of their key sentences, then their chunks by the question's words and phrasing.

    share: of a document's chunks that stand for it, at least one. Where no model is asked a document's most telling
    sentences stand in for questions; `question-compression-asked` has questions written. The paper's syntactic
    reranking is reconstructed: words, and pairs of words in the question's order, near each other in the chunk.
    """
    _checked(share)
    return _by_questions(lambda corpus: _standing(corpus, questions(share), share, 0, None))


@recipe(
    "question-compression-asked",
    family="retrieve",
    seed=COMPRESSION,
    claim="finds the document that says it in other words, since a model has asked in the reader's words beforehand",
    aliases=("question-index",),
)
def question_compression_asked(share: float = 0.2, documents: int = 1000, *, ask: Ask) -> Retriever:
    """As `question-compression`, documents found by the nearest of the questions that a model has written of them.

    share: questions for each chunk; documents: how many the model reads, in the order of the index; those beyond, and
    those of which it writes nothing that can be read, are found by their key sentences. All are read when the first
    question is asked, one prompt for each (more where it is long), four at a time; what is written is kept, so that
    only what is new is read again.
    """
    _checked(share, documents)
    return _by_questions(lambda corpus: _standing(corpus, questions(share), share, documents, ask))


@recipe(
    "paper-cards",
    family="retrieve",
    seed=COMPRESSION,
    claim="ranks the document that is about the question above one that mentions its words in passing",
)
def paper_cards(weight: float = 0.5) -> Retriever:
    """BM25 of each chunk, and of a card of at most 300 characters that says what its document is about.

    weight: of the card, where the chunk weighs one, each divided by the best one's score. Where no model is asked a
    card is made of a document's key sentences, cut at 300 characters.
    """
    return _by_cards(weight, lambda corpus: _standing(corpus, cards(), KEY_OF_CARD, 0, None))


@recipe(
    "paper-cards-asked",
    family="retrieve",
    seed=COMPRESSION,
    claim="finds a technical document by a plain question, since a model has said in plain words what it is about",
)
def paper_cards_asked(weight: float = 0.5, documents: int = 1000, *, ask: Ask) -> Retriever:
    """As `paper-cards`, with the cards that a model writes of the first 6,000 characters of each document.

    documents: how many the model reads, in the order of the index. All are read when the first question is asked, one
    prompt for each, four at a time, and the cards are kept.
    """
    _checked(KEY_OF_CARD, documents)
    return _by_cards(weight, lambda corpus: _standing(corpus, cards(), KEY_OF_CARD, documents, ask))


def _by_questions(stand: Stand) -> Retriever:
    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        near = stand(corpus).by_meaning(corpus, query)[corpus.snapshot.document]
        scores = np.where(near > -1, 1 + near + _words(corpus, query), 0).astype(np.float32)
        chosen = best(scores, max(k, RERANKED))
        first = chosen[:RERANKED]
        analyse = corpus.words.terms
        scores[first] += overlap(analyse(query), [analyse(corpus.text(chunk)) for chunk in first.tolist()])
        return candidates(corpus, query, chosen, scores[chosen], k)

    return retrieve


def _by_cards(weight: float, stand: Stand) -> Retriever:
    if weight < 0:
        raise UserError(f"weight={weight:g}: a card weighs 0 or more")

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        about = stand(corpus).by_words(corpus, query)[corpus.snapshot.document]
        scores = _words(corpus, query) + np.float32(weight) * about
        chosen = best(scores, k)
        return candidates(corpus, query, chosen, scores[chosen], k)

    return retrieve


def _words(corpus: Corpus, query: str) -> Floats:
    """The BM25 of each chunk, the best one's as 1; float32 [chunks]."""
    scores, _ = corpus.lexical((0,)).scores(corpus.terms(query))
    shares: Floats = scaled(scores)[0]
    return shares


def _standing(corpus: Corpus, task: Task, share: float, documents: int, ask: Ask | None) -> Standing:
    """The texts of a task, those that a model has written of the first documents and key sentences for all others."""

    def make() -> Standing:
        number = len(corpus.snapshot.sources)
        lines = {} if ask is None else written(corpus, task, range(min(documents, number)), ask)
        texts = {at: _cut(said) if task.kind == CARDS else said for at, said in key_sentences(corpus, share).items()}
        found = [(text, at) for at, said in (texts | lines).items() for text in said]
        return Standing.of(corpus, [text for text, _ in found], [at for _, at in found], task.kind != CARDS)

    return corpus.derived((task.kind, share, documents, ask is None), make)


def _cut(sentences: list[str]) -> list[str]:
    """A card of key sentences: as much of them as it has room for."""
    return [" ".join(" ".join(sentences).split())[:CARD]]


def _checked(share: float, documents: int = 0) -> None:
    if not 0 < share <= 1:
        raise UserError(f"share={share:g}: the share of a document's chunks is above 0 and at most 1")
    if documents < 0:
        raise UserError(f"documents={documents}: give the number that the model may read, 0 or more")
