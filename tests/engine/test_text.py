"""Text to ids and back, piece by piece, and what a chat template makes of messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Library

from chunkwise.engine.text import Stream, Tokenizer
from chunkwise.errors import ModelError, UserError

ODD = [
    *("", " ", "  two", "a\r\nb\0", "naïve café", "日本語のテキスト", "مرحبا بالعالم", "\ufffd\ufffd a", "x" * 500),
    *("🙂\U0001f469\u200d\U0001f467\U0001f3f3\ufe0f\u200d\U0001f308", "\ud800 half"),
]
CHAT = """{{ bos_token }}{% for m in messages %}
{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}
<{{ m.role }}>{% generation %}{{ m.content | trim }}{% endgeneration %}<end>
{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"""


def byte_level() -> Library:
    """As Llama 3 and Qwen read: every token is some bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "t"), ("Ð", "°"), ("h", "e"), ("ã", "ģ")]
    vocabulary = {token: number for number, token in enumerate([*alphabet, *("".join(pair) for pair in merges)])}
    made = Library(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def byte_fallback() -> Library:
    """As Llama 2 and Mistral read: words begin with a mark, bytes stand in for characters that are no token."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdehlotx", "▁t", "he"]
    merges = [("▁", "t"), ("h", "e")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Library(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    return made


KINDS = {"byte level": byte_level, "byte fallback": byte_fallback}


def write(folder: Path, library: Library, **files: Any) -> Tokenizer:
    library.add_special_tokens([AddedToken(token, special=True) for token in ("<bos>", "<eos>", "<end>")])
    library.save(str(folder / "tokenizer.json"))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return Tokenizer.load(folder)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    return {name: write(tmp_path_factory.mktemp("text"), library()) for name, library in KINDS.items()}


def pieces(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    stream = Stream(tokenizer)
    return [*(stream.put(number) for number in ids), stream.end()]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.sampled_from(ODD), st.text(max_size=60)))
def test_pieces_make_up_the_text(read: dict[str, Tokenizer], kind: str, text: str) -> None:
    tokenizer = read[kind]
    ids = tokenizer.encode(text)
    told = pieces(tokenizer, ids)
    assert "".join(told) == tokenizer.decode(ids) == tokenizer._tokenizer.decode(ids)
    assert "".join(told) == text.encode("utf-8", "replace").decode()
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in told)  # no half of a character, ever


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_ids_at_all(read: dict[str, Tokenizer], kind: str, data: st.DataObject) -> None:
    tokenizer = read[kind]
    ids = data.draw(st.lists(st.integers(0, tokenizer.size - 1), max_size=12))
    told = "".join(pieces(tokenizer, ids))
    assert told == tokenizer.decode(ids)
    if kind == "byte level":
        assert told == tokenizer._tokenizer.decode(ids)
    told.encode()  # whole characters


def test_a_character_comes_with_its_last_byte(read: dict[str, Tokenizer]) -> None:
    for tokenizer in read.values():
        ids = tokenizer.encode("a🙂")
        *before, last, end = pieces(tokenizer, ids)
        assert "".join(before) == "a"
        assert (last, end) == ("🙂", "")
        *before, end = pieces(tokenizer, ids[:-1])
        assert "".join(before) == "a"
        assert set(end) == {"\ufffd"}


def test_bytes_that_are_no_character_are_told_at_last(read: dict[str, Tokenizer]) -> None:
    for tokenizer in read.values():
        ids = tokenizer.encode("é", special=False)[-2:-1] * 100
        told = pieces(tokenizer, ids)
        assert any(told[:40])
        assert len("".join(told)) == 100


def test_special_tokens_are_not_told(read: dict[str, Tokenizer]) -> None:
    for tokenizer in read.values():
        start, end = (tokenizer._tokenizer.token_to_id(token) for token in ("<bos>", "<end>"))
        ids = [start, *tokenizer.encode("the"), end, *tokenizer.encode(" the")]
        assert tokenizer.decode(ids) == tokenizer._tokenizer.decode(ids)
        assert "<" not in tokenizer.decode(ids)


def test_what_ends_an_answer(tmp_path: Path) -> None:
    told = {"eos_token": {"content": "<eos>"}, "bos_token": "<bos>"}
    tokenizer = write(tmp_path, byte_level(), generation_config={"eos_token_id": [7, 9]}, tokenizer_config=told)
    start, end = (tokenizer._tokenizer.token_to_id(token) for token in ("<bos>", "<eos>"))
    assert tokenizer.eos == {7, 9, end}
    assert tokenizer.bos == start
    (tmp_path / "generation_config.json").unlink()
    assert write(tmp_path, byte_level(), config={"eos_token_id": 3, "bos_token_id": 1}).eos == {3, end}
    (tmp_path / "tokenizer_config.json").unlink()
    plain = Tokenizer.load(tmp_path)
    assert (plain.eos, plain.bos) == ({3}, 1)


def test_chat(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": " hé "}, {"role": "assistant", "content": "yes"}]
    told = {"bos_token": "<bos>", "chat_template": CHAT}
    tokenizer = write(tmp_path, byte_level(), tokenizer_config=told)
    assert tokenizer.chat(talk) == "<bos><user>hé<end>\n<assistant>yes<end>\n<assistant>"
    assert tokenizer.chat(talk, answer=False) == "<bos><user>hé<end>\n<assistant>yes<end>\n"
    assert tokenizer.encode(tokenizer.chat(talk), special=False)[0] == tokenizer.bos
    with pytest.raises(UserError, match="no tools here"):
        tokenizer.chat([{"role": "tool", "content": ""}])
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content | tojson }}{{ strftime_now('%Y')[:0] }}")
    assert Tokenizer.load(tmp_path).chat(talk) == '" hé "'


@pytest.mark.parametrize(
    ("template", "error", "told"),
    [
        (None, UserError, "has no chat template"),
        ([{"name": "tools", "template": "x"}], UserError, "has no chat template"),
        ("{% for %}", ModelError, "cannot be read"),
        ("{{ messages.__class__.__mro__ }}", ModelError, "fails on these messages"),
        ("{{ messages.append(1) }}", ModelError, "fails on these messages"),
        ("{{ missing.field }}", ModelError, "fails on these messages"),
    ],
)
def test_templates_that_cannot_be(tmp_path: Path, template: Any, error: Any, told: str) -> None:
    tokenizer = write(tmp_path, byte_level(), tokenizer_config={"chat_template": template})
    with pytest.raises(error, match=told):
        tokenizer.chat([{"role": "user", "content": "a"}])


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"is not a tokenizer\.json"):
        Tokenizer.load(tmp_path)
