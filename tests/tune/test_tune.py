"""Tuning a small set whose best pipeline is known: found, decided on questions held out, within its time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from chunkwise.chosen import Chosen, read, write
from chunkwise.cli.run import run
from chunkwise.errors import UserError
from chunkwise.evaluate import OURS, Dataset, Evidence, Pipeline, Question
from chunkwise.tune import Trial, tune
from chunkwise.units import Document, Span

PLACES = [f"{a}{b}" for a in ("Nor", "Sud", "Ost", "Wes") for b in ("vik", "berg", "heim", "by", "holm", "torp")]
BEST = Pipeline("sentence", "bm25", "coverage", "none")
WORST = Pipeline("fixed:size=400", "bm25", "top-k:k=1", "none")


def dataset() -> Dataset:
    """A fact a place, among sentences that say nothing of it; a whole document never fits the budget."""
    documents, questions = [], []
    for number, place in enumerate(PLACES):
        fact = f"The bridge of {place} was opened in {1700 + number}. "
        text = "Nothing of note is told of that year, and nobody remembers it. " * 30
        at = 63 * (number % 20)
        document = Document.of(text[:at] + fact + text[at:], f"/{place}.txt")
        documents.append(document)
        start = document.text.index(fact)
        evidence = Evidence(document.source, Span(start, start + len(fact) - 1))
        questions.append(Question(f"When was the bridge of {place} opened?", (evidence,)))
    return Dataset("places", tuple(documents), tuple(questions))


class Clock:
    """A minute passes with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_the_better_pipeline_is_found_on_questions_that_were_held_out(tmp_path: Path) -> None:
    trials: list[Trial] = []
    found = tune(dataset(), 60, 10, tmp_path / "work", pipelines=[WORST, BEST], progress=trials.append)
    assert found.choice is not None
    kept = {cell.pipeline: fmean(cell.recall) for cell in found.held_out if cell.budget == 60}
    assert found.choice.pipeline != WORST
    assert kept[found.choice.pipeline] == max(kept.values()) > kept[WORST] + 0.5
    assert kept[BEST] > 0.9
    assert found.questions == len(PLACES) // 2
    assert {cell.pipeline for cell in found.held_out} >= {BEST, OURS}
    assert all(len(cell.recall) == found.questions for cell in found.held_out)
    assert found.finished
    assert {cell.budget for cell in found.held_out} == {15, 30, 60}
    assert [trial.done for trial in trials] == sorted(trial.done for trial in trials)
    assert trials[-1].done <= trials[-1].of


def test_no_time_is_over_by_more_than_a_trial(tmp_path: Path) -> None:
    """With a clock that runs out at the second look, one trial is searched and one is decided on."""
    clock = Clock()
    found = tune(dataset(), 60, 0.001, tmp_path / "work", pipelines=[BEST, WORST], clock=clock)
    assert not found.finished
    assert found.tried == ()
    assert {cell.pipeline for cell in found.held_out} == {OURS}
    assert found.choice is not None
    assert found.choice.pipeline == OURS


def test_it_goes_on_with_what_is_there(tmp_path: Path) -> None:
    pipelines = [BEST, replace(BEST, select="top-k:k=3")]
    first = tune(dataset(), 60, 10, tmp_path / "work", pipelines=pipelines)
    kept = (tmp_path / "work" / "results.jsonl").read_text()
    again = tune(dataset(), 60, 10, tmp_path / "work", pipelines=pipelines)
    assert again.held_out == first.held_out
    assert (tmp_path / "work" / "results.jsonl").read_text() == kept


def test_a_pipeline_that_fails_is_passed_over(tmp_path: Path) -> None:
    broken = replace(BEST, embed=str(tmp_path))  # a folder without a model
    found = tune(dataset(), 60, 10, tmp_path / "work", pipelines=[broken, BEST])
    assert found.choice is not None
    assert broken not in {cell.pipeline for cell in found.tried}


@pytest.mark.parametrize(
    ("budget", "minutes", "kept", "says"),
    [(0, 10, 24, "buys nothing"), (60, 0, 24, "no time"), (60, 10, 3, "too few"), (60, 10, 0, "0 questions")],
)
def test_mistakes(tmp_path: Path, budget: int, minutes: float, kept: int, says: str) -> None:
    few = replace(dataset(), questions=dataset().questions[:kept])
    with pytest.raises(UserError, match=says):
        tune(few, budget, minutes, tmp_path / "work", pipelines=[BEST])


def test_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chunkwise.tune.run.space", lambda seed: (BEST, WORST))
    docs = tmp_path / "docs"
    docs.mkdir()
    lines = []
    for document, question in zip(dataset().documents, dataset().questions, strict=True):
        (docs / document.source[1:]).write_text(document.text)
        quote = document.text[slice(*question.evidence[0].span)]
        lines.append(
            json.dumps({"question": question.text, "evidence": [{"source": document.source[1:], "quote": quote}]})
        )
    (tmp_path / "asked.jsonl").write_text("\n".join(lines))
    command = ["tune", "docs", "--questions", "asked.jsonl", "--budget", "60", "--plot", "front.svg"]
    assert run(command) == 0
    shown = capsys.readouterr()
    assert "Choice: " in shown.out
    assert "12 held-out questions" in shown.out
    assert (tmp_path / "front.svg").stat().st_size > 1000
    chosen = read(tmp_path / "chunkwise.toml")
    assert chosen.budget == 60
    assert chosen.pipeline in (BEST, OURS)
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["choice"]["retrieve"] == chosen.pipeline.retrieve
    assert told["front"]["tokens"]


def test_what_is_chosen_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(dataset().documents[0].text)
    write(tmp_path / "chunkwise.toml", Chosen(BEST, 60), [])
    assert run(["index", "a.txt"]) == 0
    capsys.readouterr()
    assert run(["pack", "When was the bridge opened?", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["budget"] == 60
    assert run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["vectors"] == "none"
    assert run(["explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["retriever"] == "bm25"
    assert run(["pack", "When was the bridge opened?", "--json", "--budget", "50", "--retriever", "multiscale"]) == 0
    assert json.loads(capsys.readouterr().out)["budget"] == 50  # what is said counts before the file


def test_a_file_of_somebodys_own_is_refused_before_the_minutes_are_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chunkwise.toml").write_text("[pipeline]\n")
    (tmp_path / "a.txt").write_text("Text.")
    assert run(["tune", "a.txt"]) == 2
    assert "by hand" in capsys.readouterr().err
