"""Scores from any endpoint that speaks `/rerank`: a query and documents in, an index and a score for each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chunkwise.post import Post, clean, place, shown, url_and_model
from chunkwise.retrieve.judge.choose import Reading
from chunkwise.units import Floats


class EndpointJudge:
    """Scores by `model` at `url`, the API's base ("http://localhost:8000/v1") or its `/rerank`.

    Sent is {model, query, documents}; the answer is {results: [{index, relevance_score}]}, in any order, as many
    servers give it. A reading's chunks all get its score. A base with no path gets "/v1". batch: documents per request;
    key, timeout, retries, pause: as in `Post`.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        batch: int = 64,
        timeout: float = 60.0,
        retries: int = 4,
        pause: float = 0.5,
    ) -> None:
        url = place(url, "/rerank")
        self.name = f"{shown(url)}#{model}"
        self._post = Post(url, f"rerank endpoint {self.name}", key, timeout, retries, pause)
        self._model, self._batch = model, batch

    @classmethod
    def of(cls, spec: str) -> EndpointJudge:
        """The judge of "URL#model". Raises UserError where either is missing."""
        return cls(*url_and_model(spec))

    def __call__(self, question: str, readings: Sequence[Reading]) -> list[Floats]:
        """The score of each reading, once for each of its chunks.

        Raises EndpointError, in the endpoint's own words, when it does not answer.
        """
        scores: list[float] = []
        with self._post.client() as client:
            for start in range(0, len(readings), self._batch):
                texts = [clean(reading.text) for reading in readings[start : start + self._batch]]
                body = {"model": self._model, "query": clean(question), "documents": texts}
                scores += self._scores(self._post(client, body), len(texts))
        return [np.full(len(reading.spans), score, np.float32) for reading, score in zip(readings, scores, strict=True)]

    def _scores(self, answer: Any, count: int) -> list[float]:
        wrong = f"did not answer with one finite relevance_score for each of {count} documents: {str(answer)[:200]}"
        try:
            found = {int(item["index"]): float(item["relevance_score"]) for item in answer["results"]}
            scores = [found[index] for index in range(count)]
        except (KeyError, TypeError, ValueError) as error:
            raise self._post.error(wrong) from error
        if len(found) != count or not np.isfinite(scores).all():
            raise self._post.error(wrong)
        return scores
