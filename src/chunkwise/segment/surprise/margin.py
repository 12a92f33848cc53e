"""Whether a model would rather keep two neighbouring sentences together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chunkwise.models import CausalLM
from chunkwise.units import Floats, Ints

SPLIT, KEEP = " 1", " 2"
_QUESTION = """\
Two neighbouring passages of one document:

Passage A: {left}

Passage B: {right}

1: split the document between them, because B turns to something else.
2: keep them together, because B goes on with what A says.
The number of the better choice is"""


def margins(text: str, bounds: Ints, lm: CausalLM) -> Floats:
    """Log-probability of "keep" minus that of "split" for each two neighbouring units; float32 [len(bounds) - 2]."""
    units = [text[start:end].strip() for start, end in pairwise(bounds.tolist())]
    found = [lm.choose(question(*pair), (KEEP, SPLIT)) for pair in pairwise(units)]
    return np.array([keep - split for keep, split in found], dtype=np.float32)


def question(left: str, right: str) -> str:
    """What the model is asked of two neighbours; it answers with KEEP or SPLIT."""
    return _QUESTION.format(left=left, right=right)
