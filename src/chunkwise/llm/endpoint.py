"""A client of any OpenAI-compatible chat endpoint."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from chunkwise.errors import EndpointError, UserError
from chunkwise.llm.protocol import Completion, Stream, Usage
from chunkwise.llm.sse import event_data
from chunkwise.prompt import Message

if TYPE_CHECKING:
    import httpx

_LONGEST_PAUSE = 60.0
_SHOWN_CHARACTERS = 300
_ERROR_BYTES = 65536


def endpoint(spec: str | None = None, *, key: str | None = None, **settings: Any) -> Endpoint:
    """The endpoint that `spec` names as `URL#model`, such as `http://localhost:8000/v1#qwen`.

    What `spec` leaves out comes from OPENAI_BASE_URL and OPENAI_MODEL; the key from OPENAI_API_KEY unless given, and
    an endpoint that wants none gets none. settings: as in Endpoint. Raises UserError when no URL or no model is named.
    """
    url, _, model = (spec or "").partition("#")
    url = url.strip() or os.environ.get("OPENAI_BASE_URL", "").strip()
    model = model.strip() or os.environ.get("OPENAI_MODEL", "").strip()
    if not url:
        raise UserError("no endpoint named: give URL#model, such as http://localhost:8000/v1#qwen, or OPENAI_BASE_URL")
    if not model:
        raise UserError("no model named: write URL#model, such as http://localhost:8000/v1#qwen, or set OPENAI_MODEL")
    return Endpoint(url, model, key=os.environ.get("OPENAI_API_KEY") if key is None else key, **settings)


class Endpoint:
    """A model behind an OpenAI-compatible API.

    url: where the API lives. A URL without a path gets `/v1`; any other is taken as given, with or without
    `/chat/completions`. model: as the endpoint calls it. key: sent as bearer token, shown nowhere.
    connect_timeout: seconds to reach it; read_timeout: seconds it may stay silent. retries: how often a request is
    sent again after 429, 5xx or a broken connection, until the first piece of the reply has been handed on; one that
    failed for all that gets a single try from then on, until it answers again, so that it is waited for once.
    backoff: seconds before the first of them, doubled each time, with jitter; a Retry-After is honoured up to a minute.

    An optional field that the endpoint refuses by name (`stream_options`, `temperature`, `max_tokens`) is left out,
    or written `max_completion_tokens`, and the request sent again. A proxy named in the environment is used, save for
    an endpoint on this machine. Raises UserError for a URL or key that cannot be one; every other trouble is an
    EndpointError with the endpoint's own words.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 120.0,
        retries: int = 3,
        backoff: float = 0.5,
    ) -> None:
        self._url = _chat_url(url)
        self._key = (key or "").strip()
        if not self._key.isascii() or not self._key.isprintable():
            raise UserError("the key has characters that no HTTP header can hold; set OPENAI_API_KEY again")
        self.name = model
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.retries = retries
        self.backoff = backoff
        self._down = False

    def __repr__(self) -> str:
        return f"Endpoint({_shown(self._url)!r}, {self.name!r})"

    def complete(
        self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float = 0.0
    ) -> Completion:
        """The whole reply; at most `max_tokens` of it when given."""
        return Stream(self._pieces(self._request(messages, max_tokens, temperature))).completion

    def stream(self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float = 0.0) -> Stream:
        """The reply as it is written; the request is sent when the first piece is asked for."""
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        return Stream(self._pieces(self._request(messages, max_tokens, temperature) | streamed))

    def _request(self, messages: Sequence[Message], max_tokens: int | None, temperature: float) -> dict[str, Any]:
        request: dict[str, Any] = {"model": self.name, "messages": list(messages), "temperature": temperature}
        return request if max_tokens is None else request | {"max_tokens": max_tokens}

    def _pieces(self, request: dict[str, Any]) -> Generator[str, None, Completion]:
        """The reply's pieces, tried again while nothing of it has been handed on."""
        failures, handed_on = 0, False
        while True:
            try:
                with closing(Stream(self._reply(request))) as reply:
                    for piece in reply:
                        handed_on, self._down = True, False
                        yield piece
                    return reply.completion
            except _Refused as refusal:
                request = refusal.without
            except _PassingError as trouble:
                failures += 1
                pause = self._pause(failures) if trouble.pause is None else trouble.pause
                if handed_on:
                    raise EndpointError(f"{trouble}; the reply is incomplete, ask again") from trouble
                if self._down or failures > self.retries or pause > _LONGEST_PAUSE:
                    self._down = True
                    tries = "" if failures == 1 else f" ({failures} tries)"
                    wait = f"; it asks to wait {pause:.0f} s" if pause > _LONGEST_PAUSE else ""
                    raise EndpointError(f"{trouble}{tries}{wait}; {trouble.advice}") from trouble
                time.sleep(pause)

    def _reply(self, request: dict[str, Any]) -> Generator[str, None, Completion]:
        """One try: the reply's pieces, whether it comes as events or whole."""
        pieces: list[str] = []
        model, usage, finish = self.name, None, None
        with self._answered(request) as response:
            for answer in self._answers(response):
                model = str(answer.get("model") or model)
                usage = _usage(answer.get("usage")) or usage
                choice = _first(answer["choices"])
                finish = choice.get("finish_reason") or finish
                said = choice.get("delta") or choice.get("message")
                if piece := said.get("content") if isinstance(said, dict) else None:
                    pieces.append(str(piece))
                    yield pieces[-1]
        if not pieces:
            reason = f" (finish_reason {finish})" if finish else ""
            raise EndpointError(f"{self} answered with no text{reason}; check that {self.name} is a chat model")
        return Completion("".join(pieces), model, usage)

    def _answers(self, response: httpx.Response) -> Iterator[dict[str, Any]]:
        """Each JSON object of the response: one for each event, or the one that is the whole body."""
        if "text/event-stream" not in response.headers.get("content-type", ""):
            answer = self._parsed(response.read().decode(errors="replace"))
            if not answer["choices"]:
                raise EndpointError(f"{self} answered with no choices; look at the endpoint's log")
            yield answer
            return
        ended = False
        for data in event_data(response.iter_bytes()):
            if data == "[DONE]":
                return
            answer = self._parsed(data)
            ended = ended or bool(_first(answer["choices"]).get("finish_reason"))
            yield answer
        if not ended:
            raise _PassingError(
                f"{self} broke off in the middle of its reply", "try again, or look at the endpoint's log"
            )

    def _parsed(self, text: str) -> dict[str, Any]:
        """The JSON object that `text` is, `choices` a list in it."""
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            said = self._clean(text) or "an empty reply"
            raise EndpointError(f"{self} did not answer in JSON but with: {said}; check the URL, it mostly ends in /v1")
        if error := answer.get("error"):
            raise EndpointError(f"{self} failed: {self._clean(_message(error))}; look at the endpoint's log")
        if not isinstance(answer.get("choices"), list):
            raise EndpointError(f"{self} answered without choices: {self._clean(text)}; is the URL a chat API's?")
        return answer

    @contextmanager
    def _answered(self, request: dict[str, Any]) -> Iterator[httpx.Response]:
        """The response to one request, its status good."""
        import httpx

        timeout = httpx.Timeout(self.read_timeout, connect=self.connect_timeout)
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        body = json.dumps(request, ensure_ascii=False).encode(errors="replace")
        # Plain HTTP to this machine needs neither a proxy nor certificates, which take long to load.
        local = self._url.scheme == "http" and self._url.hostname in ("localhost", "127.0.0.1", "::1")
        try:
            with (
                httpx.Client(timeout=timeout, trust_env=not local, verify=not local) as client,
                client.stream("POST", self._url.geturl(), content=body, headers=headers) as response,
            ):
                if response.status_code != 200:
                    self._raise_for(response, request)
                yield response
        except httpx.ConnectTimeout as error:
            raise _PassingError(
                f"{self} could not be reached within {self.connect_timeout:g} s", "is the address right?"
            ) from error
        except httpx.TimeoutException as error:
            raise EndpointError(
                f"{self} was silent for {self.read_timeout:g} s; try again, a smaller model, or a longer read_timeout"
            ) from error
        except httpx.ConnectError as error:
            raise _PassingError(
                f"{self} cannot be reached: {self._clean(str(error))}", "is the server running at that address?"
            ) from error
        except httpx.TransportError as error:
            raise _PassingError(
                f"{self} broke the connection: {self._clean(str(error))}", "try again, or look at the endpoint's log"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointError(f"{self} cannot be read: {self._clean(str(error))}; check the URL") from error

    def _raise_for(self, response: httpx.Response, request: dict[str, Any]) -> None:
        """Say what a status other than 200 means, in the endpoint's words and ours."""
        status = response.status_code
        text = _head(response.iter_bytes(), _ERROR_BYTES).decode(errors="replace")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = text
        said = self._clean(_message(content)) or response.reason_phrase
        if status in (400, 422) and (without := _without_refused(request, text)):
            raise _Refused(without)
        if status == 401:
            key = "refuses the key" if self._key else "wants a key"
            raise EndpointError(f"{self} {key} (401): {said}; set OPENAI_API_KEY to a key of this endpoint")
        if status == 403:
            raise EndpointError(f"{self} forbids this (403): {said}; check what the key may use")
        if status == 404:
            raise EndpointError(f"{self} was not found (404): {said}; check the model's name and the URL (.../v1)")
        if 300 <= status < 400:
            target = self._clean(response.headers.get("location", "another place"))
            raise EndpointError(f"{self} has moved ({status}) to {target}; name that URL instead")
        if status == 429 and "insufficient_quota" in text:
            raise EndpointError(f"{self} has no quota left (429): {said}; check the account's plan and billing")
        pause = _retry_after(response.headers)
        if status == 429:
            raise _PassingError(
                f"{self} is at its rate limit (429): {said}", "wait a little, or use another model", pause
            )
        if status in (408, 409) or status >= 500:
            raise _PassingError(
                f"{self} failed ({status}): {said}", "try again later, or look at the endpoint's log", pause
            )
        raise EndpointError(f"{self} refused the request ({status}): {said}; check the model, or lower the budget")

    def _pause(self, failures: int) -> float:
        return min(8.0, self.backoff * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)

    def _clean(self, text: str) -> str:
        """The endpoint's words made fit to show: one line, no control characters, not too long, and never the key."""
        if self._key:
            text = text.replace(self._key, "[key]")
        text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _SHOWN_CHARACTERS]).split())
        return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"

    def __str__(self) -> str:
        return f"{self.name} at {_shown(self._url)}"


class _PassingError(EndpointError):
    """Trouble that may be gone on the next try. pause: seconds that the endpoint asks for."""

    def __init__(self, message: str, advice: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.advice = advice
        self.pause = pause


class _Refused(Exception):
    """The endpoint refuses an optional field. without: the request to send instead."""

    def __init__(self, without: dict[str, Any]) -> None:
        super().__init__()
        self.without = without


def _without_refused(request: dict[str, Any], said: str) -> dict[str, Any] | None:
    """The request less an optional field; None when there is none left that the refusal could mean."""
    named = [field for field in ("stream_options", "max_tokens", "temperature") if field in request and field in said]
    field = named[0] if named else "stream_options"
    if field not in request:
        return None
    rest = {name: value for name, value in request.items() if name != field}
    return rest | {"max_completion_tokens": request[field]} if field == "max_tokens" else rest


def _chat_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    if not usable:
        raise UserError("the endpoint's URL is none: write it like http://localhost:8000/v1#model")
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return parts._replace(path=f"{path}/chat/completions", fragment="")


def _shown(url: SplitResult) -> str:
    """The URL without user, password and query, any of which may be a secret."""
    host = url.netloc.rpartition("@")[2]
    return url._replace(netloc=host, query="", fragment="").geturl().removesuffix("/chat/completions")


def _message(content: Any) -> str:
    """The error text in what an endpoint sends, whatever its shape."""
    if isinstance(content, dict):
        for name in ("error", "message", "detail", "msg", "error_description"):
            if content.get(name):
                return _message(content[name])
    if isinstance(content, list) and content:
        return "; ".join(map(_message, content[:3]))
    return content if isinstance(content, str) else json.dumps(content)


def _first(choices: list[Any]) -> dict[str, Any]:
    return choices[0] if choices and isinstance(choices[0], dict) else {}


def _usage(content: Any) -> Usage | None:
    if not isinstance(content, dict):
        return None
    counts = content.get("prompt_tokens"), content.get("completion_tokens")
    return Usage(*(count if isinstance(count, int) else 0 for count in counts)) if any(counts) else None


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that a Retry-After asks for, given as a number or as a date."""
    asked = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", asked):
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def _head(chunks: Iterable[bytes], size: int) -> bytes:
    read = b""
    for chunk in chunks:
        read += chunk
        if len(read) >= size:
            break
    return read[:size]
