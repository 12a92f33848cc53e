"""A real HTTP server on this machine that speaks an OpenAI-compatible API by a script, faults included.

    with Server(status(429, "slow down", {"Retry-After": "0"}), streamed("Paris [1].")) as server:
        endpoint(server.spec)

Each request is met by the next turn of the script, and the last turn meets all that follow. `server.requests` holds
what was asked.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted-1"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class Talk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted
    asked: Request

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked = Request(self.path, headers, json.loads(body))
        turn = self.server.next_turn(self.asked)
        turn(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - overrides
        pass

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


Turn = Callable[[Talk], None]


class Scripted(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, turns: tuple[Turn, ...]) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.turns = list(turns)
        self.requests: list[Request] = []
        self.over = threading.Event()
        self._lock = threading.Lock()

    def next_turn(self, request: Request) -> Turn:
        with self._lock:
            self.requests.append(request)
            return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients of these tests hang up on purpose


class Server:
    def __init__(self, *turns: Turn) -> None:
        self._http = Scripted(turns)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.over.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def spec(self) -> str:
        return f"{self.url}#{MODEL}"

    @property
    def requests(self) -> list[Request]:
        return self._http.requests


def whole(text: str, **changes: Any) -> Turn:
    """A plain JSON answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return as_json({"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": USAGE} | changes)


def answering(reply: Callable[[str], str]) -> Turn:
    """A plain JSON answer made of the last message; several may be asked for at once."""
    return lambda talk: whole(reply(talk.asked.body["messages"][-1]["content"]))(talk)


def as_json(content: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Turn:
    return as_text(json.dumps(content), code, {"Content-Type": "application/json", **(headers or {})})


def as_text(text: str, code: int = 200, headers: Mapping[str, str] | None = None) -> Turn:
    kind = {"Content-Type": "text/html", **(headers or {})}
    return lambda talk: talk.send(code, text.encode(), kind)


def status(code: int, message: str, headers: Mapping[str, str] | None = None) -> Turn:
    """An error as OpenAI's API words it."""
    return as_json({"error": {"message": message, "type": "error", "code": None}}, code, headers)


def events(text: str, piece: int = 5, usage: bool = True, end: bool = True) -> bytes:
    """The events of a streamed answer, `piece` characters in each, with what real servers add around them."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[at : at + piece]} for at in range(0, len(text), piece)]
    frames = [frame([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    if end:
        frames.append(frame([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    if usage:
        frames.append(frame([], usage=USAGE))
    return "".join([": keep-alive\n\n", *frames, "data: [DONE]\n\n" if end else ""]).encode()


def frame(choices: list[dict[str, Any]], **more: Any) -> str:
    return f"data: {json.dumps({'model': MODEL, 'choices': choices, **more}, ensure_ascii=False)}\n\n"


def streamed(text: str, chunk: int = 7, **options: Any) -> Turn:
    """A streamed answer, cut into chunks of `chunk` bytes whatever they tear."""
    return raw_stream(events(text, **options), chunk)


def raw_stream(data: bytes, chunk: int = 7) -> Turn:
    def turn(talk: Talk) -> None:
        talk.start_stream()
        for at in range(0, len(data), chunk):
            talk.send_chunk(data[at : at + chunk])
        talk.wfile.write(b"0\r\n\r\n")

    return turn


def dropped(text: str) -> Turn:
    """A streamed answer whose connection breaks after `text`; with "" before any of it."""

    def turn(talk: Talk) -> None:
        talk.start_stream()
        talk.send_chunk(events(text, usage=False, end=False))
        talk.hang_up()

    return turn


def hang(start: str = "") -> Turn:
    """Silence, after the start of a streamed answer when there is one, until the server is closed."""

    def turn(talk: Talk) -> None:
        if start:
            talk.start_stream()
            talk.send_chunk(events(start, usage=False, end=False))
        talk.server.over.wait(60)
        talk.hang_up()

    return turn


def refusing(field: str, then: Turn) -> Turn:
    """A 400 for any request that bears `field`, `then` for the others."""

    def turn(talk: Talk) -> None:
        asked = talk.server.requests[-1].body
        refusal = status(400, f"Unsupported parameter: '{field}' is not supported with this model.")
        (refusal if field in asked else then)(talk)

    return turn
