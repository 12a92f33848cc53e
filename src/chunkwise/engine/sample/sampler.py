"""A sampler: the chain of one request's transforms, its penalties and its seed, as one thing that draws a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from chunkwise.engine.sample.draw import pick, uniform
from chunkwise.engine.sample.language import Search
from chunkwise.engine.sample.transform import Transform, best, chain
from chunkwise.errors import UserError
from chunkwise.recipe import build, pieces
from chunkwise.select.arrays import Array, namespace


@dataclass(frozen=True, slots=True)
class Sampler:
    """How a request's next token is drawn: bias and penalties first, then the transforms in their order, then the seed.

    bias: what is added to the logits of tokens. presence, frequency: taken off the logits of tokens that the request
    has put out, once, and as often as they came (as OpenAI's API has them). seed: draws depend on it and on the
    position alone, so that a request comes out the same whatever else is in the batch.
    """

    transform: Transform = field(default_factory=chain)
    seed: int = 0
    presence: float = 0.0
    frequency: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)

    def law(self, logits: Array, counts: Mapping[int, int]) -> Array:
        """The logits [vocab] as they are drawn from; counts: how often each token was put out so far."""
        added = dict(self.bias)
        if self.presence or self.frequency:
            for token, count in counts.items():
                added[token] = added.get(token, 0.0) - self.presence - self.frequency * count
        if added:
            logits = namespace(logits).asarray(logits, copy=True)
            for token, value in added.items():
                logits[token] += value
        return logits if self.transform is best else self.transform(logits)

    def draw(self, law: Array, position: int) -> int:
        """The token that the seed and the position stand for under a law, from `law`."""
        xp = namespace(law)
        if self.transform is best:  # what a number would pick as well, without a sum over the vocabulary
            return int(xp.argmax(law))
        return int(pick(law, xp.asarray(uniform(self.seed, position), dtype=xp.float64)))


def transforms(spec: str) -> Transform:
    """The chain of a spec such as `temperature:t=0.7|min-p:base=0.1`, applied from left to right.

    Raises UnknownRecipe for a name or a parameter that no sampler has, UserError for one that is no transform.
    """
    built = [build(piece, "sample") for piece in pieces(spec, "|")]
    for piece, one in zip(pieces(spec, "|"), built, strict=True):
        if isinstance(one, (Search, partial)):
            raise UserError(f"{piece} is no transform of logits alone: call it by itself, not in a chain")
    return chain(*built)
