"""The words everybody uses: ids, line maps, passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chunkwise
from chunkwise.units import Document, Lazy, LineMap, Passage, Span, content_id, place_id
from processes import run

any_text = st.text(st.one_of(st.sampled_from("ab \r\n\t\u2028é漢😀\0\ud800"), st.characters()))


@given(any_text, any_text)
def test_ids_are_of_the_text_alone(one: str, other: str) -> None:
    assert (content_id(one) == content_id(other)) == (one == other)
    assert len(bytes.fromhex(content_id(one))) == 16


def test_an_id_never_changes() -> None:
    assert content_id("chunk") == "dc2573ff6e5265aacbc55f6ef44e88f0"
    assert content_id("") != content_id(" ")


def lines_before(text: str, offset: int) -> int:
    """Line numbers counted the slow way: LF, CRLF and a lone CR end a line."""
    line, at = 1, 0
    while at < offset:
        if text[at] == "\n" or (text[at] == "\r" and text[at + 1 : at + 2] != "\n"):
            line += 1
        at += 1
    return line


@given(any_text)
def test_lines_of_text(text: str) -> None:
    lines = LineMap.of_text(text)
    assert [lines.at(offset) for offset in range(len(text))] == [lines_before(text, at) for at in range(len(text))]
    assert list(lines.starts) == sorted(set(lines.starts))
    assert len(lines.starts) == len(lines.numbers)


def test_many_lines() -> None:
    lines = LineMap.of_text("x\n" * 25_000)
    assert lines.at(0) == 1
    assert lines.at(2 * 20_000) == 20_001
    assert lines.numbers[-1] == 25_001


@given(any_text, st.data())
def test_ranges_hold_both_ends(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    first, last = LineMap.of_text(text).range(Span(start, end))
    assert first <= last
    assert first == lines_before(text, start)


@pytest.mark.parametrize(
    ("span", "cite"), [(Span(0, 1), "a.md:1"), (Span(0, 2), "a.md:1"), (Span(0, 3), "a.md:1-2"), (Span(4, 4), "a.md:3")]
)
def test_citations(span: Span, cite: str) -> None:
    assert LineMap.of_text("x\ny\nz").cite("a.md", span) == cite


def test_citations_of_pages() -> None:
    pages = LineMap((0, 10, 20), (1, 2, 5), "page")
    assert pages.cite("a.pdf", Span(3, 8)) == "a.pdf p.1"
    assert pages.cite("a.pdf", Span(3, 25)) == "a.pdf p.1-5"


def test_documents_of_strings() -> None:
    document = Document.of("one\ntwo", "a.txt", author="none")
    assert document.id == content_id("one\ntwo")
    assert document.lines.at(4) == 2
    assert document.metadata == {"author": "none"}


def test_identity_of_a_passage_is_that_of_its_chunks() -> None:
    def passage(*chunks: str) -> Passage:
        return Passage(chunks, "a", Span(0, 1), (1, 1), "a:1", "x", 1, 0.5)

    assert passage("c1").id == "c1"
    assert passage("c1", "c2").id == passage("c1", "c2").id
    assert len({passage("c1").id, passage("c1", "c2").id, passage("c2", "c1").id}) == 3


def test_importing_costs_next_to_nothing() -> None:
    """Neither torch, numpy nor the store until they are used."""
    code = (
        "import sys, chunkwise; print(*(n for n in ('torch', 'numpy', 'sqlite3', 'tree_sitter') if n in sys.modules))"
    )
    assert run(code).strip() == ""


def test_public_names() -> None:
    for name in chunkwise.__all__:
        assert getattr(chunkwise, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = chunkwise.nothing_like_it


def test_lines_of_a_long_text_are_those_of_its_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "é\r\na\rb\n\r\r\nc" * 9
    whole = LineMap.of_text(text)
    for stretch in range(1, 9):
        monkeypatch.setattr("chunkwise.units._STRETCH", stretch)
        assert LineMap.of_text(text) == whole


def test_what_is_lazy_is_made_once_and_only_when_looked_at() -> None:
    made: list[int] = []

    def make(at: int) -> str:
        made.append(at)
        return str(at)

    lazy = Lazy(4, make)
    assert len(lazy) == 4
    assert made == []
    assert lazy[-1] == "3"
    assert lazy[1:3] == ["1", "2"]
    assert list(lazy) == ["0", "1", "2", "3"]
    assert made == [3, 1, 2, 0]
    with pytest.raises(IndexError):
        lazy[4]


def test_a_place_is_another_thing_than_its_text() -> None:
    assert place_id("a", 0, 3) == place_id("a", 0, 3)
    assert len({place_id("a", 0, 3), place_id("a", 0, 4), place_id("b", 0, 3), content_id("a")}) == 4
