"""Superposed drafts: several continuations out of one pass per token, fed the mixture of their last tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from chunkwise.engine.sample.language import Doubles, Draft, Tokens

Grams = Callable[[Tokens], Doubles]
"""Log-probabilities [vocab] of the token after these, from counts: what tells the drafts apart."""


class Mixed(Protocol):
    """A causal model that hears vectors rather than tokens."""

    end: int | None

    def embed(self, tokens: Tokens) -> Doubles:
        """Their vectors [n, width]."""

    def __call__(self, inputs: Doubles) -> Doubles:
        """Log-probabilities [vocab] after the vectors [t, width]."""


def drafts(model: Mixed, grams: Grams, prefix: Tokens, limit: int, k: int, alpha: float) -> list[Draft]:
    """The `k` best drafts, the likeliest first; one pass for all of them at every step.

    Each draft's score grows by (1 - alpha) times the shared log-probability and alpha times its own n-grams'. An ended
    draft keeps its place and is heard no more. Source: Shen et al., Superposed Decoding.
    """
    inputs, held = model.embed(prefix), [Draft((), 0.0)]
    for step in range(limit):
        live = [draft for draft in held if not draft.tokens or draft.tokens[-1] != model.end]
        if not live:
            break
        if step:
            logprobs = np.array([draft.logprob for draft in live])
            weights = np.exp(logprobs - logprobs.max())
            mixed = weights / weights.sum() @ model.embed(tuple(draft.tokens[-1] for draft in live))
            inputs = np.concatenate([inputs, mixed[None]])
        shared = model(inputs)
        best = np.argsort(-shared, kind="stable")[: 2 * k]
        grown = [draft for draft in held if draft not in live]
        for draft in live:
            own = (1 - alpha) * shared[best]
            if alpha:
                own = own + alpha * grams(prefix + draft.tokens)[best]
            grown += [
                Draft((*draft.tokens, int(token)), draft.logprob + float(value))
                for token, value in zip(best, own, strict=True)
            ]
        held = sorted(grown, key=lambda draft: -draft.logprob)[:k]
    return held
