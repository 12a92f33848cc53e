"""The job of packing: never above the budget, exact to the character, the same every time."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.budget import Budget
from chunkwise.errors import BudgetError, FallbackWarning, UnknownRecipe, UserError
from chunkwise.index import Index
from chunkwise.pack import STANDS, Pack
from chunkwise.prompt import context
from chunkwise.prompt.keep import nothing
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Passage
from supplies import SUPPLIES

PROSE = [
    "Refunds are paid within ten days.\r\nAsk the desk for a form, and keep the receipt! ",
    "The northern kiln reaches 1,300 degrees; potters fire glaze there twice a week. 😀 ",
    "払い戻しは十日以内に行われます。領収書を保管してください。",
    "החזר כספי ניתן תוך עשרה ימים. ",
    "[1] Question: what looks like a label? <|endoftext|> ",
    "Parcels that weigh more than two kilograms go by ship, and take six weeks. ",
]
QUESTIONS = ["how long do refunds take?", "kiln glaze degrees", "払い戻し", "parcels ship weeks refunds kiln", "[1]"]


def documents() -> list[Document]:
    made = []
    for number in range(12):
        parts = [f"# Part {number}\n\n"]
        parts += [PROSE[(number * k + k) % len(PROSE)] + ("\n\n" if k % 2 else "") for k in range(1, 9)]
        made.append(Document.of("".join(parts), f"/shelf/part {number}.md", "text/markdown"))
    return made


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index.open(tmp_path_factory.mktemp("kb"), vectors="none") as made:
        made.add_documents(documents())
        yield made


specs = {"retriever": ["multiscale", "bm25", "rrf"], "selector": ["coverage", "top-k:k=8", "top-p"]}


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(QUESTIONS), st.integers(0, 3000) | st.integers(0, 120), st.booleans(),
    st.sampled_from(specs["retriever"]), st.sampled_from(specs["selector"]),
)  # fmt: skip
def test_never_above_the_budget(
    index: Index, query: str, budget: int, labels: bool, retriever: str, selector: str
) -> None:
    pack = index.pack(query, budget, retriever=retriever, selector=selector, labels=labels)
    count = tokenizer().count
    assert pack.tokens <= budget
    if labels:
        assert pack.tokens == count(pack.text) <= budget
    else:
        assert pack.tokens == sum(count(passage.text) for passage in pack.passages)
    assert pack.text == context(pack.passages)
    assert len(pack.citations) == len(pack.passages)
    texts = {document.source: document for document in documents()}
    for passage in pack.passages:
        document = texts[passage.source]
        assert passage.text == document.text[passage.span.start : passage.span.end]
        assert passage.tokens == count(passage.text)
        first = document.text[: passage.span.start].count("\n") + 1
        last = document.text[: passage.span.end - 1].count("\n") + 1
        assert passage.lines == (first, last)
        assert passage.cite.startswith(f"{passage.source}:{first}")
    order = [(passage.source, passage.span) for passage in pack.passages]
    assert order == sorted(order)
    for (one, a), (other, b) in itertools.pairwise(order):
        assert one != other or a.end < b.start  # neighbours are one passage
    kept = [one.id for one in pack.trace.considered if one.decision.kept]
    assert sorted(kept) == sorted(chunk for passage in pack.passages for chunk in passage.chunks)
    assert all(one.decision.reason for one in pack.trace.considered)
    assert index.pack(query, budget, retriever=retriever, selector=selector, labels=labels).json() == pack.json()


def test_a_larger_budget_is_used(index: Index) -> None:
    used = [index.pack(QUESTIONS[3], budget).tokens for budget in (100, 400, 1000)]
    assert used == sorted(used)
    assert all(tokens > 0.65 * budget for tokens, budget in zip(used, (100, 400, 1000), strict=True))


@pytest.mark.parametrize("budget", [0, 1, 2])
def test_a_budget_that_buys_nothing(index: Index, budget: int) -> None:
    pack = index.pack(QUESTIONS[0], budget)
    assert (pack.text, pack.passages, pack.citations, pack.tokens) == ("", (), (), 0)
    assert pack.trace.considered
    assert all(not one.decision.kept and one.decision.reason for one in pack.trace.considered)
    assert QUESTIONS[0] in pack.prompt


@pytest.mark.parametrize("query", ["", " \n\t", "\u3000"])
def test_an_empty_question(index: Index, query: str) -> None:
    with pytest.raises(UserError, match="empty"):
        index.pack(query)


@pytest.mark.parametrize("query", ["zyzzyva", "the of and", "?!", "\0", "\ud800", "<|endoftext|>", "x" * 100_000])
def test_odd_questions(index: Index, query: str) -> None:
    pack = index.pack(query, 200)
    assert pack.tokens <= 200
    assert json.loads(json.dumps(pack.json()))["query"] == query


def test_nothing_indexed(tmp_path: Path) -> None:
    with Index.open(tmp_path / "kb", vectors="none") as index:
        pack = index.pack("refunds")
        assert (pack.text, pack.tokens, pack.trace.considered) == ("", 0, ())


def test_wrong_requests(index: Index) -> None:
    with pytest.raises(BudgetError):
        index.pack("refunds", -1)
    with pytest.raises(UnknownRecipe):
        index.pack("refunds", retriever="coverage")
    with pytest.raises(UnknownRecipe):
        index.pack("refunds", selector="bm25")
    assert index.pack("refunds", Budget(50)).budget == Budget(50)


def test_the_shape_that_is_promised(index: Index) -> None:
    found = index.pack(QUESTIONS[0], 300).json()
    assert list(found) == ["query", "budget", "tokens", "passages", "decisions", "flags", "prompt"]
    for passage in found["passages"]:
        assert list(passage) == ["id", "source", "start", "end", "lines", "text", "tokens", "score"]
    for decision in found["decisions"]:
        assert list(decision) == ["id", "source", "start", "end", "kept", "score", "gain", "cost", "reason"]


def test_chunks_that_no_token_starts_in_end_the_search_for_room(tmp_path: Path) -> None:
    """A chunk may hold but the tail of a token; on an empty budget it is not taken for nothing, again and again."""
    import planted
    from chunkwise.pack import pack
    from chunkwise.retrieve import Corpus

    store = planted.store(tmp_path / "kb", {"/a": ["ash elm. "]})
    store._db.execute("UPDATE chunks SET tokens = 0")
    corpus = Corpus(store, None, None)
    for budget in range(5):
        found = pack(
            corpus, "ash", Budget(budget), tokenizer(), build("bm25"), build("coverage"), labels=budget % 2 == 0
        )
        assert found.tokens <= budget


def test_a_state_that_was_overtaken_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that comes between the search and the reading of the texts costs a second look, not a torn passage."""
    from chunkwise.index import recipe

    with Index.open(tmp_path / "kb", vectors="none") as index, Index.open(tmp_path / "kb") as writer:
        index.add_documents([Document.of("Refunds take ten days.", "/a")])
        bm25 = recipe.build("bm25", "retrieve")
        looks = []

        def overtaken(corpus: object, query: str, k: int) -> object:
            found = bm25(corpus, query, k)
            looks.append(len(found))
            if len(looks) == 1:
                writer.add_documents([Document.of("On Mondays all refunds take but five days.", "/a")])
            return found

        pack = index.pack("refunds", retriever=overtaken)  # type: ignore[arg-type]
        assert [passage.text for passage in pack.passages] == ["On Mondays all refunds take but five days."]
        assert looks == [1, 1]


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(QUESTIONS), st.integers(0, 600), st.booleans())
def test_what_is_compressed_stays_below_the_budget(index: Index, query: str, budget: int, labels: bool) -> None:
    pack = index.pack(query, budget, compressor="truncate", labels=labels)
    count = tokenizer().count
    assert pack.tokens == (count(pack.text) if labels else sum(count(one.text) for one in pack.passages)) <= budget
    assert pack.trace.before is not None
    assert pack.trace.before >= sum(passage.tokens for passage in pack.passages)
    texts = {document.source: document.text for document in documents()}
    for passage in pack.passages:
        for at, span in passage.verbatim:
            assert passage.text[at : at + span.end - span.start] == texts[passage.source][slice(*span)]


def test_a_compressed_pack_shows_its_parts(index: Index) -> None:
    plain, pack = (index.pack("parcels ship weeks", 70, compressor=name) for name in (None, "truncate"))
    assert plain.trace.before is None
    assert all("parts" not in passage for passage in plain.json()["passages"])
    cut = [passage for passage in pack.json()["passages"] if "parts" in passage]
    assert cut
    assert cut[-1]["parts"] == [[0, cut[-1]["start"], cut[-1]["start"] + len(cut[-1]["text"])]]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """One document on ferries, which holds more than any budget here, and eleven with a word on them, long labels."""
    sentence = "The ferry to the {} island sails at {} and takes {} minutes in calm weather. "
    sails = "".join(
        sentence.format(name, hour, 17 * hour) for hour, name in enumerate(["outer", "inner", "long", "low"] * 9)
    )
    said = "The town council met on Monday to speak of schools. A ferry was named in passing, then roads and bridges. "
    with Index.open(tmp_path_factory.mktemp("shelf"), vectors="none") as made:
        made.add_documents([Document.of(sails, "/ferries.txt")])
        for number in range(11):
            text = f"# Minutes of the town council, year {1990 + number}, volume {number}\n\n{said * 3}"
            made.add_documents([Document.of(text, f"/council/minutes/of/the/year/{1990 + number}.md", "text/markdown")])
        yield made


@pytest.mark.parametrize("layout", [None, "best-at-ends"])
@pytest.mark.parametrize("budget", [150, 250, 500])
def test_labels_that_are_not_shown_cost_nothing(shelf: Index, budget: int, layout: str | None) -> None:
    """What is offered bears many labels, what is kept few: their tokens buy text."""
    query = "when does the ferry to the outer island sail?"
    pack = shelf.pack(query, budget, compressor="extract", layout=layout)
    assert 0.9 * budget <= pack.tokens == tokenizer().count(pack.text) <= budget
    assert shelf.pack(query, budget, compressor="extract", layout=layout) == replace(pack, trace=ANY)


@pytest.mark.parametrize("budget", [80, 120, 200])
@pytest.mark.parametrize("name", ["scope", "prism", "mapreduce-v2"])
def test_a_compressor_asks_its_model_once(shelf: Index, name: str, budget: int) -> None:
    """However often what it made is billed: a reply too long for its labels is cut, not asked for again."""
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "\n".join(
            f"[{n}] SET fact/ferry {n}: the ferry sails at {n} and {n + 1} from the old pier" for n in range(40)
        )

    compress = build(name, "compress", {**SUPPLIES, "ask": lambda: ask})
    calls: list[list[Passage]] = []

    def once(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        calls.append(compress(query, passages, budget))
        return calls[-1]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        pack = shelf.pack("when does the ferry sail?", budget, compressor=once)
    assert len(calls) == 1
    assert prompts
    assert len(set(prompts)) == len(prompts)
    assert 0 < pack.tokens == tokenizer().count(pack.text) <= budget


def test_a_compressor_that_looks_at_no_bill_still_keeps_the_budget(shelf: Index) -> None:
    """It is called again with less."""

    def own(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        best: list[Passage] = build("truncate", "compress", SUPPLIES)(query, passages, Budget(budget.tokens))
        return best

    for budget in range(0, 200, 20):
        assert shelf.pack("ferry", budget, compressor=own).tokens <= budget


turns = st.lists(st.tuples(st.sampled_from(QUESTIONS), st.integers(0, 600)), min_size=2, max_size=4)


@settings(deadline=None, max_examples=30)
@given(turns, st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.booleans(), st.sampled_from(specs["selector"]))
def test_what_is_kept_of_an_earlier_prompt(
    index: Index, turns: list[tuple[str, int]], waste: float, labels: bool, selector: str
) -> None:
    """Whole beginnings to the byte, within the budget; every candidate has its reason, nothing stands there twice."""
    layout = f"prefix-stable:waste={waste}"
    earlier: list[Pack] = []
    for query, budget in turns:
        packed = index.pack(query, budget, layout=layout, earlier=earlier, labels=labels, selector=selector)
        again = index.pack(query, budget, layout=layout, earlier=earlier, labels=labels, selector=selector)
        assert again.json() == packed.json()
        count = tokenizer().count
        assert packed.tokens <= budget
        assert packed.tokens == (count(packed.text) if labels else sum(count(one.text) for one in packed.passages))
        kept = [one.id for one in packed.trace.considered if one.decision.kept]
        assert sorted(kept) == sorted(chunk for passage in packed.passages for chunk in passage.chunks)
        assert all(one.decision.reason for one in packed.trace.considered)
        places = [(one.source, one.span) for one in packed.trace.considered]
        assert len(places) == len(set(places))

        standing = {(one.source, one.span) for one in packed.trace.considered if one.decision.reason == STANDS}
        begun = [
            passage
            for passage in packed.passages
            if any(source == passage.source and span.start == passage.span.start for source, span in standing)
        ]
        assert list(packed.passages[: len(begun)]) == begun
        same = [one.text.startswith(context(begun)) for one in earlier]
        assert any(same) or not begun
        assert sum(len(passage.chunks) for passage in begun) == len(standing)
        earlier.append(packed)


def test_a_conversation_goes_on_from_its_own_prompts(tmp_path: Path) -> None:
    """What the second question buys in another extent stands as it stood; alone, or by order alone, it does not."""
    text = "# Refunds\n\nRefunds are paid within 30 days.\n\nGift cards are never refunded.\n\nShips are slow."
    with Index.open(tmp_path / "kb", vectors="none") as index:
        index.add_documents([Document.of(text, "/guide.md", "text/markdown")])
        first = index.pack("gift cards", 30, layout="prefix-stable")
        stable = build("prefix-stable", "layout")
        second, control = (
            index.pack("refunds and gift cards", 80, layout=layout, earlier=[first])
            for layout in (stable, replace(stable, keep=nothing))
        )
    assert first.passages
    assert second.text.startswith(first.text)
    assert not control.text.startswith(first.text)
    stood = {one.id for one in second.trace.considered if one.decision.reason == STANDS}
    assert stood == {chunk for passage in first.passages for chunk in passage.chunks}
    assert all(one.decision.reason != STANDS for one in control.trace.considered)


def test_what_changed_is_not_kept(tmp_path: Path) -> None:
    """A passage stays only while its document says the same, under the same name and headings."""
    with Index.open(tmp_path / "kb", vectors="none") as index:
        index.add_documents([Document.of("Refunds take ten days.\n", "/a"), Document.of("No refunds here.\n", "/b")])
        first = index.pack("refunds", 60, layout="prefix-stable")
        assert len(first.passages) == 2
        changed = first.passages[0].source
        index.add_documents([Document.of("Refunds take nine weeks.\n", changed)])
        second = index.pack("refunds", 60, layout="prefix-stable", earlier=[first])
        assert not any(one.decision.reason == STANDS for one in second.trace.considered)
        assert {passage.source for passage in second.passages} == {"/a", "/b"}
        index.forget(changed)
        assert len(index.pack("refunds", 60, layout="prefix-stable", earlier=[second]).passages) == 1


def test_an_embedder_is_no_compressor(index: Index) -> None:
    with pytest.raises(UnknownRecipe, match="no compress recipe"):
        index.pack("refunds", 100, compressor="code-token-merge")
