"""Arithmetic codes: many samples at once, each from the model's law, spread evenly over it."""

from __future__ import annotations

import numpy as np

from chunkwise.engine.sample.draw import pick, shares, uniform
from chunkwise.engine.sample.language import Draft, Language, Tokens
from chunkwise.engine.sample.transform import Transform
from chunkwise.select.arrays import namespace

_DIGIT = 2.0**-53
_COARSE = 2.0**-20


def decode(
    language: Language, prefix: Tokens, limit: int, n: int, seed: int, transform: Transform | None = None
) -> list[Draft]:
    """One draft per code (i / n + u) mod 1, u from the seed; logprob is that under the transformed law.

    A code of 53 digits says no more than that many bits: when they are used up, new ones come from the seed, which
    leaves each draft's law as it is.
    Source: Vilnis et al., Arithmetic Sampling: Parallel Diverse Decoding for Large Language Models.
    """
    codes = (np.arange(n) / n + uniform(seed, 0)) % 1.0
    grain, logprob = np.full(n, _DIGIT), np.zeros(n)
    out: list[Tokens] = [()] * n
    for step in range(limit):
        live = [i for i in range(n) if not language.ended(out[i])]
        if not live:
            break
        logits = language.logits([prefix + out[i] for i in live], transform)
        xp = namespace(logits)
        tokens = pick(logits, xp.asarray(codes[live], dtype=xp.float64))
        low, width = (np.asarray(part, dtype=np.float64) for part in shares(logits, tokens))
        logprob[live] += np.log(width)
        codes[live] = (codes[live] - low) / width
        grain[live] /= width
        for i, token in zip(live, np.asarray(tokens), strict=True):
            out[i] += (int(token),)
            if grain[i] > _COARSE:
                codes[i] += grain[i] * uniform(seed, 1 + step * n + i)
                grain[i] = _DIGIT
        codes = np.clip(codes, 0.0, 1.0 - _DIGIT)
    return [Draft(tokens, float(value)) for tokens, value in zip(out, logprob, strict=True)]
