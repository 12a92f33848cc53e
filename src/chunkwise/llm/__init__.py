"""One protocol for language models: any OpenAI-compatible endpoint, a local model, and a reader that needs no model."""

from __future__ import annotations

from chunkwise.llm.endpoint import Endpoint, endpoint
from chunkwise.llm.extractive import NOTHING_FOUND, Extract, Quote, extractive
from chunkwise.llm.local import Local
from chunkwise.llm.protocol import LLM, Completion, Stream, Usage

__all__ = [
    "LLM",
    "NOTHING_FOUND",
    "Completion",
    "Endpoint",
    "Extract",
    "Local",
    "Quote",
    "Stream",
    "Usage",
    "endpoint",
    "extractive",
    "named",
]


def named(spec: str | None = None) -> LLM:
    """The model that `spec` names: `local:DIR`, or an endpoint as `endpoint` takes it."""
    where, _, folder = (spec or "").strip().partition(":")
    return Local(folder) if where == "local" and folder else endpoint(spec)
