"""What is compared: pipelines, as the product of what may vary."""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def ours(self) -> bool:
        """Whether this is what chunkwise does when it is told nothing, by whatever embedder."""
        return (self.segment, self.retrieve, self.select) == (OURS.segment, OURS.retrieve, OURS.select)


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


def labels(pipelines: Sequence[Pipeline]) -> tuple[tuple[str, ...], str]:
    """A short name for each pipeline, and what all of them share and therefore none of the names says.

    Our default, among others, is named so; what the others share need not be true of it.
    """
    parts = [(one.segment, one.retrieve, one.select, one.embed) for one in pipelines]
    plain = [part for part, one in zip(parts, pipelines, strict=True) if not one.ours] or parts
    varies = [len({part[at] for part in plain}) > 1 for at in range(4)]
    if not any(varies):
        varies[0] = True
    shared = " / ".join(word for word, differs in zip(plain[0], varies, strict=True) if not differs)
    ours = [one for one in pipelines if one.ours] if len(plain) < len(parts) else []
    names = tuple(
        "chunkwise's default" + (f" / {one.embed}" if len(ours) > 1 else "")
        if one in ours
        else " / ".join(word for word, differs in zip(part, varies, strict=True) if differs)
        for part, one in zip(parts, pipelines, strict=True)
    )
    return names, shared
