"""The endpoint client, against a real server that keeps to a script."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from chunkwise.errors import EndpointError, UserError
from chunkwise.llm import Endpoint, Usage, endpoint
from chunkwise.prompt import Message
from llm_server import (
    MODEL,
    Server,
    Turn,
    as_json,
    as_text,
    dropped,
    events,
    hang,
    raw_stream,
    refusing,
    status,
    streamed,
    whole,
)

KEY = "sk-very-secret-4711"
ASKED: list[Message] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "é漢😀 שלום \x00"}]
ODD = "Ünï 漢字 😀 שלום \u2028 [1].\r\nEnd"


def client(server: Server, **settings: Any) -> Endpoint:
    return endpoint(server.spec, **{"key": KEY, "backoff": 0.001, **settings})


def failure(server: Server, **settings: Any) -> str:
    with pytest.raises(EndpointError) as caught:
        client(server, **settings).stream(ASKED).completion  # noqa: B018 - reading it is the act
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_complete() -> None:
    with Server(whole(ODD)) as server:
        done = client(server).complete(ASKED, max_tokens=50)
    assert (done.text, done.model, done.usage) == (ODD, MODEL, Usage(11, 7))
    (asked,) = server.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {"model": MODEL, "messages": ASKED, "temperature": 0.0, "max_tokens": 50}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 100_000])
def test_stream_in_chunks_that_tear_lines_and_characters(chunk: int) -> None:
    with Server(streamed(ODD, chunk)) as server:
        stream = client(server).stream(ASKED)
        pieces = list(stream)
        assert "".join(pieces) == stream.completion.text == ODD
        assert len(pieces) > 1
        assert stream.completion.usage == Usage(11, 7)
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


def test_a_stream_s_completion_reads_the_rest() -> None:
    with Server(streamed(ODD)) as server:
        stream = client(server).stream(ASKED)
        next(stream)
        assert stream.completion.text == ODD


def test_a_closed_stream_has_no_completion() -> None:
    with Server(hang("first words")) as server:
        stream = client(server).stream(ASKED)
        assert next(stream) == "first"
        stream.close()
        with pytest.raises(EndpointError, match="closed before its end"):
            stream.completion  # noqa: B018 - reading it is the act


def test_an_endpoint_that_does_not_stream_is_understood() -> None:
    with Server(whole("All at once.")) as server:
        assert list(client(server).stream(ASKED)) == ["All at once."]


def test_a_stream_without_usage_or_done() -> None:
    wire = events("Short.", usage=False).replace(b"data: [DONE]\n\n", b"")
    with Server(raw_stream(wire)) as server:
        done = client(server).stream(ASKED).completion
    assert (done.text, done.usage) == ("Short.", None)


def test_without_a_key_none_is_sent() -> None:
    with Server(whole("x")) as server:
        client(server, key="").complete(ASKED)
    assert "authorization" not in server.requests[0].headers


def test_lone_surrogates_do_not_stop_the_request() -> None:
    with Server(whole("x")) as server:
        client(server).complete([{"role": "user", "content": "a\ud800b"}])
    assert server.requests[0].body["messages"][0]["content"] == "a?b"


@pytest.mark.parametrize("field", ["stream_options", "temperature"])
def test_a_refused_option_is_left_out(field: str) -> None:
    with Server(refusing(field, streamed("Fine."))) as server:
        assert client(server).stream(ASKED).completion.text == "Fine."
    assert [field in asked.body for asked in server.requests] == [True, False]


def test_a_refused_max_tokens_is_written_the_new_way() -> None:
    with Server(refusing("max_tokens", whole("Fine."))) as server:
        client(server).complete(ASKED, max_tokens=9)
    assert "max_tokens" not in server.requests[1].body
    assert server.requests[1].body["max_completion_tokens"] == 9


def test_stream_options_refused_without_a_word_of_it() -> None:
    with Server(as_json({"detail": [{"msg": "Extra inputs are not permitted"}]}, 422), streamed("Fine.")) as server:
        assert client(server).stream(ASKED).completion.text == "Fine."


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (status(401, f"Incorrect API key provided: {KEY}."), ["401", "Incorrect API key", "OPENAI_API_KEY"]),
        (status(403, "Not in your region"), ["403", "Not in your region", "key"]),
        (status(404, "The model does not exist"), ["404", "The model does not exist", "/v1"]),
        (as_json({"message": "Not Found"}, 404), ["404: Not Found".replace(":", "):"), "URL"]),
        (status(400, "context length exceeded"), ["400", "context length exceeded", "budget"]),
        (status(402, "pay"), ["402", "pay"]),
        (as_json({"error": {"message": "broke", "code": "insufficient_quota"}}, 429), ["quota", "broke", "billing"]),
        (as_text("", 301, {"Location": "https://other.example/v1"}), ["301", "https://other.example/v1"]),
        (as_text("<!DOCTYPE html><title>Hi</title>"), ["JSON", "<!DOCTYPE html>", "/v1"]),
        (as_text(""), ["JSON", "an empty reply"]),
        (as_json([1, 2]), ["JSON", "[1, 2]"]),
        (as_json({"hello": "world"}), ["choices", "hello"]),
        (as_json({"choices": []}), ["no choices"]),
        (as_json({"choices": [None]}), ["no text"]),
        (as_json({"choices": [{"message": "odd", "finish_reason": "length"}]}), ["no text", "length"]),
        (as_json({"error": "out of memory"}), ["out of memory"]),
        (raw_stream(b'data: {"error": {"message": "out of memory"}}\n\n'), ["out of memory"]),
        (raw_stream(b"data: {garbage\n\n"), ["JSON", "{garbage"]),
        (as_text("[" * 100_000), ["JSON", "[[["]),
        (as_text("not gzip", 200, {"Content-Encoding": "gzip"}), ["cannot be read"]),
        (as_text("x" * 1_000_000, 405), ["405", "xxx"]),
        (status(418, "\x1b[31mred\x07\n" + "x" * 10_000), ["418", "red", "…"]),
    ],
)
def test_what_no_retry_can_mend_is_said_at_once(turn: Turn, words: list[str]) -> None:
    with Server(turn) as server:
        said = failure(server)
        assert len(server.requests) <= 2  # a second time without stream_options
    assert all(word in said for word in [*words, MODEL, server.url]), said
    assert said.isprintable()
    assert len(said) < 600


def test_a_key_is_asked_for_where_none_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Server(status(401, "missing bearer")) as server:
        assert "wants a key (401)" in failure(server, key=None)


@pytest.mark.parametrize(
    "trouble",
    [
        status(429, "slow down"),
        status(429, "slow down", {"Retry-After": "0"}),
        status(429, "slow down", {"Retry-After": "soon"}),
        status(429, "slow down", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        status(500, "oops"),
        as_text("<h1>Bad gateway</h1>", 502),
        dropped(""),
        raw_stream(b""),
    ],
)
def test_passing_trouble_is_waited_out(trouble: Turn) -> None:
    with Server(trouble, trouble, trouble, streamed("At last.")) as server:
        assert client(server).stream(ASKED).completion.text == "At last."
    assert len(server.requests) == 4


def test_trouble_that_stays_is_told_with_the_number_of_tries() -> None:
    with Server(status(503, "overloaded")) as server:
        said = failure(server, retries=2)
        assert len(server.requests) == 3
    assert "503" in said
    assert "overloaded" in said
    assert "3 tries" in said


def test_a_rate_limit_that_stays() -> None:
    with Server(status(429, "slow down")) as server:
        assert "rate limit (429): slow down" in failure(server, retries=1)


@pytest.mark.parametrize(
    "later", [lambda: "3600", lambda: format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)]
)
def test_a_retry_after_too_long_is_told_instead_of_waited_for(later: Callable[[], str]) -> None:
    with Server(status(429, "slow down", {"Retry-After": later()})) as server:
        assert "asks to wait 3" in failure(server)
        assert len(server.requests) == 1


def test_nothing_is_sent_again_once_a_piece_was_handed_on() -> None:
    with Server(dropped("Half an ans"), streamed("Other.")) as server:
        stream = client(server).stream(ASKED)
        assert next(stream) == "Half "
        with pytest.raises(EndpointError, match="incomplete"):
            list(stream)
        assert len(server.requests) == 1


def test_a_stream_that_ends_without_saying_so_is_no_answer() -> None:
    wire = events("Half an answer", end=False)
    with Server(raw_stream(wire)) as server:
        assert "broke off in the middle" in failure(server)


@pytest.mark.parametrize("start", ["", "First words"])
def test_silence_ends_at_the_time_out(start: str) -> None:
    with Server(hang(start)) as server:
        assert "silent for 0.2 s" in failure(server, read_timeout=0.2)
        assert len(server.requests) == 1


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EndpointError, match=r"cannot be reached.*\(2 tries\); is the server running"):
        endpoint(f"http://127.0.0.1:{port}#m", retries=1, backoff=0.001).complete(ASKED)


def test_a_proxy_in_the_environment_does_not_come_between_us_and_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Server(whole("x")) as server:
        assert client(server).complete(ASKED).text == "x"


@pytest.mark.parametrize(
    ("given", "asked"),
    [("", "/v1"), ("/", "/v1"), ("/v1", "/v1"), ("/v1/", "/v1"), ("/api", "/api"), ("/v1/chat/completions", "/v1")],
)
def test_where_the_api_lives(given: str, asked: str) -> None:
    with Server(whole("x")) as server:
        url = server.url.removesuffix("/v1") + given
        endpoint(f"{url}?version=2#m", key="").complete(ASKED)
    assert server.requests[0].path == f"{asked}/chat/completions?version=2"


def test_the_environment_fills_what_the_spec_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    monkeypatch.setenv("OPENAI_MODEL", "from-env")
    with Server(whole("x")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        endpoint().complete(ASKED)
        endpoint("#other").complete(ASKED)
        endpoint(server.url).complete(ASKED)
    assert [asked.body["model"] for asked in server.requests] == ["from-env", "other", "from-env"]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="no endpoint named"):
        endpoint()
    with pytest.raises(UserError, match="no model named"):
        endpoint("http://localhost:8000/v1")


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://[::1", "http://x:port", "file:///x"]
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(UserError, match="http://localhost:8000/v1#model"):
        endpoint(f"{url}#m")


@pytest.mark.parametrize("key", ["sk-a\nb", "schlüssel"])
def test_a_key_that_no_header_can_hold(key: str) -> None:
    with pytest.raises(UserError) as caught:
        endpoint("http://localhost#m", key=key)
    assert key not in str(caught.value)


def test_secrets_stay_out_of_sight() -> None:
    made = endpoint("http://me:hunter2@localhost:8000/v1?key=hunter3#m", key=KEY)
    for shown in (repr(made), str(made)):
        assert "localhost:8000/v1" in shown
        assert not any(secret in shown for secret in ("hunter", KEY))


def test_httpx_is_loaded_when_it_is_needed_and_not_before() -> None:
    look = "import sys, chunkwise.llm; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], env={"PYTHONPATH": os.pathsep.join(sys.path)}).returncode == 0
