"""What searches stand on: whatever gives the logits after a batch of prefixes; and what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, ParamSpec, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.engine.sample.transform import Transform, chain
from chunkwise.select.arrays import Array

Tokens: TypeAlias = tuple[int, ...]
Doubles: TypeAlias = npt.NDArray[np.float64]


class Next(Protocol):
    """A causal model, seen from outside."""

    def __call__(self, prefixes: Sequence[Tokens]) -> Array:
        """The logits of the token after each prefix [n, vocab], NumPy or torch."""


@dataclass(frozen=True, slots=True)
class Language:
    """A model with the token that ends a text, or None, and what each token spells, where that is known."""

    next: Next
    end: int | None = None
    pieces: Sequence[str] = ()

    def logits(self, prefixes: Sequence[Tokens], transform: Transform | None = None) -> Array:
        """Logits [n, vocab] after a transform; every different prefix is asked for once."""
        rows = {prefix: row for row, prefix in enumerate(dict.fromkeys(prefixes))}
        found = self.next([*rows])
        return (transform or chain())(found)[[rows[prefix] for prefix in prefixes]]

    def logprobs(self, prefixes: Sequence[Tokens], transform: Transform | None = None) -> Doubles:
        """Log-probabilities float64 [n, vocab], -inf where the transform strikes a token out."""
        z = np.asarray(self.logits(prefixes, transform), dtype=np.float64)
        z = z - z.max(axis=-1, keepdims=True)
        return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))

    def ended(self, tokens: Tokens) -> bool:
        """Whether the last token is the one that ends a text."""
        return bool(tokens) and tokens[-1] == self.end


class Draft(NamedTuple):
    """A continuation: its tokens, the ending one included, and its log-probability in nats."""

    tokens: Tokens
    logprob: float


P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Search(Generic[P]):
    """Whole continuations, where a `Transform` only changes the law of one token: a type of its own, never chained.

    Called with what it stands on, which the recipe says (most: a language), a prefix, and the most tokens of a
    continuation; gives the drafts.
    """

    find: Callable[P, list[Draft]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[Draft]:
        """The drafts, in the order that the recipe says."""
        return self.find(*args, **kwargs)
