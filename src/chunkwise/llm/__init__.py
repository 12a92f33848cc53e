"""One protocol for language models, a client of any OpenAI-compatible endpoint, and a reader that needs no model."""

from __future__ import annotations

from chunkwise.llm.endpoint import Endpoint, endpoint
from chunkwise.llm.extractive import NOTHING_FOUND, Extract, Quote, extractive
from chunkwise.llm.protocol import LLM, Completion, Stream, Usage

__all__ = [
    "LLM",
    "NOTHING_FOUND",
    "Completion",
    "Endpoint",
    "Extract",
    "Quote",
    "Stream",
    "Usage",
    "endpoint",
    "extractive",
]
