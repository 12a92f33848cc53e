"""Post JSON to an endpoint, patiently, and tell what it says is wrong in its own words."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from chunkwise.errors import EndpointError, UserError

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Post:
    """One place of an OpenAI-style API, such as `/embeddings`, and how long it is waited for.

    url: of that place; name: what errors call it; key: sent as bearer token, by default `OPENAI_API_KEY` from the
    environment; timeout: seconds to wait for each answer; retries: further tries after a time-out, a lost connection,
    429 or 5xx, after `pause` seconds, twice as long each time, or as long as `Retry-After` says up to a minute.
    """

    url: str
    name: str
    key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    retries: int = 4
    pause: float = 0.5

    def client(self) -> httpx.Client:
        """A client to call with."""
        import httpx

        key = os.environ.get("OPENAI_API_KEY") if self.key is None else self.key
        return httpx.Client(timeout=self.timeout, headers={"Authorization": f"Bearer {key}"} if key else {})

    def __call__(self, client: httpx.Client, body: dict[str, Any]) -> Any:
        """The JSON that answers `body`. Raises EndpointError, in the endpoint's own words, when none does."""
        import httpx

        for attempt in range(self.retries + 1):
            wait = self.pause * 2**attempt
            try:
                answer = client.post(self.url, json=body)
            except httpx.TimeoutException:
                wrong = f"did not answer within {self.timeout:g} s"
            except httpx.TransportError as error:
                wrong = f"cannot be reached: {error}"
            except httpx.InvalidURL as error:
                raise self.error(f"is no URL: {error}") from error
            else:
                if answer.is_success:
                    try:
                        return answer.json()
                    except ValueError as error:
                        raise self.error(f"answered with something that is not JSON: {answer.text[:200]!r}") from error
                wrong = f"answered {answer.status_code}: {_own_words(answer)}"
                if answer.status_code == 401:
                    raise self.error(f"{wrong} (the key is read from OPENAI_API_KEY)")
                if answer.status_code != 429 and answer.status_code < 500:
                    raise self.error(wrong)
                told = answer.headers.get("retry-after", "")
                wait = min(60.0, float(told)) if told.isdigit() else wait
            if attempt < self.retries:
                time.sleep(wait)
        raise self.error(f"{wrong} (tried {self.retries + 1} times)")

    def error(self, what: str) -> EndpointError:
        """The error that says what this endpoint did."""
        return EndpointError(f"{self.name} {what}")


class Served:
    """A model that one place of an OpenAI-style API serves; a subclass says which place, and what errors call it.

    url: the API's base, which gets "/v1" where it has no path, or the place itself. batch: how many inputs one request
    holds; key, timeout, retries, pause: as in `Post`. `name` is the URL and the model.
    """

    path: ClassVar[str]
    kind: ClassVar[str]

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
        url = place(url, self.path)
        self.name = f"{shown(url)}#{model}"
        self._post = Post(url, f"{self.kind} {self.name}", key, timeout, retries, pause)
        self._model, self._batch = model, batch

    @classmethod
    def of(cls, spec: str) -> Self:
        """That of "URL#model". Raises UserError where either is missing."""
        return cls(*url_and_model(spec))


def place(url: str, path: str) -> str:
    """Where `path` ("/embeddings") of the API at `url` is: a base with no path gets "/v1"; the place itself stays."""
    base = url.rstrip("/")
    base = base if urlsplit(base).path else f"{base}/v1"
    return base if base.endswith(path) else f"{base}{path}"


def shown(url: str) -> str:
    """A URL without the name and password that it may hold."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def url_and_model(spec: str) -> tuple[str, str]:
    """The two parts of "URL#model". Raises UserError where either is missing."""
    url, _, model = spec.partition("#")
    if not urlsplit(url).hostname or not model:
        raise UserError(f"no endpoint in {spec!r}; write URL#model, such as http://localhost:8000/v1#bge-m3")
    return url, model


def clean(text: str) -> str:
    """A text that JSON can carry and endpoints take: no half of a surrogate pair, not empty."""
    return text.encode("utf-8", "replace").decode() or " "


def _own_words(answer: httpx.Response) -> str:
    """What the endpoint says is wrong: the message of an OpenAI-style error, or the start of its text."""
    try:
        said = answer.json()
        error = said.get("error", said)
        return str(error.get("message", error) if isinstance(error, dict) else error)[:500]
    except (ValueError, AttributeError):
        return answer.text.strip()[:500] or answer.reason_phrase
