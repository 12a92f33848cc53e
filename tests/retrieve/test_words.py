"""What a text is searched by."""

from __future__ import annotations

import unicodedata
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.retrieve import words
from chunkwise.retrieve.language import language
from chunkwise.retrieve.words import SNOWBALL, Words, term_hash

any_text = st.text(
    st.one_of(st.sampled_from("aB_c8 'éß漢かกह\u093f\0\ud800’.İ"), st.characters(codec=None)), max_size=40
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("run_coroutine_threadsafe", ["run_coroutine_threadsafe", "run", "coroutine", "threadsafe"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("getURLFor", ["geturlfor", "get", "url", "for"]),
        ("utf8", ["utf8", "utf", "8"]),
        ("__init__", ["init", "init"]),
        ("Plain words, and MORE.", ["plain", "words", "and", "more"]),
        ("NaïveBayes ÉCOLE", ["naïvebayes", "naïve", "bayes", "école"]),
        ("the dog's DOG’S dogs'", ["the", "dog", "dog", "dogs"]),
        ("ＦＵＬＬ ﬁne Straße", ["full", "fine", "strasse"]),
        ("東京都庁", ["東京", "京都", "都庁"]),
        ("漢", ["漢"]),
        ("東京tower", ["東京", "tower"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("हिन्दी தமிழ்", ["हिन्दी", "தமிழ்"]),
        ("Привет МОСКВА", ["привет", "москва"]),
        ("שלום عربي", ["שלום", "عربي"]),
        ("😀 -- ... !", []),
        ("", []),
        ("_ __", []),
        ("x" * 10_000, []),
        ("3.14 v2", ["3", "14", "v2", "v", "2"]),
    ],
)
def test_plain_words(text: str, terms: list[str]) -> None:
    assert Words("").terms(text) == [unicodedata.normalize("NFKC", term) for term in terms]


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("en", "coroutines", "coroutine"),
        ("de", "Häuser", "Hauses"),
        ("fr", "continuellement", "continuelle"),
        ("ru", "книги", "книга"),
    ],
)
def test_stems(code: str, one: str, other: str) -> None:
    assert words(code).terms(one) == words(code).terms(other)
    assert words("").terms(one) != words("").terms(other)


@pytest.mark.parametrize(
    ("code", "stops", "content"),
    [("en", "what's the it's HOW", "system able"), ("de", "der und ist", "Haus"), ("fr", "le des est", "maison")],
)
def test_stop_words(code: str, stops: str, content: str) -> None:
    assert words(code).terms(stops) == []
    assert len(words(code).terms(content)) == len(content.split())
    assert len(words("").terms(stops)) == len(stops.split())


def test_a_language_that_nobody_knows_is_plain() -> None:
    for code in ("", "zh", "xx"):
        assert Words(code).terms("the coroutines") == ["the", "coroutines"]
    for code in SNOWBALL:
        assert Words(code).terms("asyncio")


@given(any_text)
def test_composed_and_decomposed_are_one(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    decomposed = unicodedata.normalize("NFD", "é ü ñ " + composed)
    assert Words("").terms("é ü ñ") == Words("").terms(decomposed)[:3]


@given(any_text, st.sampled_from(["", "en", "fr", "zh"]))
def test_any_text_has_terms(text: str, code: str) -> None:
    analyser = words(code)
    terms = analyser.terms(text)
    assert all(0 < len(term) < 200 for term in terms)
    assert analyser.hashes(text).tolist() == sorted({term_hash(term) for term in terms})
    counted = analyser.count([text, "", text])
    assert counted.lengths.tolist() == [len(terms), 0, len(terms)]
    assert counted.terms.tolist() == analyser.hashes(text).tolist()


@given(st.lists(any_text, max_size=5))
def test_counting_is_reading(texts: list[str]) -> None:
    counted = words("en").count(texts)
    found = np.zeros((len(counted.terms), len(texts)), dtype=int)
    for row in range(len(counted.terms)):
        entries = slice(int(counted.first[row]), int(counted.first[row + 1]))
        assert (np.diff(counted.chunks[entries]) > 0).all()
        found[row, counted.chunks[entries]] = counted.counts[entries]
    for column, text in enumerate(texts):
        expected = [term_hash(term) for term in words("en").terms(text)]
        assert found[:, column].tolist() == [expected.count(term) for term in counted.terms.tolist()]


@given(st.lists(st.text("ab'_ .9é", max_size=40), max_size=8))
def test_short_words_and_long_ones_are_counted_alike(texts: list[str]) -> None:
    """Words of up to eight bytes are numbers, others and those of texts beyond ASCII are strings."""
    analyser = Words("en")
    for _ in range(3):  # new words, then known ones
        counted = analyser.count(texts)
        assert counted.lengths.tolist() == [len(analyser.terms(text)) for text in texts]
        assert counted.terms.tolist() == analyser.hashes(" ".join(texts)).tolist()


def test_known_words_are_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("chunkwise.retrieve.words"), "_WORDS", 10)
    analyser = Words("en")
    for first in "bcdfghjklm":
        texts = [f"{first}{second} {5 * (first + second)}" for second in "bcdfg"]
        counted = analyser.count(texts)
        assert counted.terms.tolist() == analyser.hashes(" ".join(texts)).tolist()
        assert counted.counts.tolist() == [1] * len(counted.counts)


def test_hashes_are_the_same_everywhere() -> None:
    assert term_hash("chunk") == 13584360981741293961
    assert term_hash("\ud800") != term_hash("\udfff")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The committee met on Tuesday and agreed that the bridge should be repaired before winter.", "en"),
        ("Der Ausschuss traf sich am Dienstag und beschloss, die Brücke vor dem Winter zu reparieren.", "de"),
        ("Le comité s'est réuni mardi et a décidé que le pont devait être réparé avant l'hiver prochain.", "fr"),
        ("Комитет собрался во вторник и решил, что мост должен быть отремонтирован до зимы.", "ru"),
        (
            "委員会は火曜日に会合を開き、冬が来る前に橋を修理すべきであると決定しました。橋は古く、修理が必要です。",
            "ja",
        ),
        ("too short", ""),
        ("", ""),
        (" " * 500, ""),
        ("\0\ud800" * 100, ""),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert language(text) == code


def test_source_code_reads_as_english() -> None:
    assert (
        language("def addiere(zahl, summe): return zahl + summe  # addiert eine Zahl zur Summe", "text/x-python")
        == "en"
    )
