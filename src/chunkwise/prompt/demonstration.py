"""Demonstration: questions and answers made of the very context that the prompt holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from chunkwise.asking import MATERIAL, Asking, fenced
from chunkwise.units import Passage

_PAIR = re.compile(r"^\W*question\W*[:：](?P<question>.+)\n+\W*answer\W*[:：](?P<answer>.+)", re.I | re.M)
LONGEST = 300  # characters of a question or an answer

WRITE = """Write one question that the text answers, and its answer in a few words copied from the text.
{material}Reply with two lines and nothing else:
Question: ...
Answer: ...

{text}"""


class Demonstration(NamedTuple):
    """A question, the number (from 1) of the passage that answers it, and an answer that stands in that passage."""

    question: str
    passage: int
    answer: str

    def __str__(self) -> str:
        """Cite first, then answer: what the model is to do with the real question."""
        return f"Question: {self.question}\nAnswer: [{self.passage}] {self.answer}"


def demonstrations(passages: Sequence[Passage], asking: Asking, count: int) -> list[Demonstration]:
    """Up to `count` of them, from passages spread evenly over the context, in its order.

    A reply that is no pair, or whose answer does not stand in its passage, is counted as misread and left out.
    """
    spread = [at * len(passages) // count for at in range(count)] if len(passages) > count else range(len(passages))
    chosen = [(number + 1, passages[number]) for number in dict.fromkeys(spread)]
    found = []
    for (number, passage), reply in zip(chosen, asking.each([_asked(one.text) for _, one in chosen]), strict=True):
        pair = None if reply is None else _PAIR.search(reply)
        if pair is None:
            asking.misread(reply is not None)
            continue
        question, answer = (" ".join(pair[name].split())[:LONGEST] for name in ("question", "answer"))
        answer = answer.strip("\"'“”. ")
        if answer and answer.casefold() in " ".join(passage.text.split()).casefold():
            found.append(Demonstration(question, number, answer))
        else:
            asking.misread()
    return found


def _asked(text: str) -> str:
    return WRITE.format(material=MATERIAL, text=fenced(text))
