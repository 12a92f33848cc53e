"""How much what stands before a sentence helps a model to foretell it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chunkwise.models import CausalLM
from chunkwise.segment.surprise.perplexity import log_perplexity
from chunkwise.units import Floats, Ints


def context_gain(text: str, bounds: Ints, lm: CausalLM) -> Floats:
    """Mean nats of each unit's tokens read alone less those given all before it; float32 [len(bounds) - 1].

    Unlike perplexity it does not rise with how hard a sentence is in itself. The text is read twice.
    """
    alone = [lm.surprise(text[start:end]).nats.mean() for start, end in pairwise(bounds.tolist())]
    return np.array(alone, dtype=np.float32) - log_perplexity(text, bounds, lm)
