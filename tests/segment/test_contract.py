"""What every recipe of the family "segment" holds to, on odd and on random text."""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.recipe import build, recipes
from chunkwise.segment import chunks
from chunkwise.segment.fit import any_character, fit
from chunkwise.tokens import BUNDLED, TokenOffsets, tokenizer
from chunkwise.units import Document, Span, content_id
from supplies import SUPPLIES

# The stand-in models mostly answer nonsense, and each time a recipe says so.
pytestmark = pytest.mark.filterwarnings("ignore::chunkwise.errors.FallbackWarning")

NAMES = [made.name for made in recipes("segment")]
SIZED = {made.name: made.parameters["size"].default for made in recipes("segment") if "size" in made.parameters}
OVERLAPPING = [made.name for made in recipes("segment") if "overlap" in made.parameters]
MEDIA = ["text/plain", "text/markdown", "text/x-rst", "text/x-python", "text/csv", "application/json", "text/x-c"]

ODD = {
    "empty": "",
    "blank": "  \n\t \r\n  ",
    "newlines": "\n" * 3000,
    "blanks": " " * 3000,
    "one line": " ".join(random.Random(1).choices(["alpha", "beta", "42", "x.", "y,", "z;"], k=20_000)),
    "one word": "a" * 30_000,
    "stops": "." * 20_000,
    "brackets": ")" * 9_000 + "(" * 9_000,
    "emoji": "👩‍👩‍👧‍👦🏽‍🚀🇫🇷e\u0301 " * 400,
    "surrogates": "ok \ud83d broken \udc00 pair \ud83d\ude00 text. " * 300,
    "nul": "a\x00b. c\x00\x00d\n" * 500,
    "crlf": "line one.\r\nline two is here.\r\n\r\npara\r\n" * 300,
    "returns": "line one.\rline two\r\r" * 300,
    "rtl": "שלום עולם. مرحبا بالعالم! \u200fabc\u200f " * 300,
    "cjk": "这是一个没有空格的中文句子。人工智能正在改变世界！" * 200,
    "thai": "ภาษาไทยไม่มีเว้นวรรคระหว่างคำ" * 200,
    "special": "<|endoftext|> hi <|fim_prefix|> " * 200,
    "combining": "Z" + "\u0301" * 3000,
    "separators": "a b\x0bc\x0cd\x85e\u2028f\u2029g. " * 200,
    "mark": "\ufeffhello world. " * 200,
    "digits": "1234567890" * 1000 + "٣٤٥" * 1000,
    "deep": "(" * 2500 + "1" + ")" * 2500,
    "deep blocks": "\n".join(" " * depth + "if x:" for depth in range(80)) + "\n" + " " * 80 + "pass\n",
    "broken": "def f(:\n  class ((\n'''never closed\n" * 100,
    "fence": "# Title\n\n```python\n" + "x = 1\n" * 500,
    "table": "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 500,
    "headings": "# A\n## B\n### C\n" * 300,
}


@lru_cache(maxsize=8)
def offsets(text: str, words: str) -> TokenOffsets:
    return tokenizer(words).offsets(text)


def cut(name: str, text: str, media_type: str = "text/plain", words: str = "o200k_base", **settings: int) -> list[Span]:
    spec = f"{name}:{','.join(f'{key}={value}' for key, value in settings.items())}"
    return list(build(spec, "segment", SUPPLIES)(Document.of(text, media_type=media_type), offsets(text, words)))


def assert_tiles(text: str, spans: list[Span]) -> None:
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    assert all(left.end == right.start for left, right in pairwise(spans))


def assert_fits(text: str, spans: list[Span], size: int, words: str = "o200k_base") -> None:
    for start, end in spans:
        assert end - start == 1 or tokenizer(words).count(text[start:end]) <= size


@pytest.mark.parametrize("name", NAMES)  # the first turns fastest, and a text's outline is kept from one to the next
@pytest.mark.parametrize("media_type", MEDIA)
@pytest.mark.parametrize("odd", ODD)
def test_odd_text_is_tiled(name: str, odd: str, media_type: str) -> None:
    text = ODD[odd]
    spans = cut(name, text, media_type)
    assert_tiles(text, spans)
    assert spans == cut(name, text, media_type)
    if name in SIZED:
        assert_fits(text, spans, SIZED[name])


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("media_type", MEDIA)
def test_a_sentence_is_never_long(odd: str, media_type: str) -> None:
    assert all(end - start <= 520 for start, end in cut("sentence", ODD[odd], media_type))


PIECES = st.sampled_from(
    [
        *"aAé的1٣ .!'#,。ไ/",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "  ",
        "\t",
        "\xa0",
        "\u2028",
        "\x00",
        "\ud83d",
        "\udc00",
        "👩‍👩‍👧",
        "🇫🇷",
        "e\u0301",
        "word",
        " the",
        "123",
        "...",
        "<|endoftext|>",
        "def f():\n",
        "    ",
        "class A:\n",
        "return x",
        "# ",
        "- ",
        "```",
        "| ",
        "---",
        '"""',
        "if x:\n",
        "{",
        "}",
        ";",
    ]
)


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join), st.integers(1, 12), st.sampled_from(MEDIA), st.sampled_from(BUNDLED))
def test_random_text_is_tiled_and_fits(text: str, size: int, media_type: str, words: str) -> None:
    for name in NAMES:
        spans = cut(name, text, media_type, words, **({"size": size} if name in SIZED else {}))
        assert_tiles(text, spans)
        if name in SIZED:
            assert_fits(text, spans, size, words)


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join), st.integers(2, 12), st.data())
def test_overlap_moves_on_and_covers(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, size - 1))
    for name in OVERLAPPING:
        spans = cut(name, text, size=size, overlap=overlap)
        assert_fits(text, spans, size)
        assert all(left.start < right.start <= left.end < right.end for left, right in pairwise(spans))
        assert (spans[0].start, spans[-1].end) == (0, len(text)) if text else not spans


@pytest.mark.parametrize("name", OVERLAPPING)
def test_overlap_is_shared_and_bounded(name: str) -> None:
    text = "One two three four five. Six seven eight nine ten.\n" * 80
    spans = cut(name, text, size=64, overlap=16)
    shared = [text[right.start : left.end] for left, right in pairwise(spans)]
    assert all(shared)
    assert all(tokenizer().count(piece) <= 16 for piece in shared)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("odd", ["emoji", "crlf", "combining", "surrogates"])
def test_no_cut_inside_a_character_as_read(name: str, odd: str) -> None:
    text = ODD[odd] if odd != "combining" else "Z\u0301\u0302" * 2000
    for _, end in cut(name, text)[:-1]:
        assert text[end - 1 : end + 1] != "\r\n"
        assert text[end] not in "\u0301\u0302\u200d\U0001f3fd\udc00" or text[end - 1] == " "
        assert text[end - 1] not in "\u200d"
        assert text[end - 1 : end + 1] != "\ud83d\ude00"


@pytest.mark.parametrize("spec", ["recursive:size=0", "fixed:size=4,overlap=4", "recursive:overlap=-1", "cast:size=-3"])
def test_impossible_sizes_are_refused(spec: str) -> None:
    with pytest.raises(UserError, match=r"size|overlap"):
        build(spec, "segment")


def test_chunks_carry_text_tokens_kind_and_path() -> None:
    text = "# Guide\n\nFirst words stand here.\n\n## Code\n\n```\nx = 1\n```\n\nThe end of the guide, at last.\n"
    document = Document.of(text, "guide.md", "text/markdown")
    offsets = tokenizer().offsets(text)
    made = chunks(document, build("sentence", "segment"), offsets)
    assert [(chunk.kind, chunk.path) for chunk in made] == [
        ("text", ("Guide",)),
        ("code", ("Guide", "Code")),
        ("text", ("Guide", "Code")),
    ]
    assert sum(chunk.tokens for chunk in made) == len(offsets)
    for chunk in made:
        assert chunk.text == text[chunk.span.start : chunk.span.end]
        assert chunk.id == content_id(chunk.text)
        assert chunk.doc_id == document.id


def test_no_chunks_of_an_empty_document() -> None:
    for name in NAMES:
        assert chunks(Document.of(""), build(name, "segment", SUPPLIES), tokenizer().offsets("")) == []


def test_a_tokenizer_that_tells_only_offsets_is_believed() -> None:
    known = tokenizer().offsets(ODD["cjk"])
    bare = TokenOffsets(known.starts, known.length)
    spans = build("recursive:size=50", "segment")(Document.of(ODD["cjk"]), bare)
    assert_tiles(ODD["cjk"], spans)
    assert all(bare.count(*span) <= 50 for span in spans)


def test_a_part_of_a_token_that_is_several_alone_is_cut_by_characters() -> None:
    """As when a byte pair tokenizer spells out in bytes what it had joined."""
    text = "abcdef"
    known = TokenOffsets(np.array([0, 6]), len(text), alone=len)
    assert fit(text, known, 1, 0, any_character, Span(1, 6)) == [Span(at, at + 1) for at in range(1, 6)]
    assert fit(text, known, 2, 0, any_character, Span(1, 6)) == [Span(1, 3), Span(3, 5), Span(5, 6)]
