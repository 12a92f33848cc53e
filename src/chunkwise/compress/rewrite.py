"""Rewrite: a text said in fewer words by a model that is asked, within a size and with its keywords, or not at all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from chunkwise.asking import MATERIAL, Asking, fenced
from chunkwise.compress.keywords import keywords, missing
from chunkwise.compress.unit import Units
from chunkwise.compress.value import analyser
from chunkwise.retrieve.words import Words
from chunkwise.segment import sentence_bounds
from chunkwise.tokens import Tokenizer
from chunkwise.units import Document, Ints, Span

WORDS_PER_TOKEN = 0.7

_SHORTEN = """\
Say what the text below says in at most {words} words, for a reader whose question is: {query}
Keep what bears on the question; leave out what does not, and what is said twice. Add nothing that the text does not
say.{keep} Write the shorter text alone.
"""
_KEEP = " Keep these to the letter: {}."


@dataclass(frozen=True, slots=True)
class Shortened:
    """Units of which some are said anew. units: all of them, those at their new cost; said: by their number."""

    units: Units
    said: Mapping[int, str]

    def __contains__(self, unit: int) -> bool:
        return unit in self.said

    @property
    def instead(self) -> dict[int, dict[Span, str]]:
        """What stands in place of which spans, by passage, with the blanks that end what stood there."""
        made: dict[int, dict[Span, str]] = {}
        for at, said in self.said.items():
            of, (start, end) = int(self.units.of[at]), self.units.spans[at]
            stood = self.units.passages[of].text[start:end]
            made.setdefault(of, {})[Span(start, end)] = said + stood[len(stood.rstrip()) :]
        return made


def shortened(units: Units, sizes: Ints, keep: int, query: str, asking: Asking, tokenizer: Tokenizer) -> Shortened:
    """The units that are larger than their size, which is not 0, said anew in that size where a reply can be used.

    keep: how many keywords of each must survive, those that stand nearest to the question's words first.
    """
    analyse = analyser(units.passages)
    asked = set(analyse.terms(query))
    large = np.flatnonzero((sizes > 0) & (sizes < units.costs)).tolist()
    texts = units.texts
    longs = [Long(texts[at], int(sizes[at]), _wanted(texts[at], asked, keep, analyse)) for at in large]
    replies = rewritten(longs, query, asking, tokenizer, analyse)
    said = {at: reply for at, reply in zip(large, replies, strict=True) if reply is not None}
    costs = units.costs.copy()
    for at, reply in said.items():
        costs[at] = tokenizer.count(reply)
    return Shortened(replace(units, costs=costs), said)


def _wanted(text: str, asked: set[str], keep: int, analyse: Words) -> list[str]:
    """The keywords of the text, those first whose sentence has most of the question's words."""
    bounds = sentence_bounds(Document.of(text), 1).tolist()
    shared = [len(asked & set(analyse.terms(text[start:end]))) for start, end in pairwise(bounds)]
    near = {word: shared[max(0, bisect_right(bounds, text.find(word)) - 1)] for word in keywords(text)}
    return sorted(near, key=lambda word: -near[word])[:keep]


class Long(NamedTuple):
    """A text that is to be at most `size` tokens, these keywords still in it."""

    text: str
    size: int
    keywords: Sequence[str] = ()


def rewritten(
    longs: Sequence[Long], query: str, asking: Asking, tokenizer: Tokenizer, analyse: Words
) -> list[str | None]:
    """Each text in at most its size, its keywords in it; None where no reply can be used.

    A reply that is too long is cut after a sentence, and shorter still where keywords that it lost, which are added
    behind it in square brackets, need the room. One that has no word of its text is of no use.
    """
    prompts = [_prompt(long, query) for long in longs]
    made = []
    for long, reply in zip(longs, asking.each(prompts), strict=True):
        speaks = reply is not None and set(analyse.terms(reply)) & set(analyse.terms(long.text))
        said = _with_keywords(reply, long, tokenizer) if reply is not None and speaks else None
        if said is None and reply is not None:
            asking.misread()
        made.append(said)
    return made


def clipped(text: str, size: int, tokenizer: Tokenizer) -> str:
    """The text's first sentences, as many as come to at most `size` tokens; "" where the first one does not fit."""
    text = text.strip()
    starts = tokenizer.offsets(text).starts
    if len(starts) <= size:
        return text
    ends = sentence_bounds(Document.of(text), 1)
    for end in reversed(ends[(ends > 0) & (ends <= starts[size])].tolist()):
        if tokenizer.count(beginning := text[:end].rstrip()) <= size:
            return beginning
    return ""


def _prompt(long: Long, query: str) -> str:
    keep = _KEEP.format("; ".join(long.keywords)) if long.keywords else ""
    words = max(1, int(WORDS_PER_TOKEN * long.size))
    return f"{_SHORTEN.format(words=words, query=' '.join(query.split()), keep=keep)}{MATERIAL}{fenced(long.text)}"


def _with_keywords(reply: str, long: Long, tokenizer: Tokenizer) -> str | None:
    said = clipped(reply, long.size, tokenizer)
    while said:
        lost = missing(long.keywords, said)
        whole = f"{said} [{'; '.join(lost)}]" if lost else said
        if tokenizer.count(whole) <= long.size:
            return whole
        shorter = clipped(said, tokenizer.count(said) - 1, tokenizer)
        if not shorter:
            break
        said = shorter
    return None
