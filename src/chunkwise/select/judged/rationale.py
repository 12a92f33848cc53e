"""Rationales: what passages must tell, the candidates that tell it, and those of them that a verifier distrusts."""

from __future__ import annotations

import re

import numpy as np

from chunkwise.asking import Asking
from chunkwise.select.cut import elbow
from chunkwise.select.judged import prompts, replies
from chunkwise.select.judged.readings import adjoins
from chunkwise.units import Candidates, Floats, Ints

FLAGS = ("contradiction", "instruction", "violation", "fine")
_MARK = re.compile(r"^[\s\-*•]*(?:\d{1,3}[.):]\s*)?")


def rationales(asking: Asking, question: str, count: int) -> list[str]:
    """At most `count` of the model's rationales; the question itself where it gives none."""
    reply = asking(prompts.rationales(question, count))
    if reply is None:
        return [question]
    lines = [_MARK.sub("", line).strip() for line in reply.splitlines()]
    found = [line for line in lines if re.search(r"\w\W+\w", line)][:count]  # two words at the least
    if not found:
        asking.misread()
    return found or [question]


def told(cosines: Floats, offered: Candidates, neighbours: bool = True) -> Ints:
    """The candidates that tell what the rationales ask for; indices, int64, ascending.

    cosines: [rationales, n]. The nearest of each rationale, those above the elbow of the nearness to the mean of all,
    and the neighbours of both.
    """
    mean = cosines.mean(axis=0)
    best = np.argsort(-mean, kind="stable")
    chosen = np.union1d(cosines.argmax(axis=1), best[: int(elbow(mean[best]))])
    if neighbours:
        order = np.argsort(offered.ids, kind="stable")
        close = np.flatnonzero(adjoins(offered, order[:-1], order[1:]))
        before, after = order[close], order[close + 1]
        beside = [after[np.isin(before, chosen)], before[np.isin(after, chosen)]]
        chosen = np.union1d(chosen, np.concatenate(beside))
    return chosen.astype(np.int64)


def distrusted(
    asking: Asking, question: str, reasons: list[str], offered: Candidates, chosen: Ints, batch: int
) -> dict[int, str]:
    """Which of the chosen the verifier flags, and as what."""
    assert offered.texts is not None
    batches = [chosen[at : at + batch].tolist() for at in range(0, len(chosen), batch)]
    prompted = [prompts.verify(question, reasons, [offered.texts[index] for index in few]) for few in batches]
    flagged: dict[int, str] = {}
    for few, reply in zip(batches, asking.each(prompted), strict=True):
        if reply is None:
            continue
        said = replies.words(reply, len(few), FLAGS)
        if "" in said:
            asking.misread()
        flagged.update({index: word for index, word in zip(few, said, strict=True) if word not in ("", "fine")})
    return flagged
