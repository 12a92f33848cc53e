"""Injection: stretches of a passage that speak to the model that will read it, and not to a reader of the document.

By patterns and structure alone, no model: a sentence that gives an order about the reply or about earlier instructions,
the marks of a chat, characters that nobody sees, and a request that has no word in common with the rest of the passage.
An attacker who knows the patterns can write around them; benchmarks/results/poison.md says what they find of others'.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from chunkwise.units import Span

_ORDER = (
    "add|always|answer|append|apply|augment|avoid|begin|change|combine|compose|conclude|convert|do not|don't|draft|"
    "embed|encode|end|enhance|ensure|express|finish|format|give|group|hide|highlight|include|incorporate|insert|integrate|"
    "introduce|jumble|make|mention|misspell|mix|modify|never|omit|output|place|prepend|present|print|promote|provide|put|"
    "rearrange|recommend|redirect|remove|render|repeat|replace|reply|respond|return|reverse|rewrite|say|scramble|shuffle|"
    "sign|spell|start|state|substitute|suggest|swap|tell|translate|use|weave|write"
)
_POLITE = r"\W*(?:(?:please|kindly|now|then|also|instead|finally|important|note|attention)\b[\s,:!]*)*"
_REPLY = r"(?:response|answer|reply|replies|message|output|completion|summary|explanation|elucidation)"
_EARLIER = r"(?:previous|prior|above|earlier|preceding|original|all|any|your|other)"
_RULES = r"(?:instruction|prompt|rule|direction|guideline|command|context|polic|restriction)"
_OWN_CODE = rf"your (?:own )?(?:\w+ )?(?:code\w*|solution|implementation|algorithm|{_REPLY})"
_SHOWN_CODE = r"(?:following|subsequent|below|next) (?:piece of )?(?:code|script)\b"


class _Sign(NamedTuple):
    """What a sentence says to the model; needles: a text must hold one, so that most cost no search."""

    reason: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]


def _sign(reason: str, needles: str, pattern: str) -> _Sign:
    return _Sign(reason, tuple(needles.split("|")), re.compile(pattern, re.IGNORECASE))


_SIGNS = (
    _sign(
        "tells its reader to set instructions aside",
        "ignor|disregard|forget|overrid|overrul|bypass|set aside",
        rf"\b(?:ignor|disregard|forget|overrid|overrul|bypass|set aside)\w*\b[^.!?\n]{{0,40}}\b"
        rf"(?:{_EARLIER}\b[^.!?\n]{{0,30}}\b{_RULES}|{_RULES}\w*[^.!?\n]{{0,20}}\b{_EARLIER}\b)",
    ),
    _sign(
        "gives its reader a role",
        "you are now|you are no longer|from now on|pretend|must act|as an ai|system prompt|developer mode|do anything",
        r"\b(?:you are (?:now|no longer)|from now on,? you|pretend (?:to be|that you)|you must act as|as an ai\b"
        r"|(?:your|the|reveal|print) (?:hidden )?system prompt|developer mode|do anything now)\b",
    ),
    _sign(
        "bears the marks of a chat",
        "<|inst]|sys>|<system|<instruction|</|instruction|###|##",
        r"<\|[\w ]{2,20}\|>|\[/?INST\]|<</?SYS>>|</?(?:system|instructions?|system_prompt)>"
        r"|^[#*\s]*(?:(?:new|system|updated) )?instructions? (?:to|for) (?:the )?(?:ai|assistant|model|llm)\b"
        r"|^#{2,} ?(?:system|instruction|assistant|response) ?:",
    ),
    _sign(
        "says what the reply should be",
        "your",
        rf"^{_POLITE}(?:(?:{_ORDER})\b.*\byour (?:\w+ )?{_REPLY}\b|in your (?:\w+ )?{_REPLY}\b)",
    ),
    _sign(
        "asks for code to be put into the reply",
        "your",
        rf"\b{_SHOWN_CODE}.*\b{_OWN_CODE}\b|\b{_OWN_CODE}\b.*\b{_SHOWN_CODE}",
    ),
    _sign("hides characters", "\U000e0020|\U000e0061|\U000e0065|\U000e0069|\U000e006f", r"[\U000e0020-\U000e007f]{2,}"),
)
_FOREIGN = _sign(
    "asks for something that the rest of its text is not about",
    "you |analy|break|compose|create|describe|develop|draft|explain|generate|list|outline|provide|show|summar|tell|"
    "translate|write|what|who|how|why",
    rf"{_POLITE}(?:(?:can|could|would|will) you\b|(?:analyse|analyze|break down|compose|create|describe|develop|draft"
    r"|explain|generate|list|outline|provide|show me|summari[sz]e|tell me|translate|write)\s"
    r"|(?:what(?:'s| is| are)|who|how (?:do|does|can|to)|why (?:do|does|is|are))\b.*\?)",
)
# Bounded, so that what is looked for in a sentence costs no more than linear in the text.
_SENTENCE = re.compile(r"[^\s.!?](?:[^.!?\n]{1,200}|[.!?](?!\s)){0,10}[.!?]{0,9}")
_WORD = re.compile(r"\w{4,}")


class Injection(NamedTuple):
    """A stretch of a text that reads as an instruction to the model, and what speaks for that."""

    span: Span
    reason: str


@lru_cache(maxsize=512)
def injections(text: str) -> tuple[Injection, ...]:
    """The sentences of `text` that read as instructions to the model, in order. Linear in the text."""
    return tuple(_found(text))


def _found(text: str) -> Iterator[Injection]:
    lowered = text.lower()
    signs = [sign for sign in _SIGNS if any(needle in lowered for needle in sign.needles)]
    requests = any(needle in lowered for needle in _FOREIGN.needles)
    if not signs and not requests:
        return
    counts: Counter[str] | None = None
    for found in _SENTENCE.finditer(text):
        reason = next((sign.reason for sign in signs if sign.pattern.search(found[0])), "")
        if not reason and requests and _FOREIGN.pattern.match(found[0]):
            counts = _stems(text) if counts is None else counts
            reason = _FOREIGN.reason if _alone(_stems(found[0]), counts) else ""
        if reason:
            yield Injection(Span(*found.span()), reason)


def _stems(text: str) -> Counter[str]:
    return Counter(word[:5] for word in _WORD.findall(text.lower()))


def _alone(sentence: Counter[str], text: Counter[str]) -> bool:
    """Whether a sentence of several words has none of them in common with the rest, which has no fewer than it."""
    return len(sentence) >= 2 and len(text) >= 2 * len(sentence) and all(text[w] == sentence[w] for w in sentence)
