"""What is compared: pipelines, as the product of what may vary."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One way from documents to context, as specs of the families segment, retrieve and select.

    embed: "minilm", "static", a model's folder or "URL#model", as `chunkwise.embed.embedder` takes them; "none" for an
    index without vectors.
    """

    segment: str
    retrieve: str = "rrf"
    select: str = "coverage"
    embed: str = "minilm"

    @property
    def name(self) -> str:
        """`recursive:size=200 / rrf / coverage / minilm`."""
        return " / ".join((self.segment, self.retrieve, self.select, self.embed))


OURS = Pipeline("sentence", "multiscale", "coverage", "minilm")
"""What chunkwise does when it is told nothing: small chunks, scored at several widths."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of what is listed, each at every budget of tokens.

    beside: further pipelines, measured at the same budgets; apart: "group" or "evidence" shows recall for each group
    of questions, or for those with short and with long evidence, as well.
    """

    segment: tuple[str, ...]
    retrieve: tuple[str, ...] = ("rrf",)
    select: tuple[str, ...] = ("coverage",)
    embed: tuple[str, ...] = ("minilm",)
    budgets: tuple[int, ...] = (250, 500, 1000)
    beside: tuple[Pipeline, ...] = ()
    apart: Literal["", "group", "evidence"] = ""

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """All of them, each once; those that share an index stand together."""
        every = product(self.segment, self.embed, self.retrieve, self.select)
        made = [Pipeline(segment, retrieve, select, embed) for segment, embed, retrieve, select in every]
        return tuple(dict.fromkeys((*made, *self.beside)))
