"""Several models at once: drafts of one, accepted by how much likelier the others find them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from chunkwise.engine.sample.draw import pick
from chunkwise.engine.sample.language import Doubles, Draft, Language, Tokens
from chunkwise.errors import UserError


def blended(
    reference: Language,
    others: Sequence[Language],
    weights: Sequence[float],
    prefix: Tokens,
    limit: int,
    chunk: int,
    parallel: int,
    window: int,
    seed: int,
) -> Draft:
    """A draft near the law reference * prod (other / reference) ** weight; logprob is the reference's.

    Chunks of `chunk` tokens come from the reference, `parallel` at a time, and are taken with the share that their
    ratio is of the greatest of the last `window`. When 16 rounds take none, one of the last is drawn by its ratio.
    The greatest seen stands for the true bound, so the law is met only as nearly as that bound is known.
    Source: Multi-Personality Generation of LLMs at Decoding-time.
    """
    if len(others) != len(weights):
        raise UserError(f"{len(others)} models and {len(weights)} weights: give one weight a model")
    rng = np.random.default_rng(seed)
    seen: deque[float] = deque(maxlen=window)
    tokens: Tokens = ()
    total = 0.0
    while len(tokens) < limit and not reference.ended(tokens):
        for _ in range(16):
            offers, logprobs, ratios = _offers(
                reference, others, weights, prefix + tokens, min(chunk, limit - len(tokens)), parallel, rng
            )
            seen.extend(ratios)
            taken = np.flatnonzero(np.log(rng.random(parallel)) < ratios - max(seen))
            if len(taken):
                at = int(taken[0])
                break
        else:
            p = np.exp(ratios - ratios.max())
            at = int(rng.choice(parallel, p=p / p.sum()))
        tokens, total = tokens + offers[at], total + float(logprobs[at])
    return Draft(tokens, total)


def _offers(
    reference: Language,
    others: Sequence[Language],
    weights: Sequence[float],
    prefix: Tokens,
    length: int,
    n: int,
    rng: np.random.Generator,
) -> tuple[list[Tokens], Doubles, Doubles]:
    """`n` chunks of the reference, their log-probabilities under it, and their log-ratios."""
    offers: list[Tokens] = [()] * n
    logprobs, ratios = np.zeros(n), np.zeros(n)
    for _ in range(length):
        live = [i for i in range(n) if not reference.ended(offers[i])]
        if not live:
            break
        asked = [prefix + offers[i] for i in live]
        own = reference.logprobs(asked)
        tokens = pick(own, rng.random(len(live)))
        rows = np.arange(len(live))
        logprobs[live] += own[rows, tokens]
        for other, weight in zip(others, weights, strict=True):
            ratios[live] += weight * (other.logprobs(asked)[rows, tokens] - own[rows, tokens])
        for i, token in zip(live, tokens, strict=True):
            offers[i] += (int(token),)
    return offers, logprobs, ratios
