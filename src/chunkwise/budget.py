"""Budget: the hard limit that every selection keeps."""

from __future__ import annotations

from dataclasses import dataclass

from chunkwise.errors import BudgetError


@dataclass(frozen=True, slots=True)
class Budget:
    """A hard limit in tokens. What exceeds it does not go in; a Budget never rounds up.

    tokens: how many tokens may be paid for, in the tokenizer of whoever spends it; 0 buys nothing.
    Raises BudgetError when tokens is negative or not a whole number.
    """

    tokens: int

    def __post_init__(self) -> None:
        if isinstance(self.tokens, bool) or not isinstance(self.tokens, int):
            raise BudgetError(f"a budget is a whole number of tokens, got {self.tokens!r}; try 1500")
        if self.tokens < 0:
            raise BudgetError(f"a budget cannot be negative, got {self.tokens}; give 0 or more tokens")

    @classmethod
    def of(cls, budget: Budget | int) -> Budget:
        """The budget itself, or one of that many tokens."""
        return budget if isinstance(budget, Budget) else cls(budget)
