"""Sets that judge whole documents, or hold the answer in words and no span."""

from __future__ import annotations

import re
from pathlib import Path

from chunkwise.errors import UserError
from chunkwise.evaluate.dataset import Dataset, Question
from chunkwise.evaluate.sets.rows import records
from chunkwise.units import Document


def cranfield(folder: Path) -> Dataset:
    """Questions on aerodynamics over 1400 abstracts, with the relevant ones, each of grade 1.

    The set has grades, but copies of it disagree which end is the better one, so that only relevant or not is kept.
    """
    documents = tuple(
        Document.of(row["text"], row["id"], title=row["title"], author=row["author"])
        for row in records(folder / "docs.jsonl")
    )
    questions = tuple(
        Question(row["text"], relevant={name: 1 for name, grade in row["qrels"].items() if grade >= 1})
        for row in records(folder / "queries.jsonl")
    )
    return Dataset("cranfield", documents, questions)


def long_docs_leval(folder: Path) -> Dataset:
    """Documents of 3,000 to 60,000 tokens with several questions each, to be answered in words; group: the task.

    No spans: relevant is the document that is asked about. Closed tasks have a letter, True or False for an answer; of
    "True [fact: False]", which is what the document says and what is so, the first is kept. Documents that two rows
    share are one.
    """
    files = sorted(folder.glob("*.jsonl*"))
    if not files:
        raise UserError(f"{folder}: no task in it, which would be a .jsonl or .jsonl.gz file; copy the set again")
    sources: dict[str, str] = {}  # text to source
    questions = []
    for file in files:
        for row in records(file):
            source = sources.setdefault(row["document"], row["id"])
            for asked in row["qa"]:
                answer = re.sub(r"\s*\[fact: \w+\]$", "", asked["answer"])
                questions.append(
                    Question(asked["question"], answers=(answer,), relevant={source: 1}, group=row["task"])
                )
    documents = tuple(Document.of(text, source) for text, source in sources.items())
    return Dataset("long_docs_leval", documents, tuple(questions))
