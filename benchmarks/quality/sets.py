"""The sets that quality is measured on: documents, questions, and views of where each question's evidence stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chunkwise.evaluate import Dataset, Question, load

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
    return _by_group(
        "chroma", load("chroma_chunking", data), "the spans that answer the question; all corpora in one index"
    )


def squad(data: Path) -> DataSet:
    """SQuAD questions (the English side of XQuAD) over 24 articles."""
    return _whole("squad", load("squad_xquad_en", data), "the answer span; 24 articles")


def covid(data: Path) -> DataSet:
    """Questions by experts over whole papers."""
    return _whole("covid", load("covid_qa", data), "the answer span; 49 whole papers")


def nq(data: Path) -> DataSet:
    """Search questions over Wikipedia passages of 100 words, each under its article's title.

    Two views of the same packs: the whole gold passage, and any one place in it where an answer is spelt out.
    """
    passages, spelt = load("nq_passages", data), load("nq_answers", data)
    places = {(question.text, tuple(question.relevant)): _any(question) for question in spelt.questions}
    about = "the whole gold passage (nq) or any one spelling of the answer in it (nq/answer); 1352 passages"
    found = _whole("nq", passages, about)
    found.views["nq/answer"] = [
        places.get((question.text, tuple(question.relevant))) for question in passages.questions
    ]
    return found


def multihop(data: Path) -> DataSet:
    """HotpotQA and MuSiQue questions: every question's own paragraphs and a sample of others in one index."""
    from chunkwise.evaluate.sets.spans import DISTRACTORS

    about = f"supporting sentences (HotpotQA) and paragraphs (MuSiQue); {DISTRACTORS} sampled distractors"
    return _by_group("multihop", load("multihop", data), about)


SETS: dict[str, Callable[[Path], DataSet]] = {
    "chroma": chroma,
    "squad": squad,
    "covid": covid,
    "nq": nq,
    "multihop": multihop,
}


def _whole(name: str, dataset: Dataset, about: str) -> DataSet:
    texts = {document.source: document.text for document in dataset.documents}
    return DataSet(
        name, about, texts, [q.text for q in dataset.questions], {name: [_all(q) for q in dataset.questions]}
    )


def _by_group(name: str, dataset: Dataset, about: str) -> DataSet:
    found = _whole(name, dataset, about)
    for group in sorted({question.group for question in dataset.questions}):
        found.views[f"{name}/{group}"] = [_all(q) if q.group == group else None for q in dataset.questions]
    return found


def _all(question: Question) -> Gold:
    return Gold(tuple((part.source, *part.span) for part in question.evidence))


def _any(question: Question) -> Gold:
    places = (question.evidence, *question.alternatives)
    return Gold(tuple((part.source, *part.span) for (part,) in places), any_of=True)
