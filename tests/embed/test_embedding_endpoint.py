"""The endpoint embedder against a real HTTP server that speaks the protocol, and misspeaks it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from chunkwise.embed import embedder
from chunkwise.embed.endpoint import EndpointEmbedder
from chunkwise.errors import EndpointError

Reply = Callable[[list[str]], tuple[int, Any, dict[str, str]]]


class Server(ThreadingHTTPServer):
    """Answers with `replies` in turn, the last one for ever; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Reply] = [good]
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append((self.path, self.headers["authorization"], sent))
        reply = self.server.replies.pop(0) if len(self.server.replies) > 1 else self.server.replies[0]
        status, body, headers = reply(sent["input"])
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the client has given up waiting, as it should
            pass

    def log_message(self, *_: object) -> None:
        pass


def vector(text: str) -> list[float]:
    return [len(text), 3.0, float(sum(map(ord, text)) % 7), -1.0]


def good(texts: list[str]) -> tuple[int, Any, dict[str, str]]:
    data = [{"index": at, "embedding": vector(text)} for at, text in enumerate(texts)]
    return 200, {"object": "list", "data": data[::-1], "model": "m"}, {}


def says(status: int, body: Any, **headers: str) -> Reply:
    return lambda texts: (status, body, headers)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


def _quick(server: Server, **settings: Any) -> EndpointEmbedder:
    return EndpointEmbedder(server.url, "m", pause=0.001, **settings)


def test_vectors_come_back_in_order_and_at_unit_length(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    model = embedder(f"{server.url}#m")
    texts = ["", "one", "\ud800 broken", "longer text 😀", "\0"]
    found = model(texts)
    expected = np.array([vector(text) for text in (" ", "one", "? broken", "longer text 😀", "\0")])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert found.dtype == np.float32
    assert server.requests[0][:2] == ("/v1/embeddings", "Bearer secret")
    assert server.requests[0][2]["model"] == "m"
    assert (model.dim, model([]).shape, len(server.requests)) == (4, (0, 4), 1)
    assert model.name == f"{server.url}/v1/embeddings#m"


def test_many_texts_go_in_batches(server: Server) -> None:
    texts = ["x" * number for number in range(1, 24)]
    found = _quick(server, batch=10)(texts)
    assert [len(sent["input"]) for _, _, sent in server.requests] == [10, 10, 3]
    expected = np.array([vector(text) for text in texts])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/v1/embeddings"),
        ("/", "/v1/embeddings"),
        ("/api/v2", "/api/v2/embeddings"),
        ("/e/embeddings", "/e/embeddings"),
    ],
)
def test_where_it_asks(server: Server, path: str, asked: str) -> None:
    EndpointEmbedder(server.url + path, "m")(["a"])
    assert server.requests[0][0] == asked


def test_the_dimension_is_asked_for_once(server: Server) -> None:
    model = _quick(server)
    assert (model.dim, model.dim, len(server.requests)) == (4, 4, 1)
    assert _quick(server)([]).shape == (0, 4)


def test_a_name_shows_no_password() -> None:
    assert EndpointEmbedder("http://me:pass@host/v1", "m").name == "http://host/v1/embeddings#m"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_faults_are_tried_again(server: Server, status: int) -> None:
    server.replies = [says(status, {"error": {"message": "busy"}}), says(status, b"busy"), good]
    assert _quick(server)(["a"]).shape == (1, 4)
    assert len(server.requests) == 3


def test_retry_after_is_waited_for(server: Server) -> None:
    server.replies = [says(429, {}, **{"Retry-After": "1"}), good]
    begun = time.monotonic()
    _quick(server)(["a"])
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize(
    ("reply", "message", "requests"),
    [
        (says(401, {"error": {"message": "bad key"}}), "401: bad key .*OPENAI_API_KEY", 1),
        (says(404, {"error": "no such model"}), "404: no such model", 1),
        (says(400, b"<html>what?</html>"), "400: <html>what", 1),
        (says(500, {"error": {"message": "out of memory"}}), "500: out of memory .*tried 3 times", 3),
        (says(429, b""), "429: Too Many Requests", 3),
        (says(200, b"not json at all"), "not JSON: 'not json at all'", 1),
        (says(200, {"data": []}), "one vector for each of 2", 1),
        (says(200, {"data": [{"index": 0, "embedding": [1.0]}]}), "one vector for each of 2", 1),
        (says(200, {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]}), "each of 2", 1),
        (says(200, {"data": [{"index": i, "embedding": [1.0]} for i in range(3)]}), "each of 2", 1),
        (says(200, {"data": [{"index": i, "embedding": [1.0] * i} for i in (0, 1)]}), "each of 2", 1),
        (says(200, {"data": [{"index": i, "embedding": [float("nan")]} for i in (0, 1)]}), "each of 2", 1),
        (says(200, {"data": [{"index": i, "embedding": "AAAA"} for i in (0, 1)]}), "each of 2", 1),
        (says(200, ["data"]), "each of 2", 1),
        (says(200, {"error": {"message": "quota"}}), "quota", 1),
    ],
)
def test_faults_are_told_in_the_endpoints_own_words(server: Server, reply: Reply, message: str, requests: int) -> None:
    server.replies = [reply]
    with pytest.raises(EndpointError, match=message) as raised:
        _quick(server, retries=2)(["a", "b"])
    assert server.url in str(raised.value)
    assert len(server.requests) == requests


def test_vectors_of_two_widths_are_refused(server: Server) -> None:
    server.replies = [good, says(200, {"data": [{"index": 0, "embedding": [1.0, 2.0]}]})]
    with pytest.raises(EndpointError, match="4 and of 2 dimensions"):
        _quick(server, batch=1)(["a", "b"])


def test_a_silent_endpoint_is_given_up(server: Server) -> None:
    release = threading.Event()

    def silent(texts: list[str]) -> tuple[int, Any, dict[str, str]]:
        release.wait(10)
        return good(texts)

    server.replies = [silent]
    with pytest.raises(EndpointError, match=r"did not answer within 0\.1 s \(tried 2 times\)"):
        _quick(server, timeout=0.1, retries=1)(["a"])
    release.set()


def test_nobody_there() -> None:
    with Server() as gone:
        url = gone.url
    with pytest.raises(EndpointError, match="cannot be reached"):
        EndpointEmbedder(url, "m", retries=0)(["a"])
