"""One protocol for language models, a client of any OpenAI-compatible endpoint, and a reader that needs no model."""

from __future__ import annotations

from chunkwise.llm.endpoint import Endpoint, endpoint
from chunkwise.llm.protocol import LLM, Completion, Stream, Usage

__all__ = ["LLM", "Completion", "Endpoint", "Stream", "Usage", "endpoint"]
