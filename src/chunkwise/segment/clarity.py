"""How good a cut is in the eyes of a causal model: what the text before it tells about the text after it.

Boundary clarity and chunk stickiness of "MoC: Mixtures of Text Chunking Learners for Retrieval-Augmented Generation
System". The paper's formulas, over perplexities; its released code divides mean losses instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chunkwise.models import CausalLM

_MOST_NATS = 50.0  # of a mean; e to that is as good as infinite, and no overflow


def perplexity(lm: CausalLM, text: str, given: str = "") -> float:
    """e to the mean cost of the text's tokens after `given`, in nats; 1 for a text of none."""
    nats = lm.surprise(text, given=given).nats
    return math.exp(min(_MOST_NATS, float(np.mean(nats)))) if len(nats) else 1.0


def boundary_clarity(lm: CausalLM, before: str, after: str) -> float:
    """ppl(after | before) / ppl(after): about 1 where the text before a cut tells nothing of what follows.

    0 or more, and higher is better; above 1 where it misleads; 1 for an empty side.
    """
    return perplexity(lm, after, before) / perplexity(lm, after) if before else 1.0


def chunk_stickiness(lm: CausalLM, chunks: Sequence[str], *, reach: int | None = None, threshold: float = 0.8) -> float:
    """Structural entropy of the graph of chunks that tell of one another, in bits; less is better, 0 where none does.

    An edge from d to q weighs (ppl(q) - ppl(q | d)) / ppl(q) and is kept above `threshold`; the entropy is that of the
    nodes' shares of the edges' ends. reach: None for the complete graph, each pair in both directions; otherwise only
    from a chunk to the `reach` that follow it. The model is asked n (n - 1) times, or n * reach times, and n more.
    """
    n = len(chunks)
    alone = [perplexity(lm, chunk) for chunk in chunks]
    degrees = np.zeros(n)
    for told in range(n):
        tellers = range(n) if reach is None else range(max(0, told - reach), told)
        for teller in tellers:
            if teller == told or not chunks[teller]:
                continue
            weight = 1 - perplexity(lm, chunks[told], chunks[teller]) / alone[told]
            if weight > threshold:
                degrees[[told, teller]] += 1
    shares = degrees[degrees > 0] / max(1.0, degrees.sum())
    return float(-(shares * np.log2(shares)).sum()) + 0.0
