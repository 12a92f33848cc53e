"""What a model is asked to write of a document: the questions that it answers, a card that says what it is about."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import partial

from chunkwise.asking import MATERIAL, fenced
from chunkwise.retrieve.notes import Task

CARD = 300  # characters
QUESTION = 240
CARDS = "cards"

_MARKUP = " \t*_`\"'“”"
_MARK = re.compile(r"(?:[-•]|\(?\d{1,3}[.):]|Q\d{0,3}[.):])[\s*_`\"'“]*", re.IGNORECASE)
_SAYS = re.compile(r"\w{3}")

_QUESTIONS = """\
Below is a part of a document. Write {count} questions that it answers, in the words of somebody who has not read it:
some about its subject as a whole, some about single facts, no two about the same. Each must make sense by itself, so
name what it is about. One question on a line, nothing else.
"""

_CARD = """\
Below is the beginning of a document. Say in at most {characters} characters what it is about, what it does or finds and
what for, in plain words that somebody outside the field would search by, with the names that it is known by. Write one
paragraph, nothing else.
"""


def questions(share: float) -> Task:
    """The task of writing as many questions as `share` of the chunks that are shown, at least one."""
    return Task(
        f"questions, {share:g} a chunk,",
        partial(_ask_questions, share),
        _read_questions,
        "key sentences stand for them",
    )


def cards() -> Task:
    """The task of writing a card of at most CARD characters."""
    return Task(CARDS, _ask_card, _read_card, "key sentences stand for them", most=1)


def _ask_questions(share: float, texts: Sequence[str], first: int) -> str:
    count = max(1, math.ceil(share * len(texts)))
    return f"{_QUESTIONS.format(count=count)}{MATERIAL}{fenced(''.join(texts))}"


def _read_questions(reply: str, first: int, last: int) -> list[str] | None:
    """Lines that ask something, without their numbers; None where there are none."""
    lines = (" ".join(_MARK.sub("", line.strip(_MARKUP), count=1).split()) for line in reply.splitlines())
    found = [line[:QUESTION] for line in lines if line.endswith(("?", "？", "؟")) and _SAYS.search(line)]
    return list(dict.fromkeys(found)) or None


def _ask_card(texts: Sequence[str], first: int) -> str:
    return f"{_CARD.format(characters=CARD)}{MATERIAL}{fenced(''.join(texts))}"


def _read_card(reply: str, first: int, last: int) -> list[str] | None:
    """The reply in one line, cut at a blank where it is longer than asked for; None where it says next to nothing."""
    said = " ".join(reply.strip('`#*" \n').split())
    if len(said.split()) < 3 and len(said) < 12:
        return None
    return [said if len(said) <= CARD else said[: CARD + 1].rpartition(" ")[0] or said[:CARD]]
