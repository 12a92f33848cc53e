"""Evolve: a shorter prompt that scores no less, by leaving words out and keeping what survives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Score: TypeAlias = Callable[[str], float]
Mask: TypeAlias = npt.NDArray[np.bool_]

_WORD = re.compile(r"\s*\S+")


def evolved(prompt: str, score: Score, generations: int, offspring: int, population: int, seed: int) -> str:
    """The shortest prompt found, in words, whose score is no lower than that of `prompt`.

    Each generation leaves a few more words out of parents drawn from the population; what scores lower than the whole
    prompt dies, of the rest the shortest live on, the better score first among equals. Every prompt is scored once.
    score: higher is better; a score that is not a number is the lowest.
    """
    words = _WORD.findall(prompt)
    random = np.random.default_rng(seed)
    known: dict[bytes, float] = {}

    def fitness(mask: Mask) -> float:
        key = mask.tobytes()
        if key not in known:
            value = score(_text(words, mask))
            known[key] = float("-inf") if value != value else value
        return known[key]

    whole = np.ones(len(words), dtype=np.bool_)
    floor = fitness(whole)
    living = [whole]
    for _ in range(generations if words else 0):
        children = [_shorter(living[random.integers(len(living))], random) for _ in range(offspring)]
        able = [mask for mask in (*living, *children) if fitness(mask) >= floor]
        unique = list({mask.tobytes(): mask for mask in able}.values())
        living = sorted(unique, key=lambda mask: (int(mask.sum()), -fitness(mask), mask.tobytes()))[:population]
    return _text(words, living[0]) if words and not living[0].all() else prompt


def _shorter(mask: Mask, random: np.random.Generator) -> Mask:
    """The mask without one to four more words, in one stretch or scattered."""
    there = np.flatnonzero(mask)
    if not len(there):
        return mask
    count = min(len(there), int(random.integers(1, 5)))
    begin = int(random.integers(len(there) - count + 1))
    gone = there[begin : begin + count] if random.random() < 0.5 else random.choice(there, count, replace=False)
    child = mask.copy()
    child[gone] = False
    return child


def _text(words: list[str], mask: Mask) -> str:
    return "".join(word for word, kept in zip(words, mask.tolist(), strict=True) if kept).lstrip()
