"""Any bytes become text, to the character where they can."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chunkwise.read import parse
from chunkwise.read.decode import decode, sound, unicode_of
from chunkwise.read.media import is_binary

FRENCH = "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë au delà des îles. Où êtes-vous ?\n" * 3
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。\n" * 3
)
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n" * 3
CHINESE = "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。寒来暑往，秋收冬藏。这是一个中文的例子。\n" * 3


@given(st.text())
def test_utf8_comes_back_to_the_character(text: str) -> None:
    data = text.encode("utf-8")
    assume(not is_binary(data) and not unicode_of(data))  # nearly all NULs and control characters
    marked = text.startswith("\ufeff")  # the mark is dropped, and only the first
    assert parse(data, "a.md").text == text[marked:]


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    for media in ("text/plain", "text/x-python", "text/html"):
        text, encoding = decode(data, media)
        assert isinstance(text, str)
        assert encoding


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(encoding: str) -> None:
    text = "Zwölf\r\nBoxkämpfer 🦆 שלום\r"
    assert parse(text.encode(encoding), "a.txt").text == text


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-32-be"])
def test_big_endian_marks(encoding: str) -> None:
    mark = {"utf-16-be": codecs.BOM_UTF16_BE, "utf-32-be": codecs.BOM_UTF32_BE}[encoding]
    assert parse(mark + "ein Wort 🦆".encode(encoding), "a.txt").text == "ein Wort 🦆"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(encoding: str) -> None:
    text = "plain words, café, and a line\r\n" * 5
    document = parse(text.encode(encoding), "a.txt")
    assert (document.text, document.metadata) == (text, {"encoding": encoding})


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        ("naïve “quotes” – dash\n", "cp1252"),
        (JAPANESE, "shift-jis"),
        (JAPANESE, "euc-jp"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (CHINESE, "gb18030"),
        ("x = 1  # plain\n" * 5000 + FRENCH, "cp1252"),
    ],
)
def test_older_encodings_are_guessed(text: str, encoding: str) -> None:
    document = parse(text.encode(encoding), "a.txt")
    assert document.text == text
    assert document.metadata["encoding"] != "utf-8"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_coding_cookie(end: str) -> None:
    source = f"#!/usr/bin/python{end}# -*- coding: koi8-r -*-{end}s = 'да'{end}"
    document = parse(source.encode("koi8-r"), "a.py")
    assert (document.text, document.metadata["encoding"]) == (source, "koi8-r")
    assert parse(source.encode("koi8-r"), "a.txt").text != source


@pytest.mark.parametrize("cookie", ["no-such-codec", "rot13", "unicode_escape", "ascii", "-"])
def test_useless_coding_cookie(cookie: str) -> None:
    source = f"# coding: {cookie}\ns = 'д\\u0041'\n"
    assert parse(source.encode("utf-8"), "a.py").text == source


def test_declared_in_html_and_xml() -> None:
    page = '<html><head><meta charset="windows-1251"></head><p>да</p></html>'
    assert parse(page.encode("cp1251"), "a.html").text == "да"
    assert parse(page.encode("utf-8"), "a.html").text == "да"
    xml = "<?xml version='1.0' encoding='koi8-r'?><a>да</a>"
    assert parse(xml.encode("koi8-r"), "a.xml").text == xml


def test_damage_is_noted_and_the_rest_is_saved() -> None:
    data = ("Grüße aus Köln, schön hier, überall Bäume\n" * 3).encode()
    broken = data[:45] + b"\xff\xfe" + data[45:]
    document = parse(broken, "a.txt")
    assert document.metadata["encoding"] == "utf-8, damaged"
    assert document.text.replace("\ufffd", "") == data.decode()


def test_nuls_in_a_text_stay() -> None:
    assert parse(b"one\0two\nthree\0", "a.txt").text == "one\0two\nthree\0"


def test_text_is_sound_for_every_store() -> None:
    assert sound("a\ud83e\udd86b\ud800c") == "a🦆b\ufffdc"
