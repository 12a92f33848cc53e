"""Best first: a heap of open prefixes by their log-probability, which only falls as they grow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from heapq import heappop, heappush

import numpy as np
import regex

from chunkwise.engine.sample.language import Doubles, Draft, Language, Tokens
from chunkwise.engine.sample.transform import nucleus_of
from chunkwise.errors import FallbackWarning, UserError


def by_priority(language: Language, prefix: Tokens, limit: int, n: int, pattern: str) -> list[Draft]:
    """Up to `n` different drafts: the greedy one, then each time the likeliest path not taken, finished greedily.

    Paths are ranked by their whole log-probability, our reading of the abstract. pattern: what a draft must spell from
    its beginning to its end; only tokens that leave a match possible are taken, and a path that cannot be finished
    within the limit is dropped.
    Source: Grubisic et al., Priority Sampling of Large Language Models for Compilers.
    """
    if pattern and not language.pieces:
        raise UserError("a pattern needs what each token spells: give the language its pieces")
    expression = regex.compile(pattern) if pattern else None
    heap: list[tuple[float, Tokens]] = [(0.0, ())]
    found: list[Draft] = []
    while heap and len(found) < n:
        cost, tokens = heappop(heap)
        while len(tokens) < limit and not language.ended(tokens):
            logprobs = language.logprobs([prefix + tokens])[0]
            first: int | None = None
            for rank, token in enumerate(_alive(language, logprobs, tokens, expression)):
                if rank == 0:
                    first = token
                elif rank < n:
                    heappush(heap, (cost - float(logprobs[token]), (*tokens, token)))
                else:
                    break
            if first is None:
                break
            cost, tokens = cost - float(logprobs[first]), (*tokens, first)
        if expression is None or expression.fullmatch(_spelled(language, tokens)):
            found.append(Draft(tokens, -cost))
    return found


def _alive(
    language: Language, logprobs: Doubles, tokens: Tokens, expression: regex.Pattern[str] | None
) -> Iterator[int]:
    """Tokens, the likeliest first, after which the expression can still match; the ending one only where it does."""
    text = _spelled(language, tokens) if expression else ""
    for token in map(int, np.argsort(-logprobs, kind="stable")):
        if logprobs[token] == -np.inf:
            return
        if expression is not None:
            ends = token == language.end
            piece = "" if ends else language.pieces[token]
            if not (ends or piece) or not expression.fullmatch(text + piece, partial=not ends):
                continue
        yield token


def _spelled(language: Language, tokens: Tokens) -> str:
    return "".join(language.pieces[token] for token in tokens if token != language.end) if language.pieces else ""


def exact(language: Language, prefix: Tokens, limit: int, p: float, most: int) -> list[Draft]:
    """The most probable continuation of those whose every token lies in its step's nucleus, as the only draft.

    Log-probabilities are the model's own, not made whole again after pruning. most: how many prefixes are looked into;
    past that the best open one is finished greedily, with a FallbackWarning.
    Source: Shaham and Levy, What Do You Get When You Cross Beam Search with Nucleus Sampling?
    """
    pruned = nucleus_of(p)
    heap: list[tuple[float, Tokens]] = [(0.0, ())]
    looked = 0
    while True:
        cost, tokens = heappop(heap)
        if len(tokens) == limit or language.ended(tokens):
            return [Draft(tokens, -cost)]
        if looked == most:
            warnings.warn(f"no best sequence within {most} prefixes: finished greedily", FallbackWarning, stacklevel=3)
            heap.clear()
        own = language.logprobs([prefix + tokens])[0]
        kept = np.flatnonzero(np.isfinite(pruned(own)))
        if looked >= most:
            kept = np.array([own.argmax()])
        for token in map(int, kept):
            heappush(heap, (cost - float(own[token]), (*tokens, token)))
        looked += 1
