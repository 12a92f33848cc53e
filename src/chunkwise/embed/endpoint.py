"""Vectors from any OpenAI-compatible `/v1/embeddings` endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from chunkwise.embed.unit import unit_rows
from chunkwise.post import Served, clean
from chunkwise.units import Floats


class EndpointEmbedder(Served):
    """Texts to unit vectors by `model` at `url`, the API's base ("http://localhost:8000/v1") or its `/embeddings`.

    batch: texts per request; the rest as in `Served`. The endpoint truncates as it likes, and what weights stand behind
    `name` only it knows.
    """

    path, kind = "/embeddings", "embedding endpoint"

    @cached_property
    def dim(self) -> int:
        """Dimensions of a vector, asked of the endpoint at the first need."""
        return int(self(["dimensions"]).shape[1])

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors float32 [n, dim]. Raises EndpointError, in the endpoint's own words, when it does not answer."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        found = unit_rows(np.concatenate(list(self._answers([clean(text) for text in texts]))))
        self.__dict__["dim"] = found.shape[1]
        return found

    def _answers(self, texts: list[str]) -> Iterator[Floats]:
        with self._post.client() as client:
            width = None
            for start in range(0, len(texts), self._batch):
                batch = texts[start : start + self._batch]
                vectors = self._vectors(self._post(client, {"model": self._model, "input": batch}), len(batch))
                if width not in (None, vectors.shape[1]):
                    raise self._post.error(f"answered with vectors of {width} and of {vectors.shape[1]} dimensions")
                width = vectors.shape[1]
                yield vectors

    def _vectors(self, answer: Any, count: int) -> Floats:
        try:
            rows = {int(item.get("index", at)): item["embedding"] for at, item in enumerate(answer["data"])}
            vectors = np.array([rows[index] for index in range(count)], dtype=np.float32)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._post.error(
                f"did not answer with one vector for each of {count} texts: {str(answer)[:200]}"
            ) from error
        if len(rows) != count or vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
            raise self._post.error(
                f"did not answer with one finite vector for each of {count} texts: {str(answer)[:200]}"
            )
        return vectors
