"""Relevance as a model scores it, reflects on it and criticises it; and from which score on a candidate stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chunkwise.asking import Asking
from chunkwise.select.judged import prompts, replies
from chunkwise.units import Floats

TIGHT = 0.15  # of scores from 0 to 1: a spread below which they are all of one kind
HALF = 0.5


def asked(asking: Asking, question: str, texts: Sequence[str], batch: int) -> Floats | None:
    """The mean of three scores of each text, 0 to 1: a first, the same after reflection, and a critic's.

    float32 [n], NaN where no score was said at all; a stage that says none counts as the one before. None where the
    model could not be had. batch: texts in one prompt.
    """
    stages: list[Floats] = []
    for stage in prompts.STAGES:
        before = np.nan_to_num(10 * stages[-1], nan=0.0) if stage == "reflection" else None
        prompted = [
            prompts.scores(
                question,
                texts[at : at + batch],
                stage,
                None if before is None else before[at : at + batch].tolist(),
            )
            for at in range(0, len(texts), batch)
        ]
        said: list[Floats] = []
        for at, reply in zip(range(0, len(texts), batch), asking.each(prompted), strict=True):
            if reply is None:
                return None
            said.append(replies.scores(reply, len(texts[at : at + batch])))
            if np.isnan(said[-1]).any():
                asking.misread()
        found = np.concatenate(said)
        stages.append(np.where(np.isnan(found), stages[-1], found) if stages else found)
    return np.asarray(np.mean(stages, axis=0), dtype=np.float32)


def dynamic_threshold(scores: Floats) -> float:
    """From which of `scores`, 0 to 1, on to keep: their mean, or a half where they are all of one kind.

    The mean parts what is relevant from what is not where there is both. Where the scores lie close together there is
    only one or the other, and the mean would halve it: then all stay or none does, by the middle of the scale.
    """
    if not len(scores):
        return 0.0
    return float(scores.mean()) if float(scores.std()) >= TIGHT else HALF
