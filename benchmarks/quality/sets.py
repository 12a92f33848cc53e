"""Data sets: documents, questions, and where in the documents each question's evidence stands."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MULTIHOP_DISTRACTORS = 1500
SEED = 0

Range = tuple[str, int, int]  # document, first character, end


@dataclass(frozen=True, slots=True)
class Gold:
    """A question's evidence as character ranges: all of them, or any one of them where they say the same thing."""

    ranges: tuple[Range, ...]
    any_of: bool = False


@dataclass(frozen=True, slots=True)
class DataSet:
    """One index's worth of documents, and questions over it.

    documents: name to text; views: what is scored, each a name and a Gold per question, None where the question is not
    part of the view. The first view bears the set's name.
    """

    name: str
    about: str
    documents: dict[str, str]
    questions: list[str]
    views: dict[str, list[Gold | None]]


def chroma(data: Path) -> DataSet:
    """Questions written for four corpora, with the exact spans that answer each."""
    rows = list(_read(data / "chroma_chunking" / "questions.jsonl"))
    names = sorted({row["corpus"] for row in rows})
    documents = {name: (data / "chroma_chunking" / f"corpus_{name}.md").read_bytes().decode("utf-8") for name in names}
    golds: list[Gold | None] = [_spans(row["corpus"], row) for row in rows]
    by_corpus = {
        f"chroma/{name}": [gold if row["corpus"] == name else None for row, gold in zip(rows, golds, strict=True)]
        for name in names
    }
    about = "the spans that answer the question; all corpora in one index"
    return DataSet("chroma", about, documents, [row["question"] for row in rows], {"chroma": golds, **by_corpus})


def squad(data: Path) -> DataSet:
    """SQuAD questions (the English side of XQuAD) over 24 articles."""
    return _documents_and_spans("squad", data / "squad_xquad_en", "docs.jsonl", "the answer span; 24 articles")


def covid(data: Path) -> DataSet:
    """Questions by experts over whole papers."""
    return _documents_and_spans("covid", data / "covid_qa", "docs.jsonl.gz", "the answer span; 49 whole papers")


def nq(data: Path) -> DataSet:
    """Search questions over Wikipedia passages of 100 words, each under its article's title.

    Two views of the same packs: the whole gold passage, and any one place in it where an answer is spelt out.
    """
    documents = {row["id"]: _titled(row) for row in _read(data / "nq_passages" / "passages.jsonl.gz")}
    rows = list(_read(data / "nq_passages" / "questions.jsonl.gz"))
    passages: list[Gold | None] = []
    answers: list[Gold | None] = []
    for row in rows:
        (name,) = row["gold"]
        text = documents[name]
        start = text.index("\n\n") + 2  # the title is given to every system, but it is not the evidence
        places = {(name, at, at + len(answer)) for answer in row["answers"] for at in _every(text, answer, start)}
        passages.append(Gold(((name, start, len(text)),)))
        answers.append(Gold(tuple(sorted(places)), any_of=True) if places else None)
    about = "the whole gold passage (nq) or any one spelling of the answer in it (nq/answer); 1352 passages"
    return DataSet("nq", about, documents, [row["question"] for row in rows], {"nq": passages, "nq/answer": answers})


def multihop(data: Path) -> DataSet:
    """HotpotQA and MuSiQue questions: every question's own paragraphs and a sample of others in one index."""
    folder = data / "multihop"
    names: dict[str, str] = {}  # text to document name: a paragraph that two questions share is one document
    rows: list[tuple[str, str, Gold]] = []
    for row in _read(folder / "hotpot.jsonl"):
        ranges: list[Range] = []
        for paragraph in row["paragraphs"]:
            text = f"{paragraph['title']}\n\n{''.join(paragraph['sentences'])}"
            name = names.setdefault(text, f"paragraph-{len(names)}")
            start = len(paragraph["title"]) + 2
            for index, sentence in enumerate(paragraph["sentences"]):
                if index in paragraph["support"]:
                    ranges.append((name, start, start + len(sentence)))
                start += len(sentence)
        rows.append(("hotpot", row["question"], Gold(tuple(ranges))))
    for row in _read(folder / "musique.jsonl.gz"):
        ranges = []
        for paragraph in row["paragraphs"]:
            name = names.setdefault(_titled(paragraph), f"paragraph-{len(names)}")
            if paragraph["support"]:
                ranges.append((name, len(paragraph["title"]) + 2, len(_titled(paragraph))))
        rows.append(("musique", row["question"], Gold(tuple(ranges))))
    others = sorted(_titled(row) for row in _read(folder / "distractors_2wiki.jsonl.gz"))
    for text in random.Random(SEED).sample(others, MULTIHOP_DISTRACTORS):
        names.setdefault(text, f"paragraph-{len(names)}")
    golds: list[Gold | None] = [gold for _, _, gold in rows]
    parts = {
        f"multihop/{part}": [gold if part == origin else None for origin, _, gold in rows]
        for part in ("hotpot", "musique")
    }
    about = f"supporting sentences (HotpotQA) and paragraphs (MuSiQue); {MULTIHOP_DISTRACTORS} sampled distractors"
    documents = {name: text for text, name in names.items()}
    return DataSet("multihop", about, documents, [question for _, question, _ in rows], {"multihop": golds, **parts})


SETS: dict[str, Callable[[Path], DataSet]] = {
    "chroma": chroma,
    "squad": squad,
    "covid": covid,
    "nq": nq,
    "multihop": multihop,
}


def _documents_and_spans(name: str, folder: Path, documents: str, about: str) -> DataSet:
    rows = list(_read(folder / "questions.jsonl"))
    texts = {row["id"]: row["text"] for row in _read(folder / documents)}
    return DataSet(
        name, about, texts, [row["question"] for row in rows], {name: [_spans(row["doc"], row) for row in rows]}
    )


def _spans(document: str, row: dict[str, Any]) -> Gold:
    return Gold(tuple((document, span["start"], span["end"]) for span in row["spans"]))


def _titled(row: dict[str, Any]) -> str:
    return f"{row['title']}\n\n{row['text']}"


def _every(text: str, part: str, start: int) -> Iterator[int]:
    while part and (start := text.find(part, start)) >= 0:
        yield start
        start += 1


def _read(path: Path) -> Iterator[dict[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return (json.loads(line) for line in text.split("\n") if line)
