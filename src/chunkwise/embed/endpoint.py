"""Vectors from any OpenAI-compatible `/v1/embeddings` endpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from chunkwise.embed.unit import unit_rows
from chunkwise.errors import EndpointError, UserError
from chunkwise.units import Floats

if TYPE_CHECKING:
    import httpx


class EndpointEmbedder:
    """Texts to unit vectors by `model` at `url`, the API's base ("http://localhost:8000/v1") or its `/embeddings`.

    A base with no path gets "/v1". key: sent as bearer token, by default `OPENAI_API_KEY` from the environment.
    batch: texts per request. timeout: seconds to wait for each answer. retries: further tries after a time-out, a lost
    connection, 429 or 5xx, after `pause` seconds, twice as long each time, or as long as `Retry-After` says up to a
    minute. The endpoint truncates as it likes.
    `name` holds URL and model; what weights stand behind them only the endpoint knows.
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
        base = url.rstrip("/")
        base = base if urlsplit(base).path else f"{base}/v1"
        self._url = base if base.endswith("/embeddings") else f"{base}/embeddings"
        self._model = model
        self._key = os.environ.get("OPENAI_API_KEY") if key is None else key
        self._batch, self._timeout, self._retries, self._pause = batch, timeout, retries, pause
        place = urlsplit(self._url)
        self.name = f"{place.scheme}://{place.netloc.rpartition('@')[2]}{place.path}#{model}"

    @classmethod
    def of(cls, spec: str) -> EndpointEmbedder:
        """The embedder of "URL#model". Raises UserError where either is missing."""
        url, _, model = spec.partition("#")
        if not urlsplit(url).hostname or not model:
            raise UserError(f"no endpoint in {spec!r}; write URL#model, such as http://localhost:8000/v1#bge-m3")
        return cls(url, model)

    @cached_property
    def dim(self) -> int:
        """Dimensions of a vector, asked of the endpoint at the first need."""
        return int(self(["dimensions"]).shape[1])

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors float32 [n, dim]. Raises EndpointError, in the endpoint's own words, when it does not answer."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        # Endpoints refuse an empty text, and JSON cannot carry half of a surrogate pair.
        clean = [text.encode("utf-8", "replace").decode() or " " for text in texts]
        found = unit_rows(np.concatenate(list(self._answers(clean))))
        self.__dict__["dim"] = found.shape[1]
        return found

    def _answers(self, texts: list[str]) -> Iterator[Floats]:
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        with httpx.Client(timeout=self._timeout, headers=headers) as client:
            width = None
            for start in range(0, len(texts), self._batch):
                batch = texts[start : start + self._batch]
                vectors = self._vectors(self._post(client, batch), len(batch))
                if width not in (None, vectors.shape[1]):
                    raise self._error(f"answered with vectors of {width} and of {vectors.shape[1]} dimensions")
                width = vectors.shape[1]
                yield vectors

    def _post(self, client: httpx.Client, batch: list[str]) -> Any:
        import httpx

        for attempt in range(self._retries + 1):
            wait = self._pause * 2**attempt
            try:
                answer = client.post(self._url, json={"model": self._model, "input": batch})
            except httpx.TimeoutException:
                wrong = f"did not answer within {self._timeout:g} s"
            except httpx.TransportError as error:
                wrong = f"cannot be reached: {error}"
            except httpx.InvalidURL as error:
                raise self._error(f"is no URL: {error}") from error
            else:
                if answer.is_success:
                    try:
                        return answer.json()
                    except ValueError as error:
                        raise self._error(f"answered with something that is not JSON: {answer.text[:200]!r}") from error
                wrong = f"answered {answer.status_code}: {_own_words(answer)}"
                if answer.status_code == 401:
                    raise self._error(f"{wrong} (the key is read from OPENAI_API_KEY)")
                if answer.status_code != 429 and answer.status_code < 500:
                    raise self._error(wrong)
                told = answer.headers.get("retry-after", "")
                wait = min(60.0, float(told)) if told.isdigit() else wait
            if attempt < self._retries:
                time.sleep(wait)
        raise self._error(f"{wrong} (tried {self._retries + 1} times)")

    def _vectors(self, answer: Any, count: int) -> Floats:
        try:
            rows = {int(item.get("index", at)): item["embedding"] for at, item in enumerate(answer["data"])}
            vectors = np.array([rows[index] for index in range(count)], dtype=np.float32)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._error(
                f"did not answer with one vector for each of {count} texts: {str(answer)[:200]}"
            ) from error
        if len(rows) != count or vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
            raise self._error(f"did not answer with one finite vector for each of {count} texts: {str(answer)[:200]}")
        return vectors

    def _error(self, what: str) -> EndpointError:
        return EndpointError(f"embedding endpoint {self.name} {what}")


def _own_words(answer: httpx.Response) -> str:
    """What the endpoint says is wrong: the message of an OpenAI-style error, or the start of its text."""
    try:
        said = answer.json()
        error = said.get("error", said)
        return str(error.get("message", error) if isinstance(error, dict) else error)[:500]
    except (ValueError, AttributeError):
        return answer.text.strip()[:500] or answer.reason_phrase
