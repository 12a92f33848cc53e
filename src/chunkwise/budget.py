"""Budget: the hard limit that every selection keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chunkwise.errors import BudgetError
from chunkwise.units import Passage

Bill: TypeAlias = Callable[[Sequence[Passage]], int]
"""What passages cost in tokens, all together."""


def text_alone(passages: Sequence[Passage]) -> int:
    """The tokens of the passages' own text."""
    return sum(passage.tokens for passage in passages)


@dataclass(frozen=True, slots=True)
class Budget:
    """A hard limit in tokens. What exceeds it does not go in; a Budget never rounds up.

    tokens: how many tokens may be paid for, in the tokenizer of whoever spends it; 0 buys nothing. bill: what passages
    are charged that it buys, which is more than their text where they are shown under labels.
    Raises BudgetError when tokens is negative or not a whole number.
    """

    tokens: int
    bill: Bill = text_alone

    def __post_init__(self) -> None:
        if isinstance(self.tokens, bool) or not isinstance(self.tokens, int):
            raise BudgetError(f"a budget is a whole number of tokens, got {self.tokens!r}; try 1500")
        if self.tokens < 0:
            raise BudgetError(f"a budget cannot be negative, got {self.tokens}; give 0 or more tokens")

    def text(self, passages: Sequence[Passage]) -> int:
        """The tokens left for text where all of these passages bear their labels; half of all at the least."""
        return max(self.tokens - self.bill(passages) + text_alone(passages), self.tokens // 2)

    @classmethod
    def of(cls, budget: Budget | int) -> Budget:
        """The budget itself, or one of that many tokens."""
        return budget if isinstance(budget, Budget) else cls(budget)
