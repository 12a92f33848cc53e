"""An encoder in llama-index's own terms, for the benchmarks that run its parsers and indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def llama_embedding(encode: Callable[[list[str]], Any]) -> Any:
    """llama-index's BaseEmbedding of `encode`, which gives an array [n, d] for n texts.

    One large batch lets sentence-transformers sort by length, which spares it padding.
    """
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class Encoder(BaseEmbedding):  # type: ignore[misc]  # the peer is not there when types are checked
        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = encode(texts).tolist()
            return vectors

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    return Encoder(embed_batch_size=2048)
