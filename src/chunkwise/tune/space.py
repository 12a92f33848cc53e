"""Space: the pipelines that are tried, in the order in which they are."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from chunkwise.evaluate import OURS, Pipeline

AXES: dict[str, tuple[str, ...]] = {
    "segment": ("sentence", "recursive:size=128", "recursive:size=256", "recursive:size=512", "fixed:size=256"),
    "embed": ("minilm", "static", "none"),
    "retrieve": ("multiscale", "multiscale:bridge=2,bought=0.6", "bm25", "rrf", "looping:of=multiscale"),
    "select": ("coverage", "top-k:k=1000", "mmr", "sage"),
    "compress": ("none", "extract"),
}
"""What each part may be; the first of each is our default."""


def space(count: int = 24, seed: int = 0) -> tuple[Pipeline, ...]:
    """`count` pipelines: our default, those that differ from it in one part, then others drawn at random.

    Parts that mean nothing together are left out: a search by vectors with none made. The same seed draws the same.
    """
    one_changed = [
        replace(OURS, **{part: choice}) for part, choices in AXES.items() for choice in choices if _part(part) != choice
    ]
    every = [Pipeline(**dict(zip(AXES, parts, strict=True))) for parts in product(*AXES.values())]
    drawn = np.random.default_rng(seed).permutation(len(every)).tolist()
    found = dict.fromkeys([OURS, *one_changed, *(every[at] for at in drawn)])
    return tuple(pipeline for pipeline in found if _makes_sense(pipeline))[:count]


def _part(name: str) -> str:
    return str(getattr(OURS, name))


def _makes_sense(pipeline: Pipeline) -> bool:
    return pipeline.embed != "none" or pipeline.retrieve not in ("rrf", "dense")
