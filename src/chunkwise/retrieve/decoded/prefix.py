"""Prefix: the sentences that a model would begin with, decoded so that nothing but a sentence's beginning can come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from heapq import nlargest
from typing import NamedTuple

import numpy as np

from chunkwise.models import CausalLM

# A step: a word with the blanks after it; of what is written without blanks, a dozen characters.
_STEP = re.compile(r"\S{1,12}\s*|\s+")


class Begun(NamedTuple):
    """A beginning that is some sentence's: its index, the words up to where no other goes on so, its log-probability.

    The log-probability is of this one among all that could have been written: over all sentences they sum to 1.
    """

    sentence: int
    prefix: str
    log_probability: float


def begun(lm: CausalLM, prompt: str, sentences: Sequence[str], beams: int, steps: int) -> list[Begun]:
    """The `beams` likeliest beginnings after a prompt, best first; each ends where it is one sentence's alone.

    At each step the model chooses among the words with which some sentence goes on, and among nothing else: their
    probabilities are made to sum to 1. A beginning that is still shared after `steps` such choices, or to the end, is
    the first of its sentences. Words that leave no choice are not put to the model.

    Source: CFIC (Qian et al., Grounding Language Model with Chunking-Free In-Context Retrieval), its constrained
    sentence prefix decoding; beams in place of samples, so that the same comes of the same.
    """
    words = [_STEP.findall(sentence) for sentence in sentences]
    going = [(0.0, 0, 0, list(range(len(words))))] if words else []  # log-probability, words, choices, sentences
    ended: list[Begun] = []
    while going:
        spread: list[tuple[float, int, int, list[int]]] = []
        for likely, length, choices, shared in going:
            branches: dict[str, list[int]] = {}
            while len(shared) > 1 and choices < steps:
                branches = _branches(words, shared, length)
                if len(branches) != 1 or "" in branches:
                    break
                length += 1
            if len(shared) == 1 or choices == steps or set(branches) == {""}:
                ended.append(Begun(shared[0], "".join(words[shared[0]][: length + 1]), likely))
                continue
            chances = lm.choose(prompt + "".join(words[shared[0]][:length]), list(branches)).astype(np.float64)
            chances -= np.logaddexp.reduce(chances)
            for (step, own), chance in zip(branches.items(), chances.tolist(), strict=True):
                spread.append((likely + chance, length + bool(step), choices + 1, own))
        ended = nlargest(beams, ended, key=lambda one: one.log_probability)
        # What is less likely already than enough that have ended can only become less likely.
        least = ended[-1].log_probability if len(ended) == beams else -np.inf
        going = [one for one in nlargest(beams, spread, key=lambda one: one[0]) if one[0] > least]
    return ended


def _branches(words: Sequence[Sequence[str]], shared: Sequence[int], at: int) -> dict[str, list[int]]:
    """The sentences by their next word, "" for those that have none."""
    found: dict[str, list[int]] = {}
    for sentence in shared:
        found.setdefault(words[sentence][at] if at < len(words[sentence]) else "", []).append(sentence)
    return found
