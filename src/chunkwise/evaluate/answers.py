"""How good an answer is: its words against the accepted ones, and what it cites against the evidence."""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import regex

from chunkwise.errors import UserError
from chunkwise.evaluate.dataset import Evidence, Question
from chunkwise.evaluate.spans import covered

_ARTICLES = regex.compile(r"\b(a|an|the)\b")


class AnswerScores(NamedTuple):
    """exact: 1.0 where the words are those of an accepted answer, 0.0 otherwise; f1: of their words, 0 to 1."""

    exact: float
    f1: float


class CitationScores(NamedTuple):
    """precision: share of the citations that support; recall: share of the evidence that is cited.

    supporting: for each citation, whether it holds evidence.
    """

    precision: float
    recall: float
    supporting: tuple[bool, ...]


def normalised(answer: str) -> str:
    """`answer` without case, punctuation, English articles and blanks beyond one between words, as SQuAD compares.

    SQuAD takes away ASCII punctuation alone; here that of every script goes, which for English text is the same but for
    typographic quotes and dashes.
    """
    kept = "".join(c for c in answer.lower() if c not in string.punctuation and unicodedata.category(c)[0] != "P")
    return " ".join(_ARTICLES.sub(" ", kept).split())


def answer_scores(answer: str, accepted: Sequence[str]) -> AnswerScores:
    """Exact match and F1 of words against the accepted answer that each is best for.

    Rajpurkar and others, SQuAD: 100,000+ Questions for Machine Comprehension of Text (2016); an empty answer is right
    where an accepted one is empty too, and nowhere else. Words stand between blanks. Raises UserError when no answer is
    accepted.
    """
    if not accepted:
        raise UserError("no accepted answer to compare with: leave the question out")
    said = normalised(answer)
    golds = [normalised(gold) for gold in accepted]
    return AnswerScores(float(said in golds), max(_f1(said.split(), gold.split()) for gold in golds))


def citation_scores(cited: Sequence[Evidence], question: Question, *, least: float = 0.5) -> CitationScores:
    """Citation precision and recall of the cited spans against the evidence of `question`, each in 0 to 1.

    A citation supports when what it shares with some piece of evidence is at least `least` of the shorter of the two; a
    piece of evidence is cited when the citations together hold at least `least` of it. After Gao and others, Enabling
    Large Language Models to Generate Text with Citations (2023), with the evidence's place instead of a model as judge.
    Of several sets of evidence the one with the best recall, then precision, counts. No citation: precision 0. Raises
    UserError for a question without evidence.
    """
    golds = [gold for gold in (question.evidence, *question.alternatives) if gold]
    if not golds:
        raise UserError(f"no evidence to cite for {question.text[:60]!r}: leave the question out")
    found = [_cited(cited, gold, least) for gold in golds]
    return max(found, key=lambda scores: (scores.recall, scores.precision))


def _f1(said: list[str], gold: list[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    return 2 * (Counter(said) & Counter(gold)).total() / (len(said) + len(gold))


def _cited(cited: Sequence[Evidence], gold: Sequence[Evidence], least: float) -> CitationScores:
    supporting = tuple(any(_supports(span, part, least) for part in gold) for span in cited)
    held = sum(covered([part], cited) >= least * part.size for part in gold if part.size)
    return CitationScores(
        sum(supporting) / len(cited) if cited else 0.0,
        held / max(1, sum(part.size > 0 for part in gold)),
        supporting,
    )


def _supports(span: Evidence, part: Evidence, least: float) -> bool:
    shared = covered([part], [span])
    return 0 < shared >= least * min(span.size, part.size)
