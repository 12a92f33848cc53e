"""Which judge a spec string names, and what every judge does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from chunkwise.errors import UserError
from chunkwise.units import Floats, Span


class Reading(NamedTuple):
    """What is read at once: neighbouring chunks.

    text: theirs, joined; spans: where each of them stands in it; complete: whether they are a whole short document.
    """

    text: str
    spans: tuple[Span, ...]
    complete: bool = False


class Judge(Protocol):
    """A question and readings to scores: the higher, the more a chunk says to the question."""

    @property
    def name(self) -> str:
        """The identity of the judge, with a hash of its weights where they are local."""

    def __call__(self, question: str, readings: Sequence[Reading]) -> list[Floats]:
        """For each reading a score of each of its chunks, float32 [len(spans)]; of any scale, but one for all."""


def judge(spec: str) -> Judge:
    """The judge that `spec` names.

    - "minilm": all-MiniLM-L6-v2 from its wheel reads the chunks in their context;
    - the path of a local cross-encoder's folder (BERT sequence classification with one output), NumPy or, with
      ":backend=torch" behind it, torch;
    - "URL#model": an endpoint that speaks `/rerank`, such as "http://localhost:8000/v1#bge-reranker-v2-m3".

    Raises UserError for a spec that is none of these, ModelError when the model cannot be had.
    """
    if spec.startswith(("http://", "https://")):
        from chunkwise.retrieve.judge.endpoint import EndpointJudge

        return EndpointJudge.of(spec)
    if spec == "minilm":
        return _minilm()
    name, _, backend = spec.partition(":backend=")
    if backend not in ("", "numpy", "torch"):
        raise UserError(f"no backend {backend!r} in {spec!r}; it is numpy or torch")
    if name and Path(name).is_dir():
        from chunkwise.retrieve.judge.cross_encoder import CrossEncoder

        return CrossEncoder(name, backend="torch" if backend == "torch" else "numpy")
    raise UserError(f"no judge {spec!r}; name minilm, a cross-encoder's folder, or URL#model")


@cache
def _minilm() -> Judge:
    """One for all, since it keeps the vectors of what it has read, whatever it was asked."""
    from chunkwise.retrieve.judge.in_context import InContext

    return InContext()
