"""Thoughts: a reasoning trace in its steps, what each concludes, and where it has said the same often enough.

After "TrimR: Verifier-based Training-Free Thinking Compression for Efficient Test-Time Scaling", whose verifier is a
small language model; here it is a comparison of normal forms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from chunkwise.compress.unit import sentences
from chunkwise.retrieve import words
from chunkwise.units import Passage, Span

REPEATS = 0.9  # of two thoughts' terms in common: the later one says nothing new

_TURN = re.compile(
    r"\s*(?:wait|hmm+|alternatively|actually|hold on|let me (?:re)?-?(?:check|verify|consider|think|try)|"
    r"let's (?:check|verify|try)|to (?:double-?check|verify)|double-?check|another (?:way|approach)|but (?:wait|what)|"
    r"okay|ok|so,? the|therefore|thus|hence|on second thought|looking back|in summary|first|second|next|finally|now)\b",
    re.IGNORECASE,
)
_CONCLUDES = (
    re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\}){1,120})\}"),
    re.compile(
        r"\b(?:final )?(?:answer|result|solution|total|value)\s*(?:(?:is|equals|must be|should be|comes to|would be)"
        r"(?: (?:indeed|again|therefore|still|also|thus))?|[:=])\s*:?\s*\**\s*([^\n]{1,120})",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:so|therefore|thus|hence|again|gives|get|is|obtain)\b[^.\n=]{0,80}=\s*([^\n=]{1,60}?)\s*(?:[.!]?\s*\Z|[.!]\s|\n)",
        re.IGNORECASE,
    ),
)
_END = re.compile(r"[.!?](?:\s|\Z)|[,;](?:\s)|\s(?:because|since|as|which|so|and|but)\s")
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?\s*%?")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{(-?\d+)\}\s*\{(\d+)\}")


def thoughts(passage: Passage) -> list[Span]:
    """The steps of a trace: what lies between blank lines and turns of thought ("Wait", "Let me check"); they tile."""
    text, steps = passage.text, list[Span]()
    for start, end in sentences(passage):
        if steps and not (_TURN.match(text, start, end) or "\n\n" in text[start - 2 : start]):
            steps[-1] = Span(steps[-1].start, end)
        else:
            steps.append(Span(start, end))
    return steps


def concluded(text: str) -> str | None:
    """The normal form of the last answer that a thought gives, None where it gives none.

    Two forms are equal where the answers are: "1,000", "1000.0" and "$1000$" are, and "one half" and "1/2" are not.
    """
    for pattern in _CONCLUDES:
        found = list(pattern.finditer(text))
        if found and (form := _normal(found[-1][1])):
            return form
    return None


def enough(conclusions: Sequence[str | None], agree: int) -> int:
    """After how many thoughts to stop: where `agree` conclusions in a row are the same; all of them where none are."""
    last, run = None, 0
    for number, conclusion in enumerate(conclusions, 1):
        if conclusion is None:
            continue
        run = run + 1 if conclusion == last else 1
        last = conclusion
        if run >= agree:
            return number
    return len(conclusions)


def trimmed(passage: Passage, agree: int) -> list[Span]:
    """The thoughts up to the agreement, those that repeat an earlier one left out; the trace's own answer unchanged.

    A trace that concludes something else after all is not stopped before: its last conclusion is its answer, and only
    an agreement on that ends it.
    """
    text, steps = passage.text, thoughts(passage)
    conclusions = [concluded(text[start:end]) for start, end in steps]
    final = next((one for one in reversed(conclusions) if one is not None), None)
    # A conclusion that is not the answer agrees with no other, so that it ends nothing.
    stop = enough([one if one in (final, None) else f"{one} at {at}" for at, one in enumerate(conclusions)], agree)
    return _new(text, steps[:stop], [one is not None for one in conclusions])


def _new(text: str, steps: Sequence[Span], concludes: Sequence[bool]) -> list[Span]:
    """The thoughts without those whose terms an earlier one has nearly all of; one that concludes stays."""
    terms = words().terms
    seen: list[set[str]] = []
    kept = []
    for span, concluding in zip(steps, concludes, strict=False):
        said = set(terms(text[span.start : span.end]))
        if concluding or not said or all(len(said & before) < REPEATS * len(said | before) for before in seen[-64:]):
            kept.append(span)
        seen.append(said)
    return kept


def _normal(answer: str) -> str:
    answer = _FRACTION.sub(r"\1/\2", answer).replace("$", " ").replace("**", " ").strip(" \\()[]{}:`*")
    number = _NUMBER.match(answer)
    if number is not None:
        return _value(number[0])
    end = _END.search(answer)
    return " ".join(words().terms(answer[: end.start()] if end else answer))


def _value(number: str) -> str:
    digits = re.sub(r"[\s,]", "", number).replace("−", "-").removesuffix("%")
    try:
        value = Fraction(digits) / (100 if number.rstrip().endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        return digits
    return str(value)
