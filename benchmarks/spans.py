"""Our span scores beside chunking_evaluation's own scorer, question by question, over the same retrieved chunks.

    python -m benchmarks.spans --original FOLDER

FOLDER is a checkout of github.com/brandonstarxel/chunking_evaluation, which is not on PyPI; its own questions and
corpora are asked. Its retriever and embeddings need accounts and downloads and are not what is measured: chunks are
drawn at random, those that hold the evidence among them, some twice, some of other corpora. Exits 1 when any score is
off by more than 1e-6.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from chunkwise.evaluate import Evidence, Question, precision_omega, span_scores
from chunkwise.units import Span

from .machine import RESULTS, as_markdown, setting

TOLERANCE = 1e-6
WINDOWS = {"1200 characters": (1200, 1200), "400 characters": (400, 400), "800 characters, 400 shared": (800, 400)}
RETRIEVED = 5
MEASURES = ("recall", "precision", "IoU", "precision omega")

Row = dict[str, Any]  # a chunk or a question as the original has it


def main() -> None:
    """Score everything by both and write the largest difference."""
    options = _options()
    scorer = _scorer(options.original)
    questions, corpora = _material(options.original)
    found = {name: _compare(scorer, questions, _chunks(corpora, *window)) for name, window in WINDOWS.items()}
    revision = subprocess.run(
        ["git", "-C", options.original, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    where = setting("chunkwise") | {"chunking_evaluation": revision.stdout.strip() or "unknown revision"}
    options.out.mkdir(parents=True, exist_ok=True)
    seen = {"questions": len(questions), "chunks": found, "setting": where}
    (options.out / "spans.json").write_text(json.dumps(seen, indent=1) + "\n")
    (options.out / "spans.md").write_text(_markdown(seen, as_markdown(where)))
    print(_markdown(seen, ""))
    sys.exit(any(off > TOLERANCE for by in found.values() for off in by["off by"].values()))


def _compare(scorer: Any, questions: list[Row], chunks: list[Row]) -> dict[str, dict[str, float]]:
    rng = random.Random(0)
    frame = SimpleNamespace(questions_df=SimpleNamespace(iterrows=lambda: enumerate(questions)))
    retrieved = [_retrieved(question, chunks, rng) for question in questions]
    omega, _ = scorer._full_precision_score(frame, chunks)
    counts = [len(each) for each in retrieved]
    iou, recall, precision = scorer._scores_from_dataset_and_retrievals(frame, retrieved, counts)
    theirs = list(zip(recall, precision, iou, omega, strict=True))
    everything = [_evidence(chunk) for chunk in chunks]
    ours = []
    for question, taken in zip(questions, retrieved, strict=True):
        asked = Question(question["question"], tuple(_evidence(part | question) for part in question["references"]))
        scores = span_scores([_evidence(chunk) for chunk in taken], asked, merged=False)
        ours.append((scores.recall, scores.precision, scores.iou, precision_omega(everything, asked)))
    off = [
        max(abs(a - b) for a, b in zip(column, other, strict=True))
        for column, other in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    ]
    means = [sum(column) / len(column) for column in zip(*ours, strict=True)]
    return {"mean": dict(zip(MEASURES, means, strict=True)), "off by": dict(zip(MEASURES, off, strict=True))}


def _retrieved(question: Row, chunks: list[Row], rng: random.Random) -> list[Row]:
    holding = [
        chunk
        for chunk in chunks
        if chunk["corpus_id"] == question["corpus_id"]
        and any(
            chunk["start_index"] < part["end_index"] and part["start_index"] < chunk["end_index"]
            for part in question["references"]
        )
    ]
    taken = rng.sample(holding, rng.randint(0, len(holding))) + rng.sample(chunks, RETRIEVED)
    return taken + rng.sample(taken, rng.randint(0, 2))


def _chunks(corpora: dict[str, str], size: int, step: int) -> list[Row]:
    return [
        {"corpus_id": name, "start_index": start, "end_index": min(len(text), start + size)}
        for name, text in corpora.items()
        for start in range(0, len(text), step)
    ]


def _evidence(row: Row) -> Evidence:
    return Evidence(row["corpus_id"], Span(row["start_index"], row["end_index"]))


def _material(original: Path) -> tuple[list[Row], dict[str, str]]:
    folder = original / "chunking_evaluation" / "evaluation_framework" / "general_evaluation_data"
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        questions = [row | {"references": json.loads(row["references"])} for row in csv.DictReader(file)]
    names = dict.fromkeys(question["corpus_id"] for question in questions)
    return questions, {name: (folder / "corpora" / f"{name}.md").read_text(encoding="utf-8") for name in names}


def _scorer(original: Path) -> Any:
    """The original's class, with stand-ins for what it imports for other ends and is not installed."""
    sys.path.insert(0, str(original))
    while True:
        try:
            importlib.import_module("chunking_evaluation")
            return importlib.import_module("chunking_evaluation.evaluation_framework.base_evaluation").BaseEvaluation
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("chunking_evaluation"):
                raise SystemExit(f"{original}: no checkout of chunking_evaluation ({error})") from error
            sys.modules[error.name] = MagicMock(__path__=[], __spec__=None)
            for half_made in [name for name in sys.modules if name.startswith("chunking_evaluation")]:
                del sys.modules[half_made]


def _markdown(seen: dict[str, Any], footer: str) -> str:
    lines = [
        "# Span scores beside chunking_evaluation's own\n",
        f"{seen['questions']} questions of that package, {RETRIEVED} chunks at random and some that hold the evidence",
        "retrieved for each. Each cell: the mean, and the largest difference of any one question.\n",
        f"| chunks | {' | '.join(MEASURES)} |",
        f"| --- | {' | '.join(['---'] * len(MEASURES))} |",
    ]
    for name, by in seen["chunks"].items():
        cells = [f"{by['mean'][measure]:.4f}, off by {by['off by'][measure]:.0e}" for measure in MEASURES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", footer, ""])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spans", description=__doc__)
    parser.add_argument("--original", type=Path, required=True, help="checkout of chunking_evaluation")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for spans.{json,md}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
