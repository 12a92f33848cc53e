"""Scores from any endpoint that speaks `/rerank`: a query and documents in, an index and a score for each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chunkwise.post import Served, clean
from chunkwise.retrieve.judge.choose import Reading
from chunkwise.units import Floats


class EndpointJudge(Served):
    """Scores by `model` at `url`, the API's base ("http://localhost:8000/v1") or its `/rerank`.

    Sent is {model, query, documents}; the answer is {results: [{index, relevance_score}]}, in any order, as many
    servers give it. A reading's chunks all get its score. batch: documents per request; the rest as in `Served`.
    """

    path, kind = "/rerank", "rerank endpoint"

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
