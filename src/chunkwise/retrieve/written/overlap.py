"""Overlap: how much of a question's phrasing a text has."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from chunkwise.units import Floats

WINDOW = 3  # words from one to the other of a pair that belongs together though others stand between


def overlap(question: Sequence[str], texts: Sequence[Sequence[str]]) -> Floats:
    """The share, 0 to 1, of the question's words and pairs of words that each text has; float32 [texts].

    question, texts: terms in order. A pair is two words that follow one another in the question, and the text has it
    where they stand in this order within WINDOW words of each other, which is what an n-gram and an arc of a dependency
    tree have in common. Words and pairs each count half; a question of one word has no pairs.
    """
    words, pairs = set(question), set(pairwise(question))
    shares = np.zeros(len(texts), dtype=np.float32)
    for at, text in enumerate(texts):
        if not words.isdisjoint(text):
            share = len(words.intersection(text)) / len(words)
            near = (
                {(one, other) for i, one in enumerate(text) for other in text[i + 1 : i + 1 + WINDOW]} if pairs else ()
            )
            shares[at] = (share + len(pairs.intersection(near)) / len(pairs)) / 2 if pairs else share
    return shares
