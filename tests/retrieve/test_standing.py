"""What stands for a document: key sentences, questions, cards; and how a question's phrasing is found again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from chunkwise.retrieve.written.asked import CARD, cards, questions
from chunkwise.retrieve.written.key import key_chunks, key_sentences
from chunkwise.retrieve.written.overlap import overlap
from chunkwise.retrieve.written.stand import JUDGED, Standing

SIZES = (1, 5, 0, 12)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 1.0])
def test_key_sentences_are_a_share_of_every_document(tmp_path: Path, share: float) -> None:
    texts = {f"/{n}": [f"word{at} " * (1 + at % 3) + ". " for at in range(size)] for n, size in enumerate(SIZES)}
    corpus = planted.corpus(tmp_path / "kb", texts)
    chosen, documents = key_chunks(corpus, share)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert documents.tolist() == corpus.snapshot.document[chosen].tolist()
    counts = np.bincount(documents, minlength=len(SIZES)).tolist()
    assert counts == [max(1, math.ceil(share * size)) if size else 0 for size in SIZES]
    assert [len(said) for said in key_sentences(corpus, share).values()] == [count for count in counts if count]


def test_what_says_nothing_stands_for_nothing(tmp_path: Path) -> None:
    telling = ["Quartz sinters in the kiln. ", "Kiln quartz glows. "]
    corpus = planted.corpus(tmp_path / "kb", {"/a": ["Yes. ", *["So it is. "] * 5, *telling], "/b": ["So it is. "] * 9})
    assert [corpus.text(chunk) for chunk in key_chunks(corpus, 0.25)[0].tolist()][:2] == telling


def test_an_index_of_nothing(tmp_path: Path) -> None:
    corpus = planted.corpus(tmp_path / "kb", {}, planted.Trigrams())
    assert len(key_chunks(corpus, 0.2)[0]) == 0
    empty = Standing.of(corpus, [], [])
    assert empty.by_words(corpus, "ash").tolist() == []
    assert empty.by_meaning(corpus, "ash").tolist() == []


def test_the_nearest_text_counts_and_contextual_vectors_decide(tmp_path: Path) -> None:
    scan, judge = planted.Trigrams(), planted.Meanings("tannin oak", "resin fir")
    texts = {f"/{n:03}": ["A tree. "] for n in range(JUDGED + 6)}
    corpus = planted.corpus(tmp_path / "kb", texts, scan, judge)
    said = ["tannic oak", "resin of fir", *[f"tannin fir {n}" for n in range(JUDGED + 2)]]
    standing = Standing.of(corpus, said, [3, 3, *range(4, JUDGED + 6)])
    near = standing.by_meaning(corpus, "tannin")
    assert (near == -1).sum() >= 3  # no text of theirs, or none of the nearest
    alone = planted.corpus(tmp_path / "alone", texts, scan)
    cosines = scan(said) @ scan(["tannin"])[0]
    by_scan = Standing.of(alone, said, [3, 3, *range(4, JUDGED + 6)]).by_meaning(alone, "tannin")
    assert by_scan[3] == pytest.approx(cosines[:2].max(), abs=1e-3)
    assert by_scan[4] == pytest.approx(cosines[2], abs=1e-3)


words = st.lists(st.sampled_from("abcd"), max_size=6)


@given(words, st.lists(words, max_size=5))
def test_overlap_is_a_share(question: list[str], texts: list[list[str]]) -> None:
    shares = overlap(question, texts)
    assert ((shares >= 0) & (shares <= 1)).all()
    for share, text in zip(shares.tolist(), texts, strict=True):
        assert (share > 0) == bool(set(question) & set(text))
    if question:
        assert overlap(question, [question])[0] == 1


def test_overlap_sees_the_order() -> None:
    question = ["dog", "bites", "man"]
    right, far, wrong = "the dog then bites a man", "dog a b c d bites e f g h man", "man bites dog"
    found = overlap(question, [text.split() for text in (right, far, wrong)]).tolist()
    assert found == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Sure!\n1. What is it?\n2) Who made it?\n- What is it?", ["What is it?", "Who made it?"]),
        ("Q1: Warum?\n**Wozu das alles?**", ["Warum?", "Wozu das alles?"]),
        ("それは何ですか？", ["それは何ですか？"]),
        ("It is a mill.", None),
        ("?\n??\n1.", None),
        ("", None),
        ("why " * 500 + "?", [("why " * 500)[:240]]),
    ],
)
def test_questions_of_a_reply(reply: str, expected: list[str] | None) -> None:
    assert questions(0.2).read(reply, 0, 3) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("  A mill that\ngrinds corn. ", ["A mill that grinds corn."]),
        ("ok", None),
        ("", None),
        ("```\n```", None),
        ("corn " * 100, [" ".join(["corn"] * 60)]),
        ("字" * 400, ["字" * CARD]),
    ],
)
def test_the_card_of_a_reply(reply: str, expected: list[str] | None) -> None:
    found = cards().read(reply, 0, 3)
    assert found == expected
    assert found is None or len(found[0]) <= CARD
