"""Comparing recipes: what is measured, what is kept, and what happens when it is stopped or goes wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pytest

from chunkwise import recipe
from chunkwise.asking import Asking
from chunkwise.cli import compared
from chunkwise.cli.run import run
from chunkwise.compare import MEASURES, Step, compare, json_report, lines, of_folders, rows, summary
from chunkwise.errors import EndpointError, FallbackWarning, UnknownRecipe, UserError
from chunkwise.evaluate import Cell, Dataset, Evidence, Question, mean_clarity, precision_omega, size_stats
from chunkwise.evaluate.grid import OURS, Grid, Pipeline, labels
from chunkwise.models import Ask
from chunkwise.recipe import build
from chunkwise.segment import Segmenter
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Span
from llm_server import Server, answering, status
from processes import start
from supplies import Letters

PLACES = ("harbour", "orchard", "foundry", "chapel", "granary", "smithy", "dairy", "brewery")


def folder(at: Path) -> Path:
    """Eight reports of a few hundred tokens, each with facts of its own."""
    at.mkdir(parents=True)
    for number, place in enumerate(PLACES):
        said = [
            f"The {place} of Ellerby was a low building of {material} on the {side} bank.\n"
            f"In the year of the flood its roof lost {number + 12} {material} beams to the river.\n"
            f"Nobody in the {place} ever spoke of Master {place.title()}son again after the {side} gate fell.\n"
            for material, side in (("oak", "northern"), ("slate", "southern"))
        ]
        (at / f"{place}.md").write_text(f"# The {place}\n\n" + "\n".join(said) + "\nNothing more is known. " * 20)
    return at


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("home") / "docs")


@pytest.fixture(scope="module")
def dataset(docs: Path) -> Dataset:
    return of_folders([docs], limit=12).dataset


def grid(*cuts: str, **axes: Any) -> Grid:
    return replace(Grid(cuts, ("bm25",), embed=("none",), budgets=(40, 80)), **axes)


@pytest.fixture
def _scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe.recipes()
    monkeypatch.setattr(recipe, "_registry", dict(recipe._registry))


def registered(name: str, cut: Callable[..., Segmenter]) -> None:
    cut.__qualname__ = f"scratch_{name}"
    recipe.recipe(name, family="segment", seed="A Title", claim="for this test alone")(cut)


def halves(document: Document, offsets: object) -> list[Span]:
    middle = len(document.text) // 2
    return [Span(0, middle), Span(middle, len(document.text))]


# What is measured


def test_every_pipeline_at_every_budget(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[Step] = []
    asked = grid("fixed:size=20", "sentence", retrieve=("bm25", "multiscale"))
    done = compare(dataset, asked, tmp_path, progress=seen.append)
    assert [(cell.pipeline, cell.budget) for cell in done.cells] == [
        (pipeline, budget) for pipeline in asked.pipelines for budget in asked.budgets
    ]
    for cell in done.cells:
        assert not cell.error
        assert len(cell.recall) == len(cell.precision) == len(cell.iou) == len(dataset.questions)
        assert all(0 <= value <= 1 for value in (*cell.recall, *cell.precision, *cell.iou))
        assert cell.tokens <= cell.budget
        assert cell.chunks > len(PLACES)
        assert cell.index_seconds > 0 < cell.question_ms
    assert [step.done for step in seen] == sorted(step.done for step in seen)
    assert seen[-1].done == seen[-1].of == 4 * len(dataset.questions)


def test_a_score_is_what_the_pack_holds(tmp_path: Path) -> None:
    texts = {"/a": "The quokka sleeps by day. ", "/b": "The heron wakes by night. "}
    documents = tuple(Document.of(text * (1 if text[4] == "q" else 3), source) for source, text in texts.items())
    question = Question("quokka", (Evidence("/a", Span(0, 25)),))
    other = Question("heron", (Evidence("/b", Span(0, 26)),))
    (cell,) = compare(
        Dataset("two", documents, (question, other)), grid("fixed:size=1000", budgets=(60,)), tmp_path
    ).cells
    assert cell.recall == (1.0, 1.0)
    assert cell.precision == (round(25 / 26, 6), round(26 / 78, 6))


def test_boundaries_and_graded_documents(dataset: Dataset, tmp_path: Path) -> None:
    sources = [document.source for document in dataset.documents]
    graded = tuple(
        Question(f"the {place} of Ellerby", relevant={source: 1 for source in sources if place in source})
        for place in PLACES
    )
    halved = {document.source: (len(document.text) // 2,) for document in dataset.documents}
    judged = Dataset("judged", dataset.documents, graded, halved)
    cell = compare(judged, grid("sentence", budgets=(50,)), tmp_path).cells[0]
    assert cell.ranking["ndcg@10"] > 0.9
    assert 0 < cell.boundaries["f1"] < 1
    assert cell.recall == ()
    (row,) = rows(compare(judged, grid("sentence", budgets=(50,)), tmp_path))
    assert row["recall"] is None
    assert row["ndcg@10"] == cell.ranking["ndcg@10"]
    only_cuts = Dataset("cuts", dataset.documents, (), halved)
    assert compare(only_cuts, grid("sentence"), tmp_path).cells[0].boundaries == cell.boundaries


@pytest.mark.usefixtures("_scratch")
def test_a_perfect_cut_has_perfect_boundaries(dataset: Dataset, tmp_path: Path) -> None:
    registered("halves", lambda: halves)
    halved = {document.source: (len(document.text) // 2,) for document in dataset.documents}
    cell = compare(replace(dataset, boundaries=halved), grid("halves"), tmp_path).cells[0]
    assert cell.boundaries == {"f1": 1.0, "pk": 0.0, "window_diff": 0.0}


# Measured when it is asked for


def test_measures_are_those_of_the_functions_and_there_when_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    cuts, letters = grid("sentence", "fixed:size=20", budgets=(60,)), {"lm": Letters}
    plain = compare(dataset, cuts, tmp_path, supplies=letters)
    kept = (tmp_path / "results.jsonl").read_text()
    assert all(row[name] is None for row in rows(plain) for names in MEASURES.values() for name in names)
    asked = compare(dataset, cuts, tmp_path, supplies=letters, measures=MEASURES)
    assert [cell.recall for cell in asked.cells] == [cell.recall for cell in plain.cells]
    for cell in asked.cells:
        found = build(cell.pipeline.segment, "segment")
        spans = {one.source: found(one, tokenizer().offsets(one.text)) for one in dataset.documents}
        chunks = [Evidence(source, span) for source, own in spans.items() for span in own]
        omega = fmean(precision_omega(chunks, question) for question in dataset.questions)
        assert cell.measures["precision_omega"] == pytest.approx(omega, abs=1e-4)
        sizes = [tokenizer().offsets(one.text).count(*span) for one in dataset.documents for span in spans[one.source]]
        assert cell.measures["chunk_tokens_p95"] == pytest.approx(size_stats(sizes).p95, abs=1e-4)
        assert cell.measures["chunk_tokens_most"] == max(sizes)
        texts = [[one.text[slice(*span)] for span in spans[one.source]] for one in dataset.documents]
        assert cell.measures["clarity"] == pytest.approx(mean_clarity(Letters(), texts, sample=32), abs=1e-4)
        assert cell.measures["stickiness"] >= 0
        assert 0 <= cell.measures["answer_f1"] <= 1
    small, large = asked.cells
    assert small.measures["precision_omega"] > large.measures["precision_omega"]  # a sentence holds just the evidence
    assert (tmp_path / "results.jsonl").read_text().startswith(kept)
    assert compare(dataset, cuts, tmp_path, supplies=letters, measures=MEASURES).cells == asked.cells
    assert compare(dataset, cuts, tmp_path, supplies=letters).cells == plain.cells
    with pytest.raises(UserError, match="no measure 'omge'; there are omega, sizes"):
        compare(dataset, cuts, tmp_path, measures=["omge"])


TOWER = "The tower of Ellerby is ninety metres tall."
FACTS = Dataset(
    "facts",
    (
        Document.of(f"{TOWER} It was built by masons.\n", "/tower"),
        Document.of("The mill has four sails. It grinds barley in the autumn.\n", "/mill"),
    ),
    (
        Question("how tall is the tower of Ellerby", (Evidence("/tower", Span(0, len(TOWER))),), answers=(TOWER,)),
        Question("how many sails has the mill", (Evidence("/mill", Span(0, 24)),), answers=("four",)),
    ),
)


def test_answers_are_quoted_without_a_model(tmp_path: Path) -> None:
    (cell,) = compare(FACTS, grid("sentence", budgets=(40,)), tmp_path, measures=["answers"]).cells
    assert cell.measures["answer_exact"] == 0.5  # the sentence itself; of the other, "four" alone is accepted
    assert 0.5 < cell.measures["answer_f1"] < 1
    assert cell.measures["citation_recall"] == 1
    (blind,) = compare(FACTS, grid("sentence", budgets=(3,)), tmp_path, measures=["answers"]).cells
    assert set(blind.measures.values()) == {0.0}


def test_answers_by_a_model_and_by_one_that_is_dead(tmp_path: Path) -> None:
    def right(prompt: str) -> str:
        return f"{TOWER} [1]" if "how tall" in prompt else "Four [1]."

    asked, answers = grid("sentence", "fixed:size=12", budgets=(40,)), {"measures": ["answers"]}
    for reply, exact in ((right, 1.0), (lambda prompt: "Nobody knows [7].", 0.0)):
        with Server(answering(reply)) as server:
            for cell in compare(FACTS, asked, tmp_path / f"{exact}", llm=server.spec, **answers).cells:
                assert cell.measures["answer_exact"] == exact
                assert (cell.measures["citation_recall"] > 0) == bool(exact)
            assert len(server.requests) == 4
    with Server(answering(right), status(401, "bad key")) as server:
        dead = compare(FACTS, asked, tmp_path / "dead", llm=server.spec, **answers).cells
        assert len(server.requests) == 3  # once more for each pipeline
        assert all(cell.unanswered and not cell.measures and cell.recall for cell in dead)
        assert all("the answers: " in cell.warnings[0] and "bad key" in cell.warnings[0] for cell in dead)
    with Server(answering(right)) as server:
        later = compare(FACTS, asked, tmp_path / "dead", llm=server.spec, **answers).cells
    assert [cell.measures["answer_exact"] for cell in later] == [1.0, 1.0]


# Axes


def test_a_compressor_is_an_axis_and_scored_by_what_is_left(dataset: Dataset, tmp_path: Path) -> None:
    asked = grid("fixed:size=60", compress=("none", "truncate"), budgets=(30, 90))
    done = compare(dataset, asked, tmp_path)
    assert [cell.pipeline.compress for cell in done.cells] == ["none", "none", "truncate", "truncate"]
    assert not any(cell.error for cell in done.cells)
    assert all(cell.tokens <= cell.budget for cell in done.cells)
    whole, cut = done.cells[0], done.cells[2]
    assert not any(whole.recall)  # no chunk of 60 tokens fits 30
    assert 0 < fmean(cut.recall) < 1
    assert [row["compress"] for row in rows(done)] == ["none", "none", "truncate", "truncate"]
    assert labels(asked.pipelines)[0] == ("uncompressed", "truncate")
    with pytest.raises(UnknownRecipe, match="no compress recipe"):
        compare(dataset, grid("sentence", compress=("truncated",)), tmp_path)


def test_results_of_before_there_were_compressors_are_found(dataset: Dataset, tmp_path: Path) -> None:
    first = compare(dataset, grid("fixed:size=20"), tmp_path)
    results = tmp_path / "results.jsonl"
    old = results.read_text().replace(', "compress": "none"', "")
    for later in ('"measures": {}, ', '"unanswered": false, '):
        assert later in old
        old = old.replace(later, "")
    results.write_text(old)
    assert compare(dataset, grid("fixed:size=20"), tmp_path).cells == first.cells
    assert results.read_text() == old


@pytest.mark.usefixtures("_scratch")
def test_recipes_of_every_family_are_given_models(dataset: Dataset, tmp_path: Path) -> None:
    given: dict[str, Any] = {}

    def finding(*, ask: Ask, embed: Any, lm: Any) -> Any:
        given.update(ask=ask, embed=embed, lm=lm)
        return build("bm25", "retrieve")

    def dead(prompt: str) -> str:
        raise EndpointError("no answer")

    def asking(*, ask: Ask) -> Any:
        def select(candidates: Any, budget: Any) -> Any:
            with Asking(ask, f"asking on {candidates.query}", "all are taken") as one:
                one("which?")
            return build("coverage", "select")(candidates, budget)

        return select

    for name, family, make in (("finding", "retrieve", finding), ("asking", "select", asking)):
        make.__qualname__ = f"scratch_{name}"
        recipe.recipe(name, family=family, seed="A Title", claim="for this test alone")(make)
    asked = grid("fixed:size=20", retrieve=("finding",), embed=("static",), budgets=(60,))
    with Server(answering(lambda prompt: "fine")) as server:
        (cell,) = compare(dataset, asked, tmp_path, llm=server.spec).cells
        assert not cell.error
        assert given["ask"]("?") == "fine"
    assert given["embed"].name.startswith("static-")
    assert given["lm"].name
    selected = replace(asked, retrieve=("bm25",), select=("asking",))
    (cell,) = compare(dataset, selected, tmp_path, supplies={"ask": lambda: dead}).cells
    assert cell.unanswered
    (said,) = cell.warnings
    assert said.startswith(f"asking on {dataset.questions[0].text} and {len(dataset.questions) - 1} more questions: no")


# Going on


def test_what_was_measured_is_not_measured_again(dataset: Dataset, tmp_path: Path) -> None:
    first = compare(dataset, grid("fixed:size=20"), tmp_path)
    kept = (tmp_path / "results.jsonl").read_text()
    assert compare(dataset, grid("fixed:size=20"), tmp_path).cells == first.cells
    assert (tmp_path / "results.jsonl").read_text() == kept
    more = compare(dataset, grid("fixed:size=20", budgets=(40, 80, 160)), tmp_path)
    assert more.cells[:2] == first.cells
    assert more.cells[2].index_seconds == first.cells[0].index_seconds
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 3
    fewer = replace(dataset, questions=dataset.questions[:5])
    assert len(compare(fewer, grid("fixed:size=20"), tmp_path).cells[0].recall) == 5
    changed = replace(dataset, documents=(*dataset.documents, Document.of("One more.", "/more")))
    assert compare(changed, grid("fixed:size=20"), tmp_path).cells[0].chunks == first.cells[0].chunks + 1


def test_a_torn_line_is_passed_over(dataset: Dataset, tmp_path: Path) -> None:
    first = compare(dataset, grid("fixed:size=20"), tmp_path)
    results = tmp_path / "results.jsonl"
    whole = results.read_text()
    results.write_text(whole[: len(whole) - 40])
    again = compare(dataset, grid("fixed:size=20"), tmp_path)
    assert [cell.recall for cell in again.cells] == [cell.recall for cell in first.cells]
    results.write_text("[]\nnull\n{}\n" + '{"key": "x", "pipeline": {}}\n' + whole)
    assert compare(dataset, grid("fixed:size=20"), tmp_path).cells == first.cells


def test_an_interruption_loses_no_more_than_the_running_cell(dataset: Dataset, tmp_path: Path) -> None:
    def stop(step: Step) -> None:
        if step.done == len(dataset.questions) + 3:
            raise KeyboardInterrupt

    asked = grid("fixed:size=20", "sentence")
    with pytest.raises(KeyboardInterrupt):
        compare(dataset, asked, tmp_path, progress=stop)
    kept = (tmp_path / "results.jsonl").read_text()
    assert len(kept.splitlines()) == len(asked.budgets)
    done = compare(dataset, asked, tmp_path)
    assert (tmp_path / "results.jsonl").read_text().startswith(kept)
    assert not any(cell.error for cell in done.cells)


KILLED = """
import sys, time
from pathlib import Path
from chunkwise.compare import compare, of_folders
from chunkwise.evaluate.grid import Grid
def slowly(step):
    if step.done > 14:
        print("half-way", flush=True)
        time.sleep(60)
grid = Grid(("fixed:size=20", "sentence"), ("bm25",), embed=("none",), budgets=(40, 80))
compare(of_folders([sys.argv[1]], limit=12).dataset, grid, sys.argv[2], progress=slowly)
"""


def test_a_killed_run_is_gone_on_with(dataset: Dataset, docs: Path, tmp_path: Path) -> None:
    with start(KILLED, docs, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half-way\n"
        os.kill(process.pid, signal.SIGKILL)
    kept = (tmp_path / "results.jsonl").read_text()
    assert len(kept.splitlines()) == 2
    done = compare(dataset, grid("fixed:size=20", "sentence"), tmp_path)
    assert (tmp_path / "results.jsonl").read_text().startswith(kept)
    assert len(done.cells) == 4


def test_one_comparison_at_a_time_in_a_folder(dataset: Dataset, tmp_path: Path) -> None:
    def another(step: Step) -> None:
        with pytest.raises(UserError, match="another comparison"):
            compare(dataset, grid("sentence"), tmp_path)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        compare(dataset, grid("fixed:size=20"), tmp_path, progress=another)


# Going wrong


@pytest.mark.usefixtures("_scratch")
def test_a_pipeline_that_fails_is_a_row_and_the_rest_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    tried = []

    def broken() -> Segmenter:
        def cut(document: Document, offsets: object) -> list[Span]:
            tried.append(document)
            raise RuntimeError("out of ink")

        return cut

    registered("broken", broken)
    asked = grid("broken", "fixed:size=20", retrieve=("bm25", "multiscale"))
    done = compare(dataset, asked, tmp_path)
    assert [cell.error for cell in done.cells] == ["RuntimeError: out of ink"] * 4 + [""] * 4
    assert len(tried) == 1
    (_, budget), failed = ("", asked.budgets[0]), rows(done)[0]
    assert failed["budget"] == budget
    assert failed["recall"] is None
    compare(dataset, asked, tmp_path)
    assert len(tried) == 2


@pytest.mark.usefixtures("_scratch")
def test_a_model_that_is_missing_and_one_that_falls_back(dataset: Dataset, tmp_path: Path) -> None:
    def asking(*, ask: Ask) -> Segmenter:
        def cut(document: Document, offsets: object) -> list[Span]:
            import warnings

            try:
                ask("where?")
            except EndpointError:
                warnings.warn(FallbackWarning("no answer; cut in halves"), stacklevel=2)
            return halves(document, offsets)

        return cut

    def silent(prompt: str) -> str:
        raise EndpointError("no answer")

    registered("asking", asking)
    (missing, _) = compare(dataset, grid("asking"), tmp_path / "a", supplies={}).cells
    assert "asking needs a language model" in missing.error
    (fallen, _) = compare(dataset, grid("asking"), tmp_path / "b", supplies={"ask": lambda: silent}).cells
    assert not fallen.error
    assert not fallen.unanswered
    assert fallen.warnings == (f"{len(PLACES)} x no answer; cut in halves",)


def test_a_model_without_an_answer_is_measured_as_it_falls_back_and_asked_again(
    dataset: Dataset, tmp_path: Path
) -> None:
    asked: list[str] = []

    def dead(prompt: str) -> str:
        asked.append(prompt)
        raise EndpointError("no answer")

    def measured(ask: Ask) -> tuple[Cell, ...]:
        cuts = grid("lumberchunker:size=60", "fixed:size=20", retrieve=("bm25", "multiscale"))
        return compare(dataset, cuts, tmp_path, supplies={"ask": lambda: ask}, progress=steps.append).cells

    steps: list[Step] = []
    fallen = measured(dead)
    assert [cell.unanswered for cell in fallen] == [True] * 4 + [False] * 4
    assert all(cell.recall and not cell.error for cell in fallen)
    assert len(asked) == 2 * len(PLACES)  # for two retrievers one index
    (said,) = {warning for cell in fallen for warning in cell.warnings}
    assert f"and {len(PLACES) - 1} more documents: no answer; the rest was not asked for" in said
    assert any("3 of 8 documents, 6 questions asked" in step.doing for step in steps)
    answered = measured(lambda prompt: "Answer: ID 2")
    assert not any(cell.unanswered for cell in answered)
    assert answered[0].chunks != fallen[0].chunks
    assert answered[4:] == fallen[4:]
    assert measured(dead) == answered


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (grid("fixd"), "did you mean 'fixed'"),
        (grid("fixed:sise=3"), "no parameter 'sise'"),
        (grid("fixed:size=0"), "at least one token"),
        (grid("bm25"), "no segment recipe"),
        (grid("fixed", retrieve=("fixed",)), "no retrieve recipe"),
        (grid("fixed", select=("top-k:k=x",)), "a whole number"),
        (grid("fixed", budgets=(0,)), "budget of 0"),
        (grid("fixed", budgets=(-5,)), "cannot be negative"),
        (grid("fixed", budgets=()), "no budget"),
        (grid(), "nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(dataset: Dataset, tmp_path: Path, asked: Grid, says: str) -> None:
    with pytest.raises(UserError, match=says):
        compare(dataset, asked, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_sets_that_cannot_be_scored(dataset: Dataset, tmp_path: Path) -> None:
    bare = replace(dataset, questions=(Question("what?"),))
    with pytest.raises(UserError, match="nothing to score"):
        compare(bare, grid("fixed"), tmp_path)
    blank = replace(dataset, questions=(*dataset.questions[:3], replace(dataset.questions[0], text="  ")))
    assert len(compare(blank, grid("fixed:size=20"), tmp_path).cells[0].recall) == 3


def test_folders_that_cannot_be_asked_about(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        of_folders([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no documents to read"):
        of_folders([tmp_path / "empty"])
    (tmp_path / "empty" / "blank.txt").write_text(" \n\n")
    with pytest.raises(UserError, match="no documents to read"):
        of_folders([tmp_path / "empty"])
    (tmp_path / "empty" / "list.txt").write_text("one\ntwo\nthree\n")
    with pytest.raises(UserError, match="--questions"):
        of_folders([tmp_path / "empty"])
    with pytest.raises(UserError, match="leaves no question"):
        of_folders([tmp_path / "empty"], limit=0)


def test_one_document_is_enough(docs: Path, tmp_path: Path) -> None:
    material = of_folders([docs / "dairy.md"])
    assert material.dataset.questions
    assert any("wide intervals" in note for note in material.notes)
    assert any("favour lexical retrieval" in note for note in material.notes)
    cells = compare(material.dataset, grid("sentence"), tmp_path).cells
    assert all(cell.recall for cell in cells)


def test_questions_of_one_s_own(docs: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    quote = "In the year of the flood its roof lost 14 oak beams to the river."
    line = {"question": "how many beams did the foundry lose", "evidence": [{"source": "foundry.md", "quote": quote}]}
    mine.write_text(json.dumps(line) + "\n")
    material = of_folders([docs, mine], mine)
    assert len(material.dataset.documents) == len(PLACES)
    (question,) = material.dataset.questions
    (evidence,) = question.evidence
    document = next(one for one in material.dataset.documents if one.source == evidence.source)
    assert document.text[slice(*evidence.span)] == quote
    with pytest.raises(UserError, match="no such file"):
        of_folders([docs], tmp_path / "none.jsonl")


# What is said of it


def test_what_is_noise_and_what_is_not(dataset: Dataset, tmp_path: Path) -> None:
    done = compare(dataset, grid("sentence", "fixed:size=20", budgets=(60,)), tmp_path)
    half = len(dataset.questions)
    always, never, nearly = (1.0,) * half, (0.0,) * half, (1.0,) * (half - 1) + (0.9,)
    ahead, behind = (replace(cell, recall=scores) for cell, scores in zip(done.cells, (always, never), strict=True))
    (said,) = summary(replace(done, cells=(ahead, behind)))
    assert said == "At 60 tokens sentence keeps most, 100.0 %; fixed:size=20 keeps 100.0 points less (100.0 to 100.0)."
    (said,) = summary(replace(done, cells=(ahead, replace(behind, recall=nearly))))
    assert f"the difference to fixed:size=20 is noise on {half} questions" in said
    assert summary(replace(done, cells=(ahead, replace(behind, recall=(), error="no")))) == ()
    assert summary(replace(done, cells=(ahead, replace(behind, recall=always)))) == (
        "At 60 tokens all keep the same, 100.0 %.",
    )


def test_all_that_lead_together_are_named(dataset: Dataset, tmp_path: Path) -> None:
    done = compare(dataset, grid("sentence", "fixed:size=20", "fixed:size=30", budgets=(60,)), tmp_path)
    half = len(dataset.questions)
    scores = ((1.0,) * half, (0.0,) * half, (1.0,) * half)
    cells = tuple(replace(cell, recall=one) for cell, one in zip(done.cells, scores, strict=True))
    (said,) = summary(replace(done, cells=cells))
    assert said.startswith("At 60 tokens sentence and fixed:size=30 keep most, 100.0 %; fixed:size=20 keeps 100.0")


def test_names_say_only_what_differs() -> None:
    cuts = Grid(("fixed:size=9", "sentence"), ("bm25",)).pipelines
    assert labels(cuts) == (("fixed:size=9", "sentence"), "bm25 / coverage / minilm")
    assert labels((*cuts, OURS)) == (("fixed:size=9", "sentence", "chunkwise's default"), "bm25 / coverage / minilm")
    ways = (Pipeline("fixed", "bm25"), Pipeline("fixed", "dense"))
    assert labels(ways) == (("bm25", "dense"), "fixed / coverage / minilm")
    twice = (*cuts, OURS, replace(OURS, embed="static"))
    assert labels(twice)[0][2:] == ("chunkwise's default / minilm", "chunkwise's default / static")
    assert labels((OURS,)) == (("sentence",), "multiscale / coverage / minilm")


def test_a_grid_has_each_pipeline_once_and_those_of_one_index_together() -> None:
    asked = Grid(("a", "b"), ("x", "y"), embed=("e", "f"), beside=(Pipeline("a", "x", embed="e"), OURS))
    assert len(asked.pipelines) == 9
    shared = [(one.segment, one.embed) for one in asked.pipelines]
    assert all(shared.index(one) + shared.count(one) > at for at, one in enumerate(shared))


def test_recall_by_group(dataset: Dataset, tmp_path: Path) -> None:
    grouped = tuple(replace(one, group="xy"[at % 2]) for at, one in enumerate(dataset.questions))
    done = compare(replace(dataset, questions=grouped), grid("sentence", budgets=(60,), apart="group"), tmp_path)
    parts = {row["group"]: row for row in json_report(done)["apart"]}
    assert set(parts) == {"x", "y"}
    whole = rows(done)[0]["recall"]
    assert (parts["x"]["recall"] + parts["y"]["recall"]) / 2 == pytest.approx(whole, abs=1e-3)
    lengths = json_report(replace(done, grid=replace(done.grid, apart="evidence")))["apart"]
    assert sum(row["questions"] for row in lengths) == len(dataset.questions)


# On the command line


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run one command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("CHUNKWISE_KB", "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str | Path) -> Result:
        code = run(["compare", *(str(argument) for argument in arguments)])
        return Result(code, *capsys.readouterr())

    yield call
    time.sleep(0)


FAST = ("--embedder", "none", "--budgets", "40,80", "--limit", "12", "--retrievers", "bm25")


def test_a_folder_with_no_labelled_data(cli: Any, docs: Path, tmp_path: Path) -> None:
    done = cli(docs, "--recipes", "fixed:size=20,overlap=5,sentence", *FAST, "--csv", "all.csv")
    assert done.code == 0, done.err
    assert "12 questions on 8 documents" in done.out
    assert "fixed:size=20,overlap=5" in done.out
    assert "At 40 tokens" in done.out
    assert "questions made from the text favour lexical retrieval" in done.err
    with (tmp_path / "all.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["segment"] for row in written] == ["fixed:size=20,overlap=5"] * 2 + ["sentence"] * 2
    assert all(0 <= float(row["recall_low"]) <= float(row["recall"]) <= float(row["recall_high"]) for row in written)
    again = cli(docs, "--recipes", "fixed:size=20,overlap=5,sentence", *FAST, "--json")
    report = json.loads(again.out)
    assert [cell["recall"] for cell in report["cells"]] == [float(row["recall"]) for row in written]
    assert report["set"]["questions"] == 12
    assert report["verdict"]


def test_our_default_stands_beside_unless_retrievers_are_named(cli: Any, docs: Path) -> None:
    without = ("--embedder", "none", "--budgets", "60", "--limit", "5", "--recipes", "fixed:size=20", "--json")
    made = json.loads(cli(docs, *without).out)["cells"]
    assert [(cell["segment"], cell["retrieve"]) for cell in made] == [
        ("fixed:size=20", "rrf"),
        ("sentence", "multiscale"),
    ]
    named = json.loads(cli(docs, *without, "--retrievers", "bm25").out)["cells"]
    assert [cell["retrieve"] for cell in named] == ["bm25"]


def test_the_work_folder_is_not_compared_on(cli: Any, docs: Path, tmp_path: Path) -> None:
    (tmp_path / "here.md").write_text((docs / "dairy.md").read_text())
    first = cli(".", "--recipes", "sentence", *FAST, "--json")
    again = cli(".", "--recipes", "sentence", *FAST, "--json")
    assert json.loads(first.out)["set"]["documents"] == 1
    assert json.loads(again.out) == json.loads(first.out)


def test_a_preset_and_what_changes_it(cli: Any, docs: Path) -> None:
    asked = ("--preset", "rethinking-chunk-size", "--recipes", "fixed:size=16,fixed:size=64", "--embedder", "static")
    done = cli(docs, *asked, "--budgets", "64,128", "--limit", "8")
    assert done.code == 0, done.err
    assert "evidence up to" in done.out
    assert "evidence over" in done.out
    assert cli(docs, "--preset", "rethinking-chunk-sise").code == 2


def test_a_plot_in_each_form(cli: Any, docs: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    asked = (docs, "--recipes", "fixed:size=20,sentence", *FAST)
    assert cli(*asked, "--plot", "recall.svg").code == 0
    drawn = (tmp_path / "recall.svg").read_text()
    assert "fixed:size=20" in drawn
    assert "evidence kept" in drawn
    assert cli(*asked, "--budgets", "40", "--plot", "one.png").code == 0
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_says_how_to_install_it_and_goes_on(
    cli: Any, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunkwise.evaluate.plot.installed", lambda: False)
    done = cli(docs, "--recipes", "sentence", *FAST, "--plot", "recall.svg")
    assert done.code == 0
    assert "pip install 'chunkwise[evaluate]'" in done.err
    assert "sentence" in done.out
    assert not (tmp_path / "recall.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--recipes", "fixd"), "did you mean 'fixed'"),
        (("--recipes", "size=3"), "write recipe:size=3"),
        (("--recipes", ","), "--recipes lists nothing"),
        (("--embedder", "minilmm"), "no embedder 'minilmm'"),
        (("--plot", "nowhere/recall.svg"), "in a folder that is there"),
        (("--csv", "."), "in a folder that is there"),
        (("--budgets", "0"), "budget of 0"),
        (("--budgets", "many"), "no number of tokens"),
        (("--limit", "0"), "leaves no question"),
        (("--plot", "recall.gif"), ".svg, .png"),
        (("--measures", "omge"), "no measure 'omge'"),
        (("--compressors", "fixed"), "no compress recipe"),
        (("--questions", "none.jsonl"), "no such file"),
        (("--set", "cranfield"), "PATH or --set"),
    ],
)
def test_mistakes_are_said_in_a_line(cli: Any, docs: Path, arguments: tuple[str, ...], says: str) -> None:
    done = cli(docs, *arguments)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") <= 2


def test_with_nothing_named_the_knowledge_base_says_what_to_compare_on(cli: Any, docs: Path) -> None:
    assert "name a folder" in cli("--recipes", "sentence").err
    assert run(["index", str(docs), "--vectors", "none"]) == 0
    assert cli("--recipes", "sentence", *FAST).code == 0


@pytest.mark.usefixtures("_scratch")
def test_a_failed_pipeline_is_told_and_the_exit_code_says_so(cli: Any, docs: Path) -> None:
    def asking(*, ask: Ask) -> Segmenter:
        return halves

    registered("asking", asking)
    done = cli(docs, "--recipes", "asking,sentence", *FAST)
    assert done.code == 1
    assert "failed: asking / bm25" in done.err
    assert "give --llm URL#model" in done.err
    assert "sentence" in done.out


def test_a_dead_model_is_told_in_one_line_whatever_needed_it(cli: Any, docs: Path, tmp_path: Path) -> None:
    asked = (docs, "--recipes", "lumberchunker,moc,sentence", *FAST, "--questions", "mine.jsonl")
    evidence = [{"source": "dairy.md", "quote": "# The dairy"}]
    (tmp_path / "mine.jsonl").write_text(json.dumps({"question": "what is the dairy", "evidence": evidence}) + "\n")
    with Server(status(401, "bad key")) as server:
        done = cli(*asked, "--llm", server.spec)
        assert done.code == 1
        (said,) = [line for line in done.err.splitlines() if "bad key" in line]
        assert said.startswith("warning: lumberchunker on ")
        assert said.endswith("; moc did without it too")
        assert "failed" not in done.out
        report = json.loads(cli(*asked, "--llm", server.spec, "--json").out)
        assert [cell["unanswered"] for cell in report["cells"]] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("width", [40, 60, 80, 110, 160])
def test_a_narrow_terminal_hides_nothing(cli: Any, docs: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = cli(docs, "--recipes", "fixed:size=20,sentence", *FAST)
    assert done.code == 0, done.err
    table = done.out.split("\n\n", 1)[1].split("\nAt 40")[0]
    assert "…" not in table
    assert table.count("recall %") == 2
    for head in ("precision", "IoU", "tokens", "chunks", "index", "question", "memory"):
        assert table.count(head) == 1, head
    tables = table.count("pipeline")
    assert table.count("fixed:size=20") == table.count("sentence") == tables
    assert tables == 1 or width < 110
    assert max(map(len, table.splitlines())) <= width


def test_a_budget_that_is_named_twice_is_measured_once(cli: Any, docs: Path) -> None:
    done = cli(docs, "--recipes", "sentence", *FAST, "--budgets", "40,40", "--json")
    assert [cell["budget"] for cell in json.loads(done.out)["cells"]] == [40]


def test_measures_and_compressors_on_the_command_line(cli: Any, docs: Path, tmp_path: Path) -> None:
    asked = (docs, "--recipes", "fixed:size=20", *FAST, "--compressors", "none,truncate")
    done = cli(*asked, "--measures", "omega, sizes,answers", "--csv", "all.csv")
    assert done.code == 0, done.err
    for head in ("omega", "tokens of chunks", "5 % 50 % 95 %", "answer F1", "cited P/R"):
        assert head in done.out
    assert "clarity" not in done.out
    with (tmp_path / "all.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["compress"] for row in written] == ["none", "none", "truncate", "truncate"]
    assert all(0 <= float(row["citation_precision"]) <= 1 for row in written)
    assert all(row["clarity"] == "" for row in written)
    report = json.loads(cli(*asked, "--measures", "omega,sizes,answers", "--json").out)
    assert [f"{cell['answer_f1']}" for cell in report["cells"]] == [row["answer_f1"] for row in written]
    assert "omega" not in cli(*asked).out


def test_a_survey_that_is_no_sweep_is_said_to_be_none() -> None:
    with pytest.raises(UserError, match="sata-bench is no sweep"):
        compared.grid("sata-bench", {})


def test_unknown_presets_are_unknown_recipes() -> None:
    with pytest.raises(UnknownRecipe):
        recipe.build("rethinking", "survey-eval")


def test_lines_are_in_percent(dataset: Dataset, tmp_path: Path) -> None:
    (line,) = lines(compare(dataset, grid("sentence"), tmp_path))
    assert [point[0] for point in line.points] == [40, 80]
    assert all(0 <= low <= mean <= high <= 100 for _, mean, low, high in line.points)
