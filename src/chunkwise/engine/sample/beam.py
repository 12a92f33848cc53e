"""A beam as wide as it has to be: the fewest sequences that hold a share of what all candidates hold."""

from __future__ import annotations

import numpy as np

from chunkwise.engine.sample.language import Draft, Language, Tokens
from chunkwise.select.cut import nucleus


def dynamic(language: Language, prefix: Tokens, limit: int, p: float, most: int) -> list[Draft]:
    """The last beam's drafts, the likeliest first.

    At every step the continuations of all beams, and those that have ended, make one law; the fewest that hold `p` of
    it are the next beam, `most` at the outside.
    Source: Shaham and Levy, What Do You Get When You Cross Beam Search with Nucleus Sampling?
    """
    beam = [Draft((), 0.0)]
    for _ in range(limit):
        live = [draft for draft in beam if not language.ended(draft.tokens)]
        if not live:
            break
        scores = language.logprobs([prefix + draft.tokens for draft in live])
        scores = scores + np.array([draft.logprob for draft in live])[:, None]
        done = [draft for draft in beam if language.ended(draft.tokens)]
        flat = np.concatenate([[draft.logprob for draft in done], scores.ravel()])
        order = np.argsort(-flat, kind="stable")
        shares = np.exp(flat[order] - flat[order[0]])
        width = min(max(int(nucleus(shares / shares.sum(), p)), 1), most)
        vocab = scores.shape[1]
        grown = []
        for at in map(int, order[:width]):
            row, token = divmod(at - len(done), vocab)
            grown.append(done[at] if at < len(done) else Draft((*live[row].tokens, token), float(flat[at])))
        beam = grown
    return beam
