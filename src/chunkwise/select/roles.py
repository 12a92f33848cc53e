"""Roles: one shared set of candidates, and for each role that reads from it the part that it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from chunkwise.budget import Budget
from chunkwise.errors import UserError
from chunkwise.select.gain import Relevance, Weighted, scaled
from chunkwise.select.search import Choice, greedy
from chunkwise.select.selector import Selector, selector
from chunkwise.units import Candidates, Floats, Selection


def route(
    shared: Candidates, roles: Mapping[str, str], budgets: Budget | int | Mapping[str, int], stage: str = ""
) -> dict[str, Selection]:
    """For each role its own selection of the shared candidates, within its own budget.

    roles: name to the words that say what the role attends to, "prices, invoices, refunds"; budgets: the same for all,
    or one for each name; stage: words for what is being done now, which all roles attend to. Raises UserError for a
    role without a budget.
    """
    each = budgets if isinstance(budgets, Mapping) else dict.fromkeys(roles, budgets)
    if missing := next((name for name in roles if name not in each), None):
        raise UserError(f"role {missing!r} has no budget; give one number for all roles, or a number for each of them")
    return {name: for_role(words, stage)(shared, Budget.of(each[name])) for name, words in roles.items()}


def for_role(role: str, stage: str = "", attend: float = 1.0, now: float = 0.5) -> Selector:
    """A selector of what one role needs: relevance + attend * what speaks to the role + now * what does to the stage.

    Relevance is the score relative to the best one; the other two are shares from 0 to 1, see `mention`.
    """

    def choose(offered: Candidates, tokens: int) -> Choice:
        gain = Weighted(
            relevance=(1.0, Relevance(scaled(offered.scores))),
            role=(attend, Relevance(mention(role, offered.texts, len(offered)))),
            stage=(now if stage else 0.0, Relevance(mention(stage, offered.texts, len(offered)))),
        )
        return greedy(offered.costs, tokens, gain, why=gain.why)

    return selector(choose)


def mention(words: str, texts: Sequence[str] | None, count: int) -> Floats:
    """How much of `words` each of `count` texts has, from 0 to 1; rare words count more. float32 [count].

    A word is found at the beginning of a longer one, so that "refund" is in "refunds"; it weighs ln((n + 1) / (number
    of texts that have it)), and one that no text has weighs nothing. 0 for all where there are no texts or no words.
    """
    wanted = sorted(set(re.findall(r"\w{3,}", words.casefold())), key=len, reverse=True)
    if not wanted or not texts:
        return np.zeros(count, dtype=np.float32)
    number = {word: at for at, word in enumerate(wanted)}
    pattern = re.compile(rf"\b(?:{'|'.join(wanted)})")
    found = {text: [number[word] for word in pattern.findall(text.casefold())] for text in set(texts)}
    has = np.zeros((count, len(wanted)), dtype=np.float32)
    for row, text in zip(has, texts, strict=True):
        row[found[text]] = 1
    often = has.sum(axis=0)
    weights = np.where(often > 0, np.log((count + 1) / np.maximum(often, 1)), 0).astype(np.float32)
    total = float(weights.sum())
    return np.asarray(has @ (weights / total if total > 0 else weights), dtype=np.float32)
