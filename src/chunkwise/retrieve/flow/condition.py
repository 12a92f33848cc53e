"""Condition: what a question is like, told from its words alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from chunkwise.errors import UserError

Condition: TypeAlias = Callable[[str], bool]

SHORT = 4  # words

_WORD = re.compile(r"\w+(?:['’]\w+)*")
# snake_case, camelCase, a call, a dotted name, a path or an option: what nobody writes in prose.
_CODE = re.compile(r"\w_\w|[a-z][A-Z]|\w\(\)|\w\.\w+\b(?<!\b[ei]\.[eg])|\w/\w|(?:^|\s)--?\w|::|->")
_QUOTED = re.compile(r"\"[^\"]+\"|“[^”]+”|«[^»]+»|„[^“]+“")
_JOINED = re.compile(r"\b(?:both|and|versus|vs|compared?|difference)\b|\?.*\?", re.IGNORECASE | re.DOTALL)

CONDITIONS: dict[str, Condition] = {
    "short": lambda question: len(_WORD.findall(question)) <= SHORT,
    "code": lambda question: _CODE.search(question) is not None,
    "number": lambda question: re.search(r"\d", question) is not None,
    "quoted": lambda question: _QUOTED.search(question) is not None,
    "several": lambda question: _JOINED.search(question) is not None,
}
"""By name: at most SHORT words; names of code; digits; something in quotation marks; more than one thing asked."""


def condition(name: str) -> Condition:
    """The condition of that name, or its opposite for "not NAME"; UserError naming those there are."""
    plain = name.removeprefix("not ").strip()
    if plain not in CONDITIONS:
        raise UserError(f"no condition {name!r}; there are {', '.join(CONDITIONS)}, each also as 'not NAME'")
    holds = CONDITIONS[plain]
    return holds if plain == name.strip() else lambda question: not holds(question)
