"""A local model where an endpoint is asked."""

import pytest

from chunkwise.cli.generated import size
from chunkwise.cli.run import run
from chunkwise.errors import UserError
from chunkwise.llm import Endpoint, Local, named
from chunkwise.prompt import Message
from chunkwise.supplies import supplies
from local_model import model_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("models") / "tiny")


def test_a_spec_names_a_folder_or_an_endpoint(folder, tmp_path):
    assert named(f"local:{folder}").name == "tiny"
    assert isinstance(named("http://localhost:1/v1#local:x"), Endpoint)
    with pytest.raises(UserError, match="no such folder"):
        named(f"local:{tmp_path}/none")


def test_it_answers_as_the_protocol_says(folder):
    messages = [Message(role="user", content="hello")]
    model = Local(folder, memory=4_000_000)
    whole = model.complete(messages, max_tokens=9)
    stream = model.stream(messages, max_tokens=9)
    assert "".join(stream) == whole.text == stream.completion.text
    assert (whole.model, whole.usage.completion_tokens) == ("tiny", 9)
    assert model.complete(messages, max_tokens=9, temperature=0.0).text == whole.text
    with pytest.raises(UserError, match="leaves no room"):
        model.complete([Message(role="user", content="x" * 300)])
    assert model.complete(messages, max_tokens=1).text


def test_recipes_can_ask_it(folder):
    assert supplies(llm=f"local:{folder}")["ask"]()("hello")


def test_generate_writes_the_same_for_a_seed(folder, capsys):
    command = ["generate", "hello", "--model", str(folder), "--max-tokens", "8", "--memory", "4MB"]
    said = []
    for seed in ("1", "1", "2"):
        assert run([*command, "--sampler", "temperature:t=1", "--seed", seed]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize(
    "more", [["--model", "none"], ["--memory", "much"], ["--memory", "1"], ["--quantise", "int3"], ["--sampler", "x"]]
)
def test_what_cannot_be_started_is_said(folder, more, capsys):
    assert run(["generate", "hello", "--model", str(folder), *more]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(("text", "bytes_"), [("2GB", 2 * 10**9), ("1.5 m", 1_500_000), ("7", 7)])
def test_sizes(text, bytes_):
    assert size(text) == bytes_
