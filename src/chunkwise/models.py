"""The models that a recipe may be made of, as the least that it asks of them.

A recipe names those it needs as keyword-only parameters (`embed`, `ask`, `lm`); who builds it supplies them, so that
no room that cuts, scores or selects knows where a model comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

Supplies: TypeAlias = Mapping[str, Callable[[], Any]]
"""What makes each model, by the name that recipes ask for it with; called only for those that a recipe names."""


class Embed(Protocol):
    """Texts to vectors."""

    def __call__(self, texts: Sequence[str]) -> Floats:
        """float32 [n, d], rows of length 1."""


class Ask(Protocol):
    """A language model that is asked and answers."""

    def __call__(self, prompt: str) -> str:
        """The whole reply. Raises EndpointError when there is none, time-outs included."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """How a causal model read a text, token by token.

    starts: int64 [n], character offsets where the tokens begin, ascending, the first one 0; nats: float32 [n], minus
    the log-probability of each token given all those before it; states: float32 [n, d], the model's last hidden
    states at those tokens, or None where it does not show them.
    """

    starts: Ints
    nats: Floats
    states: Floats | None = None


class CausalLM(Protocol):
    """A model of text from left to right."""

    @property
    def name(self) -> str:
        """The identity of the model, with a hash of its weights where they are local."""

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        """The cost of each token of `text` after `given`; a text of any length, read in windows. Linear in the text."""

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        """Log-probability of each answer as what comes next; float32 [len(answers)]."""


class Notes(Protocol):
    """Texts that were written about chunks, documents or places, kept by their ids; every store is one."""

    def notes(self, kind: str, ids: npt.NDArray[np.void]) -> dict[int, str]:
        """The notes of a kind on those of `ids` that have one, by index."""

    def put_notes(self, kind: str, ids: npt.NDArray[np.void], texts: Sequence[str]) -> None:
        """Keep texts of a kind by the id of what they are about."""


class Kept:
    """Notes that are kept as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], str] = {}

    def notes(self, kind: str, ids: npt.NDArray[np.void]) -> dict[int, str]:
        """The notes of a kind on those of `ids` that have one, by index."""
        keys = [(kind, key.tobytes()) for key in ids]
        return {at: self._kept[key] for at, key in enumerate(keys) if key in self._kept}

    def put_notes(self, kind: str, ids: npt.NDArray[np.void], texts: Sequence[str]) -> None:
        """Keep texts of a kind by the id of what they are about."""
        self._kept.update(((kind, key.tobytes()), text) for key, text in zip(ids, texts, strict=True))
