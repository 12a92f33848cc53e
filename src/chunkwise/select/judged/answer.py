"""Which reading holds the answer: by asking a model, or by how sure one is of how its answer begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chunkwise.asking import Asking, answer
from chunkwise.models import CausalLM
from chunkwise.select.judged import prompts
from chunkwise.units import Floats

UNKNOWN = "?"  # what no answer begins with
FIRST = (*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\"'($", UNKNOWN)


def holder(asking: Asking, question: str, texts: Sequence[str], at_once: int) -> int | None:
    """The text that a model takes for the likeliest to hold the answer, of `at_once` at a time, and of those again.

    None where it could not be had, says that none holds it, or says nothing that can be read. Where some replies cannot
    be read the first of their texts stands for them.
    """
    left, read = list(range(len(texts))), len(texts) < 2
    while len(left) > 1:
        groups = [left[at : at + at_once] for at in range(0, len(left), at_once)]
        met = [group for group in groups if len(group) > 1]
        asked = iter(asking.each([prompts.holds(question, [texts[at] for at in group]) for group in met]))
        left = []
        for group in groups:
            if len(group) == 1:
                left += group
                continue
            if (reply := next(asked)) is None:
                return None
            said = answer(reply, 1, len(group))
            if said is None:
                asking.misread()
            read |= said is not None
            if said != 0:
                left.append(group[(said or 1) - 1])
    return left[0] if left and read else None


def first_token(lm: CausalLM, question: str, text: str) -> tuple[float, bool]:
    """The entropy in nats of how an answer from `text` begins, and whether the likeliest is not to know."""
    logs: Floats = lm.choose(prompts.read(question, text, UNKNOWN), FIRST)
    shares = np.exp(logs - logs.max(), dtype=np.float64)
    shares /= shares.sum()
    entropy = -float((shares * np.log(np.maximum(shares, 1e-30))).sum())
    return entropy, FIRST[int(shares.argmax())] == UNKNOWN
