"""Paths to answers: JSON in, JSON or events out, errors in OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chunkwise.engine.complete import Busy, Completer, Done, Event, Failed, Job, Said, Stopped
from chunkwise.errors import ChunkwiseError, UserError
from chunkwise.serve.answers import Answer
from chunkwise.serve.fields import Refused, Wanted, read
from chunkwise.serve.metrics import Metrics

LARGEST = 64 * 2**20  # bytes of a request
LATER = "1"  # seconds after which to ask again


def app(completer: Completer) -> Starlette:
    """The server's paths, over a completer that somebody else closes."""
    metrics = Metrics(completer)
    began = int(time.time())

    async def models(request: Request) -> Response:
        return _json({"object": "list", "data": [_model(completer.name, began)]})

    async def model(request: Request) -> Response:
        name = request.path_params["name"]
        if name != completer.name:
            raise Refused(f"there is no model {name!r} here, only {completer.name!r}", "model", 404, "model_not_found")
        return _json(_model(name, began))

    async def health(request: Request) -> Response:
        return _json({"status": "ok"}) if completer.alive else _json({"status": "stopping"}, 503)

    async def measured(request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def counted(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def counting(request: Request) -> Response:
            try:
                response = await answer(request)
            except (ChunkwiseError, ClientDisconnect) as error:
                response = _refusal(error)
            metrics.requests.labels(request.url.path, response.status_code).inc()
            return response

        return counting

    def completions(chat: bool) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            body = _parsed(await _body(request))
            wanted = await run_in_threadpool(read, body, completer, chat)
            return await _answered(request, wanted, completer, metrics)

        return counted(answered)

    return Starlette(
        routes=[
            Route("/v1/completions", completions(chat=False), methods=["POST"]),
            Route("/v1/chat/completions", completions(chat=True), methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", counted(model)),
            Route("/health", health),
            Route("/metrics", measured),
        ],
        exception_handlers={HTTPException: _wrong_path, Exception: _ours},
    )


async def _answered(request: Request, wanted: Wanted, completer: Completer, metrics: Metrics) -> Response:
    hearing = Hearing(request, wanted, completer, metrics)
    logprobs = wanted.asks[0].alternatives is not None
    answer = Answer(completer.tokenizer, completer.name, wanted.chat, logprobs, wanted.usage and wanted.stream)
    events = hearing.events()
    try:
        if not wanted.stream:
            whole = answer.whole([said async for said in events], hearing.done)
            hearing.close()
            return _json(whole)
        first = await anext(events)  # what cannot be done is known by then, and told with its status
    except BaseException:
        hearing.close()
        raise
    return StreamingResponse(
        _sent(hearing, first, events, answer, wanted.usage),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _sent(
    hearing: Hearing, first: Said, events: AsyncIterator[Said], answer: Answer, with_usage: bool
) -> AsyncIterator[bytes]:
    """A stream's bytes."""
    try:
        yield _event(answer.chunk(first))
        async for said in events:
            yield _event(answer.chunk(said))
        if with_usage:
            yield _event(answer.usage(hearing.done))
        yield b"data: [DONE]\n\n"
    except ChunkwiseError as error:
        yield _event(_error(error)[0])
    except ClientDisconnect:
        pass
    finally:
        hearing.close()


class Hearing:
    """What is told of a request's prompts, brought from the engine's thread to this one's loop.

    When the client hangs up the engine is told at once, whatever becomes of the answer.
    """

    def __init__(self, request: Request, wanted: Wanted, completer: Completer, metrics: Metrics) -> None:
        self._completer, self._metrics = completer, metrics
        self._heard: asyncio.Queue[tuple[int, Event] | None] = asyncio.Queue()
        self._jobs: list[Job] = []
        self._n = wanted.asks[0].n
        self.done: list[Done] = []
        loop = asyncio.get_running_loop()

        def tell(number: int) -> Callable[[Event], object]:
            return lambda event: loop.call_soon_threadsafe(self._heard.put_nowait, (number, event))

        try:
            for number, ask in enumerate(wanted.asks):
                self._jobs.append(completer.submit(ask, tell(number)))
        except ChunkwiseError:
            self._cancel()
            raise
        self._gone = asyncio.create_task(_gone(request))
        self._gone.add_done_callback(lambda gone: self._cancel())

    async def events(self) -> AsyncIterator[Said]:
        """What is said, the choices of all prompts numbered through. Raises what failed; ClientDisconnect when gone."""
        while len(self.done) < len(self._jobs):
            heard = await self._heard.get()
            if heard is None:
                raise ClientDisconnect
            number, event = heard
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Done):
                self.done.append(event)
                self._metrics.done(event)
            else:
                yield event._replace(choice=number * self._n + event.choice)

    def close(self) -> None:
        """Nobody listens any more."""
        self._gone.cancel()

    def _cancel(self) -> None:
        for job in self._jobs:
            self._completer.cancel(job)
        self._heard.put_nowait(None)


async def _gone(request: Request) -> None:
    """Wait until the client hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Refused(f"the request is larger than {LARGEST:,} bytes; send less at once", status=413)
    return bytes(body)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {str(error) or 'it is nested too deeply'}; check what is sent") from error


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "chunkwise"}


def _encoded(value: Any) -> bytes:
    """JSON; half of a surrogate pair, which UTF-8 has no bytes for, is escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _event(value: Any) -> bytes:
    return b"data: " + _encoded(value) + b"\n\n"


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encoded(value), status, headers, "application/json")


def _error(error: Exception) -> tuple[dict[str, Any], int]:
    """The error as OpenAI's clients read it, and its HTTP status."""
    status, field, code = 500, None, None
    if isinstance(error, Refused):
        status, field, code = error.status, error.field, error.code
    elif isinstance(error, UserError):
        status = 400
    elif isinstance(error, Busy | Stopped):
        status = 503
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": str(error), "type": kind, "param": field, "code": code}}, status


def _refusal(error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        return Response(status_code=499)  # nobody reads it; as proxies count it
    body, status = _error(error)
    return _json(body, status, {"Retry-After": LATER} if status == 503 else None)


async def _wrong_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    why = "there is no such path" if error.status_code == 404 else str(error.detail)
    told = Refused(f"{what}: {why}; there are /v1/completions, /v1/chat/completions, /v1/models, /health, /metrics")
    return _json(_error(told)[0], error.status_code, dict(error.headers or {}))


async def _ours(request: Request, error: Exception) -> Response:
    return _json(_error(ChunkwiseError(f"chunkwise failed: {type(error).__name__}: {error}"))[0], 500)
