"""What is compared: pipelines, as the product of what may vary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One way from documents to context, as specs of the families segment, retrieve, select and compress.

    embed: "minilm", "static", a model's folder, "URL#model" or a recipe, as `chunkwise.embed.embedder` takes them;
    "none" for an index without vectors. compress: "none" for passages as they are.
    """

    segment: str
    retrieve: str = "rrf"
    select: str = "coverage"
    embed: str = "minilm"
    compress: str = "none"

    @property
    def parts(self) -> tuple[str, ...]:
        """What it is made of, in the order in which it is shown; "" for a compressor that is not there."""
        return self.segment, self.retrieve, self.select, self.embed, "" if self.compress == "none" else self.compress

    @property
    def name(self) -> str:
        """`recursive:size=200 / rrf / coverage / minilm`, and the compressor where there is one."""
        return _joined(self.parts, range(len(self.parts)))

    @property
    def ours(self) -> bool:
        """Whether this is what chunkwise does when it is told nothing, by whatever embedder."""
        return replace(self, embed=OURS.embed) == OURS


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
    compress: tuple[str, ...] = ("none",)
    budgets: tuple[int, ...] = (250, 500, 1000)
    beside: tuple[Pipeline, ...] = ()
    apart: Literal["", "group", "evidence"] = ""

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """All of them, each once; those that share an index stand together."""
        every = product(self.segment, self.embed, self.retrieve, self.select, self.compress)
        made = [Pipeline(segment, retrieve, select, embed, how) for segment, embed, retrieve, select, how in every]
        return tuple(dict.fromkeys((*made, *self.beside)))


def labels(pipelines: Sequence[Pipeline]) -> tuple[tuple[str, ...], str]:
    """A short name for each pipeline, and what all of them share and therefore none of the names says.

    Our default, among others, is named so; what the others share need not be true of it.
    """
    parts = [one.parts for one in pipelines]
    plain = [part for part, one in zip(parts, pipelines, strict=True) if not one.ours] or parts
    varies = [at for at in range(len(plain[0])) if len({part[at] for part in plain}) > 1] or [0]
    shared = _joined(plain[0], [at for at in range(len(plain[0])) if at not in varies])
    ours = [one for one in pipelines if one.ours] if len(plain) < len(parts) else []
    names = tuple(
        "chunkwise's default" + (f" / {one.embed}" if len(ours) > 1 else "") if one in ours else _joined(part, varies)
        for part, one in zip(parts, pipelines, strict=True)
    )
    return names, shared


def _joined(parts: Sequence[str], shown: Iterable[int]) -> str:
    return " / ".join(filter(None, (parts[at] for at in shown))) or "uncompressed"
