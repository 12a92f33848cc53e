"""Units: what of a passage is kept or dropped as one, and passages made of those that were kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from chunkwise.compress.extract import GAP, kept
from chunkwise.retrieve import words
from chunkwise.segment import sentence_bounds
from chunkwise.tokens import Tokenizer
from chunkwise.units import Document, Ints, Passage, Span

SHORTEST = 20  # non-blank characters of a sentence; a shorter one stays with its neighbour

Cut: TypeAlias = Callable[[Passage], Iterable[Span]]
"""A passage to spans of its text, in order, none over another."""

_FAR = 1 << 40  # more than a text has characters
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True, slots=True)
class Units:
    """The units of all passages as parallel sequences, in the order in which they stand.

    of: int64 [n], the number of each one's passage; spans: where it stands in that passage's text; costs: int64 [n],
    the tokens of the passage that it is said with, one at the least.
    """

    passages: tuple[Passage, ...]
    of: Ints
    spans: tuple[Span, ...]
    costs: Ints

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def texts(self) -> list[str]:
        """What each unit says."""
        return [
            self.passages[of].text[start:end] for of, (start, end) in zip(self.of.tolist(), self.spans, strict=True)
        ]

    def only(self, chosen: Ints) -> Units:
        """The units of these numbers, ascending; the passages keep theirs."""
        return Units(
            self.passages, self.of[chosen], tuple(self.spans[at] for at in chosen.tolist()), self.costs[chosen]
        )

    def within(self, wider: Units) -> Ints:
        """The number of the unit of `wider`, which are of the same passages, that each one begins in; int64 [n]."""
        places, starts = (
            units.of * _FAR + np.array([span.start for span in units.spans], dtype=np.int64) for units in (self, wider)
        )
        return np.searchsorted(starts, places, side="right") - 1

    def assembled(
        self,
        taken: Iterable[int],
        tokenizer: Tokenizer,
        gap: str = GAP,
        instead: Mapping[int, Mapping[Span, str]] | None = None,
    ) -> list[Passage]:
        """The passages with the units of these numbers alone; those left with nothing are gone.

        instead: by the number of a passage, what is said in place of spans of its text.
        """
        chosen: dict[int, list[Span]] = {}
        for unit in sorted(taken):
            chosen.setdefault(int(self.of[unit]), []).append(self.spans[unit])
        said = instead or {}
        made = (kept(self.passages[of], chosen[of], tokenizer, gap, said.get(of, {})) for of in sorted(chosen))
        return [passage for passage in made if passage is not None]

    def plus(self, other: Units) -> Units:
        """These units, then the other ones of the same passages; where they overlap, text is kept once."""
        of, costs = np.concatenate((self.of, other.of)), np.concatenate((self.costs, other.costs))
        return Units(self.passages, of, self.spans + other.spans, costs)


def units(passages: Sequence[Passage], cut: Cut, tokenizer: Tokenizer) -> Units:
    """The units of the passages; those of nothing but blanks are none."""
    of, spans, costs = list[int](), list[Span](), list[int]()
    for number, passage in enumerate(passages):
        found = [span for span in cut(passage) if not passage.text[span.start : span.end].isspace()]
        if found:
            of += [number] * len(found)
            spans += found
            costs += _costs(passage.text, found, tokenizer)
    return Units(tuple(passages), np.array(of, dtype=np.int64), tuple(spans), np.array(costs, dtype=np.int64))


def _costs(text: str, spans: Sequence[Span], tokenizer: Tokenizer) -> list[int]:
    """The tokens of one pass that say something of each span: the first one of a word holds the blank before it."""
    starts = tokenizer.offsets(text).starts
    said = [text[start:end] for start, end in spans]
    begins = [end - len(one.lstrip()) for one, (_, end) in zip(said, spans, strict=True)]
    ends = [start + len(one.rstrip()) for one, (start, _) in zip(said, spans, strict=True)]
    first = np.searchsorted(starts, np.array(begins), side="right") - 1
    costs: list[int] = np.maximum(1, np.searchsorted(starts, np.array(ends)) - first).tolist()
    return costs


def sentences(passage: Passage) -> list[Span]:
    """Sentences of prose, statements of code, rows of a table; they tile the text."""
    bounds = sentence_bounds(Document.of(passage.text, passage.source), SHORTEST)
    return list(map(Span, bounds[:-1].tolist(), bounds[1:].tolist()))


def paragraphs(passage: Passage) -> list[Span]:
    """What stands between blank lines; they tile the text."""
    return _between(passage.text, [gap.end() for gap in _PARAGRAPH.finditer(passage.text)])


def phrases(passage: Passage) -> list[Span]:
    """Runs of words that a mark or a function word after a content word ends ("of the northern kiln"); they tile."""
    terms = words().terms
    starts, end, meant = list[int](), 0, False
    known: dict[str, bool] = {}
    for word in _WORD.finditer(passage.text):
        said = word[0]
        means = known[said] if said in known else known.setdefault(said, bool(terms(said)))
        if not passage.text[end : word.start()].isspace() or (meant and not means):
            starts.append(word.start())
        end, meant = word.end(), means
    return _between(passage.text, starts)


def key_phrases(passage: Passage) -> list[Span]:
    """The phrases without the function words that lead them and the marks that end them."""
    terms, text = words().terms, passage.text
    found = []
    for start, end in phrases(passage):
        said = [word.span() for word in _WORD.finditer(text, start, end)]
        weighty = next((at for at, word in enumerate(said) if terms(text[slice(*word)])), None)
        if weighty is not None:
            found.append(Span(said[weighty][0], said[-1][1]))
    return found


def _between(text: str, cuts: Sequence[int]) -> list[Span]:
    inside = [cut for cut in cuts if 0 < cut < len(text)]
    return [Span(start, end) for start, end in pairwise([0, *inside, len(text)]) if start < end]
