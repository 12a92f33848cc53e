"""The reader that needs no model: the sentences, or lines of code, of the passages that carry the answer.

A piece of a passage is worth the share of the question that it covers, each word weighing by its rarity among the
pieces. Words that stand beside it, or elsewhere in its passage, count in part: a sentence seldom repeats what the one
before it was about.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from chunkwise.llm.pieces import Piece, is_code, pieces
from chunkwise.units import Floats, LineMap, Passage, Span

Analyse: TypeAlias = Callable[[str], Sequence[str]]
Similarity: TypeAlias = Callable[[str, Sequence[str]], Floats]

NOTHING_FOUND = "Nothing found: the passages do not hold an answer to this question."

ENOUGH = 0.42  # of the question's weight: less is no answer
NEAR = 0.8  # of the best piece's worth: what else is quoted
BESIDE, AROUND = 0.6, 0.4  # what a word counts for in a neighbouring piece, and elsewhere in the passage
TRUST = 0.1  # what the retriever's score counts for, relative to the best passage's
CLOSE = 0.5  # what a similarity counts for
ALIKE = 0.6  # a similarity that makes an answer, whatever the words
STEM = 5  # characters of a term that counts as the start of a longer one
WORTH = {"sentence": 1.0, "definition": 1.25, "comment": 1.0, "statement": 0.6, "lead": 0.0}


@dataclass(frozen=True, slots=True)
class Quote:
    """A piece of passage `number` (from 1), to the character.

    span: character offsets into the document; lines, cite: where the piece stands in its file. Where a passage is not
    its document's text to the character, or its file's lines, all three are the whole passage's.
    """

    number: int
    source: str
    span: Span
    lines: tuple[int, int]
    cite: str
    text: str
    score: float

    def __str__(self) -> str:
        """`Refunds take 30 days. [1]`, or code in a fence with the number below it."""
        if not is_code(self.source):
            return f"{' '.join(self.text.split())} [{self.number}]"
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", self.text)), default=0))
        return f"{fence}\n{textwrap.dedent(self.text)}\n{fence}\n[{self.number}]"


@dataclass(frozen=True, slots=True)
class Extract:
    """What the passages say to the question: quotes, those of the best passage first; none when nothing was found."""

    quotes: tuple[Quote, ...]

    @property
    def found(self) -> bool:
        """Whether there is an answer."""
        return bool(self.quotes)

    @property
    def text(self) -> str:
        """The quotes, each with its citation, a line for each; or that nothing was found."""
        return "\n".join(map(str, self.quotes)) or NOTHING_FOUND


def plain_words(text: str) -> list[str]:
    """Words in lower case, identifiers in their parts, without the commonest words of English; no stems."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+", text)
    return [word for part in parts if (word := part.casefold()) not in _COMMON]


def extractive(
    question: str,
    passages: Sequence[Passage],
    *,
    analyse: Analyse = plain_words,
    similarity: Similarity | None = None,
    most: int = 3,
) -> Extract:
    """The at most `most` pieces of the passages that answer the question, as far as words can tell.

    analyse: text to its terms, such as `retrieve`'s stems; similarity: a question and n texts to float32 [n], cosines
    that weigh in beside the words. Nothing is found when too little of the question, weighed by rarity, is there.
    """
    asked = dict.fromkeys(analyse(question))
    found = [(number, piece) for number, passage in enumerate(passages, 1) for piece in pieces(passage)]
    if not asked or not found:
        return Extract(())
    texts = [passages[number - 1].text[slice(*piece.span)] for number, piece in found]
    terms = [_present(asked, analyse(text)) for text in texts]
    around = [_present(asked, analyse(" ".join((p.source, *p.path, p.text)))) for p in passages]
    coverage = _coverage(asked.keys(), [number for number, _ in found], terms, around)
    alike = similarity(question, texts).tolist() if similarity else [0.0] * len(texts)
    best_passage = max((passage.score for passage in passages), default=0.0)
    scores = []
    for (number, piece), covered, near in zip(found, coverage, alike, strict=True):
        trust = passages[number - 1].score / best_passage if best_passage > 0 else 1.0
        answers = covered >= ENOUGH or near >= ALIKE
        scores.append(WORTH[piece.kind] * (covered + CLOSE * near + TRUST * trust) if answers else 0.0)
    order = sorted(range(len(found)), key=lambda at: (-scores[at], at))[:most]
    kept = [at for at in order if scores[at] > 0 and scores[at] >= NEAR * scores[order[0]]]
    rank = {number: place for place, number in enumerate(dict.fromkeys(found[at][0] for at in kept))}
    kept.sort(key=lambda at: (rank[found[at][0]], at))
    return Extract(tuple(_quote(passages[found[at][0] - 1], *found[at], scores[at]) for at in kept))


def _present(asked: Iterable[str], terms: Sequence[str]) -> set[str]:
    """Which of the terms asked for are there; a long one also as the start of another, `thread` in `threadsafe`."""
    there = f" {' '.join(terms)} "
    return {term for term in asked if (f" {term}" if len(term) >= STEM else f" {term} ") in there}


def _coverage(
    asked: Set[str], where: Sequence[int], terms: Sequence[Set[str]], passage_terms: Sequence[Set[str]]
) -> list[float]:
    """For each piece the share of the question's weight that it and what it stands in cover, 0 to 1.

    where: the number of each piece's passage; terms: those asked for in each piece, passage_terms in each passage.
    """
    count = len(terms)
    pieces_with = Counter(term for inside in terms for term in inside)
    weight = {term: math.log(1 + (count - n + 0.5) / (n + 0.5)) for term in asked for n in [max(1, pieces_with[term])]}
    shares = []
    for at, inside in enumerate(terms):
        near = [terms[other] for other in (at - 1, at + 1) if 0 <= other < count and where[other] == where[at]]
        beside = frozenset().union(*near)
        shares.append(
            sum(
                weight[term] * (1 if term in inside else BESIDE if term in beside else AROUND)
                for term in passage_terms[where[at] - 1]
            )
            / sum(weight.values())
        )
    return shares


def _quote(passage: Passage, number: int, piece: Piece, score: float) -> Quote:
    start, end = piece.span
    span, lines, cite = passage.origin(start, end) or passage.span, passage.lines, passage.cite
    if passage.parts is not None:  # its lines are no lines of the file
        return Quote(number, passage.source, span, lines, cite, passage.text[start:end], score)
    if len(passage.text) != passage.span.end - passage.span.start:
        span = passage.span
    own = LineMap.of_text(passage.text)
    shown, by_line, _ = cite.rpartition(":")
    if by_line and own.at(len(passage.text) - 1) - 1 == lines[1] - lines[0]:
        first, last = own.range(piece.span)
        lines = first + lines[0] - 1, last + lines[0] - 1
        cite = f"{shown}:{lines[0]}" + (f"-{lines[1]}" if lines[1] > lines[0] else "")
    return Quote(number, passage.source, span, lines, cite, passage.text[start:end], score)


_COMMON = frozenset(
    """a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it
    its me my no not of on or our she should so than that the their them then there these they this to us was we were
    what when where which while who whom whose why will with would you your""".split()  # noqa: SIM905 - a word list
)
