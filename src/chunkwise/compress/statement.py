"""Statements: what was said of passages, each with the passage that it goes back to, made passages again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chunkwise.budget import Budget
from chunkwise.compress.extract import told
from chunkwise.compress.spend import fitted
from chunkwise.compress.unit import Units
from chunkwise.select import Relevance, greedy
from chunkwise.tokens import Tokenizer
from chunkwise.units import Passage, Span


@dataclass(frozen=True, slots=True)
class Statement:
    """text: one line; of: the numbers of the passages it goes back to, the first one its own.

    span: where it stands in that passage's text, None where it was written anew.
    """

    text: str
    of: tuple[int, ...]
    span: Span | None = None

    @property
    def line(self) -> str | Span:
        """The statement as `told` takes it."""
        return self.text if self.span is None else self.span


def quoted(units: Units, numbers: Sequence[int]) -> list[Statement]:
    """These units as statements that stand in their source."""
    texts = units.texts
    return [Statement(texts[at].strip(), (int(units.of[at]),), units.spans[at]) for at in numbers]


def shared_out(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with their own passage chosen so that as many passages as can be have one of their own.

    Those of the fewest passages choose first, each the passage that has the fewest; one that stands in its source stays
    there. The order is kept.
    """
    has: Counter[int] = Counter()
    made = list(statements)
    for at in sorted(range(len(made)), key=lambda at: (made[at].span is None, len(made[at].of), at)):
        one = made[at]
        own = one.of[0] if one.span is not None else min(one.of, key=lambda of: has[of])
        has[own] += 1
        made[at] = replace(one, of=(own, *(of for of in one.of if of != own)))
    return made


def spoken(
    statements: Sequence[Statement],
    worth: Callable[[str], float],
    passages: Sequence[Passage],
    budget: Budget,
    tokenizer: Tokenizer,
) -> list[Passage]:
    """The passages as the statements that go back to them, best worth first, all within the budget.

    worth: of a statement's text, above 0. Each passage's best statement comes before any one's second.
    """
    worths = np.array([worth(one.text) for one in statements], dtype=np.float32)
    seen: set[int] = set()
    first = []
    for at in np.argsort(-worths, kind="stable").tolist():
        if (own := statements[at].of[0]) not in seen:
            seen.add(own)
            first.append(at)
    costs = np.array([tokenizer.count(f"{one.text}\n") for one in statements], dtype=np.int64)

    def make(room: int) -> list[Passage]:
        lines: dict[int, list[str | Span]] = {}
        for at in sorted(greedy(costs, room, Relevance(worths), first=first).taken):
            lines.setdefault(statements[at].of[0], []).append(statements[at].line)
        made = (told(passages[of], lines[of], tokenizer) for of in sorted(lines))
        return [passage for passage in made if passage is not None]

    return fitted(make, budget)
