"""The choice funnel: all options that apply, taken one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chunkwise.engine.sample.language import Doubles

Options = Callable[[Sequence[int]], Doubles]
"""Log-probabilities [m + 1] of the m options still there, in their order, and last of "none of them"."""


def funnel(options: Options, prior: Doubles, least: float) -> list[int]:
    """The options chosen, in the order they were: the best less its prior, again and again.

    prior: log-probability of every option and last of "none", asked without a question. Ends when "none" wins or the
    best one's share of what is left falls under `least`; the first is taken whatever its share.
    Source: SATA-BENCH: Select All That Apply Benchmark for Multiple Choice Questions.
    """
    left, chosen = list(range(len(prior) - 1)), list[int]()
    while left:
        scores = np.asarray(options(left), dtype=np.float64) - prior[[*left, -1]]
        shares = np.exp(scores - scores.max())
        at = int(shares.argmax())
        if at == len(left) or (chosen and shares[at] / shares.sum() < least):
            break
        chosen.append(left.pop(at))
    return chosen
