"""Digests: passages said in few lines, neighbours merged layer by layer, every line with the passages it goes back to.

After "LLM×MapReduce-V2: Entropy-Driven Convolutional Test-Time Scaling for Generating Long-Form Articles from Extremely
Long Resources". There a skeleton of the article is refined by an entropy that a model estimates; here digests
themselves are convolved, and information is counted from the rarity of their words: both are our reconstruction.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from chunkwise.asking import MATERIAL, Asking, fenced
from chunkwise.compress.statement import Statement
from chunkwise.compress.value import analyser
from chunkwise.tokens import Tokenizer
from chunkwise.units import Passage

Digest: TypeAlias = tuple[Statement, ...]

WORDS_PER_TOKEN = 0.7
_DIGEST = """\
Digest the text below for a reader whose question is: {query}
Write at most {words} words, each statement on a line of its own. Begin each line with [{number}]. Keep names and
numbers to the letter; add nothing that the text does not say.
"""
_MERGE = """\
Below are digests of neighbouring parts of one material, a statement to a line, each with the numbers of the parts it
comes from. Merge them into one digest for a reader whose question is: {query}
Write at most {words} words, each statement on a line of its own; say once what is said twice, and begin each line with
the numbers of all parts that it comes from, such as [1] or [1][3]. Leave no number out. Keep names and numbers to the
letter; add nothing.
"""
_LINE = re.compile(r"^[ \t*•-]*((?:\[ *\d{1,6} *\][ \t]*)+)(\S.*?)\s*$", re.MULTILINE)
ASKED = 4  # times that a word of the question tells as much as another one that is as rare


@dataclass(frozen=True, slots=True)
class Digested:
    """layers: the digests of each layer, the passages' own first; information: bits for each token of a layer."""

    layers: tuple[tuple[Digest, ...], ...]
    information: tuple[float, ...]


class Information:
    """How much a digest tells: the self-information of its different terms by their share of the passages', in bits.

    What the question asks for counts ASKED times.
    """

    def __init__(self, passages: Sequence[Passage], query: str) -> None:
        self._terms = analyser(passages).terms
        counts = Counter(term for passage in passages for term in self._terms(passage.text))
        total = max(1, sum(counts.values()))
        asked = set(self._terms(query))
        self._bits = {
            term: -float(np.log2(count / total)) * (ASKED if term in asked else 1) for term, count in counts.items()
        }

    def __call__(self, statements: Sequence[Statement]) -> float:
        """Bits; a term that no passage has tells nothing, and one that is said twice tells it once."""
        return self.bits({term for one in statements for term in self.terms(one)})

    def terms(self, statement: Statement) -> frozenset[str]:
        """The different terms of a statement."""
        return frozenset(self._terms(statement.text))

    def bits(self, terms: Iterable[str]) -> float:
        """What these terms tell."""
        return math.fsum(self._bits.get(term, 0.0) for term in terms)  # the same in whatever order they come


def digested(
    passages: Sequence[Passage],
    query: str,
    width: int,
    tokens: int,
    extracts: Callable[[int, int], Digest],
    asking: Asking,
    tokenizer: Tokenizer,
) -> Digested:
    """Digests of the passages, then of `width` neighbours each, in windows that overlap by one, until one is left.

    tokens: of the last digest; the first layer's have twice that in all. extracts: the digest of a passage, by its
    number, in so many tokens, which stands in its source. Of the model's merge and the lines of the digests as they
    are, the one with more information for the room is the window's; a part that was left out keeps its best line.
    """
    tell = Information(passages, query)
    size = max(1, 2 * tokens // max(1, len(passages)))
    asked = [_prompt(_DIGEST, query, size, passage.text, number) for number, passage in enumerate(passages, 1)]
    layer = tuple(
        _read(reply, {number}, asking) or extracts(number, size) for number, reply in enumerate(asking.each(asked))
    )
    layers, information = [layer], [_density(layer, tell, tokenizer)]
    while len(layer) > 1:
        windows = [layer[at : at + width] for at in range(0, len(layer) - 1, width - 1)]
        size = max(1, tokens // len(windows))
        asked = [_prompt(_MERGE, query, size, _shown(window), 0) for window in windows]
        merged = []
        for window, reply in zip(windows, asking.each(asked), strict=True):
            there = {of for digest in window for one in digest for of in one.of}
            merged.append(_best(window, _read(reply, there, asking), size, tell, tokenizer))
        layer = tuple(merged)
        layers.append(layer)
        information.append(_density(layer, tell, tokenizer))
    return Digested(tuple(layers), tuple(information))


def lines(reply: str, there: set[int]) -> Digest:
    """The statements of a reply that name passages which are there, numbered from 1 in it and from 0 here."""
    found = []
    for marks, text in _LINE.findall(reply):
        of = tuple(dict.fromkeys(number for mark in re.findall(r"\d+", marks) if (number := int(mark) - 1) in there))
        if of:
            found.append(Statement(text, of))
    return tuple(found)


def _read(reply: str | None, there: set[int], asking: Asking) -> Digest:
    """The statements of a reply; one that has none is counted as misread."""
    found = lines(reply or "", there)
    if reply is not None and not found:
        asking.misread()
    return found


def _best(window: Sequence[Digest], merged: Digest, size: int, tell: Information, tokenizer: Tokenizer) -> Digest:
    """The model's merge or the lines as they are, whichever tells more in `size` tokens, and no passage left out."""
    stood = tuple(dict.fromkeys(one for digest in window for one in digest))
    drafts = [_fitting(_covering(draft, stood, tell), size, tell, tokenizer) for draft in (merged, stood) if draft]
    return max(drafts, key=tell, default=())


def _covering(draft: Digest, stood: Digest, tell: Information) -> Digest:
    """The draft with the best line of each passage that it leaves out."""
    named = {of for one in draft for of in one.of}
    lost = dict.fromkeys(of for one in stood for of in one.of if of not in named)
    best = (max((one for one in stood if of in one.of), key=lambda one: tell([one])) for of in lost)
    return (*draft, *dict.fromkeys(best))


def _fitting(draft: Digest, size: int, tell: Information, tokenizer: Tokenizer) -> Digest:
    """The lines that `size` tokens hold, most new information a token first; one of each passage, whatever it costs."""
    costs = {one: max(1, tokenizer.count(one.text)) for one in draft}
    terms = {one: tell.terms(one) for one in draft}
    taken, known, cited = list[Statement](), set[str](), set[int]()
    left, open_ = size, list(costs)
    while open_:
        gains = [tell.bits(terms[one] - known) for one in open_]
        at = max(range(len(open_)), key=lambda at: gains[at] / costs[open_[at]])
        best = open_.pop(at)
        if gains[at] > 0 and (costs[best] <= left or not cited.issuperset(best.of)):
            taken.append(best)
            left -= costs[best]
            known |= terms[best]
            cited.update(best.of)
    return tuple(sorted(taken, key=lambda one: one.of))


def _density(layer: Sequence[Digest], tell: Information, tokenizer: Tokenizer) -> float:
    said = [one for digest in layer for one in digest]
    return tell(said) / max(1, sum(tokenizer.count(one.text) for one in said))


def _shown(window: Sequence[Digest]) -> str:
    said = dict.fromkeys(one for digest in window for one in digest)
    return "\n".join(f"{''.join(f'[{of + 1}]' for of in one.of)} {' '.join(one.text.split())}" for one in said)


def _prompt(form: str, query: str, size: int, text: str, number: int) -> str:
    words = max(4, int(WORDS_PER_TOKEN * size))
    return f"{form.format(query=' '.join(query.split()), words=words, number=number)}{MATERIAL}{fenced(text)}"
