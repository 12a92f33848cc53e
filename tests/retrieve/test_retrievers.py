"""The contract of every retriever, and the corpus that they ask."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import planted
from chunkwise.embed import Distilled
from chunkwise.errors import StaleError
from chunkwise.recipe import build, find, recipes
from chunkwise.retrieve import Corpus
from chunkwise.store import SQLiteStore
from chunkwise.units import Floats
from supplies import SUPPLIES

Modes = Callable[[dict[str, list[str]]], list[Corpus]]

ASKED_FOR = "multiscale:bridge=3,titles=1,near=1,peaked=1,bought=1"  # what is off unless asked for
every_retriever = pytest.mark.parametrize(
    "name", [*(made.name for made in recipes() if made.makes == "retrieve"), ASKED_FOR]
)
BY_VECTORS = ("dense", "coded", "relative-representations")  # they find whatever is nearest, near or not
ALPHABET = ["ash", "birch", "cedar", "elm", "fir", "the"]
chunks = st.lists(st.lists(st.sampled_from(ALPHABET), max_size=4).map(lambda chunk: " ".join(chunk) + ". "), max_size=8)
documents = st.dictionaries(st.sampled_from(["/a", "/b", "/c"]), chunks)
WOOD = {"/a": ["ash elm. ", "the oak. ", "fir. "] * 5, "/b": ["ash elm. ", "birch and cedar. "], "/c": ["fir. "]}


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Modes:
    """Texts as corpora with static and contextual vectors, with one space for both, with static ones alone, with none.

    Every call gives stores of its own, since retrievers keep vectors in them; equal texts are indexed once and copied.
    """

    @cache
    def indexed(texts: str, scanned: bool) -> Path:
        path = tmp_path_factory.mktemp("indexed") / "kb"
        store = planted.store(path, json.loads(texts), planted.Trigrams() if scanned else None)
        store.snapshot()
        store.close()
        return path

    def corpora(texts: dict[str, list[str]]) -> list[Corpus]:
        static, contextual = planted.Trigrams(), planted.Trigrams(96, "contextual")
        made = []
        for scan, judge in ((static, contextual), (static, static), (static, None), (None, None)):
            copied = tmp_path_factory.mktemp("kb") / "kb"
            shutil.copytree(indexed(json.dumps(texts), scan is not None), copied)
            made.append(Corpus(SQLiteStore(copied), scan, judge))
        return made

    return corpora


@every_retriever
@settings(deadline=None, max_examples=8, phases=(Phase.explicit, Phase.generate))
@given(
    texts=documents, query=st.lists(st.sampled_from([*ALPHABET, "yew"]), max_size=3).map(" ".join), k=st.integers(1, 30)
)
def test_the_contract(name: str, modes: Modes, texts: dict[str, list[str]], query: str, k: int) -> None:
    retrieve = build(name, "retrieve", SUPPLIES)
    for corpus in modes(texts):
        found = retrieve(corpus, query, k)
        n = len(found)
        assert n <= min(k, len(corpus))
        assert len(set(found.ids.tolist())) == n
        assert (found.ids.dtype, found.scores.dtype, found.costs.dtype) == (np.int64, np.float32, np.int64)
        assert np.isfinite(found.scores).all()
        order = list(zip((-found.scores).tolist(), found.ids.tolist(), strict=True))
        assert order == sorted(order)
        assert (found.costs >= 1).all()
        assert found.costs.tolist() == corpus.snapshot.tokens[found.ids].tolist()
        assert found.vectors is None or found.vectors.shape == (n, 64)
        assert found.aspects is None or len(found.aspects) == n
        again = retrieve(Corpus(corpus.store, corpus.scan, corpus.judge), query, k)
        assert again.ids.tolist() == found.ids.tolist()
        np.testing.assert_array_equal(again.scores, found.scores)


@every_retriever
@pytest.mark.parametrize("query", ["ash", "yew", "the of and", "?!", "\0\ud800", "ash " * 2000, "漢字"])
def test_an_empty_index_and_odd_questions(name: str, query: str, modes: Modes) -> None:
    retrieve = build(name, "retrieve", SUPPLIES)
    for corpus in modes({}):
        assert len(retrieve(corpus, query, 10)) == 0
    for corpus in modes(WOOD):
        found = retrieve(corpus, query, 10)
        if corpus.scan is None and ("ash" not in query or name in BY_VECTORS):
            assert len(found) == 0
        elif "ash" in query and name not in BY_VECTORS:
            # A model that means nothing by it may put any other first.
            among = found.ids if "lm" in find(name.partition(":")[0]).models else found.ids[:1]
            assert "ash elm. " in {corpus.text(int(chunk)) for chunk in among}


@every_retriever
def test_odd_texts(name: str, modes: Modes) -> None:
    texts = {
        "/blank": ["", " \n", "\0\0"],
        "/line": [f"One endless line of Ash Wood and {'elm ' * 4000}"],
        "/odd": [
            "Ash\r\nElm \ud800 Fir. ",
            "שלום ash 漢字かな交じり文。",
            "🌲🌳 é ﷽ Ash. ",
            "| ash | 1 |\n| --- | --- |\n",
        ],
    }
    retrieve = build(name, "retrieve", SUPPLIES)
    for corpus in modes(texts):
        for query in ("Ash Wood", "漢字", "\ud800", "| 1 |"):
            found = retrieve(corpus, query, 5)
            assert len(found) <= 5
            assert np.isfinite(found.scores).all()
            assert [corpus.text(int(chunk)) for chunk in found.ids] == list(found.texts or ())


@every_retriever
def test_equals_stand_in_index_order(name: str, tmp_path: Path) -> None:
    corpus = planted.corpus(tmp_path / "kb", {f"/{n:02}": ["ash. "] for n in range(40)}, planted.Trigrams())
    found = build(name, "retrieve", SUPPLIES)(corpus, "ash", 15)
    assert found.ids.tolist() == list(range(15)) or len(set(found.scores.tolist())) > 1
    assert len(found) == 15


def test_contextual_vectors_are_made_once_and_kept(tmp_path: Path) -> None:
    judge = planted.Trigrams(96, "contextual")
    corpus = planted.corpus(tmp_path / "kb", WOOD, planted.Trigrams(), judge)
    everything = np.arange(len(corpus))
    first = corpus.judged(everything)
    assert judge.asked
    assert len(judge.asked) == len(set(judge.asked))
    judge.asked.clear()
    np.testing.assert_array_equal(corpus.judged(everything), first)
    kept = Corpus(corpus.store, corpus.scan, judge).judged(everything[::-1])
    np.testing.assert_allclose(kept[::-1], first, atol=1e-3)
    assert judge.asked == []


def test_the_judge_asks_in_the_scan_that_it_taught(tmp_path: Path) -> None:
    """A question whose words the scan does not know finds its chunk by the teacher's reading, and only by that."""

    class Pupil(planted.Meanings):
        teacher = "meanings"

        def projected(self, vectors: Floats) -> Floats:
            return vectors

    texts = {f"/{n:02}": ["the fir. "] for n in range(6)} | {"/wood": ["an oak. "]}
    pupil, judge = Pupil("oak", "fir"), planted.Meanings("oak tannin", "fir resin")
    assert isinstance(pupil, Distilled)
    pupil.name = "pupil"
    taught = planted.corpus(tmp_path / "taught", texts, pupil, judge)
    assert taught.text(int(taught.nearest("tannin", 1)[0][0])) == "an oak. "
    np.testing.assert_allclose(np.linalg.norm(taught.scan_query("tannin")), 1, atol=1e-6)
    for number, other in enumerate((None, planted.Trigrams(3, "other"))):
        alone = planted.corpus(tmp_path / f"{number}", texts, pupil, other)
        np.testing.assert_array_equal(alone.scan_query("tannin"), pupil(["tannin"])[0])
        assert alone.text(int(alone.nearest("tannin", 1)[0][0])) == "the fir. "


def test_texts_and_neighbours(tmp_path: Path) -> None:
    corpus = planted.corpus(tmp_path / "kb", {"/a": ["a. ", "b. "], "/b": ["c. ", "d. ", "e. "]})
    assert [corpus.text(chunk) for chunk in range(5)] == ["a. ", "b. ", "c. ", "d. ", "e. "]
    assert corpus.neighbours(np.arange(5)).tolist() == [True, False, True, True]
    assert corpus.neighbours(np.array([0, 2, 4])).tolist() == [False, False]
    assert corpus.neighbours(np.array([], dtype=np.int64)).tolist() == []
    assert corpus.path(3) == ()


def test_an_overtaken_corpus_says_so(tmp_path: Path) -> None:
    """Spans of the old text fit no other: nothing is shown rather than a torn chunk."""
    corpus = planted.corpus(tmp_path / "kb", {"/a": ["ash. ", "elm. "], "/b": ["fir. "]})
    corpus.store.put([planted.entry("/a", ["a new beginning. ", "elm. "])])
    corpus.store.remove(["/b"])
    for chunk in range(3):
        with pytest.raises(StaleError, match="ask again"):
            corpus.text(chunk)
    assert Corpus(corpus.store, None, None).text(1) == "elm. "


def test_questions_are_read_in_the_languages_of_the_index(tmp_path: Path) -> None:
    german = planted.entry("/de", ["Die Häuser am Fluss. ", "Ein Boot. "], language="de")
    store = planted.store(tmp_path / "kb", {"/en": ["The houses at the river. ", "A boat. "]})
    store.put([german])
    corpus = Corpus(store, None, None)
    found = build("bm25")(corpus, "house Hauses", 10)
    assert {corpus.text(int(chunk)) for chunk in found.ids} == {"Die Häuser am Fluss. ", "The houses at the river. "}


def test_leanings_are_means_over_windows(tmp_path: Path) -> None:
    """Also past 2**31 in fixed point, which the sum of 300 chunks that are the query itself reaches."""
    texts = {"/a": ["ash elm. "] * 300, "/b": ["fir. ", "birch and cedar. "], "/c": ["oak. "]}
    corpus = planted.corpus(tmp_path, texts, planted.Trigrams())
    widths = (3, 0, 16)
    found = corpus.leanings("ash elm. ", widths)
    assert found is not None
    assert corpus.scan is not None
    shared = (corpus.scanned(np.arange(len(corpus))) > 0) == (corpus.query_vector(corpus.scan, "ash elm. ") > 0)
    cosines = np.cos(np.pi * (1 - shared.mean(axis=1)))
    documents = corpus.snapshot.document
    for row, width in zip(found, widths, strict=True):
        for chunk, leaning in enumerate(row):
            near = (abs(np.arange(len(cosines)) - chunk) <= width) & (documents == documents[chunk])
            assert leaning == pytest.approx(cosines[near].mean(), abs=1e-6)
