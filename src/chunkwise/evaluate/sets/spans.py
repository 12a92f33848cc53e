"""Sets whose questions come with the spans that answer them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chunkwise.evaluate.dataset import Dataset, Evidence, Question
from chunkwise.evaluate.sets.rows import content, records
from chunkwise.units import Document, Span

DISTRACTORS = 1500  # of the multihop set's pool: enough to be lost in, few enough to index in seconds
SEED = 0


def chroma_chunking(folder: Path) -> Dataset:
    """Questions written for four corpora, with the spans that answer each; group: the corpus."""
    found = [row for row in records(folder / "questions.jsonl") if row.get("span_ok", True)]
    names = sorted({row["corpus"] for row in found})
    documents = [Document.of(content(folder / f"corpus_{name}.md"), name, "text/markdown") for name in names]
    questions = [Question(row["question"], _evidence(row["corpus"], row), group=row["corpus"]) for row in found]
    return Dataset("chroma_chunking", tuple(documents), tuple(questions))


def squad_xquad_en(folder: Path) -> Dataset:
    """SQuAD questions (the English side of XQuAD) over 24 articles, with the answers' spans."""
    return _answers_in_documents("squad_xquad_en", folder)


def covid_qa(folder: Path) -> Dataset:
    """Questions by experts over whole papers, with the answers' spans; many make sense within their paper alone."""
    return _answers_in_documents("covid_qa", folder)


def nq_passages(folder: Path) -> Dataset:
    """Search questions over Wikipedia passages of 100 words, each under its title; evidence: the whole gold passage.

    Another passage may answer as well, and is not labelled: recall is a lower bound.
    """
    return _natural_questions("nq_passages", folder)


def nq_answers(folder: Path) -> Dataset:
    """As `nq_passages`, but evidence is any place in the gold passage where an accepted answer is spelt out.

    Questions whose passage spells no answer out are left out.
    """
    return _natural_questions("nq_answers", folder)


def multihop(folder: Path) -> Dataset:
    """HotpotQA and MuSiQue questions, whose evidence is in two to four paragraphs; group: hotpot or musique.

    Documents: every question's own paragraphs under their titles, and DISTRACTORS others, drawn with a fixed seed.
    Evidence: the supporting sentences of HotpotQA, the supporting paragraphs of MuSiQue.
    """
    names: dict[str, str] = {}  # text to source: a paragraph that two questions share is one document
    questions = []
    for row in records(folder / "hotpot.jsonl"):
        evidence: list[Evidence] = []
        for paragraph in row["paragraphs"]:
            source = _named(f"{paragraph['title']}\n\n{''.join(paragraph['sentences'])}", names)
            start = len(paragraph["title"]) + 2
            for index, sentence in enumerate(paragraph["sentences"]):
                if index in paragraph["support"]:
                    evidence.append(Evidence(source, Span(start, start + len(sentence))))
                start += len(sentence)
        questions.append(_hops(row["question"], evidence, (row["answer"],), "hotpot"))
    for row in records(folder / "musique.jsonl"):
        evidence = []
        for paragraph in row["paragraphs"]:
            source = _named(_titled(paragraph), names)
            if paragraph["support"]:
                evidence.append(Evidence(source, Span(len(paragraph["title"]) + 2, len(_titled(paragraph)))))
        questions.append(_hops(row["question"], evidence, (row["answer"], *row["aliases"]), "musique"))
    others = sorted(_titled(row) for row in records(folder / "distractors_2wiki.jsonl"))
    for text in random.Random(SEED).sample(others, min(DISTRACTORS, len(others))):
        _named(text, names)
    return Dataset("multihop", _documents({source: text for text, source in names.items()}), tuple(questions))


def _natural_questions(name: str, folder: Path) -> Dataset:
    texts = {row["id"]: _titled(row) for row in records(folder / "passages.jsonl")}
    questions = []
    for row in records(folder / "questions.jsonl"):
        whole, places = [], set()
        for source in row["gold"]:
            start = texts[source].index("\n\n") + 2  # the title is given to every system, but it is not the evidence
            whole.append(Evidence(source, Span(start, len(texts[source]))))
            places |= {
                (source, Span(at, at + len(answer)))
                for answer in row["answers"]
                for at in _every(texts[source], answer, start)
            }
        sets = [(Evidence(*place),) for place in sorted(places)] if name == "nq_answers" else [tuple(whole)]
        if sets:
            relevant = dict.fromkeys(row["gold"], 1)
            questions.append(Question(row["question"], sets[0], tuple(sets[1:]), tuple(row["answers"]), relevant))
    return Dataset(name, _documents(texts), tuple(questions))


def _answers_in_documents(name: str, folder: Path) -> Dataset:
    texts = {row["id"]: row["text"] for row in records(folder / "docs.jsonl")}
    questions = tuple(
        Question(
            row["question"],
            _evidence(row["doc"], row),
            answers=tuple(span["text"] for span in row["spans"]),
            relevant={row["doc"]: 1},
        )
        for row in records(folder / "questions.jsonl")
    )
    return Dataset(name, _documents(texts), questions)


def _hops(text: str, evidence: list[Evidence], answers: tuple[str, ...], group: str) -> Question:
    relevant = {part.source: 1 for part in evidence}
    return Question(text, tuple(evidence), answers=answers, relevant=relevant, group=group)


def _documents(texts: Mapping[str, str]) -> tuple[Document, ...]:
    return tuple(Document.of(text, source) for source, text in texts.items())


def _evidence(source: str, row: Mapping[str, Any]) -> tuple[Evidence, ...]:
    return tuple(Evidence(source, Span(span["start"], span["end"])) for span in row["spans"])


def _named(text: str, names: dict[str, str]) -> str:
    return names.setdefault(text, f"paragraph-{len(names)}")


def _titled(row: Mapping[str, Any]) -> str:
    return f"{row['title']}\n\n{row['text']}"


def _every(text: str, part: str, start: int) -> Iterator[int]:
    while part and (start := text.find(part, start)) >= 0:
        yield start
        start += 1
