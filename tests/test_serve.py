"""The server as OpenAI's own client sees it, over a tiny model with random weights."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import openai
import pytest
import torch

from chunkwise.engine.complete import Completer
from chunkwise.serve import Server
from local_model import model_folder
from processes import heed_interrupts

LONG = {"logit_bias": {"257": -100}}  # never ends by itself


@contextmanager
def serving(completer: Completer):
    server = Server(completer, port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def completer(folder):
    return Completer.load(folder, memory=4_000_000)


@pytest.fixture(scope="module")
def url(completer):
    with serving(completer) as server:
        yield server.url


@pytest.fixture(scope="module")
def client(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(autouse=True)
def _settled(request):
    """Whatever a test did, nothing is held after it."""
    yield
    if "completer" in request.fixturenames:
        until_idle(request.getfixturevalue("completer"))


def until_idle(completer: Completer) -> None:
    for _ in range(1000):
        load = completer.under_way
        if (load.running, load.waiting, load.held) == (0, 0, 0):
            return
        time.sleep(0.01)
    raise AssertionError(load)


def plain(client, prompt="once upon", **more):
    return client.completions.create(model="tiny", prompt=prompt, **{"max_tokens": 12, "seed": 7, **more})


def chat(client, **more):
    messages = [{"role": "user", "content": "say something"}]
    return client.chat.completions.create(model="tiny", messages=messages, **{"max_tokens": 12, "seed": 7, **more})


def test_a_completion_tells_text_reason_and_usage(client):
    said = plain(client, **LONG)
    assert said.choices[0].finish_reason == "length"
    assert said.choices[0].text
    assert (said.usage.prompt_tokens, said.usage.completion_tokens, said.usage.total_tokens) == (9, 12, 21)


def test_the_same_seed_says_the_same_and_another_does_not(client):
    first, again, other = (plain(client, seed=seed).choices[0].text for seed in (3, 3, 4))
    assert first == again != other


def test_choices_have_seeds_of_their_own_and_share_the_prompt(client):
    prompt = "a beginning that is long enough to be worth waiting for " * 2
    said = plain(client, prompt, n=3, seed=5)
    alone = [plain(client, prompt, seed=5 + number).choices[0].text for number in range(3)]
    assert [choice.text for choice in said.choices] == alone
    assert len(set(alone)) == 3
    assert plain(client, prompt).usage.prompt_tokens_details.cached_tokens == len(prompt) - 1


def test_several_prompts_are_numbered_through(client):
    said = plain(client, ["one", "two", [65, 66]], n=2)
    assert [choice.index for choice in said.choices] == list(range(6))
    assert said.choices[2].text == plain(client, "two").choices[0].text


@pytest.mark.parametrize("ask", [plain, chat])
def test_a_stream_is_the_whole_in_pieces(client, ask):
    whole = ask(client, n=2, max_tokens=40)
    texts = {0: "", 1: ""}
    ends, usage = {}, None
    for piece in ask(client, n=2, max_tokens=40, stream=True, stream_options={"include_usage": True}):
        usage = piece.usage or usage
        for choice in piece.choices:
            text = choice.text if ask is plain else choice.delta.content
            texts[choice.index] += text or ""
            ends[choice.index] = choice.finish_reason or ends.get(choice.index)
    told = [choice.text if ask is plain else choice.message.content for choice in whole.choices]
    assert list(texts.values()) == told
    assert list(ends.values()) == [choice.finish_reason for choice in whole.choices]
    assert usage.completion_tokens == whole.usage.completion_tokens


def test_bytes_of_a_character_that_come_one_by_one_are_told_together(client):
    """Tokens are bytes: the model is made to say an emoji of four, then half of one."""
    letters = bytes_to_tokens()
    emoji = [letters[byte] for byte in "🙂".encode()]
    with forced([*emoji, *emoji[:2]]) as sampler:
        said = list(plain(client, stream=True, max_tokens=6, extra_body={"sampler": sampler}))
    text = "".join(piece.choices[0].text for piece in said)
    assert text == "🙂\ufffd"
    assert all("\ufffd" not in piece.choices[0].text for piece in said[:-1])


def bytes_to_tokens():
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    own = [ord(letter) for letter in letters if ord(letter) < 256]
    order = [*own, *sorted(set(range(256)) - set(own))]
    return {byte: token for token, byte in enumerate(order)}


@contextmanager
def forced(tokens):
    """A sampler of that name that strikes out all but these tokens, one after the other."""
    from chunkwise import recipe

    def forced_() -> object:
        left = iter(tokens)

        def only(logits):
            kept = torch.full_like(logits, -torch.inf)
            token = next(left)
            kept[token] = logits[token]
            return kept

        return only

    recipe.recipes()
    recipe._registry["forced"] = recipe.Recipe("forced", "sample", "none", "none", forced_)
    try:
        yield "forced"
    finally:
        del recipe._registry["forced"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_across_tokens_and_pieces_is_never_told(client, stream):
    with forced([bytes_to_tokens()[byte] for byte in b"a EN ENDE of it"]):
        said = plain(client, stop=["ENDE", "unmet"], max_tokens=15, stream=stream, extra_body={"sampler": "forced"})
        pieces = [piece.choices[0] for piece in said] if stream else [said.choices[0]]
    assert "".join(piece.text for piece in pieces) == "a EN "
    assert pieces[-1].finish_reason == "stop"


def test_what_only_began_like_a_stop_string_is_told_at_the_end(client):
    with forced([bytes_to_tokens()[byte] for byte in b"so END"]):
        said = plain(client, stop="ENDE", max_tokens=6, extra_body={"sampler": "forced"})
    assert (said.choices[0].text, said.choices[0].finish_reason) == ("so END", "length")


def test_log_probabilities(client):
    said = plain(client, logprobs=3, temperature=0, **LONG).choices[0].logprobs
    assert len(said.tokens) == len(said.token_logprobs) == len(said.top_logprobs) == len(said.text_offset) == 12
    for name, logprob, best in zip(said.tokens, said.token_logprobs, said.top_logprobs, strict=True):
        assert len(best) == 3
        assert best[name] == logprob == max(best.values()) < 0
    told = chat(client, logprobs=True, top_logprobs=2, **LONG).choices[0].logprobs.content
    assert len(told) == 12
    assert all(len(token.top_logprobs) == 2 and len(token.bytes) == 1 for token in told)
    assert chat(client).choices[0].logprobs is None


def test_bias_and_samplers_change_what_is_said(client):
    only = plain(client, logit_bias={"65": 100}, max_tokens=4).choices[0].text
    assert len(set(only)) == 1
    greedy = plain(client, temperature=0).choices[0].text
    assert plain(client, extra_body={"sampler": "temperature:t=1.5|top-k-sampling:k=1"}).choices[0].text == greedy
    assert plain(client, top_p=1e-9).choices[0].text == greedy


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"stop": list("abcdefghijklmnopqrst")}, "stop"),
        ({"logit_bias": {"900": 1}}, "logit_bias"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"sampler": "no-such"}, "sampler"),
        ({"sampler": "min-p", "top_p": 0.5}, "sampler"),
        ({"echo": True}, "echo"),
        ({"suffix": "x"}, "suffix"),
        ({"colour": "red"}, "colour"),
        ({"stream_options": {"more": 1}}, "stream_options.more"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": [99999]}, "prompt"),
        ({"prompt": "x" * 256}, "prompt"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_a_field_that_cannot_be_is_named(url, more, field):
    answer = httpx.post(f"{url}/v1/completions", json={"model": "tiny", "prompt": "a", **more})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "messages"),
        ("hi", "messages"),
        ([5], "messages[0]"),
        ([{"content": "a"}], "messages[0].role"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content"),
        ([{"role": "robot", "content": "a"}], "messages"),
    ],
)
def test_messages_that_cannot_be_are_named(url, messages, field):
    answer = httpx.post(f"{url}/v1/chat/completions", json={"messages": messages})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe\x00", b"[" * 100_000, b'{"prompt": "a", "n": 1e999}'])
def test_what_is_no_request_is_refused(url, body):
    answer = httpx.post(f"{url}/v1/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_half_a_surrogate_pair_is_read(url):
    answer = httpx.post(f"{url}/v1/completions", content=b'{"prompt": "a \\ud800 b", "max_tokens": 2}')
    assert answer.status_code == 200
    answer = httpx.post(f"{url}/v1/completions", content=b'{"prompt": "a", "model": "\\ud800"}')
    assert answer.status_code == 404


def test_another_model_or_path_is_not_found(client, url):
    with pytest.raises(openai.NotFoundError) as error:
        client.completions.create(model="other", prompt="a")
    assert error.value.code == "model_not_found"
    assert httpx.get(f"{url}/v1/nothing").status_code == 404
    assert httpx.get(f"{url}/v1/completions").status_code == 405
    assert [one.id for one in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_health_and_metrics(client, url):
    plain(client)
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}
    text = httpx.get(f"{url}/metrics").text
    for line in (
        'chunkwise_requests_total{path="/v1/completions",status="200"}',
        'chunkwise_tokens_total{kind="completion"}',
        'chunkwise_tokens_total{kind="cached"}',
        'chunkwise_choices{state="running"} 0.0',
        'chunkwise_kv_slots{state="held"} 0.0',
        "chunkwise_time_to_first_token_seconds_bucket",
        "chunkwise_time_between_tokens_seconds_count",
    ):
        assert line in text


@pytest.mark.parametrize("stream", [False, True])
def test_who_hangs_up_frees_the_slots(folder, stream):
    """With room for a million tokens the request would go on for minutes."""
    long = model_folder(folder.parent / f"long{stream}", window=1_000_000)
    with Completer.load(long, memory=300_000_000) as completer, serving(completer) as server:
        body = {"prompt": "a", "max_tokens": 900_000, "stream": stream, **LONG}
        with httpx.Client(timeout=0.5 if not stream else 20) as http:
            if stream:
                with http.stream("POST", f"{server.url}/v1/completions", json=body) as answer:
                    pieces = answer.iter_bytes()  # whose end would close the connection
                    next(pieces)
                    assert completer.under_way.running == 1
            else:
                with pytest.raises(httpx.ReadTimeout):
                    http.post(f"{server.url}/v1/completions", json=body)
        until_idle(completer)


def test_no_more_than_may_wait(folder):
    with Completer.load(folder, memory=4_000_000) as completer, serving(completer) as server:
        completer.most = 2
        answer = httpx.post(f"{server.url}/v1/completions", json={"prompt": "a", "n": 3})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert httpx.post(f"{server.url}/v1/completions", json={"prompt": "a", "n": 2}).status_code == 200


def test_five_hundred_at_once_are_all_answered(url, completer):
    bodies = [{"prompt": f"{number} in a crowd", "max_tokens": 2, "seed": number} for number in range(500)]
    host, port = url.removeprefix("http://").split(":")

    async def one(body: dict) -> tuple[int, dict]:  # by hand: a client's pool takes longer over 500 than the server
        content = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection(host, int(port))
        head = ["POST /v1/completions HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(content)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + content)
        told, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(told.split()[1]), json.loads(answer)

    async def all_of_them() -> list[tuple[int, dict]]:
        return await asyncio.gather(*map(one, bodies))

    answers = asyncio.run(all_of_them())
    assert [status for status, _ in answers] == [200] * 500
    assert httpx.post(f"{url}/v1/completions", json=bodies[77]).json()["choices"] == answers[77][1]["choices"]


def test_what_is_not_a_number_is_an_error_and_the_next_request_is_answered(folder):
    completer = Completer.load(folder, memory=4_000_000)
    decoder = completer._engine.decoder
    sound = decoder.logits
    with serving(completer) as server:
        decoder.logits = lambda x: sound(x) * float("nan")
        answer = httpx.post(f"{server.url}/v1/completions", json={"prompt": "a"})
        assert answer.status_code == 500
        assert "NaN" in answer.json()["error"]["message"]
        decoder.logits = sound
        assert httpx.post(f"{server.url}/v1/completions", json={"prompt": "a"}).status_code == 200
        until_idle(completer)


@pytest.mark.filterwarnings("ignore:a pass failed")
def test_a_pass_that_fails_ends_its_requests_and_no_others(folder):
    completer = Completer.load(folder, memory=4_000_000)
    decoder = completer._engine.decoder
    sound = decoder.run

    def broken(*more):
        raise RuntimeError("the device is gone")

    with serving(completer) as server:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as client:
            stream = plain(client, stream=True, max_tokens=200, **LONG)
            next(stream)
            decoder.run = broken
            with pytest.raises(openai.APIError, match="the device is gone"):
                list(stream)
            decoder.run = sound
            assert plain(client).choices[0].text
        until_idle(completer)
        completer._engine.tree.check()


def test_interrupted_it_says_so_to_who_is_served(folder):
    long = model_folder(folder.parent / "endless", window=1_000_000)
    process, url = started(long)
    try:
        with httpx.stream(
            "POST", f"{url}/v1/completions", json={"prompt": "a", "max_tokens": 900_000, "stream": True, **LONG}
        ) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            process.send_signal(signal.SIGINT)
            told = [line for line in lines if line]
        assert "shut down" in json.loads(told[-1].removeprefix("data: "))["error"]["message"]
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()


def test_killed_it_starts_again_over_what_it_spilled(folder, tmp_path):
    """Room for one long prompt: the second one drives the first to the disk, where the next server finds it."""
    more = ("--memory", "80KB", "--spill", str(tmp_path / "spilled"))
    prompts = [letter * 200 for letter in "abc"]
    process, url = started(folder, *more)
    try:
        said = [asked(url, prompt) for prompt in prompts]
        process.kill()
        process.wait()
        files = list((tmp_path / "spilled").rglob("*.safetensors"))
        assert files
        files[0].write_bytes(files[0].read_bytes()[:-10])
        process, url = started(folder, *more)
        again = [asked(url, prompt) for prompt in prompts]
        assert [one["choices"][0]["text"] for one in again] == [one["choices"][0]["text"] for one in said]
        assert max(one["usage"]["prompt_tokens_details"]["cached_tokens"] for one in again) > 100
    finally:
        process.kill()
        process.wait()


def asked(url: str, prompt: str) -> dict:
    answer = httpx.post(f"{url}/v1/completions", json={"prompt": prompt, "temperature": 0, "max_tokens": 4})
    assert answer.status_code == 200, answer.text
    return answer.json()


def started(folder, *more: str) -> tuple[subprocess.Popen, str]:
    command = [sys.executable, "-m", "chunkwise", "serve", "--model", str(folder), "--port", "0", *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)
    for line in process.stderr:
        if found := re.search("http://[0-9.:]+", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, found[0]
    raise AssertionError(f"not started: {process.wait()}")
